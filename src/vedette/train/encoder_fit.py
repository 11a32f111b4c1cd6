"""The numbers of the static encoder: word vectors from a teacher, fitted to its text vectors, tuned on pairs.

torch and transformers load here only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from vedette.knowledge.encoder import StaticEncoder, buckets

Floats = NDArray[np.float32]
Rows = NDArray[np.int32]

COMMON = 1e-3  # of the weight a / (a + share of all words) that a word starts with
TEACHER_WORDS = 64  # word pieces of a text that the teacher reads
TEMPERATURE = 0.05


@dataclass(frozen=True, slots=True)
class Bags:
    """The rows of many texts, one after the other."""

    flat: Rows
    starts: NDArray[np.int64]  # one more than there are texts

    @classmethod
    def of(cls, lists: Sequence[Sequence[int] | Rows]) -> Bags:
        sizes = np.fromiter((len(rows) for rows in lists), dtype=np.int64, count=len(lists))
        flat = np.concatenate([np.asarray(rows, dtype=np.int32) for rows in lists])
        return cls(flat, np.concatenate(([0], np.cumsum(sizes))))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, i: int) -> Rows:
        return self.flat[self.starts[i] : self.starts[i + 1]]


def teach(model_folder: Path, texts: Sequence[str], batch: int = 32) -> Floats:
    """The teacher's vectors: mean over word pieces, length 1. Texts of like length are read together."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(model_folder))
    model = AutoModel.from_pretrained(str(model_folder)).eval().to(torch.bfloat16)
    order = sorted(range(len(texts)), key=lambda i: (len(texts[i]), i))
    out = np.zeros((len(texts), model.config.hidden_size), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            pieces = tokenizer([texts[i] for i in chosen], return_tensors="pt", padding=True, truncation=True,
                               max_length=TEACHER_WORDS)  # fmt: skip
            hidden = model(**pieces).last_hidden_state.float()
            mask = pieces["attention_mask"].unsqueeze(-1).float()
            mean = (hidden * mask).sum(1) / mask.sum(1)
            out[chosen] = torch.nn.functional.normalize(mean, dim=1).numpy()
    return out


def project(vectors: Floats, dims: int) -> Floats:
    """(teacher's dims, dims): onto the directions in which the vectors differ most, so that cosines stay."""
    _, _, directions = np.linalg.svd(vectors.astype(np.float64).T @ vectors.astype(np.float64))
    return np.ascontiguousarray(directions[:dims].T.astype(np.float32))


class _Sum(torch.autograd.Function):  # type: ignore[misc]
    """Sums of the table's rows, one a text. torch's own gradient of this takes three times as long."""

    @staticmethod
    def forward(ctx: Any, table: torch.Tensor, flat: Rows, starts: NDArray[np.int64]) -> torch.Tensor:
        ones = np.ones(len(flat), dtype=np.float32)
        ctx.counts = csr_array((ones, flat, starts), shape=(len(starts) - 1, len(table)))
        return torch.nn.functional.embedding_bag(
            torch.from_numpy(flat), table, torch.from_numpy(starts[:-1].astype(np.int32)), mode="sum"
        )

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return torch.from_numpy(ctx.counts.T @ np.ascontiguousarray(gradient.numpy())), None, None


class Student:
    """A table of vectors under training; rows of words first, then of buckets."""

    def __init__(self, words: Sequence[str], counts: Sequence[int], vectors: Floats, buckets: int, seed: int) -> None:
        torch.manual_seed(seed)
        self.words = list(words)
        share = np.asarray(counts, dtype=np.float64) / max(1, sum(counts))
        start = vectors * (COMMON / (COMMON + share)).astype(np.float32)[:, None]
        grams = np.zeros((buckets, vectors.shape[1]), dtype=np.float32)
        self.table = torch.nn.Parameter(torch.from_numpy(np.concatenate((start, grams))))
        self.rng = np.random.default_rng(seed)
        rows = len(self.table)
        self.reader = StaticEncoder(self.words, np.zeros((rows, 1), np.int8), np.ones(rows, np.float32))

    def bags(self, texts: Sequence[str], unknown: float = 0.0) -> Bags:
        """With a share of the words read as if they were not known, so that the buckets learn, too."""
        lists = [self.reader.rows(text) for text in texts]
        if unknown:
            lists = [self._forget(rows, unknown) for rows in lists]
        return Bags.of(lists)

    def _forget(self, rows: list[int], share: float) -> list[int]:
        lost = self.rng.random(len(rows)) < share
        count, known = len(self.table) - len(self.words), len(self.words)
        out: list[int] = []
        for row, lose in zip(rows, lost, strict=True):
            if lose and row < known:
                out += [known + bucket for bucket in buckets(self.words[row], count)]
            else:
                out.append(row)
        return out

    def vectors(self, lists: Sequence[Rows]) -> torch.Tensor:
        """(texts, dims), length 1."""
        bags = Bags.of(lists)
        sums = _Sum.apply(self.table, bags.flat, bags.starts)
        return torch.nn.functional.normalize(sums, dim=1)

    def drop(self, rows: Rows, most: float) -> Rows:
        """Without some of its words, at most the given share."""
        if len(rows) < 4:
            return rows
        kept = rows[self.rng.random(len(rows)) >= self.rng.random() * most]
        return kept if len(kept) else rows

    def window(self, rows: Rows, most: int) -> Rows:
        """A stretch of a long text, half of the time."""
        if len(rows) <= most or self.rng.random() < 0.5:
            return rows
        start = 0 if self.rng.random() < 0.5 else int(self.rng.integers(len(rows) - most))
        return rows[start : start + most]

    def encoder(self) -> StaticEncoder:
        """As it will be shipped: int8, one scale a row."""
        table = self.table.detach().numpy()
        largest = np.maximum(np.abs(table).max(axis=1), 1e-8)
        scales = (largest / 127).astype(np.float32)
        return StaticEncoder(self.words, np.rint(table / scales[:, None]).astype(np.int8), scales)


def distil(student: Student, bags: Bags, target: Floats, epochs: int, rate: float, batch: int = 512) -> float:
    """Fit the student's text vectors to the teacher's; returns the mean cosine of the last epoch."""
    wanted = torch.from_numpy(target)
    optimiser = torch.optim.Adam([student.table], lr=rate, fused=True)
    steps = epochs * (len(bags) // batch)
    cosine = 0.0
    for step, chosen in enumerate(_batches(student.rng, len(bags), batch, epochs)):
        _rate(optimiser, rate, step, steps)
        loss = 1 - (student.vectors([bags[i] for i in chosen]) * wanted[chosen]).sum(1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        cosine += 0.0 if step < steps - len(bags) // batch else 1 - float(loss.detach())
    return cosine / max(1, len(bags) // batch)


@dataclass(frozen=True, slots=True)
class Lesson:
    """Pairs as rows of queries and documents; `near`: documents that are much alike, to tell apart."""

    queries: Bags
    documents: NDArray[np.int64]  # of each query: its document
    kinds: NDArray[np.int64]  # of each query
    variants: list[list[Rows]]  # of each document
    near: NDArray[np.int64]  # (documents, n)


@dataclass(frozen=True, slots=True)
class Anchors:
    """Texts with the teacher's vectors, so that tuning does not forget the rest of the language."""

    bags: Bags
    target: Floats
    weight: float


def tune(student: Student, lesson: Lesson, anchors: Anchors, steps: int, rate: float, batch: int = 512) -> float:
    """Contrastive: each query shall be nearest to its document. Returns the mean loss of the last tenth."""
    optimiser = torch.optim.Adam([student.table], lr=rate, fused=True)
    pools = [np.flatnonzero(lesson.kinds == kind) for kind in range(int(lesson.kinds.max()) + 1)]
    weights = np.sqrt([len(pool) for pool in pools])
    weights /= weights.sum()
    last: list[float] = []
    for step in range(steps):
        _rate(optimiser, rate, step, steps)
        kinds = student.rng.choice(len(pools), size=batch, p=weights)
        chosen = np.array([pools[kind][student.rng.integers(len(pools[kind]))] for kind in kinds])
        loss = _loss(student, lesson, chosen, anchors)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step >= 0.9 * steps:
            last.append(float(loss.detach()))
    return sum(last) / max(1, len(last))


def _loss(student: Student, lesson: Lesson, chosen: NDArray[np.int64], anchors: Anchors) -> Any:
    """Of the chosen pairs, each with one near document as a wrong answer, and of half as many anchors."""
    right = lesson.documents[chosen]
    hard = lesson.near[right, student.rng.integers(lesson.near.shape[1], size=len(right))]
    documents = np.concatenate((right, hard))
    some = student.rng.integers(len(anchors.bags), size=len(chosen) // 2)
    lists = [student.drop(lesson.queries[int(i)], 0.5) for i in chosen]
    lists += [_variant(student, lesson.variants[int(i)]) for i in documents]
    lists += [anchors.bags[int(i)] for i in some]
    queries, found, anchored = student.vectors(lists).split([len(chosen), len(documents), len(some)])
    same = torch.from_numpy(right[:, None] == documents[None, :])
    same.fill_diagonal_(False)
    scores = (queries @ found.T / TEMPERATURE).masked_fill(same, -1e4)
    answers = torch.arange(len(chosen))
    cross = torch.nn.functional.cross_entropy
    loss = cross(scores, answers) + 0.5 * cross(scores[:, : len(chosen)].T, answers)
    return loss + anchors.weight * (1 - (anchored * torch.from_numpy(anchors.target[some])).sum(1).mean())


def _variant(student: Student, variants: list[Rows]) -> Rows:
    chosen = variants[0] if student.rng.random() < 0.5 else variants[int(student.rng.integers(len(variants)))]
    return student.drop(student.window(chosen, 96), 0.3)


def _batches(rng: np.random.Generator, count: int, batch: int, epochs: int) -> Iterator[NDArray[np.int64]]:
    for _ in range(epochs):
        order = rng.permutation(count)
        for start in range(0, count - batch + 1, batch):
            yield order[start : start + batch]


def _rate(optimiser: Any, rate: float, step: int, steps: int) -> None:
    """Warm up over 5 % of the steps, then down to zero in a line."""
    warm = max(1, steps // 20)
    now = rate * min((step + 1) / warm, (steps - step) / max(1, steps - warm))
    for group in optimiser.param_groups:
        group["lr"] = now
