"""CyberMetric (Tihanyi et al., 2024): multiple choice with four answers, by size. It has no prompt of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from vedette.bench.items import Item, Kind
from vedette.bench.suites.prompts import asked
from vedette.bench.suites.tables import AS_PUBLISHED, document
from vedette.errors import InputError

LETTERS = "ABCD"


def choices(content: bytes, where: str) -> Iterator[Item]:
    found = document(content, where)
    questions = found.get("questions") if isinstance(found, Mapping) else None
    if not isinstance(questions, Sequence):
        raise InputError("no 'questions'", where=where, remedy=AS_PUBLISHED)
    for number, row in enumerate(questions, 1):
        try:
            options = tuple(str(row["answers"][letter]) for letter in LETTERS)
            question, right = str(row["question"]), str(row["solution"]).strip().upper()
        except (KeyError, TypeError) as exc:
            raise InputError(f"no {exc}", where=f"{where}: question {number}", remedy=AS_PUBLISHED) from exc
        yield Item(
            id=str(number), kind=Kind.CHOICE, prompt=asked(question, options, LETTERS), right=(right,), text=question,
            choices=options, letters=LETTERS,
        )  # fmt: skip
