"""Values that the model weighs: of a signal among the other signals of its day, and of a case.

No value reads a label, a scenario, or an absolute address; text counts only as a hit, which raises.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field

from vedette.skills.triage.baseline import Baseline
from vedette.skills.triage.model import Model, softplus
from vedette.skills.triage.owner import Exemption, Owner
from vedette.skills.triage.signals import SLOT_MS, Signal
from vedette.skills.triage.tactics import tactic_of
from vedette.types import Severity

EXCUSED = -20.0  # points of a signal that the owner excused
WEAK = -4.0  # points below which a signal proves no tactic and no spread


@dataclass(slots=True)
class Weighed:
    """A signal with what the model makes of it."""

    signal: Signal
    host: str  # the device under the name that the site uses
    tactic: str
    rarity: float
    site_rarity: float
    values: tuple[float, ...]  # in the order of model.SIGNAL_TERMS
    points: float  # log-odds
    masked: float  # log-odds with attacker-written text masked
    excuse: Exemption | None = None
    ref: str = ""  # of the alert that is shown for it, once that is known
    links: tuple[str, ...] = ()  # entities that may join it with other signals


@dataclass(slots=True)
class Group:
    """Signals that belong together; the draft of a case."""

    day: int
    members: list[Weighed] = field(default_factory=list)
    routine: bool = False  # what a device does all the time, gathered
    after: float = 0.0  # how strongly it follows other activity on the site
    follows: Group | None = None
    since: int = 0  # milliseconds from the end of what it follows to the signal that follows; below 0 while it went on

    @property
    def first(self) -> int:
        return min(w.signal.first for w in self.members)

    @property
    def last(self) -> int:
        return max(w.signal.last for w in self.members)

    @property
    def top(self) -> float:
        return max(w.points for w in self.members)


def rule_key(product: str, rule_name: str) -> str:
    """How labelled history names a rule."""
    return f"{product}|{' '.join(rule_name.lower().split())}"


def weigh(signals: list[Signal], baseline: Baseline, model: Model, owner: Owner) -> list[Weighed]:
    """The day's signals with their points, in the order given."""
    names = host_names(signals, owner)
    places: dict[tuple[str, str, str], _Place] = {}
    for s in signals:
        if (s.product, s.rule_uid, s.device) not in places:
            places[s.product, s.rule_uid, s.device] = _Place.of(s, baseline, model)
    here = [places[s.product, s.rule_uid, s.device] for s in signals]
    hosts = [names.get(s.device, s.device) for s in signals]
    company = _company(signals, hosts, [place.rarity for place in here], model.rare)
    out = []
    for s, host, place, others in zip(signals, hosts, here, company, strict=True):
        values = (
            *place.values,
            max(0, s.severity - 1) / 4,
            min(1.0, math.log1p(s.count) / 7),
            math.log1p(others) / 2,
            min(1.0, s.hits.bit_count() / 2),
        )
        excuse = owner.exception_for(s)
        points = model.points(values) if excuse is None else EXCUSED
        masked = model.points((*values[:-1], 0.0)) if s.hits and excuse is None else points
        out.append(Weighed(s, host, tactic_of(s), place.rarity, place.site_rarity, values, points, masked, excuse))
    return out


@dataclass(frozen=True, slots=True)
class _Place:
    """What is the same for all signals of a rule on a device and day."""

    rarity: float
    site_rarity: float
    values: tuple[float, float, float, float]  # the first four terms of a signal

    @classmethod
    def of(cls, s: Signal, baseline: Baseline, model: Model) -> _Place:
        place = (s.product, s.rule_uid, s.device)
        rarity, site_rarity = baseline.rarity(place), baseline.site_rarity(place[:2])
        history = model.history.get(rule_key(s.product, s.rule_name), 0.0)
        return cls(rarity, site_rarity, (history / 3, rarity / 5, site_rarity / 5, float(baseline.is_new(place))))


def host_names(signals: list[Signal], owner: Owner) -> dict[str, str]:
    """Addresses and host names -> the one name of the device, where the owner or the sensors say it without doubt."""
    claims: dict[str, set[str]] = defaultdict(set)
    for entities, device in {(s.entities, s.device) for s in signals}:
        own = [e for e in entities if e.startswith("host:")]
        if own == ["host:" + device]:
            for e in entities:
                if e.startswith("ip:"):
                    claims[e[3:]].add(device)
    names = {address: next(iter(devices)) for address, devices in claims.items() if len(devices) == 1}
    known = {s.device for s in signals}
    for entity in {e for entities in {s.entities for s in signals} for e in entities if e.startswith("host:")}:
        full = entity[5:]
        short = full.split(".", 1)[0]
        if short != full and short in known:
            names[full] = short
    for asset in owner.assets.asset:
        for name in (*asset.hostnames, *asset.addresses):
            names[name] = asset.name
    return names


