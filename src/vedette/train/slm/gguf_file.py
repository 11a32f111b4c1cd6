"""A model's folder as one GGUF file, a tensor at a time: memory for the largest one in 32 bits is enough."""

from __future__ import annotations

import errno
import math
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vedette.errors import InputError
from vedette.manifest import output_error
from vedette.train.slm import dense, hf
from vedette.train.slm.dense import Decoder
from vedette.train.slm.gguf_words import Words

if TYPE_CHECKING:
    import gguf
    from torch import Tensor

# Name → llama.cpp's number of the file type, type of the matrices, type of the embeddings and the output matrix. The
# last two decide about every token: four bits are too few, and llama.cpp gives them more, too.
KINDS = {
    "F32": (0, "F32", "F32"),
    "F16": (1, "F16", "F16"),
    "BF16": (32, "BF16", "BF16"),
    "Q8_0": (7, "Q8_0", "Q8_0"),
    "Q4_0": (2, "Q4_0", "Q8_0"),
}
LARGEST_F16 = 65_504.0
_EDGES = (dense.EMBEDDING, dense.OUTPUT)


@dataclass(frozen=True, slots=True)
class Model:
    """All that goes into a file."""

    name: str
    licence: str
    decoder: Decoder
    words: Words


@dataclass(frozen=True, slots=True)
class Packed:
    """How a tensor lies in the file."""

    name: str  # in the folder
    type: Any  # gguf.GGMLQuantizationType
    shape: tuple[int, ...]
    bytes: int


def write(path: Path, model: Model, kind: str) -> None:
    """`kind`: a key of KINDS. Raises InputError for weights that it cannot hold, OutputError."""
    import gguf

    number, matrices, edges = KINDS[kind]
    decoder = model.decoder
    tensors = _planned(decoder, matrices, edges)
    _room(sum(one.bytes for one in tensors.values()), path)
    with _filled(path, decoder.kind) as writer:
        writer.add_type(gguf.GGUFType.MODEL)
        writer.add_name(model.name)
        writer.add_license(model.licence)
        writer.add_file_type(number)
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        _shape(writer, decoder.config, decoder.kind)
        _words(writer, model.words)
        for name, one in tensors.items():
            writer.add_tensor_info(name, one.shape, np.dtype(np.float32), one.bytes, one.type)
        factors = _rope_factors(decoder.config)
        if factors is not None:
            writer.add_tensor_info("rope_freqs.weight", factors.shape, factors.dtype, factors.nbytes)
        _start(writer)
        for one in tensors.values():
            arranged = dense.arranged(decoder.weights.tensor(one.name), one.name, decoder)
            writer.write_tensor_data(packed(arranged, one))
        if factors is not None:
            writer.write_tensor_data(factors)


def write_tensors(
    path: Path, kind: str, keys: Mapping[str, str | float], tensors: Mapping[str, np.ndarray[Any, Any]]
) -> None:
    """A small file that holds no model. Raises OutputError."""
    with _filled(path, kind) as writer:
        for key, value in keys.items():
            if isinstance(value, str):
                writer.add_string(key, value)
            else:
                writer.add_float32(key, value)
        for name, tensor in tensors.items():
            writer.add_tensor_info(name, tensor.shape, tensor.dtype, tensor.nbytes)
        _start(writer)
        for tensor in tensors.values():
            writer.write_tensor_data(tensor)


def packed(tensor: Tensor, one: Packed) -> np.ndarray[Any, Any]:
    """Raises InputError where values are no numbers, or too large."""
    import gguf

    largest = max(abs(float(end)) for end in tensor.aminmax())
    if not math.isfinite(largest):
        raise InputError(
            f"'{one.name}' holds values that are no numbers",
            remedy="the training went wrong: use an earlier checkpoint",
        )
    if largest > LARGEST_F16 and one.type not in (gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.BF16):
        what = f"'{one.name}' has values up to {largest:,.0f}, and 16 bits of F16 end at {LARGEST_F16:,.0f}"
        raise InputError(what, remedy="export it as BF16")
    values = tensor.float().contiguous().numpy()
    found: np.ndarray[Any, Any] = np.ascontiguousarray(gguf.quants.quantize(values, one.type))
    return found


