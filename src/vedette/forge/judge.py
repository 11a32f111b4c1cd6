"""Stage 5, second half: a judge compares the rewritten answer with the one it was made from, and checks its facts.

Both orders are asked, as models like what they read first or last: who wins in one order only has not won. Models like
length, too: a rewritten answer that is much longer has to win where its facts are beyond doubt. What a judge's marks
mean is set by task on examples that people labelled (`calibrate`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from vedette.engine.protocol import Message, Role
from vedette.errors import InputError
from vedette.forge.caller import Caller
from vedette.forge.example import Example
from vedette.forge.prompts import asked, prompt


class Preference(StrEnum):
    ORIGINAL = "original"
    REWRITTEN = "rewritten"
    TIE = "tie"
    INCONSISTENT = "inconsistent"  # another one in the other order
    UNREADABLE = "unreadable"


class Judged(msgspec.Struct, frozen=True):
    preference: Preference
    factuality: int  # 1–10 against the reference; 0: unreadable
    times: float  # length of the rewritten answer over that of the original


MARK = 7  # of ten, from which an answer is used, unless a calibration says otherwise
LONG, LONG_MARK = 6.0, 9  # times as long, from which a higher mark is asked for
FEW = 20  # labelled examples, below which a task's own mark is drawn towards that of all tasks

_PREFER: Mapping[str, Any] = {
    "type": "object",
    "properties": {"reason": {"type": "string", "maxLength": 300}, "better": {"enum": ["first", "second", "tie"]}},
    "required": ["reason", "better"],
    "additionalProperties": False,
}
_FACTS: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "reason": {"type": "string", "maxLength": 300},
        "factuality": {"type": "integer", "minimum": 1, "maximum": 10},
    },
    "required": ["reason", "factuality"],
    "additionalProperties": False,
}

_SYSTEM = Message(Role.SYSTEM, prompt("judge").render().strip())


async def judge(example: Example, rewritten: str, judge: Caller) -> Judged:
    original = example.answer
    one = await _better(judge, example.question, original, rewritten)
    other = await _better(judge, example.question, rewritten, original)
    put = asked("facts", question=example.question, reference=original, answer=rewritten)
    done = await judge.ask("facts", [_SYSTEM, put], schema=_FACTS, tokens=250)
    mark = _told(done.text).get("factuality")
    good = isinstance(mark, int) and not isinstance(mark, bool) and 1 <= mark <= 10
    return Judged(_preference(one, other), int(mark or 0) if good else 0, len(rewritten) / max(1, len(original)))


async def _better(judge: Caller, question: str, first: str, second: str) -> str:
    put = asked("prefer", question=question, first=first, second=second)
    done = await judge.ask("prefer", [_SYSTEM, put], schema=_PREFER, tokens=250)
    return str(_told(done.text).get("better", ""))


def _preference(one: str, other: str) -> Preference:
    """`one`: with the original first; `other`: with the rewritten one first."""
    if not {one, other} <= {"first", "second", "tie"}:
        return Preference.UNREADABLE
    forward = {"first": Preference.ORIGINAL, "second": Preference.REWRITTEN, "tie": Preference.TIE}[one]
    backward = {"second": Preference.ORIGINAL, "first": Preference.REWRITTEN, "tie": Preference.TIE}[other]
    return forward if forward is backward else Preference.INCONSISTENT


def accepts(judged: Judged, marks: Mapping[str, int], task: str) -> bool:
    """Is the rewritten answer used? It need not be preferred; it must not be worse, and its facts have to hold."""
    least = marks.get(task, marks.get("", MARK))
    least = max(least, LONG_MARK) if judged.times > LONG else least
    return judged.preference in (Preference.REWRITTEN, Preference.TIE) and judged.factuality >= least


class Labelled(msgspec.Struct, frozen=True):
    """What a person found of an answer that the judge marked."""

    task: str
    factuality: int
    good: bool


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of a person's file."""

    id: str  # of an example
    good: bool  # may its rewritten answer be trained on?


def labels(file: Path) -> dict[str, bool]:
    """Raises InputError that names the line."""
    found = {}
    try:
        lines = file.read_bytes().splitlines()
    except OSError as exc:
        raise InputError(f"cannot be read: {exc.strerror}", where=str(file), remedy="check the path") from exc
    for number, raw in enumerate(lines, 1):
        if not raw.strip():
            continue
        try:
            one = msgspec.json.decode(raw, type=Label)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            remedy = 'a line holds {"id": "…", "good": true}'
            raise InputError(f"no label: {exc}", where=f"{file}:{number}", remedy=remedy) from exc
        found[one.id] = one.good
    return found


def calibrate(labelled: Sequence[Labelled]) -> dict[str, int]:
    """The mark from which an answer is used, by task and, under "", for all others.

    It gives the best balanced accuracy over the labels; of two equal ones the higher. A task with few labels keeps
    part of what all of them say: its own are weighed against `FEW` of the others.
    """
    overall = _best(Counter((one.factuality, one.good) for one in labelled))
    marks = {"": overall}
    for task in sorted({one.task for one in labelled}):
        own = [one for one in labelled if one.task == task]
        rest = [one for one in labelled if one.task != task]
        weights: Counter[tuple[int, bool]] = Counter()
        for one in own:
            weights[one.factuality, one.good] += 1
        for one in rest:
            weights[one.factuality, one.good] += FEW / len(rest)  # type: ignore[assignment]
        marks[task] = _best(weights)
    return marks


def _best(weights: Mapping[tuple[int, bool], float]) -> int:
    good = sum(weight for (_, is_good), weight in weights.items() if is_good)
    bad = sum(weight for (_, is_good), weight in weights.items() if not is_good)
    if not good or not bad:
        return MARK

    def balanced(mark: int) -> float:
        hit = sum(w for (found, is_good), w in weights.items() if is_good and found >= mark) / good
        kept_out = sum(w for (found, is_good), w in weights.items() if not is_good and found < mark) / bad
        return (hit + kept_out) / 2

    return max(range(1, 11), key=lambda mark: (round(balanced(mark), 9), mark))


def _told(text: str) -> dict[str, Any]:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
