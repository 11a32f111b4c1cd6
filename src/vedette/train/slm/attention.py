"""Attention within each of many texts that lie in one row: no mask, and nothing seen of the neighbours.

Registered with transformers under `NAME`; a model is given `Texts` with each call.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import cache
from typing import Any, TypedDict

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

NAME = "vedette-packed"
HALF = (torch.bfloat16, torch.float16)
SHORTEST = 32  # tokens of a text on average, below which the size of `bounds` is not fixed


class Texts(TypedDict):
    """How the texts of a row lie in it; keyword arguments of a model's forward pass."""

    bounds: Tensor  # int32, where each begins, and the end, which is repeated up to a fixed size
    longest: int  # tokens of the longest text, rounded up
    groups: tuple[tuple[Tensor, Tensor], ...]  # see `grouped`; () where they are not needed


def texts(lengths: Sequence[int], device: torch.device) -> Texts:
    total = sum(lengths)
    size = max(total // SHORTEST, len(lengths)) + 1
    bounds = torch.full((size,), total, dtype=torch.int32)
    bounds[: len(lengths) + 1] = torch.tensor([0, *lengths]).cumsum(0)
    flash = device.type == "cuda" and _varlen() is not None
    groups = () if flash else tuple((a.to(device), b.to(device)) for a, b in grouped(lengths))
    return Texts(bounds=bounds.to(device), longest=1 << (max(lengths) - 1).bit_length(), groups=groups)


@cache
def register() -> str:
    """The name by which models are told to use it."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, _attend)
    AttentionMaskInterface.register(NAME, _no_mask)
    return NAME


def _no_mask(*_: Any, **__: Any) -> None:
    return None


def _attend(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Any, scaling: float, **more: Any
) -> tuple[Tensor, None]:
    """query: (1, heads, tokens, values); key, value: the same of fewer heads; gives (1, tokens, heads, values)."""
    rows = [part[0].transpose(0, 1) for part in (query, key, value)]  # (tokens, heads, values)
    if not more["groups"]:
        return _varlen()(*rows, more["bounds"], more["longest"], scaling)[None], None
    out = torch.zeros_like(rows[0])
    for place, back in more["groups"]:
        q, k, v = (row[place].transpose(1, 2) for row in rows)  # (texts, heads, length, values)
        done = scaled_dot_product_attention(q, k, v, is_causal=True, scale=scaling, enable_gqa=True)
        out = out.index_copy(0, place.flatten()[back], done.transpose(1, 2).flatten(0, 1)[back])
    return out[None], None


def grouped(lengths: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
    """Texts of about the same length together, each padded behind its end, where causal attention does not look.

    Of each group: places in the row, (texts, length), and which of them, flattened, are no padding.
    """
    groups: dict[int, list[tuple[int, int]]] = {}
    at = 0
    for length in lengths:
        groups.setdefault(max(5, (length - 1).bit_length()), []).append((at, length))
        at += length
    found = []
    for texts in groups.values():
        wide = torch.arange(max(length for _, length in texts))
        starts, ends = (torch.tensor(column)[:, None] for column in zip(*((a, a + n) for a, n in texts), strict=True))
        places = starts + wide
        found.append((places.clamp(max=at - 1), (places < ends).flatten().nonzero()[:, 0]))
    return found


@cache
def _varlen() -> Any:
    """PyTorch's attention over texts of different lengths, None where it has none."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    takes = inspect.signature(varlen_attn).parameters
    options: dict[str, Any] = {"is_causal": True} if "is_causal" in takes else {"window_size": (-1, 0)}
    options |= {"enable_gqa": True} if "enable_gqa" in takes else {}

    def attend(query: Tensor, key: Tensor, value: Tensor, bounds: Tensor, longest: int, scale: float) -> Tensor:
        if "enable_gqa" not in takes and (times := query.shape[1] // key.shape[1]) > 1:
            key, value = key.repeat_interleave(times, 1), value.repeat_interleave(times, 1)
        half = value.dtype if value.dtype in HALF else torch.bfloat16  # a norm leaves queries and keys in float32
        query, key, value = (part.to(half) for part in (query, key, value))
        own = {"scale": scale} if "scale" in takes else {}
        found: Tensor = varlen_attn(query, key, value, bounds, bounds, longest, longest, **options, **own)
        return found

    return attend
