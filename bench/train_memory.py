"""What a training step really keeps, beside what `vedette.train.slm.sizing` computes: small models of random values.

    OMP_NUM_THREADS=1 python bench/train_memory.py

For each shape, method, precision, with and without checkpointing: bytes of weights, gradients and moments; bytes kept
for the backward pass (unique storages that autograd saves); and the most bytes that were alive at once over two steps
of two packs each (every result of every operation, counted until it is freed). No allocator takes part.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vedette.engine.gguf import Shape
from vedette.train.slm import sizing
from vedette.train.slm.bases import Architecture, Family
from vedette.train.slm.recipe import Method

ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SMALL = Shape(layers=4, width=128, heads=4, kv_heads=2, key_dim=32, value_dim=32, ffn=384, vocab=1_024, tied=True)
WIDE = Shape(layers=6, width=256, heads=8, kv_heads=2, key_dim=64, value_dim=64, ffn=768, vocab=4_096)
SPARSE = Shape(
    layers=2, width=64, heads=4, kv_heads=2, key_dim=32, value_dim=32, ffn=80, vocab=512, experts=8, experts_used=2,
    window=32, windowed=1,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    model: Architecture
    setting: sizing.Setting

    @property
    def answers(self) -> int:
        return int(self.setting.micro * self.setting.answers)


@dataclass(frozen=True, slots=True)
class Seen:
    """Bytes."""

    weights: int
    gradients: int
    optimiser: int
    kept: int
    peak: int


class Alive(TorchDispatchMode):  # type: ignore[misc]
    """Counts the bytes of every storage from the operation that makes it until it is freed."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes: dict[int, int] = {}
        self.now = self.most = 0

    def add(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._bytes:
            self._bytes[key] = storage.nbytes()
            self.now += storage.nbytes()
            self.most = max(self.most, self.now)
            weakref.finalize(storage, self._drop, key)

    def _drop(self, key: int) -> None:
        self.now -= self._bytes.pop(key, 0)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for one in tree_leaves(out):
            if isinstance(one, torch.Tensor):
                self.add(one)
        return out


def built(case: Case) -> Any:
    """The model as the trainer holds it."""
    model = _core(case.model)
    model.config.use_cache = False
    if case.setting.method is not Method.FULL:
        model = _adapted(model.to(torch.bfloat16), case.setting)
    if case.setting.checkpointing:
        core = _inner(model)
        core.gradient_checkpointing_enable({"use_reentrant": False})
        core.enable_input_require_grads()
    return model.train()


def seen(case: Case) -> Seen:
    model = built(case)
    kept = _kept(model, case)
    optimiser = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], lr=1e-4, fused=True)
    alive = Alive()
    with alive:
        for one in model.parameters():
            alive.add(one)
        for _ in range(2):
            for _ in range(2):
                _step(model, case)
            gradients = [one.grad for one in model.parameters() if one.grad is not None]
            optimiser.step()
            size = sum(one.nbytes for one in gradients)
            del gradients
            optimiser.zero_grad()
    moments = sum(one.nbytes for state in optimiser.state.values() for one in state.values() if one.ndim)
    return Seen(sum(one.nbytes for one in model.parameters()), size, moments, kept, alive.most)


def computed(case: Case) -> Seen:
    found = sizing.memory(case.model, case.setting)
    kept = found.activations + (0 if case.setting.checkpointing else sizing.copies(case.model, case.setting))
    return Seen(found.weights, found.gradients, found.optimiser, kept, found.total)


def cases() -> Iterator[tuple[str, Case]]:
    ways = ((Method.FULL, True), (Method.FULL, False), (Method.LORA, True))
    for shape, (method, half), checkpointing, share in product((SMALL, WIDE), ways, (False, True), (0.2, 0.7)):
        setting = sizing.Setting(method, 512, share, bf16=half, checkpointing=checkpointing, rank=8)
        name = f"{method} {'bf16' if half else 'float32'}{', checkpointing' if checkpointing else ''}"
        yield f"{shape.layers} × {shape.width}, {name}, {share:.0%}", Case(_named(shape), setting)
    for checkpointing in (False, True):
        setting = sizing.Setting(Method.LORA, 256, 0.2, checkpointing=checkpointing, rank=8)
        name = f"2 × 64, 8 experts, lora bf16{', checkpointing' if checkpointing else ''}, 20%"
        yield name, Case(_named(SPARSE, "gpt-oss"), setting)


