"""Alerts folded into signals: one rule, on one device, with the same entities, in ten minutes.

Everything after this step works on signals, so its cost follows what happened, not how often an
alert was repeated. Folding is exact (counts, first, last) and does not depend on chunk borders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import ip_address, ip_network

import msgspec

from vedette.skills.triage.hits import hits_of
from vedette.types import Alert, Kind, Observable, Role

SLOT_MS = 600_000  # ten minutes
DAY_MS = 86_400_000
SLOTS_A_DAY = DAY_MS // SLOT_MS
MANY_ENTITIES = 256  # distinct entity sets of one rule on one device and day before they are folded
MANY_RULES = 5_000  # distinct rules of one product a day before new ones are folded
OTHER_RULES = "(other rules)"

Key = tuple[int, str, str, str, tuple[str, ...]]  # slot, product, rule uid, device, entities
Folded = tuple[str, str, str, tuple[str, ...]]  # product, rule uid, device, entities


class Signal(msgspec.Struct, gc=False):
    """What `count` alerts have in common. Times in milliseconds UTC."""

    slot: int  # ten-minute slots since 1970-01-01 UTC
    product: str
    rule_uid: str
    rule_name: str
    device: str
    entities: tuple[str, ...]  # "host:name", "ip:address", "src:…", "dst:…", "user:name", "hash:value"; sorted
    severity: int
    count: int = 0
    duplicates: int = 0
    first: int = 0
    last: int = 0
    hits: int = 0  # bits of `hits.NAMES` found in attacker-written text
    techniques: tuple[str, ...] = ()
    tactics: tuple[str, ...] = ()
    sample: Alert | None = None  # the alert that is shown for it
    rowid: int = 0  # in the state

    @property
    def day(self) -> int:
        """Days since 1970-01-01 UTC."""
        return self.slot // SLOTS_A_DAY


INSIDE = tuple(
    ip_network(cidr)
    for cidr in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "fc00::/7", "fe80::/10", "::1/128",
    )
)  # fmt: skip


def is_inside(address: str) -> bool:
    """Whether an address is of a range that is used inside networks. Text that is no address is not."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in INSIDE)


def device_of(observables: tuple[Observable, ...]) -> str:
    """The device that an alert is about: the agent's host where the sensor names one, else the
    inside end of the connection (the target where both ends are inside), else the source."""
    best, best_score = "", -1
    for o in observables:
        score = _DEVICE_ORDER.get((o.role, o.kind), -1)
        if o.kind is Kind.IP and score >= 0 and is_inside(o.value):
            score += 10
        if o.role is Role.HOST and o.kind is Kind.HOSTNAME:
            score = 100
        if score > best_score:
            best, best_score = o.value, score
    return best or "(no device)"


_DEVICE_ORDER = {(Role.SRC, Kind.IP): 1, (Role.DST, Kind.IP): 2, (Role.HOST, Kind.IP): 5,
                 (Role.SRC, Kind.HOSTNAME): 0, (Role.DST, Kind.HOSTNAME): 0}  # fmt: skip
_PREFIX = {Kind.HOSTNAME: "host:", Kind.IP: "ip:", Kind.USER: "user:", Kind.HASH: "hash:"}


def entities_of(observables: tuple[Observable, ...]) -> tuple[str, ...]:
    """What an alert can share with another one; only what sensors vouch for."""
    return tuple(sorted({_entity(o) for o in observables if o.kind in _PREFIX and o.value}))


def _entity(o: Observable) -> str:
    if o.kind is Kind.IP and o.role in (Role.SRC, Role.DST):  # an end of a connection, not the device's own address
        return f"{o.role}:{o.value}"
    return _PREFIX[o.kind] + o.value


