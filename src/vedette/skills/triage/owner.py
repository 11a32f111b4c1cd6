"""What the owner says about the site: assets and exceptions, from TOML.

Only the owner can make a case weaker, and only by what sensors vouch for: an exception cannot name
a field that an attacker writes. Every exception has a reason and an expiry.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from vedette.config import Settings, load_toml
from vedette.skills.triage.signals import DAY_MS, Signal

Criticality = Literal["low", "medium", "high", "critical"]
WEIGHT: dict[str, float] = {"low": 0.0, "medium": 0.0, "high": 0.5, "critical": 1.0}
HUB_ROLES = (
    "dns",
    "proxy",
    "scanner",
    "nat",
    "gateway",
    "firewall",
    "load balancer",
    "domain controller",
    "monitoring",
)


class Asset(Settings):
    """A device that the owner knows."""

    name: str = Field(description="the name shown; one of its host names as a rule")
    hostnames: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    criticality: Criticality = "medium"
    role: str = ""
    hub: bool | None = Field(
        None, description="talks to everyone, so it never joins cases; guessed from role where not given"
    )

    @property
    def is_hub(self) -> bool:
        return self.hub if self.hub is not None else any(word in self.role.lower() for word in HUB_ROLES)


class Network(Settings):
    """A range of addresses with a criticality of its own."""

    cidr: str
    name: str = ""
    criticality: Criticality = "medium"

    @field_validator("cidr")
    @classmethod
    def _is_network(cls, value: str) -> str:
        ip_network(value)
        return value


class AssetsFile(Settings):
    asset: tuple[Asset, ...] = ()
    network: tuple[Network, ...] = ()


class Exemption(Settings):
    """A stretch of alerts that the owner expects. All conditions that are given have to hold."""

    id: str
    reason: str = Field(min_length=3)
    expires: date = Field(description="the last day on which it applies, UTC")
    owner: str = ""
    kind: Literal["known_scanner", "maintenance", "accepted_risk", "known_benign"] = "known_benign"
    rules: tuple[str, ...] = Field((), description="rule ids or exact rule names")
    products: tuple[str, ...] = ()
    hosts: tuple[str, ...] = Field((), description="names of the device concerned")
    sources: tuple[str, ...] = Field((), description="addresses or CIDR ranges that the activity comes from")
    start: datetime | None = Field(None, alias="from", description="begin of the window, with a zone")
    until: datetime | None = Field(None, description="end of the window, with a zone")
    daily: str = Field(
        "",
        pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$|^$",
        description="every day, UTC, as 22:00-04:00",
    )

    @field_validator("sources")
    @classmethod
    def _are_networks(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            ip_network(value, strict=False)
        return values

    @field_validator("start", "until")
    @classmethod
    def _has_zone(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without a zone; write 2026-03-10T01:00:00Z")
        return value

    @model_validator(mode="after")
    def _names_something(self) -> Exemption:
        if not (self.rules or self.hosts or self.sources):
            raise ValueError(f"exception {self.id!r} would excuse everything; name rules, hosts or sources")
        return self


class ExceptionsFile(Settings):
    exception: tuple[Exemption, ...] = ()


class Owner:
    """Answers questions about devices and exceptions; the same for a whole run."""

    def __init__(self, assets: AssetsFile | None = None, exceptions: ExceptionsFile | None = None) -> None:
        self.assets, self.exceptions = assets or AssetsFile(), exceptions or ExceptionsFile()
        self._by_name: dict[str, Asset] = {}
        for asset in self.assets.asset:
            for name in (asset.name, *asset.hostnames, *asset.addresses):
                self._by_name.setdefault(name.lower(), asset)
        self._ranges = [(ip_network(n.cidr), n) for n in self.assets.network]
        self._fitting: dict[tuple[object, ...], tuple[Exemption, ...]] = {}
        self._exceptions = [(e, [ip_network(s, strict=False) for s in e.sources]) for e in self.exceptions.exception]

    @classmethod
    def load(cls, assets: Path | None, exceptions: Path | None) -> Owner:
        """Raises ConfigError that names file and key."""
        return cls(
            load_toml(assets, AssetsFile) if assets else None,
            load_toml(exceptions, ExceptionsFile) if exceptions else None,
        )

    def digest(self) -> str:
        return sha256((self.assets.model_dump_json() + self.exceptions.model_dump_json()).encode()).hexdigest()

    def asset(self, device: str) -> Asset | None:
        return self._by_name.get(device.lower())

    def value(self, device: str) -> float:
        """What a device is worth: 0 for what is ordinary or unknown, 1 for critical."""
        asset = self.asset(device)
        if asset:
            return WEIGHT[asset.criticality]
        address = _address(device)
        return max((WEIGHT[n.criticality] for net, n in self._ranges if address and address in net), default=0.0)

    def is_hub(self, device: str) -> bool:
        asset = self.asset(device)
        return asset is not None and asset.is_hub

    def exception_for(self, signal: Signal) -> Exemption | None:
        """The first exception that covers the whole signal."""
        kind = (signal.product, signal.rule_uid, signal.rule_name, signal.device, signal.entities)
        fitting = self._fitting.get(kind)
        if fitting is None:
            asset = self.asset(signal.device)
            fitting = tuple(e for e, networks in self._exceptions if _fits(e, networks, signal, asset))
            self._fitting[kind] = fitting
        return next((e for e in fitting if _in_force(e, signal)), None)


def _fits(e: Exemption, networks: list[IPv4Network | IPv6Network], signal: Signal, asset: Asset | None) -> bool:
    """Whether all conditions but those of time hold."""
    if e.rules and signal.rule_uid not in e.rules and signal.rule_name not in e.rules:
        return False
    if e.products and signal.product not in e.products:
        return False
    if e.hosts:
        names = {signal.device.lower()} | ({asset.name.lower()} if asset else set())
        if names.isdisjoint(h.lower() for h in e.hosts):
            return False
    sources = [_address(x[4:]) for x in signal.entities if x.startswith("src:")] if networks else []
    return not networks or any(source and source in network for source in sources for network in networks)


def _in_force(e: Exemption, signal: Signal) -> bool:
    """Whether the exception holds from the signal's first alert to its last."""
    if e.start and signal.first < e.start.timestamp() * 1000:
        return False
    if e.until and signal.last > e.until.timestamp() * 1000:
        return False
    if e.daily and not (_in_daily(e.daily, signal.first) and _in_daily(e.daily, signal.last)):
        return False
    last_day = datetime(e.expires.year, e.expires.month, e.expires.day, tzinfo=UTC).timestamp() * 1000
    return signal.last < last_day + DAY_MS


def _in_daily(window: str, moment: int) -> bool:
    """Whether a time (milliseconds UTC) lies in "HH:MM-HH:MM" of its day; the window may cross midnight."""
    begin, end = (int(t[:2]) * 60 + int(t[3:]) for t in window.split("-"))
    minute = moment // 60_000 % 1_440
    return begin <= minute < end if begin <= end else minute >= begin or minute < end


@lru_cache(maxsize=65_536)
def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
