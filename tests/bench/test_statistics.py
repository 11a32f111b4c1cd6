"""Intervals cover what they should."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.bench.statistics import at_most, bootstrap, by_chance, clean, difference, proportion, ratio


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


# -- pairs ------------------------------------------------------------------------------------------


def test_where_nothing_differs_the_interval_still_has_a_width() -> None:
    low, high = difference(0, 0, 1_000)
    assert (low, high) == pytest.approx((-0.002698, 0.002698), abs=1e-6)
    assert difference(0, 0, 133)[0] > -0.02 > difference(0, 0, 132)[0]
    assert difference(0, 0, 0) == (-1.0, 1.0)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 400))
def test_an_interval_holds_its_difference_and_has_a_mirror(gained: int, lost: int, same: int) -> None:
    n = gained + lost + same
    low, high = difference(gained, lost, n)
    assert -1 <= low <= (gained - lost) / n <= high <= 1
    assert difference(lost, gained, n) == pytest.approx((-high, -low), abs=1e-9)
    wider = difference(gained, lost, n, 1.96)
    assert wider[0] <= low
    assert high <= wider[1]


def test_one_side_misses_one_time_in_twenty() -> None:
    """2,000 draws of 300 pairs, 6 % gained and 9 % lost: 5 % [4, 6] lie above the true difference."""
    rng, missed = random.Random(1), 0
    for _ in range(2_000):
        draws = [rng.random() for _ in range(300)]
        gained, lost = sum(d < 0.06 for d in draws), sum(0.06 <= d < 0.15 for d in draws)
        missed += difference(gained, lost, 300)[0] > -0.03
    assert 0.03 < missed / 2_000 < 0.07


def test_it_is_near_a_bootstrap_of_the_pairs() -> None:
    pairs = [1] * 40 + [-1] * 25 + [0] * 435
    low, high = difference(40, 25, 500, 1.959964)
    assert (low, high) == pytest.approx(bootstrap(pairs, lambda some: sum(some) / len(some)), abs=0.006)


def test_exact_bounds() -> None:
    assert by_chance(5, 0) == 1 / 32
    assert by_chance(0, 0) == 1.0
    assert by_chance(9, 1) == pytest.approx(11 / 1024)
    assert at_most(0, 59) <= 0.05 < at_most(0, 58)
    assert (clean(0.05), clean(0.02)) == (59, 149)
    assert at_most(3, 3) == at_most(0, 0) == 1.0
    assert at_most(2, 100) == pytest.approx(0.0616, abs=1e-3)
