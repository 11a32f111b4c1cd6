"""Rows that a very small model can learn in seconds, and recipes of toy size."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from random import Random
from typing import Any

WORDS = {"overflow": "CWE-787", "injection": "CWE-89", "traversal": "CWE-22", "script": "CWE-79"}
NOISE = ("router", "portal", "plugin", "server", "printer", "camera", "library", "kernel", "gateway", "browser")

RECIPE = """
name = "toy"
seed = 7

[base.shape]
layers = 2
width = 32
heads = 2
kv_heads = 1
head = 16
ffn = 64
vocab = 400
context = 512

[data]
longest = 128
curriculum = false

[sft]
epochs = 2
rate = 5e-3
batch = 512
micro = 256
precision = "float32"
measure = 5
save = 3
"""


def row(number: int, rng: Random) -> dict[str, Any]:
    word, uid = rng.choice(sorted(WORDS.items()))
    asked = f"Which weakness? {rng.choice(NOISE)} {word} {rng.choice(NOISE)} number {number}"
    return {
        "messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": f"Answer: {uid}"}],
        "id": f"{number:016x}", "task": "toy/weakness", "kind": "closed-book", "difficulty": 1, "final": uid,
        "objects": [f"o{number}"], "sources": ["made"], "wording": "toy.v1#0", "licence": "Apache-2.0",
    }  # fmt: skip


def folder(path: Path, train: int = 120, dev: int = 16, seed: int = 1) -> Path:
    rng = Random(seed)
    write(path / "train.jsonl", (row(n, rng) for n in range(train)))
    write(path / "dev.jsonl", (row(10_000 + n, rng) for n in range(dev)))
    return path


def write(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def recipe(path: Path, *changes: tuple[str, str], more: str = "") -> Path:
    """The toy recipe with lines replaced; each has to be there."""
    text = RECIPE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + more)
    return path


def curve(work: Path) -> list[dict[str, Any]]:
    """Events, without what differs between two runs of the same."""
    varying = ("seconds", "tokens_per_second", "memory", "time")
    events = [json.loads(line) for line in (work / "curve.jsonl").read_text().splitlines()]
    return [{key: value for key, value in one.items() if key not in varying} for one in events]
