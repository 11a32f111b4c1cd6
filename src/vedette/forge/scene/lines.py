"""All makers of log lines, and which of them may be harmless or a sign of a technique."""

from __future__ import annotations

from datetime import datetime
from random import Random
from typing import Protocol

from vedette.forge.scene import hosts, network
from vedette.forge.scene.line import Line, Maker

SOURCES = {
    "sshd": "the OpenSSH server", "sudo": "sudo", "auditd": "the Linux audit daemon",
    "windows": "the Windows event log", "sysmon": "Sysmon", "web": "a web server's access log",
    "dns": "a DNS server's query log", "firewall": "a netfilter firewall", "mail": "a Postfix mail server",
    "vpn": "an OpenVPN server", "cloud": "AWS CloudTrail",
}  # fmt: skip
MAKERS: tuple[Maker, ...] = (
    hosts.sshd_failed,
    hosts.sshd_accepted,
    hosts.sudo,
    hosts.auditd,
    hosts.windows_logon,
    hosts.windows_change,
    hosts.sysmon,
    network.web,
    network.dns,
    network.firewall,
    network.mail,
    network.vpn,
    network.cloud,
)


def anything(rng: Random, when: datetime) -> Line:
    return rng.choice(MAKERS)(rng, when)


class Toned(Protocol):
    """A maker of lines that are harmless, or a sign of a technique by themselves."""

    def __call__(self, rng: Random, when: datetime, *, bad: bool | None = None) -> Line: ...


TONED: tuple[Toned, ...] = (hosts.sudo, hosts.auditd, hosts.sysmon, network.web, network.dns, network.cloud)


def telling(rng: Random, when: datetime) -> Line:
    """A line that is a sign of a technique by itself."""
    return hosts.windows_change(rng, when) if rng.random() < 0.2 else rng.choice(TONED)(rng, when, bad=True)


def harmless(rng: Random, when: datetime) -> Line:
    return rng.choice(TONED)(rng, when, bad=False)
