"""Networks over held-out texts: the files as they are served, one text at a time; the fp32 network in batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vedette.experts.heads import FILE, Heads, Reading
from vedette.experts.labels import CONVENTIONS
from vedette.experts.network import Network as Encoder
from vedette.train.experts import Material, batched, tokenizer_of
from vedette.train.experts_batches import Set, cve_targets
from vedette.train.experts_model import Network

Floats = NDArray[np.float32]
Both = tuple[Floats, Floats]  # the encoder's logits and those of the words
MOST = 2_000  # CVEs that are measured while training


class Reader:
    """An exported encoder and its heads, before there is a calibration."""

    def __init__(self, folder: Path, heads: Path | None = None) -> None:
        self.encoder, self.heads = Encoder(folder), Heads.load(heads or folder / FILE)

    def read(self, text: str) -> Reading:
        return self.encoder.read(text, self.heads.rows)

    def techniques(self, text: str) -> Both:
        return self.heads.logits("techniques", self.read(text))

    def all(self, texts: Sequence[str], names: Sequence[str]) -> dict[str, Both]:
        """(texts, conventions, answers) of each head, (texts, answers) of SSVC."""
        found: dict[str, list[Both]] = {name: [] for name in names}
        for text in texts:
            reading = self.read(text)
            for name in names:
                columns = range(1 if name == "ssvc" else len(CONVENTIONS))
                both = [self.heads.logits(name, reading, column) for column in columns]
                found[name].append((np.stack([b[0] for b in both]), np.stack([b[1] for b in both])))
        joined = {name: tuple(np.stack([b[place] for b in rows]) for place in (0, 1)) for name, rows in found.items()}
        return {name: (a[:, 0], b[:, 0]) if name == "ssvc" else (a, b) for name, (a, b) in joined.items()}


def dev_scores(network: Network, material: Material, base: Path, longest: int) -> dict[str, float]:
    """Share of held-out CVEs without near duplicates whose best weakness somebody of that convention stated."""
    cves = [cve for cve in material.cves.dev if cve.fresh][:MOST]
    held = Set.of(cves, lambda cve: cve.text, tokenizer_of(base), longest)
    right: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    order = sorted(range(len(cves)), key=lambda i: len(held.tokens.rows[i]))
    for places in batched(order, 64):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            pooled = network.pool(*held.tokens.padded(places)).float()
        with torch.no_grad():
            best = network.weakness(pooled).argmax(-1)
        shares = cve_targets([cves[i] for i in places], material.labels).weakness
        for column, party in enumerate(CONVENTIONS):
            said = shares[:, column].sum(-1) > 0
            hit = shares[torch.arange(len(places)), column, best[:, column]] > 0
            right[party] += int((hit & said).sum())
            asked[party] += int(said.sum())
    return {str(party): round(right[party] / asked[party], 4) for party in CONVENTIONS if asked[party]}
