"""From the probabilities of eight metrics to one CVSS v3.1 vector.

The most likely value of each metric makes a vector whose score can be far from what all the others together say. So
each of the 2,592 vectors is judged by how far its score lies from every other one's, each as likely as it is, and by
its own likelihood.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from vedette.experts.labels import METRICS

Floats = NDArray[np.float32]
LIKELIHOOD = 0.05  # score points that a factor of e in likelihood is worth
_AV = {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2}
_AC = {"L": 0.77, "H": 0.44}
_PR = {"N": (0.85, 0.85), "L": (0.62, 0.68), "H": (0.27, 0.5)}  # scope unchanged, changed
_UI = {"N": 0.85, "R": 0.62}
_IMPACT = {"H": 0.56, "L": 0.22, "N": 0.0}


@dataclass(frozen=True, slots=True)
class Decision:
    places: tuple[int, ...]  # of the values, in the order of METRICS
    score: float
    probability: float  # of the whole vector


def base_score(values: Sequence[str]) -> float:
    """CVSS v3.1 specification, section 7.1; values in the order of METRICS."""
    av, ac, pr, ui, scope, c, i, a = values
    changed = scope == "C"
    iss = 1 - (1 - _IMPACT[c]) * (1 - _IMPACT[i]) * (1 - _IMPACT[a])
    impact = 7.52 * (iss - 0.029) - 3.25 * (iss - 0.02) ** 15 if changed else 6.42 * iss
    if impact <= 0:
        return 0.0
    exploitability = 8.22 * _AV[av] * _AC[ac] * _PR[pr][changed] * _UI[ui]
    return _round_up(min((1.08 if changed else 1.0) * (impact + exploitability), 10))


def _round_up(value: float) -> float:
    """Appendix A: to one decimal, without the errors of binary fractions."""
    whole = round(value * 100_000)
    return whole / 100_000 if whole % 10_000 == 0 else (whole // 10_000 + 1) / 10


@cache
def _table() -> tuple[NDArray[np.intp], Floats, NDArray[np.intp]]:
    """Every vector as places, its score, and its score in tenths."""
    places = np.array(list(product(*(range(len(order)) for order in METRICS.values()))), dtype=np.intp)
    orders = list(METRICS.values())
    scores = [base_score([order[p] for order, p in zip(orders, row, strict=True)]) for row in places.tolist()]
    tenths = np.array([round(score * 10) for score in scores], dtype=np.intp)
    return places, np.array(scores, dtype=np.float32), tenths


@cache
def _distances() -> Floats:
    """(score in tenths, score in tenths) → points between them."""
    scores = np.arange(101, dtype=np.float32) / 10
    return np.abs(scores[:, None] - scores[None, :])


def decide(probabilities: Sequence[Floats], likelihood: float = LIKELIHOOD) -> Decision:
    """`probabilities`: of each metric's values."""
    places, scores, tenths = _table()
    whole = np.ones(len(places), dtype=np.float64)
    for metric, values in enumerate(probabilities):
        whole *= np.asarray(values, dtype=np.float64)[places[:, metric]]
    of_score = np.bincount(tenths, weights=whole, minlength=101)
    deviation = (_distances() * of_score).sum(1)
    cost = deviation[tenths] - likelihood * np.log(np.maximum(whole, 1e-30))
    best = int(np.argmin(cost))
    return Decision(tuple(places[best].tolist()), float(round(float(scores[best]), 1)), float(whole[best]))


def score_of(places: Sequence[int]) -> float:
    return base_score([order[p] for order, p in zip(METRICS.values(), places, strict=True)])


def vector_of(places: Sequence[int]) -> str:
    values = (f"{name}:{order[p]}" for (name, order), p in zip(METRICS.items(), places, strict=True))
    return "CVSS:3.1/" + "/".join(values)


def rating(score: float) -> str:
    """Section 5 of the specification."""
    limits = ((9.0, "CRITICAL"), (7.0, "HIGH"), (4.0, "MEDIUM"), (0.1, "LOW"))
    return next((name for least, name in limits if score >= least), "NONE")
