"""The search for paths: the cheapest ways first, over the steps that `steps.py` allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

from vedette.knowledge.links import Edge, Links, links
from vedette.knowledge.record import Kind, Rel
from vedette.knowledge.steps import ACTORS, DEFENCE, INHERITED

if TYPE_CHECKING:
    from vedette.knowledge.store import Knowledge

SLACK = 5.0  # how much more than the best way another one may cost
FAR = 10.0  # the same while there is none yet to some kind of end
FOUND = 50  # ways to one kind of end that are enough to choose from
LOOKED_AT = 1_500  # steps of a search
HOPS = 12
TWICE = 2  # how often a node is gone through, coming by different ways
EACH = 3  # ends of one kind that are reached from the same node, or as many as are wanted


@dataclass(frozen=True, slots=True)
class Way:
    edges: tuple[Edge, ...]
    cost: float
    turned: bool = False  # was walked from its end

    @property
    def seen(self) -> tuple[str, ...]:
        """What a reader sees of it: the artifact between two edges is no node of its own."""
        return (*(edge.dst for edge in self.edges[:-1] if not edge.bridges), self.edges[-1].dst)

    @property
    def route(self) -> tuple[Kind | bool, ...]:
        """The kinds that it goes over, and whether it infers a countermeasure."""
        kinds = dict.fromkeys(edge.kind for edge in self.edges if edge.kind not in DEFENCE)
        return (*kinds, any(edge.bridges for edge in self.edges))

    @property
    def turn(self) -> str:
        """The node before what is done about it: ways over the same one are much alike."""
        return next((edge.src for edge in reversed(self.edges) if edge.kind is Kind.TECHNIQUE), self.edges[-1].src)


@dataclass(slots=True)
class _Trail:
    """A way that is being walked, from its last node back."""

    node: str
    cost: float = 0.0
    edge: Edge | None = None
    before: _Trail | None = None
    length: int = 0
    free: bool = True  # down: not after a climb, which leaves few steps; up: a climb may follow

    def edges(self) -> tuple[Edge, ...]:
        found, at = list[Edge](), self
        while at.edge and at.before:
            found.append(at.edge)
            at = at.before
        return tuple(found[::-1])

    def has(self, node: str) -> bool:
        at: _Trail | None = self
        while at:
            if at.node == node:
                return True
            at = at.before
        return False


@dataclass(slots=True)
class Search:
    """Ends at `goal`, or at anything of `kinds`."""

    knowledge: Knowledge
    start: str
    kinds: frozenset[Kind]
    goal: str = ""
    up: bool = False
    _links: Links = field(init=False)
    _from: Kind = field(init=False)
    _heap: list[tuple[float, int, _Trail, Edge, Iterator[Edge]]] = field(default_factory=list)
    _order: Iterator[int] = field(default_factory=count)
    _found: Counter[Kind] = field(default_factory=Counter)
    _each: int = EACH

    def __post_init__(self) -> None:
        self._links = links(self.knowledge, self.kinds, self.up)
        self._from = self._links.kind(self.start)

    def ways(self, limit: int) -> list[Way]:
        """At most `limit` ways, unlike each other as far as there are such; the cheapest first."""
        ways, visits = list[Way](), Counter[tuple[str, bool]]()
        self._each = max(EACH, limit)
        self._go_on(_Trail(self.start))
        for _ in range(LOOKED_AT):
            if not self._heap or (ways and self._heap[0][0] > ways[0].cost + self._slack()):
                break
            trail = self._pop()
            visits[trail.node, trail.free] += 1
            if self._ends(trail):
                ways.append(Way(trail.edges(), trail.cost))
                self._found[ways[-1].edges[-1].to] += 1
                if self.goal:
                    continue
            if visits[trail.node, trail.free] <= TWICE and trail.length < HOPS:
                self._go_on(trail)
        self._links.forget()
        return _diverse(ways, limit)

    def _slack(self) -> float:
        return SLACK if self.goal or all(self._found[kind] for kind in self.kinds) else FAR

    def _go_on(self, trail: _Trail) -> None:
        self._push(trail, self._leaving(trail))

    def _push(self, trail: _Trail, edges: Iterator[Edge]) -> None:
        """Only the next edge: the others follow when that one's turn has come."""
        for edge in edges:
            heappush(self._heap, (trail.cost + edge.cost, next(self._order), trail, edge, edges))
            return

    def _pop(self) -> _Trail:
        cost, _, trail, edge, rest = heappop(self._heap)
        self._push(trail, rest)
        free = edge.climbs or edge.kind in INHERITED.get(edge.to, ()) if self.up else not edge.climbs
        return _Trail(edge.dst, cost, edge, trail, trail.length + 1, free)

    def _leaving(self, trail: _Trail) -> Iterator[Edge]:
        each = Counter[Kind]()
        edges = [edge for edge in self._links.of(trail.node) if self._may(trail, edge)]
        for edge in edges:
            self._links.expect(edge.dst)
        for edge in edges:
            each[edge.to] += edge.to in self.kinds
            if self.goal or (each[edge.to] <= self._each and self._found[edge.to] < FOUND):
                yield edge

    def _may(self, trail: _Trail, edge: Edge) -> bool:
        """Is this edge allowed after what came before?"""
        if edge.gone and edge.dst != self.goal:
            return False
        if trail.edge and trail.edge.last and not self.up:
            return False
        if edge.last and self.up and trail.edge:
            return False
        if edge.kind is Kind.TECHNIQUE and edge.rel is Rel.USES and self._from in ACTORS:
            return False  # from one actor to another who does the same
        if trail.edge and trail.edge.bridges and edge.to is trail.edge.kind:
            return False  # over an artifact to another of the same kind
        if not trail.free and (edge.climbs if self.up else edge.to not in INHERITED[edge.kind]):
            return False
        return not trail.has(edge.dst)

    def _ends(self, trail: _Trail) -> bool:
        if self.goal or trail.edge is None:
            return trail.node == self.goal
        return trail.edge.to in self.kinds and (not trail.edge.climbs or self._from in self.kinds)


def _diverse(ways: list[Way], limit: int) -> list[Way]:
    """One to every kind of end first, then one over every route, then those that share little with the ones before."""
    unlike = {way.seen: way for way in reversed(ways)}
    left = [(way.cost, way.edges[-1].to, way.route, way.turn, way.edges[-1].dst, way) for way in unlike.values()][::-1]
    chosen, taken = list[Way](), Counter[object]()

    def less(one: tuple[float, Kind, object, str, str, Way]) -> tuple[bool, bool, float]:
        cost, kind, route, turn, end, _ = one
        alike = 0.5 * (taken["turn", turn] + taken[kind]) + taken["end", end]
        return taken[kind] > 0, taken[kind] > 0 and taken[route] > 0, cost + alike

    while left and len(chosen) < limit:
        best = min(left, key=less)
        left.remove(best)
        _, kind, route, turn, end, way = best
        chosen.append(way)
        taken.update((kind, route, ("turn", turn), ("end", end)))
    return sorted(chosen, key=lambda way: way.cost)
