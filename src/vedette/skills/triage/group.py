"""Signals into groups: what shares a device, a rare rule or another observable, close in time.

Two reaches: ten-odd minutes for the same device (a burst), hours for an observable that few
signals share (an outside address, a user, a file, a device reached from another one). Hubs, which
talk to everyone, join nothing.
"""

from __future__ import annotations

from collections import defaultdict

from vedette.skills.triage.features import Group, Weighed, host_names
from vedette.skills.triage.model import Model
from vedette.skills.triage.owner import Owner
from vedette.skills.triage.signals import Signal
from vedette.types import Severity

BURST_MS = 900_000  # same device
WAVE_MS = 300_000  # the same rare rule on another device
THREAD_MS = 6 * 3_600_000  # a specific observable
WAVE_RARITY = 4.0  # site rarity from which a rule joins devices
FEW_DEVICES, RUSH_MS = 3, 3_600_000
HUB_DEVICES = 8  # an entity that ordinary traffic shows with more devices than this is a hub
BUILT_IN = frozenset(
    "user:" + name
    for name in (
        "root", "system", "local service", "network service", "administrator", "anonymous logon", "www-data",
        "nobody", "-", "guest",
    )
)  # fmt: skip
LONELY = 2  # devices on which a severe rule may be seen and still stand out, however regular it is
THREAD_POINTS = -4.0  # points from which a signal may be joined over hours


def form(weighed: list[Weighed], model: Model, owner: Owner) -> list[Group]:
    """All signals of one day in groups, each signal in exactly one."""
    if not weighed:
        return []
    day = weighed[0].signal.day
    excused = [w for w in weighed if w.excuse]
    rest = [w for w in weighed if not w.excuse]
    devices: dict[tuple[str, str], set[str]] = defaultdict(set)
    for w in rest:
        devices[w.signal.product, w.signal.rule_uid].add(w.host)
    seeds = [w for w in rest if _opens(w, model, len(devices[w.signal.product, w.signal.rule_uid]))]
    _link(rest, seeds, owner)
    groups = _join(day, seeds)
    routine: dict[str, Group] = {}
    windows = _windows(groups)
    opened = {id(w) for w in seeds}
    for w in rest:
        if id(w) in opened:
            continue
        home = _near(w, windows) if w.rarity >= model.rare else None
        if home is None:
            home = routine.setdefault(w.host, Group(day, routine=True))
        home.members.append(w)
    by_excuse: dict[str, Group] = {}
    for w in excused:
        if w.excuse:
            by_excuse.setdefault(w.excuse.id, Group(day, routine=True)).members.append(w)
    return [*groups, *routine.values(), *by_excuse.values()]


def _opens(w: Weighed, model: Model, devices: int) -> bool:
    """Whether a signal stands out. A severe rule that one or two devices see does, however regular, as a beacon is."""
    if w.signal.severity >= Severity.HIGH and devices <= LONELY:
        return True
    rare = w.rarity >= model.rare or w.signal.severity >= Severity.HIGH
    return rare and max(w.points, w.masked) >= model.interesting


def hubs(weighed: list[Weighed], owner: Owner, nodes: dict[str, str]) -> set[str]:
    """Entities that the owner calls hubs, or that ordinary traffic shows with many devices."""
    devices: dict[str, set[str]] = defaultdict(set)
    for w in weighed:
        for e in w.signal.entities:
            devices[nodes[e]].add(w.host)
    return {e for e, seen in devices.items() if len(seen) > HUB_DEVICES or owner.is_hub(e.split(":", 1)[1])}


def _common(weighed: list[Weighed], nodes: dict[str, str]) -> set[str]:
    """Users, files and outside addresses that more than a few devices share, unless all within an hour.

    They are tools and services, not threads.
    """
    seen: dict[str, tuple[set[str], list[int]]] = {}
    for w in weighed:
        for e in w.signal.entities:
            node = nodes[e]
            if not node.startswith("host:"):
                devices, span = seen.setdefault(node, (set(), [w.signal.first, w.signal.last]))
                devices.add(w.host)
                span[0], span[1] = min(span[0], w.signal.first), max(span[1], w.signal.last)
    return {n for n, (devices, (a, b)) in seen.items() if len(devices) > FEW_DEVICES and b - a > RUSH_MS}


def _node(entity: str, names: dict[str, str]) -> str:
    """The same node for a device's name and its addresses, in whatever role."""
    kind, value = entity.split(":", 1)
    if kind in ("host", "ip", "src", "dst"):
        return "host:" + names[value] if value in names else ("host:" + value if kind == "host" else "ip:" + value)
    if kind == "user":  # DOMAIN\\name and name@domain are the same person
        return "user:" + value.rsplit("\\", 1)[-1].split("@", 1)[0].lower()
    return entity


