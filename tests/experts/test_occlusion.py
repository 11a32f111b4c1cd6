"""Words that carry an answer, by a reader whose habits are known."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from vedette.experts.occlusion import MOST, RUNS, carried


def _reader(weights: dict[str, float]) -> tuple[list[str], Callable[[str], float]]:
    asked: list[str] = []

    def likely(text: str) -> float:
        asked.append(text)
        return sum(weight for word, weight in weights.items() if word in text.split())

    return asked, likely


TEXT = "one two three four injection six seven eight nine ten eleven query thirteen fourteen fifteen sixteen"


def test_the_words_that_matter_are_told_the_weightiest_first() -> None:
    _, likely = _reader({"query": 0.3, "injection": 0.6})
    found = carried(TEXT, likely)
    assert [(TEXT[w.start : w.end], w.drop) for w in found] == [("injection", 0.6), ("query", 0.3)]


def test_words_that_do_not_matter_are_not_told() -> None:
    _, likely = _reader({"elsewhere": 0.9})
    assert carried(TEXT, likely) == ()
    assert carried(" \n", likely) == ()


def test_words_that_only_join_others_are_not_told() -> None:
    _, likely = _reader({"of": 0.4, "query": 0.3})
    text = "query of tables"
    assert [text[w.start : w.end] for w in carried(text, likely)] == ["query"]


@given(st.text(max_size=1500) | st.integers(0, 300).map(lambda n: "word " * n))
def test_it_asks_a_bounded_number_of_times_and_points_into_the_text(text: str) -> None:
    asked: list[str] = []

    def likely(changed: str) -> float:
        asked.append(changed)
        return len(changed) / (len(text) + 1)

    found = carried(text, likely)
    assert len(asked) <= RUNS
    assert len(found) <= MOST
    assert all(text[w.start : w.end].strip() == text[w.start : w.end] != "" for w in found)
    assert [w.drop for w in found] == sorted((w.drop for w in found), reverse=True)
