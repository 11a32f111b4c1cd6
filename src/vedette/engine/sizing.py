"""How much memory a model needs and how fast it would be, from its shape: computed, before anything is downloaded.

Memory follows what llama.cpp allocates (b11549, CPU, f16 cache, batches of 512 tokens, flash attention);
`bench/engine.py` compares it with what three shapes take. Speed follows from two measured numbers of the machine and
the factors below.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vedette.engine.gguf import Header, Shape
from vedette.engine.machine import Speed
from vedette.engine.quantisations import TYPES
from vedette.errors import ConfigError
from vedette.registry import near

UBATCH = 512  # tokens that llama.cpp computes at once
CELLS = 256  # the cache grows by so many tokens
HALF, SINGLE = 2, 4  # bytes
PROGRAM = 40 * 1024**2  # bytes of Python and llama.cpp without a model
TOKEN = 180  # bytes that a token of the vocabulary takes beside
HEADER = 6_000_000  # bytes of a file that are no weights: vocabulary and merges of 150,000 tokens

# llama.cpp packs these anew for AVX2, beside the file that stays mapped: needed twice until the system wants it back.
REWRITTEN = frozenset({"Q4_0", "Q4_K", "IQ4_NL", "MXFP4"})
ROWS = 8  # where their number divides by it

# Part of the copying bandwidth at which llama.cpp reads weights when it writes one answer, and part of the speed of
# float32 matrix products at which it reads a prompt. Fitted to bench/engine.py's runs: see docs/deployment.md.
READING = {"Q4_0": 0.4, "Q4_K": 0.4, "Q6_K": 0.4, "MXFP4": 0.4}
READING_OTHERS = 0.6
PROMPT = 0.5

EXPLANATION = (2_000, 250)  # tokens in and out of one alert's explanation

_BITS = {name: 8 * width / block for name, block, width in TYPES.values()}


@dataclass(frozen=True, slots=True)
class Part:
    """Matrices of one type."""

    type: str
    values: int
    used: float = 1.0  # part of it that one token needs
    looked_up: bool = False  # embeddings: a row is read, not the whole
    rewritten: bool = False

    @property
    def bytes(self) -> int:
        return int(self.values * _BITS[self.type] / 8)


@dataclass(frozen=True, slots=True)
class Weights:
    file: int  # bytes
    parts: tuple[Part, ...]

    @property
    def rewritten(self) -> int:
        return sum(part.bytes for part in self.parts if part.rewritten)


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes of memory."""

    weights: int  # the file, mapped
    rewritten: int
    cache: int
    compute: int
    program: int

    @property
    def resident(self) -> int:
        """What is seen in memory when all of the file is."""
        return self.weights + self.rewritten + self.cache + self.compute + self.program

    @property
    def least(self) -> int:
        """Without what the system can take back for nothing: what was mapped only to be rewritten."""
        return self.resident - self.rewritten

    @property
    def card(self) -> int:
        """On a graphics card, which rewrites nothing."""
        return self.weights + self.cache + self.compute


@dataclass(frozen=True, slots=True)
class Pace:
    """Tokens a second, and what follows from them."""

    prompt: float
    answer: float
    alerts: float  # an hour, one after the other
    together: float  # an hour, `parallel` at once


def of_header(header: Header) -> Weights:
    shape = header.shape
    share = shape.experts_used / shape.experts if shape.experts else 1.0
    parts = (
        Part(
            tensor.type,
            tensor.values,
            share if "_exps" in tensor.name else 1.0,
            tensor.name == "token_embd.weight" and not shape.tied,
            _packed(tensor.type, tensor.shape[1] if len(tensor.shape) > 1 else 1)
            and tensor.name != "token_embd.weight",
        )
        for tensor in header.tensors
        if len(tensor.shape) > 1
    )
    return Weights(header.bytes, tuple(parts))


