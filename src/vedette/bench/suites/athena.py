"""AthenaBench's files (JSON lines): one format for six tasks, each of whose answers ends in "Answer: …"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from vedette.bench.items import Item, Kind
from vedette.bench.suites.tables import AS_PUBLISHED, json_lines
from vedette.errors import InputError

LETTERS = "ABCDE"
_ASKED = re.compile(r"\n(?:Scenario|CVE Description|Threat report|Question):\s*", re.IGNORECASE)
_SPLIT = re.compile(r"\s*,\s*")


def items(content: bytes, where: str, kind: Kind) -> Iterator[Item]:
    """`description` or what follows the instruction is what is asked about; a single technique counts as its parent."""
    for number, row in json_lines(content, where, ("prompt", "answer")):
        prompt, answer = str(row["prompt"]), str(row["answer"]).strip()
        if not answer:
            raise InputError("no answer", where=f"{where}:{number}", remedy=AS_PUBLISHED)
        choices = tuple(str(row[f"option_{letter.lower()}"]) for letter in LETTERS if f"option_{letter.lower()}" in row)
        said = tuple(_SPLIT.split(answer)) if kind is Kind.MITIGATIONS else (answer,)
        yield Item(
            id=str(row.get("cve_id") or row.get("id") or row.get("prompt_hash") or number), kind=kind, prompt=prompt,
            right=said, text=str(row.get("question") or row.get("description") or _ASKED.split(prompt)[-1]).strip(),
            choices=choices, letters=LETTERS[: len(choices)],
        )  # fmt: skip


choices = partial(items, kind=Kind.CHOICE)
technique = partial(items, kind=Kind.TECHNIQUE)
weaknesses = partial(items, kind=Kind.WEAKNESS)
mitigations = partial(items, kind=Kind.MITIGATIONS)
vectors = partial(items, kind=Kind.VECTOR)
actors = partial(items, kind=Kind.ACTOR)
