"""Stages 3 to 5 with teachers of every mood: the bad never reach the output, and no example is lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import orjson
import pytest
from tests.forge.conftest import NAMES, example

from vedette.engine.backends.fake import Fake
from vedette.engine.backends.moody import MOODS, Moody, mood
from vedette.engine.protocol import Message
from vedette.forge.caller import Caller, Limits, Spent
from vedette.forge.example import Example
from vedette.forge.ground import Steps, ground
from vedette.forge.ledger import Ledger
from vedette.forge.make import _apart
from vedette.forge.refine import TOUCHES, USED, Plan, Row, refine, rows
from vedette.knowledge.store import Knowledge
from vedette.overlap import Items


def _numbered(n: int) -> Example:
    question = f"Which tactics of ATT&CK does it serve, question {n}, {NAMES[n % 5]}?"
    return example(n % 5, id=f"{n:016x}", question=question)


EXAMPLES = [_numbered(n) for n in range(160)]
BAD = (
    "T9999.999", "CVE-2099", "evil.example", "<script>", "system prompt", "I'm sorry", "Roses need", "none of these",
    "very important to remember", "correct answer",
)  # fmt: skip


def plan(teacher: Fake, ledger: Ledger, in_flight: int = 8, tokens: int = 0) -> Plan:
    limits = Limits(in_flight, tokens=tokens)
    return Plan(Caller(teacher, ledger, limits), Caller(teacher, ledger, limits), Steps(2, 2, 2), {})


def run(tmp_path: Path, store: Knowledge, teacher: Fake, **options: int) -> tuple[Counter[str], list[Row]]:
    with Ledger(tmp_path / "l.db") as ledger:
        counts = asyncio.run(refine(EXAMPLES, "r", plan(teacher, ledger, **options), store, ledger, lambda _: None))
        return counts, list(rows(ledger, "r"))


def test_the_bad_never_reach_the_output(tmp_path: Path, store: Knowledge) -> None:
    counts, made = run(tmp_path, store, Moody())
    assert [row.example for row in made] == EXAMPLES
    assert sum(counts.values()) == len(EXAMPLES)
    assert 0.1 < counts[USED] / len(EXAMPLES) < 0.5
    assert len(counts) >= 10  # every mood was met and named
    for row in made:
        assert not [words for words in BAD if words in row.answer]
        assert row.answer.endswith(f"Answer: {row.example.final}")
        assert (row.outcome == USED) == (row.answer != row.example.answer)


class Held:
    """Benchmarks that ask about roses."""

    def touched(self, text: str) -> tuple[str, str]:
        return ("gram", "roses") if "roses" in text else ("", "")


@pytest.mark.parametrize(("outcome", "answer", "kept"), [
    (USED, "It is about roses.", False), (USED, "It is about thorns.", True), ("judge: original", "roses", True),
])  # fmt: skip
def test_what_grounding_found_is_held_against_benchmarks(outcome: str, answer: str, kept: bool) -> None:
    row = _apart(Row(example=EXAMPLES[0], answer=answer, outcome=outcome), cast("Items", Held()))
    assert (row.outcome, row.answer) == ((outcome, answer) if kept else (TOUCHES, EXAMPLES[0].answer))
    assert _apart(Row(example=EXAMPLES[0], answer=answer, outcome=outcome), None).answer == answer


def test_every_mood_occurs() -> None:
    prompts = [[Message("user", f"Correct answer:\n{n}\n\nEnd with it.")] for n in range(400)]  # type: ignore[arg-type]
    assert {mood(prompt) for prompt in prompts} == set(MOODS)


def test_a_run_that_was_broken_off_goes_on(tmp_path: Path, store: Knowledge) -> None:
    with pytest.raises(BaseExceptionGroup) as broken:
        run(tmp_path, store, Moody(), tokens=30_000)
    assert broken.group_contains(Spent)
    again, made = run(tmp_path, store, Moody())
    fresh, wanted = run(tmp_path / "..", store, Moody())
    assert made == wanted
    assert again == fresh


def test_what_had_no_answer_is_tried_again_by_the_next_run(tmp_path: Path, store: Knowledge) -> None:
    dead, _ = run(tmp_path, store, Fake([], name="moody"))
    assert set(dead) == {next(iter(dead))}
    counts, made = run(tmp_path, store, Moody())
    assert counts[USED] > 0
    assert [row.example for row in made] == EXAMPLES


def test_a_teacher_that_dies_costs_no_example(tmp_path: Path, store: Knowledge) -> None:
    counts, made = run(tmp_path, store, Fake([]))
    assert [row.answer for row in made] == [one.answer for one in EXAMPLES]
    assert all(outcome.startswith("no answer") for outcome in counts)


ONE = Steps()


def grounded(
    store: Knowledge, tmp_path: Path, replies: Sequence[object], one: Example, steps: Steps = ONE
) -> tuple[object, Fake]:
    teacher = Fake(
        ["a draft", *(reply if isinstance(reply, str) else orjson.dumps(reply).decode() for reply in replies)]
    )
    with Ledger(tmp_path / "g.db") as ledger:
        return asyncio.run(ground(one, Caller(teacher, ledger), store, steps)), teacher


def test_what_is_missing_is_looked_up(tmp_path: Path, store: Knowledge) -> None:
    asked = {
        "missing": ["roasting"],
        "queries": ["ticket roasting traces", "ticket roasting traces left", "log wiping"],
    }
    found, _ = grounded(store, tmp_path, [asked], example())
    assert found.queries == ("ticket roasting traces",)  # type: ignore[attr-defined]
    assert found.left == ("ticket roasting traces left",)  # type: ignore[attr-defined]
    assert {"T1100"} <= {one.id for one in found.evidence}  # type: ignore[attr-defined]
    for one in found.evidence:  # type: ignore[attr-defined]
        text = store.text(one.id, one.source, one.field)
        assert text is not None
        assert " ".join(text[one.start : one.end].split()) in one.text


def test_a_second_round_asks_what_the_first_revealed(tmp_path: Path, store: Knowledge) -> None:
    first, second = {"missing": [], "queries": ["ticket roasting"]}, {"missing": [], "queries": ["token theft"]}
    found, teacher = grounded(store, tmp_path, [first, second], example(), Steps(2, 1, 2))
    assert found.queries == ("ticket roasting", "token theft")  # type: ignore[attr-defined]
    assert "Ticket Roasting" in teacher.asked[2][0].content


@pytest.mark.parametrize(
    "reply", ["garbage", {"queries": "x"}, {"queries": [1, None]}, {"queries": []}, {"queries": ["the of"]}]
)
def test_without_evidence_there_is_none(reply: object, tmp_path: Path, store: Knowledge) -> None:
    found, _ = grounded(store, tmp_path, [reply], example())
    assert found.evidence == ()  # type: ignore[attr-defined]
