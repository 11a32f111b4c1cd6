"""The header of a GGUF file: what a model is, before anything loads it. The file is untrusted.

Format: ggml's docs/gguf.md, versions 2 and 3, little-endian. Weights are never read. Every count and length is looked
at before memory is taken for it, so that a crafted file costs no more than the bytes that it has.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from pydantic import Field

from vedette.config import Settings
from vedette.engine.quantisations import FILE_TYPES, TYPES
from vedette.errors import InputError

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MAX_KEYS = 4_096
MAX_TENSORS = 65_536
MAX_NAME = 256  # bytes of a key or of a tensor's name; ggml allows 64 for the latter
MAX_TEXT = 4 * 1024**2  # bytes of one string
MAX_ITEMS = 4_000_000  # of one array: vocabularies have up to 262,144 entries, and twice as many merges
MAX_HEADER = 256 * 1024**2  # bytes of the whole header
MAX_PARAMETERS = 2**50
REMEDY = "fetch it again, or convert the model anew"

ALTERNATING = {"gpt-oss"}  # every other layer has a sliding window; other families are counted as if none had

_TEXT, _ARRAY = 8, 9
_SCALARS = {0: "B", 1: "b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "?", 10: "<Q", 11: "<q", 12: "<d"}

Scalar = int | float | bool | str


@dataclass(frozen=True, slots=True)
class Tensor:
    name: str
    shape: tuple[int, ...]  # innermost first, as GGUF has it
    type: str
    offset: int  # bytes from the start of the data
    bytes: int

    @property
    def values(self) -> int:
        return _product(self.shape)


class Shape(Settings):
    """What memory and speed are computed from. 0 where the file does not say."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    key_dim: int = Field(description="of one head")
    value_dim: int = Field(description="of one head")
    ffn: int
    vocab: int
    experts: int = 0
    experts_used: int = Field(default=0, description="for each token")
    window: int = Field(default=0, description="tokens that a layer with a sliding window sees")
    windowed: int = Field(default=0, description="layers with such a window")
    tied: bool = Field(default=False, description="the embeddings are the output matrix, too")


@dataclass(frozen=True, slots=True)
class Header:
    path: Path
    bytes: int  # of the file
    version: int
    architecture: str
    name: str
    licence: str
    quantisation: str
    context: int  # tokens it was trained on
    shape: Shape
    tokenizer: str
    template: str  # Jinja; "" where there is none
    tensors: tuple[Tensor, ...]
    type: str = ""  # "adapter" for one that needs its model

    @property
    def parameters(self) -> int:
        return sum(tensor.values for tensor in self.tensors)

    @property
    def template_sha256(self) -> str:
        """ "" where there is no template."""
        return sha256(self.template.encode()).hexdigest() if self.template else ""


