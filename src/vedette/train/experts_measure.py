"""Networks over held-out texts: the int8 file one text at a time, as it is served; the fp32 network in batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from vedette.experts.labels import CONVENTIONS
from vedette.train.experts import Material, batched, tokenizer_of
from vedette.train.experts_batches import Set, cve_targets
from vedette.train.experts_model import Network

Floats = NDArray[np.float32]
WINDOW = 256  # tokens; few held-out texts are longer
MOST = 2_000  # CVEs that are measured while training


class Reader:
    """An exported network and its tokenizer."""

    def __init__(self, folder: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(folder / "experts.onnx"), options, ["CPUExecutionProvider"])
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def run(self, text: str, outputs: Sequence[str]) -> list[Floats]:
        """One row for each output."""
        ids = self.tokenizer.encode(text).ids
        row = np.array([ids if len(ids) <= WINDOW else [*ids[: WINDOW - 1], ids[-1]]], dtype=np.int64)
        return [found[0] for found in self.session.run(list(outputs), {"ids": row, "mask": np.ones_like(row)})]


def logits_of(reader: Reader, texts: Sequence[str], outputs: Sequence[str]) -> dict[str, Floats]:
    """(texts, …) for each output."""
    rows = [reader.run(text, outputs) for text in texts]
    return {name: np.stack([row[place] for row in rows]) for place, name in enumerate(outputs)}


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
