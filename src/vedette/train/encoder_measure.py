"""How well held-out queries find their documents among all techniques and weaknesses, beside bm25 and the teacher."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from vedette.knowledge.encoder import find_words
from vedette.knowledge.record import Kind
from vedette.train.encoder_texts import Corpus

Scores = NDArray[np.float32]
Encode = Callable[[Sequence[str]], Scores]

QUERIES = 500  # of each set, at most
SETS = {
    "procedure sentence": ("software uses", "group uses", "campaign uses"),
    "sentence of a report": ("report",),
    "description of a CVE": ("cve weakness",),
    "name": ("technique name", "weakness name"),
}


@dataclass(frozen=True, slots=True)
class Found:
    """Shares of queries whose right document is among the first 1, 5, 10; mean reciprocal rank."""

    queries: int
    documents: int
    recall_1: float
    recall_5: float
    recall_10: float
    mrr: float

    def __str__(self) -> str:
        shares = f"recall@1 {self.recall_1:.3f}, @5 {self.recall_5:.3f}, @10 {self.recall_10:.3f}, MRR {self.mrr:.3f}"
        return f"{self.queries} queries, {self.documents} documents: {shares}"

    @classmethod
    def of(cls, scores: Scores, right: Sequence[set[int]]) -> Found:
        """(queries, documents) scores; equal scores count against the right one, half of them."""
        ranks = np.empty(len(right))
        for i, (row, answers) in enumerate(zip(scores, right, strict=True)):
            best = row[list(answers)].max()
            ranks[i] = 1 + (row > best).sum() + ((row == best).sum() - 1) // 2
        first, five, ten = (round(float((ranks <= k).mean()), 3) for k in (1, 5, 10))
        return cls(len(right), scores.shape[1], first, five, ten, round(float((1 / ranks).mean()), 3))


def measure(corpus: Corpus, encoders: dict[str, Encode], seed: int) -> dict[str, dict[str, Found]]:
    """Set → way of finding → what it found."""
    ids = [name for name in sorted(corpus.documents) if corpus.kinds[name] in (Kind.TECHNIQUE, Kind.WEAKNESS)]
    place = {name: i for i, name in enumerate(ids)}
    whole, nameless = ([corpus.documents[name][part] for name in ids] for part in (0, 1))
    result: dict[str, dict[str, Found]] = {}
    for name, kinds in SETS.items():
        documents = nameless if name == "name" else whole
        right: dict[str, set[int]] = {}
        for pair in corpus.held_out:
            if pair.kind in kinds and pair.document in place:
                right.setdefault(pair.query, set()).add(place[pair.document])
        queries = sorted(right)
        Random(seed).shuffle(queries)
        queries = queries[:QUERIES]
        answers = [right[query] for query in queries]
        scored = {"bm25": bm25(queries, documents)}
        scored |= {way: encode(queries) @ encode(documents).T for way, encode in encoders.items()}
        result[name] = {way: Found.of(scores, answers) for way, scores in scored.items()}
    return result


def bm25(queries: Sequence[str], documents: Sequence[str], k: float = 1.2, b: float = 0.75) -> Scores:
    """(queries, documents); Robertson and Zaragoza 2009, the idf of Lucene."""
    counts = [Counter(find_words(text.lower())) for text in documents]
    lengths = np.array([sum(count.values()) for count in counts], dtype=np.float32)
    held: dict[str, list[tuple[int, int]]] = {}
    for i, count in enumerate(counts):
        for word, times in count.items():
            held.setdefault(word, []).append((i, times))
    out = np.zeros((len(queries), len(documents)), dtype=np.float32)
    for row, query in zip(out, queries, strict=True):
        for word in set(find_words(query.lower())) & held.keys():
            places, times = np.array(held[word]).T
            idf = math.log(1 + (len(documents) - len(places) + 0.5) / (len(places) + 0.5))
            row[places] += idf * times * (k + 1) / (times + k * (1 - b + b * lengths[places] / lengths.mean()))
    return out
