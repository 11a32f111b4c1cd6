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
from vedette.forge.ground import Evidence, Steps, ground, looked_up
from vedette.forge.ledger import Ledger
from vedette.forge.make import _apart
from vedette.forge.refine import TOUCHES, USED, Plan, Row, refine, rows
from vedette.knowledge.record import Kind as Entity
from vedette.knowledge.search import Hit
from vedette.knowledge.store import Knowledge
from vedette.overlap import Items
from vedette.split import Split, dev_objects


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


def test_what_dev_asks_about_is_not_looked_up_for_others(tmp_path: Path, store: Knowledge) -> None:
    split = next(s for s in (Split(n, 0.2) for n in range(99)) if dev_objects(("T1000", "T1100"), s.seed, 0.2) == DEV)
    asked = {"missing": [], "queries": ["ticket roasting traces"]}
    for number, wanted in ((0, False), (1, True)):  # the second one is about it
        steps = Steps(results=8, split=split)
        (tmp_path / str(number)).mkdir()
        found, _ = grounded(store, tmp_path / str(number), [asked], example(number), steps)
        assert ("T1100" in {one.id for one in found.evidence}) == wanted  # type: ignore[attr-defined]
        assert found.evidence  # type: ignore[attr-defined]


DEV = ("T1100",)
SPLIT = next(
    s for s in (Split(n, 0.3) for n in range(99)) if dev_objects(("T1000", "G1", "T2"), s.seed, 0.3) == ("T2",)
)


class Finds:
    def __init__(self, **changes: object) -> None:
        about = {"id": "T1000", "record": "T1000", "field": "description", "source": "attack/enterprise", **changes}
        text = str(about.pop("text", "A sentence that is long enough to be taken for evidence."))
        self._hit = Hit(
            kind=Entity.TECHNIQUE, name="", score=1.0, text=text, release="", start=0, end=len(text), **about
        )  # type: ignore[arg-type]

    def search(self, query: str, limit: int) -> list[Hit]:
        return [self._hit]


NAMED = "CVE-2020-0001: a text that a benchmark may ask about, word for word."


@pytest.mark.parametrize(("changes", "taken"), [
    ({}, True),
    ({"record": "G1"}, True),
    ({"id": "T2", "record": "G1"}, False),
    ({"id": "G1", "record": "T2"}, False),
    ({"id": "G1", "record": "G1", "field": "link:T2#14"}, False),
    ({"id": "G1", "record": "G1", "field": "link:T1000#14"}, True),
    ({"id": "CVE-2020-0001"}, False),
    ({"id": "CWE-22", "record": "CVE-2020-0001"}, False),
    ({"id": "CWE-22", "record": "CWE-22", "source": "cwe/1000"}, True),
    ({"id": "CWE-22", "record": "CWE-22", "source": "cwe/1000", "field": "examples", "text": NAMED}, False),
    ({"id": "CWE-22", "record": "CWE-22", "source": "cwe/1000", "field": "examples"}, False),  # cut in two
    ({"id": "CAPEC-1", "record": "CAPEC-1", "source": "capec", "field": "examples", "text": NAMED}, False),
    ({"id": "CAPEC-1", "record": "CAPEC-1", "source": "capec", "field": "examples"}, True),
    ({"id": "T1000", "record": "G1", "field": "link:T1000#1", "text": f"It used {NAMED}"}, True),
])  # fmt: skip
def test_texts_of_cves_and_of_dev_are_no_evidence(changes: dict[str, object], taken: bool) -> None:
    found: dict[tuple[str, str, int], Evidence] = {}
    store = cast("Knowledge", Finds(**changes))
    assert looked_up("a query", example(0), store, Steps(split=SPLIT), found) == len(found) == taken


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
