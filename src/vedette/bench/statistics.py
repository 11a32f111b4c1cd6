"""Intervals. Standard library only."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def bootstrap(
    units: Sequence[T], statistic: Callable[[Sequence[T]], float], *, resamples: int = 2_000, seed: int = 20
) -> tuple[float, float]:
    """95 % percentile interval of a statistic, resampling whole units (scenarios, items). Deterministic."""
    rng = random.Random(seed)
    values = sorted(statistic(rng.choices(units, k=len(units))) for _ in range(resamples))
    return values[int(0.025 * resamples)], values[int(0.975 * resamples) - 1]


def ratio(pairs: Sequence[tuple[int, int]]) -> float:
    """Sum of hits over sum of trials; NaN where there was no trial."""
    trials = sum(n for _, n in pairs)
    return sum(k for k, _ in pairs) / trials if trials else float("nan")


def proportion(hits: int, of: int) -> tuple[float, float]:
    """95 % interval of a share after Clopper and Pearson (Biometrika 26, 1934); above none the rule of three."""
    if not of:
        return 0.0, 1.0
    if hits == 0:
        return 0.0, min(1.0, 3 / of)
    if hits == of:
        return max(0.0, 1 - 3 / of), 1.0
    low = _solved(lambda p: _at_most(of - hits, of, 1 - p) - 0.025)
    return low, _solved(lambda p: 0.025 - _at_most(hits, of, p))


def _solved(rises: Callable[[float], float]) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rises(middle) < 0 else (low, middle)
    return (low + high) / 2


def _at_most(hits: int, of: int, p: float) -> float:
    """Of a binomial variable."""
    if not 0 < p < 1:
        return 1.0 if p <= 0 or hits >= of else 0.0
    if hits > of / 2:
        return 1 - _at_most(of - hits - 1, of, 1 - p)
    odds, log = math.log(p / (1 - p)), of * math.log1p(-p)
    total = math.exp(log)
    for k in range(1, hits + 1):
        log += math.log((of - k + 1) / k) + odds
        total += math.exp(log)
    return min(1.0, total)
