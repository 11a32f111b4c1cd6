"""Which items of a benchmark a training file holds, and what a model scores with and without those.

By CVE id, by normalised text, by half of an item's 13-grams of words (`overlap`), and by likeness: at least half of all
5-grams of a training text and an item are common to both. The last is counted, not estimated from hashes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from vedette.bench.items import Item
from vedette.bench.measured import Measured, values
from vedette.bench.rows import Row, row
from vedette.errors import InputError
from vedette.knowledge.parquet import batches
from vedette.overlap import Index, cve_ids, fields_of, grams, words

SMALL = 5  # words of the grams that likeness is counted by
ALIKE = 0.5  # share of common grams among all of both
WAYS = ("id", "text", "gram", "alike")


class Touch(msgspec.Struct, frozen=True):
    item: str
    how: str  # the first of WAYS
    share: float = 0.0  # of common grams with the training text most like it


def training_texts(paths: Sequence[Path]) -> Iterator[str]:
    """Every text in JSON, JSON lines, CSV, TSV and Parquet files. Raises InputError where one holds none."""
    for path in paths:
        count = 0
        for text in _parquet(path) if path.suffix == ".parquet" else _rows(path):
            count += 1
            yield text
        if not count:
            raise InputError("no text in it", where=str(path), remedy="give JSON, JSONL, CSV, TSV or Parquet")


def _parquet(path: Path) -> Iterator[str]:
    for batch in batches(path):
        for name in batch.schema.names:
            yield from (value for value in batch[name].to_pylist() if value and isinstance(value, str))


def _rows(path: Path) -> Iterator[str]:
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise InputError(f"cannot be read: {exc.strerror}", where=str(path), remedy="check the path") from exc
    try:
        for _, texts in fields_of(path.name, content):
            yield from texts
    except ValueError as exc:
        raise InputError(f"cannot be read: {exc}", where=str(path), remedy="give JSON, JSONL, CSV or TSV") from exc


def touched(items: Sequence[Item], texts: Iterable[str]) -> dict[str, Touch]:
    """Item → how the training texts touch it; clean ones are left out."""
    asked = {item.id: item.text or item.prompt for item in items}
    holders: dict[int, list[str]] = {}
    sizes: dict[str, int] = {}
    for name, text in asked.items():
        found = grams(words(text), SMALL)
        sizes[name] = len(found)
        for gram in found:
            holders.setdefault(gram, []).append(name)
    seen = _Seen(holders, sizes)
    index = Index(seen.passed(texts))
    result = {}
    for item in items:
        known = bool(seen.ids & cve_ids(f"{item.id} {asked[item.id]}"))
        share = seen.alike.get(item.id, 0.0)
        how = "id" if known else index.touches(asked[item.id]) or ("alike" if share >= ALIKE else "")
        if how:
            result[item.id] = Touch(item.id, how, round(share, 3))
    return result


class _Seen:
    """What is noted of texts while they go by: their CVE ids, and how like each item the most alike of them is."""

    def __init__(self, holders: Mapping[int, list[str]], sizes: Mapping[str, int]) -> None:
        self.ids: set[str] = set()
        self.alike: dict[str, float] = {}
        self._holders, self._sizes = holders, sizes

    def passed(self, texts: Iterable[str]) -> Iterator[str]:
        for text in texts:
            self.ids |= cve_ids(text)
            found = grams(words(text), SMALL)
            common: Counter[str] = Counter()
            for gram in found & self._holders.keys():
                common.update(self._holders[gram])
            for name, count in common.items():
                share = count / (len(found) + self._sizes[name] - count)
                self.alike[name] = max(self.alike.get(name, 0.0), share)
            yield text


def apart(run: Measured, place: Path, touches: Mapping[str, Touch]) -> list[Row]:
    """The run's mean over all items, the clean ones and the touched ones."""
    means = values(place, run.kind)
    parts = {
        "all": list(means.values()),
        "clean": [value for item, value in means.items() if item not in touches],
        "touched": [value for item, value in means.items() if item in touches],
    }
    return [row(name, part) for name, part in parts.items() if part]
