"""The decoders that are exported here, Qwen3, Qwen2 and Llama: their tensors by name, shape and llama.cpp's name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vedette.errors import InputError
from vedette.train.slm import hf

if TYPE_CHECKING:
    from torch import Tensor

ARCHITECTURES = {"Qwen3ForCausalLM": "qwen3", "Qwen2ForCausalLM": "qwen2", "LlamaForCausalLM": "llama"}
ROPES = {"default": "any", "linear": "any", "yarn": "any", "llama3": "llama"}  # type → architecture
EMBEDDING, OUTPUT, LAST = "model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"
OTHERS = "convert it by llama.cpp's own convert_hf_to_gguf.py: give llama.cpp's folder with --llama-cpp"

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Decoder:
    config: hf.Config
    kind: str  # as llama.cpp names the architecture
    weights: hf.Weights


def known(folder: Path) -> str:
    """llama.cpp's name of the architecture; "" for one that is not exported here. Raises InputError."""
    return next((ARCHITECTURES[name] for name in hf.about(folder).architectures if name in ARCHITECTURES), "")


def opened(folder: Path) -> Decoder:
    """Raises InputError for a folder that is not whole, or whose file would not compute the same there as here."""
    if not (kind := known(folder)):
        names = " ".join(hf.about(folder).architectures) or "no architecture"
        raise InputError(f"{names}; exported here are {', '.join(ARCHITECTURES)}", where=str(folder), remedy=OTHERS)
    config = hf.config(folder)
    rope = config.rope
    odd = {
        f'hidden_act "{config.hidden_act}"': config.hidden_act != "silu",
        "a sliding window": config.use_sliding_window,
        "rotary positions of a part of a head": rope.partial_rotary_factor != 1,
        f'rotary positions of type "{rope.rope_type}"': ROPES.get(rope.rope_type) not in ("any", kind),
        "a bias of its attention": config.attention_bias and kind == "qwen3",
    }
    if wrong := [what for what, there in odd.items() if there]:
        raise InputError(f"it has {wrong[0]}, which is not exported here", where=str(folder), remedy=OTHERS)
    weights = hf.weights(folder)
    _whole(config, kind, weights)
    return Decoder(config, kind, weights)


def shapes(config: hf.Config, kind: str) -> Shapes:
    """What the folder has to hold, by name."""
    width, vocab = config.hidden_size, config.vocab_size
    found: Shapes = {EMBEDDING: (vocab, width), LAST: (width,)}
    if not config.tie_word_embeddings:
        found[OUTPUT] = (vocab, width)
    for layer in range(config.num_hidden_layers):
        found |= {f"model.layers.{layer}.{name}": shape for name, shape in _layer(config, kind).items()}
    return found


class Names:
    """llama.cpp's name of a tensor."""

    def __init__(self, decoder: Decoder) -> None:
        import gguf

        number = next(n for n, name in gguf.MODEL_ARCH_NAMES.items() if name == decoder.kind)
        self._map: Any = gguf.get_tensor_name_map(number, decoder.config.num_hidden_layers)

    def __call__(self, name: str) -> str:
        found: str | None = self._map.get_name(name, try_suffixes=(".weight", ".bias"))
        if found is None:
            raise InputError(f"llama.cpp has no name for the tensor '{name}'", remedy=OTHERS)
        return found


def arranged(tensor: Tensor, name: str, decoder: Decoder) -> Tensor:
    """The rows of Llama's queries and keys in llama.cpp's order: a head's two halves take turns.

    Rows alone change their places, so that the B of an adapter's B·A is arranged in the same way.
    """
    heads, kv_heads, _ = decoder.config.heads
    parts = name.split(".")
    of = {"q_proj": heads, "k_proj": kv_heads}.get(parts[-2] if len(parts) > 1 else "")
    if decoder.kind != "llama" or of is None:
        return tensor
    halves = tensor.reshape(of, 2, tensor.shape[0] // of // 2, *tensor.shape[1:])
    return halves.transpose(1, 2).reshape(tensor.shape)


def _layer(config: hf.Config, kind: str) -> Shapes:
    width, inner = config.hidden_size, config.intermediate_size
    heads, kv_heads, head = config.heads
    matrices = {
        "self_attn.q_proj": (heads * head, width),
        "self_attn.k_proj": (kv_heads * head, width),
        "self_attn.v_proj": (kv_heads * head, width),
        "self_attn.o_proj": (width, heads * head),
        "mlp.gate_proj": (inner, width),
        "mlp.up_proj": (inner, width),
        "mlp.down_proj": (width, inner),
    }
    found: Shapes = {f"{name}.weight": shape for name, shape in matrices.items()}
    found |= {f"{name}.bias": matrices[name][:1] for name in _biased(config, kind)}
    found |= {"input_layernorm.weight": (width,), "post_attention_layernorm.weight": (width,)}
    if kind == "qwen3":
        found |= {"self_attn.q_norm.weight": (head,), "self_attn.k_norm.weight": (head,)}
    return found


def _biased(config: hf.Config, kind: str) -> list[str]:
    if kind == "qwen2":
        return [f"self_attn.{one}_proj" for one in "qkv"]
    found = [f"self_attn.{one}_proj" for one in "qkvo"] if config.attention_bias else []
    return found + ([f"mlp.{one}_proj" for one in ("gate", "up", "down")] if config.mlp_bias else [])


def _whole(config: hf.Config, kind: str, weights: hf.Weights) -> None:
    wanted = shapes(config, kind)
    unneeded = {OUTPUT} if config.tie_word_embeddings else set()
    unneeded |= {name for name in weights.files if name.endswith("rotary_emb.inv_freq")}
    if missing := wanted.keys() - weights.files.keys():
        what = f"{len(missing):,} tensors are missing: {hf.few(missing)}"
        raise InputError(what, where=str(weights.folder), remedy=hf.AGAIN)
    if strange := weights.files.keys() - wanted.keys() - unneeded:
        what = f"tensors that {kind} does not have: {hf.few(strange)}"
        raise InputError(what, where=str(weights.folder), remedy=OTHERS)
    for name, shape in wanted.items():
        if (actual := weights.shape(name)) != shape:
            what = f"'{name}' has the shape {actual}, and {hf.CONFIG} says {shape}"
            raise InputError(what, where=str(weights.folder), remedy=hf.AGAIN)
