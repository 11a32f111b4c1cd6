"""An exercise that a teacher proposes, held against the passages that it was given. Nothing of it is believed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from vedette.engine.protocol import Completion, Finish
from vedette.forge.build import LETTERS
from vedette.forge.check import Fault, said
from vedette.forge.example import Example, Kind
from vedette.forge.ground import Evidence
from vedette.forge.turn import picked
from vedette.guard.wording import folded
from vedette.knowledge.store import Knowledge


class Left(StrEnum):
    """Why no exercise comes out of one, besides what `check.Fault` names."""

    PASSAGES = "there are no passages about it"
    REPLY = "no usable reply"
    SHAPE = "not of the kind asked for"
    ALIKE = "too much like another question"
    QUOTE = "its quote stands in no passage"
    GROUND = "its result stands in no passage"
    GIVEN = "its question gives the result away"
    UNANSWERED = "the passages do not answer it"
    OTHERWISE = "answered otherwise the second time"
    BALANCE = "its answer is right too often already"
    BENCHMARK = "it touches a benchmark"


ALIKE = 0.8  # share of common words above which a question is another one over again
QUESTION, ANSWER_LONGEST, FINAL, QUOTE = (20, 1_500), 3_000, 160, 20  # characters
_MENTIONS = re.compile(r"\bpassages?\b|\b(?:the|this|given|above) (?:text|excerpt|document|passage)s?\b", re.IGNORECASE)
_LABEL = re.compile(r"^\(?[A-Ea-e][).:]\s+")
_LETTER = re.compile(r"\s*\(?([A-Ea-e])(?![A-Za-z])")
_ENDS = " \t\n.\"'“”„`"
_WORD = re.compile(r"[^\W_]+")

SCHEMA = {
    "type": "object",
    "properties": {
        "question": {"type": "string", "maxLength": QUESTION[1]},
        "answer": {"type": "string", "maxLength": ANSWER_LONGEST},
        "final": {"type": "string", "maxLength": 400},
        "options": {"type": "array", "items": {"type": "string", "maxLength": FINAL}, "maxItems": 5},
        "quote": {"type": "string", "maxLength": 600},
    },
    "required": ["question", "answer", "final", "options", "quote"],
    "additionalProperties": False,
}


class Told(msgspec.Struct, frozen=True):
    """As a teacher tells it."""

    question: str
    answer: str
    final: Any
    quote: str
    options: tuple[str, ...] = ()


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """One that holds: of a choice, `question` has the options, `final` is the letter, `right` the option."""

    question: str
    answer: str
    final: str
    right: str
    used: tuple[Evidence, ...]  # that it rests on


class Refused(Exception):
    def __init__(self, why: Left | Fault) -> None:
        self.why = why
        super().__init__(str(why))


_read = msgspec.json.Decoder(Told).decode


def proposal(
    done: Completion, parent: Example, kind: Kind, passages: Sequence[Evidence], store: Knowledge, key: str
) -> Proposal:
    """Raises Refused."""
    if done.finish is not Finish.STOP:
        raise Refused(Fault.CUT)
    told = _decoded(done.text)
    right = result(told.final, kind)
    _worded(told, parent, passages, store)
    if _shared(told.question, parent.question) > ALIKE:
        raise Refused(Left.ALIKE)
    parts = list(_parts(right, kind))
    if kind is not Kind.YES_NO and not all(any(stands(part, one.text) for one in passages) for part in parts):
        raise Refused(Left.GROUND)
    if kind is not Kind.CHOICE and parts and all(stands(part, told.question) for part in parts):
        raise Refused(Left.GIVEN)
    used = [one for one in passages if stands(told.quote, one.text) or any(stands(part, one.text) for part in parts)]
    if len(told.quote) < QUOTE or not any(stands(told.quote, one.text) for one in passages):
        raise Refused(Left.QUOTE)
    question, final = " ".join(told.question.split()), right
    if kind is Kind.CHOICE:
        lines, final = _options(told.options, right, key)
        question += lines
    return Proposal(question=question, answer=told.answer.strip(), final=final, right=right, used=tuple(used))


def _decoded(text: str) -> Told:
    try:
        return _read(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise Refused(Left.REPLY) from None


def _worded(told: Told, parent: Example, passages: Sequence[Evidence], store: Knowledge) -> None:
    if not (QUESTION[0] <= len(told.question) <= QUESTION[1] and 20 <= len(told.answer) <= ANSWER_LONGEST):
        raise Refused(Left.SHAPE)
    if re.search(r"^\s*Answer:", told.answer, re.MULTILINE):
        raise Refused(Left.SHAPE)
    text = "\n".join((told.question, told.answer, str(told.final), *told.options))
    given = "\n".join((parent.question, parent.answer, *(one.text for one in passages)))
    if wrong := said(text, given, parent.question, store):
        raise Refused(wrong[0])
    if _MENTIONS.search(told.question) or _MENTIONS.search(told.answer):
        raise Refused(Fault.LEAKS)


def result(told: object, kind: Kind) -> str:
    """The exact result in one spelling, so that two can be compared. Raises Refused for another kind of result."""
    if kind is Kind.EXTRACT:
        return _object(told)
    if not isinstance(told, str) or not told.strip(_ENDS) or len(told) > 400 or "\n" in told.strip():
        raise Refused(Left.SHAPE)
    text = " ".join(told.split()).strip(_ENDS)
    if kind is Kind.YES_NO:
        if text.casefold() not in ("yes", "no"):
            raise Refused(Left.SHAPE)
        return text.capitalize()
    if len(text) > FINAL and kind is not Kind.MULTI:
        raise Refused(Left.SHAPE)
    return _LABEL.sub("", text) if kind is Kind.CHOICE else text


def _object(told: object) -> str:
    """A flat JSON object of texts and lists of them."""
    if isinstance(told, str):
        try:
            told = json.loads(told)
        except (ValueError, RecursionError):
            raise Refused(Left.SHAPE) from None
    if not isinstance(told, dict) or not 1 <= len(told) <= 8:
        raise Refused(Left.SHAPE)
    for value in told.values():
        if not all(isinstance(one, str) and one.strip() for one in (value if isinstance(value, list) else [value])):
            raise Refused(Left.SHAPE)
    return json.dumps(told, ensure_ascii=False, sort_keys=True)


def _parts(right: str, kind: Kind) -> Iterator[str]:
    """What of a result has to stand in a passage."""
    if kind is Kind.MULTI:
        yield from (part for part in right.split(", ") if part)
    elif kind is Kind.EXTRACT:
        for value in json.loads(right).values():
            yield from value if isinstance(value, list) else [value]
    elif kind is not Kind.YES_NO:
        yield right


def agrees(told: object, final: str, kind: Kind) -> bool:
    """Is what somebody else found the same result?"""
    if kind is Kind.CHOICE:
        letter = _LETTER.match(told) if isinstance(told, str) else None
        return letter is not None and letter[1].upper() == final
    try:
        found = result(told, kind)
    except Refused:
        return False
    if kind is Kind.MULTI:
        return {folded(part) for part in found.split(", ")} == {folded(part) for part in final.split(", ")}
    return folded(found).strip(_ENDS) == folded(final).strip(_ENDS)


def stands(part: str, text: str) -> bool:
    """As whole words, however it is spaced and spelled."""
    wanted = folded(part).strip(_ENDS)
    return bool(wanted) and bool(re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", folded(text)))


def _options(told: Sequence[str], right: str, key: str) -> tuple[str, str]:
    """The lines, and the right letter."""
    options = [" ".join(_LABEL.sub("", option).split()).strip(_ENDS) for option in told]
    wrong = [option for option in options if folded(option) != folded(right)]
    if not 2 <= len(wrong) <= 4 or len(wrong) != len(options) - 1 or len({folded(one) for one in wrong}) != len(wrong):
        raise Refused(Left.SHAPE)
    if not all(wrong):
        raise Refused(Left.SHAPE)
    place = picked(range(len(options)), f"{key} letter")
    ordered = [*wrong[:place], right, *wrong[place:]]
    return "".join(f"\n{LETTERS[n]}) {option}" for n, option in enumerate(ordered)), LETTERS[place]


def alike(question: str, others: Sequence[str]) -> bool:
    return any(_shared(question, other) > ALIKE for other in others)


def _shared(one: str, other: str) -> float:
    first, second = (set(_WORD.findall(folded(text))) for text in (one, other))
    return len(first & second) / max(1, len(first | second))
