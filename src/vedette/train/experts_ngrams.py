"""The second opinion: hashed words and pairs of words, learned in a minute beside the encoder.

A table has a row for each place of an n-gram. Its first columns are summed to a small vector that heads read, as in
fastText (Joulin et al., 2016); the rest are logits of CVSS metrics as they are, for NVD's vectors and for everybody
else's. It knows phrases by heart, which the encoder, with its frozen words and few passes, does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from tokenizers import Tokenizer
from torch import Tensor, nn

from vedette.config import Settings
from vedette.experts.heads import PARTIES, POINTS, SEVERITY
from vedette.experts.labels import CONVENTIONS
from vedette.experts.ngrams import places
from vedette.train import experts_loss
from vedette.train.experts_batches import cve_targets, sentence_targets
from vedette.train.experts_cves import Cve
from vedette.train.experts_model import Labels
from vedette.train.experts_sentences import Sentence


class Choice(Settings):
    """The `ngrams` part of a recipe."""

    rows: int = Field(gt=0, description="of the table; n-grams that share one are one to the model")
    dims: int = Field(gt=0, description="of the summed vector")
    epochs: int = Field(gt=0)
    batch: int = Field(gt=0)
    rate: float = Field(gt=0, description="learning rate of the vectors")
    metrics: float = Field(gt=0, description="learning rate of the metrics' logits")
    head: float = Field(gt=0, description="learning rate of the heads")


class PartyHead(nn.Module):
    """One set of logits for each convention."""

    def __init__(self, dims: int, outputs: int) -> None:
        super().__init__()
        self.out = nn.Linear(dims, outputs, bias=False)
        self.shift = nn.Parameter(torch.zeros(len(CONVENTIONS), dims))
        self.bias = nn.Parameter(torch.zeros(len(CONVENTIONS), outputs))
        nn.init.normal_(self.out.weight, 0, 0.3)

    def forward(self, bag: Tensor) -> Tensor:
        return torch.as_tensor(self.out(bag[:, None] * (1 + self.shift)) + self.bias)


class Head(nn.Module):
    def __init__(self, dims: int, outputs: int, first: float = 0.0) -> None:
        super().__init__()
        self.out = nn.Linear(dims, outputs)
        nn.init.normal_(self.out.weight, 0, 0.3)
        nn.init.constant_(self.out.bias, first)

    def forward(self, bag: Tensor) -> Tensor:
        return torch.as_tensor(self.out(bag))


class Ngrams(nn.Module):
    """Answers as `experts_model.Network` does, from what `pool` gives."""

    def __init__(self, choice: Choice, labels: Labels) -> None:
        super().__init__()
        self.rows, self.dims = choice.rows, choice.dims
        self.bag = nn.EmbeddingBag(choice.rows, choice.dims, mode="sum", sparse=True)
        self.metrics = nn.EmbeddingBag(choice.rows, 2 * SEVERITY, mode="sum", sparse=True)
        nn.init.normal_(self.bag.weight, 0, 0.05)
        nn.init.zeros_(self.metrics.weight)
        self.metrics_bias = nn.Parameter(torch.zeros(len(CONVENTIONS), SEVERITY))
        self.weakness_head = PartyHead(choice.dims, len(labels.weaknesses))
        self.ssvc_head = Head(choice.dims, POINTS)
        self.techniques_head = Head(choice.dims, len(labels.techniques), -5.0)

    def pool(self, texts: Sequence[NDArray[np.intp]]) -> Tensor:
        """(texts, dims and both parties' logits), each the sum over a text's places by the root of their number."""
        sizes = np.array([max(1, len(text)) for text in texts])
        flat = torch.from_numpy(np.concatenate(texts))
        starts = torch.from_numpy(np.cumsum([0, *(len(text) for text in texts[:-1])]))
        weights = np.repeat(1 / np.sqrt(sizes), [len(text) for text in texts]).astype(np.float32)
        each = torch.from_numpy(weights)
        parts = [bag(flat, starts, per_sample_weights=each) for bag in (self.bag, self.metrics)]
        return torch.cat(parts, dim=1)

    def weakness(self, pooled: Tensor) -> Tensor:
        return torch.as_tensor(self.weakness_head(pooled[:, : self.dims]))

    def severity(self, pooled: Tensor) -> Tensor:
        both = pooled[:, self.dims :].unflatten(1, (2, SEVERITY))
        return both[:, list(PARTIES)] + self.metrics_bias

    def ssvc(self, pooled: Tensor) -> Tensor:
        return torch.as_tensor(self.ssvc_head(pooled[:, : self.dims]))

    def techniques(self, pooled: Tensor) -> Tensor:
        return torch.as_tensor(self.techniques_head(pooled[:, : self.dims]))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """As `experts.heads` reads them: the table in int8, a scale for each row of either part."""
        halves = [bag.weight.detach().numpy() for bag in (self.bag, self.metrics)]
        scales = [np.maximum(np.abs(half).max(1, keepdims=True), 1e-6) / 127 for half in halves]
        table = [np.clip(np.rint(half / scale), -127, 127) for half, scale in zip(halves, scales, strict=True)]
        heads = (("weakness", self.weakness_head), ("ssvc", self.ssvc_head), ("techniques", self.techniques_head))
        found: dict[str, NDArray[np.generic]] = {
            f"ngrams.{name}.{key}": tensor.numpy().astype(np.float16)
            for name, head in heads
            for key, tensor in head.state_dict().items()
        }
        found["ngrams.severity.bias"] = self.metrics_bias.detach().numpy().astype(np.float16)
        found["ngrams.table"] = np.concatenate(table, axis=1).astype(np.int8)
        found["ngrams.scales"] = np.concatenate(scales, axis=1).astype(np.float32)
        return found


@dataclass(frozen=True, slots=True)
class Shown:
    """What is learned from, as places of n-grams."""

    cves: Sequence[Cve]
    sentences: Sequence[Sentence]
    annotated: frozenset[str]
    texts: list[NDArray[np.intp]]  # of the CVEs, then of the sentences

    @classmethod
    def of(
        cls, cves: Sequence[Cve], sentences: Sequence[Sentence], annotated: frozenset[str],
        tokenizer: Tokenizer, rows: int,
    ) -> Shown:  # fmt: skip
        texts = [cve.text for cve in cves] + [sentence.text for sentence in sentences]
        found = []
        for start in range(0, len(texts), 4096):
            for encoded in tokenizer.encode_batch(texts[start : start + 4096]):
                found.append(places(encoded.ids[1:-1], rows))
        return cls(cves, sentences, annotated, found)

    def batches(self, size: int, rng: Random) -> Iterator[tuple[bool, list[int]]]:
        """(CVEs, their places), or sentences; every one once."""
        cves, sentences = list(range(len(self.cves))), list(range(len(self.sentences)))
        rng.shuffle(cves)
        rng.shuffle(sentences)
        made = [(True, cves[at : at + size]) for at in range(0, len(cves), size)]
        made += [(False, sentences[at : at + size]) for at in range(0, len(sentences), size)]
        rng.shuffle(made)
        yield from made


def fit(choice: Choice, shown: Shown, labels: Labels, seed: int) -> Ngrams:
    """The same for the same seed, on one thread."""
    torch.manual_seed(seed)
    threads, rng = torch.get_num_threads(), Random(seed)
    torch.set_num_threads(1)
    network = Ngrams(choice, labels)
    tables = [
        {"params": network.bag.parameters(), "lr": choice.rate},
        {"params": network.metrics.parameters(), "lr": choice.metrics},
    ]
    heads = [p for name, p in network.named_parameters() if not name.startswith(("bag.", "metrics."))]
    optimizer = torch.optim.Adagrad([*tables, {"params": heads, "lr": choice.head}])
    with torch.sparse.check_sparse_tensor_invariants(enable=False):  # said aloud, or torch warns
        for _ in range(choice.epochs):
            for cves, chosen in shown.batches(choice.batch, rng):
                optimizer.zero_grad()
                _loss(network, shown, labels, cves=cves, chosen=chosen).backward()
                optimizer.step()
    torch.set_num_threads(threads)
    network.eval()
    return network


def _loss(network: Ngrams, shown: Shown, labels: Labels, *, cves: bool, chosen: Sequence[int]) -> Tensor:
    if cves:
        pooled = network.pool([shown.texts[i] for i in chosen])
        targets = cve_targets([shown.cves[i] for i in chosen], labels)
        losses = experts_loss.of_cves(network, pooled, targets, 0.0)
        return losses["weakness"] + losses["severity"] + losses["ssvc"]
    pooled = network.pool([shown.texts[len(shown.cves) + i] for i in chosen])
    target, weight = sentence_targets([shown.sentences[i] for i in chosen], labels, shown.annotated)
    return experts_loss.of_sentences(network.techniques(pooled), target, weight)