class Folder:
    """Folds the alerts of a chunk, and keeps what one attacker can multiply within bounds.

    `recall(day)` gives the (product, rule, device, entities) that the state holds of a day. It is asked once
    for each day met, so that folding starts at the same alert in a resumed run as in an undisturbed one.
    """

    def __init__(self, recall: Callable[[int], Iterable[Folded]] = lambda day: ()) -> None:
        self._recall = recall
        self._days: set[int] = set()
        self.seen_sets: dict[tuple[int, str, str, str], set[tuple[str, ...]]] = {}
        self.seen_rules: dict[tuple[int, str], set[str]] = {}
        self._parts: dict[tuple[Observable, ...], tuple[str, tuple[str, ...]]] = {}

    def fold(self, alerts: Iterable[tuple[Alert, bool]]) -> dict[Key, Signal]:
        """Signals of one chunk, from (alert, is it a copy of one that was read before)."""
        out: dict[Key, Signal] = {}
        for alert, copy in alerts:
            key = self.key(alert)
            signal = out.get(key)
            if signal is None:
                signal = out[key] = Signal(
                    slot=key[0], product=key[1], rule_uid=key[2],
                    rule_name=alert.rule_name if key[2] != OTHER_RULES else OTHER_RULES,
                    device=key[3], entities=key[4], severity=0, first=alert.time, last=alert.time,
                )  # fmt: skip
            if copy:
                signal.duplicates += 1
            else:
                _add(signal, alert)
        return out

    def key(self, alert: Alert) -> Key:
        """What the alert is folded by."""
        parts = self._parts.get(alert.observables)
        if parts is None:
            if len(self._parts) > 100_000:
                self._parts.clear()
            parts = self._parts[alert.observables] = (device_of(alert.observables), entities_of(alert.observables))
        device, entities = parts
        day = alert.time // DAY_MS
        if day not in self._days:
            self._remember(day)
        rule = alert.rule_uid
        rules = self.seen_rules.setdefault((day, alert.product), set())
        if rule not in rules:
            if len(rules) >= MANY_RULES:
                rule = OTHER_RULES
            rules.add(rule)
        sets = self.seen_sets.setdefault((day, alert.product, rule, device), set())
        if entities not in sets:
            if len(sets) >= MANY_ENTITIES:
                entities = ("host:" + device,)
            sets.add(entities)
        return (alert.time // SLOT_MS, alert.product, rule, device, entities)

    def _remember(self, day: int) -> None:
        self._days.add(day)
        for product, rule, device, entities in self._recall(day):
            self.seen_rules.setdefault((day, product), set()).add(rule)
            self.seen_sets.setdefault((day, product, rule, device), set()).add(entities)

    def forget_before(self, day: int) -> None:
        """Drop the bookkeeping of days that are over, to keep memory flat. All that was folded is in the state."""
        self._days = {d for d in self._days if d >= day}
        self.seen_sets = {k: v for k, v in self.seen_sets.items() if k[0] >= day}
        self.seen_rules = {k: v for k, v in self.seen_rules.items() if k[0] >= day}


def _add(signal: Signal, alert: Alert) -> None:
    if signal.count == 0:
        signal.first, signal.last = alert.time, alert.time
    signal.count += 1
    signal.first = min(signal.first, alert.time)
    signal.last = max(signal.last, alert.time)
    if alert.severity > signal.severity:
        signal.severity = int(alert.severity)
    if alert.texts:
        bits = hits_of(alert.texts)
        if bits & ~signal.hits or signal.sample is None:
            signal.sample = alert
            signal.hits |= bits
    elif signal.sample is None:
        signal.sample = alert
    if alert.techniques:
        signal.techniques = merged(signal.techniques, alert.techniques)
    if alert.tactics:
        signal.tactics = merged(signal.tactics, alert.tactics)


def merged(left: tuple[str, ...], right: tuple[str, ...], limit: int = 100) -> tuple[str, ...]:
    """Both without repeats, in order, at most `limit`."""
    if left == right:
        return left
    return tuple(dict.fromkeys(left + right))[:limit]
