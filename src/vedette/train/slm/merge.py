"""An adapter and its base become one model: a folder as transformers saves it, in the base's own precision.

W + scale · B·A is computed in 32 bits and rounded once, a tensor at a time, so that the memory for a part is enough.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from vedette import manifest
from vedette.errors import InputError
from vedette.train.slm import adapter as adapters
from vedette.train.slm import fresh, hf
from vedette.train.slm.adapter import Adapter

if TYPE_CHECKING:
    from torch import Tensor

PART = 4 * 1000**3  # bytes of a file of weights
BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}  # of a value
CARRIED = ("recipe.toml", "card.md")  # of what was trained; PEFT's README.md names the folder of the base
TERMS = ("LICENSE", "NOTICE")  # of the base


@dataclass(frozen=True, slots=True)
class Merged:
    folder: Path
    tensors: int
    changed: int
    known: str  # how the base is known to be the adapter's: sha256, configuration, name, assumed


def merge(adapter: Path, base: Path, out: Path, *, assume_base: bool = False) -> Merged:
    """Raises InputError, ArtefactError for an adapter of another base, ConfigError, OutputError."""
    added = adapters.read(adapter)
    config, weights = hf.config(base), hf.weights(base)
    adapters.fits(added, base, weights, config.tie_word_embeddings)
    known = adapters.same_base(added, base, assume_base)
    words = adapter if (adapter / hf.TOKENIZER).is_file() else base
    ends = _ends(words, base, config.vocab_size)
    with fresh.folder(out) as filling:
        _weights(filling, added, weights)
        _beside(filling, adapter, base, words, ends)
        fresh.placeless(filling, (adapter, base, out))
        _manifest(filling, added, base, len(weights.files))
    return Merged(out, len(weights.files), len(added.pairs) + len(added.whole), known)


def _ends(words: Path, base: Path, rows: int) -> list[int]:
    """What ends an answer from now on: the end that was trained, and the base's own."""
    tokenizer = hf.tokenizer(words)
    if len(tokenizer) > rows:
        what = f"its tokenizer has {len(tokenizer):,} tokens, and the base's embeddings {rows:,} rows"
        raise InputError(what, where=str(words), remedy=adapters.BY_PEFT)
    known = [tokenizer.eos_token_id, *hf.ends(base)]
    return [one for one in dict.fromkeys(known) if one is not None]


def _weights(filling: Path, added: Adapter, weights: hf.Weights) -> None:
    parts = _parts(weights)
    files: dict[str, str] = {}
    for number, names in enumerate(parts, 1):
        file = hf.ONE if len(parts) == 1 else f"model-{number:05}-of-{len(parts):05}.safetensors"
        hf.save({name: _merged(name, added, weights) for name in names}, filling / file)
        files |= dict.fromkeys(names, file)
    if len(parts) > 1:
        size = sum((filling / file).stat().st_size for file in set(files.values()))
        index = {"metadata": {"total_size": size}, "weight_map": files}
        (filling / hf.INDEX).write_bytes(orjson.dumps(index, option=orjson.OPT_INDENT_2))


def _merged(name: str, added: Adapter, weights: hf.Weights) -> Tensor:
    before = weights.tensor(name)
    if name in added.whole:
        return added.whole[name].to(before.dtype).contiguous()
    if pair := added.pairs.get(name):
        found = (before.float() + pair.added).to(before.dtype).contiguous()
        if not found.isfinite().all():
            what = f"'{name}' does not fit {weights.dtype(name)} once it is merged"
            raise InputError(what, where=str(added.folder), remedy="use a base in bf16")
        return found
    return before.contiguous()


def _parts(weights: hf.Weights) -> list[list[str]]:
    """Names of tensors, in files of `PART` at most."""
    parts: list[list[str]] = []
    room = 0
    for name in weights.files:
        size = BYTES.get(weights.dtype(name), 8)
        for length in weights.shape(name):
            size *= length
        if size > room:
            parts.append([])
            room = PART
        parts[-1].append(name)
        room -= size
    return parts


def _beside(filling: Path, adapter: Path, base: Path, words: Path, ends: list[int]) -> None:
    told = _without_paths(hf.json(base / hf.CONFIG))
    generation = hf.json(base / hf.GENERATION) if (base / hf.GENERATION).is_file() else {}
    generation["eos_token_id"] = ends if len(ends) != 1 else ends[0]
    for name, content in ((hf.CONFIG, told), (hf.GENERATION, generation)):
        (filling / name).write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    carried = {name: words / name for name in hf.WORDS}
    carried |= {name: adapter / name for name in CARRIED}
    carried |= {name: base / name for name in TERMS}
    for name, path in carried.items():
        if path.is_file():
            shutil.copyfile(path, filling / name)


def _without_paths(told: Any) -> Any:
    """Where a base lay on somebody's machine is nobody else's business."""
    return {key: value for key, value in told.items() if key != "_name_or_path"}


def _manifest(filling: Path, added: Adapter, base: Path, tensors: int) -> None:
    import safetensors
    import torch

    manifest.write(
        filling / manifest.FILE_NAME,
        inputs={**hf.inputs(base, adapters.BEFORE), **_inputs(added.folder)},
        outputs=[path for path in filling.rglob("*") if path.is_file()],
        versions={"torch": torch.__version__, "safetensors": safetensors.__version__},
        counts={"tensors": tensors, "changed": len(added.pairs) + len(added.whole)},
    )


def _inputs(adapter: Path) -> dict[str, Path]:
    named = [adapters.CONFIG, adapters.WEIGHTS, manifest.FILE_NAME]
    return {f"adapter/{name}": adapter / name for name in named if (adapter / name).is_file()}
