"""A model's folder as transformers saves it: what it is, and its tensors one at a time. The folder is untrusted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec

from vedette.errors import InputError
from vedette.manifest import output_error

if TYPE_CHECKING:
    from torch import Tensor

CONFIG, TOKENIZER, ONE, INDEX = "config.json", "tokenizer.json", "model.safetensors", "model.safetensors.index.json"
GENERATION = "generation_config.json"
WORDS = (  # of a tokenizer, and what is asked of it
    TOKENIZER, "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt",
    "chat_template.jinja",
)  # fmt: skip
MAX_JSON = 64 * 1024**2  # bytes
AGAIN = "fetch or save it again"
WHOLE = "give the folder of a model in safetensors, as transformers saves it"

T = TypeVar("T")
Count = Annotated[int, msgspec.Meta(gt=0)]


class Rope(msgspec.Struct, frozen=True):
    """Rotary positions, as `rope_parameters` has them since transformers 5, and `rope_scaling` before."""

    rope_type: str = "default"
    rope_theta: float = 10_000.0
    factor: float = 1.0
    original_max_position_embeddings: int | None = None
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    attention_factor: float | None = None
    beta_fast: float | None = None
    beta_slow: float | None = None
    partial_rotary_factor: float = 1.0


class About(msgspec.Struct, frozen=True):
    """Of `config.json`, what every language model says."""

    architectures: list[str] = []
    max_position_embeddings: int = 0
    eos_token_id: int | list[int] | None = None


class Config(msgspec.Struct, frozen=True):
    """Of `config.json`, what a dense decoder needs; other keys are left alone."""

    hidden_size: Count
    num_hidden_layers: Count
    num_attention_heads: Count
    intermediate_size: Count
    vocab_size: Count
    max_position_embeddings: Count
    num_key_value_heads: Count | None = None
    head_dim: Count | None = None
    hidden_act: str = "silu"
    rms_norm_eps: float = 1e-6
    tie_word_embeddings: bool = False
    use_sliding_window: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False
    rope_parameters: Rope | None = None
    rope_scaling: dict[str, Any] | None = None
    rope_theta: float | None = None
    quantization_config: dict[str, Any] | None = None

    @property
    def heads(self) -> tuple[int, int, int]:
        """Of queries, of keys and values; values of one."""
        of = self.num_attention_heads
        return of, self.num_key_value_heads or of, self.head_dim or self.hidden_size // of

    @property
    def rope(self) -> Rope:
        if self.rope_parameters is not None:
            return self.rope_parameters
        known = {**(self.rope_scaling or {})}
        known["rope_type"] = known.get("rope_type") or known.get("type") or "default"
        return msgspec.convert({"rope_theta": self.rope_theta or 10_000.0, **known}, Rope, strict=False)


@dataclass(frozen=True)
class Weights:
    """Tensors by name. Raises InputError where a file is missing or damaged."""

    folder: Path
    files: dict[str, str]  # name of a tensor → name of its file

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._opened(name).get_slice(name).get_shape())

    def dtype(self, name: str) -> str:
        """As safetensors writes it: BF16, F16, F32 …"""
        return str(self._opened(name).get_slice(name).get_dtype())

    def tensor(self, name: str) -> Tensor:
        found: Tensor = self._opened(name).get_tensor(name)
        return found

    def _opened(self, name: str) -> Any:
        try:
            return self.handles[self.files[name]]
        except KeyError:
            raise InputError(f"no tensor '{name}'", where=str(self.folder), remedy=WHOLE) from None

    @cached_property
    def handles(self) -> dict[str, Any]:
        return {file: opened(self.folder / file) for file in set(self.files.values())}


def about(folder: Path) -> About:
    """Of any model. Raises InputError."""
    return _converted(folder / CONFIG, About)


def config(folder: Path) -> Config:
    """Raises InputError for another kind of model than a decoder, and for quantised weights."""
    found = _converted(folder / CONFIG, Config)
    try:
        _ = found.rope  # an old `rope_scaling` is looked at here, too
    except msgspec.ValidationError as exc:
        raise InputError(f"rotary positions of another kind: {exc}", where=str(folder / CONFIG), remedy=WHOLE) from exc
    if found.quantization_config:
        what = f"its weights are quantised by {found.quantization_config.get('quant_method', 'another tool')}"
        raise InputError(what, where=str(folder / CONFIG), remedy="give the folder in bf16, as its publisher has it")
    return found


def weights(folder: Path) -> Weights:
    """Raises InputError where there are none, or a part is missing."""
    if (folder / INDEX).is_file():
        files = _index(folder / INDEX)
    elif (folder / ONE).is_file():
        files = dict.fromkeys(opened(folder / ONE).keys(), ONE)
    else:
        raise InputError("no weights in safetensors", where=str(folder), remedy=WHOLE)
    found = Weights(folder, files)
    there = {(name, file) for file, handle in found.handles.items() for name in handle.keys()}  # noqa: SIM118
    if missing := next((pair for pair in files.items() if pair not in there), None):
        raise InputError(f"no tensor '{missing[0]}' in '{missing[1]}'", where=str(folder), remedy=AGAIN)
    return found


def ends(folder: Path) -> list[int]:
    """Ids that end an answer, the usual one first."""
    path = folder / GENERATION
    known = json(path) if path.is_file() else {}
    found = (known.get("eos_token_id") if isinstance(known, dict) else None) or about(folder).eos_token_id
    return [one for one in (found if isinstance(found, list) else [found]) if isinstance(one, int)]


def inputs(folder: Path, before: str = "") -> dict[str, Path]:
    """What a model's folder is known by in manifests: configuration, tokenizer and weights, by name."""
    named = [folder / CONFIG, folder / TOKENIZER, *sorted(folder.glob("*.safetensors"))]
    return {before + path.name: path for path in named if path.is_file()}


