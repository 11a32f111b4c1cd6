"""Whether two bodies of text share anything: by CVE id, by normalised text, by 13-grams of words, by near duplicates.

What must not be learned from (training) and what was (benchmarks) are told apart by the same rules.
"""

from __future__ import annotations

import csv
import io
import re
import sys
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import orjson

GRAM = 13
SHARE = 0.5
_WORD = re.compile(r"\w+")
_CVE = re.compile(r"CVE-\d{4}-\d{4,}", re.IGNORECASE)


def words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def cve_ids(text: str) -> set[str]:
    return {found.upper() for found in _CVE.findall(text)}


def grams(tokens: Sequence[str], size: int = GRAM) -> set[int]:
    return {hash(tuple(tokens[i : i + size])) for i in range(len(tokens) - size + 1)}


class Index:
    """What a training set holds, ready to be compared with benchmark items."""

    def __init__(self, texts: Iterable[str], ids: Iterable[str] = ()) -> None:
        self.ids = {i.upper() for i in ids}
        self.texts: set[str] = set()
        self.grams: set[int] = set()
        for text in texts:
            tokens = words(text)
            self.texts.add(" ".join(tokens))
            self.grams |= grams(tokens)

    def touches(self, text: str) -> str:
        """ "id", "text", "gram", or "" where the item is clean."""
        if self.ids & cve_ids(text):
            return "id"
        tokens = words(text)
        if tokens and " ".join(tokens) in self.texts:
            return "text"
        found = grams(tokens)
        if found and len(found & self.grams) >= SHARE * len(found):
            return "gram"
        return ""


class Items:
    """Texts that must not be learned from, field by field."""

    def __init__(self, items: Iterable[tuple[str, Iterable[str]]]) -> None:
        """(name, texts) of each item."""
        self.ids: set[str] = set()
        self._texts: dict[str, str] = {}
        self._sizes: list[int] = []
        self._names: list[str] = []
        self._holders: dict[int, list[int]] = {}
        self.count = 0
        for name, texts in items:
            self.count += 1
            for text in texts:
                self._add(name, text)

    @classmethod
    def of(cls, benchmarks: Path) -> Items:
        return cls(benchmark_items(benchmarks))

    def _add(self, name: str, text: str) -> None:
        self.ids |= cve_ids(text)
        tokens = words(text)
        if tokens:
            self._texts.setdefault(" ".join(tokens), name)
        found = grams(tokens)
        if found:
            for gram in found:
                self._holders.setdefault(gram, []).append(len(self._sizes))
            self._sizes.append(len(found))
            self._names.append(name)

    def touched(self, text: str, cve: str = "") -> tuple[str, str]:
        """("id" | "text" | "gram", the item's name), or ("", "") where the text is clean."""
        if cve in self.ids or not self.ids.isdisjoint(cve_ids(text)):
            return "id", cve
        tokens = words(text)
        if name := self._texts.get(" ".join(tokens)):
            return "text", name
        counts: Counter[int] = Counter()
        for gram in grams(tokens):
            counts.update(self._holders.get(gram, ()))
        for place, count in counts.items():
            if count >= SHARE * self._sizes[place]:
                return "gram", self._names[place]
        return "", ""


def benchmark_items(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """("file#row", its fields and all of them together) of every TSV, CSV, JSON and JSONL, in archives too."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if path.name.endswith((".tar.gz", ".tgz")):
            with tarfile.open(path) as archive:
                for member in archive:
                    data = archive.extractfile(member)
                    if data is not None:
                        yield from fields_of(member.name, data.read())
        else:
            yield from fields_of(str(path.relative_to(folder)), path.read_bytes())


def fields_of(name: str, data: bytes) -> Iterator[tuple[str, list[str]]]:
    """The same of one file, by the end of its name; nothing for other kinds of files."""
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
