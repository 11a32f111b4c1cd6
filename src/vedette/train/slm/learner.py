"""One forward pass over a pack: the summed loss of the tokens that the model itself says, and nothing else computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from vedette.train.slm.attention import Texts, texts
from vedette.train.slm.model import Opened
from vedette.train.slm.rows import Tokens

IGNORED = -100
HELD = 8_192 * 151_936  # logits at once (8,192 answers, Qwen's vocabulary); more are computed twice, part by part
STEP = 512  # their number is filled up to a multiple: each new shape costs a CPU's library memory and time


@dataclass(frozen=True, slots=True)
class Packed:
    """What a pack is for the model; all rows of it behind each other."""

    ids: Tensor  # (1, tokens)
    positions: Tensor  # (1, tokens), from 0 in each text
    places: Tensor  # (answers,) whose next token the model says
    targets: Tensor  # (answers,)
    texts: Texts


def put(tokens: Tokens, pack: Sequence[int], device: torch.device, size: int = 0) -> Packed:
    """`size`: fill up to so many tokens with a text that nothing is learned from."""
    parts = [tokens.row(number) for number in pack]
    lengths = [len(ids) for ids, _ in parts]
    ids = np.concatenate([ids for ids, _ in parts])
    wanted = [np.append(own[1:], False) for _, own in parts]  # nothing follows the last token of a text
    if (short := size - len(ids)) > 0:
        lengths.append(short)
        ids = np.append(ids, np.zeros(short, ids.dtype))
        wanted.append(np.zeros(short, np.bool_))
    places = np.concatenate(wanted).nonzero()[0]
    targets = ids[places + 1]
    if spare := -len(places) % STEP:
        places, targets = np.append(places, np.zeros(spare, np.int64)), np.append(targets, np.full(spare, IGNORED))
    positions = np.concatenate([np.arange(length) for length in lengths])
    row, where, asked, said = (
        torch.from_numpy(part).to(device, torch.long) for part in (ids, positions, places, targets)
    )
    return Packed(row[None], where[None], asked, said, texts(lengths, device))


class Learner(nn.Module):
    """Wraps a causal language model so that its head sees the places of answers alone."""

    def __init__(self, opened: Opened, *, compiled: bool = False, checkpointing: bool = False) -> None:
        super().__init__()
        self.lm = opened.model
        self._core = (opened.core,)  # not a submodule twice
        self._packed = opened.packed
        if checkpointing:
            opened.core.gradient_checkpointing_enable({"use_reentrant": False})
            opened.core.enable_input_require_grads()
        self._body: Any = torch.compile(opened.core.model, dynamic=False) if compiled else opened.core.model

    def forward(self, pack: Packed) -> Tensor:
        """The sum of the answers' losses, in nats."""
        extra: Any = pack.texts if self._packed else {}
        hidden = self._body(input_ids=pack.ids, position_ids=pack.positions, use_cache=False, **extra).last_hidden_state
        asked = hidden[0].index_select(0, pack.places)
        most = max(1, HELD // self._core[0].config.vocab_size)
        if len(asked) <= most:
            return self._loss(asked, pack.targets)
        parts = zip(asked.split(most), pack.targets.split(most), strict=True)
        losses = [checkpoint(self._loss, some, targets, use_reentrant=False) for some, targets in parts]
        return torch.stack(losses).sum()

    def _loss(self, hidden: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy(self._core[0].lm_head(hidden).float(), targets, reduction="sum")