def tokenizer(folder: Path) -> Any:
    """As transformers uses it. Raises InputError."""
    from transformers import AutoTokenizer

    if not (folder / TOKENIZER).is_file():
        raise InputError(f"no {TOKENIZER}", where=str(folder), remedy=WHOLE)
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as exc:  # tokenizers raises bare Exceptions for what it cannot read
        said = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        raise InputError(f"its tokenizer cannot be loaded: {said}", where=str(folder), remedy=WHOLE) from exc


def opened(path: Path) -> Any:
    """A file of tensors, of which nothing is read yet. Raises InputError."""
    from safetensors import SafetensorError, safe_open

    try:
        return safe_open(path, framework="pt")
    except (OSError, SafetensorError) as exc:
        raise InputError(f"no whole safetensors file: {exc}", where=str(path), remedy=AGAIN) from exc


def save(tensors: dict[str, Tensor], path: Path) -> None:
    """Raises OutputError, which safetensors has no name for."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file(tensors, path, {"format": "pt"})
    except SafetensorError as exc:
        number = re.search(r"\(os error (\d+)\)", str(exc))
        raise output_error(path, OSError(int(number[1]) if number else 0, str(exc))) from exc


def json(path: Path) -> Any:
    """Raises InputError."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_JSON + 1)
        if len(content) > MAX_JSON:
            raise InputError(f"more than {MAX_JSON:,} bytes", where=str(path), remedy=WHOLE)
        return msgspec.json.decode(content)
    except OSError as exc:
        raise InputError(f"cannot be read: {exc.strerror}", where=str(path), remedy=WHOLE) from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise InputError(f"no JSON: {exc}", where=str(path), remedy=AGAIN) from exc


def few(values: Iterable[str]) -> str:
    """The first of them, for a message."""
    some = sorted(values)
    return ", ".join(f"'{name}'" for name in some[:3]) + (f" and {len(some) - 3:,} more" if len(some) > 3 else "")


class _Index(msgspec.Struct):
    weight_map: dict[str, str]


def _index(path: Path) -> dict[str, str]:
    found = _converted(path, _Index).weight_map
    for file in set(found.values()):
        if Path(file).name != file or not file.endswith(".safetensors"):
            raise InputError(f"'{file}' is no file of weights", where=str(path), remedy="do not use this model")
    return found


def _converted(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.convert(json(path), kind, strict=False)
    except msgspec.ValidationError as exc:
        raise InputError(f"not what is known here: {exc}", where=str(path), remedy=WHOLE) from exc
