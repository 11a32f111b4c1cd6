from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.train.slm.packing import packs, planned

pytestmark = pytest.mark.train
LENGTHS = st.lists(st.integers(1, 64), min_size=1, max_size=200)


@given(LENGTHS, st.integers(64, 300))
def test_every_row_is_in_one_pack_and_no_pack_is_too_full(lengths: list[int], room: int) -> None:
    found = packs(lengths, range(len(lengths)), room)
    assert sorted(row for pack in found for row in pack) == list(range(len(lengths)))
    assert all(sum(lengths[row] for row in pack) <= room for pack in found)


@given(LENGTHS)
def test_packs_are_nearly_full(lengths: list[int]) -> None:
    found = packs(lengths, range(len(lengths)), 640)
    assert len(found) <= sum(lengths) // 640 + 24


def test_a_row_that_fits_no_pack_is_refused() -> None:
    with pytest.raises(ValueError, match="row 1 has 9 tokens"):
        packs([3, 9], [0, 1], 8)


def test_the_order_of_a_curriculum_is_kept_but_for_open_packs() -> None:
    lengths = np.full(4_000, 10)
    flat = [row for pack in planned(lengths, room=40, epochs=1, seed=1, curriculum=True) for row in pack]
    assert max(abs(place - row) for place, row in enumerate(flat)) <= 24 * 4


def test_epochs_are_shuffled_each_in_its_own_way_and_the_same_again() -> None:
    lengths = np.arange(1, 101)
    one, two = (planned(lengths, room=100, epochs=2, seed=3, curriculum=False) for _ in range(2))
    assert one == two
    half = len(one) // 2
    assert one[:half] != one[half:]
    assert one != planned(lengths, room=100, epochs=2, seed=4, curriculum=False)


def test_part_of_an_epoch() -> None:
    lengths = np.full(100, 10)
    whole = planned(lengths, room=100, epochs=1, seed=1, curriculum=True)
    assert len(planned(lengths, room=100, epochs=0.5, seed=1, curriculum=True)) == len(whole) // 2
    assert len(planned(lengths, room=100, epochs=1.5, seed=1, curriculum=True)) == len(whole) * 3 // 2
