"""Which steps the store has at hand: links that `steps.py` allows, read as a search asks for them, and kept."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, proxy

from vedette.knowledge.record import Kind, Rel, Status, decode
from vedette.knowledge.sources import rank
from vedette.knowledge.steps import GENERAL, REPLACED, Step, useful

if TYPE_CHECKING:
    from vedette.knowledge.store import Knowledge

AHEAD = 64  # nodes whose links are read at once
HUB = 50  # links that are read where a node may have very many
HUBS = (Rel.HAS_WEAKNESS, Rel.USES, Rel.DETECTS, Rel.ENABLES)
ORDER = {rel: place for place, rel in enumerate(Rel)}
HUGE = (Kind.ARTIFACT, Kind.WEAKNESS)
COMMON = 0.02  # what each link adds to the cost of going over one of these, up to 1: of many, few apply
KEPT = 30_000  # nodes that stay in memory

_Said = tuple[int, int, int]  # unit, number of the record, place in its links
_Link = tuple[str, str, str, int, int, int]  # from, relation, to; who says it


@dataclass(frozen=True, slots=True)
class Edge:
    """A step that was found in the store."""

    src: str
    dst: str
    rel: Rel
    forward: bool
    kind: Kind = Kind.TECHNIQUE  # of src
    to: Kind = Kind.TECHNIQUE  # kind of dst
    cost: float = 0.0
    last: bool = False
    rows: tuple[_Said, ...] = ()  # who states it
    replaced: str = ""  # the id that the link names, which dst stands for today
    gone: bool = False  # dst is not in force, and nothing replaced it

    @property
    def climbs(self) -> bool:
        return self.rel is Rel.CHILD_OF and self.kind is self.to

    @property
    def bridges(self) -> bool:
        """Leads to an artifact that what comes next touches, too."""
        return self.rel is Rel.TOUCHES and self.to is Kind.ARTIFACT


@dataclass(frozen=True, slots=True)
class Node:
    kind: Kind
    status: Status
    replaced_by: str
    abstraction: str  # of weaknesses


class Links:
    """What may be walked in a store towards some kinds, read as it is asked for and kept."""

    def __init__(self, knowledge: Knowledge, kinds: frozenset[Kind], up: bool) -> None:
        self._db, self._units = knowledge.db, knowledge.unit_numbers
        self._knowledge = proxy(knowledge)  # links are kept for as long as the store is open, no longer
        self._steps: dict[tuple[str, str, bool], list[Step]] = {}
        for step in useful(kinds, up):
            self._steps.setdefault((step.src, step.rel, step.forward), []).append(step)
        self._walkable = {kind for kind, _, _ in self._steps}
        self.nodes: dict[str, Node] = {}
        self._edges: dict[str, list[Edge]] = {}
        self._waiting: dict[str, None] = {}

    def kind(self, uid: str) -> Kind:
        """Raises KeyError where the store does not have it."""
        if uid not in self.nodes:
            self._look([uid])
        return self.nodes[uid].kind

    def expect(self, uid: str) -> None:
        """Its links will be asked for: read them together with others."""
        if uid not in self._edges and self.nodes[uid].kind in self._walkable:
            self._waiting[uid] = None

    def of(self, uid: str) -> list[Edge]:
        """The cheapest first."""
        if self.nodes[uid].kind not in self._walkable:
            return []
        if uid not in self._edges:
            self._read(uid)
        return self._edges[uid]

    def forget(self) -> None:
        """After a search: what waits, and everything where it has grown large."""
        self._waiting.clear()
        if len(self.nodes) > KEPT:
            self.nodes.clear()
            self._edges.clear()

    def _read(self, uid: str) -> None:
        self._waiting.pop(uid, None)
        batch = [uid, *list(self._waiting)[: AHEAD - 1]]
        for one in batch[1:]:
            del self._waiting[one]
        grouped: dict[tuple[str, str, str, bool], list[_Said]] = {}
        for forward, rows in ((True, self._out(batch)), (False, self._in(batch))):
            for src, rel, dst, *said in rows:
                grouped.setdefault((src, dst, rel, forward), []).append((said[0], said[1], said[2]))
        self._look({key[1] for key in grouped} - self.nodes.keys())
        found: dict[str, list[Edge]] = {one: [] for one in batch}
        for (src, dst, rel, forward), by in grouped.items():
            if edge := self._edge(src, dst, rel, forward, tuple(by)):
                found[src].append(edge)
        for one, edges in found.items():
            common = min(1.0, COMMON * len(edges)) if self.nodes[one].kind in HUGE else 0.0
            edges.sort(key=lambda edge: (edge.cost, edge.dst, ORDER[edge.rel]))
            self._edges[one] = [replace(edge, cost=edge.cost + common) for edge in edges] if common else edges

    def _edge(self, src: str, dst: str, rel: str, forward: bool, said: tuple[_Said, ...]) -> Edge | None:
        node, old = self.nodes.get(dst), ""
        if node and node.replaced_by in self.nodes and node.replaced_by != src:
            old, dst, node = dst, node.replaced_by, self.nodes[node.replaced_by]
        if node is None:
            return None
        kind = self.nodes[src].kind
        for step in self._steps.get((kind, rel, forward), ()):
            if step.dst is node.kind:
                cost = step.cost + GENERAL.get(node.abstraction, 0.0) + (REPLACED if old else 0.0)
                gone = node.status is not Status.ACTIVE
                return Edge(src, dst, step.rel, forward, kind, node.kind, cost, step.last, said, old, gone)
        return None

    def _wanted(self, batch: list[str], forward: bool) -> list[str]:
        kinds = {self.nodes[one].kind for one in batch}
        return sorted({rel for kind, rel, towards in self._steps if towards is forward and kind in kinds})

    def _out(self, batch: list[str]) -> list[_Link]:
        sql = (
            "SELECT j.value, l.rel, l.target, r.unit, r.number, l.place FROM json_each(?) j"
            " CROSS JOIN record r ON r.id = j.value CROSS JOIN link l ON l.record = r.number"
            " WHERE l.rel IN (SELECT value FROM json_each(?))"
        )
        rels = self._wanted(batch, forward=True)
        return self._db.execute(sql, (json.dumps(batch), json.dumps(rels))).fetchall() if rels else []

    def _in(self, batch: list[str]) -> list[_Link]:
        what = "SELECT l.target, l.rel, s.id, s.unit, s.number, l.place FROM"
        sql = (
            f"{what} json_each(?) j CROSS JOIN json_each(?) k CROSS JOIN link l ON l.target = j.value"
            " AND l.rel = k.value CROSS JOIN record s ON s.number = l.record"
        )
        rels = self._wanted(batch, forward=False)
        few = [rel for rel in rels if rel not in HUBS]
        rows: list[_Link] = self._db.execute(sql, (json.dumps(batch), json.dumps(few))).fetchall() if few else []
        sql = (
            f"{what} link l CROSS JOIN record s ON s.number = l.record"
            f" WHERE l.target = ? AND l.rel = ? ORDER BY l.record DESC LIMIT {HUB}"
        )
        for rel in rels:
            for one in batch if rel in HUBS else ():
                if (self.nodes[one].kind, rel, False) in self._steps:
                    rows += self._db.execute(sql, (one, rel)).fetchall()
        return rows

    def _look(self, uids: Iterable[str]) -> None:
        """Learn what these are, and what stands for them today."""
        sql = (
            "SELECT r.id, r.unit, r.kind, r.status, CASE r.status WHEN 'active' THEN NULL ELSE r.body END,"
            " CASE r.kind WHEN 'weakness' THEN json_extract(CAST(r.body AS TEXT), '$.facts.abstraction') END"
            " FROM json_each(?) j CROSS JOIN record r ON r.id = j.value"
        )
        rows = self._db.execute(sql, (json.dumps(sorted(uids)),)).fetchall()
        later = set()
        for uid, _, kind, status, body, abstraction in sorted(rows, key=lambda row: -rank(self._units[row[1]].source)):
            replaced_by = decode(body).replaced_by if body else ""
            if replaced_by and (today := self._knowledge.in_force(replaced_by)):
                replaced_by = today.id if today.id != uid else ""
                later.add(today.id)
            self.nodes[uid] = Node(Kind(kind), Status(status), replaced_by, abstraction or "")
        if later := later - self.nodes.keys():
            self._look(later)


_links: WeakKeyDictionary[Knowledge, dict[tuple[frozenset[Kind], bool], Links]] = WeakKeyDictionary()


def links(knowledge: Knowledge, kinds: frozenset[Kind], up: bool) -> Links:
    kept = _links.setdefault(knowledge, {})
    if (kinds, up) not in kept:
        kept[kinds, up] = Links(knowledge, kinds, up)
    return kept[kinds, up]
