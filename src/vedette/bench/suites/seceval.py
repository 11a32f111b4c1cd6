"""SecEval (XUANWU, 2023): four choices, any number of which are right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vedette.bench.items import Item, Kind
from vedette.bench.suites.prompts import asked_for_all
from vedette.bench.suites.tables import AS_PUBLISHED, document
from vedette.errors import InputError

LETTERS = "ABCD"


def choices(content: bytes, where: str) -> Iterator[Item]:
    """Questions without an answer (seven of those published) are asked, and nothing is right."""
    found = document(content, where)
    if not isinstance(found, Sequence) or isinstance(found, str):
        raise InputError("no list of questions", where=where, remedy=AS_PUBLISHED)
    for number, row in enumerate(found, 1):
        try:
            options = tuple(_without_letter(str(choice)) for choice in row["choices"])
            question, right = str(row["question"]), str(row["answer"]).strip().upper()
            about, name = str(row.get("source", "unknown")), str(row.get("id") or number)
        except (KeyError, TypeError, AttributeError) as exc:
            raise InputError(f"no {exc}", where=f"{where}: question {number}", remedy=AS_PUBLISHED) from exc
        yield Item(
            id=name, kind=Kind.CHOICES, prompt=asked_for_all(question, options, LETTERS), right=tuple(sorted(right)),
            text=question, choices=options, letters=LETTERS, slices={"about": about},
        )  # fmt: skip


def _without_letter(choice: str) -> str:
    """`A: words` → `words`."""
    head, colon, rest = choice.partition(":")
    return rest.strip() if colon and head.strip() in LETTERS else choice