def _named(shape: Shape, family: Family = "qwen3") -> Architecture:
    return Architecture("small", family, shape, 0, 3.3)


def _core(model: Architecture) -> Any:
    import transformers

    shape = model.shape
    common = {
        "vocab_size": shape.vocab, "hidden_size": shape.width, "intermediate_size": shape.ffn,
        "num_hidden_layers": shape.layers, "num_attention_heads": shape.heads, "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.key_dim, "tie_word_embeddings": shape.tied, "max_position_embeddings": 4_096,
    }  # fmt: skip
    torch.manual_seed(0)
    if model.family == "gpt-oss":
        more = {"num_local_experts": shape.experts, "num_experts_per_tok": shape.experts_used}
        return transformers.GptOssForCausalLM(
            transformers.GptOssConfig(**common, **more, sliding_window=shape.window)
        )  # fmt: skip
    return transformers.Qwen3ForCausalLM(transformers.Qwen3Config(**common, attn_implementation="sdpa"))


def _adapted(model: Any, setting: sizing.Setting) -> Any:
    import peft

    targets = "all-linear" if setting.targets == "all-linear" else ALL[:4]
    found = peft.get_peft_model(
        model, peft.LoraConfig(r=setting.rank, lora_alpha=16, target_modules=targets, task_type="CAUSAL_LM")
    )
    for one in found.parameters():
        if one.requires_grad:
            one.data = one.data.float()
    return found


def _inner(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _kept(model: Any, case: Case) -> int:
    """Without weights, and without what the head keeps."""
    own = {one.untyped_storage().data_ptr() for one in model.parameters()}
    found: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        place = tensor.untyped_storage().data_ptr()
        if place not in own:
            found.setdefault(place, tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, _same), _autocast(case):
        loss = _loss(_inner(model), case)
    head = 4 * case.answers * case.model.shape.vocab
    copy = case.model.shape.vocab * case.model.shape.width * 2
    full = case.setting.method is Method.FULL and case.setting.bf16
    size: int = sum(one.untyped_storage().nbytes() for one in found.values()) - head
    del loss
    return size - (copy if case.setting.checkpointing and full else 0)


_same: Callable[[torch.Tensor], torch.Tensor] = lambda tensor: tensor  # noqa: E731


def _autocast(case: Case) -> Any:
    return torch.autocast("cpu", torch.bfloat16, enabled=case.setting.bf16)


def _step(model: Any, case: Case) -> None:
    with _autocast(case):
        _loss(_inner(model), case).backward()


def _loss(core: Any, case: Case) -> torch.Tensor:
    vocab = case.model.shape.vocab
    hidden = core.model(input_ids=torch.randint(0, vocab, (1, case.setting.micro))).last_hidden_state
    asked = hidden[0].index_select(0, torch.arange(case.answers))
    targets = torch.randint(0, vocab, (case.answers,))
    return cross_entropy(core.lm_head(asked).float(), targets, reduction="sum")


def main() -> None:
    warnings.filterwarnings("ignore", category=FutureWarning)
    print(f"{'':<48}{'kept':>13}{'computed':>13}{'':>8}{'peak':>14}{'computed':>14}")
    kept, peak = [], []
    for name, case in cases():
        real, said = seen(case), computed(case)
        exact = (real.weights, real.gradients, real.optimiser) == (said.weights, said.gradients, said.optimiser)
        kept.append(said.kept / real.kept - 1)
        peak.append(said.peak / real.peak - 1)
        print(
            f"{name:<48}{real.kept:>13,}{said.kept:>13,}{kept[-1]:>+8.1%}{real.peak:>14,}{said.peak:>14,}{peak[-1]:>+8.1%}"
            f"  weights, gradients, moments {'exact' if exact else 'DIFFER'}",
            flush=True,
        )
    for what, errors in (("kept", kept), ("peak", peak)):
        print(f"{what}: n = {len(errors)}, error from {min(errors):+.1%} to {max(errors):+.1%}")


if __name__ == "__main__":
    main()
