"""Scores are what their definitions say; questions are read strictly, and made the same way each time."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.bench.questions import ABOUT, Question, load
from vedette.bench.retrieval import CONCEPTS, Outcome, evaluate, in_scope, place, recall, reciprocal_rank
from vedette.bench.structure import FEW, FORMS, make, mistyped, nickname, rough
from vedette.errors import InputError
from vedette.knowledge.build import Batch, import_batches
from vedette.knowledge.record import (
    CountermeasureFacts,
    Kev,
    Kind,
    Link,
    Record,
    Rel,
    Status,
    TechniqueFacts,
    VulnerabilityFacts,
    digest,
    encode,
)
from vedette.knowledge.store import Knowledge
from vedette.knowledge.unit import Unit, content_hash


def question(answers: tuple[str, ...] = ("T1",), about: str = "technique", text: str = "what") -> Question:
    return Question("q", "test", text, answers, about)


# -- scores -------------------------------------------------------------------------------------------


def test_scores_by_hand() -> None:
    outcomes = [
        Outcome(question(), ("T1", "T2")),
        Outcome(question(("T9", "T2")), ("T1", "T2", "T9")),
        Outcome(question(), tuple(f"T{n}" for n in range(2, 12))),
        Outcome(question(), ()),
    ]
    assert [outcome.place for outcome in outcomes] == [1, 2, 0, 0]
    assert (recall(outcomes, 1).value, recall(outcomes, 5).value) == (0.25, 0.5)
    assert reciprocal_rank(outcomes).value == pytest.approx((1 + 0.5) / 4)
    score = recall(outcomes, 5)
    assert score.n == 4
    assert score.low < score.value < score.high
    assert str(score).startswith("0.500 [")


def test_no_questions_give_no_score() -> None:
    assert recall([], 5).n == 0
    assert str(recall([], 5)) == "nan [nan, nan]"


@given(st.lists(st.integers(0, 30), max_size=10, unique=True), st.sets(st.integers(0, 30), min_size=1))
def test_recall_grows_with_k_and_bounds_the_rank(found: list[int], answers: set[int]) -> None:
    outcome = Outcome(question(tuple(map(str, answers))), tuple(map(str, found)))
    recalls = [recall([outcome], k).value for k in range(1, 11)]
    assert recalls == sorted(recalls)
    assert reciprocal_rank([outcome]).value <= recalls[-1]
    at = place(outcome.found, outcome.question.answers)
    assert bool(at) == bool(set(found) & answers)


# -- questions of a file ------------------------------------------------------------------------------

GOOD = '{"id": "h1", "split": "dev", "question": "a", "answers": ["T1059"], "about": "technique"}\n'


def test_the_hand_written_questions_are_whole(root: Path) -> None:
    questions = load(root / "bench/knowledge/questions.jsonl")
    assert len({q.id for q in questions}) == len({q.question for q in questions}) == len(questions) == 160
    assert sum(q.split == "dev" for q in questions) == 50
    assert {q.about for q in questions} == set(ABOUT)
    for q in questions:
        assert not any(uid.lower() in q.question.lower() for uid in q.answers if uid.startswith("CVE"))


@pytest.mark.parametrize(
    ("old", "new"),
    [("technique", "planet"), ('"dev"', '"train"'), ('["T1059"]', "[]"), ('"a"', "7"), ('"id"', '"uid"'), ("}", "")],
)
def test_a_bad_question_is_refused_with_its_line(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text(GOOD)
    assert load(path)[0].answers == ("T1059",)
    path.write_text(GOOD + GOOD.replace(old, new))
    with pytest.raises(InputError, match=r"q\.jsonl:2"):
        load(path)


# -- wording ------------------------------------------------------------------------------------------


def test_names_are_not_repeated_as_they_are() -> None:
    rng = Random(1)
    assert rough("LSASS Memory", rng) == "memory lsass"
    assert rough("Rootkit", rng) == "rootkit"
    words = rough("Use of Hard-coded Credentials (secret) in Code", rng).split()
    assert len(words) == 2
    assert set(words) < {"hard-coded", "credentials", "code"}
    typo = mistyped("Midnight Blizzard", rng)
    assert typo != "Midnight Blizzard"
    assert sorted(typo) == sorted("Midnight Blizzard")
    assert mistyped("aaaaaa", rng) == "aaaaaa"
    assert nickname("Improper Neutralization ('SQL Injection')") == "SQL Injection"


@given(st.text(), st.integers())
def test_any_name_can_be_worded(name: str, seed: int) -> None:
    assert "  " not in rough(name, Random(seed))
    assert sorted(mistyped(name, Random(seed))) == sorted(name)


# -- a store ------------------------------------------------------------------------------------------


def attack() -> list[Record]:
    shell = Link(Rel.MITIGATES, "T1059", text="Only signed scripts may run.")
    return [
        Record("TA0002", Kind.TACTIC, "Execution"),
        Record("T1059", Kind.TECHNIQUE, "Command Shell", facts=TechniqueFacts(("execution",), ("Linux",)),
               links=(Link(Rel.MEMBER_OF, "TA0002"),)),
        Record("T1059.001", Kind.TECHNIQUE, "Power Console", facts=TechniqueFacts(("execution",), ("Windows",)),
               links=(Link(Rel.CHILD_OF, "T1059"),)),
        Record("T0807", Kind.TECHNIQUE, "Command Shell", facts=TechniqueFacts(platforms=("Device",))),
        Record("T1064", Kind.TECHNIQUE, "Old Script", status=Status.DEPRECATED, links=(Link(Rel.MEMBER_OF, "TA0002"),)),
        Record("M1045", Kind.MITIGATION, "Code Signing", links=(shell,)),
        *(Record(f"DET{n:04}", Kind.DETECTION, f"Seen {n}", links=(Link(Rel.DETECTS, "T1059"),))
          for n in range(FEW + 1)),
        Record("G0001", Kind.GROUP, "Quiet Panda", aliases=("Silent Bear",), links=(Link(Rel.USES, "S0001"),)),
        Record("S0001", Kind.SOFTWARE, "Nightjar", aliases=("Goatsucker",)),
    ]  # fmt: skip


def others() -> dict[str, list[Record]]:
    kev = VulnerabilityFacts(kev=Kev("2024-01-01", vendor="Example", product="Logger"))
    return {
        "misp-galaxy": [Record("misp:1", Kind.ACTOR, "Silent Bear")],
        "cwe": [Record("CWE-89", Kind.WEAKNESS, "Bad Quotes ('SQL Injection')")],
        "kev": [Record("CVE-2024-1000", Kind.VULNERABILITY, "Example Logger Remote Code Execution Vulnerability",
                       facts=kev, links=(Link(Rel.ENABLES, "T1059"), Link(Rel.HAS_WEAKNESS, "CWE-89")))],
        "nvd": [Record("CVE-2023-2000", Kind.VULNERABILITY, "Other Product Remote Code Execution")],
        "d3fend": [Record("D3-SEA", Kind.COUNTERMEASURE, "Script Analysis", facts=CountermeasureFacts("Detect"))],
    }  # fmt: skip


@pytest.fixture(scope="module")
def knowledge(tmp_path_factory: pytest.TempPathFactory) -> Knowledge:
    place = tmp_path_factory.mktemp("store") / "knowledge.db"
    import_batches(place, [batch(n, r) for n, r in (("attack", attack()), *others().items())], inline=True)
    return Knowledge.open(place)


def batch(source: str, records: list[Record]) -> Batch:
    bodies = [encode(record) for record in records]
    content = content_hash(map(digest, bodies))
    n = len(bodies)
    return Batch(Unit(source, "", "1", "", "2026-01-01", {}, n, n, {}, {}, content), lambda: iter(bodies), Path("x"))


def test_made_questions_ask_for_what_is_linked(knowledge: Knowledge) -> None:
    questions = make(knowledge)
    assert questions == make(knowledge)
    made = {form: [q for q in questions if q.form == form] for form in (f.name for f in FORMS)}
    assert {q.answers for q in made["mitigation-of-technique"]} == {("M1045",)}
    assert {q.answers for q in made["technique-of-tactic"]} == {("T0807", "T1059")}  # both bear the name
    assert {q.answers for q in made["sub-technique"]} == {("T1059.001",)}
    assert {q.answers for q in made["mistyped-actor"]} == {("G0001", "misp:1")}
    assert {q.answers for q in made["software-of-actor"]} == {("S0001",)}
    assert {q.answers for q in made["actor-of-software"]} == {("G0001",)}
    assert {q.answers for q in made["technique-of-vulnerability"]} == {("T1059",)}
    assert {q.answers for q in made["exploited-product"]} == {("CVE-2024-1000",)}
    assert {q.question for q in made["vulnerability-of-weakness"]} == {"example logger injection sql"}
    assert {q.answers for q in made["countermeasure-by-tactic"]} == {("D3-SEA",)}


def test_what_is_withdrawn_or_has_too_many_answers_is_not_asked(knowledge: Knowledge) -> None:
    questions = make(knowledge)
    assert not any("T1064" in q.answers for q in questions)
    assert not [q for q in questions if q.form == "detection-of-technique"]
    assert all(q.about in ABOUT for q in questions)
    assert len({q.id for q in questions}) == len(questions)


def test_every_form_of_the_registry_is_about_something_and_named_once() -> None:
    assert len({form.name for form in FORMS}) == len(FORMS)
    assert {form.about for form in FORMS} == set(ABOUT)
    assert sum(form.count for form in FORMS) >= 450  # two thirds are the test split


def test_search_is_asked_in_the_mode_and_the_scope(knowledge: Knowledge) -> None:
    asked = [question(("misp:1",), "actor", "silent bear"), question(("S0001",), "software", "goatsucker")]
    everywhere = in_scope(knowledge, asked, "words", "all kinds")
    assert [outcome.place > 0 for outcome in everywhere] == [True, True]
    concepts = in_scope(knowledge, asked, "words", "concept kinds")
    assert [outcome.place > 0 for outcome in concepts] == [False, True]
    by_kind = in_scope(knowledge, asked, "words", "kind of the question")
    assert all(outcome.place == 1 for outcome in by_kind[1:])
    assert evaluate(knowledge, asked, "words", kinds=CONCEPTS) == concepts
    assert evaluate(knowledge, asked, "words", kinds=(Kind.TACTIC,))[0].found == ()
