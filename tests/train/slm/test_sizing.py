"""More of anything never needs less; each part is what the architecture says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.engine.gguf import Shape
from vedette.errors import ConfigError
from vedette.train.slm import sizing
from vedette.train.slm.bases import Architecture, Family, architecture, count
from vedette.train.slm.recipe import Base, Method
from vedette.train.slm.sizing import Setting

QWEN = architecture(Base(model="Qwen/Qwen3-4B-Base", licence="Apache-2.0"))
SPARSE = architecture(Base(model="openai/gpt-oss-20b", licence="Apache-2.0"))

sides = st.integers(1, 32)
shapes = st.builds(
    Shape, layers=st.integers(1, 8), width=sides.map(lambda n: 8 * n), heads=st.just(8),
    kv_heads=st.sampled_from([1, 2, 8]), key_dim=st.just(16), value_dim=st.just(16), ffn=sides.map(lambda n: 8 * n),
    vocab=st.integers(16, 4_096), tied=st.booleans(),
)  # fmt: skip
families: st.SearchStrategy[Family] = st.sampled_from(["qwen3", "qwen2", "llama"])
models = st.builds(lambda shape, family: Architecture("any", family, shape, 0, 3.0), shapes, families)
settings = st.builds(
    Setting, method=st.sampled_from(list(Method)), micro=st.integers(1, 4_096), answers=st.floats(0, 1),
    bf16=st.booleans(), checkpointing=st.booleans(), rank=st.integers(1, 64),
    targets=st.sampled_from(["all-linear", "attention"]), dropout=st.booleans(), processes=st.integers(1, 4),
    reference=st.booleans(), generated=st.integers(0, 10_000),
)  # fmt: skip


def total(model: Architecture, setting: Setting) -> int:
    return sizing.memory(model, setting).total


@given(models, settings, st.integers(1, 4_096))
def test_more_tokens_never_need_less_memory(model: Architecture, setting: Setting, more: int) -> None:
    assert total(model, replace(setting, micro=setting.micro + more)) >= total(model, setting)
    assert total(model, replace(setting, generated=setting.generated + more)) >= total(model, setting)
    assert total(model, replace(setting, answers=1.0)) >= total(model, setting)


@given(models, settings)
def test_more_of_anything_never_needs_less_memory(model: Architecture, setting: Setting) -> None:
    assert total(model, replace(setting, rank=setting.rank + 1)) >= total(model, setting)
    assert total(model, replace(setting, processes=setting.processes + 1)) >= total(model, setting)
    assert total(model, replace(setting, reference=True)) >= total(model, replace(setting, reference=False))
    assert total(model, replace(setting, dropout=True)) >= total(model, replace(setting, dropout=False))


@given(models, settings)
def test_a_deeper_model_needs_more(model: Architecture, setting: Setting) -> None:
    deeper = replace(model, shape=model.shape.model_copy(update={"layers": model.shape.layers + 1}))
    assert total(deeper, setting) > total(model, setting)
    assert sizing.operations(deeper, setting, 100, 0.5) > sizing.operations(model, setting, 100, 0.5)


@given(models, settings, st.floats(1, 4_096), st.floats(0, 1))
def test_operations_grow_with_length_answers_and_checkpointing(
    model: Architecture, setting: Setting, length: float, answers: float
) -> None:
    once = sizing.operations(model, setting, length, answers)
    assert sizing.operations(model, setting, length + 1, answers) > once
    assert sizing.operations(model, setting, length, 1.0) >= once
    assert sizing.work(model, setting, length, answers) >= once > sizing.forward(model, length, answers)


@given(models, settings)
def test_activations_are_per_token(model: Architecture, setting: Setting) -> None:
    one = sizing.activations(model, replace(setting, micro=1))
    assert sizing.activations(model, setting) == setting.micro * one


@pytest.mark.parametrize("micro", [2_048, 8_192])
def test_checkpointing_keeps_less(micro: int) -> None:
    setting = Setting(Method.FULL, micro)
    assert total(QWEN, replace(setting, checkpointing=True)) < 0.9 * total(QWEN, setting)


def test_every_weight_costs_sixteen_bytes_and_two_for_its_copy() -> None:
    found = sizing.memory(QWEN, Setting(Method.FULL, 1, answers=0.0))
    parts = count(QWEN)
    assert found.weights + found.gradients + found.optimiser == 16 * parts.total
    assert found.head == 2 * (parts.total - parts.rest)


def test_adapters_cost_two_bytes_a_weight_and_four_bits_in_nf4() -> None:
    lora = sizing.memory(QWEN, Setting(Method.LORA, 1, rank=16))
    qlora = sizing.memory(QWEN, Setting(Method.QLORA, 1, rank=16))
    parts, learned = count(QWEN), sizing.trained(QWEN, Setting(Method.LORA, 1, rank=16))
    assert lora.weights == 2 * parts.total + 4 * learned
    packed = parts.attention + parts.inner
    assert qlora.weights - 4 * learned - 4 * (parts.total - packed) == pytest.approx(packed * 4.127 / 8, rel=1e-4)


def test_adapters_are_as_large_as_their_authors_say() -> None:
    """Rank 64 on every linear layer of Qwen3-4B: 132 million, as PEFT counts them."""
    assert sizing.trained(QWEN, Setting(Method.LORA, 1, rank=64)) == 36 * 64 * (
        2 * (2_560 + 4_096) + 2 * (2_560 + 1_024) + 3 * (2_560 + 9_728)
    )


def test_operations_of_the_dense_part_are_six_a_weight() -> None:
    found = sizing.operations(QWEN, Setting(Method.FULL, 1), length=0.0, answers=1.0)
    parts = count(QWEN)
    assert found == 6 * (parts.attention + parts.inner + parts.embedding)


def test_a_frozen_base_saves_a_third() -> None:
    full = sizing.operations(QWEN, Setting(Method.FULL, 1), 0.0, 1.0)
    assert sizing.operations(QWEN, Setting(Method.LORA, 1, rank=1), 0.0, 1.0) == pytest.approx(full * 2 / 3, rel=1e-2)


def test_of_experts_only_those_that_are_used_are_computed() -> None:
    dense = sizing.forward(QWEN, 0.0, 0.0)
    sparse = sizing.forward(SPARSE, 0.0, 0.0)
    assert count(SPARSE).total > 5 * count(QWEN).total
    assert sparse < dense


def test_scores_of_gpt_oss_grow_with_the_square() -> None:
    setting = Setting(Method.LORA, 2_048, rank=8)
    once, twice = (sizing.activations(SPARSE, replace(setting, micro=size)) for size in (2_048, 4_096))
    assert twice > 2.5 * once


@pytest.mark.parametrize("method", [Method.FULL, Method.QLORA])
def test_experts_are_trained_with_adapters_alone(method: Method) -> None:
    with pytest.raises(ConfigError, match=f'a mixture of experts, which method = "{method}" cannot train here'):
        sizing.memory(SPARSE, Setting(method, 512))
