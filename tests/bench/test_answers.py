"""What counts as an answer, in replies as models give them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.bench.answers import last_line, read, read_first, spoken
from vedette.bench.items import Item, Kind


def item(kind: Kind, right: str = "A", letters: str = "ABCD") -> Item:
    return Item(id="1", kind=kind, prompt="?", right=(right,), letters=letters, choices=("w", "x", "y", "z"))


@pytest.mark.parametrize(
    ("reply", "last", "first"),
    [
        ("B", "B", "B"),
        ("**B**", "B", "B"),
        ("Answer: B) Execution Prevention", "B", "B"),
        ("The options A and C are wrong.\n\nFinal answer: D.", "D", "A"),
        ("A process may do this, so it is C", "C", "C"),
        ("A common way is this.\nB", "B", "B"),
        ("<think>A, surely A</think>\nC", "C", "C"),
        ("<think>never closed: A", "", ""),
        ("I cannot say.", "", ""),
        ("", "", ""),
        ("b", "", ""),
        ("CWE-79 ABCD T1003.001", "", ""),
        ("It's option (D).", "D", "D"),
    ],
)
def test_letters(reply: str, last: str, first: str) -> None:
    asked = item(Kind.CHOICE)
    assert read(asked, reply) == ((last,) if last else ())
    assert read_first(asked, reply) == ((first,) if first else ())


def test_letters_that_the_question_does_not_have_are_no_answer() -> None:
    assert read(item(Kind.CHOICE, letters="TFX"), "The answer is B") == ()
    assert read(item(Kind.CHOICE, letters="TFX"), "X") == ("X",)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("AC", ("A", "C")),
        ("Answer: C, A", ("A", "C")),
        ("A and D", ("A", "D")),
        ("The right ones are:\nA) this\nB) that\n\nABD", ("A", "B", "D")),
        ("none of them", ()),
    ],
)
def test_sets_of_letters(reply: str, said: tuple[str, ...]) -> None:
    assert read(item(Kind.CHOICES), reply) == said


@pytest.mark.parametrize(
    ("kind", "reply", "said"),
    [
        (Kind.WEAKNESS, "It might be CWE-20, but the best is\nCWE-79", ("CWE-79",)),
        (Kind.WEAKNESS, "cwe-787", ("CWE-787",)),
        (Kind.WEAKNESS, "CWE-79 fits, as the text says.\nI hope this helps!", ("CWE-79",)),
        (Kind.WEAKNESS, "an overflow", ()),
        (
            Kind.VECTOR, "AV is N …\nCVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",),
        ),
        (Kind.VECTOR, "`AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:N/A:N`", ("AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:N/A:N",)),
        (Kind.VECTOR, "9.8, critical", ()),
        (Kind.SCORE, "The score is 7.5", ("7.5",)),
        (Kind.SCORE, "CVSS 3.1 gives\n10.0", ("10.0",)),
        (Kind.SCORE, "high", ()),
        (Kind.TECHNIQUE, "This is T1059 at first, then\nAnswer: T1218.001", ("T1218",)),
        (Kind.TECHNIQUES, "T1003 because …\nT1059, T1071.001, T1059", ("T1059", "T1071")),
        (Kind.MITIGATIONS, "Answer: M1037, M1041", ("M1037", "M1041")),
        (Kind.ACTOR, "Because of the tools.\nAnswer: **Lazarus Group**.", ("Lazarus Group",)),
        (Kind.ACTOR, "word " * 60, ()),
        (Kind.PROSE, "One\nsentence. ", ("One sentence.",)),
    ],
)  # fmt: skip
def test_other_kinds(kind: Kind, reply: str, said: tuple[str, ...]) -> None:
    assert read(item(kind), reply) == said


def test_reasoning_is_no_answer() -> None:
    assert spoken("<THINK>x</THINK> B") == "B"
    assert spoken("<reasoning>x\ny</reasoning>CWE-79") == "CWE-79"
    assert last_line("one\n---\n***\n") == "one"


@given(st.sampled_from(list(Kind)), st.text(max_size=400))
def test_any_reply_is_an_answer_or_none(kind: Kind, reply: str) -> None:
    said = read(item(kind), reply)
    assert isinstance(said, tuple)
    assert all(said)


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize(
    "part", ["\x01", "A,", "answer ", "AV:N/", "<think>", "T1", "9", " \n", "CWE-", "**", "A and "]
)
def test_long_replies_are_read_in_time(kind: Kind, part: str) -> None:
    begun = time.perf_counter()
    read(item(kind), part * 20_000)
    assert time.perf_counter() - begun < 2
