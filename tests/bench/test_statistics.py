"""Intervals cover what they should."""

from __future__ import annotations

import math
import random

import pytest

from vedette.bench.statistics import bootstrap, proportion, ratio


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


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(1, 10, 0.0025, 0.4450), (5, 10, 0.1871, 0.8129), (9, 10, 0.5550, 0.9975), (50, 1_000, 0.0373, 0.0654)],
)
def test_proportions_have_clopper_and_pearsons_interval(hits: int, of: int, low: float, high: float) -> None:
    assert proportion(hits, of) == pytest.approx((low, high), abs=1e-4)


def test_proportions_of_none_and_of_all_follow_the_rule_of_three() -> None:
    assert proportion(0, 300) == (0.0, 0.01)
    assert proportion(300, 300) == (0.99, 1.0)
    assert proportion(0, 0) == (0.0, 1.0)
    assert proportion(0, 2) == (0.0, 1.0)
