"""What is linked with an id, and the ways from an id to another: each hop stated by a source or inferred by a rule.

`steps.py` says which ways there are.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import msgspec

from vedette.errors import ConfigError, InputError
from vedette.knowledge.ids import canonical
from vedette.knowledge.links import Edge
from vedette.knowledge.record import Kind, Link, Rel
from vedette.knowledge.sources import rank
from vedette.knowledge.steps import PARENT, REPLACEMENT, SHARED_ARTIFACT, WORDS, leads
from vedette.knowledge.walk import Search, Way
from vedette.registry import near

if TYPE_CHECKING:
    from vedette.knowledge.store import Knowledge

MANY = 1_000  # statements of one relation to an id that are read: weaknesses have tens of thousands
FROM_CVES = frozenset({Kind.VULNERABILITY, Kind.ADVISORY})  # whose records have weaknesses
ORDER = {rel: place for place, rel in enumerate(Rel)}


@dataclass(frozen=True, slots=True)
class Said:
    """A link in the words of one source."""

    source: str  # unit
    note: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Hop:
    """One step from `src` to `dst`: `src rel dst` where it goes forward, `dst rel src` where it does not."""

    src: str
    rel: Rel
    dst: str
    forward: bool
    stated: bool  # a source states this very link
    source: str  # unit; where inferred, the rule
    note: str = ""  # where inferred, why
    text: str = ""
    also: tuple[Said, ...] = ()  # other sources that state it, in order of precedence

    def back(self) -> Hop:
        return replace(self, src=self.dst, dst=self.src, forward=not self.forward)


@dataclass(frozen=True, slots=True)
class Path:
    hops: tuple[Hop, ...]
    cost: float  # the lower, the better; 1 for a stated hop

    @property
    def stated(self) -> int:
        """How many of its hops are stated."""
        return sum(hop.stated for hop in self.hops)


class Hops(list[Hop]):
    """What is linked; of links to an id at most MANY of one relation. `statements`: how many there are in all."""

    def __init__(self, hops: Iterable[Hop], statements: dict[tuple[Rel, bool], int]) -> None:
        super().__init__(hops)
        self.statements = statements


class _Linked(msgspec.Struct):
    """What of a record's body is wanted here."""

    links: tuple[Link, ...] = ()


_linked = msgspec.json.Decoder(_Linked)
_Row = tuple[str, int, int, int]  # id at the other end, unit, number of the record, place of the link in it


# -- neighbours --------------------------------------------------------------------------------


def neighbours(knowledge: Knowledge, uid: str, rels: Sequence[Rel] = (), kinds: Sequence[Kind] = ()) -> Hops:
    """Everything one link away, both directions, one hop a link; by relation and the sources' precedence.

    Raises InputError where the store does not have `uid`.
    """
    if uid not in knowledge:
        uid = _resolve(knowledge, uid)
    rows: dict[tuple[Rel, bool], list[_Row]] = {}
    statements: Counter[tuple[Rel, bool]] = Counter()
    for rel, *row in knowledge.db.execute(_OUT, (uid,)):
        statements[Rel(rel), True] += 1
        rows.setdefault((Rel(rel), True), []).append((row[0], row[1], row[2], row[3]))
    for rel, count in knowledge.db.execute("SELECT rel, count(*) FROM link WHERE target = ? GROUP BY rel", (uid,)):
        statements[Rel(rel), False] = count
        if not rels or rel in rels:
            rows[Rel(rel), False] = _incoming(knowledge, uid, Rel(rel), kinds)
    hops = []
    for (rel, forward), found in rows.items():
        if not rels or rel in rels:
            hops += _hops(knowledge, Edge(uid, "", rel, forward), _of_kinds(knowledge, found, kinds))
    hops.sort(key=lambda hop: (ORDER[hop.rel], not hop.forward))
    return Hops(hops, dict(statements))


_OUT = (
    "SELECT l.rel, l.target, r.unit, r.number, l.place FROM record r CROSS JOIN link l ON l.record = r.number"
    " WHERE r.id = ?"
)


