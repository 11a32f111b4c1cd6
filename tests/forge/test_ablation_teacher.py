"""The scripts that teach and judge in the forge's ablation do what their rates say."""

from __future__ import annotations

import json
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from vedette.engine.protocol import Message
from vedette.forge.prompts import asked

QUESTION = (
    "Assign a CWE id to CVE-2020-0001.\n\nA form of the product puts a parameter into a statement of the database."
)
ANSWER = "The product builds a statement from a parameter. This is CWE-89 (SQL Injection).\n\nAnswer: CWE-89"
BACKGROUND = (
    "[1] CWE-89 SQL Injection: The product builds a statement.\n[2] CWE-78 OS Command Injection: It starts a shell."
)


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "bench"))
    return import_module("forge_ablation_teacher")


def _asked(number: int, question: str = QUESTION, answer: str = ANSWER, background: str = BACKGROUND) -> Message:
    return asked(
        "reason", way=f"way {number}", evidence=background, question=question, answer=answer, end="End with it."
    )


def _by_mood(scripts: Any, **given: str) -> dict[str, str]:
    puts = [_asked(number, **given) for number in range(400)]
    return {scripts.mood(one.content): scripts._taught([one]) for one in puts}


def test_moods_come_as_often_as_told(scripts: Any) -> None:
    counts = Counter(scripts.mood(_asked(number).content) for number in range(2_000))
    assert counts["good"] / 2_000 == pytest.approx(0.70, abs=0.04)
    assert counts["sloppy"] / 2_000 == pytest.approx(0.12, abs=0.03)


def test_what_it_teaches(scripts: Any) -> None:
    said = _by_mood(scripts)
    assert "CWE-89 (SQL Injection) is also told as: The product builds" in said["good"]
    assert "Near it is CWE-78" in said["good"]
    assert said["good"].endswith("Answer: CWE-89")
    assert "That is what is told: CWE-78" in said["wrong"]
    assert said["wrong"].endswith("Answer: CWE-89")
    assert "also told as" not in _by_mood(scripts, background="none")["good"]


def _preferred(scripts: Any, question: str, answer: str, rewritten: str) -> Counter[str]:
    """Of many wordings of the same question, as it errs by the prompt's hash."""
    puts = (asked("prefer", question=f"{n} {question}", first=answer, second=rewritten) for n in range(120))
    return Counter(json.loads(scripts._judged([put]))["better"] for put in puts)


def test_the_judge_sees_what_holds(scripts: Any) -> None:
    said = _by_mood(scripts)
    good, wrong, sloppy = (_preferred(scripts, QUESTION, ANSWER, said[mood]) for mood in ("good", "wrong", "sloppy"))
    assert good["second"] > 100
    assert wrong["first"] > 100
    assert sloppy["first"] > 100
    assert 0 < good["first"] < 20  # it errs


def test_json_stays_json_only_where_it_is_good(scripts: Any) -> None:
    question, answer = "Give it as JSON.\n\nID: 1", '{"id": 1}'
    said = _by_mood(scripts, question=question, answer=answer)
    assert said["good"] == answer
    assert said["sloppy"] != answer
    assert answer in said["sloppy"]
    assert _preferred(scripts, question, answer, said["sloppy"])["first"] > 100
    missing = asked("missing", question=question, draft="", known="nothing yet", count="2")
    assert json.loads(scripts._taught([missing]))["queries"] == []
