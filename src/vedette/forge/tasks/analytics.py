"""How ATT&CK detects: technique ← strategy ← analytic (of a platform) → data components and log sources."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from vedette.forge.tasks.shared import flat
from vedette.forge.world import Entry, World
from vedette.knowledge.record import AnalyticFacts, LogSource, Rel
from vedette.knowledge.record import Kind as Entity

UNSAID = ("", "None")


@dataclass(frozen=True, slots=True)
class Analytic:
    entry: Entry
    strategy: Entry
    technique: Entry
    platforms: tuple[str, ...]
    logs: tuple[LogSource, ...]  # those that have a name and a component that the store has

    @property
    def text(self) -> str:
        return flat(self.entry.text)

    @property
    def on(self) -> str:
        """ "Windows", or "Linux and macOS"."""
        return " and ".join("PRE (before compromise)" if name == "PRE" else name for name in self.platforms)

    @property
    def names(self) -> tuple[str, ...]:
        """Log sources, each once."""
        return tuple(dict.fromkeys(log.name for log in self.logs))

    @property
    def components(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(log.component for log in self.logs))

    @property
    def tuning(self) -> list[tuple[str, str]]:
        """Fields to adjust, and why."""
        rows = [line.partition(": ") for line in self.entry.texts.get("tuning", "").splitlines()]
        return [(name.strip(), why.strip()) for name, _, why in rows if name.strip() and why.strip()]


def analytics(world: World, rng: Random) -> list[Analytic]:
    """In a random order; those without a text, platform or log source are left out."""
    found = list(_all(world))
    rng.shuffle(found)
    return found


@lru_cache(maxsize=1)
def _all(world: World) -> tuple[Analytic, ...]:
    found = []
    for strategy in world.of(Entity.DETECTION):
        for detected in world.out(strategy.id, Rel.DETECTS, Entity.TECHNIQUE)[:1]:
            for tie in world.into(strategy.id, Rel.MEMBER_OF, Entity.ANALYTIC):
                if made := _analytic(world, world.entries[tie.other], strategy, world.entries[detected.other]):
                    found.append(made)
    return tuple(found)


def _analytic(world: World, entry: Entry, strategy: Entry, technique: Entry) -> Analytic | None:
    if not isinstance(entry.facts, AnalyticFacts) or not entry.text:
        return None
    platforms = tuple(name for name in entry.facts.platforms if name not in UNSAID)
    logs = tuple(log for log in entry.facts.log_sources if log.name not in UNSAID and world.get(log.component))
    return Analytic(entry, strategy, technique, platforms, logs) if platforms and logs else None


@lru_cache(maxsize=1)
def observed(world: World) -> dict[str, frozenset[str]]:
    """Data components that any analytic of a technique looks at, by technique."""
    found: dict[str, set[str]] = {}
    for strategy in world.of(Entity.DETECTION):
        seen = {
            look.other
            for tie in world.into(strategy.id, Rel.MEMBER_OF, Entity.ANALYTIC)
            for look in world.out(tie.other, Rel.OBSERVES, Entity.DATA_COMPONENT)
        }
        for detected in world.out(strategy.id, Rel.DETECTS, Entity.TECHNIQUE):
            found.setdefault(detected.other, set()).update(seen)
    return {uid: frozenset(seen) for uid, seen in found.items() if seen}


@lru_cache(maxsize=1)
def lone(world: World) -> frozenset[str]:
    """Analytics that are the only one for their technique on their platforms."""
    counts = Counter((one.technique.id, one.on) for one in _all(world))
    return frozenset(one.entry.id for one in _all(world) if counts[one.technique.id, one.on] == 1)


@lru_cache(maxsize=1)
def techniques_of(world: World) -> dict[str, frozenset[str]]:
    """By an analytic's text: some stand under several techniques word for word."""
    found: dict[str, set[str]] = {}
    for one in _all(world):
        found.setdefault(one.text, set()).add(one.technique.id)
    return {text: frozenset(uids) for text, uids in found.items()}
