"""How good search is: at which place the first right answer stands, over many questions.

Recall at k is the share of questions with an accepted id among the first k hits; MRR the mean of 1 / place, 0 past
the tenth. Intervals: 95 %, bootstrap over questions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from vedette.bench.questions import ABOUT, Question
from vedette.bench.statistics import bootstrap
from vedette.knowledge.record import Kind
from vedette.knowledge.store import Knowledge

DEPTH = 10  # hits that are looked at
KS = (1, 5, 10)
NO_CONCEPTS = {Kind.RULE, Kind.TOOL, Kind.ACTOR, Kind.ADVISORY, Kind.WARNINGLIST, Kind.ANALYTIC}
CONCEPTS = tuple(kind for kind in Kind if kind not in NO_CONCEPTS)
SCOPES = ("all kinds", "concept kinds", "kind of the question")  # what is searched


@dataclass(frozen=True, slots=True)
class Outcome:
    """What search gave for one question."""

    question: Question
    found: tuple[str, ...]  # ids, best first, at most DEPTH

    @property
    def place(self) -> int:
        """Of the first right one, from 1; 0 where there is none."""
        return place(self.found, self.question.answers)


@dataclass(frozen=True, slots=True)
class Score:
    n: int
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def evaluate(
    knowledge: Knowledge, questions: Iterable[Question], mode: str = "hybrid", *, by_kind: bool = False, **filters: Any
) -> list[Outcome]:
    """Ask all. `filters` are those of `Knowledge.search`; `by_kind`: each question with the kinds that it is about."""
    outcomes = []
    for question in questions:
        chosen = filters | ({"kinds": ABOUT[question.about]} if by_kind else {})
        hits = knowledge.search(question.question, mode=mode, limit=DEPTH, **chosen)
        outcomes.append(Outcome(question, tuple(hit.id for hit in hits)))
    return outcomes


def in_scope(knowledge: Knowledge, questions: Iterable[Question], mode: str, scope: str) -> list[Outcome]:
    """`scope` is one of SCOPES."""
    return evaluate(
        knowledge, questions, mode, by_kind=scope == SCOPES[2], kinds=CONCEPTS if scope == SCOPES[1] else ()
    )


def place(found: Sequence[str], answers: Collection[str]) -> int:
    return next((at for at, uid in enumerate(found, 1) if uid in answers), 0)


def recall(outcomes: Sequence[Outcome], k: int) -> Score:
    return _score([float(0 < outcome.place <= k) for outcome in outcomes])


def reciprocal_rank(outcomes: Sequence[Outcome]) -> Score:
    return _score([1 / at if (at := outcome.place) else 0.0 for outcome in outcomes])


def _score(values: Sequence[float]) -> Score:
    return Score(len(values), fmean(values), *bootstrap(values, fmean)) if values else Score(0, *[float("nan")] * 3)
