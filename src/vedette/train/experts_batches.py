"""What the network is shown, in which order: texts as tokens, batches of like length, the same order each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Generic, TypeVar

import torch
from tokenizers import Tokenizer
from torch import Tensor

from vedette.experts.labels import CONVENTIONS, METRICS, SSVC, Domain
from vedette.train.experts_cves import Cve
from vedette.train.experts_model import Labels
from vedette.train.experts_sentences import Sentence

T = TypeVar("T")
CHUNK = 32  # batches that are made of like lengths together
STEP = 16  # tokens: lengths are padded to multiples of it, as each new shape costs the library time


@dataclass(slots=True)
class Tokens:
    """Texts as token numbers, cut to `longest`."""

    rows: list[list[int]]

    @classmethod
    def of(cls, tokenizer: Tokenizer, texts: Sequence[str], longest: int) -> Tokens:
        rows = []
        for start in range(0, len(texts), 4096):
            for row in tokenizer.encode_batch(list(texts[start : start + 4096])):
                ids = row.ids
                rows.append(ids if len(ids) <= longest else [*ids[: longest - 1], ids[-1]])
        return cls(rows)

    def padded(self, places: Sequence[int]) -> tuple[Tensor, Tensor]:
        """(texts, tokens) ids and mask."""
        longest = max(len(self.rows[i]) for i in places)
        width = -(-longest // STEP) * STEP
        ids = torch.zeros(len(places), width, dtype=torch.long)
        mask = torch.zeros(len(places), width, dtype=torch.long)
        for row, i in enumerate(places):
            ids[row, : len(self.rows[i])] = torch.tensor(self.rows[i])
            mask[row, : len(self.rows[i])] = 1
        return ids, mask


@dataclass(slots=True)
class Set(Generic[T]):
    """Things to learn from, and their texts as tokens."""

    things: Sequence[T]
    tokens: Tokens

    @classmethod
    def of(cls, things: Sequence[T], text: Callable[[T], str], tokenizer: Tokenizer, longest: int) -> Set[T]:
        return cls(things, Tokens.of(tokenizer, [text(thing) for thing in things], longest))

    def batches(self, chosen: Sequence[int], size: int, rng: Random) -> list[list[int]]:
        """Every place in `chosen` once, in batches of like length."""
        order = list(chosen)
        rng.shuffle(order)
        found: list[list[int]] = []
        for start in range(0, len(order), size * CHUNK):
            chunk = sorted(order[start : start + size * CHUNK], key=lambda i: len(self.tokens.rows[i]))
            made = [chunk[at : at + size] for at in range(0, len(chunk), size)]
            rng.shuffle(made)
            found += made
        return found


def mixed(streams: Sequence[Sequence[list[int]]], rng: Random) -> Iterator[tuple[int, list[int]]]:
    """(which stream, batch): each stream in its order, evenly through the whole."""
    marks = [
        ((at + rng.random()) / len(stream), which, at)
        for which, stream in enumerate(streams)
        for at in range(len(stream))
    ]
    for _, which, at in sorted(marks):
        yield which, streams[which][at]


@dataclass(slots=True)
class CveTargets:
    weakness: Tensor  # (texts, conventions, weaknesses) shares; all zero: nobody says
    metrics: list[Tensor]  # (texts, conventions) each, -1: nobody says
    ssvc: list[Tensor]  # (texts,) each, -1: nobody says


def cve_targets(cves: Sequence[Cve], labels: Labels) -> CveTargets:
    place = {weakness: i for i, weakness in enumerate(labels.weaknesses)}
    weakness = torch.zeros(len(cves), len(CONVENTIONS), len(place))
    metrics = torch.full((len(METRICS), len(cves), len(CONVENTIONS)), -1, dtype=torch.long)
    for row, cve in enumerate(cves):
        for column, party in enumerate(CONVENTIONS):
            known = {w: s for w, s in cve.weaknesses.get(party, {}).items() if w in place}
            whole = sum(known.values())
            for name, share in known.items():
                weakness[row, column, place[name]] = share / whole
            if vector := cve.vectors.get(party):
                metrics[:, row, column] = torch.tensor(vector)
    ssvc = torch.tensor([cve.ssvc for cve in cves]).T
    return CveTargets(weakness, list(metrics), list(ssvc))


def sentence_targets(sentences: Sequence[Sentence], labels: Labels, annotated: frozenset[str]) -> tuple[Tensor, Tensor]:
    """(sentences, techniques) 0 or 1, and how much each counts.

    A sub-technique is its technique, too. TRAM's annotators looked for `annotated` only: that a sentence has none of
    those says nothing of the rest. Nor does a sentence on one domain say anything of another's techniques.
    """
    place = {technique: i for i, technique in enumerate(labels.techniques)}
    target = torch.zeros(len(sentences), len(place))
    weight = torch.ones(len(sentences), len(place))
    looked = torch.tensor([float(name in annotated) for name in labels.techniques])
    meant = {domain: torch.tensor([float(domain == of) for of in labels.domains]) for domain in Domain}
    for row, sentence in enumerate(sentences):
        for technique in sentence.techniques:
            for name in (technique, technique.partition(".")[0]):
                if name in place:
                    target[row, place[name]] = 1
        if sentence.source == "tram":
            weight[row] = torch.maximum(looked, target[row])
        elif sentence.domain:
            weight[row] = torch.maximum(meant[sentence.domain], target[row])
    return target, weight


def places(counts: Sequence[tuple[str, ...]]) -> list[tuple[int, int]]:
    """(start, end) of each answer's logits within a head."""
    found, start = [], 0
    for values in counts:
        found.append((start, start + len(values)))
        start += len(values)
    return found


METRIC_PLACES = places([tuple(values) for values in METRICS.values()])
SSVC_PLACES = places(list(SSVC.values()))
