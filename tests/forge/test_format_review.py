"""Proposing, trying, reviewing and approving formats, with teachers that are good, sloppy and hostile."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.engine.backends.fake import Fake
from vedette.errors import ConfigError, EngineError, InputError, OutputError
from vedette.forge.agreement import agreements, kappa
from vedette.forge.format import Format, Line, Section, Status, parse
from vedette.forge.propose import propose, schema
from vedette.forge.review import Opinion, Reviews, Verdict, open_lines
from vedette.forge.samples import Sample, from_file
from vedette.forge.shelf import Shelf
from vedette.forge.trial import tried

GOOD: dict[str, list[str]] = {
    "introduction": ["The task asks for the root cause."],
    "steps": ["1. Say what is wrong.", "Step 2: Say who controls it.", "- Choose."],
    "rules": ["Effects are no causes."],
    "output": ["The last line is `Answer: …`."],
    "questions": ["Which weakness is it?"],
}
SAMPLE = Sample("Which one?\n⟦x⟧", "It is this one.\n\nAnswer: CWE-79", "g/t", "CWE-79", ("CWE-79",))


def proposed(*replies: object, previous: Format | None = None) -> Any:
    teacher = Fake([reply if isinstance(reply, str) else json.dumps(reply) for reply in replies])
    return asyncio.run(propose(teacher, "demo", [SAMPLE], 2, previous)), teacher


def draft(**changes: list[str]) -> Format:
    return proposed({**GOOD, **changes})[0].format  # type: ignore[no-any-return]


# -- proposals -------------------------------------------------------------------------------------


def test_a_proposal_becomes_a_draft_without_its_list_marks() -> None:
    proposal, teacher = proposed(GOOD)
    made = proposal.format
    assert (made.label, made.status, made.parent) == ("demo.v2", Status.DRAFT, "")
    assert made.of(Section.STEPS) == ("Say what is wrong.", "Say who controls it.", "Choose.")
    assert parse(made.text, 2) == made
    assert not proposal.left
    prompt = teacher.asked[0][0].content
    assert "It is this one." in prompt
    assert prompt.count("⟦x⟧") == 0


def test_the_next_version_knows_its_parent_and_keeps_its_tasks() -> None:
    before = Format("demo", 1, ("demo", "demo/x"), Status.APPROVED, "", draft().lines)
    proposal, teacher = proposed(GOOD, previous=before)
    assert proposal.format.parent == before.sha256
    assert proposal.format.tasks == ("demo", "demo/x")
    assert "1. Say what is wrong." in teacher.asked[0][0].content


def test_what_cannot_stand_is_left_out_and_counted() -> None:
    steps = [*GOOD["steps"], "red \x1b[31m", "\u202eturned", "x" * 601, "Choose.", "  ", *map(str, range(100, 112))]
    proposal, _ = proposed({**GOOD, "steps": steps})
    assert len(proposal.format.of(Section.STEPS)) == 12
    assert dict(proposal.left) == {
        "it has a character that cannot be seen": 2,
        "it is longer than 600 characters": 1,
        "said twice": 1,
        "it is empty": 1,
        "more than there is room for": 3,
    }


@pytest.mark.parametrize("around", ["```json\n{}\n```", "Here you are: {} Good luck!"])
def test_words_around_the_json_do_no_harm(around: str) -> None:
    proposal, _ = proposed(around.replace("{}", json.dumps(GOOD)))
    assert proposal.format.of(Section.RULES) == ("Effects are no causes.",)


BAD = {
    "a refusal": "I cannot help with that.",
    "cut off": json.dumps(GOOD)[:-20],
    "another shape": {"format": "x"},
    "one key more": {**GOOD, "run": "rm"},
    "wrong types": {**GOOD, "steps": "one"},
    "endless": {**GOOD, "rules": ["very " * 20_000]},
    "many": {**GOOD, "rules": [str(n) for n in range(21)]},
    "no steps": {**GOOD, "steps": []},
    "all hidden": {**GOOD, "rules": ["\u202e"]},
    "deep": "{" + '"introduction":' + "[" * 5_000 + "]" * 5_000 + "}",
    "NaN": '{"introduction": NaN}',
    "half a surrogate": '{"introduction": ["\\ud800"]}',
    "nothing": "",
}


@pytest.mark.parametrize("bad", BAD.values(), ids=list(BAD))
def test_a_bad_reply_is_asked_again_and_twice_bad_is_an_error(bad: object) -> None:
    proposal, teacher = proposed(bad, GOOD)
    assert proposal.format == draft()
    assert len(teacher.asked) == 2
    assert max(len(message.content) for message in teacher.asked[1][1:]) < 3_000
    with pytest.raises(EngineError, match="cannot be used"):
        proposed(bad, bad)


@given(st.text(max_size=300) | st.dictionaries(st.sampled_from([*GOOD, "x"]), st.lists(st.text(max_size=30))))
@settings(max_examples=150, deadline=None)
def test_whatever_a_teacher_says_becomes_a_sound_format_or_an_engine_error(reply: object) -> None:
    try:
        proposal, _ = proposed(reply, reply)
    except EngineError:
        return
    assert parse(proposal.format.text, 2) == proposal.format


def test_the_schema_bounds_every_list_and_string() -> None:
    for items in schema()["properties"].values():
        assert items["maxItems"] <= 12
        assert items["items"]["maxLength"] <= 600


# -- trials ----------------------------------------------------------------------------------------


def trial(reply: str) -> Any:
    return asyncio.run(tried(Fake([reply]), draft(), [SAMPLE]))[0]


def test_an_answer_that_keeps_its_facts_passes() -> None:
    assert trial("1. So it is.\n\nAnswer: CWE-79").passes


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("1. CWE-79 it is.", "does not end in 'Answer: CWE-79'"),
        ("CWE-79\nAnswer: CWE-80", "does not end in"),
        ("So.\nAnswer: CWE-7", "loses CWE-79"),
        ("⟦a⟧ CWE-79\nAnswer: CWE-79", "repeats a mark"),
        ("x" * 9_000 + "\nAnswer: CWE-79", "9,015 characters"),
    ],
)
def test_what_a_build_would_refuse_is_told(reply: str, why: str) -> None:
    found = trial(reply)
    assert not found.passes
    assert any(why in remark for remark in found.remarks)


def test_a_teacher_that_dies_leaves_the_other_samples_alone() -> None:
    first, second = asyncio.run(tried(Fake(["Yes.\nAnswer: CWE-79"]), draft(), [SAMPLE, SAMPLE]))
    assert first.passes
    assert not second.passes
    assert "no answer" in second.remarks[0]


def test_samples_that_cannot_be_used_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    row = b'{"question": "q%d", "answer": "a", "more": 1}\n'
    file.write_bytes(row % 1 + b"no\n\n" + b'{"question": " ", "answer": "a"}\n\xff\n' + row % 2 + row % 3)
    found, rejected = from_file(file, 2)
    assert ([sample.question for sample in found], rejected) == (["q1", "q2"], 3)
    file.write_bytes(b"no\n")
    with pytest.raises(InputError, match="1 lines were refused"):
        from_file(file, 2)


# -- decisions -------------------------------------------------------------------------------------

ACCEPT = Opinion(Verdict.ACCEPT)
REJECT = Opinion(Verdict.REJECT)


def reviewed(folder: Path, by: str = "Ann", **special: Opinion) -> Reviews:
    """All items accepted but those that are named by their first word."""
    reviews = Reviews(folder, draft())
    for line in reviews.made.lines:
        reviews.add(by, line, special.get(line.text.partition(" ")[0].strip("."), ACCEPT))
    return reviews


def test_decisions_are_kept_with_who_when_and_what(tmp_path: Path) -> None:
    reviews = Reviews(tmp_path, draft())
    line = reviews.made.lines[1]
    reviews.add("Ann", line, Opinion(Verdict.EDIT, "  Say\n what. ", 4, "<b>\x1b[2J"))
    row = json.loads(reviews.path.read_text("utf-8"))
    assert row["by"] == "Ann"
    assert row["at"].endswith("Z")
    assert (row["format"], row["format_sha256"]) == ("demo.v2", reviews.made.sha256)
    assert row["line_sha256"] == line.sha256
    assert row["opinion"] == {"verdict": "edit", "text": "Say what.", "rating": 4, "comment": "<b>\\x1b[2J"}
    assert Reviews(tmp_path, draft()).of("Ann") == {line: Opinion(Verdict.EDIT, "Say what.", 4, "<b>\\x1b[2J")}


def test_the_file_only_grows_and_the_last_word_counts(tmp_path: Path) -> None:
    reviews = Reviews(tmp_path, draft())
    line = reviews.made.lines[0]
    reviews.add("Ann", line, ACCEPT)
    before = reviews.path.read_bytes()
    reviews.add("Ann", line, REJECT)
    assert reviews.path.read_bytes().startswith(before)
    assert Reviews(tmp_path, draft()).of("Ann") == {line: REJECT}


def test_what_a_crash_left_half_does_not_swallow_the_next_decision(tmp_path: Path) -> None:
    reviews = reviewed(tmp_path)
    whole = reviews.path.read_bytes()
    reviews.path.write_bytes(whole[:-30])
    again = Reviews(tmp_path, draft())
    assert again.unreadable == 1
    assert len(open_lines(again.made, again.of("Ann"))) == 1
    again.add("Ann", again.made.lines[-1], ACCEPT)
    last = Reviews(tmp_path, draft())
    assert last.unreadable == 1
    assert not open_lines(last.made, last.of("Ann"))


@pytest.mark.parametrize(
    ("opinion", "why"),
    [
        (Opinion(Verdict.EDIT, ""), "it is empty"),
        (Opinion(Verdict.EDIT, "a\u202eb"), "cannot be seen"),
        (Opinion(Verdict.EDIT, "x" * 601), "longer than 600"),
        (Opinion(Verdict.EDIT, "Say what is wrong."), "changes nothing"),
        (Opinion(Verdict.ACCEPT, rating=6), "rating '6'"),
        (Opinion(Verdict.ACCEPT, comment="x" * 1_001), "1,001 characters"),
    ],
)
def test_an_opinion_that_cannot_be_kept_is_refused(tmp_path: Path, opinion: Opinion, why: str) -> None:
    reviews = Reviews(tmp_path, draft())
    with pytest.raises(ConfigError, match=why):
        reviews.add("Ann", reviews.made.lines[1], opinion)
    assert not reviews.path.exists()


def test_a_folder_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "reviews").write_text("a file")
    with pytest.raises(OutputError):
        Reviews(tmp_path, draft()).add("Ann", draft().lines[0], ACCEPT)


# -- approval --------------------------------------------------------------------------------------


def test_approval_puts_edits_in_and_rejected_items_out(tmp_path: Path) -> None:
    reviews = reviewed(tmp_path, Choose=Opinion(Verdict.EDIT, "Decide."), Which=REJECT)
    made = reviews.approved("Ann", 3)
    assert (made.label, made.status, made.parent) == ("demo.v3", Status.APPROVED, draft().sha256)
    assert made.of(Section.STEPS)[-1] == "Decide."
    assert not made.of(Section.QUESTIONS)
    shelf = Shelf(tmp_path, tmp_path / "none")
    shelf.freeze(made, "Ann")
    assert shelf.for_task("demo/x") == made


def test_approval_is_refused_while_items_are_undecided(tmp_path: Path) -> None:
    reviews = Reviews(tmp_path, draft())
    for line in reviews.made.lines[:-1]:
        reviews.add("Ann", line, ACCEPT)
    with pytest.raises(ConfigError, match="1 of 7 items are undecided: Questions"):
        reviews.approved("Ann", 3)


def test_a_draft_that_was_edited_by_hand_loses_the_decisions_of_those_items(tmp_path: Path) -> None:
    reviewed(tmp_path)
    reviews = Reviews(tmp_path, draft(rules=["Another rule."]))
    assert open_lines(reviews.made, reviews.of("Ann")) == [Line(Section.RULES, "Another rule.")]


def test_too_much_rejected_is_no_format(tmp_path: Path) -> None:
    reviews = reviewed(tmp_path, Effects=REJECT)
    with pytest.raises(ConfigError, match="0 items under '# Rules'"):
        reviews.approved("Ann", 3)


def test_reviewers_who_disagree_leave_an_item_open_until_the_approver_decides(tmp_path: Path) -> None:
    reviewed(tmp_path)
    reviews = reviewed(tmp_path, "Bob", Choose=REJECT)
    with pytest.raises(ConfigError, match=r"1 of 7 items are undecided: Steps: 'Choose\.'"):
        reviews.approved("Cleo", 3)
    assert len(reviews.approved("Bob", 3).of(Section.STEPS)) == 2
    reviews.add("Cleo", Line(Section.STEPS, "Choose."), ACCEPT)
    assert len(reviews.approved("Cleo", 3).of(Section.STEPS)) == 3


def test_an_approved_format_that_nobody_changed_is_not_approved_again(tmp_path: Path) -> None:
    made = Shelf().get("cwe").sound
    reviews = Reviews(tmp_path, made)
    for line in made.lines:
        reviews.add("Ann", line, ACCEPT)
    with pytest.raises(ConfigError, match="nothing was changed"):
        reviews.approved("Ann", 2)


# -- agreement -------------------------------------------------------------------------------------


def pairs(*verdicts: str) -> list[tuple[Opinion, Opinion]]:
    of = {"a": ACCEPT, "r": REJECT, "e": Opinion(Verdict.EDIT, "x"), "E": Opinion(Verdict.EDIT, "y")}
    return [(of[one], of[other]) for one, other in verdicts]


def test_kappa_as_calculated_by_hand() -> None:
    # Twenty accepted by both, five and ten by one, fifteen rejected by both: 0.7 seen, 0.5 by chance.
    table = pairs(*["aa"] * 20, *["ar"] * 5, *["ra"] * 10, *["rr"] * 15)
    assert kappa(table) == pytest.approx(0.4)
    assert kappa(pairs("aa", "rr", "ee")) == pytest.approx(1)
    assert kappa(pairs("ar", "ra")) == pytest.approx(-1)
    assert kappa(pairs("aa", "aa")) is None


def test_agreement_of_two_reviewers(tmp_path: Path) -> None:
    reviewed(tmp_path, Choose=Opinion(Verdict.EDIT, "Decide.", 2), Which=REJECT)
    reviews = reviewed(tmp_path, "Bob", Choose=Opinion(Verdict.EDIT, "Pick.", 5), Which=REJECT)
    (found,) = agreements(reviews)
    assert found.reviewers == ("Ann", "Bob")
    assert (found.n, found.kappa, found.exact) == (7, pytest.approx(1), pytest.approx(6 / 7))
    assert found.exact_interval[0] <= found.exact <= found.exact_interval[1]
    assert (found.rated, found.rating_gap) == (1, 3)


def test_there_is_no_agreement_of_one(tmp_path: Path) -> None:
    assert agreements(reviewed(tmp_path)) == []
