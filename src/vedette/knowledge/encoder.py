"""Texts as vectors, for search by meaning. The usual encoder adds up one vector a word: no context, but very fast.

`words.txt` holds the known words, sorted; `vectors.npy` one int8 row for each of them and then one for each bucket of
n-grams; `scales.npy` what a row is multiplied by. A word's weight is folded into its row. Words that are not known
are the sum of their n-grams' rows; numbers that are not known say nothing. numpy loads with the first encoder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from zlib import crc32

from vedette import manifest
from vedette.errors import ArtefactError
from vedette.registry import Registry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

WEIGHTS = Path(__file__).parent / "weights"
WORDS, VECTORS, SCALES = "words.txt", "vectors.npy", "scales.npy"
GRAMS = (3, 4, 5)  # characters; `<` and `>` mark the ends of a word
LONGEST = 24  # characters of an unknown word that count
REMEMBERED = 100_000  # unknown words
SLICE = 32  # texts whose rows are added up at once, as one product of matrices

find_words = re.compile(r"[^\W_]+").findall  # in lower case


class Encoder(Protocol):
    """`sha256` names the weights: vectors of different weights must not be compared."""

    @property
    def name(self) -> str: ...
    @property
    def dims(self) -> int: ...
    @property
    def sha256(self) -> str: ...
    def encode(self, texts: Sequence[str]) -> Floats:
        """(texts, dims); rows have length 1, or are zero where a text has no words."""
        ...


class Expert(Encoder, Protocol):
    """An encoder that also knows what a text tells of."""

    def named(self, text: str) -> Sequence[Sequence[tuple[str, float]]]:
        """(id, probability), best first, a list for each kind of id; nothing where the text tells of nothing."""
        ...


class StaticEncoder:
    """`vectors` has a row for each of `words`, then the buckets; `scales` one number for each row."""

    name = "static"

    def __init__(self, words: Sequence[str], vectors: NDArray[np.int8], scales: Floats, sha256: str = "") -> None:
        self.words = words
        self.sha256 = sha256
        self.dims: int = vectors.shape[1]
        self.vectors, self.scales = vectors, scales
        self._buckets = len(vectors) - len(words)
        self._seen: dict[str, list[int]] = {}

    @cached_property
    def _rows(self) -> dict[str, int]:
        return dict(zip(self.words, range(len(self.words)), strict=True))

    def rows(self, text: str) -> list[int]:
        """The rows that a text is the sum of."""
        found = find_words(text.lower())
        get = self._rows.get
        rows = [row for word in found if (row := get(word)) is not None]
        if len(rows) < len(found):
            known = self._rows
            for word in found:
                if word not in known:
                    rows += self._unknown(word)
        return rows

    def _unknown(self, word: str) -> list[int]:
        rows = self._seen.get(word)
        if rows is None:
            if len(self._seen) >= REMEMBERED:
                self._seen.clear()
            rows = self._seen[word] = [len(self.words) + bucket for bucket in buckets(word, self._buckets)]
        return rows

    def encode(self, texts: Sequence[str]) -> Floats:
        import numpy as np

        out = np.zeros((len(texts), self.dims), dtype=np.float32)
        for start in range(0, len(texts), SLICE):
            lists = [self.rows(text) for text in texts[start : start + SLICE]]
            filled = np.flatnonzero([len(rows) for rows in lists])
            if not len(filled):
                continue
            flat = np.fromiter(chain.from_iterable(lists), dtype=np.intp)
            values = self.vectors[flat].astype(np.float32)
            values *= self.scales[flat][:, None]
            ends = np.cumsum([len(lists[i]) for i in filled])
            # no matrix product: BLAS threads on a busy machine made it seventeen times slower
            out[start + filled] = np.add.reduceat(values, np.concatenate(([0], ends[:-1])), axis=0)
        lengths = np.sqrt(np.einsum("ij,ij->i", out, out))
        out /= np.where(lengths > 0, lengths, np.float32(1))[:, None]
        return out


def buckets(word: str, count: int) -> list[int]:
    """The buckets of an unknown word's n-grams, from 0 to `count`; none for numbers."""
    if not count or word.isdecimal():
        return []
    marked = f"<{word[:LONGEST]}>"
    grams = {marked[i : i + n] for n in GRAMS for i in range(len(marked) - n + 1)}
    return [crc32(gram.encode("utf-8", "surrogatepass")) % count for gram in sorted(grams)]


def load(folder: Path | None = None) -> StaticEncoder:
    """The shipped encoder, or the one in `folder`; it is checked against its manifest. Raises ArtefactError."""
    import numpy as np

    folder = folder or WEIGHTS
    outputs = manifest.verify(folder).outputs
    if missing := {WORDS, VECTORS, SCALES} - outputs.keys():
        raise ArtefactError(f"the manifest has no '{min(missing)}'", where=str(folder), remedy="train it again")
    words = (folder / WORDS).read_text(encoding="utf-8").split("\n")[:-1]
    try:
        vectors = np.load(folder / VECTORS, mmap_mode="r", allow_pickle=False)
        scales = np.load(folder / SCALES, allow_pickle=False)
    except ValueError as exc:
        raise ArtefactError(f"not an array: {exc}", where=str(folder), remedy="train it again") from exc
    if vectors.ndim != 2 or vectors.dtype != np.int8 or scales.shape != vectors.shape[:1] or len(words) > len(vectors):
        raise ArtefactError("words, vectors and scales do not fit together", where=str(folder), remedy="train it again")
    mark = sha256("\n".join(f"{name} {outputs[name]}" for name in (WORDS, VECTORS, SCALES)).encode()).hexdigest()
    return StaticEncoder(words, vectors, scales.astype(np.float32), mark)


ENCODERS: Registry[Callable[..., Encoder]] = Registry(
    "encoder", {"static": "vedette.knowledge.encoder:load", "experts": "vedette.experts.encoder:load"}
)
USUAL = "static"  # what a new store is made with
EXPERT = "experts"  # what answers as `Expert`