def _link(rest: list[Weighed], seeds: list[Weighed], owner: Owner) -> None:
    """Give each seed the entities that may join it over hours."""
    names = host_names([w.signal for w in rest], owner)
    nodes = {e: _node(e, names) for e in {e for w in rest for e in w.signal.entities}}
    shared = hubs([w for w in rest if w.points < THREAD_POINTS], owner, nodes) | _common(rest, nodes) | BUILT_IN
    for w in seeds:
        own = {nodes[e] for e in w.signal.entities} | {"host:" + w.host}
        w.links = tuple(sorted(n for n in own if n not in shared and not owner.is_hub(n.split(":", 1)[1])))


class _Union:
    def __init__(self, size: int) -> None:
        self.parent = list(range(size))

    def find(self, i: int) -> int:
        while self.parent[i] != i:
            self.parent[i] = self.parent[self.parent[i]]
            i = self.parent[i]
        return i

    def join(self, i: int, j: int) -> None:
        a, b = self.find(i), self.find(j)
        self.parent[max(a, b)] = min(a, b)


def _join(day: int, seeds: list[Weighed]) -> list[Group]:
    """Sweep in time: a seed joins the latest one with which it shares a key within that key's reach."""
    seeds = sorted(seeds, key=_order)
    union = _Union(len(seeds))
    latest: dict[str, dict[str, tuple[int, int]]] = defaultdict(dict)  # key -> device -> (seed, end of the stretch)
    for i, w in enumerate(seeds):
        wanted, given = _keys(w)
        for key, reach in wanted:
            for host, (j, end) in latest[key].items():
                if w.signal.first - end <= reach and not (host == w.host and key.startswith("peer user:")):
                    union.join(i, j)  # a user on one device is no thread: everybody is, all day
        for key in given:
            latest[key][w.host] = (i, max(w.signal.last, latest[key].get(w.host, (0, 0))[1]))
    groups: dict[int, Group] = {}
    for i, w in enumerate(seeds):
        groups.setdefault(union.find(i), Group(day)).members.append(w)
    return list(groups.values())


def _keys(w: Weighed) -> tuple[list[tuple[str, int]], list[str]]:
    """Keys under which a seed looks for others, each with its reach, and keys under which it is found.

    Over hours a device alone joins nothing: one side has to name it as its peer.
    """
    wanted, given = [("burst " + w.host, BURST_MS)], ["burst " + w.host]
    if w.site_rarity >= WAVE_RARITY:
        wanted.append((f"wave {w.signal.product} {w.signal.rule_uid}", WAVE_MS))
        given.append(wanted[-1][0])
    if w.points >= THREAD_POINTS:
        own = "host:" + w.host
        for node in w.links:
            if node == own:
                wanted.append(("peer " + node, THREAD_MS))
                given.append("own " + node)
            else:
                wanted += [("own " + node, THREAD_MS), ("peer " + node, THREAD_MS)]
                given.append("peer " + node)
    return wanted, given


def _order(w: Weighed) -> tuple[int, str, str, str, tuple[str, ...]]:
    s: Signal = w.signal
    return (s.first, s.product, s.rule_uid, w.host, s.entities)


def _windows(groups: list[Group]) -> dict[str, list[tuple[int, int, Group]]]:
    """For each device when which group was active on it, with a burst's reach on both sides."""
    spans: dict[str, list[tuple[int, int, Group]]] = defaultdict(list)
    for group in groups:
        hosts: dict[str, list[Signal]] = defaultdict(list)
        for w in group.members:
            hosts[w.host].append(w.signal)
        for host, signals in hosts.items():
            for begin, end in _stretches(signals):
                spans[host].append((begin - BURST_MS, end + BURST_MS, group))
    return spans


def _stretches(signals: list[Signal]) -> list[tuple[int, int]]:
    """Times when signals came, with gaps over a burst's reach left out, so that a case of hours does not take in all
    that happens meanwhile."""
    out: list[tuple[int, int]] = []
    for s in sorted(signals, key=lambda s: s.first):
        if out and s.first - out[-1][1] <= BURST_MS:
            out[-1] = (out[-1][0], max(out[-1][1], s.last))
        else:
            out.append((s.first, s.last))
    return out


def _near(w: Weighed, windows: dict[str, list[tuple[int, int, Group]]]) -> Group | None:
    return next((g for begin, end, g in windows.get(w.host, ()) if begin <= w.signal.first <= end), None)
