"""GGUF files of the real shapes with random weights: they run at the speed of the real ones, and say nothing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt

from vedette.engine.gguf import Shape

Bytes = npt.NDArray[np.uint8]

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONTEXT = 40_960
SPREAD = 0.02  # standard deviation of the weights
POOL = 1 << 16  # blocks that are drawn; a tensor repeats them
TYPES = {"Q4_0": gguf.GGMLQuantizationType.Q4_0, "Q8_0": gguf.GGMLQuantizationType.Q8_0}
FILE_TYPES = {"Q4_0": gguf.LlamaFileType.MOSTLY_Q4_0, "Q8_0": gguf.LlamaFileType.MOSTLY_Q8_0}
Q6_K, F32 = gguf.GGMLQuantizationType.Q6_K, gguf.GGMLQuantizationType.F32


def write(path: Path, shape: Shape, quantisation: str, seed: int = 1) -> Path:
    """As `llama-quantize` would: with Q4_0 the embeddings, which are the output matrix, too, are of Q6_K."""
    writer = gguf.GGUFWriter(str(path), "qwen3")
    _say(writer, shape, quantisation)
    rng = np.random.default_rng(seed)
    pools = {kind: _blocks(kind, rng) for kind in (*TYPES.values(), Q6_K)}
    tensors = list(_tensors(shape, TYPES[quantisation]))
    for name, rows, kind in tensors:
        size = gguf.quants.quant_shape_to_byte_shape(rows, kind) if kind != F32 else rows
        count = int(np.prod(size)) * (4 if kind == F32 else 1)
        writer.add_tensor_info(name, size, np.dtype(np.float32 if kind == F32 else np.uint8), count, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for _, rows, kind in tensors:
        writer.write_tensor_data(np.ones(rows, np.float32) if kind == F32 else _repeated(pools[kind], rows, kind))
    writer.close()
    return path


def _say(writer: gguf.GGUFWriter, shape: Shape, quantisation: str) -> None:
    writer.add_name("random weights")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.ffn)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.key_dim)
    writer.add_value_length(shape.value_dim)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e6)
    writer.add_file_type(FILE_TYPES[quantisation])
    tokens = list(islice(_tokens(), shape.vocab))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    marks = {tokens.index(mark) for mark in SPECIAL}
    writer.add_token_types(
        [gguf.TokenType.CONTROL if i in marks else gguf.TokenType.NORMAL for i in range(shape.vocab)]
    )
    writer.add_token_merges(["t h", "e r"])
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_pad_token_id(tokens.index("<|endoftext|>"))
    writer.add_add_bos_token(False)
    writer.add_vocab_size(shape.vocab)
    writer.add_chat_template(TEMPLATE)


def _tokens() -> Iterator[str]:
    """GPT-2's letter for each byte, two pairs, the marks, and then words without end."""
    shown = {*range(33, 127), *range(161, 173), *range(174, 256)}
    hidden = iter(range(256, 512))
    yield from (chr(byte) if byte in shown else chr(next(hidden)) for byte in range(256))
    yield from ("th", "er", *SPECIAL)
    yield from (f"w{number}" for number in range(1 << 20))


def _tensors(
    shape: Shape, kind: gguf.GGMLQuantizationType
) -> Iterator[tuple[str, tuple[int, ...], gguf.GGMLQuantizationType]]:
    """(name, rows × columns, type), as Qwen3 has them; the embeddings are the output matrix."""
    queries, keys, values = (
        shape.heads * shape.key_dim,
        shape.kv_heads * shape.key_dim,
        shape.kv_heads * shape.value_dim,
    )
    yield "token_embd.weight", (shape.vocab, shape.width), Q6_K if kind == TYPES["Q4_0"] else kind
    yield "output_norm.weight", (shape.width,), F32
    for layer in range(shape.layers):
        for name, rows in (("attn_norm", shape.width), ("ffn_norm", shape.width)):
            yield f"blk.{layer}.{name}.weight", (rows,), F32
        for name in ("attn_q_norm", "attn_k_norm"):
            yield f"blk.{layer}.{name}.weight", (shape.key_dim,), F32
        for name, out, into in (
            ("attn_q", queries, shape.width),
            ("attn_k", keys, shape.width),
            ("attn_v", values, shape.width),
            ("attn_output", shape.width, shape.heads * shape.value_dim),
            ("ffn_gate", shape.ffn, shape.width),
            ("ffn_up", shape.ffn, shape.width),
            ("ffn_down", shape.width, shape.ffn),
        ):
            yield f"blk.{layer}.{name}.weight", (out, into), kind


def _blocks(kind: gguf.GGMLQuantizationType, rng: np.random.Generator) -> Bytes:
    """POOL random blocks whose values spread by SPREAD: uniform numbers, one scale."""
    _, width = gguf.GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (POOL, width), np.uint8)
    if kind == Q6_K:  # 6-bit numbers, 16 scales, one scale of them
        blocks[:, 192:208] = 8
        blocks[:, 208:] = _half(SPREAD / 18.5 / 8)
    else:
        blocks[:, :2] = _half(SPREAD / (4.6 if kind == TYPES["Q4_0"] else 73.9))
    return blocks


def _half(scale: float) -> Bytes:
    return np.array([scale], np.float16).view(np.uint8)


def _repeated(blocks: Bytes, rows: tuple[int, ...], kind: gguf.GGMLQuantizationType) -> Bytes:
    shape = gguf.quants.quant_shape_to_byte_shape(rows, kind)
    return np.resize(blocks.reshape(-1), int(np.prod(shape))).reshape(shape)
