"""The formulas beside what PyTorch really keeps; bench/train_memory.py does it for more shapes."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

import torch

from vedette.train.slm import sizing
from vedette.train.slm.bases import Architecture
from vedette.train.slm.recipe import Method

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def bench(root: Path) -> Iterator[Any]:
    spec = importlib.util.spec_from_file_location("train_memory", root / "bench" / "train_memory.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["train_memory"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["train_memory"]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize(("method", "half"), [(Method.FULL, True), (Method.FULL, False), (Method.LORA, True)])
def test_a_step_takes_what_was_computed(bench: Any, method: Method, half: bool, checkpointing: bool) -> None:
    setting = sizing.Setting(method, 256, 0.25, bf16=half, checkpointing=checkpointing, rank=8)
    case = bench.Case(Architecture("small", "qwen3", bench.SMALL, 0, 3.3), setting)
    real, said = bench.seen(case), bench.computed(case)
    assert (said.weights, said.gradients, said.optimiser) == (real.weights, real.gradients, real.optimiser)
    assert said.kept == pytest.approx(real.kept, rel=0.4 if checkpointing else 0.02)
    assert 0.97 * real.peak <= said.peak <= 1.1 * real.peak


@pytest.mark.parametrize("targets", ["all-linear", "attention"])
def test_adapters_learn_what_was_counted(bench: Any, targets: Any) -> None:
    setting = sizing.Setting(Method.LORA, 64, 0.25, rank=8, targets=targets)
    case = bench.Case(Architecture("small", "qwen3", bench.SMALL, 0, 3.3), setting)
    real, said = bench.seen(case), bench.computed(case)
    assert (said.weights, said.gradients) == (real.weights, real.gradients)
    assert said.kept == pytest.approx(real.kept, rel=0.03)


def test_experts_keep_what_was_computed(bench: Any) -> None:
    setting = sizing.Setting(Method.LORA, 256, 0.25, rank=8)
    case = bench.Case(Architecture("small", "gpt-oss", bench.SPARSE, 0, 3.3), setting)
    real, said = bench.seen(case), bench.computed(case)
    assert (said.weights, said.gradients) == (real.weights, real.gradients)
    assert said.kept == pytest.approx(real.kept, rel=0.03)
    assert real.peak <= said.peak <= 1.3 * real.peak


def test_the_comparison_can_fail(bench: Any) -> None:
    setting = sizing.Setting(Method.FULL, 256, 0.25)
    case = bench.Case(Architecture("small", "qwen3", bench.SMALL, 0, 3.3), setting)
    wider = bench.SMALL.model_copy(update={"ffn": bench.SMALL.ffn + 64})
    other = bench.Case(Architecture("small", "qwen3", wider, 0, 3.3), setting)
    real, said = bench.seen(case), bench.computed(other)
    assert said.weights != real.weights
    assert said.kept != pytest.approx(real.kept, rel=0.02)


def test_nf4_weights_are_as_large_as_computed(bench: Any, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    import peft
    import transformers

    model = Architecture("small", "qwen3", bench.WIDE, 0, 3.3)
    bench.built(bench.Case(model, sizing.Setting(Method.FULL, 64))).to(torch.bfloat16).save_pretrained(tmp_path)
    config = transformers.BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )  # fmt: skip
    found = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path, dtype=torch.bfloat16, quantization_config=config
    )  # fmt: skip
    found = peft.prepare_model_for_kbit_training(found, use_gradient_checkpointing=False)
    setting = sizing.Setting(Method.QLORA, 64, rank=8)
    said = sizing.memory(model, setting).weights - 4 * sizing.trained(model, setting)
    tables = 7 * bench.WIDE.layers * (256 + 16) * 4  # of each matrix: what its codes stand for
    assert said + tables == pytest.approx(_held(found), rel=0.005)


def _held(model: Any) -> int:
    size = 0
    for one in model.parameters():
        size += one.nbytes
        if state := getattr(one, "quant_state", None):
            size += sum(part.nbytes for part in (state.absmax, state.state2.absmax, state.state2.code, state.code))
    return size
