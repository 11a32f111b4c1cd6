"""Closing: only where the owner set a bound and labelled history proves it; one miss opens again."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.skills.triage.closing import needed, upper_bound
from vedette.skills.triage.owner import Owner
from vedette.skills.triage.skill import Triage
from vedette.skills.triage.state import State
from vedette.types import Case, Queue, Severity, Verdict

from .alerts import MODEL, alert, chunks


@pytest.mark.parametrize(
    ("misses", "n", "bound"),
    [
        (0, 299, 0.009969), (0, 298, 0.010002), (0, 59, 0.049507), (0, 58, 0.050341), (0, 1, 0.95), (1, 10, 0.394163),
        (1, 473, 0.009991), (5, 100, 0.102253), (9, 10, 0.994884), (0, 0, 1.0), (7, 7, 1.0),
    ],
)  # fmt: skip
def test_known_bounds(misses: int, n: int, bound: float) -> None:
    assert upper_bound(misses, n) == pytest.approx(bound, abs=2e-6)


@given(st.integers(0, 40), st.integers(1, 200), st.floats(0.5, 0.999))
def test_a_miss_raises_the_bound_and_a_label_without_one_lowers_it(misses: int, more: int, confidence: float) -> None:
    n = misses + more
    bound = upper_bound(misses, n, confidence)
    assert misses / n < bound <= 1
    assert upper_bound(misses + 1, n, confidence) > bound
    assert upper_bound(misses, n + 1, confidence) < bound


@pytest.mark.parametrize(("misses", "n"), [(-1, 5), (6, 5)])
def test_impossible_counts_are_refused(misses: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"{misses} misses of {n}"):
        upper_bound(misses, n)


@pytest.mark.parametrize("bound", [0.2, 0.05, 0.01, 0.001])
def test_how_many_labels_it_takes(bound: float) -> None:
    assert upper_bound(0, needed(bound)) < bound <= upper_bound(0, needed(bound) - 1)


DEVICES = 60  # one more than it takes to get under 5 %


@pytest.fixture(scope="module")
def routine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state with the same harmless case on each of 60 devices."""
    path = tmp_path_factory.mktemp("routine") / "state.db"
    alerts = [
        alert(f"{hour:02}:00", "poll", host=f"ws-{n}", severity=Severity.INFORMATIONAL, rule_name="config checked")
        for n in range(DEVICES) for hour in range(24)
    ]  # fmt: skip
    build(path, alerts=alerts)
    return path


def build(path: Path, bound: float | None = None, alerts: object = ()) -> Queue:
    state = State(path)
    skill = Triage(state, MODEL, Owner(), miss_bound=bound)
    for _ in skill.ingest(chunks(list(alerts))):  # type: ignore[call-overload]
        pass
    skill.build()
    queue = skill.queue()
    state.close()
    return queue


def say(path: Path, cases: tuple[Case, ...], is_attack: bool) -> None:
    state = State(path)
    for case in cases:
        state.label(case.id, is_attack)
    state.close()


def closed(queue: Queue) -> list[str]:
    return [case.closed for case in queue.cases if case.closed]


def test_closing_from_labels_to_a_miss(routine: Path) -> None:
    queue = build(routine)
    assert len(queue.cases) == DEVICES
    assert {c.verdict for c in queue.cases} == {Verdict.LIKELY_BENIGN}
    assert not closed(queue), "nothing is closed by default"
    assert not closed(build(routine, 0.05)), "nor without labels"

    say(routine, queue.cases[:58], is_attack=False)
    assert not closed(build(routine, 0.05)), "58 labels are one too few"
    say(routine, queue.cases[58:59], is_attack=False)
    now = build(routine, 0.05)
    assert len(closed(now)) == DEVICES, "59 are enough, for cases without a label too"
    assert "of 59 labelled cases like it 0 were attacks: at most 4.95%" in closed(now)[0]
    assert sum(c.alerts for c in now.cases) == now.counts.in_cases, "closed cases are still shown and counted"

    assert not closed(build(routine, 0.01)), "a stricter owner keeps them open"
    assert not closed(build(routine)), "and without the option nothing is closed, labels or not"

    assert closed(build(routine, 0.05))
    say(routine, queue.cases[59:], is_attack=True)
    assert not closed(build(routine, 0.05)), "a single miss opens them all again"


def test_labels_of_another_kind_of_case_close_nothing(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    queue = build(path, alerts=[
        alert(f"{hour:02}:00", rule, host=f"{rule}-{n}", severity=Severity.INFORMATIONAL)
        for rule in ("poll", "sync") for n in range(59) for hour in range(24)
    ])  # fmt: skip
    say(path, tuple(c for c in queue.cases if c.hosts[0].startswith("poll")), is_attack=False)
    now = build(path, 0.05)
    assert {c.hosts[0][:4] for c in now.cases if c.closed} == {"poll"}
    assert {c.hosts[0][:4] for c in now.cases} == {"poll", "sync"}


def test_what_is_not_likely_benign_is_never_closed(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    alerts = [alert("09:00", "x", host=f"ws-{n}", severity=Severity.CRITICAL, text="mimikatz") for n in range(60)]
    queue = build(path, alerts=[alert(a.time + n * 1_200_000, "x", host=f"ws-{n}", severity=Severity.CRITICAL)
                                for n, a in enumerate(alerts)])  # fmt: skip
    assert Verdict.LIKELY_BENIGN not in {c.verdict for c in queue.cases}
    say(path, queue.cases, is_attack=False)
    assert not closed(build(path, 0.4))
