"""How much memory a training needs and how many operations, from the model's shape: before anything is loaded.

Memory is what PyTorch keeps for the backward pass of transformers' modules in eager mode, written out tensor by tensor;
`bench/train_memory.py` compares it with what is kept. `docs/training.md` explains each line. Attention is computed
within each text of a pack by a kernel that keeps no scores; only gpt-oss's (its sinks need them) grow with the square.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vedette.engine.gguf import Shape
from vedette.errors import ConfigError
from vedette.train.slm.bases import Architecture, active, count
from vedette.train.slm.recipe import Method

HALF, SINGLE = 2, 4  # bytes
ADAMW = 2 * SINGLE  # two moments of a parameter
NF4 = 4 / 8 + 1 / 64 + SINGLE / (64 * 256)  # bytes: a block of 64 has a scale of one byte, 256 scales one of their own
LOGITS = 3 * SINGLE  # of an answer token and entry of the vocabulary: log-softmax, its gradient, that of the logits
CHUNK = 8_192  # answer tokens whose logits are held at once
SCORES = 2 * HALF  # of a head and pair of tokens, while their softmax goes forward or backward
MODULES = {"all-linear": 7, "attention": 4}  # matrices of a layer that get adapters


@dataclass(frozen=True, slots=True)
class Setting:
    """What memory and speed depend on beside the model. Tokens, and shares of them."""

    method: Method
    micro: int
    answers: float = 1.0  # most that are answers, of `micro`
    bf16: bool = True  # matrix products, else float32
    checkpointing: bool = False
    rank: int = 16
    targets: Literal["all-linear", "attention"] = "all-linear"
    dropout: bool = False
    processes: int = 1
    reference: bool = False  # a second model that does not learn
    generated: int = 0  # tokens of all answers that are written at once, prompts included


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes on one card, of what is there at the same time and of what takes turns."""

    weights: int
    gradients: int
    optimiser: int
    activations: int  # kept from forward to backward
    head: int  # logits of the answers with their gradients; bf16 copies of the weights that learn
    layer: int  # what the backward pass of one layer takes beside: after the head
    cache: int  # keys and values of answers that are written: before gradients and activations
    program: int

    @property
    def total(self) -> int:
        learning = self.gradients + self.activations + max(self.head, self.layer)
        return self.weights + self.optimiser + max(learning, self.cache) + self.program


def memory(model: Architecture, setting: Setting, program: int = 0) -> Memory:
    """Where it is highest, with the gradients of the pack before. Raises ConfigError for what cannot be trained."""
    _trainable(model, setting.method)
    learned, copied = trained(model, setting), copies(model, setting)
    layer = _passing(model, setting) + (_layer(model, setting) if setting.checkpointing else 0)
    asked = min(int(setting.micro * setting.answers), CHUNK)
    return Memory(
        weights=_weights(model, setting) + (HALF * count(model).total if setting.reference else 0),
        gradients=SINGLE * learned * (2 if setting.processes > 1 else 1),  # and what is sent to the others
        optimiser=ADAMW * learned,
        activations=activations(model, setting),
        head=copied + LOGITS * model.shape.vocab * asked,
        layer=copied + setting.micro * layer,
        cache=HALF * model.shape.layers * _keys(model.shape) * 2 * setting.generated,
        program=program,
    )


def trained(model: Architecture, setting: Setting) -> int:
    """Parameters that learn."""
    if setting.method is Method.FULL:
        return count(model).total
    shape = model.shape
    queries = shape.heads * shape.key_dim
    sides = 2 * (shape.width + queries) + 2 * (shape.width + _keys(shape))
    if _adapts_inner(model, setting):
        sides += 3 * (shape.width + shape.ffn)
    return shape.layers * setting.rank * sides


def activations(model: Architecture, setting: Setting) -> int:
    """Bytes kept for the backward pass, without those of the head."""
    shape, full = model.shape, setting.method is Method.FULL
    last = 2 * SINGLE * shape.key_dim  # sines and cosines
    if full or setting.checkpointing:  # the last norm; with adapters, the first layer keeps none instead
        last += (2 if full else 1) * SINGLE * shape.width
    entry = (HALF if setting.method is Method.LORA else SINGLE) * shape.width
    return setting.micro * (shape.layers * (entry if setting.checkpointing else _layer(model, setting)) + last)


def operations(model: Architecture, setting: Setting, length: float, answers: float) -> float:
    """Of a token on average: forward and backward once, without what checkpointing does again.

    `length`: tokens of a text on average; `answers`: mean share of tokens that are answers.
    """
    forward, attention = _forward(model, length, answers)
    if setting.method is Method.FULL:
        return 3 * (forward + attention)
    return 2 * forward + 3 * attention + 6 * trained(model, setting)  # frozen matrices have no gradient of their own


def forward(model: Architecture, length: float, answers: float) -> float:
    """Operations of a token that is only read."""
    return sum(_forward(model, length, answers))


