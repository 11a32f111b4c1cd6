"""Decide by the expert's probabilities, and put them into words."""

from __future__ import annotations

import msgspec
from cvss import CVSS3

from vedette.experts.answers import Candidate, Severity, Ssvc

METRICS = {
    "AV": "Attack Vector", "AC": "Attack Complexity", "PR": "Privileges Required", "UI": "User Interaction",
    "S": "Scope", "C": "Confidentiality", "I": "Integrity", "A": "Availability",
}  # fmt: skip
_VALUES = {
    "AV": {"N": "Network", "A": "Adjacent", "L": "Local", "P": "Physical"},
    "S": {"U": "Unchanged", "C": "Changed"},
    "UI": {"N": "None", "R": "Required"},
}
_LEVELS = {"N": "None", "L": "Low", "H": "High"}


class Metric(msgspec.Struct, frozen=True):
    id: str  # AV, AC …
    name: str
    value: str  # in words, as decided
    probability: float
    others: tuple[Candidate, ...]


class SeverityFinding(msgspec.Struct, frozen=True):
    id: str
    vector: str
    score: float
    rating: str
    low: float  # nine scores in ten lie between low and high
    high: float
    probability: float  # of the whole vector
    metrics: tuple[Metric, ...]
    ssvc: dict[str, tuple[Candidate, ...]]
    reason: str
    notes: tuple[str, ...]
    convention: str
    windows: int
    model: str


def find(uid: str, severity: Severity, ssvc: Ssvc, model: str) -> SeverityFinding:
    """The printed score is the `cvss` library's."""
    score, notes = severity.score, []
    if severity.vector:
        score = float(CVSS3(severity.vector).scores()[0])
        if severity.high - severity.low >= 4:
            notes.append("the text says little about its severity: the interval is wide")
    if ssvc.points and ssvc.points["exploitation"][0].id != "none":
        notes.append("exploitation is guessed from the text: see KEV and EPSS of the CVE")
    return SeverityFinding(
        id=uid, vector=severity.vector, score=score, rating=severity.rating, low=severity.low, high=severity.high,
        probability=severity.probability, metrics=_metrics(severity), ssvc=ssvc.points, reason=str(severity.reason),
        notes=tuple(notes), convention=str(severity.convention), windows=severity.windows, model=model,
    )  # fmt: skip


def _metrics(severity: Severity) -> tuple[Metric, ...]:
    decided = dict(part.split(":") for part in severity.vector.split("/")[1:]) if severity.vector else {}
    found = []
    for name, candidates in severity.metrics.items():
        value = decided[name]
        probability = next(c.probability for c in candidates if c.id == value)
        others = tuple(c for c in candidates if c.id != value)
        words = _VALUES.get(name, _LEVELS)
        found.append(Metric(name, METRICS[name], words[value], probability, others))
    return tuple(found)
