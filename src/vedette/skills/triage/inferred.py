"""Techniques of rules that state none, as the experts read them in the rule's own text.

They are shown as background, with their probability, and bear on nothing. Only what a rule's author wrote is read: a
name that quotes the event it fired on is left out. Each text is read once; the weights load with the first one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from math import exp, log
from typing import TYPE_CHECKING

from vedette.errors import VedetteError
from vedette.types import Case, Evidence, Verdict

if TYPE_CHECKING:
    from vedette.experts import Experts
    from vedette.experts.answers import Techniques

TEXTS = 64  # distinct texts that are read for one queue, those of its first cases
LONGEST = 300  # characters; what is longer is no name of a rule
LEAST = 0.5  # probability that is shown
READ = 0.3  # least probability by the experts that is looked at
SLOPE, SHIFT = 0.42, -0.47  # by one half of the Sigma rules (bench/triage_inferred.py)
OF_A_RULE, OF_A_CASE = 2, 5  # techniques
QUOTED = 4  # characters of an event's value that a name has to hold to quote it


@dataclass(frozen=True, slots=True)
class Inferred:
    id: str  # as the experts know it, not yet verified
    probability: float
    rule: str  # the text that it was read in


class RuleReader:
    """`trouble` says why nothing can be read, where that is so; `name` names the weights, once they are loaded."""

    def __init__(self, source: Callable[[], Experts]) -> None:
        self.trouble = self.name = ""
        self._source = source
        self._experts: Experts | None = None
        self._read: dict[str, tuple[Inferred, ...]] = {}
        self._chosen: frozenset[str] = frozenset()

    def read(self, cases: Iterable[Case]) -> None:
        """The first texts of these cases, which are all of a queue, in its order. Benign ones are not read for."""
        texts = dict.fromkeys(text for case in cases for text in texts_of(case))
        self._chosen = frozenset(islice(texts, TEXTS))
        fresh = [text for text in islice(texts, TEXTS) if text not in self._read]
        if self.trouble or not fresh:
            return
        try:
            found = list(self._opened().techniques(fresh, threshold=READ))
        except (VedetteError, ImportError, OSError) as error:
            self.trouble = str(error)
            return
        self._read |= {text: tuple(_inferred(text, one)) for text, one in zip(fresh, found, strict=True)}

    def of(self, case: Case) -> tuple[Inferred, ...]:
        """Of the texts that were read for the queue; what a rule of the case states itself is left out."""
        stated = {uid for item in case.evidence for uid in item.techniques} | set(case.techniques)
        stated |= {uid.partition(".")[0] for uid in stated}
        found = [one for text in texts_of(case) if text in self._chosen for one in self._read.get(text, ())]
        found.sort(key=lambda one: (-one.probability, one.id, one.rule))
        best: dict[str, Inferred] = {}
        for one in found:
            if one.id not in stated:
                best.setdefault(one.id, one)
        return tuple(islice(best.values(), OF_A_CASE))

    def _opened(self) -> Experts:
        if self._experts is None:
            self._experts = self._source()
            self.name = self._experts.name
        return self._experts


def texts_of(case: Case) -> Iterator[str]:
    """Names of rules that state no technique, without those that quote an event."""
    if case.verdict is Verdict.LIKELY_BENIGN:
        return
    quoting = {item.rule_name for item in case.evidence if _quotes(item)}
    for text in dict.fromkeys(item.rule_name for item in case.evidence if not item.techniques):
        if text not in quoting and len(text) <= LONGEST:
            yield text


def _quotes(item: Evidence) -> bool:
    """Somebody else than the rule's author may have written a part of its name."""
    name = item.rule_name.casefold()
    values = [*(text.value for text in item.texts), *(seen.value for seen in item.observables)]
    return any(len(value) >= QUOTED and value.casefold() in name for value in values)


def _inferred(text: str, read: Techniques) -> Iterator[Inferred]:
    for one in read.found[:OF_A_RULE]:
        if sureness(one.probability) >= LEAST:
            yield Inferred(one.id, round(sureness(one.probability), 2), text)


def sureness(probability: float) -> float:
    """Of a name of a rule: the experts learned sentences of reports, and are surer of names than they are right."""
    within = min(max(probability, 1e-6), 1 - 1e-6)
    return 1 / (1 + exp(-SLOPE * log(within / (1 - within)) - SHIFT))
