"""Whether two names are of one actor, by the names and links of the knowledge store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vedette.bench import items
from vedette.bench.scoring import Same, same_name
from vedette.knowledge.record import Kind, Rel
from vedette.knowledge.store import Knowledge

WHO = frozenset({Kind.GROUP, Kind.ACTOR})


class Actors:
    """Not to be shared between threads."""

    def __init__(self, store: Knowledge) -> None:
        self._store = store
        self._known: dict[str, frozenset[str]] = {}

    def same(self, a: str, b: str) -> bool:
        return same_name(a, b) or bool(self._ids(a) & self._ids(b))

    def _ids(self, name: str) -> frozenset[str]:
        """All that a source calls so, and those that a source says are the same."""
        if name not in self._known:
            waiting = [found.id for found in self._store.resolve(name) if found.kind in WHO]
            seen: set[str] = set()
            while waiting:
                uid = waiting.pop()
                if uid not in seen:
                    seen.add(uid)
                    if uid not in self._store:  # a source names it, none describes it
                        continue
                    waiting += [hop.dst for hop in self._store.neighbours(uid, rels=[Rel.SAME_AS])]
            self._known[name] = frozenset(seen)
        return self._known[name]


@contextmanager
def sameness(kind: items.Kind) -> Iterator[Same]:
    """How names are compared, where a benchmark has any."""
    if kind is not items.Kind.ACTOR:
        yield same_name
        return
    with Knowledge.open() as store:
        yield Actors(store).same
