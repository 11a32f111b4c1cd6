"""What experts answer. Probabilities are calibrated; an answer without a decision says why."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Reason(StrEnum):
    """Why there is no decision."""

    DECIDED = ""
    EMPTY = "empty"  # no text, or white space only
    SHORT = "too short"  # fewer words than a statement needs
    BINARY = "not text"
    LANGUAGE = "not English"
    LONG = "too long"  # more characters than a description has
    REJECTED = "rejected CVE"  # the text says that there is no vulnerability
    UNSURE = "undecided"  # no candidate reaches the owner's threshold
    NONE = "none"  # techniques: nothing in the text tells of one


class Candidate(msgspec.Struct, frozen=True):
    id: str
    probability: float  # 0 to 1


class Weakness(msgspec.Struct, frozen=True):
    decision: str  # CWE-79, or "" where undecided
    reason: Reason
    candidates: tuple[Candidate, ...]  # best first
    conformal: tuple[str, ...]  # holds the right one nine times in ten
    convention: str
    windows: int  # parts that a long text was read in


class Severity(msgspec.Struct, frozen=True):
    vector: str  # CVSS:3.1/AV:N/…, or "" where undecided
    score: float  # 0.0 to 10.0, by the vector
    rating: str  # NONE, LOW, MEDIUM, HIGH, CRITICAL
    probability: float  # of the whole vector
    low: float  # nine scores in ten lie between low and high
    high: float
    metrics: dict[str, tuple[Candidate, ...]]  # AV → N, L, …, best first
    reason: Reason
    convention: str
    windows: int


class Ssvc(msgspec.Struct, frozen=True):
    points: dict[str, tuple[Candidate, ...]]  # exploitation → none, poc, active, best first
    reason: Reason
    windows: int


class Span(msgspec.Struct, frozen=True):
    start: int  # characters in the text that was given
    end: int
    probability: float


class Technique(msgspec.Struct, frozen=True):
    id: str
    probability: float  # of the best span
    spans: tuple[Span, ...]  # best first


class Techniques(msgspec.Struct, frozen=True):
    found: tuple[Technique, ...]  # at or over the threshold, best first
    considered: tuple[Technique, ...]  # the best ones under it
    reason: Reason
    parts: int  # sentences and clauses that were read
    domains: tuple[str, ...] = ()  # of ATT&CK, whose techniques were looked for
