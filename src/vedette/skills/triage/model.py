"""The additive model: what each signal and each case brings, in log-odds.

Two layers, both sums of weight × value. A signal's points say how far it stands out; a case's score
adds its strongest signals, what supports them, how far the tactics went, how many hosts, what came
before, and what the device is worth. All weights are >= 0 (rule history apart, which is learned from
labels), so an alert that is added to a case, or text in it, can raise its score and never lower it.
"""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path

import msgspec

from vedette.errors import ArtefactError
from vedette.manifest import sha256_file, verify

SIGNAL_TERMS = ("history", "rarity", "site_rarity", "new_here", "severity", "burst", "company", "text")
CASE_TERMS = ("strongest", "second", "support", "grave", "tactics", "hosts", "aftermath", "asset")
WEIGHTS = Path(__file__).with_name("weights")


class Model(msgspec.Struct, frozen=True, dict=True):
    """Weights of both layers, what labelled history says of rules, and the thresholds of the verdicts."""

    name: str
    signal_bias: float
    signal: dict[str, float]
    case_bias: float
    case: dict[str, float]
    history: dict[str, float]  # "product|rule name" -> shrunken log-odds that a signal of it is attack
    escalate: float  # probability from which a case is escalated
    investigate: float
    interesting: float = -5.0  # points from which a signal opens a case of its own
    rare: float = 3.0  # rarity from which a signal can belong to one
    sha256: str = ""

    def points(self, values: tuple[float, ...]) -> float:
        """Log-odds of one signal from its values in the order of SIGNAL_TERMS."""
        return self.signal_bias + sum(w * v for w, v in zip(self._signal, values, strict=True))

    def signal_parts(self, values: tuple[float, ...]) -> dict[str, float]:
        return {t: w * v for t, w, v in zip(SIGNAL_TERMS, self._signal, values, strict=True)}

    def case_parts(self, values: tuple[float, ...]) -> dict[str, float]:
        return {t: self.case[t] * v for t, v in zip(CASE_TERMS, values, strict=True)}

    def probability(self, values: tuple[float, ...]) -> float:
        """Calibrated probability of a case from its values in the order of CASE_TERMS."""
        return sigmoid(self.case_bias + sum(self.case_parts(values).values()))

    @cached_property
    def _signal(self) -> tuple[float, ...]:
        return tuple(self.signal[t] for t in SIGNAL_TERMS)


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))


def softplus(points: float) -> float:
    """What points count for in a case: nothing far below -3, all of it far above."""
    return math.log1p(math.exp(min(points + 3, 50)))


def load(folder: Path = WEIGHTS) -> Model:
    """The shipped model, or one that was trained elsewhere. Raises ArtefactError if it does not match its manifest."""
    path = folder / "model.json"
    verify(folder)
    try:
        model = msgspec.json.decode(path.read_bytes(), type=Model)
    except (OSError, msgspec.MsgspecError) as error:
        raise ArtefactError(f"not a triage model: {error}", where=str(path), remedy="train it again") from error
    if set(model.signal) != set(SIGNAL_TERMS) or set(model.case) != set(CASE_TERMS):
        raise ArtefactError("the model's terms are not this version's", where=str(path), remedy="train it again")
    return msgspec.structs.replace(model, sha256=sha256_file(path))
