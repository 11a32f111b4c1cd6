"""The base score of every vector equals the library's; the decision weighs all of them."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from cvss import CVSS3

from vedette.experts.labels import METRICS
from vedette.experts.severity import base_score, decide, rating, score_of, vector_of


def test_every_vector_scores_as_the_library_says() -> None:
    wrong = []
    for places in product(*(range(len(order)) for order in METRICS.values())):
        if float(CVSS3(vector_of(places)).scores()[0]) != score_of(places):
            wrong.append(vector_of(places))
    assert not wrong


def _certain(vector: str) -> list[np.ndarray]:
    values = dict(part.split(":") for part in vector.split("/")[1:])
    return [np.array([float(v == values[name]) for v in order], dtype=np.float32) for name, order in METRICS.items()]


def test_a_certain_vector_is_the_decision() -> None:
    vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
    found = decide(_certain(vector))
    assert (vector_of(found.places), found.score, rating(found.score)) == (vector, 9.8, "CRITICAL")
    assert found.probability == pytest.approx(1)


def test_the_decision_lies_nearer_to_all_than_the_likeliest_values() -> None:
    parts = _certain("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H")
    for metric in (5, 6, 7):
        parts[metric] = np.array([0.4, 0.3, 0.3], dtype=np.float32)  # high is the likeliest, and rarely all three
    assert decide(parts, likelihood=100.0).score == 9.8
    assert decide(parts, likelihood=0.0).score < 9.8


@pytest.mark.parametrize(
    ("score", "name"), [(0.0, "NONE"), (0.1, "LOW"), (3.9, "LOW"), (4.0, "MEDIUM"), (7.0, "HIGH"), (9.0, "CRITICAL")]
)
def test_ratings_begin_where_the_specification_says(score: float, name: str) -> None:
    assert rating(score) == name


def test_no_impact_no_score() -> None:
    assert base_score("NLNNUNNN") == 0.0
