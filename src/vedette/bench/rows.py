"""Rows of a table of scores: a value with n and the 95 % interval of a bootstrap over items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

RESAMPLES = 2_000
SEED = 20

Row = dict[str, Any]


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Of the mean, resampling items."""
    rng = np.random.default_rng(SEED)
    array = np.asarray(values, dtype=np.float64)
    means = np.array([array[rng.integers(0, len(array), len(array))].mean() for _ in range(RESAMPLES)])
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def row(name: str, values: Sequence[float], **more: Any) -> Row:
    low, high = interval(values)
    return {"name": name, "value": float(np.mean(values)), "n": len(values), "low": low, "high": high, **more}


def resampled(name: str, units: Sequence[Any], statistic: Callable[[Sequence[Any]], float], **more: Any) -> Row:
    rng = np.random.default_rng(SEED)
    found = []
    for _ in range(RESAMPLES):
        found.append(statistic([units[i] for i in rng.integers(0, len(units), len(units))]))
    low, high = (float(np.quantile(found, q)) for q in (0.025, 0.975))
    return {"name": name, "value": statistic(units), "n": len(units), "low": low, "high": high, **more}
