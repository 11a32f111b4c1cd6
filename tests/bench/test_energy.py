"""Joules by counters in a folder that looks like Linux's, and by a GPU that is made up."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from vedette.bench.energy import Counter, Drawn, Meter, counters, gpu_watts

RANGE = 1_000_000


def none() -> float:
    raise FileNotFoundError("nvidia-smi")


def zone(folder: Path, place: str, name: str, energy: int) -> Path:
    made = folder / place
    made.mkdir()
    (made / "name").write_text(f"{name}\n")
    (made / "max_energy_range_uj").write_text(f"{RANGE}\n")
    (made / "energy_uj").write_text(f"{energy}\n")
    return made


def test_packages_are_added_up_and_nothing_counts_twice(tmp_path: Path) -> None:
    zones = [zone(tmp_path, f"intel-rapl:{n}", f"package-{n}", 100_000) for n in (0, 1)]
    others = [
        zone(tmp_path, "intel-rapl:0:0", "core", 0), zone(tmp_path, "intel-rapl:2", "psys", 0),
        zone(tmp_path, "intel-rapl-mmio:0", "package-0", 0),
    ]  # fmt: skip
    memory = zone(tmp_path, "intel-rapl:0:1", "dram", 0)
    with Meter(tmp_path, none) as meter:
        for one in (*zones, *others):
            (one / "energy_uj").write_text("350000\n")
        (memory / "energy_uj").write_text("500\n")
    assert meter.joules == {"cpu": pytest.approx(0.5), "memory": pytest.approx(0.0005)}


def test_a_counter_wraps_around(tmp_path: Path) -> None:
    made = zone(tmp_path, "intel-rapl:0", "package-0", RANGE - 10)
    counter = Counter(made)
    (made / "energy_uj").write_text("30")
    assert counter.joules() == pytest.approx(40e-6)
    (made / "energy_uj").write_text("20")
    assert counter.joules() == pytest.approx((40 + RANGE - 10) * 1e-6)


def test_what_cannot_be_read_is_not_told(tmp_path: Path) -> None:
    (zone(tmp_path, "intel-rapl:0", "package-0", 1) / "energy_uj").unlink()
    (zone(tmp_path, "intel-rapl:1", "package-1", 1) / "energy_uj").write_text("<unknown>")
    assert counters(tmp_path) == []
    with Meter(tmp_path, none) as meter:
        pass
    assert meter.joules == {}
    with Meter(tmp_path / "none", none) as meter:
        pass
    assert meter.joules == {}


def test_what_is_taken_away_meanwhile_is_not_told_by_half(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 1)
    second = zone(tmp_path, "intel-rapl:1", "package-1", 1)
    with Meter(tmp_path, none) as meter:
        (second / "energy_uj").unlink()
    assert meter.joules == {}


def test_watts_become_joules(tmp_path: Path) -> None:
    drawn = Drawn(lambda: 100.0)
    begun = time.monotonic()
    time.sleep(0.05)
    told = drawn.joules()
    assert 5 <= told <= 100 * (time.monotonic() - begun)
    with Meter(tmp_path, lambda: 50.0, period=0.01) as meter:
        time.sleep(0.05)
    assert set(meter.joules) == {"gpu"}
    assert 2.5 <= meter.joules["gpu"] < 50


@pytest.mark.parametrize(("said", "watts"), [("100.5\n99.5\n", 200.0), ("[N/A]\n", None), ("", None)])
def test_the_command_of_nvidia(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, watts: float | None
) -> None:  # fmt: skip
    command = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError):
        gpu_watts()
    command.write_text(f"#!/bin/sh\nprintf '{said}'\n")
    command.chmod(0o755)
    if watts is None:
        with pytest.raises(ValueError, match="float"):
            gpu_watts()
    else:
        assert gpu_watts() == watts
