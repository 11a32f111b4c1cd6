"""What models are made of: published ones (`bases.toml`), a folder's own, and those of a recipe's shape."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from vedette.config import Settings, load_toml
from vedette.engine.catalog import recommended
from vedette.engine.gguf import Shape
from vedette.errors import ConfigError, InputError
from vedette.registry import near
from vedette.train.slm import recipe as recipes

Family = Literal["qwen3", "qwen2", "llama", "gpt-oss"]
FAMILIES: dict[str, Family] = {"qwen3": "qwen3", "qwen2": "qwen2", "llama": "llama", "gpt_oss": "gpt-oss"}
CHARACTERS = 3.33  # of a token; see bases.toml
OWN = {2_048: 2.62, 4_096: 2.98, 8_192: 3.25, 16_384: 3.41}  # the same, of vocabularies learned from those rows


class Base(Settings):
    shape_of: str = Field(default="", description="name in engine/models.toml")
    shape: Shape | None = None
    family: Family = "qwen3"
    licence: str
    parameters: float = Field(description="thousand million, as published")
    active: float = Field(description="the same, without embeddings or of the experts that a token uses")
    context: int = Field(description="tokens it was made for")
    characters: float = Field(description="of a token")

    @model_validator(mode="after")
    def _has_one_shape(self) -> Self:
        if bool(self.shape_of) == bool(self.shape):
            raise ValueError("give either `shape_of` or `shape`")
        return self


class _Catalog(Settings):
    base: dict[str, Base]


@dataclass(frozen=True, slots=True)
class Architecture:
    """What is computed from. `context` in tokens, 0 where it is not known; `characters` of a token."""

    name: str
    family: Family
    shape: Shape
    context: int
    characters: float
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Count:
    """Parameters by what they are."""

    embedding: int
    head: int  # of its own; 0 where the embeddings are the head, too
    attention: int  # matrices
    inner: int  # matrices, of all experts
    rest: int  # norms, biases, routers, sinks

    @property
    def total(self) -> int:
        return self.embedding + self.head + self.attention + self.inner + self.rest


def known() -> dict[str, Base]:
    """By the OWNER/NAME that their publishers use."""
    return dict(_known())


@cache
def _known() -> dict[str, Base]:
    with as_file(files("vedette.train.slm") / "bases.toml") as path:
        return load_toml(path, _Catalog).base


def architecture(base: recipes.Base, folder: Path | None = None) -> Architecture:
    """Of a recipe's base; `folder` of the model, where it is here. Raises ConfigError, InputError."""
    if base.shape:
        return _own(base.shape)
    if folder is not None:
        return of_folder(folder, base)
    if base.model not in _known():
        remedy = f"{near(base.model, _known())} or give its folder with --base"
        raise ConfigError(f"the shape of '{base.model}' is not known", where="[base] model", remedy=remedy)
    found = _known()[base.model]
    return Architecture(base.model, found.family, _shape(found), found.context, found.characters, found.licence)


def count(model: Architecture) -> Count:
    shape = model.shape
    queries, keys = shape.heads * shape.key_dim, shape.kv_heads * shape.key_dim
    values = shape.kv_heads * shape.value_dim
    one = shape.width * (2 * queries + keys + values)
    experts = max(1, shape.experts)
    norms = (2 * shape.layers + 1) * shape.width
    return Count(
        embedding=shape.vocab * shape.width,
        head=0 if shape.tied else shape.vocab * shape.width,
        attention=shape.layers * one,
        inner=shape.layers * 3 * shape.width * shape.ffn * experts,
        rest=norms + shape.layers * _small(model.family, shape),
    )


def active(model: Architecture) -> int:
    """Parameters of the layers that a token is multiplied with."""
    parts, shape = count(model), model.shape
    share = shape.experts_used / shape.experts if shape.experts else 1.0
    return parts.attention + int(parts.inner * share)


def of_folder(folder: Path, base: recipes.Base) -> Architecture:
    """From the `config.json` of a model in Hugging Face's layout. Raises InputError."""
    path = folder / "config.json"
    try:
        said: dict[str, Any] = json.loads(path.read_bytes())
        family = FAMILIES[said["model_type"]]
        return Architecture(base.model or str(folder), family, _of_config(said), *_facts(said, base))
    except OSError as exc:
        remedy = "give the folder of a model as its publisher has it"
        raise InputError(f"cannot be read: {exc.strerror}", where=str(path), remedy=remedy) from exc
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        what = f"no shape that is known here: {exc}"
        raise InputError(what, where=str(path), remedy=f"known model types: {', '.join(sorted(FAMILIES))}") from exc


def _of_config(said: dict[str, Any]) -> Shape:
    head = said.get("head_dim") or said["hidden_size"] // said["num_attention_heads"]
    windowed = [kind == "sliding_attention" for kind in said.get("layer_types") or ()]
    return Shape(
        layers=said["num_hidden_layers"],
        width=said["hidden_size"],
        heads=said["num_attention_heads"],
        kv_heads=said.get("num_key_value_heads") or said["num_attention_heads"],
        key_dim=head,
        value_dim=head,
        ffn=said["intermediate_size"],
        vocab=said["vocab_size"],
        experts=said.get("num_local_experts") or 0,
        experts_used=said.get("num_experts_per_tok") or 0,
        window=(said.get("sliding_window") or 0) if any(windowed) else 0,
        windowed=sum(windowed),
        tied=bool(said.get("tie_word_embeddings")),
    )


def _facts(said: dict[str, Any], base: recipes.Base) -> tuple[int, float, str]:
    facts = _known().get(base.model)
    context = int(said.get("max_position_embeddings") or 0)
    return context, facts.characters if facts else CHARACTERS, facts.licence if facts else base.licence


def _own(shape: recipes.Shape) -> Architecture:
    found = Shape(
        layers=shape.layers, width=shape.width, heads=shape.heads, kv_heads=shape.kv_heads, key_dim=shape.head,
        value_dim=shape.head, ffn=shape.ffn, vocab=shape.vocab, tied=True,
    )  # fmt: skip
    characters = float(np.interp(np.log2(shape.vocab), np.log2(list(OWN)), list(OWN.values())))
    return Architecture("random values", "qwen3", found, shape.context, characters)


def _shape(base: Base) -> Shape:
    return base.shape or recommended()[base.shape_of].shape


def _small(family: Family, shape: Shape) -> int:
    """Parameters of a layer that are in no large matrix and in none of its two norms."""
    queries, keys = shape.heads * shape.key_dim, shape.kv_heads * shape.key_dim
    biases = queries + keys + shape.kv_heads * shape.value_dim
    if family == "qwen3":
        return 2 * shape.key_dim  # norms of queries and keys
    if family == "qwen2":
        return biases
    if family == "llama":
        return 0
    router = shape.experts * (shape.width + 1)
    return biases + shape.width + shape.heads + router + shape.experts * (2 * shape.ffn + shape.width)
