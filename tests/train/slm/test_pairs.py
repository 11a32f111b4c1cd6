"""Pairs: what can be learned from is kept, what cannot is counted and named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import InputError
from vedette.overlap import Items
from vedette.train.slm import pairs
from vedette.train.slm.pairs import Pair, Tally, read
from vedette.train.slm.questions import Question

ASKED = ({"role": "user", "content": "Which weakness is it?"},)
RIGHT, WRONG = "A script.\n\nAnswer: CWE-79", "A query.\n\nAnswer: CWE-89"


def line(**changes: Any) -> dict[str, Any]:
    return {"prompt": list(ASKED), "chosen": RIGHT, "rejected": WRONG, **changes}


def written(folder: Path, *told: object) -> Path:
    path = folder / "pairs.jsonl"
    path.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in told), "utf-8")
    return path


def test_good_pairs_are_read_in_their_order(tmp_path: Path) -> None:
    exact = line(chosen=RIGHT, rejected="Answer: CWE-1", kind="closed-book", final="CWE-79", by="judge")
    rules = [{"role": "system", "content": "Be short."}, *ASKED]
    tally = Tally()
    found = read(written(tmp_path, line(), "", exact, line(prompt=rules)), tally)
    assert [one.rejected for one in found] == [WRONG, "Answer: CWE-1", WRONG]
    assert (tally.read, tally.used, tally.left.total()) == (3, 3, 0)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("not json", "no pair"),
        (line(extra=1), "no pair"),
        ({"prompt": "text", "chosen": "a", "rejected": "b"}, "no pair"),
        ({"chosen": "a", "rejected": "b"}, "no pair"),
        (line(chosen=None), "no pair"),
        (line(prompt=[]), "the prompt does not end in a question"),
        (line(prompt=[{"role": "assistant", "content": "x"}]), "the prompt does not end in a question"),
        (line(prompt=[*ASKED, {"role": "assistant", "content": "x"}]), "the prompt does not end in a question"),
        (line(prompt=[{"role": "user"}]), "the prompt does not end in a question"),
        (line(prompt=[{"role": "tool", "content": "x"}]), "the prompt does not end in a question"),
        (line(chosen=" "), "an empty answer"),
        (line(rejected=RIGHT + "\n"), "the same answer twice"),
        (line(chosen="x<|im_end|>"), "marks of a chat template"),
        (line(kind="closed-book", final="CWE-80", rejected="x"), "the better answer is not right"),
        (line(), "twice"),
        (line(chosen="one two three four five six seven eight nine ten eleven twelve thirteen"), "touches a benchmark"),
    ],
)
def test_a_bad_line_is_named_and_the_others_stay(tmp_path: Path, bad: object, why: str) -> None:
    items = Items([("bench#1", ["one two three four five six seven eight nine ten eleven twelve thirteen"])])
    tally = Tally()
    path = written(tmp_path, line(), bad)
    assert len(read(path, tally, items)) == 1
    assert tally.left == {why: 1}
    assert tally.places[why][0].startswith(f"{path}:2: ")


def test_a_file_without_any_pair_is_no_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"1 the same answer twice, the first .*pairs\.jsonl:1"):
        read(written(tmp_path, line(rejected=RIGHT)), Tally())
    with pytest.raises(InputError, match="empty"):
        read(written(tmp_path, ""), Tally())
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "none.jsonl", Tally())


@given(st.binary(max_size=200))
def test_any_bytes_are_a_bad_line_at_most(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "pairs.jsonl"
    path.write_bytes(json.dumps(line()).encode() + b"\n" + raw)
    tally = Tally()
    assert read(path, tally)
    assert tally.read == tally.used + tally.left.total()


def question(kind: str, final: str, answer: str) -> Question:
    return Question(messages=(*ASKED, {"role": "assistant", "content": answer}), id="1", kind=kind, final=final)


def test_a_wrong_answer_becomes_a_pair() -> None:
    asked = question("closed-book", "CWE-79", RIGHT)
    found = pairs.of_verifier(asked, f" {WRONG}\n")
    assert found
    assert (found.chosen, found.rejected, found.by) == (RIGHT, WRONG, "verifier")
    assert pairs.of_verifier(asked, "It could be a script.\n\nAnswer: CWE-79") is None
    assert pairs.of_verifier(question("closed-book", "CWE-80", RIGHT), WRONG) is None  # the row itself is wrong
    assert pairs.of_verifier(question("open", "", "Prose."), WRONG) is None  # nobody can tell
    assert pairs.of_verifier(asked, "  ") is None


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    pair = Pair(prompt=ASKED, chosen=RIGHT, rejected=WRONG, id="1", licence="MIT", objects=("CWE-79",))
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(pairs.encoded(pair))
    assert read(path, Tally()) == [pair]
