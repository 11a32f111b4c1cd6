"""Calibration is measured as its definition says, and its interval holds the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.bench.calibration import calibration, error


def drawn(n: int, over: float, seed: int) -> list[tuple[float, bool]]:
    """A model that is `over` surer than it is right."""
    rng = np.random.default_rng(seed)
    sure = rng.uniform(over, 1, n)
    return list(zip(sure.tolist(), (rng.random(n) < sure - over).tolist(), strict=True))


def test_a_perfect_and_a_wrong_forecast() -> None:
    assert error([(1.0, True), (0.0, False)]) == 0
    assert error([(1.0, False), (0.0, True)]) == 1
    assert error([(0.75, True), (0.75, True), (0.75, True), (0.75, False)]) == pytest.approx(0)
    assert error([]) == 0
    assert calibration([]) is None


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1))
def test_it_is_a_share(scored: list[tuple[float, bool]]) -> None:
    assert 0 <= error(scored) <= 1 + 1e-9
    assert error(scored) == pytest.approx(error(scored[::-1]))


def test_a_calibrated_model_has_an_interval_down_to_nothing() -> None:
    found = calibration(drawn(2_000, 0.0, 1))
    assert found
    assert found.low < 0.005
    assert found.error < 0.04
    assert found.n == sum(one.n for one in found.bins) == 2_000
    for one in found.bins:
        assert one.low <= one.probability < one.high
        assert one.right == pytest.approx(one.probability, abs=0.12)


def test_an_overconfident_model_is_found_out() -> None:
    found = calibration(drawn(2_000, 0.2, 2))
    assert found
    assert 0.15 < found.low < 0.2 < found.high < 0.25
    assert all(one.right < one.probability for one in found.bins)


@pytest.mark.parametrize("over", [0.1, 0.3])
def test_the_interval_covers_the_truth(over: float) -> None:
    found = [calibration(drawn(300, over, seed)) for seed in range(30)]
    assert sum(one is not None and one.low <= over <= one.high for one in found) >= 25  # of 30; 28.5 are expected