def _planned(decoder: Decoder, matrices: str, edges: str) -> dict[str, Packed]:
    """By llama.cpp's name, in the folder's order."""
    import gguf

    name_of = dense.Names(decoder)
    found = {}
    for name, shape in dense.shapes(decoder.config, decoder.kind).items():
        wanted = "F32" if len(shape) == 1 else edges if name in _EDGES else matrices
        block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[wanted]]
        if shape[-1] % block:  # llama.cpp packs whole blocks only
            wanted, block, size = "F16", 1, 2
        values = math.prod(shape)
        found[name_of(name)] = Packed(name, gguf.GGMLQuantizationType[wanted], shape, values // block * size)
    return found


def _shape(writer: gguf.GGUFWriter, config: hf.Config, kind: str) -> None:
    heads, kv_heads, head = config.heads
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    if kind == "llama":
        writer.add_rope_dimension_count(head)
    _rope(writer, config)


def _rope(writer: gguf.GGUFWriter, config: hf.Config) -> None:
    import gguf

    rope = config.rope
    writer.add_rope_freq_base(rope.rope_theta)
    if rope.rope_type not in ("linear", "yarn"):
        return
    writer.add_rope_scaling_type(gguf.RopeScalingType(rope.rope_type))
    writer.add_rope_scaling_factor(rope.factor)
    if rope.rope_type == "yarn":
        writer.add_rope_scaling_orig_ctx_len(rope.original_max_position_embeddings or config.max_position_embeddings)
        if rope.attention_factor is not None:
            writer.add_rope_scaling_yarn_attn_factor(rope.attention_factor)
        if rope.beta_fast is not None:
            writer.add_rope_scaling_yarn_beta_fast(rope.beta_fast)
        if rope.beta_slow is not None:
            writer.add_rope_scaling_yarn_beta_slow(rope.beta_slow)


def _rope_factors(config: hf.Config) -> np.ndarray[Any, Any] | None:
    """What llama.cpp divides the frequencies by where the type is Llama 3's, whose formula it does not have."""
    rope, head = config.rope, config.heads[2]
    if rope.rope_type != "llama3":
        return None
    context = rope.original_max_position_embeddings or 8_192
    waves = 2 * np.pi * rope.rope_theta ** (np.arange(0, head, 2, dtype=np.float64) / head)
    between = (context / waves - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor)
    between = np.clip(between, 0, 1)  # 0: long waves, divided by all of the factor; 1: short ones, left alone
    return (1 / ((1 - between) / rope.factor + between)).astype(np.float32)


def _words(writer: gguf.GGUFWriter, words: Words) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(words.pre)
    writer.add_token_list(words.tokens)
    writer.add_token_types(words.kinds)
    writer.add_token_merges(words.merges)
    for name, number in words.special.items():
        getattr(writer, f"add_{name}_token_id")(number)
    writer.add_add_bos_token(words.adds[0])
    writer.add_add_eos_token(words.adds[1])
    writer.add_chat_template(words.template)


@contextmanager
def _filled(path: Path, kind: str) -> Iterator[gguf.GGUFWriter]:
    import gguf

    writer = gguf.GGUFWriter(path, kind)
    try:
        yield writer
    except OSError as exc:
        raise _said(path, exc) from exc
    finally:
        writer.close()


def _start(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()


def _room(needed: int, path: Path) -> None:
    if needed > (free := shutil.disk_usage(path.parent).free):
        raise output_error(path, OSError(errno.ENOSPC, f"{needed:,} bytes are needed, and {free:,} are free"))


def _said(path: Path, exc: OSError) -> Exception:
    """numpy does not say why it could not write; a full disk is the usual reason."""
    if exc.errno is None and "requested and" in str(exc):
        return output_error(path, OSError(errno.ENOSPC, "the disk takes no more"))
    return output_error(path, exc)
