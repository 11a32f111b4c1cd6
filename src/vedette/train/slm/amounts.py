"""How much there is to learn from: rows and characters of the forge's folders, or of what it makes by default."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path

import msgspec

from vedette.errors import InputError
from vedette.train.slm.recipe import Data

MARKS = 5  # tokens that the chat template adds to each message
MOST = 0.75  # share of answers in the row of `micro` tokens that has most: of any 4,096 of the forge's structure data
TRAIN = "train.jsonl"

# What other stages learn from where nothing is given.
KNOWLEDGE = 117_200_000  # characters of all passages of a store with every source of sources.toml but OSV and EPSS
PAIRS = 69_200  # at most so many does `recipes/forge-full.toml` have rewritten and judged: 200 of each of 346 tasks


@dataclass(frozen=True, slots=True)
class Amount:
    """`answers`, `prompts`: characters that the model says, and that it reads. `exact`: rows with an exact result."""

    rows: int
    prompts: int
    answers: int
    exact: int = 0
    messages: int = 0
    left_out: int = 0  # longer than the recipe takes
    licences: Mapping[str, int] = field(default_factory=dict)  # as the rows say it → rows; {}: not looked at
    measured: bool = False  # of folders that were given

    def tokens(self, characters: float) -> int:
        """With the marks of the chat template."""
        return round((self.prompts + self.answers) / characters) + MARKS * self.messages

    def share(self, characters: float) -> float:
        """Of tokens that are answers; an answer's last mark is learned, too."""
        tokens = self.tokens(characters)
        return min(1.0, (self.answers / characters + self.messages / 2) / tokens) if tokens else 1.0

    def length(self, characters: float) -> float:
        """Tokens of a row on average."""
        return self.tokens(characters) / max(1, self.rows)


class _Row(msgspec.Struct, frozen=True):
    messages: tuple[Mapping[str, str], ...]
    task: str = ""
    final: str = ""
    licence: str = ""


def of_folders(folders: Sequence[Path], data: Data, characters: float) -> Amount:
    """All rows to train on, read once. Rows that are no rows are the trainer's to tell. Raises InputError."""
    total: Counter[str] = Counter()
    licences: Counter[str] = Counter()
    for row in _wanted(_rows(folders), data):
        sizes = [(one.get("role"), len(one.get("content") or "")) for one in row.messages]
        answers = sum(size for role, size in sizes if role == "assistant")
        whole = sum(size for _, size in sizes)
        licences[row.licence] += 1
        if whole / characters + MARKS * len(sizes) > data.longest:
            total["left"] += 1
            continue
        total.update(rows=1, prompts=whole - answers, answers=answers, exact=bool(row.final), messages=len(sizes))
    if not total["rows"]:
        names = ", ".join(map(str, folders))
        raise InputError("no row to train on", where=names, remedy="check --data, and [data] in the recipe")
    return Amount(
        total["rows"], total["prompts"], total["answers"], total["exact"], total["messages"], total["left"],
        licences=licences, measured=True,
    )  # fmt: skip


def by_default(data: Data) -> Amount:
    """What `recipes/forge-structure.toml` made of all sources (`structure.tsv`), as far as the recipe wants it."""
    total: Counter[str] = Counter()
    for task, (rows, whole, answers, exact) in structure().items():
        if data.tasks and not task.startswith(data.tasks):
            continue
        share = min(1.0, data.each / rows) if data.each else 1.0
        parts = {"rows": rows, "prompts": whole - answers, "answers": answers, "exact": exact}
        total.update({name: round(share * count) for name, count in parts.items()})
    return Amount(
        total["rows"], total["prompts"], total["answers"], total["exact"], messages=2 * total["rows"]
    )  # fmt: skip


def scaled(amount: Amount, rows: int) -> Amount:
    """So many rows of the same kind."""
    share = rows / max(1, amount.rows)
    return Amount(
        rows,
        round(share * amount.prompts),
        round(share * amount.answers),
        round(share * amount.exact),
        round(share * amount.messages),
    )


@cache
def structure() -> dict[str, tuple[int, int, int, int]]:
    """Task → rows, characters, characters of the answers, rows with an exact result."""
    lines = (files("vedette.train.slm") / "structure.tsv").read_text("utf-8").splitlines()[1:]
    split = (line.split("\t") for line in lines)
    return {task: (int(a), int(b), int(c), int(d)) for task, a, b, c, d in split}


def _rows(folders: Iterable[Path]) -> Iterator[_Row]:
    for folder in folders:
        path = folder / TRAIN
        try:
            with path.open("rb") as file:
                for raw in file:
                    try:
                        yield msgspec.json.decode(raw, type=_Row)
                    except (msgspec.DecodeError, UnicodeDecodeError):
                        continue
        except OSError as exc:
            remedy = "give the folder that `vedette forge build` or `run` wrote"
            raise InputError(f"cannot be read: {exc.strerror}", where=str(path), remedy=remedy) from exc


def _wanted(rows: Iterable[_Row], data: Data) -> Iterator[_Row]:
    seen: Counter[str] = Counter()
    for row in rows:
        if data.tasks and not row.task.startswith(data.tasks):
            continue
        seen[row.task] += 1
        if not data.each or seen[row.task] <= data.each:
            yield row
