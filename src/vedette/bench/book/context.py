"""Passages as the experts' encoder reads them, which takes milliseconds each; what was read is remembered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vedette.bench.book.passages import Floats, Passages, Places
from vedette.knowledge.encoder import Expert

LONGEST = 600  # characters of a passage that are read


class Context:
    """Threads may share it: two of them may read the same passage, and get the same."""

    def __init__(self, encoder: Expert) -> None:
        self._encoder = encoder
        self._read: dict[int, Floats] = {}  # by the passage's number

    def encode(self, texts: Sequence[str]) -> Floats:
        return self._encoder.encode(texts)

    def passages(self, passages: Passages, places: Places) -> Floats:
        """(places, dims)"""
        return np.stack([self._one(passages, place) for place in places.tolist()])

    def _one(self, passages: Passages, place: int) -> Floats:
        number = int(passages.numbers[place])
        if number not in self._read:
            self._read[number] = self._encoder.encode([passages.text(place)[:LONGEST]])[0]
        return self._read[number]
