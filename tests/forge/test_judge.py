from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.forge.conftest import example

from vedette.engine.backends.fake import Fake
from vedette.engine.protocol import Message
from vedette.forge.caller import Caller
from vedette.forge.judge import MARK, Judged, Labelled, Preference, accepts, calibrate, judge
from vedette.forge.ledger import Ledger

REWRITTEN = "1. A step. 2. Another one. Answer: TA0002 (Running Code)"


def judged(tmp_path: Path, taste: str, mark: object = 9) -> Judged:
    """By a judge with a taste: for the original, the rewritten one, what it reads first, or none."""

    def say(messages: Sequence[Message]) -> str:
        text = messages[-1].content
        if '"factuality"' in text:
            return json.dumps({"reason": "", "factuality": mark})
        rewritten_first = REWRITTEN in text.partition("Second answer:")[0]
        wanted = {
            "rewritten": rewritten_first,
            "original": not rewritten_first,
            "whatever is first": True,
            "last": False,
        }
        better = {"tie": "tie", "garbage": "perhaps"}.get(taste) or ("first" if wanted[taste] else "second")
        return json.dumps({"reason": "", "better": better})

    with Ledger(tmp_path / "l.db") as ledger:
        return asyncio.run(judge(example(), REWRITTEN, Caller(Fake(say), ledger)))


@pytest.mark.parametrize(
    ("taste", "preference"),
    [
        ("rewritten", Preference.REWRITTEN),
        ("original", Preference.ORIGINAL),
        ("tie", Preference.TIE),
        ("whatever is first", Preference.INCONSISTENT),
        ("last", Preference.INCONSISTENT),
        ("garbage", Preference.UNREADABLE),
    ],
)
def test_both_orders_have_to_agree(taste: str, preference: Preference, tmp_path: Path) -> None:
    assert judged(tmp_path, taste).preference is preference


@pytest.mark.parametrize("mark", [0, 11, "9", None, True, 7.5, -1])
def test_a_mark_that_is_none(mark: object, tmp_path: Path) -> None:
    assert judged(tmp_path, "tie", mark).factuality == 0


@pytest.mark.parametrize(
    ("found", "good"),
    [
        (Judged(Preference.REWRITTEN, 9, 1.0), True),
        (Judged(Preference.TIE, MARK, 1.0), True),
        (Judged(Preference.REWRITTEN, MARK - 1, 1.0), False),
        (Judged(Preference.ORIGINAL, 10, 1.0), False),
        (Judged(Preference.INCONSISTENT, 10, 1.0), False),
        (Judged(Preference.UNREADABLE, 10, 1.0), False),
        (Judged(Preference.REWRITTEN, 8, 9.0), False),  # so much longer has to be beyond doubt
        (Judged(Preference.REWRITTEN, 9, 9.0), True),
    ],
)
def test_what_is_accepted(found: Judged, good: bool) -> None:
    assert accepts(found, {}, "attack-technique/tactic") is good


def test_marks_of_a_task_come_first() -> None:
    found = Judged(Preference.TIE, 6, 1.0)
    assert accepts(found, {"a/b": 6}, "a/b")
    assert not accepts(found, {"a/b": 6}, "a/c")
    assert accepts(found, {"": 5}, "a/c")


def test_a_calibration_follows_the_labels() -> None:
    strict = [Labelled("a/strict", mark, mark >= 9) for mark in range(1, 11)] * 10
    lenient = [Labelled("a/lenient", mark, mark >= 4) for mark in range(1, 11)] * 10
    marks = calibrate([*strict, *lenient])
    assert marks["a/strict"] == 9
    assert marks["a/lenient"] == 4
    assert 4 <= marks[""] <= 9
    assert calibrate([]) == {"": MARK}
    few = calibrate([*strict, Labelled("a/new", 2, True), Labelled("a/new", 1, False)])
    assert few["a/new"] == 9  # two labels are no reason to leave the rest
