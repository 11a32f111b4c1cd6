"""GGUF files as bytes, written here so that the tests need no library for it."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

Value = int | float | bool | str | Sequence[int] | Sequence[str]

TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
KEYS: dict[str, Value] = {
    "general.architecture": "qwen3",
    "general.name": "Tiny",
    "general.license": "apache-2.0",
    "general.file_type": 7,
    "qwen3.block_count": 2,
    "qwen3.context_length": 4096,
    "qwen3.embedding_length": 64,
    "qwen3.feed_forward_length": 96,
    "qwen3.attention.head_count": 4,
    "qwen3.attention.head_count_kv": 2,
    "qwen3.attention.key_length": 32,
    "qwen3.attention.value_length": 32,
    "qwen3.rope.freq_base": 1e6,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "qwen2",
    "tokenizer.ggml.add_bos_token": False,
    "tokenizer.ggml.tokens": ["a", "b", "<|im_end|>"],
    "tokenizer.ggml.token_type": [1, 1, 3],
    "tokenizer.chat_template": TEMPLATE,
}
TENSORS: dict[str, tuple[tuple[int, ...], int]] = {  # name → shape, ggml_type
    "token_embd.weight": ((64, 3), 8),
    "output_norm.weight": ((64,), 0),
    "blk.0.attn_q.weight": ((64, 128), 8),
}
BYTES = {0: (1, 4), 8: (32, 34)}


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def value(of: Value) -> bytes:
    """Its type and itself."""
    if isinstance(of, bool):
        return struct.pack("<I?", 7, of)
    if isinstance(of, int):
        return struct.pack("<II", 4, of)
    if isinstance(of, float):
        return struct.pack("<If", 6, of)
    if isinstance(of, str):
        return struct.pack("<I", 8) + text(of)
    words = [item for item in of if isinstance(item, str)]
    head = struct.pack("<IIQ", 9, 8 if words else 5, len(of))
    return head + (b"".join(map(text, words)) if words else struct.pack(f"<{len(of)}i", *of))


def gguf(
    keys: dict[str, Value] | None = None,
    tensors: dict[str, tuple[tuple[int, ...], int]] | None = None,
    *,
    version: int = 3,
    data: int | None = None,
) -> bytes:
    """A whole file; `data`: how many bytes of weights, those that are needed unless given."""
    keys, tensors = KEYS if keys is None else keys, TENSORS if tensors is None else tensors
    body, offset = b"", 0
    for name, (shape, kind) in tensors.items():
        body += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)
        values = 1
        for length in shape:
            values *= length
        block, width = BYTES[kind]
        offset += -(-(values // block * width) // 32) * 32
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(keys))
    head += b"".join(text(name) + value(of) for name, of in keys.items()) + body
    return head + bytes(-len(head) % 32) + bytes(offset if data is None else data)


def written(folder: Path, name: str = "tiny.gguf", content: bytes | None = None) -> Path:
    path = folder / name
    path.write_bytes(gguf() if content is None else content)
    return path
