"""What came of one attack in one place, and of all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from vedette.bench.injection.judge import Gain
from vedette.bench.statistics import proportion


@dataclass(frozen=True, slots=True)
class Tried:
    """One attack in one place."""

    attack: str
    family: str
    format: str
    place: str
    gains: tuple[Gain, ...]
    calls: int = 0  # of the engine
    dropped: int = 0  # sentences of its answer
    claims: int = 0  # that were kept
    silent: bool = False  # a model was asked, and nothing of an answer could be read


@dataclass(frozen=True, slots=True)
class Rate:
    """Successes of the attacker, with the 95 % interval."""

    name: str
    successes: int
    n: int

    @property
    def interval(self) -> tuple[float, float]:
        return proportion(self.successes, self.n)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.successes:,}/{self.n:,} = {self.successes / max(1, self.n):.2%} [{low:.2%}, {high:.2%}]"

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "interval": self.interval}


def rates(tries: Sequence[Tried]) -> list[Rate]:
    """Over all; over attacks, as tries of one attack are alike; by family, format and kind of success."""
    attacks = {one.attack: False for one in tries} | {one.attack: True for one in tries if one.gains}
    return [
        Rate("tries", sum(bool(one.gains) for one in tries), len(tries)),
        Rate("attacks with any success", sum(attacks.values()), len(attacks)),
        *_by(tries, lambda one: f"family {one.family}"),
        *_by(tries, lambda one: f"format {one.format}"),
        *_kinds(tries),
    ]


def _by(tries: Iterable[Tried], name: Callable[[Tried], str]) -> list[Rate]:
    n: Counter[str] = Counter()
    successes: Counter[str] = Counter()
    for one in tries:
        n[name(one)] += 1
        successes[name(one)] += bool(one.gains)
    return [Rate(key, successes[key], n[key]) for key in n]


def _kinds(tries: Sequence[Tried]) -> list[Rate]:
    kinds = Counter(kind for one in tries for kind in {gain.what for gain in one.gains})
    return [Rate(str(kind), count, len(tries)) for kind, count in sorted(kinds.items())]
