"""Test sets never train: which benchmark items a training text touches.

An item is touched when one of its CVE ids is trained on, when its normalised text (lower case, word characters only)
is equal to a training text, or when at least half of its 13-grams of words occur in training texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vedette.errors import InputError
from vedette.overlap import Index, benchmark_items


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