def _incoming(knowledge: Knowledge, uid: str, rel: Rel, kinds: Sequence[Kind]) -> list[_Row]:
    """A weakness has tens of thousands of vulnerabilities: they are not looked at where nobody asks for them."""
    if kinds and rel is Rel.HAS_WEAKNESS and not FROM_CVES & set(kinds):
        return []
    wanted = f"AND s.kind IN ({','.join('?' * len(kinds))})" if kinds else ""
    sql = (
        "SELECT s.id, s.unit, s.number, l.place FROM link l CROSS JOIN record s ON s.number = l.record"  # noqa: S608
        f" WHERE l.target = ? AND l.rel = ? {wanted} ORDER BY l.record DESC LIMIT {MANY}"
    )
    return knowledge.db.execute(sql, (uid, rel, *kinds)).fetchall()


def _of_kinds(knowledge: Knowledge, rows: list[_Row], kinds: Sequence[Kind]) -> list[_Row]:
    if not kinds:
        return rows
    sql = "SELECT r.id, r.kind FROM json_each(?) j CROSS JOIN record r ON r.id = j.value"
    found = knowledge.db.execute(sql, (json.dumps([row[0] for row in rows]),))
    wanted = {uid for uid, kind in found if kind in kinds}
    return [row for row in rows if row[0] in wanted]


def _hops(knowledge: Knowledge, link: Edge, rows: list[_Row]) -> list[Hop]:
    """Statements of the same link as one hop."""
    together: dict[str, list[_Row]] = {}
    for row in rows:
        together.setdefault(row[0], []).append(row)
    bodies, hops = _Bodies(knowledge), list[Hop]()
    for uid, said in together.items():
        hops.append(_stated(bodies, replace(link, dst=uid, rows=tuple(row[1:] for row in said))))
    return sorted(hops, key=lambda hop: (rank(hop.source.split("/")[0]), hop.dst))


@dataclass(slots=True)
class _Bodies:
    """Records' links, each record read once."""

    knowledge: Knowledge
    read: dict[int, tuple[Link, ...]] = field(default_factory=dict)

    def said(self, unit: int, number: int, place: int) -> Said:
        if number not in self.read:
            row = self.knowledge.db.execute("SELECT body FROM record WHERE number = ?", (number,)).fetchone()
            self.read[number] = _linked.decode(row[0]).links
        link = self.read[number][place]
        return Said(self.knowledge.unit_numbers[unit].name, link.note, link.text)


def _stated(bodies: _Bodies, edge: Edge) -> Hop:
    """One word for each source; the first source's is the hop's."""
    said: dict[Said, None] = {}
    for row in edge.rows:
        said[bodies.said(*row)] = None
    first, *others = sorted(said, key=lambda s: (rank(s.source.split("/")[0]), s.source, s.note))
    return Hop(edge.src, edge.rel, edge.dst, edge.forward, True, first.source, first.note, first.text, tuple(others))


# -- paths -------------------------------------------------------------------------------------


def paths(knowledge: Knowledge, start: str, end: str, limit: int = 5) -> list[Path]:
    """The best ways from an id to an id or to a kind of thing, each unlike the others as far as there are such.

    `end`: an id, a kind ("technique", "weakness", "group" …) or "mitigation": whatever helps, be it a mitigation of
    ATT&CK, a countermeasure of D3FEND or a control of NIST. Ways to an id may be walked from its end.
    Raises InputError for an id that the store does not have, ConfigError for a word that is no kind.
    """
    first = _resolve(knowledge, start)
    kinds = WORDS.get(end.strip().casefold().replace(" ", "-"))
    last = "" if kinds else _end(knowledge, end)
    if first == last or limit < 1:
        return []
    source, target = _today(knowledge, first), _today(knowledge, last) if last else ""
    if target:
        ways = _to_id(knowledge, source, target, limit)
    else:
        ways = _to_kinds(knowledge, source, kinds or frozenset(), limit)
    found = (_path(knowledge, way) for way in ways)
    return [_ended(path, first, source, last, target) for path in found]


