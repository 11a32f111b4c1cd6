"""SECURE (Bhusal et al., 2024): six tasks on industrial control systems, in one archive."""

from __future__ import annotations

from collections.abc import Iterator

from vedette.bench.items import Item, Kind
from vedette.bench.suites.tables import AS_PUBLISHED, tsv
from vedette.errors import InputError

UNKNOWN = "X"  # "if you do not know the answer, return X"
RIGHT = "Correct Answer"


def choices(content: bytes, where: str) -> Iterator[Item]:
    """MAET and CWET. The one published question without an answer is left out."""
    names = [f"Option {letter}" for letter in "ABCD"]
    for number, (_, row) in enumerate(tsv(content, where, ("Prompt", "Question", RIGHT, *names)), 1):
        if right := row[RIGHT].strip().upper():
            yield Item(
                id=str(number), kind=Kind.CHOICE, prompt=row["Prompt"], right=(right,), text=row["Question"],
                choices=tuple(row[name] for name in names), letters="ABCD" + UNKNOWN,
            )  # fmt: skip


def statements(content: bytes, where: str) -> Iterator[Item]:
    """KCV: true or false, by a record that the prompt holds. VOOD: the same without the record, X is right."""
    for number, (line, row) in enumerate(tsv(content, where, ("Prompt", "Question", RIGHT)), 1):
        right = row[RIGHT].strip().upper()
        if right not in ("T", "F", UNKNOWN):
            raise InputError(f"the answer is '{right}'", where=f"{where}:{line}", remedy=AS_PUBLISHED)
        yield Item(
            id=str(number), kind=Kind.CHOICE, prompt=row["Prompt"], right=(right,), text=row["Question"],
            choices=("True", "False"), letters="TF" + UNKNOWN,
        )  # fmt: skip


def risks(content: bytes, where: str) -> Iterator[Item]:
    """RERT: one sentence on what exploitation leads to."""
    for number, (_, row) in enumerate(tsv(content, where, ("Prompt", RIGHT, "vulnerability-overview")), 1):
        yield Item(
            id=str(number), kind=Kind.PROSE, prompt=row["Prompt"], right=(row[RIGHT].strip(),),
            text=row["vulnerability-overview"],
        )  # fmt: skip


def scores(content: bytes, where: str) -> Iterator[Item]:
    """CPST: the base score of a vector."""
    for number, (_, row) in enumerate(tsv(content, where, ("Prompt", "CVSS v3 Vector String", RIGHT)), 1):
        yield Item(
            id=str(number), kind=Kind.SCORE, prompt=row["Prompt"], right=(row[RIGHT].strip(),),
            text=row["CVSS v3 Vector String"].strip(),
        )  # fmt: skip
