"""Who stands above and beside whom in a hierarchy: weaknesses, attack patterns, countermeasures, techniques."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from random import Random

from vedette.forge.world import Entry, Tie, World
from vedette.knowledge.record import Rel

RESEARCH = "CWE-1000"  # the view that holds every weakness once and by its nature


def _in_research(tie: Tie) -> bool:
    return not tie.note or RESEARCH in tie.note.replace(",", " ").split()


def parents(world: World, uid: str) -> list[str]:
    """Of a weakness by the Research view; of others, all."""
    return [tie.other for tie in world.out(uid, Rel.CHILD_OF) if _in_research(tie)]


def children(world: World, uid: str) -> list[str]:
    return [tie.other for tie in world.into(uid, Rel.CHILD_OF) if _in_research(tie)]


def ancestors(world: World, uid: str) -> set[str]:
    """In any view."""
    return _all(uid, lambda one: (tie.other for tie in world.out(one, Rel.CHILD_OF)))


def descendants(world: World, uid: str) -> set[str]:
    return _all(uid, lambda one: (tie.other for tie in world.into(one, Rel.CHILD_OF)))


def chain(world: World, uid: str) -> list[str]:
    """From an entry to its top, itself first; [] where the way is not the only one."""
    found = [uid]
    while above := parents(world, found[-1]):
        if len(above) > 1 or above[0] in found:
            return []
        found.append(above[0])
    return found


@lru_cache(maxsize=4096)
def kin(world: World, uid: str) -> frozenset[str]:
    """All that a source ties to an entry of its kind: no wrong option for it."""
    tied = (*world.out(uid, Rel.RELATED_TO), *world.into(uid, Rel.RELATED_TO),
            *world.out(uid, Rel.CAN_PRECEDE), *world.into(uid, Rel.CAN_PRECEDE))  # fmt: skip
    return frozenset(ancestors(world, uid) | descendants(world, uid) | {tie.other for tie in tied})


def strangers(world: World, uid: str, rng: Random, count: int, besides: Iterable[str] = ()) -> list[Entry]:
    """Near entries that no source ties to this one."""
    return world.near(uid, rng, count, besides=(*kin(world, uid), *besides))


def _all(uid: str, step: Callable[[str], Iterable[str]]) -> set[str]:
    found: set[str] = set()
    todo = [uid]
    while todo:
        for other in step(todo.pop()):
            if other not in found and other != uid:
                found.add(other)
                todo.append(other)
    return found