def read(path: Path | str) -> Header:
    """Raises InputError that names the file and says what is wrong with it."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            return _Reader(file, path, size).header()
    except OSError as exc:
        raise InputError(f"cannot be read: {exc.strerror or exc}", where=str(path), remedy="check the path") from exc


class _Reader:
    def __init__(self, file: BinaryIO, path: Path, size: int) -> None:
        self.file, self.path, self.size, self.at = file, path, size, 0

    def header(self) -> Header:
        version = self._start()
        tensors, keys = self._number("<Q"), self._number("<Q")
        self._limit(tensors, MAX_TENSORS, "tensors")
        self._limit(keys, MAX_KEYS, "keys")
        known, lengths = self._keys(keys)
        infos = self._tensors(tensors)
        self._whole(infos, _whole_number(known.get("general.alignment"), 32))
        return _header(self.path, self.size, version, known, lengths, infos)

    def _start(self) -> int:
        magic = self._take(4, "no GGUF file")
        if magic != MAGIC:
            raise self._wrong("no GGUF file", "give a model as llama.cpp reads it")
        version = self._number("<I")
        if version not in VERSIONS:
            swapped = int.from_bytes(version.to_bytes(4, "little"), "big") in VERSIONS
            what = "big-endian" if swapped else f"of GGUF version {version}"
            raise self._wrong(f"{what}, and versions 2 and 3, little-endian, are read", "convert the model anew")
        return version

    def _keys(self, count: int) -> tuple[dict[str, Scalar], dict[str, int]]:
        """Scalars by key; of arrays, their lengths, and the first number where they hold numbers."""
        known: dict[str, Scalar] = {}
        lengths: dict[str, int] = {}
        for _ in range(count):
            key = self._text(MAX_NAME, "a key")
            if key in known or key in lengths:
                raise self._wrong(f"the key '{key}' is there twice")
            kind = self._number("<I")
            if kind == _ARRAY:
                lengths[key], first = self._array(key)
                if first is not None:
                    known[key] = first
            else:
                known[key] = self._value(kind, key)
        return known, lengths

    def _value(self, kind: int, key: str) -> Scalar:
        if kind == _TEXT:
            return self._text(MAX_TEXT, key)
        if kind not in _SCALARS:
            raise self._wrong(f"'{key}' is of the unknown type {kind}")
        return self._number(_SCALARS[kind])

    def _array(self, key: str) -> tuple[int, Scalar | None]:
        kind, count = self._number("<I"), self._number("<Q")
        self._limit(count, MAX_ITEMS, f"values in '{key}'")
        if kind == _TEXT:
            for _ in range(count):
                self._skip(self._number("<Q"), key)
            return count, None
        if kind not in _SCALARS:
            raise self._wrong(f"'{key}' is an array of the unknown type {kind}")
        width = struct.calcsize(_SCALARS[kind])
        first = self._number(_SCALARS[kind]) if count else None
        self._skip(max(count - 1, 0) * width, key)
        return count, first

    def _tensors(self, count: int) -> tuple[Tensor, ...]:
        tensors = [self._tensor() for _ in range(count)]
        if len({tensor.name for tensor in tensors}) < count:
            raise self._wrong("a tensor is there twice")
        return tuple(tensors)

    def _tensor(self) -> Tensor:
        name = self._text(MAX_NAME, "a tensor's name")
        dimensions = self._number("<I")
        self._limit(dimensions, 4, f"dimensions in '{name}'")
        shape = tuple(self._number("<Q") for _ in range(dimensions))
        kind, offset = self._number("<I"), self._number("<Q")
        values = _product(shape)
        self._limit(values, MAX_PARAMETERS, f"values in '{name}'")
        if kind not in TYPES:
            raise self._wrong(f"'{name}' has the unknown type {kind}", "a newer Vedette may know it")
        type_, block, width = TYPES[kind]
        if (shape[0] if shape else 1) % block:
            raise self._wrong(f"'{name}' has rows of {shape[0]:,} values, and {type_} needs a multiple of {block}")
        return Tensor(name, shape, type_, offset, values // block * width)

    def _whole(self, tensors: tuple[Tensor, ...], alignment: int) -> None:
        if not 1 <= alignment <= 1 << 20 or alignment & (alignment - 1):
            raise self._wrong(f"its alignment {alignment} is no power of two")
        start = -(-self.at // alignment) * alignment
        for tensor in tensors:
            end = start + tensor.offset + tensor.bytes
            if end > self.size:
                what = f"cut off: '{tensor.name}' ends at byte {end:,}, and the file has {self.size:,}"
                raise self._wrong(what)

    def _text(self, limit: int, what: str) -> str:
        length = self._number("<Q")
        self._limit(length, limit, f"bytes in {what!r}")
        try:
            return self._take(length).decode()
        except UnicodeDecodeError as exc:
            raise self._wrong(f"{what!r} is no UTF-8") from exc

    def _number(self, form: str) -> int:
        value: int = struct.unpack(form, self._take(struct.calcsize(form)))[0]
        return value

    def _skip(self, count: int, key: str) -> None:
        if count > self.size - self.at:
            raise self._wrong(f"cut off in '{key}'")
        self._advance(count)
        self.file.seek(count, 1)

    def _take(self, count: int, short: str = "") -> bytes:
        self._advance(count)
        piece = self.file.read(count)
        if len(piece) < count:
            raise self._wrong(short or f"cut off after {self.size:,} bytes, in its header")
        return piece

    def _advance(self, count: int) -> None:
        self.at += count
        if self.at > MAX_HEADER:
            raise self._wrong(f"its header has more than {MAX_HEADER:,} bytes")

    def _limit(self, count: int, most: int, of: str) -> None:
        if not 0 <= count <= most:
            raise self._wrong(f"{count:,} {of}, and {most:,} are the most")

    def _wrong(self, what: str, remedy: str = REMEDY) -> InputError:
        return InputError(what, where=str(self.path), remedy=remedy)


def _header(
    path: Path, size: int, version: int, known: dict[str, Scalar], lengths: dict[str, int], tensors: tuple[Tensor, ...]
) -> Header:
    architecture = _words(known, "general.architecture")
    if not architecture:
        raise InputError("it does not say its architecture", where=str(path), remedy=REMEDY)
    if _whole_number(known.get("split.count")) > 1:
        what, remedy = (
            "one part of several",
            "join them with llama.cpp's `llama-gguf-split --merge` and give the result",
        )
        raise InputError(what, where=str(path), remedy=remedy)
    return Header(
        path=path,
        bytes=size,
        version=version,
        architecture=architecture,
        name=_words(known, "general.name"),
        licence=_words(known, "general.license"),
        quantisation=_quantisation(known, tensors),
        context=_whole_number(known.get(f"{architecture}.context_length")),
        shape=_shape(architecture, known, lengths, tensors),
        tokenizer=" ".join(filter(None, (_words(known, "tokenizer.ggml.model"), _words(known, "tokenizer.ggml.pre")))),
        template=_words(known, "tokenizer.chat_template"),
        tensors=tensors,
        type=_words(known, "general.type"),
    )


def _shape(architecture: str, known: dict[str, Scalar], lengths: dict[str, int], tensors: tuple[Tensor, ...]) -> Shape:
    number: Callable[[str], int] = lambda key: _whole_number(known.get(f"{architecture}.{key}"))  # noqa: E731
    width, heads = number("embedding_length"), number("attention.head_count")
    head = width // heads if heads else 0
    embedding = next((t.shape[1] for t in tensors if t.name == "token_embd.weight" and len(t.shape) == 2), 0)
    return Shape(
        layers=number("block_count"),
        width=width,
        heads=heads,
        kv_heads=number("attention.head_count_kv") or heads,
        key_dim=number("attention.key_length") or head,
        value_dim=number("attention.value_length") or head,
        ffn=number("expert_feed_forward_length") or number("feed_forward_length"),
        vocab=embedding or lengths.get("tokenizer.ggml.tokens", 0),
        experts=number("expert_count"),
        experts_used=number("expert_used_count"),
        window=number("attention.sliding_window"),
        windowed=number("block_count") // 2 if architecture in ALTERNATING else 0,
        tied=all(tensor.name != "output.weight" for tensor in tensors),
    )


def _quantisation(known: dict[str, Scalar], tensors: tuple[Tensor, ...]) -> str:
    """As the file says it; else the type that most bytes have."""
    stated = FILE_TYPES.get(_whole_number(known.get("general.file_type"), -1))
    if stated:
        return stated
    bytes_of: dict[str, int] = {}
    for tensor in tensors:
        bytes_of[tensor.type] = bytes_of.get(tensor.type, 0) + tensor.bytes
    return max(bytes_of, key=lambda name: bytes_of[name], default="")


def _words(known: dict[str, Scalar], key: str) -> str:
    value = known.get(key, "")
    return value if isinstance(value, str) else ""


def _whole_number(value: Scalar | None, default: int = 0) -> int:
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**40
    return int(value) if fits and value is not None else default


def _product(shape: tuple[int, ...]) -> int:
    values = 1
    for length in shape:
        values *= length
    return values
