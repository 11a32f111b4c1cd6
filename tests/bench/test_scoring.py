"""Every scorer: perfect answers 1, wrong ones 0, and the order of items means nothing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.bench.hierarchy import Hierarchy
from vedette.bench.items import Item, Kind
from vedette.bench.protocol import answer_of
from vedette.bench.scoring import (
    Outcome,
    base_score,
    by_slice,
    lower_is_better,
    macro_f1,
    micro,
    rouge_l,
    rows,
    same_name,
    score,
)

VECTOR = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
OTHER = "CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"
RIGHT: dict[Kind, tuple[str, ...]] = {
    Kind.CHOICE: ("B",), Kind.CHOICES: ("A", "C"), Kind.WEAKNESS: ("CWE-79",), Kind.VECTOR: (VECTOR,),
    Kind.SCORE: ("9.8",), Kind.TECHNIQUE: ("T1218.001",), Kind.TECHNIQUES: ("T1003", "T1059"),
    Kind.MITIGATIONS: ("M1037", "M1041"), Kind.ACTOR: ("APT28",), Kind.PROSE: ("An attacker could run code.",),
}  # fmt: skip
WRONG = {
    Kind.CHOICE: "C", Kind.CHOICES: "BD", Kind.WEAKNESS: "CWE-89", Kind.VECTOR: OTHER, Kind.SCORE: "1.0",
    Kind.TECHNIQUE: "T1059", Kind.TECHNIQUES: "T1105, T1071", Kind.MITIGATIONS: "M1021", Kind.ACTOR: "Turla",
    Kind.PROSE: "Nothing happens",
}  # fmt: skip


def item(kind: Kind, number: int = 1, **slices: str) -> Item:
    choices = ("w", "x", "y", "z")
    return Item(
        id=str(number), kind=kind, prompt="?", right=RIGHT[kind], letters="ABCD", choices=choices, slices=slices
    )  # fmt: skip


@pytest.mark.parametrize("kind", list(Kind))
def test_perfect_answers_and_wrong_ones(kind: Kind) -> None:
    every = [item(kind, number) for number in range(30)]
    perfect, wrong = ([score(one, reply) for one in every] for reply in (answer_of(every[0]), WRONG[kind]))
    best, worst = (rows(kind, outcomes)[0]["value"] for outcomes in (perfect, wrong))
    if lower_is_better(kind):
        assert best == 0 < worst
    else:
        assert (best, worst) == (1, 0)
    assert all(outcome.valid for outcome in (*perfect, *wrong))
    none = rows(kind, [score(one, "…") for one in every]) if kind is not Kind.PROSE else []
    assert not none or none[-1] == {**none[-1], "name": "invalid", "value": 1.0, "n": 30}


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(list(Kind)), st.lists(st.booleans(), min_size=2, max_size=12), st.randoms())
def test_the_order_of_items_means_nothing(kind: Kind, rights: list[bool], rng: object) -> None:
    outcomes = [
        score(item(kind, number), answer_of(item(kind)) if right else WRONG[kind])
        for number, right in enumerate(rights)
    ]
    shuffled = outcomes[::-1]
    for a, b in zip(rows(kind, outcomes), rows(kind, shuffled), strict=True):
        assert a["name"] == b["name"]
        assert a["value"] == pytest.approx(b["value"])
        assert a["n"] == b["n"] == len(rights)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from([Kind.CHOICE, Kind.WEAKNESS, Kind.ACTOR]), st.lists(st.booleans(), min_size=1, max_size=40))
def test_a_share_lies_in_its_interval(kind: Kind, rights: list[bool]) -> None:
    outcomes = [score(item(kind, n), answer_of(item(kind)) if r else WRONG[kind]) for n, r in enumerate(rights)]
    headline = rows(kind, outcomes)[0]
    assert headline["value"] == pytest.approx(sum(rights) / len(rights))
    assert headline["low"] - 1e-9 <= headline["value"] <= headline["high"] + 1e-9


def test_invalid_answers_are_wrong_in_the_headline_and_left_out_of_the_published_metric() -> None:
    outcomes = [score(item(Kind.WEAKNESS, 1), "CWE-79"), score(item(Kind.WEAKNESS, 2), "no idea")]
    found = {row["name"]: row for row in rows(Kind.WEAKNESS, outcomes)}
    assert found["accuracy"]["value"] == 0.5
    assert found["accuracy of valid answers (as published)"]["value"] == 1
    assert found["accuracy of valid answers (as published)"]["n"] == 1
    assert found["invalid"]["value"] == 0.5


def test_an_invalid_vector_is_left_out_or_ten_points_off() -> None:
    outcomes = [score(item(Kind.VECTOR, 1), VECTOR), score(item(Kind.VECTOR, 2), "AV:Q/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H")]
    assert [o.valid for o in outcomes] == [True, False]
    found = {row["name"]: row["value"] for row in rows(Kind.VECTOR, outcomes)}
    assert found["mean absolute deviation"] == 0
    assert found["mean absolute deviation, invalid ones 10 off"] == 5
    assert found["exact"] == 0.5


def test_trials_of_an_item_are_one_item() -> None:
    twice = [score(item(Kind.CHOICE, 1), reply) for reply in ("B", "C")] + [score(item(Kind.CHOICE, 2), "B")] * 2
    found = rows(Kind.CHOICE, twice)[0]
    assert (found["value"], found["n"]) == (0.75, 2)


def test_sets_count_over_all_items() -> None:
    outcomes = [score(item(Kind.TECHNIQUES, 1), "T1003, T1105"), score(item(Kind.TECHNIQUES, 2), "T1003, T1059")]
    found = {row["name"]: row["value"] for row in rows(Kind.TECHNIQUES, outcomes)}
    assert found["micro-F1"] == found["precision"] == found["recall"] == 0.75
    assert found["F1, mean over items"] == pytest.approx((0.5 + 1) / 2)
    assert score(item(Kind.MITIGATIONS), "M1037, M1042, M1041").value == pytest.approx(2 * 2 / 5)


def test_relatives_of_the_right_weakness() -> None:
    parents = {"CWE-79": frozenset({"CWE-74"}), "CWE-74": frozenset({"CWE-707"}), "CWE-707": frozenset[str]()}
    tree = Hierarchy(parents)
    outcomes = [score(item(Kind.WEAKNESS, n), reply) for n, reply in enumerate(("CWE-74", "CWE-707", "CWE-79", "?"))]
    found = {row["name"]: row["value"] for row in rows(Kind.WEAKNESS, outcomes, tree)}
    assert found["accuracy, parent or child counts"] == 0.5
    assert tree.related("CWE-707", ["CWE-79"])
    assert not tree.related("CWE-89", ["CWE-79"])


def test_names_of_actors() -> None:
    assert same_name("APT-28", "apt 28")
    assert not same_name("", "")
    assert score(item(Kind.ACTOR), "Fancy Bear", same=lambda a, b: {a, b} == {"Fancy Bear", "APT28"}).value == 1


def test_slices_with_enough_items() -> None:
    outcomes = [
        score(item(Kind.CHOICE, n, about="CWE" if n % 2 else "ATT&CK"), "B" if n % 2 else "C") for n in range(40)
    ]
    assert [(row["name"], row["value"], row["n"]) for row in by_slice(Kind.CHOICE, outcomes, "about")] == [
        ("ATT&CK", 0, 20), ("CWE", 1, 20),
    ]  # fmt: skip
    assert by_slice(Kind.CHOICE, outcomes, "about", least=21) == []


@pytest.mark.parametrize(
    ("vector", "value"),
    [(VECTOR, 9.8), ("AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", 7.5), (OTHER, 1.6), ("AV:N", None), ("", None)],
)
def test_base_scores(vector: str, value: float | None) -> None:
    assert base_score(vector) == value


WORDS = st.lists(st.sampled_from(["an", "attacker", "could", "run", "code"]), max_size=8).map(" ".join)


@given(WORDS, WORDS)
def test_rouge_is_symmetric_and_a_share(a: str, b: str) -> None:
    assert 0 <= rouge_l(a, b) <= 1
    assert rouge_l(a, b) == rouge_l(b, a)
    assert not a or rouge_l(a, a) == 1


def test_rouge_by_hand() -> None:
    assert rouge_l("the cat sat", "the dog sat down") == pytest.approx(2 * 2 / 7)


PAIRS = st.lists(
    st.tuples(st.frozensets(st.sampled_from("abcd")), st.frozensets(st.sampled_from("abcd"), min_size=1)), max_size=8
)  # fmt: skip


@given(PAIRS)
def test_micro_f1_lies_between_precision_and_recall(pairs: Sequence[tuple[frozenset[str], frozenset[str]]]) -> None:
    f1, precision, recall = micro(pairs)
    assert min(precision, recall) - 1e-9 <= f1 <= max(precision, recall) + 1e-9


def test_macro_f1_by_hand() -> None:
    said = [("a", frozenset("a")), ("a", frozenset("b")), ("b", frozenset("b"))]
    assert macro_f1(said) == pytest.approx((2 * 1 / 3 + 2 * 1 / 3) / 2)


def test_nothing_measured_nothing_told() -> None:
    assert rows(Kind.CHOICE, []) == []
    outcome = Outcome(item="1", said=(), right=("A",), valid=False, value=0.0)
    assert rows(Kind.CHOICE, [outcome])[0]["value"] == 0
