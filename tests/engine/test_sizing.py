"""Memory and speed from a model's shape, against published sizes and against what llama.cpp allocated."""

from __future__ import annotations

from pathlib import Path

import pytest

from vedette.engine import catalog, gguf, machine, sizing
from vedette.engine.machine import Speed
from vedette.errors import ConfigError, VedetteError

from .crafted import written

MIB = 1024**2
KNOWN = [(n, f.quantisation, f.bytes) for n, m in catalog.recommended().items() for f in m.file if f.bytes]
QWEN = {name: catalog.recommended()[f"Qwen3-{name}"].shape for name in ("0.6B", "1.7B", "4B")}


@pytest.mark.parametrize(("name", "quantisation", "published"), KNOWN)
def test_the_size_of_a_file_is_computed_within_half_a_percent(name: str, quantisation: str, published: int) -> None:
    computed = sizing.of_shape(catalog.recommended()[name].shape, quantisation).file
    assert computed == pytest.approx(published, rel=0.005)


# What llama.cpp b11549 said that it allocates, MiB: weights packed anew, cache, compute buffer.
ALLOCATED = [
    ("0.6B", "Q4_0", 2_048, 1, 236.25, 224, 30.02),
    ("0.6B", "Q4_0", 8_192, 1, 236.25, 896, 36.02),
    ("0.6B", "Q4_0", 2_048, 8, 236.25, 1_792, 30.02),
    ("0.6B", "Q8_0", 8_192, 1, 0, 896, 36.02),
    ("1.7B", "Q4_0", 2_048, 1, 756.00, 224, 58.02),
    ("1.7B", "Q4_0", 8_192, 1, 756.00, 896, 64.02),
    ("4B", "Q4_0", 2_048, 1, 1_949.06, 288, 84.02),
    ("4B", "Q4_0", 8_192, 1, 1_949.06, 1_152, 90.02),
    ("4B", "Q4_0", 2_048, 8, 1_949.06, 2_304, 84.02),
]


@pytest.mark.parametrize(("name", "quantisation", "context", "parallel", "packed", "cache", "compute"), ALLOCATED)
def test_memory_is_what_llama_cpp_allocates(
    name: str, quantisation: str, context: int, parallel: int, packed: float, cache: float, compute: float
) -> None:
    need = sizing.need(sizing.of_shape(QWEN[name], quantisation), QWEN[name], context, parallel)
    assert need.rewritten / MIB == pytest.approx(packed, rel=0.001)
    assert need.cache / MIB == cache
    logits = 4 * QWEN[name].vocab * parallel / MIB
    assert need.compute / MIB - logits == pytest.approx(compute, abs=0.1)


def test_a_window_keeps_the_cache_small() -> None:
    shape = catalog.recommended()["gpt-oss-20b"].shape
    weights = sizing.of_shape(shape, "MXFP4")
    short, long = (sizing.need(weights, shape, context).cache for context in (512, 32_768))
    assert long / short == pytest.approx((12 * 32_768 + 12 * 768) / (24 * 512), rel=0.01)
    whole = shape.model_copy(update={"windowed": 0})
    assert sizing.need(weights, whole, 32_768).cache > 1.9 * long


def test_what_a_file_holds_and_what_its_shape_foretells_agree(tmp_path: Path) -> None:
    header = gguf.read(written(tmp_path))
    weights = sizing.of_header(header)
    assert weights.file == header.bytes
    assert weights.rewritten == 0
    assert [part.looked_up for part in weights.parts] == [False, False]


def test_an_unknown_quantisation_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"the size of 'Q4_K' is not known.*did you mean 'Q4_K_M'"):
        sizing.of_shape(QWEN["4B"], "Q4_K")


SPEED = Speed(threads=8, bandwidth=60e9, flops=800e9)


def test_speed_falls_with_the_bytes_and_rises_with_the_machine() -> None:
    paces = {q: sizing.pace(sizing.of_shape(QWEN["4B"], q), QWEN["4B"], SPEED) for q in ("F16", "Q8_0")}
    assert paces["Q8_0"].answer == pytest.approx(paces["F16"].answer * 32 / 17, rel=0.1)
    twice = Speed(8, 2 * SPEED.bandwidth, SPEED.flops)
    faster = sizing.pace(sizing.of_shape(QWEN["4B"], "Q8_0"), QWEN["4B"], twice)
    assert faster.answer == pytest.approx(2 * paces["Q8_0"].answer)
    assert faster.prompt == paces["Q8_0"].prompt


def test_several_at_once_are_never_slower_and_never_faster_than_reading() -> None:
    weights = sizing.of_shape(QWEN["4B"], "Q8_0")
    rates = [sizing.pace(weights, QWEN["4B"], SPEED, parallel=n).together for n in (1, 2, 8, 256)]
    assert rates == sorted(rates)
    assert rates[0] == sizing.pace(weights, QWEN["4B"], SPEED).alerts
    assert rates[-1] <= 3_600 * sizing.pace(weights, QWEN["4B"], SPEED).prompt / sum(sizing.EXPLANATION) + 1e-6


def test_a_mixture_of_experts_is_read_in_part() -> None:
    known = catalog.recommended()
    oss, qwen = known["gpt-oss-20b"].shape, known["Qwen3-8B"].shape
    mixed = sizing.pace(sizing.of_shape(oss, "MXFP4"), oss, SPEED)
    dense = sizing.pace(sizing.of_shape(qwen, "Q8_0"), qwen, SPEED)
    assert mixed.answer > 1.5 * dense.answer


def test_this_machine_is_measured() -> None:
    assert 0 < machine.memory().free <= machine.memory().total
    speed = machine.measured()
    assert speed.threads == machine.threads()
    assert 1e8 < speed.bandwidth < 1e13
    assert 1e8 < speed.flops < 1e15


def test_a_measurement_that_fails_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "PATIENCE", 0.01)
    with pytest.raises(VedetteError, match=r"cannot be measured.*--no-speed"):
        machine.measured()


def test_a_control_groups_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_meminfo", lambda: {"MemTotal": 1_000, "MemAvailable": 900})
    monkeypatch.setattr(machine, "_number", lambda path: 500 if path.name == "memory.max" else 200)
    assert machine.memory() == machine.Memory(500, 300)
    monkeypatch.setattr(machine, "_number", lambda path: 0)
    assert machine.memory() == machine.Memory(1_000, 900)