def _company(signals: list[Signal], hosts: list[str], rarities: list[float], rare: float) -> list[int]:
    """How many other rare rules were active on the same device in the slot, the one before and the one after."""
    active: dict[tuple[str, int], set[tuple[str, str]]] = defaultdict(set)
    for s, host, rarity in zip(signals, hosts, rarities, strict=True):
        if rarity >= rare:
            active[host, s.slot].add((s.product, s.rule_uid))
    near: dict[tuple[str, int], set[tuple[str, str]]] = {}
    out = []
    for s, host in zip(signals, hosts, strict=True):
        at = (host, s.slot)
        if at not in near:
            near[at] = set().union(*(active.get((host, s.slot + d), ()) for d in (-1, 0, 1)))
        out.append(len(near[at]) - ((s.product, s.rule_uid) in near[at]))
    return out


def case_values(group: Group, owner: Owner, *, masked: bool = False) -> tuple[float, ...]:
    """In the order of model.CASE_TERMS. Each can only grow when a signal is added."""
    best: dict[tuple[str, str], float] = {}
    for w in group.members:
        rule = (w.signal.product, w.signal.rule_uid)
        best[rule] = max(best.get(rule, EXCUSED), w.masked if masked else w.points)
    ranked = sorted(best.values(), reverse=True)
    strong = [w for w in group.members if (w.masked if masked else w.points) > WEAK]
    return (
        softplus(ranked[0]) / 3,
        softplus(ranked[1]) / 3 if len(ranked) > 1 else 0.0,
        math.log1p(sum(softplus(p) for p in ranked[2:])),
        math.log(max(1, _gravity(group))),
        len({w.tactic for w in strong if w.tactic}) / 3,
        math.log1p(len({w.host for w in strong})),
        group.after,
        max((owner.value(w.host) for w in strong), default=0.0),
    )


def _gravity(group: Group) -> int:
    """Rules of high (1) and critical (2) severity, on each device once; none of what it does all day."""
    worst: dict[tuple[str, str, str], int] = {}
    for w in group.members:
        if w.signal.severity >= Severity.HIGH and not w.excuse and not group.routine:
            place = (w.signal.product, w.signal.rule_uid, w.host)
            worst[place] = max(worst.get(place, 0), w.signal.severity - Severity.MEDIUM)
    return sum(worst.values())


AFTERMATH_MS = 7_200_000  # how long activity casts a shadow on what begins later
FADE_MS = 3_600_000
AFTERMATH_CAP = 6.0
STRONG = -3.0  # points from which a signal casts it


def aftermath(groups: list[Group]) -> None:
    """Set `after` and `follows`: an attack goes on, so what begins within two hours of something strong counts more.

    Where much is strong at once it says less, so it is divided by a third of how many groups there are; what is strong
    only by attacker-written text is not counted there, or decoys could hide what follows.
    """
    strong = sorted(
        (begin, end, top, i) for i, g in enumerate(groups) if not g.routine for begin, end, top in _strong_stretches(g)
    )
    solid = {i for i, g in enumerate(groups) if any(w.masked > STRONG for w in g.members)}
    for i, group in enumerate(groups):
        begins = {} if group.routine else {w.signal.first // SLOT_MS: w.signal.first for w in reversed(group.members)}
        for begin in sorted(begins.values()):
            near: dict[int, tuple[float, int]] = {}
            for first, last, top, other in strong:
                if first >= begin:
                    break
                if other != i and begin - last <= AFTERMATH_MS:
                    value = min(softplus(top), AFTERMATH_CAP) * math.exp(-max(0, begin - last) / FADE_MS) / 3
                    near[other] = max(near.get(other, (0.0, 0)), (value, last))
            if near:
                best = max(near, key=lambda other: (near[other], -other))
                value = near[best][0] * min(1.0, 3 / max(1, len(solid & near.keys())))
                if value > group.after:
                    group.after, group.follows = value, groups[best]
                    group.since = begin - near[best][1]


def _strong_stretches(group: Group) -> list[tuple[int, int, float]]:
    """(begin, end, highest points) of when the group's signals were strong, apart by more than a quarter of an hour."""
    out: list[tuple[int, int, float]] = []
    for w in sorted((w for w in group.members if w.points > STRONG), key=lambda w: w.signal.first):
        s = w.signal
        if out and s.first - out[-1][1] <= FADE_MS / 4:
            out[-1] = (out[-1][0], max(out[-1][1], s.last), max(out[-1][2], w.points))
        else:
            out.append((s.first, s.last, w.points))
    return out
