"""How many dev rows ask for an answer that some train row of the same task has, too.

Objects of a split never stand on both sides: where an answer is itself an object of the dev side, no row to train on
has it. That is the rule; the card says how far it goes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from vedette.forge.example import EXACT, Kind

ASKED = EXACT - {Kind.CHOICE}  # an option's letter is no answer that could be known


@dataclass(frozen=True, slots=True)
class Known:
    """By task, of dev rows with an exact answer: all of them, and those whose answer is on the train side."""

    asked: Mapping[str, int]
    known: Mapping[str, int]

    def of(self, task: str) -> str:
        return f"{self.known.get(task, 0):,} of {self.asked[task]:,}" if self.asked.get(task) else "–"

    def __str__(self) -> str:
        return f"{sum(self.known.values()):,} of {sum(self.asked.values()):,} dev rows with an exact answer"


class _Row(msgspec.Struct, frozen=True):
    task: str
    kind: str
    final: str


_row = msgspec.json.Decoder(_Row).decode


def answers(folder: Path) -> Known:
    """Of `mix.write`'s files, line by line; the dev side's answers alone are kept in memory."""
    wanted = Counter(_exact(folder / "dev.jsonl"))
    found = wanted.keys() & _exact(folder / "train.jsonl")
    asked: Counter[str] = Counter()
    known: Counter[str] = Counter()
    for (task, final), count in wanted.items():
        asked[task] += count
        known[task] += count * ((task, final) in found)
    return Known(asked, known)


def _exact(path: Path) -> Iterator[tuple[str, str]]:
    with path.open("rb") as file:
        for row in map(_row, file):
            if row.kind in ASKED:
                yield row.task, row.final
