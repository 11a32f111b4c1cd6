"""Test sets never train: which benchmark items a training text touches.

An item is touched when one of its CVE ids is trained on, when its normalised text (lower case, word characters only)
is equal to a training text, or when at least half of its 13-grams of words occur in training texts.
"""

from __future__ import annotations

import csv
import io
import re
import sys
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from vedette.errors import InputError

GRAM = 13
SHARE = 0.5
_WORD = re.compile(r"\w+")
_CVE = re.compile(r"CVE-\d{4}-\d{4,}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Report:
    """How many benchmark items were compared, and how many the training data touches in each way."""

    items: int
    by_id: int
    by_text: int
    by_gram: int
    touched: tuple[str, ...]  # "file#row" of every touched item

    def counts(self) -> dict[str, int]:
        """For a manifest."""
        return {
            "benchmark_items": self.items,
            "benchmark_items_by_id": self.by_id,
            "benchmark_items_by_text": self.by_text,
            "benchmark_items_by_13_gram": self.by_gram,
        }


def words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def cve_ids(text: str) -> set[str]:
    return {found.upper() for found in _CVE.findall(text)}


def _grams(tokens: list[str]) -> set[tuple[str, ...]]:
    return {tuple(tokens[i : i + GRAM]) for i in range(len(tokens) - GRAM + 1)}


class Index:
    """What a training set holds, ready to be compared with benchmark items."""

    def __init__(self, texts: Iterable[str], ids: Iterable[str] = ()) -> None:
        self.ids = {i.upper() for i in ids}
        self.texts: set[str] = set()
        self.grams: set[int] = set()
        for text in texts:
            tokens = words(text)
            self.texts.add(" ".join(tokens))
            self.grams.update(hash(gram) for gram in _grams(tokens))

    def touches(self, text: str) -> str:
        """ "id", "text", "gram", or "" where the item is clean."""
        if self.ids & cve_ids(text):
            return "id"
        tokens = words(text)
        if tokens and " ".join(tokens) in self.texts:
            return "text"
        grams = _grams(tokens)
        if grams and sum(hash(gram) in self.grams for gram in grams) >= SHARE * len(grams):
            return "gram"
        return ""


def check(index: Index, folder: Path) -> Report:
    """Compare with every item of the benchmarks in a folder. Raises InputError where there is none."""
    found: dict[str, list[str]] = {"id": [], "text": [], "gram": []}
    items = 0
    for name, texts in benchmark_items(folder):
        items += 1
        hit = max((index.touches(text) for text in texts), key=len)
        if hit:
            found[hit].append(name)
    if not items:
        raise InputError(
            "no benchmark item found", where=str(folder), remedy="give the folder that holds the benchmarks"
        )
    touched = tuple(sorted(name for names in found.values() for name in names))
    return Report(items, len(found["id"]), len(found["text"]), len(found["gram"]), touched)


def benchmark_items(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """("file#row", its fields and all of them together) of every TSV, CSV, JSON and JSONL, in archives too."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if path.name.endswith((".tar.gz", ".tgz")):
            with tarfile.open(path) as archive:
                for member in archive:
                    data = archive.extractfile(member)
                    if data is not None:
                        yield from _items(member.name, data.read())
        else:
            yield from _items(str(path.relative_to(folder)), path.read_bytes())


def _items(name: str, data: bytes) -> Iterator[tuple[str, list[str]]]:
    suffix = Path(name).suffix.lower()
    if suffix in (".tsv", ".csv"):
        csv.field_size_limit(sys.maxsize)
        text = io.StringIO(data.decode("utf-8", "replace"), newline="")
        rows: Iterable[object] = csv.reader(text, delimiter="\t" if suffix == ".tsv" else ",")
    elif suffix == ".jsonl":
        rows = (orjson.loads(line) for line in data.splitlines() if line.strip())
    elif suffix == ".json":
        parsed = orjson.loads(data)
        rows = (
            next((v for v in parsed.values() if isinstance(v, list)), [parsed]) if isinstance(parsed, dict) else parsed
        )
    else:
        return
    for number, row in enumerate(rows):
        fields = list(_strings(row))
        if fields:
            yield f"{name}#{number}", [*fields, " ".join(fields)]


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
