"""The whole sample day, with every socket refused: the intrusion is case 1, and nothing is lost on the way."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from vedette.types import Case, Verdict

from .conftest import NO_SOCKETS, Office, Vedette


@pytest.fixture(scope="module")
def cases(office: Office) -> list[Case]:
    assert office.run.code == 0, office.run.err
    return [msgspec.json.decode(line, type=Case) for line in (office.out / "cases.jsonl").read_bytes().splitlines()]


def test_the_refusal_of_sockets_works(vedette: Vedette) -> None:
    done = vedette("--version", before=NO_SOCKETS + "import socket; socket.socket()\n")
    assert done.code == 1
    assert "a socket was asked for: socket.__new__" in done.err
    assert vedette("--version", before=NO_SOCKETS).code == 0


def test_the_intrusion_is_case_one(office: Office, cases: list[Case]) -> None:
    first, refs = cases[0], set(office.truth["intrusion"]["refs"])
    shown = [line.ref for line in first.evidence]
    assert len(refs & set(shown)) >= 10, [ref for ref in shown if ref not in refs]
    assert first.verdict is Verdict.ESCALATE
    assert first.rank == 1
    stages = {stage["tactic"] for stage in office.truth["intrusion"]["stages"]}
    assert len(stages & set(first.tactics)) >= 6
    assert {"ws-113"} <= set(first.hosts)


def test_nothing_else_is_escalated(cases: list[Case]) -> None:
    assert [case.title for case in cases[1:] if case.verdict is Verdict.ESCALATE] == []


def test_what_frightens_and_is_harmless_is_not_escalated(office: Office, cases: list[Case]) -> None:
    harmless = {ref for what in office.truth["frightening_but_harmless"] for ref in what["refs"]}
    shown = {line.ref for line in cases[0].evidence}
    assert not harmless & shown


def test_counts_balance(office: Office, cases: list[Case]) -> None:
    counts: dict[str, Any] = json.loads((office.out / "summary.json").read_text("utf-8"))["counts"]
    total = office.truth["counts"]["total"]
    assert counts["rejected"] == counts["duplicates"] == 0
    assert counts["in_cases"] == total["alerts"] == sum(case.alerts for case in cases)
    assert counts["read"] == total["lines"] == sum(counts[k] for k in counts if k != "read")
    assert not (office.out / "rejected.jsonl").exists()


def test_every_case_can_be_checked(office: Office, cases: list[Case]) -> None:
    lines: dict[str, int] = {name: row["lines"] for name, row in office.truth["counts"].items() if name != "total"}
    for case in cases:
        refs = {line.ref for line in case.evidence}
        assert 1 <= len(refs) <= 12
        assert all(reason.refs and set(reason.refs) <= refs for reason in case.reasons)
        assert sum(reason.share for reason in case.reasons) <= 1.0001
        assert case.next_steps
        assert case.title
        assert case.masked_probability <= case.probability
        for ref in refs:
            name, number = ref.rsplit(":", 1)
            assert 1 <= int(number) <= lines[name]
    assert len({case.id for case in cases}) == len(cases)
    assert not any(case.closed for case in cases)


def test_exceptions_are_named_and_the_expired_one_is_noted(office: Office, cases: list[Case]) -> None:
    used = {excuse.split(" ")[0] for case in cases for excuse in case.excused}
    assert used >= {"EX-1", "EX-2", "EX-3", "EX-4"}
    assert "EX-6" not in used
    assert "EX-6 expired on 2026-01-31" in " ".join(office.run.out.split())


def test_the_screen_and_the_report(office: Office) -> None:
    assert "1 case to escalate" in office.run.out
    assert "\x1b" not in office.run.out, "plain when piped"
    assert max(map(len, office.run.out.splitlines())) <= 100
    assert office.run.err.strip() == f"Report: {(office.out / 'report.html').resolve()}"
    assert (office.out / "report.html").read_text("utf-8").startswith("<!DOCTYPE html>")
