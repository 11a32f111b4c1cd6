"""A small Qwen3 of seeded random weights, written as GGUF: it says nothing sensible, and says it fast."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MERGES = ("t h", "e r", "i n", "th e", "o n", "\u0120 a", "\u0120 t", "r e")
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
DIMS, WIDE, HEADS, KV_HEADS, HEAD, LAYERS = 64, 128, 4, 2, 16, 2


def write(path: Path, *, seed: int = 1, context: int = 32_768, template: str = TEMPLATE) -> Path:
    """A model whose tokens are bytes, a few pairs of them, and Qwen's three marks."""
    writer = gguf.GGUFWriter(str(path), "qwen3")
    writer.add_name("tiny")
    writer.add_context_length(context)
    writer.add_embedding_length(DIMS)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(WIDE)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_key_length(HEAD)
    writer.add_value_length(HEAD)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e6)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    count = _vocabulary(writer, template)
    for name, values in _tensors(count, seed).items():
        writer.add_tensor(name, values)
    _finish(writer)
    return path


def _vocabulary(writer: gguf.GGUFWriter, template: str) -> int:
    tokens = [*_byte_letters(), *("".join(pair.split(" ")) for pair in MERGES), *SPECIAL]
    kinds = [gguf.TokenType.NORMAL] * (len(tokens) - len(SPECIAL)) + [gguf.TokenType.CONTROL] * len(SPECIAL)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(list(MERGES))
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_pad_token_id(tokens.index("<|endoftext|>"))
    writer.add_add_bos_token(False)
    writer.add_vocab_size(len(tokens))
    writer.add_chat_template(template)
    return len(tokens)


def _byte_letters() -> list[str]:
    """GPT-2's letter for each byte: its own where it is printable, else one above 255."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in set(shown)]
    letters = dict(zip(shown, map(chr, shown), strict=True))
    letters |= {byte: chr(256 + place) for place, byte in enumerate(hidden)}
    return [letters[byte] for byte in range(256)]


def _tensors(vocabulary: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = {"token_embd": (vocabulary, DIMS), "output": (vocabulary, DIMS)}
    for layer in range(LAYERS):
        shapes |= {
            f"blk.{layer}.attn_q": (HEADS * HEAD, DIMS),
            f"blk.{layer}.attn_k": (KV_HEADS * HEAD, DIMS),
            f"blk.{layer}.attn_v": (KV_HEADS * HEAD, DIMS),
            f"blk.{layer}.attn_output": (DIMS, HEADS * HEAD),
            f"blk.{layer}.ffn_gate": (WIDE, DIMS),
            f"blk.{layer}.ffn_up": (WIDE, DIMS),
            f"blk.{layer}.ffn_down": (DIMS, WIDE),
        }
    found = {f"{name}.weight": rng.normal(0, 0.2, shape).astype(np.float32) for name, shape in shapes.items()}
    norms = {"output_norm": DIMS}
    for layer in range(LAYERS):
        norms |= {f"blk.{layer}.attn_norm": DIMS, f"blk.{layer}.ffn_norm": DIMS}
        norms |= {f"blk.{layer}.attn_q_norm": HEAD, f"blk.{layer}.attn_k_norm": HEAD}
    return found | {f"{name}.weight": np.ones(size, np.float32) for name, size in norms.items()}


def write_lora(path: Path, *, seed: int = 2, rank: int = 4) -> Path:
    """An adapter of random weights for the queries and values of `write`'s model."""
    writer = gguf.GGUFWriter(str(path), "qwen3")
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, 32.0)
    rng = np.random.default_rng(seed)
    for layer in range(LAYERS):
        for name, out in (("attn_q", HEADS * HEAD), ("attn_v", KV_HEADS * HEAD)):
            place = f"blk.{layer}.{name}.weight"
            writer.add_tensor(f"{place}.lora_a", rng.normal(0, 0.5, (rank, DIMS)).astype(np.float32))
            writer.add_tensor(f"{place}.lora_b", rng.normal(0, 0.5, (out, rank)).astype(np.float32))
    _finish(writer)
    return path


def _finish(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
