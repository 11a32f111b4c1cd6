"""Numbers that belong to the weights: read strictly, and nothing but probabilities comes out of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import ArtefactError
from vedette.experts.calibration import load, mixed, order, sigmoid, softmax

FLOATS = st.lists(st.floats(width=32) | st.just(float("nan")), min_size=1, max_size=8)


def _numbers() -> dict[str, Any]:
    return {
        "format": 2,
        "mixes": {
            "weakness": {"any": [0.8, 0.3]},
            "severity": {"any": [[0.6, 0.5]] * 8},
            "ssvc": [[1.0, 0.0]] * 3,
            "techniques": [1.0, 0.2],
        },
        "weakness": {"threshold": 0.4, "conformal": {"any": 0.05}},
        "severity": {"conformal": {"any": 2.0}},
        "techniques": {"threshold": 0.4},
    }


def _write(folder: Path, numbers: object) -> Path:
    path = folder / "calibration.json"
    path.write_text(json.dumps(numbers))
    return path


def test_it_is_read(tmp_path: Path) -> None:
    read = load(_write(tmp_path, _numbers()))
    assert read.mixes.weakness["any"] == (0.8, 0.3)
    assert read.conventions() == {"any"}


FAULTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "format": lambda n: n.update(format=1),
    "threshold": lambda n: n["weakness"].update(threshold=1.5),
    "mixes.weakness": lambda n: n["mixes"]["weakness"].update(any=[-1, 0]),
    "mixes.severity": lambda n: n["mixes"]["severity"].update(any=[[0.6, 0.5]] * 7),
    "mixes.ssvc": lambda n: n["mixes"].update(ssvc=[[1.0, float("inf")]] * 3),
    "mixes.techniques": lambda n: n["mixes"].update(techniques=[1.0]),
    "severity.conformal": lambda n: n["severity"]["conformal"].update(any=-1),
    "techniques": lambda n: n.pop("techniques"),
    "more": lambda n: n.update(more=1),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_number_is_named(tmp_path: Path, fault: str) -> None:
    numbers = _numbers()
    FAULTS[fault](numbers)
    with pytest.raises(ArtefactError, match=fault):
        load(_write(tmp_path, numbers))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"calibration\.json"):
        load(tmp_path / "calibration.json")


@given(FLOATS, st.floats(0, 100), st.floats(0, 100))
def test_only_probabilities_come_out(logits: list[float], encoder: float, words: float) -> None:
    raw = np.array(logits, dtype=np.float32)
    both = mixed((raw, raw[::-1]), (encoder, words))
    shares = softmax(both)
    assert np.isfinite(shares).all()
    assert float(shares.sum()) == pytest.approx(1, abs=1e-5)
    alone = sigmoid(both)
    assert ((alone >= 0) & (alone <= 1)).all()


def test_each_opinion_counts_as_much_as_its_weight() -> None:
    encoder, words = np.array([3.0, 1.0], dtype=np.float32), np.array([0.0, 3.0], dtype=np.float32)
    assert mixed((encoder, words), (1, 0)).tolist() == [3, 1]
    assert mixed((encoder, words), (0.5, 2)).tolist() == [1.5, 6.5]
    assert softmax(mixed((encoder, words), (0.5, 0)))[0] < softmax(mixed((encoder, words), (1, 0)))[0]


def test_best_first_and_equal_ones_by_place() -> None:
    assert order(np.array([0.1, 0.4, 0.1, 0.4], dtype=np.float32)) == [1, 3, 0, 2]