def of_shape(shape: Shape, quantisation: str, file: int = 0) -> Weights:
    """As `llama-quantize` would make it; `file`: bytes, where they are known. Raises ConfigError for what is not."""
    known = {"Q4_0", "Q4_K_M", "Q8_0", "F16", "BF16", "MXFP4"}
    if quantisation not in known:
        raise ConfigError(f"the size of '{quantisation}' is not known", remedy=near(quantisation, known))
    parts = tuple(_planned(shape, quantisation))
    return Weights(file or sum(part.bytes for part in parts) + HEADER, parts)


def need(weights: Weights, shape: Shape, context: int, parallel: int = 1) -> Need:
    """`context`: tokens of each of the answers that run in parallel."""
    cells = _rounded(context)
    seen = min(cells, _rounded(shape.window + UBATCH)) if shape.windowed else 0
    layers = (shape.layers - shape.windowed) * cells + shape.windowed * seen
    experts = max(1, shape.experts_used)
    return Need(
        weights=weights.file,
        rewritten=weights.rewritten,
        cache=layers * shape.kv_heads * (shape.key_dim + shape.value_dim) * HALF * parallel,
        compute=UBATCH * (SINGLE * (5 * shape.width + 3 * shape.ffn * experts) + HALF * cells)
        + SINGLE * shape.vocab * parallel,
        program=PROGRAM + TOKEN * shape.vocab,
    )


def pace(
    weights: Weights, shape: Shape, speed: Speed, *, parallel: int = 1, tokens: tuple[int, int] = EXPLANATION
) -> Pace:
    into, out = tokens
    work = [part for part in weights.parts if not part.looked_up]
    reading = sum(part.bytes * part.used / READING.get(part.type, READING_OTHERS) for part in work)
    held = shape.layers * shape.kv_heads * (shape.key_dim + shape.value_dim) * HALF * (into + out / 2)
    answer = speed.bandwidth / (reading + held)
    values = sum(part.values * part.used for part in work) - shape.vocab * shape.width  # of which only the last row
    prompt = PROMPT * speed.flops / (2 * values)
    together = max(answer, min(parallel * answer, prompt))
    alone, batch = (3_600 / (into / prompt + out / rate) for rate in (answer, together))
    return Pace(prompt, answer, alone, batch)


def _planned(shape: Shape, quantisation: str) -> Iterator[Part]:
    embedding = shape.vocab * shape.width
    base = {"Q4_K_M": "Q4_K", "MXFP4": "Q8_0"}.get(quantisation, quantisation)
    output = "Q6_K" if quantisation in ("Q4_0", "Q4_K_M") else base
    yield Part(output if shape.tied else base, embedding, looked_up=not shape.tied)
    if not shape.tied:
        yield Part(output, embedding)
    experts, used = max(1, shape.experts), shape.experts_used / shape.experts if shape.experts else 1.0
    queries = shape.width * shape.heads * shape.key_dim
    keys, values = (shape.width * shape.kv_heads * dim for dim in (shape.key_dim, shape.value_dim))
    wide = shape.width * shape.ffn * experts
    inner = "MXFP4" if quantisation == "MXFP4" else base
    better = [_more_bits(layer, shape.layers) for layer in range(shape.layers)] if quantisation == "Q4_K_M" else []
    finer = sum(better)
    rest = shape.layers - finer
    yield from _parts(base, shape.layers * (2 * queries + keys) + rest * values)
    yield from _parts(inner, shape.layers * 2 * wide + rest * wide, used)
    yield from _parts("Q6_K", finer * values)
    yield from _parts("Q6_K", finer * wide, used)


def _parts(kind: str, values: int, used: float = 1.0) -> Iterable[Part]:
    return [Part(kind, values, used, rewritten=_packed(kind, ROWS))] if values else []


def _more_bits(layer: int, layers: int) -> bool:
    """Where Q4_K_M gives the values and the way down six bits (llama-quant.cpp)."""
    eighth = layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2


def _packed(kind: str, rows: int) -> bool:
    return kind in REWRITTEN and rows % ROWS == 0


def _rounded(tokens: int) -> int:
    return -(-tokens // CELLS) * CELLS
