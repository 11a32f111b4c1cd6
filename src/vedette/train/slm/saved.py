"""Checkpoints and results on the disk: safetensors, a manifest last, and nothing half-written that looks whole."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

import orjson
import torch
from safetensors.torch import load_file
from torch import Tensor

from vedette import manifest
from vedette.errors import ArtefactError
from vedette.train.slm import hf

STATE, WEIGHTS, OPTIMISER = "state.json", "weights.safetensors", "optimiser.safetensors"


@contextmanager
def folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which takes the place of `path` when it is filled. Raises OutputError."""
    filling = path.with_name(f".{path.name}.{token_hex(4)}.tmp")
    try:
        filling.mkdir(parents=True)
        yield filling
        if path.exists():
            old = path.with_name(f".{path.name}.{token_hex(4)}.old")
            path.rename(old)
            filling.rename(path)
            shutil.rmtree(old)
        else:
            filling.rename(path)
    except OSError as exc:
        raise manifest.output_error(path, exc) from exc
    finally:
        shutil.rmtree(filling, ignore_errors=True)


def files(path: Path) -> list[Path]:
    """All in a folder, for its manifest."""
    return sorted(one for one in path.rglob("*") if one.is_file())


def learned(model: Any) -> dict[str, Tensor]:
    """The weights that learn, by name, each once."""
    return {name: weights for name, weights in model.named_parameters() if weights.requires_grad}


def save(path: Path, model: Any, optimiser: torch.optim.Optimizer | None, state: Mapping[str, Any]) -> None:
    """`optimiser` None: weights alone."""
    weights = learned(model)
    with folder(path) as filling:
        hf.save({name: one.detach().contiguous() for name, one in weights.items()}, filling / WEIGHTS)
        if optimiser is not None:
            hf.save(_moments(weights, optimiser), filling / OPTIMISER)
        (filling / STATE).write_bytes(orjson.dumps(dict(state), option=orjson.OPT_INDENT_2))
        manifest.write(filling / manifest.FILE_NAME, outputs=files(filling))


def load(path: Path, model: Any, optimiser: torch.optim.Optimizer | None) -> dict[str, Any]:
    """What `save` kept. Raises ArtefactError where the folder is not whole, or of another model."""
    manifest.verify(path)
    weights = learned(model)
    kept = load_file(path / WEIGHTS)
    if kept.keys() != weights.keys() or any(kept[name].shape != weights[name].shape for name in kept):
        remedy = "give another --work folder, or remove this one"
        raise ArtefactError("of another model or recipe", where=str(path), remedy=remedy)
    with torch.no_grad():
        for name, one in weights.items():
            one.copy_(kept[name])
    if optimiser is not None:
        _put_back(weights, optimiser, load_file(path / OPTIMISER))
    found: dict[str, Any] = orjson.loads((path / STATE).read_bytes())
    return found


def checkpoints(work: Path) -> list[Path]:
    """From the oldest to the newest; unfinished ones are not among them."""
    return sorted(path for path in work.glob("step-*") if (path / manifest.FILE_NAME).is_file())


def latest(work: Path) -> Path | None:
    """The newest one that is what its manifest says."""
    for path in reversed(checkpoints(work)):
        try:
            manifest.verify(path)
        except ArtefactError:
            continue
        return path
    return None


def thin(work: Path, keep: int) -> None:
    for path in checkpoints(work)[:-keep]:
        (path / manifest.FILE_NAME).unlink(missing_ok=True)  # first: what is half gone is unfinished
        shutil.rmtree(path, ignore_errors=True)


def _moments(weights: Mapping[str, Tensor], optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    found = {}
    for name, one in weights.items():
        for key, value in optimiser.state[one].items():
            found[f"{key} {name}"] = value.detach().contiguous()
    return found


def _put_back(weights: Mapping[str, Tensor], optimiser: torch.optim.Optimizer, kept: Mapping[str, Tensor]) -> None:
    for place, value in kept.items():
        key, _, name = place.partition(" ")
        optimiser.state[weights[name]][key] = value.to(weights[name].device)  # fused: its step, too
