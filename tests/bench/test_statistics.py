"""Intervals cover what they should and calibration is measured as its definition says."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.bench.statistics import bootstrap, calibration_error, ratio


def test_ratio_sums_hits_and_trials() -> None:
    assert ratio([(1, 2), (3, 3)]) == pytest.approx(4 / 5)
    assert math.isnan(ratio([]))


def test_bootstrap_is_the_same_each_time_and_holds_the_value() -> None:
    pairs = [(8, 9), (8, 8), (9, 9), (7, 8), (7, 7), (8, 8)]
    low, high = bootstrap(pairs, ratio)
    assert (low, high) == bootstrap(pairs, ratio)
    assert low < ratio(pairs) < high


def test_bootstrap_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = random.Random(3)
    inside = 0
    for _ in range(60):
        sample = [(rng.random() < 0.7, 1) for _ in range(60)]
        low, high = bootstrap([(int(k), n) for k, n in sample], ratio, resamples=300)
        inside += low <= 0.7 <= high
    assert inside >= 50  # of 60; 57 are expected


def test_no_spread_gives_no_width() -> None:
    assert bootstrap([(1, 1)] * 5, ratio) == (1.0, 1.0)


def test_calibration_error_of_a_perfect_and_of_a_wrong_forecast() -> None:
    assert calibration_error([(1.0, True), (0.0, False)]) == 0
    assert calibration_error([(1.0, False), (0.0, True)]) == 1
    assert calibration_error([(0.75, True), (0.75, True), (0.75, True), (0.75, False)]) == pytest.approx(0)
    assert calibration_error([]) == 0


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1))
def test_calibration_error_is_a_share(scored: list[tuple[float, bool]]) -> None:
    assert 0 <= calibration_error(scored) <= 1 + 1e-9