def _resolve(knowledge: Knowledge, asked: str) -> str:
    """The id for an id or a name in any spelling. Raises InputError that offers what is near."""
    from vedette.knowledge.card import find

    found = find(knowledge, asked)
    if isinstance(found, str):
        return found
    best = {name.id for name in found if rank(name.source) == rank(found[0].source)}
    if len(best) == 1:
        return best.pop()
    bearers = ", ".join(dict.fromkeys(name.id for name in found))
    raise InputError(f"'{asked}' is the name of several", remedy=f"say which: {bearers}")


def _end(knowledge: Knowledge, end: str) -> str:
    try:
        return _resolve(knowledge, end)
    except InputError:
        if canonical(end) or any(c.isdigit() for c in end):
            raise
        raise ConfigError(f"unknown kind '{end}'", remedy=near(end, WORDS)) from None


def _today(knowledge: Knowledge, uid: str) -> str:
    entry = knowledge.in_force(uid)
    return entry.id if entry else uid


def _to_id(knowledge: Knowledge, start: str, goal: str, limit: int) -> list[Way]:
    """Down from the start or, where that leads nowhere, from the goal: never up, where a weakness has 30,000 CVEs."""
    kind = {uid: entry.kind for uid in (start, goal) if (entry := knowledge.get(uid))}
    for one, other, turned in ((start, goal, False), (goal, start, True)):
        ends = frozenset({kind[other]})
        ways = Search(knowledge, one, ends, goal=other).ways(limit) if leads(kind[one], ends) else []
        if ways:
            return [replace(way, turned=turned) for way in ways]
    return []


def _to_kinds(knowledge: Knowledge, start: str, kinds: frozenset[Kind], limit: int) -> list[Way]:
    entry = knowledge.get(start)
    for up in (False, True):
        ways = Search(knowledge, start, kinds, up=up).ways(limit) if entry and leads(entry.kind, kinds, up) else []
        if ways:
            return ways
    return []


def _path(knowledge: Knowledge, way: Way) -> Path:
    bodies, hops = _Bodies(knowledge), list[Hop]()
    edges = list(way.edges)
    while edges:
        edge = edges.pop(0)
        if edge.bridges and edges:
            hops.append(_shared_artifact(knowledge, edge, edges.pop(0)))
        else:
            hops.append(_hop(bodies, edge, final=not edges))
    if way.turned:
        hops = [hop.back() for hop in reversed(hops)]
    return Path(tuple(hops), round(way.cost, 3))


def _hop(bodies: _Bodies, edge: Edge, final: bool) -> Hop:
    if edge.replaced:
        why = REPLACEMENT.text.format(old=edge.replaced, new=edge.dst)
        return Hop(edge.src, edge.rel, edge.dst, edge.forward, False, REPLACEMENT.name, why)
    hop = _stated(bodies, edge)
    if edge.climbs and not final:
        rule = PARENT[edge.kind]
        return replace(hop, stated=False, source=rule.name, note=rule.text, text="", also=())
    return hop


def _shared_artifact(knowledge: Knowledge, edge: Edge, after: Edge) -> Hop:
    """Technique and countermeasure touch the same artifact: D3FEND's own inference."""
    name = knowledge.names([edge.dst]).get(edge.dst, "")
    why = SHARED_ARTIFACT.text.format(artifact=f"{edge.dst} ({name})" if name else edge.dst)
    return Hop(edge.src, Rel.COUNTERS, after.dst, edge.kind is not Kind.TECHNIQUE, False, SHARED_ARTIFACT.name, why)


def _ended(path: Path, first: str, source: str, last: str, target: str) -> Path:
    """With a hop from an id that was replaced, and one to it."""
    hops = path.hops
    if first != source:
        hops = (_replacement(first, source), *hops)
    if last != target:
        hops = (*hops, _replacement(last, target).back())
    return replace(path, hops=hops)


def _replacement(old: str, new: str) -> Hop:
    return Hop(old, Rel.SAME_AS, new, True, False, REPLACEMENT.name, REPLACEMENT.text.format(old=old, new=new))
