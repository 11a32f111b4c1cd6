"""The network: one encoder, mean pooling, and a head for each question."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel

from vedette.experts.labels import CONVENTIONS, METRICS, SSVC, Domain

PLAIN = ("bert", "roberta", "xlm-roberta")


@dataclass(frozen=True, slots=True)
class Labels:
    """The order of each head's outputs."""

    weaknesses: tuple[str, ...]
    techniques: tuple[str, ...]
    domains: tuple[Domain, ...]  # of each technique


class Head(nn.Module):
    """A hidden layer of its own, so that heads pull the trunk less; one set of logits for each convention."""

    def __init__(self, dims: int, outputs: int, conventions: int = 0) -> None:
        super().__init__()
        self.hidden = nn.Linear(dims, dims)
        self.out = nn.Linear(dims, outputs)
        self.drop = nn.Dropout(0.1)
        self.shift = nn.Parameter(torch.zeros(conventions, dims)) if conventions else None
        self.bias = nn.Parameter(torch.zeros(conventions, outputs)) if conventions else None

    def forward(self, pooled: Tensor) -> Tensor:
        """(texts, dims) → (texts, outputs), or (texts, conventions, outputs)."""
        hidden = self.hidden(pooled)
        if self.shift is None or self.bias is None:
            return torch.as_tensor(self.out(self.drop(nn.functional.gelu(hidden))))
        hidden = nn.functional.gelu(hidden[:, None, :] + self.shift)
        return torch.as_tensor(self.out(self.drop(hidden)) + self.bias)


class Network(nn.Module):
    def __init__(self, base: Path, labels: Labels) -> None:
        super().__init__()
        # torch's own attention took half the time of a step on a CPU, nearly all of it on the way back
        options: dict[str, Any] = {"attn_implementation": "eager"}
        if self._plain(AutoConfig.from_pretrained(base, local_files_only=True)):
            # one pass or two need no dropout in the trunk, and drawing it took a fifth of the time
            options |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "add_pooling_layer": False}
        self.trunk = AutoModel.from_pretrained(base, local_files_only=True, **options)
        dims = self.trunk.config.hidden_size
        self.weakness = Head(dims, len(labels.weaknesses), len(CONVENTIONS))
        self.severity = Head(dims, sum(map(len, METRICS.values())), len(CONVENTIONS))
        self.ssvc = Head(dims, sum(map(len, SSVC.values())))
        self.techniques = Head(dims, len(labels.techniques))
        nn.init.constant_(self.techniques.out.bias, -5.0)  # most sentences tell of none of them
        self.embedding = nn.Linear(dims, dims, bias=False)
        nn.init.eye_(self.embedding.weight)

    @staticmethod
    def _plain(config: Any) -> bool:
        """BERT and its like: every token sees every other one."""
        return config.model_type in PLAIN

    def states(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """(texts, tokens, dims). `mask`: 1 for each token of a text, 0 after its end; none: all are of the text."""
        if mask is not None and self._plain(self.trunk.config):
            exact = torch.bfloat16 if torch.is_autocast_enabled("cpu") else torch.float32
            # added to the scores; fp32 would make fp32 of bf16 ones
            mask = (1 - mask)[:, None, None, :].to(exact) * -1e4
        return torch.as_tensor(self.trunk(input_ids=ids, attention_mask=mask).last_hidden_state)

    def pool(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(texts, dims): the mean over the tokens."""
        states = self.states(ids, mask)
        weights = mask.to(states.dtype)[:, :, None]
        return torch.as_tensor((states * weights).sum(1) / weights.sum(1))

    def embed(self, pooled: Tensor) -> Tensor:
        return nn.functional.normalize(self.embedding(pooled).float(), dim=-1)

    def heads(self) -> Iterable[nn.Module]:
        return (self.weakness, self.severity, self.ssvc, self.techniques, self.embedding)


def groups(network: Network, rate: float, head: float, decay: float) -> list[dict[str, object]]:
    """Parameters with their learning rates: the lower a layer, the lower its rate. Word embeddings stay as they are."""
    found: list[dict[str, object]] = []
    trunk = network.trunk
    layers = list(trunk.encoder.layer if hasattr(trunk, "encoder") else trunk.layers)
    for depth, layer in enumerate(layers):
        found.append({"params": list(layer.parameters()), "top": rate * decay ** (len(layers) - 1 - depth)})
    found.append({"params": [p for module in network.heads() for p in module.parameters()], "top": rate * head})
    for part in found:
        part["lr"] = 0.0
    network.trunk.embeddings.requires_grad_(False)
    return found
