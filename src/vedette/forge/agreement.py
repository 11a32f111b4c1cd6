"""How far two reviewers agree. Cohen, A coefficient of agreement for nominal scales (1960)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from random import Random

from vedette.forge.review import Opinion, Reviews

Pair = tuple[Opinion, Opinion]
RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of two reviewers over the `n` items that both decided; intervals of 95 % by bootstrap over items."""

    reviewers: tuple[str, str]
    n: int
    kappa: float | None  # of accept, edit, reject; None where both gave one and the same verdict throughout
    kappa_interval: tuple[float, float] | None
    exact: float  # share with the same verdict and, of edits, the same text
    exact_interval: tuple[float, float]
    rated: int  # items that both rated
    rating_gap: float  # mean distance of the ratings; 0 where none was rated by both


def agreements(reviews: Reviews) -> list[Agreement]:
    """Of all pairs that share an item."""
    found = []
    for one, other in combinations(reviews.reviewers, 2):
        first, second = reviews.of(one), reviews.of(other)
        if pairs := [(first[line], second[line]) for line in first if line in second]:
            found.append(_agreement((one, other), pairs))
    return found


def _agreement(reviewers: tuple[str, str], pairs: Sequence[Pair]) -> Agreement:
    value = kappa(pairs)
    rated = [(a.rating, b.rating) for a, b in pairs if a.rating and b.rating]
    return Agreement(
        reviewers=reviewers,
        n=len(pairs),
        kappa=value,
        kappa_interval=_interval(pairs, _kappa_or_one) if value is not None else None,
        exact=_exact(pairs),
        exact_interval=_interval(pairs, _exact),
        rated=len(rated),
        rating_gap=sum(abs(a - b) for a, b in rated) / len(rated) if rated else 0.0,
    )


def kappa(pairs: Sequence[Pair]) -> float | None:
    """None where chance alone would agree on everything."""
    n = len(pairs)
    first, second = Counter(a.verdict for a, _ in pairs), Counter(b.verdict for _, b in pairs)
    chance = sum(first[verdict] * second[verdict] for verdict in first) / n**2
    seen = sum(a.verdict is b.verdict for a, b in pairs) / n
    return None if chance == 1 else (seen - chance) / (1 - chance)


def _kappa_or_one(pairs: Sequence[Pair]) -> float:
    """A resample in which both gave one and the same verdict agrees wholly."""
    value = kappa(pairs)
    return 1.0 if value is None else value


def _exact(pairs: Sequence[Pair]) -> float:
    return sum((a.verdict, a.text) == (b.verdict, b.text) for a, b in pairs) / len(pairs)


def _interval(pairs: Sequence[Pair], statistic: Callable[[Sequence[Pair]], float]) -> tuple[float, float]:
    """95 % percentile bootstrap; the same for the same pairs."""
    rng = Random(20)
    values = sorted(statistic(rng.choices(pairs, k=len(pairs))) for _ in range(RESAMPLES))
    return values[round(0.025 * RESAMPLES)], values[round(0.975 * RESAMPLES) - 1]
