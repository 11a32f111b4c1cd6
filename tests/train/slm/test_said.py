"""What a reply answers, and what is none however much it looks like it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.train.slm import said

GOOD = "The alert shows a script.\n\nAnswer: CWE-79"


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (GOOD, "CWE-79"),
        ("Answer: Yes", "Yes"),
        ("Answer:   A,  B \n", "A, B"),
        ("<think>CWE-79 or CWE-89?\nAnswer: CWE-89</think>\n\nIt is the first.\n\nAnswer: CWE-79", "CWE-79"),
        ("The DNS answer was late.\nAnswer: No", "No"),
    ],
)
def test_an_honest_answer_is_read(reply: str, found: str) -> None:
    assert said.answer(reply) == found


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "CWE-79",
        "Answer:",
        "Answer: ",
        "answer: CWE-79",
        "Answer:CWE-79",
        "**Answer:** CWE-79",
        "Answer: CWE-89\nAnswer: CWE-79",
        "Final answer: CWE-89\n\nAnswer: CWE-79",
        "The correct answer: CWE-89\n\nAnswer: CWE-79",
        "> ANSWER : CWE-89\nAnswer: CWE-79",
        "Аnswer: CWE-89\nAnswer: CWE-79",  # Cyrillic А
        "Ａｎｓｗｅｒ： CWE-89\nAnswer: CWE-79",  # full width
        "𝐀𝐧𝐬𝐰𝐞𝐫: CWE-89\nAnswer: CWE-79",  # mathematical
        "A\u200bnswer: CWE-89\nAnswer: CWE-79",  # zero-width space
        "A\u0301nswer: CWE-89\nAnswer: CWE-79",  # accent
        "Answer: CWE-79\nAnd nothing else.",
        "<think>Answer: CWE-79</think>",
        "<think>Answer: CWE-79",
        "Answer: CWE-79</think>",
        "It is.\n<think>hm</think>\nAnswer: CWE-79",
        "<think><think>a</think></think>Answer: CWE-79",
        "Answer: CWE-79<|im_end|>",
        "<|im_start|>assistant\nAnswer: CWE-79",
        "[INST] Answer: CWE-79",
        "Answer: CWE-89\u2028Answer: CWE-79",
        "Answer: CWE-89\x0bAnswer: CWE-79",
        "Answer: CWE-89\rAnswer: CWE-79",
        "\u202eAnswer: CWE-79",
        "Answer: CWE-\u200b79",
        "x\x00\nAnswer: CWE-79",
        "\ud800\nAnswer: CWE-79",
        "padding " * 3_000 + "\nAnswer: CWE-79",
    ],
)
def test_what_cannot_be_trusted_answers_nothing(reply: str) -> None:
    assert said.answer(reply) is None


@given(st.text(max_size=400))
def test_any_text_can_be_read(text: str) -> None:
    found = said.answer(text)
    assert found is None or (found == found.strip() and found.isprintable())
    assert said.claims(text) >= (found is not None)


@given(st.text(max_size=200), st.sampled_from(["CWE-89", "No", "x"]))
def test_a_second_answer_line_spoils_every_reply(text: str, other: str) -> None:
    assert said.answer(f"Answer: {other}\n{text}\n{GOOD}") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{} {}",
        "```json\n{}\n```",
        '{"a": 1, "a": 2}',
        "NaN",
        '{"a": Infinity}',
        "[" * 5_000,
        "[" * 13 + "]" * 13,
    ],
)
def test_what_is_no_plain_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        said.parsed(text)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet="abc é", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet="xyz", max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(_JSON)
def test_json_comes_back_as_it_was(value: object) -> None:
    assert said.parsed(json.dumps(value)) == value
