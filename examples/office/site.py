"""The office: its hosts, people, networks and the strangers around it. Everything here is invented.

Addresses are private (RFC 1918) or for documentation (RFC 5737); names end in `example.*` or `.test`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

DAY = "2026-03-10"
DAY_START = datetime(2026, 3, 10, tzinfo=UTC).timestamp()
DAY_SECONDS = 86_400
DOMAIN = "office.test"
NETBIOS = "OFFICE"


class Host(NamedTuple):
    """One computer. `user` is the person who sits at it, "" for servers."""

    name: str
    address: str
    system: str  # "windows" or "linux"
    role: str
    agent: str  # id of the Wazuh agent on it
    user: str = ""


PEOPLE = [
    "a.lindqvist",
    "b.okafor",
    "c.moreau",
    "d.tanaka",
    "e.novak",
    "f.haddad",
    "g.silva",
    "h.berg",
    "i.costa",
    "j.weber",
    "k.ito",
    "l.rossi",
    "m.keller",
    "n.dubois",
    "o.jansen",
    "p.kumar",
    "q.tran",
    "r.santos",
    "s.fischer",
    "t.ahmed",
    "u.larsen",
    "v.petrov",
    "w.smit",
    "x.young",
]
ADMIN = "adm.holm"  # the one administrator of the office
SERVICE_ACCOUNT = "svc-backup"  # over-privileged, as everywhere

_SERVERS = (
    ("dc01", "10.20.0.10", "windows", "domain controller"),
    ("files01", "10.20.0.5", "windows", "file server"),
    ("print01", "10.20.0.15", "windows", "print server"),
    ("backup01", "10.20.0.70", "windows", "backup server"),
    ("mail01", "10.20.0.25", "linux", "mail server"),
    ("web01", "10.20.30.80", "linux", "web server"),
    ("intra01", "10.20.0.80", "linux", "intranet"),
    ("dns01", "10.20.0.53", "linux", "DNS resolver"),
    ("dns02", "10.20.0.54", "linux", "DNS resolver"),
    ("proxy01", "10.20.0.8", "linux", "web proxy"),
    ("fw01", "10.20.0.1", "linux", "NAT firewall"),
    ("scan01", "10.20.0.90", "linux", "vulnerability scanner"),
    ("mon01", "10.20.0.60", "linux", "monitoring"),
    ("siem01", "10.20.0.61", "linux", "Wazuh manager"),
)


def _build_hosts() -> tuple[Host, ...]:
    hosts = [Host(*row, f"{i:03d}") for i, row in enumerate(_SERVERS, start=1)]
    hosts = [host._replace(agent="000") if host.name == "siem01" else host for host in hosts]
    for i, person in enumerate(PEOPLE):
        laptop = i >= 18
        name = f"lt-{i - 17:02d}" if laptop else f"ws-{101 + i}"
        address = f"10.20.11.{10 + i - 17}" if laptop else f"10.20.10.{101 + i}"
        hosts.append(Host(name, address, "windows", "laptop" if laptop else "workstation", f"{20 + i:03d}", person))
    return tuple(hosts)


HOSTS = _build_hosts()
HOST = {host.name: host for host in HOSTS}
WORKSTATIONS = tuple(host for host in HOSTS if host.user)
WINDOWS = tuple(host for host in HOSTS if host.system == "windows")
LINUX = tuple(host for host in HOSTS if host.system == "linux")
SERVERS = tuple(host for host in HOSTS if not host.user)
MISCONFIGURED = HOST["ws-109"]  # an old password is stored in its drive mapping

STRANGERS = tuple(f"203.0.113.{n}" for n in (7, 12, 19, 23, 31, 44, 58, 71, 88, 102, 117, 140, 163, 189, 201, 230))
VISITORS = tuple(f"192.0.2.{n}" for n in range(10, 120, 3))
SPAMMERS = tuple(f"203.0.113.{n}" for n in (33, 47, 91, 125, 150, 177, 212, 245))
OFFICE_OUTSIDE = "198.51.100.2"  # the firewall's own outside address
UPDATE_MIRROR = "198.51.100.80"
VENDOR_CLOUD = "198.51.100.120"
STORAGE_CLOUD = "198.51.100.140"


def at(clock: str) -> float:
    """Seconds since 1970 of `HH:MM[:SS[.sss]]` UTC on the simulated day."""
    parts = [float(part) for part in clock.split(":")]
    return DAY_START + sum(part * unit for part, unit in zip(parts, (3600, 60, 1), strict=False))


def iso(time: float, zone: str = "Z", digits: int = 3) -> str:
    """ISO 8601 in UTC with `digits` decimals and the given zone suffix."""
    stamp = datetime.fromtimestamp(round(time, 6), UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    return stamp[: 20 + digits].ljust(20 + digits, "0") + zone


def syslog_time(time: float) -> str:
    """`Mar 10 09:41:12`, as syslog writes it."""
    moment = datetime.fromtimestamp(time, UTC)
    return f"{moment:%b} {moment.day:2d} {moment:%H:%M:%S}"
