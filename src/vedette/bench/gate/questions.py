"""Questions with one right answer, out of the forge's rows; and what a model's reply answers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec

from vedette.bench.answers import spoken
from vedette.bench.items import Item
from vedette.bench.scoring import score
from vedette.engine.protocol import Message, Role
from vedette.errors import InputError
from vedette.guard import claims

MULTI = "multi-label"
EXACT = frozenset(("closed-book", "yes-no", "multiple-choice", MULTI, "chain-of-thought", "not-enough-evidence"))
REPLY = "own/triage-reply"  # answered in the JSON of claims that triage asks for
LONGEST = 200_000  # rows that are read
_ANSWER = re.compile(r"^\W*answer\W*:\s*(.+)$", re.IGNORECASE | re.MULTILINE)
_LABEL = re.compile(r"(\S*\d\S*) \((?:[^()]|\([^()]*\))*\)")
_BETWEEN = re.compile(r",\s+(?![^(]*\))")


class Row(msgspec.Struct, frozen=True):
    """What is read of a row."""

    messages: tuple[Message, ...]
    id: str
    task: str
    kind: str
    final: str = ""
    objects: tuple[str, ...] = ()
    spans: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """What a model is asked. `reply`: for the JSON of claims that triage wants."""

    messages: tuple[Message, ...]
    reply: bool = False

    @cached_property
    def key(self) -> str:
        return hashlib.sha256(msgspec.json.encode((self.messages, self.reply))).hexdigest()[:32]

    @property
    def text(self) -> str:
        return self.messages[-1].content

    def said(self, text: str) -> str:
        """The answer in a reply, "" where none can be read."""
        if self.reply:
            found = claims.parse(spoken(text))
            return found.verdict if found else ""
        answers = _ANSWER.findall(spoken(text))
        return normal(answers[-1]) if answers else ""


@dataclass(frozen=True)
class Question:
    id: str
    task: str
    asked: Asked
    final: str
    several: bool  # answers, in any order
    objects: tuple[str, ...]
    item: Item | None = None  # of a benchmark, whose own rules say what is right

    def right(self, text: str) -> bool:
        if self.item:
            outcome = score(self.item, text)
            return (outcome.value if outcome.exact is None else outcome.exact) == 1.0
        said = self.asked.said(text)
        if self.several:
            return _set(said) == _set(normal(self.final))
        return said == normal(self.final)


def normal(text: str) -> str:
    """In small letters; a label, as T1003 (OS Credential Dumping), is its id."""
    plain = " ".join(text.strip(" *`\"'").rstrip(".").split())
    label = _LABEL.fullmatch(plain)
    return (label[1] if label else plain).casefold()


def _set(text: str) -> frozenset[str]:
    return frozenset(normal(part) for part in _BETWEEN.split(text) if part)


def rows(path: Path) -> list[Row]:
    """Raises InputError, which names the first line that is none."""
    try:
        with path.open("rb") as file:
            return [_row(path, n, line) for n, line in zip(range(1, LONGEST), file, strict=False) if line.strip()]
    except OSError as exc:
        remedy = "give rows of `vedette forge build` or `ingest`"
        raise InputError(f"no rows: {exc.strerror}", where=str(path), remedy=remedy) from exc


def _row(path: Path, number: int, line: bytes) -> Row:
    try:
        row = msgspec.json.decode(line, type=Row)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        remedy = "give rows of `vedette forge build` or `ingest`"
        raise InputError(f"no row of the forge: {exc}", where=f"{path}:{number}", remedy=remedy) from exc
    if len(row.messages) < 2 or row.messages[-1].role is not Role.ASSISTANT:
        raise InputError("no question with its answer", where=f"{path}:{number}", remedy="make the rows again")
    return row


def questions(several: Iterable[Row], learned: Collection[str] = ()) -> Iterator[Question]:
    """Those with an exact answer whose prompt is not among what was `learned`."""
    for row in several:
        if row.final and (row.kind in EXACT or row.task == REPLY) and row.messages[-2].content not in learned:
            asked = Asked(row.messages[:-1], row.task == REPLY)
            yield Question(row.id, row.task, asked, row.final, row.kind == MULTI, row.objects)


def of_items(benchmark: str, items: Iterable[Item]) -> Iterator[Question]:
    """In the benchmark's own words."""
    for item in items:
        asked = Asked((Message(Role.USER, item.prompt),))
        uid = f"{benchmark}/{item.id}"
        yield Question(uid, benchmark, asked, ", ".join(item.right), False, (uid,), item)


def chosen(several: Sequence[Question], most: int, seed: int) -> list[Question]:
    """Tasks in turn, each about something else: what is independent may be counted as such."""
    by_task: dict[str, list[Question]] = {}
    for one in sorted(several, key=lambda q: hashlib.sha256(f"{seed} {q.id}".encode()).digest()):
        by_task.setdefault(one.task, []).append(one)
    found: list[Question] = []
    used: set[str] = set()
    waiting = [iter(by_task[task]) for task in sorted(by_task)]
    while waiting and len(found) < most:
        for task in list(waiting):
            free = next((one for one in task if used.isdisjoint(one.objects)), None)
            if free is None:
                waiting.remove(task)
            elif len(found) < most:
                found.append(free)
                used.update(free.objects)
    return found
