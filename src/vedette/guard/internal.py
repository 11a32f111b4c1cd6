"""What belongs to the organisation: addresses, domains, and names that are everybody's and tell nothing."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
SUFFIXES = frozenset(("local", "lan", "corp", "internal", "intra", "intranet", "localdomain", "home.arpa"))
# Accounts and names that every system has, and the words that placeholders are made of.
EVERYWHERE = frozenset(
    (
        "root", "admin", "administrator", "guest", "system", "localsystem", "local system", "local service",
        "network service",
        "nt authority", "nt service", "builtin", "window manager", "font driver host", "everyone", "anonymous",
        "anonymous logon", "nobody", "daemon", "www-data", "apache", "nginx", "mysql", "postgres", "sshd", "service",
        "user", "users", "public", "default", "default user", "all users", "defaultaccount", "krbtgt", "localhost",
        "local",
        "host", "domain", "ip", "mac", "secret", "text", "blob", "unknown", "none", "null", "workgroup", "test", "bin",
    )
)  # fmt: skip


def networks(given: Iterable[str] = ()) -> tuple[Network, ...]:
    """Private, link-local, loopback and carrier-grade ranges, and the owner's. Raises ValueError."""
    ranges = (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "fc00::/7", "fe80::/10", "fec0::/10", "::1/128", *given,
    )  # fmt: skip
    return tuple(ip_network(one, strict=False) for one in ranges)


@lru_cache(maxsize=65_536)
def canonical(address: str, inside: tuple[Network, ...]) -> str:
    """One spelling of an address of these networks, "" for any other text."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return str(parsed) if any(parsed in network for network in inside) else ""


def is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def telling(name: str) -> bool:
    """Whether a name says something of the organisation, and can be looked for without hitting every other word."""
    if len(name) < 3 or name in EVERYWHERE:
        return False
    return any(char.isalpha() for char in name) or (len(name) >= 6 and name.isdigit())


def split_domain(name: str, domains: frozenset[str] | set[str]) -> tuple[str, str]:
    """(host label, domain) of a dotted name within `domains` or the internal suffixes; ("", "") for any other.

    ("", name) where the name is itself one of the domains; the domain is "" where only a suffix follows the label.
    """
    labels = name.split(".")
    if len(labels) < 2 or not all(labels):
        return "", ""
    if name in domains:
        return "", name
    ends = (".".join(labels[i:]) for i in range(1, len(labels)))
    if not any(end in domains or end in SUFFIXES for end in ends):
        return "", ""
    rest = ".".join(labels[1:])
    return labels[0], "" if rest in SUFFIXES else rest
