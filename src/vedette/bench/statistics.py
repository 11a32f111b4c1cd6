"""Intervals and calibration error. Standard library only."""

from __future__ import annotations

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


def calibration_error(scored: Sequence[tuple[float, bool]], bins: int = 10) -> float:
    """Expected calibration error over equal-width bins of (probability, outcome); 0 for no data."""
    total = 0.0
    for i in range(bins):
        inside = [(p, y) for p, y in scored if i / bins <= p < (i + 1) / bins or (i == bins - 1 and p == 1.0)]
        if inside:
            gap = sum(p for p, _ in inside) / len(inside) - sum(y for _, y in inside) / len(inside)
            total += abs(gap) * len(inside) / len(scored)
    return total


def ratio(pairs: Sequence[tuple[int, int]]) -> float:
    """Sum of hits over sum of trials; NaN where there was no trial."""
    trials = sum(n for _, n in pairs)
    return sum(k for k, _ in pairs) / trials if trials else float("nan")
