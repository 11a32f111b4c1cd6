"""The heads, and the n-grams that the second opinion reads."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vedette.errors import ArtefactError
from vedette.experts.heads import PARTIES, SEVERITY, Heads, Reading, _erf
from vedette.experts.labels import CONVENTIONS, Convention
from vedette.experts.ngrams import places

DIMS, BAG, ROWS, POINTS = 8, 4, 64, 7
SIZES = {"weakness": 3, "severity": SEVERITY, "ssvc": POINTS, "techniques": 5}
PARTED = ("weakness", "severity")
Arrays = dict[str, NDArray[np.generic]]


@pytest.fixture
def arrays() -> Arrays:
    rng = np.random.default_rng(1)

    def some(*shape: int) -> NDArray[np.generic]:
        return rng.normal(0, 1, shape).astype(np.float16)

    found: Arrays = {"embedding.weight": some(DIMS, DIMS)}
    for name, size in SIZES.items():
        found |= {f"{name}.hidden.weight": some(DIMS, DIMS), f"{name}.hidden.bias": some(DIMS)}
        found |= {f"{name}.out.weight": some(size, DIMS), f"{name}.out.bias": some(size)}
        if name in PARTED:
            found |= {f"{name}.shift": some(len(CONVENTIONS), DIMS), f"{name}.bias": some(len(CONVENTIONS), size)}
        if name != "severity":
            found[f"ngrams.{name}.out.weight"] = some(size, BAG)
    found |= {"ngrams.weakness.shift": some(len(CONVENTIONS), BAG), "ngrams.weakness.bias": some(len(CONVENTIONS), 3)}
    found |= {"ngrams.ssvc.out.bias": some(POINTS), "ngrams.techniques.out.bias": some(5)}
    found["ngrams.severity.bias"] = some(len(CONVENTIONS), SEVERITY)
    found["ngrams.table"] = rng.integers(-127, 128, (ROWS, BAG + 2 * SEVERITY)).astype(np.int8)
    found["ngrams.scales"] = rng.uniform(0, 0.01, (ROWS, 2)).astype(np.float32)
    return found


def reading(*tokens: int, windows: int = 1) -> Reading:
    pooled = np.random.default_rng(2).normal(0, 1, (windows, DIMS)).astype(np.float32)
    return Reading(pooled, np.full(windows, 1 / windows, dtype=np.float32), places(tokens, ROWS))


@given(st.lists(st.integers(0, 30_521), max_size=60), st.integers(1, 70_000))
def test_places_lie_in_the_table_each_once(tokens: list[int], rows: int) -> None:
    found = places(tokens, rows)
    assert len(found) <= max(0, 2 * len(tokens) - 1)
    assert (np.diff(found) > 0).all()
    assert ((found >= 0) & (found < rows)).all()


def test_a_place_is_the_same_wherever_its_words_stand() -> None:
    wide = 2**30  # no two share a row
    assert set(places([7, 8], wide)) <= set(places([1, 7, 8, 2], wide))
    assert set(places([7, 8], wide)) != set(places([8, 7], wide))
    assert len(places(range(1_000), wide)) == 1_999
    assert places([7, 8, 9], 32_768).tolist() == GOLDEN


GOLDEN = [16604, 16976, 28849, 29336, 30193]  # trained tables rest on these


def test_every_head_gives_two_opinions(arrays: Arrays) -> None:
    heads = Heads(arrays)
    for name, size in SIZES.items():
        encoder, words = heads.logits(name, reading(1, 2, 3, windows=2), 0)
        assert encoder.shape == words.shape == (size,) == (heads.outputs(name),)
        assert encoder.dtype == words.dtype == np.float32
    assert heads.embed(reading(1)).shape == (DIMS,)
    assert np.linalg.norm(heads.embed(reading(1, windows=3))) == pytest.approx(1)


def test_conventions_have_logits_of_their_own(arrays: Arrays) -> None:
    heads, one = Heads(arrays), reading(1, 2, 3)
    for name in PARTED:
        assert len({heads.logits(name, one, column)[0].tobytes() for column in range(len(CONVENTIONS))}) == len(
            CONVENTIONS
        )
    assert (heads.logits("ssvc", one, 0)[0] == heads.logits("ssvc", one, 1)[0]).all()


def test_the_words_of_vectors_are_those_of_their_party(arrays: Arrays) -> None:
    arrays["ngrams.severity.bias"] = np.zeros((len(CONVENTIONS), SEVERITY), np.float16)
    heads = Heads(arrays)
    said = {party: heads.logits("severity", reading(1, 2, 3), column)[1] for column, party in enumerate(CONVENTIONS)}
    assert (said[Convention.NVD] == said[Convention.NVD_2018]).all()
    assert (said[Convention.CNA] == said[Convention.REDHAT]).all()
    assert not (said[Convention.NVD] == said[Convention.CNA]).all()
    found = reading(1, 2, 3).places
    table = arrays["ngrams.table"].astype(float)[found, BAG : BAG + SEVERITY]
    mean = (table * arrays["ngrams.scales"][found, 1:]).sum(0) / math.sqrt(len(found))
    assert said[Convention.NVD] == pytest.approx(mean, abs=1e-5)
    assert PARTIES[CONVENTIONS.index(Convention.NVD)] == 0


def test_a_text_without_words_gets_the_bias(arrays: Arrays) -> None:
    heads = Heads(arrays)
    assert heads.logits("ssvc", reading())[1] == pytest.approx(arrays["ngrams.ssvc.out.bias"].astype(float))


@given(st.floats(-10, 10, width=32))
def test_the_error_function(value: float) -> None:
    assert float(_erf(np.array([value], dtype=np.float32))[0]) == pytest.approx(math.erf(value), abs=5e-7)


FAULTS: dict[str, Callable[[Arrays], object]] = {
    "ngrams.table": lambda a: a.pop("ngrams.table"),
    "wanted int8": lambda a: a.update({"ngrams.table": np.zeros((ROWS, BAG + 2 * SEVERITY), np.float32)}),
    "ngrams.scales": lambda a: a.update({"ngrams.scales": np.zeros((ROWS, 1), np.float32)}),
    "weakness.hidden.weight": lambda a: a.pop("weakness.hidden.weight"),
    "severity.shift": lambda a: a.pop("severity.shift"),
    "techniques.out.weight": lambda a: a.update({"techniques.out.weight": np.zeros((5, 3), np.float16)}),
    "ngrams.weakness.out.weight": lambda a: a.update({"ngrams.weakness.out.weight": np.zeros((3, 3), np.float16)}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_arrays_that_do_not_fit_are_named(arrays: Arrays, fault: str) -> None:
    FAULTS[fault](arrays)
    with pytest.raises(ArtefactError, match=fault):
        Heads(arrays)


def test_a_file_that_is_none(tmp_path: Path, arrays: Arrays) -> None:
    path = tmp_path / "heads.npz"
    with pytest.raises(ArtefactError, match=r"heads\.npz"):
        Heads.load(path)
    path.write_bytes(b"no archive")
    with pytest.raises(ArtefactError, match="cannot be read"):
        Heads.load(path)
    np.savez(path, allow_pickle=True, **{**arrays, "embedding.weight": np.array([{}], dtype=object)})
    with pytest.raises(ArtefactError, match="cannot be read"):
        Heads.load(path)
