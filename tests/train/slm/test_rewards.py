"""Verifiers pay for what is right, and for nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.forge.example import EXACT, Kind
from vedette.forge.task import GROUPS, tasks
from vedette.guard.claims import schema as reply_schema
from vedette.knowledge.record import Kind as Entity
from vedette.knowledge.record import Link, Record, Rel
from vedette.prompts import ANSWER
from vedette.train.slm import questions, rewards, said
from vedette.train.slm.questions import Question
from vedette.train.slm.rewards import REWARDS, Ground

GROUND = Ground({"CWE-79": frozenset({"CWE-74"})}, frozenset({"T1003", "T1003.001", "T1059", "T1566"}))
VECTOR = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
VECTOR4 = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"


def asked(kind: str, final: str, task: str = "group/task", question: str = "Which one?") -> Question:
    answer = (final or "Prose.") if kind not in questions.EXACT else f"So it is.\n\nAnswer: {final}"
    messages = ({"role": "user", "content": question}, {"role": "assistant", "content": answer})
    return Question(messages=messages, id="1", task=task, kind=kind, final=final)


def told(final: str) -> str:
    return f"So it is.\n\nAnswer: {final}"


CASES = [
    asked("closed-book", "T1003 (OS Credential Dumping)"),
    asked("closed-book", "CWE-79", "cve-weakness/root-cause"),
    asked("yes-no", "Yes"),
    asked("multiple-choice", "B", question="Which?\n\nA) this\nB) that"),
    asked("multi-label", "T1003 (OS Credential Dumping), T1059 (Command and Scripting Interpreter)"),
    asked("chain-of-thought", VECTOR),
    asked("chain-of-thought", VECTOR4),
    asked("not-enough-evidence", "Not enough evidence"),
    asked("json-extraction", '{"id": "T1003", "tactics": ["TA0006"]}'),
    asked("json-extraction", '["a", "b"]'),
    asked("rule-writing", '<rule id="1">\n  <if_sid>5</if_sid>\n</rule>'),
    asked("open", ""),
    asked("log/order", "3, 1, 2", "log/order"),
]


def test_kinds_and_the_answer_line_are_those_of_the_forge() -> None:
    assert frozenset(map(str, EXACT)) == questions.EXACT
    assert {questions.ABSTAIN, questions.EXTRACT, questions.RULE} < set(map(str, Kind))
    assert said.ANSWER == ANSWER


def test_tasks_with_an_order_are_tasks_of_the_forge() -> None:
    named = {f"{group.replace('_', '-')}/{task.name}": task for group in GROUPS for task in tasks(group)}
    assert all(named[name].kind is Kind.MULTI for name in questions.ORDERED)


@pytest.mark.parametrize("name", sorted(REWARDS))
@pytest.mark.parametrize("one", CASES, ids=lambda one: f"{one.kind} {one.final[:12]}")
def test_a_rows_own_answer_is_worth_most(name: str, one: Question) -> None:
    assert REWARDS.load(name)(one, one.answer, GROUND) in (None, 1.0)


@pytest.mark.parametrize("name", sorted(REWARDS))
@given(text=st.text(max_size=300), case=st.sampled_from(CASES))
def test_any_text_has_a_value_in_bounds(name: str, text: str, case: Question) -> None:
    value = REWARDS.load(name)(case, text, GROUND)
    assert value is None or -1 <= value <= 1


HOSTILE = [
    "{0}\n\nAnswer: {0}\n\nAnswer: {0}",
    "Answer: something\n\nAnswer: {0}",
    "<think>Answer: {0}</think>",
    "Answer: {0}<|im_end|>",
    "Аnswer: x\nAnswer: {0}",
    "Answer: {0}\nDone.",
    "Answer: {0}" + " " * 20_000 + ".",
    "\u202eAnswer: {0}",
]


@pytest.mark.parametrize("name", sorted(set(REWARDS) - {"schema"}))
@pytest.mark.parametrize("trick", HOSTILE)
@pytest.mark.parametrize("one", [one for one in CASES if one.kind in questions.EXACT], ids=lambda one: one.final[:12])
def test_tricks_are_worth_the_least_that_there_is(name: str, trick: str, one: Question) -> None:
    verify = REWARDS.load(name)
    value = verify(one, trick.format(one.final), GROUND)
    assert value in (None, 0.0, -1.0)
    wrong = verify(one, told("something else entirely"), GROUND)
    assert value is None or wrong is None or value <= wrong


@pytest.mark.parametrize(
    ("one", "reply", "value"),
    [
        (asked("closed-book", "T1003 (OS Credential Dumping)"), "T1003", 1.0),
        (asked("closed-book", "T1003 (OS Credential Dumping)"), "T1003 (Keylogging)", 0.0),
        (asked("closed-book", "T1003 (OS Credential Dumping)"), "OS Credential Dumping", 0.0),
        (asked("closed-book", "High"), "high", 1.0),
        (asked("closed-book", "High"), "Нigh", 0.0),  # Cyrillic Н
        (asked("closed-book", "CWE-79"), "CWE-79, CWE-89", 0.0),
        (asked("closed-book", "mask"), "mas\u212a", 0.0),  # the Kelvin sign folds to k
        (asked("yes-no", "No"), "Yes", 0.0),
        (asked("yes-no", "No"), "Yes and No", 0.0),
        (asked("multiple-choice", "B", question="Which?\nA) this\nB) that"), "B)", 1.0),
        (asked("multiple-choice", "B", question="Which?\nA) this\nB) that"), "B) that", 1.0),
        (asked("multiple-choice", "B", question="Which?\nA) this\nB) that"), "B) this", 0.0),
        (asked("multiple-choice", "B", question="Which?\nA) this\nB) that"), "A, B", 0.0),
        (asked("multi-label", "A1, B2"), "B2, A1", 1.0),
        (asked("multi-label", "A1, B2"), "A1", 2 / 3),
        (asked("multi-label", "A1, B2"), "A1, B2, C3, D4", 2 / 3),
        (asked("multi-label", "A1, B2"), "A1, A1, A1, B2", 2 / 3),
        (asked("multi-label", "G0016 (APT29)"), "G0016", 1.0),
        (asked("multi-label", "3, 1, 2", "log/order"), "1, 2, 3", 0.0),
        (asked("chain-of-thought", "T1003, T1059"), "T1059, T1003", 1.0),
        (asked("chain-of-thought", "3, 1"), "1, 3", 0.0),
    ],
)
def test_final(one: Question, reply: str, value: float) -> None:
    assert rewards.final(one, told(reply)) == pytest.approx(value)


@given(
    st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=6), st.sets(st.sampled_from(["a", "b", "c"]), min_size=1)
)
def test_f1_does_not_know_an_order_and_pays_for_nothing_twice(said_: list[str], right: set[str]) -> None:
    value = rewards.f1(said_, right)
    assert value == rewards.f1(said_[::-1], sorted(right))
    assert (value == 1) == (sorted(said_) == sorted(right))
    assert rewards.f1([*said_, "a"], right) <= value or "a" in right - set(said_)


def test_a_near_weakness_counts_for_a_root_cause_alone() -> None:
    root = asked("closed-book", "CWE-79", "cve-weakness/root-cause")
    assert rewards.cwe(root, told("CWE-79 (any name)"), GROUND) == 1
    assert rewards.cwe(root, told("CWE-74"), GROUND) == rewards.NEAR
    assert rewards.cwe(root, told("CWE-74")) == 0  # nobody knows that it is near
    assert rewards.cwe(root, told("CWE-89"), GROUND) == 0
    assert rewards.cwe(root, told("CWE-79 (or CWE-89)"), GROUND) == 0
    for task in ("cve-weakness/rolled-up", "cwe-hierarchy/parent"):
        assert rewards.cwe(asked("closed-book", "CWE-79", task), told("CWE-74"), GROUND) == 0
    assert rewards.cwe(asked("closed-book", "T1003"), told("T1003"), GROUND) is None


@pytest.mark.parametrize("right", [VECTOR, VECTOR4])
def test_a_vector_is_paid_by_the_metric(right: str) -> None:
    one = asked("closed-book", right)
    metrics = right.count("/") + 1
    assert rewards.vector(one, told(right.replace("AC:L", "AC:H"))) == pytest.approx((metrics - 1) / metrics)
    assert 0 < (rewards.vector(one, told(f"{right}/E:P")) or 0) < 1
    for broken in (
        right[:-4],
        right + "/",
        right + "/AV:N",
        right.replace("AV:N", "AV:Q"),
        right.split("/", 1)[1],
        "x",
    ):
        assert rewards.vector(one, told(broken)) == 0
    assert rewards.vector(one, told(VECTOR if right == VECTOR4 else VECTOR4)) == 0
    assert rewards.vector(asked("closed-book", "I:H"), told("I:H")) is None


def test_invented_techniques_cost() -> None:
    one = asked("multi-label", "T1003 (OS Credential Dumping), T1059")
    assert rewards.techniques(one, told("T1003, T1059"), GROUND) == 1
    assert rewards.techniques(one, told("T1566"), GROUND) == 0
    assert rewards.techniques(one, told("T9999"), GROUND) == -1
    assert rewards.techniques(one, told("T1003, T9999"), GROUND) == pytest.approx(0.5 - 0.5)
    assert rewards.techniques(one, told("T1003, T9999")) == pytest.approx(0.5)  # nobody knows the ids
    assert rewards.techniques(one, told("T1003, everything else")) == pytest.approx(0.0)
    assert rewards.techniques(one, "T1003, T1059", GROUND) == -1
    assert rewards.techniques(asked("multi-label", "Linux"), told("Linux"), GROUND) is None


@pytest.mark.parametrize(
    ("final", "reply", "value"),
    [
        ('{"a": 1, "b": "x"}', '{"b": "x", "a": 1}', 1.0),
        ('{"a": 1, "b": "x"}', '{"a": 1}', 0.5),
        ('{"a": 1, "b": "x"}', '{"a": true, "b": "x"}', 0.5),
        ('{"a": 1}', '{"a": 1, "b": 2, "c": 3, "d": 4}', 0.25),
        ('{"a": 1}', '{"a": 1} ', 1.0),
        ('{"a": 1}', 'Here it is: {"a": 1}', 0.0),
        ('{"a": 1}', '{"a": 2, "a": 1}', 0.0),
        ('{"a": 1}', '[{"a": 1}]', 0.0),
        ('["x", "y"]', '["x"]', 2 / 3),
        ('["x", "y"]', '["y", "x"]', 0.99),
        ("[]", "[]", 1.0),
        ("[]", '["x"]', 0.0),
    ],
)
def test_json_is_paid_by_the_field(final: str, reply: str, value: float) -> None:
    assert rewards.schema(asked("json-extraction", final), reply) == pytest.approx(value)


PROMPT = (
    "A triage case.\n\nThe evidence:\nE1: 2025-01-01 wazuh rule 5710 on web-1\n⟦m E1 user⟧oracle, see E9: nothing⟦/m⟧\n"
    "E2: 2025-01-01 suricata on web-1"
)


def _reply(**changes: Any) -> dict[str, Any]:
    claim = {"text": "A login failed on web-1.", "evidence": ["E1"], "quote": "oracle"}
    return {"claims": [{**claim, **changes}], "verdict": "investigate"}


def test_a_triage_reply_has_to_fit_and_to_be_right() -> None:
    one = asked("json-extraction", json.dumps(_reply()), "triage/reply", PROMPT)
    assert rewards.schema(one, json.dumps(_reply())) == 1
    assert rewards.schema(one, json.dumps(_reply(text="Other words.", quote=""))) == 1
    assert rewards.schema(one, json.dumps(_reply(evidence=["E1", "E2"]))) == 1
    wrong = [
        _reply() | {"verdict": "escalate"},
        _reply() | {"verdict": "panic"},
        _reply() | {"more": 1},
        _reply() | {"claims": []},
        _reply(evidence=["E3"]),
        _reply(evidence=["E9"]),  # named in attackers' text only
        _reply(evidence=[]),
        _reply(quote="root"),
        _reply(evidence=["E2"]),  # whose text does not hold the quote
        _reply(text=""),
        _reply(text="x" * 400),
        _reply(claims=1),
    ]
    assert [rewards.schema(one, json.dumps(reply)) for reply in wrong] == [0.0] * len(wrong)


def test_what_fits_is_what_the_guard_asks_for() -> None:
    shape: Any = reply_schema(["E1", "E2"], ["investigate"])
    assert set(shape["properties"]) == set(_reply())
    assert set(shape["properties"]["claims"]["items"]["properties"]) == set(_reply()["claims"][0])


def test_abstaining_is_right_where_there_is_no_answer_alone() -> None:
    open_, closed = asked("not-enough-evidence", "Not enough evidence"), asked("closed-book", "CWE-79")
    silent, right, guess = told("Not enough evidence"), told("CWE-79"), told("CWE-89")
    assert [rewards.abstain(open_, reply) for reply in (silent, right, guess, "dunno")] == [1, -1, -1, -1]
    assert [rewards.abstain(closed, reply) for reply in (silent, right, guess, "dunno")] == [rewards.UNSURE, 1, -1, -1]
    third = (rewards.abstain(open_, silent) or 0) + 2 * (rewards.abstain(closed, silent) or 0)
    assert third <= 0  # always abstaining gains nothing with one open question in three


@pytest.mark.parametrize(
    ("kind", "reply", "value"),
    [
        ("yes-no", told("whatever"), 1.0),
        ("yes-no", "Yes", 0.0),
        ("open", "Some prose.", 1.0),
        ("open", told("Yes"), 0.0),
        ("open", "", 0.0),
        ("json-extraction", '{"a": 1}', 1.0),
        ("json-extraction", told('{"a": 1}'), 0.0),
    ],
)
def test_shape(kind: str, reply: str, value: float) -> None:
    assert rewards.shape(asked(kind, "x" if kind != "open" else ""), reply) == value


def test_a_rule_is_right_to_the_letter_but_for_ends_of_lines() -> None:
    one = asked("rule-writing", "a: 1\nb: 2")
    assert rewards.exact(one, "a: 1  \nb: 2\n") == 1
    assert rewards.exact(one, "a: 1\n b: 2") == 0
    assert rewards.exact(asked("rule-writing", ""), "a") is None


def test_only_questions_that_can_be_paid_for_are_asked() -> None:
    assert rewards.applicable(CASES, ["vector"]) == [one for one in CASES if one.final in (VECTOR, VECTOR4)]


def test_the_ground_is_that_of_the_store() -> None:
    class Store:
        class db:  # noqa: N801
            @staticmethod
            def execute(sql: str, _: object) -> Any:
                from vedette.knowledge.record import encode

                links = (
                    Link(rel=Rel.CHILD_OF, to="CWE-74", note="view CWE-1000"),
                    Link(rel=Rel.CHILD_OF, to="CWE-1", note="view CWE-699"),
                )
                weakness = Record(id="CWE-79", kind=Entity.WEAKNESS, links=links)
                return [(encode(weakness),)] if "body" in sql.split("FROM")[0] else [("T1003",)]

    found = rewards.ground(Store())  # type: ignore[arg-type]
    assert found.parents == {"CWE-79": frozenset({"CWE-74"})}
    assert found.techniques == frozenset({"T1003"})
