"""The words for a case: each reason rests on evidence that is shown, and there is always something to do next."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.skills.triage.evidence import LINES
from vedette.types import Alert, Case, Severity, Verdict

from .alerts import MINUTE, alert, at, everyday, intrusion, owner, triage


def sound(case: Case) -> None:
    """What has to hold for every case."""
    refs = {line.ref for line in case.evidence}
    assert 1 <= len(case.evidence) <= LINES == 12
    for reason in case.reasons:
        assert reason.refs, reason.feature
        assert set(reason.refs) <= refs, reason.feature
        assert reason.text.strip().endswith(".")
        assert reason.points > 0
        assert 0 < reason.share <= 1
    assert [r.points for r in case.reasons] == sorted((r.points for r in case.reasons), reverse=True)
    share = sum(reason.share for reason in case.reasons)
    assert share <= 1.0001
    assert not case.reasons or share > 0.95
    assert case.next_steps
    assert len(case.next_steps) == len(set(case.next_steps)) <= 7
    assert case.title.strip()
    assert case.summary.strip()
    assert "{{" not in case.summary
    assert case.hosts
    assert case.first <= case.last
    assert sum(n for _, n, _ in case.timeline) == case.alerts
    for line in case.evidence:
        assert line.first <= line.time <= line.last
        assert 1 <= line.count <= case.alerts
        assert line.host in case.hosts


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.builds(
            lambda minute, rule, host, severity, tactic, text: alert(
                at("08:00") + minute * MINUTE, rule, host=host, severity=Severity(severity),
                tactics=(tactic,) * bool(tactic), text=text, dst="203.0.113.66",
            ),
            st.integers(0, 700), st.sampled_from("abcdefgh"), st.sampled_from(("h1", "h2", "h3")), st.integers(0, 5),
            st.sampled_from(("", "execution", "impact", "reconnaissance")), st.sampled_from((None, "mimikatz")),
        ),
        min_size=1, max_size=40,
    )
)  # fmt: skip
def test_every_case_is_sound(tmp_path_factory: pytest.TempPathFactory, alerts: list[Alert]) -> None:
    cases = triage(tmp_path_factory.mktemp("state"), alerts).cases
    assert cases
    for case in cases:
        sound(case)


def test_a_large_case_shows_twelve_lines_of_many_rules(tmp_path: Path) -> None:
    alerts = [
        alert(at("09:00") + n * MINUTE, f"r{n % 20}", host="h", user=f"u{n}", severity=Severity.CRITICAL)
        for n in range(60)
    ]
    case = triage(tmp_path, alerts).cases[0]
    sound(case)
    assert len(case.evidence) == 12
    assert len({line.rule_uid for line in case.evidence}) == 12, "each line adds something new"


def test_the_intrusion(tmp_path: Path) -> None:
    case = triage(tmp_path, [*everyday(), *intrusion("ws-3", text="mimikatz")]).cases[0]
    sound(case)
    assert case.verdict is Verdict.ESCALATE
    assert case.title == "Execution to Exfiltration on ws-3"
    assert case.tactics == (
        "execution", "defense-evasion", "credential-access", "command-and-control", "exfiltration",
    )  # fmt: skip
    words = " ".join(reason.text for reason in case.reasons)
    assert "5 tactics" in words
    assert "LSASS memory dump" in words
    assert "attacker-written text shows a tool or file that holds credentials" in words
    assert "09:40 to 10:08 UTC" in case.summary
    assert "Escalate" in case.summary
    assert "critical" in case.summary
    assert case.severity is Severity.CRITICAL
    assert "how much left the device" in case.next_steps[0], "the latest stage first"


def test_the_routine(tmp_path: Path) -> None:
    cases = triage(tmp_path, everyday(4)).cases
    assert {case.title for case in cases} == {f"Routine activity on ws-{n}" for n in range(4)}
    for case in cases:
        sound(case)
        assert case.verdict is Verdict.LIKELY_BENIGN
        assert "Likely benign" in case.summary
        assert not case.tactics


def test_several_devices(tmp_path: Path) -> None:
    site = owner([{"name": "dc", "hostnames": ["dc01"], "criticality": "critical", "role": "domain controller"}])
    wave = [
        alert(f"09:0{n}", "ransom", host=host, rule_name="Files encrypted", severity=Severity.CRITICAL)
        for n, host in enumerate(("ws-1", "ws-2", "dc01"))
    ]
    case = triage(tmp_path, [*everyday(), *wave], site=site).cases[0]
    sound(case)
    assert set(case.hosts) == {"ws-1", "ws-2", "dc"}
    assert case.title.endswith("and 2 more devices")
    words = " ".join(reason.text for reason in case.reasons)
    assert "3 devices concerned: dc, ws-1, ws-2." in words
    assert "dc (domain controller) is an asset that the owner rates critical." in words


def test_an_excused_case_names_the_exception(tmp_path: Path) -> None:
    site = owner([], [{"id": "EX-7", "reason": "our own scan", "expires": "2026-12-31", "rules": ["exec", "lsass"]}])
    cases = triage(tmp_path, [*everyday(), *intrusion()], site=site).cases
    (case,) = [c for c in cases if c.excused]
    sound(case)
    assert case.title == "Excused by EX-7 (known benign) on ws-3"
    assert case.alerts == 2
    assert "our own scan" in case.excused[0]


def test_a_second_day_continues_an_escalated_case(tmp_path: Path) -> None:
    alerts = [*everyday(), *everyday(day=1), *intrusion("ws-3"), *intrusion("ws-3", day=1), *intrusion("ws-4", day=2)]
    cases = {c.day: c for c in triage(tmp_path, alerts).cases if c.verdict is Verdict.ESCALATE}
    assert not cases["2026-03-10"].continues
    assert cases["2026-03-11"].continues == cases["2026-03-10"].id
    assert not cases["2026-03-12"].continues, "another device"


def test_ranks_count_from_one_in_each_day(tmp_path: Path) -> None:
    queue = triage(tmp_path, [*everyday(), *intrusion(), *everyday(day=1)])
    for day in {case.day for case in queue.cases}:
        ranks = sorted(case.rank for case in queue.cases if case.day == day)
        assert ranks == list(range(1, len(ranks) + 1))
    assert [(d, n) for d, n, _ in queue.days] == [
        (d, sum(c.day == d for c in queue.cases)) for d in ("2026-03-10", "2026-03-11")
    ]
    assert len({case.id for case in queue.cases}) == len(queue.cases)
