"""What search holds in memory: as the rows are, whatever came and went before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from vedette.errors import InputError
from vedette.knowledge import index, schema
from vedette.knowledge.index import Matrix, _places, _turn, day_number, load, sign_bits, unit_rows
from vedette.knowledge.record import Kind

from . import samples

pytestmark = pytest.mark.usefixtures("small_encoder")


def matrix(store: Path) -> Matrix:
    db = schema.open_to_read(store)
    found = load(db)
    db.close()
    return found


def put(store: Path, *numbers: int, name: str = "Weakness") -> None:
    records = [samples.record(f"CWE-{n}", Kind.WEAKNESS, f"{name} {n}", published="2020-01-02") for n in numbers]
    samples.put(store, samples.unit("cwe/1000", records))


def test_shapes_and_columns(tmp_path: Path) -> None:
    put(tmp_path / "k.db", 1, 2, 3)
    found = matrix(tmp_path / "k.db")
    assert found.mean.shape == (64,)
    assert found.signs.shape == (index.BITS // 64, 3)
    assert found.turn.shape == (64, index.BITS)
    assert found.numbers.tolist() == [1, 2, 3]
    assert found.lengths.tolist() == [2, 2, 2]
    assert found.days.tolist() == [20200102] * 3
    assert {index.KINDS[kind] for kind in found.kinds} == {Kind.WEAKNESS}


def test_an_empty_store(tmp_path: Path) -> None:
    put(tmp_path / "k.db")
    found = matrix(tmp_path / "k.db")
    assert found.signs.shape == (index.BITS // 64, 0)
    assert len(found.numbers) == len(found.mean) == len(found.days) == 0


def test_the_first_passages_may_be_gone(tmp_path: Path) -> None:
    """The mean is that of some passages: there are always some."""
    put(tmp_path / "k.db", *range(1, 40))
    for first in (2, 17, 18, 39):
        put(tmp_path / "k.db", *range(first, 40))
        found = matrix(tmp_path / "k.db")
        assert found.numbers.tolist() == list(range(first, 40))
        assert np.linalg.norm(found.mean) > 0
    put(tmp_path / "k.db", 39, name="Another")
    assert matrix(tmp_path / "k.db").lengths.tolist() == [2]


def test_more_passages_than_a_store_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "PLACES", 3)
    put(tmp_path / "k.db", 1, 2, 3)
    before = (tmp_path / "k.db").read_bytes()
    with pytest.raises(InputError, match="more than a store holds"):
        put(tmp_path / "k.db", 1, 2, 3, 4)
    assert (tmp_path / "k.db").read_bytes() == before


@given(st.sets(st.integers(1, 60)), st.lists(st.integers(1, 60)))
def test_places_in_a_sorted_array(held: set[int], some: list[int]) -> None:
    numbers = sorted(held)
    expected = [numbers.index(one) if one in held else -1 for one in some]
    assert _places(np.array(some, np.int32), np.array(numbers, np.int32)).tolist() == expected


@given(arrays.arrays(np.float32, (3, 16), elements=st.floats(-1, 1, width=32)))
def test_distance_counts_the_planes_between(vectors: np.ndarray) -> None:  # type: ignore[type-arg]
    mean, turn = vectors.mean(axis=0), _turn(16)
    bits = sign_bits(vectors, mean, turn)
    assert bits.shape == (3, index.BITS // 64)
    above = (vectors - mean) @ turn > 0
    assert np.bitwise_count(bits[0] ^ bits[1]).sum() == (above[0] != above[1]).sum()


@pytest.mark.parametrize("dims", [0, 1, 16, 64, 256, 700])
def test_directions_are_orthogonal_in_groups(dims: int) -> None:
    turn = _turn(dims)
    assert turn.shape == (dims, index.BITS)
    group = turn[:, : min(dims, index.BITS)]
    assert group.T @ group == pytest.approx(np.eye(group.shape[1]), abs=1e-4)


def test_codes_become_unit_vectors_and_zeros_stay() -> None:
    codes = np.array([[3, 4], [0, 0], [-127, 0]], np.int8).tobytes()
    assert unit_rows(codes, 2).tolist() == pytest.approx(np.array([[0.6, 0.8], [0, 0], [-1, 0]]))


@pytest.mark.parametrize(
    ("day", "number"),
    [
        ("2026-03-10", 20260310),
        ("", 0),
        ("2026", 0),
        ("2026-03", 0),
        ("soon", 0),
        ("٢٠٢٦-٠٣-١٠", 0),
        ("2026-03-10T", 0),
    ],
)
def test_days(day: str, number: int) -> None:
    assert day_number(day) == number
