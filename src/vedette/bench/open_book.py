"""Multiple choice without a language model, by the passages of the knowledge store.

Open-book: the reference works are at hand, and a table says so. A passage speaks for an option as far as it is about
the question and about the option; the option with the passage that speaks loudest is the answer. Where no passage does,
there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vedette.bench.items import Item, Kind
from vedette.knowledge import index
from vedette.knowledge.postings import find_words
from vedette.knowledge.record import Kind as Entry
from vedette.knowledge.search import STOP
from vedette.knowledge.store import Knowledge

Floats = NDArray[np.float32]
NEAR = 400  # passages about the question that options are looked for in
LEAST = 0.02  # loudness that counts as evidence
READ = 400  # distinct words of a report
_ASIDE = """
which what following best most primary common describes described example attack attacker adversary used using mitre
technique sub cwe capec true false all none above
"""  # of questions
ASIDE = frozenset(_ASIDE.split())


class OpenBook:
    """The store at `store`, else the default one. Its publishers' texts have to be in it."""

    def __init__(self, store: str | Path | None = None) -> None:
        self._store = Knowledge.open(Path(store) if store else None)
        self._ranker = self._store.searcher.ranker
        units = " ".join(sorted(f"{unit.name}@{unit.release or unit.on}" for unit in self._store.units))
        self.name = f"open book ({len(self._concepts):,} passages of {len(units.split()):,} sources)"

    @cached_property
    def _concepts(self) -> NDArray[np.intp]:
        """Places of passages that describe no single vulnerability."""
        kinds = self._store.searcher.matrix.kinds
        return np.flatnonzero(kinds != index.KINDS.index(Entry.VULNERABILITY))

    def answer(self, item: Item) -> str:
        return self._choice(item) if item.kind is Kind.CHOICE and item.choices else ""

    def _scores(self, words: Sequence[str]) -> Floats:
        """Of the concepts' passages, 1 for the best."""
        if not words:
            return np.zeros(len(self._concepts), dtype=np.float32)
        scores = self._ranker.scores(words)[self._concepts]
        best = float(scores.max(initial=0))
        return np.asarray(scores / best if best else scores, dtype=np.float32)

    def _choice(self, item: Item) -> str:
        asked = _telling(item.text)
        about = self._scores(asked)
        near = np.argpartition(-about, min(NEAR, len(about) - 1))[:NEAR]
        loud = [float((about[near] * self._scores(_telling(choice, asked))[near]).max()) for choice in item.choices]
        best = int(np.argmax(loud))
        return item.letters[best] if loud[best] >= LEAST else ""


def _telling(text: str, besides: Sequence[str] = ()) -> list[str]:
    """Distinct words that say something; of an option, those of the question too only where it has no others."""
    words = [word for word in dict.fromkeys(find_words(text)) if word not in STOP and word not in ASIDE]
    return [word for word in words if word not in set(besides)] or words or find_words(text)
