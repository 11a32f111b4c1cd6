"""What each head is asked to do better, batch by batch."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from vedette.train.experts_batches import METRIC_PLACES, SSVC_PLACES, CveTargets

NOBODY = -100  # the label that no loss counts


class Answers(Protocol):
    """(texts, …) pooled → (texts, conventions, answers), or (texts, answers)."""

    def weakness(self, pooled: Tensor, /) -> Tensor: ...
    def severity(self, pooled: Tensor, /) -> Tensor: ...
    def ssvc(self, pooled: Tensor, /) -> Tensor: ...


def of_cves(network: Answers, pooled: Tensor, targets: CveTargets, smoothing: float) -> dict[str, Tensor]:
    metrics, points = network.severity(pooled), network.ssvc(pooled)
    severity = [
        _known(metrics[:, :, a:b].flatten(0, 1), target.flatten())
        for (a, b), target in zip(METRIC_PLACES, targets.metrics, strict=True)
    ]
    ssvc = [_known(points[:, a:b], target) for (a, b), target in zip(SSVC_PLACES, targets.ssvc, strict=True)]
    return {
        "weakness": shares(network.weakness(pooled), targets.weakness, smoothing),
        "severity": torch.stack(severity).sum(),
        "ssvc": torch.stack(ssvc).sum(),
    }


def shares(logits: Tensor, target: Tensor, smoothing: float) -> Tensor:
    """Cross entropy against shares, over the conventions that say something; each text counts the same."""
    said = target.sum(-1) > 0
    smooth = target * (1 - smoothing) + smoothing / logits.shape[-1]
    losses = -(smooth * functional.log_softmax(logits, -1)).sum(-1) * said
    return (losses.sum(1) / said.sum(1).clamp(min=1)).sum() / said.any(1).sum().clamp(min=1)


def _known(logits: Tensor, target: Tensor) -> Tensor:
    if bool((target < 0).all()):
        return logits.sum() * 0
    return functional.cross_entropy(logits, target.masked_fill(target < 0, NOBODY), ignore_index=NOBODY)


def of_sentences(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Summed over techniques, as nearly all of them are a plain no."""
    losses = functional.binary_cross_entropy_with_logits(logits, target, weight=weight, reduction="none")
    return losses.sum(1).mean()


def of_pairs(queries: Tensor, documents: Tensor, same: Tensor, temperature: float) -> Tensor:
    """Each query finds its document among those of the batch; `same`: (pairs, pairs) other right answers."""
    scores = (queries @ documents.T / temperature).masked_fill(same, -1e4)
    right = torch.arange(len(queries))
    return (functional.cross_entropy(scores, right) + functional.cross_entropy(scores.T, right)) / 2


def near(ours: Tensor, teachers: Tensor) -> Tensor:
    """How far embeddings have gone from the base encoder's; rows have length 1."""
    return (1 - (ours * teachers).sum(-1)).mean()