def work(model: Architecture, setting: Setting, length: float, answers: float) -> float:
    """As `operations`, with what checkpointing computes twice."""
    again = forward(model, length, 0.0) if setting.checkpointing else 0.0
    return operations(model, setting, length, answers) + again


def _forward(model: Architecture, length: float, answers: float) -> tuple[float, float]:
    """Of the matrices, and of attention, where a token sees half of its text on average."""
    shape = model.shape
    seen = length / 2
    if shape.windowed:
        narrow = min(seen, float(shape.window))
        seen = (shape.windowed * narrow + (shape.layers - shape.windowed) * seen) / shape.layers
    attention = 2.0 * shape.layers * shape.heads * (shape.key_dim + shape.value_dim) * seen
    return 2.0 * (active(model) + answers * shape.vocab * shape.width), attention


def _weights(model: Architecture, setting: Setting) -> int:
    parts, learned = count(model), trained(model, setting)
    if setting.method is Method.FULL:
        return SINGLE * parts.total
    if setting.method is Method.LORA:
        return HALF * parts.total + SINGLE * learned
    packed = parts.attention + parts.inner
    return int(NF4 * packed) + SINGLE * (parts.total - packed) + SINGLE * learned


def _layer(model: Architecture, setting: Setting) -> int:
    """Bytes that a layer keeps of one token."""
    shape, full = model.shape, setting.method is Method.FULL
    queries, keys = shape.heads * shape.key_dim, _keys(shape)
    product = HALF if setting.bf16 or not full else SINGLE
    found = 2 * 2 * SINGLE * shape.width if full else 2 * SINGLE * shape.width  # both norms: what goes in and out
    found += SINGLE * (2 + shape.heads)  # their deviations; attention's sums
    if model.family == "qwen3":
        found += (SINGLE + (product if full else 0)) * (queries + keys) + SINGLE * (shape.heads + shape.kv_heads)
    if shape.experts:
        return found + _sparse(shape, setting)
    found += product * 2 * (queries + keys)  # queries, keys, values, and what attention gives
    if full:
        # autocast makes a copy for each product; in float32 three and two of them share what they read
        found += (5 if setting.bf16 else 2) * product * shape.width + 4 * product * shape.ffn
    else:
        found += _adapted(model, setting) + 3 * (SINGLE if setting.method is Method.QLORA else HALF) * shape.ffn
    return found


def _passing(model: Architecture, setting: Setting) -> int:
    """Bytes of one token that the backward pass of a layer takes and gives back: gradients between its products."""
    shape = model.shape
    product = HALF if setting.bf16 and setting.method is not Method.QLORA else SINGLE
    experts = max(1, shape.experts_used)
    scores = SCORES * shape.heads * setting.micro if shape.experts else 0
    return 2 * SINGLE * shape.width + 3 * product * shape.ffn * experts + scores


def copies(model: Architecture, setting: Setting) -> int:
    """Bytes of weights in bf16 that stand beside those in float32 during a forward pass."""
    parts, head = count(model), model.shape.vocab * model.shape.width
    if not setting.bf16:
        return 0
    if setting.method is Method.FULL:
        return HALF * (parts.attention + parts.inner + head)
    return HALF * (trained(model, setting) + (head if setting.method is Method.QLORA else 0))


def _adapted(model: Architecture, setting: Setting) -> int:
    """What adapters keep of one token: what they read, what the first of their matrices gives, what was dropped."""
    shape, inner = model.shape, _adapts_inner(model, setting)
    read = 3 * shape.width + shape.heads * shape.key_dim
    if inner:
        read += 2 * shape.width + shape.ffn
    modules = MODULES["all-linear" if inner else "attention"]
    return HALF * (read + modules * setting.rank) + (read if setting.dropout else 0)


def _sparse(shape: Shape, setting: Setting) -> int:
    """Of gpt-oss with adapters: attention with its scores, and the experts that a token uses."""
    queries = shape.heads * shape.key_dim
    scores = HALF * shape.heads * setting.micro + 2 * SINGLE * shape.heads
    adapters = HALF * (3 * shape.width + queries + MODULES["attention"] * setting.rank)
    dropped = (3 * shape.width + queries) if setting.dropout else 0
    experts = shape.experts_used * (HALF * (6 * shape.ffn + shape.width) + 3 * 2 * SINGLE + HALF)
    return scores + 3 * HALF * queries + adapters + dropped + experts


def _adapts_inner(model: Architecture, setting: Setting) -> bool:
    """The experts of gpt-oss are no linear modules: PEFT leaves them out."""
    return setting.targets == "all-linear" and not model.shape.experts


def _keys(shape: Shape) -> int:
    return shape.kv_heads * shape.key_dim


def _trainable(model: Architecture, method: Method) -> None:
    if model.shape.experts and method is not Method.LORA:
        what = f"'{model.name}' is a mixture of experts, which method = \"{method}\" cannot train here"
        raise ConfigError(what, remedy='set method = "lora"')
