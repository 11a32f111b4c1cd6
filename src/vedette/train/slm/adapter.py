"""A LoRA adapter as PEFT saves it: what it adds to which tensor, and which base it was made for. It is untrusted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from vedette import manifest
from vedette.errors import ArtefactError, InputError
from vedette.train.slm import dense, hf

if TYPE_CHECKING:
    from torch import Tensor

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
BEFORE = "base/"  # in the names of a manifest's inputs: the files of the base that an adapter was trained on
ASSUME = "give the folder of its base, or --assume-base where you know that this is it"
BY_PEFT = "merge it by PEFT's merge_and_unload, and export the result"
_TRUNK, _A, _B = "base_model.model.", ".lora_A.weight", ".lora_B.weight"


class _Config(msgspec.Struct, frozen=True):
    r: Annotated[int, msgspec.Meta(gt=0)]
    lora_alpha: Annotated[float, msgspec.Meta(gt=0)]
    peft_type: str = ""
    base_model_name_or_path: str | None = ""
    use_rslora: bool = False
    use_dora: bool = False
    fan_in_fan_out: bool = False
    alpha_pattern: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Pair:
    """What is added to a matrix: scale · B·A."""

    a: Tensor  # (rank, in)
    b: Tensor  # (out, rank)
    scale: float

    @property
    def rank(self) -> int:
        return len(self.a)

    @property
    def added(self) -> Tensor:
        return self.scale * (self.b.float() @ self.a.float())


@dataclass(frozen=True, slots=True)
class Adapter:
    folder: Path
    base: str  # as PEFT names it: a name, or the path that it was loaded from
    alpha: float
    pairs: dict[str, Pair]  # by the base's name of the tensor
    whole: dict[str, Tensor]  # which take the place of the base's


def read(folder: Path) -> Adapter:
    """Raises InputError for what is no LoRA adapter of a kind that is known here, ArtefactError."""
    if not (folder / CONFIG).is_file():
        raise InputError(f"no adapter: it has no {CONFIG}", where=str(folder), remedy="give the folder that PEFT saved")
    if not (folder / WEIGHTS).is_file():
        remedy = "save it in safetensors; pickled weights are not opened here"
        raise InputError(f"no {WEIGHTS}", where=str(folder), remedy=remedy)
    if (folder / manifest.FILE_NAME).is_file():
        manifest.verify(folder)
    told = _config(folder / CONFIG)
    handle = hf.opened(folder / WEIGHTS)
    tensors = {name.removeprefix(_TRUNK): handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    pairs = {name.removesuffix(_A): tensor for name, tensor in tensors.items() if name.endswith(_A)}
    return Adapter(
        folder,
        told.base_model_name_or_path or "",
        told.lora_alpha,
        {f"{name}.weight": _pair(name, a, tensors, told, folder) for name, a in pairs.items()},
        {name: tensor for name, tensor in tensors.items() if not name.endswith((_A, _B))},
    )


def fits(adapter: Adapter, base: Path, weights: hf.Weights, tied: bool) -> None:
    """Is there a place for each of its tensors? Raises InputError."""
    wanted = {name: (len(pair.b), pair.a.shape[1]) for name, pair in adapter.pairs.items()}
    wanted |= {name: tuple(tensor.shape) for name, tensor in adapter.whole.items()}
    if not wanted:
        raise InputError("it adds nothing", where=str(adapter.folder / WEIGHTS), remedy=hf.AGAIN)
    for name, shape in wanted.items():
        if name not in weights.files:
            what = f"it changes '{name}', which the base does not have"
            raise InputError(what, where=str(adapter.folder), remedy=f"is '{base.name}' its base? Else: {BY_PEFT}")
        if shape != weights.shape(name):
            what = f"'{name}' is made for {shape}, and the base has {weights.shape(name)}"
            raise InputError(what, where=str(adapter.folder), remedy=f"'{base.name}' is not its base")
    if tied and (both := {dense.EMBEDDING, dense.OUTPUT} & wanted.keys()):
        what = f"it changes '{both.pop()}', and the base has one matrix for embeddings and output"
        raise InputError(what, where=str(adapter.folder), remedy="train it on other modules")


def same_base(adapter: Adapter, base: Path, assume: bool = False) -> str:
    """How it is known: "sha256" of the weights or of the manifest that names them, "configuration", "name", "assumed".

    Raises ArtefactError where it is another base, or not known.
    """
    path = adapter.folder / manifest.FILE_NAME
    inputs = manifest.read(path).inputs if path.is_file() else {}
    stated = {name.removeprefix(BEFORE): digest for name, digest in inputs.items() if name.startswith(BEFORE)}
    if assume:
        return "assumed"
    if stated:
        _same_files(adapter, base, stated)
        pinned = any(one == manifest.FILE_NAME or one.endswith(".safetensors") for one in stated)
        return "sha256" if pinned else "configuration"
    name = PurePath(adapter.base.replace("\\", "/")).name
    if not name:
        raise ArtefactError("it does not say which base it was made for", where=str(adapter.folder), remedy=ASSUME)
    if not any(part == name or part.endswith(f"--{name}") for part in base.absolute().parts[-3:]):
        what = f"made for '{adapter.base}', and the base's folder is '{base.name}'"
        raise ArtefactError(what, where=str(adapter.folder), remedy=ASSUME)
    return "name"


def _same_files(adapter: Adapter, base: Path, stated: dict[str, str]) -> None:
    for name, expected in stated.items():
        path = base / PurePath(name).name
        actual = manifest.sha256_file(path) if path.is_file() else ""
        if name != hf.TOKENIZER and actual != expected:
            said = f"sha256 {actual[:12]}…" if actual else "not there"
            what = f"made for another base: '{path.name}' is {said}, expected {expected[:12]}…"
            raise ArtefactError(what, where=str(adapter.folder), remedy=ASSUME)


def _config(path: Path) -> _Config:
    try:
        told = msgspec.convert(hf.json(path), _Config, strict=False)
    except msgspec.ValidationError as exc:
        raise InputError(f"no LoRA adapter: {exc}", where=str(path), remedy=hf.AGAIN) from exc
    odd = {
        f"of the type {told.peft_type or '?'}, not LORA": told.peft_type != "LORA",
        "a DoRA adapter": told.use_dora,
        "an adapter with an alpha of its own for some modules": bool(told.alpha_pattern),
        "an adapter of matrices that lie the other way round": told.fan_in_fan_out,
    }
    if wrong := [what for what, there in odd.items() if there]:
        raise InputError(wrong[0], where=str(path), remedy=BY_PEFT)
    return told


def _pair(name: str, a: Tensor, tensors: dict[str, Tensor], told: _Config, folder: Path) -> Pair:
    b = tensors.get(name + _B)
    if b is None or a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[1] or not len(a):
        raise InputError(f"no whole pair of matrices for '{name}'", where=str(folder / WEIGHTS), remedy=hf.AGAIN)
    if not (a.isfinite().all() and b.isfinite().all()):
        what = f"what it adds to '{name}' holds values that are no numbers"
        raise InputError(what, where=str(folder / WEIGHTS), remedy="the training went wrong: use an earlier checkpoint")
    return Pair(a, b, told.lora_alpha / (len(a) ** 0.5 if told.use_rslora else len(a)))
