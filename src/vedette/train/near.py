"""Pairwise near duplicates: a text that holds at least half of an item's 13-grams of words touches that item."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from vedette.train.decontaminate import GRAM, SHARE, benchmark_items, cve_ids, words


def grams(tokens: Sequence[str]) -> set[int]:
    return {hash(tuple(tokens[i : i + GRAM])) for i in range(len(tokens) - GRAM + 1)}


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
