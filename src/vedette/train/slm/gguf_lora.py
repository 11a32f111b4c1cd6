"""An adapter as llama.cpp loads it beside a base, and as `vedette … --adapter` takes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vedette.errors import InputError
from vedette.train.slm import adapter as adapters
from vedette.train.slm import dense, gguf_file, hf
from vedette.train.slm.adapter import Adapter
from vedette.train.slm.dense import Decoder


def write(path: Path, adapter: Adapter, base: Decoder, about: tuple[str, str]) -> None:
    """`about`: name and licence. In 32 bits, as it was trained.

    Raises InputError where it changes what llama.cpp cannot add to, OutputError.
    """
    import gguf

    if adapter.whole:
        what = f"it replaces {hf.few(adapter.whole)}, and llama.cpp only adds"
        raise InputError(what, where=str(adapter.folder), remedy="merge it: vedette train merge")
    if dense.EMBEDDING in adapter.pairs:
        raise InputError("it changes the embeddings", where=str(adapter.folder), remedy=adapters.BY_PEFT)
    name_of = dense.Names(base)
    tensors = {}
    for name, pair in adapter.pairs.items():
        # llama.cpp adds alpha / rank · B·A, with one alpha for all
        b = pair.b.float() * (pair.scale * pair.rank / adapter.alpha)
        ours = name_of(name)
        tensors[f"{ours}.lora_a"] = np.ascontiguousarray(pair.a.float().numpy())
        tensors[f"{ours}.lora_b"] = np.ascontiguousarray(dense.arranged(b, name, base).numpy())
    keys: dict[str, str | float] = {
        gguf.Keys.General.TYPE: gguf.GGUFType.ADAPTER,
        gguf.Keys.General.NAME: about[0],
        gguf.Keys.General.LICENSE: about[1],
        gguf.Keys.Adapter.TYPE: "lora",
        gguf.Keys.Adapter.LORA_ALPHA: float(adapter.alpha),
    }
    gguf_file.write_tensors(path, base.kind, keys, tensors)
