"""The golden cases: what an analyst would put first. A case with `open` is a known failure, kept in sight."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vedette.errors import ArtefactError
from vedette.skills.triage import model as weights
from vedette.skills.triage.score import GOLDEN, Expect, Golden, Result, check, faults, queue_of, read, score, shown
from vedette.types import Counts, Queue, Verdict

CASES = read()
MODEL = weights.load()


@pytest.mark.parametrize(
    "golden",
    [
        pytest.param(g, id=g.name, marks=[pytest.mark.xfail(reason=g.open, strict=False)] if g.open else [])
        for g in CASES
    ],
)
def test_triage_does_what_an_analyst_would(golden: Golden) -> None:
    assert not list(faults(golden.expect, queue_of(golden, MODEL)))


def test_there_are_enough_and_each_expects_something() -> None:
    assert len(CASES) >= 12
    assert len({g.name for g in CASES}) == len(CASES)
    assert all(g.expect != Expect() for g in CASES)
    ids = [{e.id for e in g.alerts} for g in CASES]
    for golden, known in zip(CASES, ids, strict=True):
        wanted = {*golden.expect.first_shown, *golden.expect.first_hidden, *golden.expect.verdict_of}
        wanted |= {*golden.expect.excused, *(e for t in (*golden.expect.together, *golden.expect.apart) for e in t)}
        assert wanted <= known, golden.name


def two(tmp_path: Path) -> Path:
    """A file of a case that is met and of one that cannot be."""
    event = {"id": "lone", "at": "12:00", "rule": "1", "name": "LSASS dump", "sev": 5, "hosts": ["ws-1"]}
    lines = [
        {"name": "met", "alerts": [event], "expect": {"first_shown": ["lone"]}},
        {"name": "not met", "alerts": [event], "expect": {"escalated": 7, "hosts": ["ws-2"]}},
    ]
    path = tmp_path / "golden.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_the_score_is_the_share_passed(tmp_path: Path) -> None:
    assert score(two(tmp_path)) == 0.5
    met, missed = check(two(tmp_path))
    assert met.wrong == ()
    assert missed.wrong == (
        "the first case lacks the devices ws-2",
        f"{escalated(missed)} cases escalated, not 7",
    )


def escalated(result: Result) -> int:
    return sum(case.verdict is Verdict.ESCALATE for case in queue_of(result.golden, MODEL).cases)


def test_an_empty_queue_passes_nothing() -> None:
    nothing = Queue(cases=(), counts=Counts(), days=(), rejects=(), reject_file="", model="")
    assert [list(faults(g.expect, nothing)) for g in CASES] == [["the queue is empty"]] * len(CASES)


def test_each_expectation_can_fail() -> None:
    golden = next(g for g in CASES if g.name.startswith("a known scanner"))
    queue = queue_of(golden, MODEL)
    assert {"sweep", "probe"} <= {e for case in queue.cases for e in shown(case)}
    for expect in (
        Expect(first_shown=("nothing",)), Expect(first_hidden=tuple(shown(queue.cases[0]))), Expect(hosts=("x",)),
        Expect(verdict=(Verdict.ESCALATE,)), Expect(tactics=("impact",)),
        Expect(verdict_of={"nothing": tuple(Verdict)}),
        Expect(verdict_of={"sweep": (Verdict.ESCALATE,)}), Expect(together=(("sweep", "nothing"),)),
        Expect(apart=(("sweep", "probe"),)), Expect(escalated=9), Expect(excused={"sweep": "EX-9"}),
        Expect(duplicates=9), Expect(noted=("never said",)),
    ):  # fmt: skip
        assert list(faults(expect, queue)), expect


@pytest.mark.parametrize("text", ["", "no json\n", '{"name": "x", "alerts": [], "expect": {"verdikt": []}}\n'])
def test_a_file_that_holds_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "g.jsonl").write_text(text)
    with pytest.raises(ArtefactError):
        read(tmp_path / "g.jsonl")
    assert GOLDEN.is_file()
