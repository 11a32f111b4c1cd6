"""Rows of the forge as questions: what was asked, and what is the exact answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from vedette.errors import InputError
from vedette.train.slm.recipe import Data

# Kinds of the forge, by their names in the files.
YES_NO, CHOICE, MULTI, STEPS = "yes-no", "multiple-choice", "multi-label", "chain-of-thought"
ABSTAIN, EXTRACT, RULE = "not-enough-evidence", "json-extraction", "rule-writing"
EXACT = frozenset({"closed-book", YES_NO, CHOICE, MULTI, STEPS, ABSTAIN})  # end in an answer line
ORDERED = frozenset({"alert/priority", "log/order", "response/order"})  # their answers are lists, not sets
TOUCHES = "touches a benchmark"  # why a row is left out
TOLD = 5  # places of faults that are named
Messages = tuple[Mapping[str, str], ...]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A row; what else it holds is not looked at."""

    messages: Messages
    id: str = ""
    task: str = ""
    kind: str = ""
    final: str = ""
    licence: str = ""

    @property
    def prompt(self) -> Messages:
        return self.messages[:-1]

    @property
    def answer(self) -> str:
        return self.messages[-1]["content"]


@dataclass(frozen=True, slots=True)
class Left:
    """What could not be used: how many, and the first places."""

    count: int
    places: tuple[str, ...]


def read(path: Path, wanted: Data) -> tuple[list[Question], Left]:
    """Rows of the tasks that are wanted, in their order. Raises InputError for a file without any."""
    found: list[Question] = []
    bad: list[str] = []
    of_task: Counter[str] = Counter()
    for place, raw in lines(path):
        one = _question(raw)
        if one is None:
            bad.append(place)
        elif not wanted.tasks or one.task.startswith(wanted.tasks):
            of_task[one.task] += 1
            if not wanted.each or of_task[one.task] <= wanted.each:
                found.append(one)
    if not found:
        why = f"{len(bad):,} lines are no rows, the first is {bad[0]}" if bad else "no row is of the tasks wanted"
        raise InputError(f"no question: {why}", where=str(path), remedy="give train.jsonl of `vedette forge build`")
    return found, Left(len(bad), tuple(bad[:TOLD]))


def lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every line that is not empty, with its place. Raises InputError."""
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                if raw.strip():
                    yield f"{path}:{number}", raw
    except OSError as exc:
        raise InputError(f"cannot be read: {exc.strerror}", where=str(path), remedy="check the path") from exc


def sound(messages: Messages) -> bool:
    """A system's rules, perhaps, then turns of user and assistant, each with text."""
    roles = [one.get("role") for one in messages]
    turns = roles[1:] if roles[:1] == ["system"] else roles
    texts = all(isinstance(one.get("content"), str) and one["content"].strip() for one in messages)
    return texts and bool(turns) and all(role == ("user", "assistant")[n % 2] for n, role in enumerate(turns))


def _question(raw: bytes) -> Question | None:
    try:
        one = msgspec.json.decode(raw, type=Question)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return one if sound(one.messages) and one.messages[-1]["role"] == "assistant" else None
