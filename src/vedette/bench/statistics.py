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


def at_most(hits: int, of: int, confidence: float = 0.95) -> float:
    """One-sided upper limit of a share after Clopper and Pearson."""
    if not of or hits >= of:
        return 1.0
    return _solved(lambda p: 1 - confidence - _at_most(hits, of, p))


def clean(bound: float, confidence: float = 0.95) -> int:
    """How many trials without a hit it takes for `at_most` to lie at the bound or below."""
    return math.ceil(math.log(1 - confidence) / math.log1p(-bound))


Z95 = 1.6448536269514722  # one-sided


def difference(gained: int, lost: int, of: int, z: float = Z95) -> tuple[float, float]:
    """Score interval of the difference of two paired shares (Tango, Statistics in Medicine 17, 1998).

    Of `of` pairs, `gained` hit the second time only, `lost` the first time only. One-sided 95 % each way by default;
    it holds where nothing differs, too, which a bootstrap does not.
    """
    if not of:
        return -1.0, 1.0

    def score(delta: float) -> float:
        b = (2 * of - gained + lost) * delta - gained - lost
        c = -lost * delta * (1 - delta)
        q = (math.sqrt(max(0.0, b * b - 8 * of * c)) - b) / (4 * of)
        spread = of * (2 * q + delta * (1 - delta))
        gap = gained - lost - of * delta
        return gap / math.sqrt(spread) if spread > 0 else math.copysign(math.inf, gap) if gap else 0.0

    middle = (gained - lost) / of
    return _between(lambda d: score(d) - z, -1.0, middle), _between(lambda d: score(d) + z, middle, 1.0)


def _between(falls: Callable[[float], float], low: float, high: float) -> float:
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falls(middle) > 0 else (low, middle)
    return (low + high) / 2


def by_chance(gained: int, lost: int) -> float:
    """McNemar's exact one-sided p: so many gains or more, where gains are as likely as losses."""
    of = gained + lost
    return float(sum(math.comb(of, k) for k in range(gained, of + 1)) / 2**of)
