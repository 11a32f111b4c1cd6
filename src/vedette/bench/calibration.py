"""Whether probabilities hold: of the answers that a model is 80 % sure of, four in five should be right."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.bench.rows import RESAMPLES, SEED

BINS = 10  # of equal width
Scored = Sequence[tuple[float, bool]]  # the probability of an answer, and whether it is right
Floats = NDArray[np.float64]


class Bin(msgspec.Struct, frozen=True):
    """A line of the reliability table."""

    low: float
    high: float
    n: int
    probability: float  # mean
    right: float  # share


class Calibration(msgspec.Struct, frozen=True):
    """Expected calibration error: the gap between probability and share of right answers, over bins, weighted by n.

    The interval is that of the basic bootstrap: an error is never negative, so that resampling adds to it, and
    percentiles would lie too high.
    """

    error: float
    low: float
    high: float
    n: int
    bins: list[Bin]


def error(scored: Scored, bins: int = BINS) -> float:
    """0 for no data."""
    place, gap = _placed(scored, bins)
    return _error(place, gap, bins)


def calibration(scored: Scored, bins: int = BINS) -> Calibration | None:
    """None for no data."""
    if not scored:
        return None
    place, gap = _placed(scored, bins)
    rng = np.random.default_rng(SEED)
    drawn = (rng.integers(0, len(scored), len(scored)) for _ in range(RESAMPLES))
    found = _error(place, gap, bins)
    told = np.quantile([_error(place[i], gap[i], bins) for i in drawn], (0.025, 0.975))
    low, high = (max(0.0, 2 * found - float(end)) for end in reversed(told))
    return Calibration(found, low, high, len(scored), _table(scored, bins))


def _placed(scored: Scored, bins: int) -> tuple[NDArray[np.intp], Floats]:
    """(bin, probability less outcome) of each."""
    sure, right = (np.array(column, dtype=np.float64) for column in (zip(*scored, strict=True) if scored else ((), ())))
    return np.minimum((sure * bins).astype(np.intp), bins - 1), sure - right


def _error(place: NDArray[np.intp], gap: Floats, bins: int) -> float:
    return float(np.abs(np.bincount(place, weights=gap, minlength=bins)).sum() / max(1, len(gap)))


def _table(scored: Scored, bins: int) -> list[Bin]:
    place, _ = _placed(scored, bins)
    found = []
    for number in sorted(set(place.tolist())):
        inside = [one for one, at in zip(scored, place, strict=True) if at == number]
        sure, right = (sum(column) / len(inside) for column in zip(*inside, strict=True))
        found.append(Bin(number / bins, (number + 1) / bins, len(inside), sure, right))
    return found
