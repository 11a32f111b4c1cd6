"""Intervals. Standard library only."""

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


def ratio(pairs: Sequence[tuple[int, int]]) -> float:
    """Sum of hits over sum of trials; NaN where there was no trial."""
    trials = sum(n for _, n in pairs)
    return sum(k for k, _ in pairs) / trials if trials else float("nan")
