from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.guard.neutralise import escaped, printable, visible

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=600)  # surrogates and controls too
UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(ANY_TEXT, st.integers(-5, 700))
def test_what_comes_out_can_be_seen_and_fits(text: str, limit: int) -> None:
    shown = printable(text, limit)
    assert not {unicodedata.category(char) for char in shown} & UNSEEN
    assert len(shown) <= max(limit, 24)
    shown.encode("utf-8")


@given(ANY_TEXT, st.integers(-5, 700))
def test_it_is_idempotent(text: str, limit: int) -> None:
    assert printable(printable(text, limit), limit) == printable(text, limit)


@given(ANY_TEXT)
def test_only_what_cannot_be_seen_changes(text: str) -> None:
    assert escaped(text, lambda char: char) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, naïve café, 日本", "plain text, naïve café, 日本"),
        ("C:\\Users\\x", "C:\\Users\\x"),
        ("a\tb\r\nc", r"a\tb\r\nc"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\x1b]8;;http://x\x07", r"\x1b]8;;http://x\x07"),
        ("\x7f\x85\x9b31m", r"\x7f\x85\x9b31m"),
        ("gpj\u202eexe", r"gpj\u202eexe"),
        ("a\u200bb\ufeff\u2066", r"a\u200bb\ufeff\u2066"),
        ("line\u2028end\u2029", r"line\u2028end\u2029"),
        ("half \ud800 pair", r"half \ud800 pair"),
        ("tag \U000e0041", r"tag \U000e0041"),
        ("blank \u3164\u2800\ufe0f\u00a0", r"blank \u3164\u2800\ufe0f\xa0"),
        ("e\u0301\u0301\u0301\u0301", "e\u0301\u0301\u0301" + r"\u0301"),
    ],
)
def test_examples(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_cut_is_visible_and_counts_what_is_not_shown() -> None:
    assert printable("a" * 100, 40) == "a" * 32 + "… [+68]"
    assert printable("a" * 40, 40) == "a" * 40


def test_an_escape_is_never_cut_in_two() -> None:
    shown = printable("\x1b" * 1_000, 50)
    assert shown.replace(r"\x1b", "") == f"… [+{1_000 - shown.count('x1b')}]"


def test_visible_names_each_size_of_character() -> None:
    assert [visible(char) for char in "\n\x00\u202e\U000e0001"] == [r"\n", r"\x00", r"\u202e", r"\U000e0001"]
