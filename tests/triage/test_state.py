"""The state: a chunk whole or not at all, counts that balance, and clear words for a file that cannot be used."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.errors import InputError, OutputError, StateError
from vedette.skills.triage.owner import Owner
from vedette.skills.triage.skill import Triage
from vedette.skills.triage.state import State
from vedette.types import Alert, Chunk, Counts, Position, Queue

from .alerts import MINUTE, MODEL, alert, at, chunks, context, everyday, intrusion, rejected


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = State(tmp_path / "state.db")
    yield state
    state.close()


def dump(state: State) -> dict[str, list[Any]]:
    """Every row of every table."""
    tables = [name for (name,) in state.db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
    return {name: sorted(state.db.execute(f"SELECT * FROM {name}"), key=repr) for name in tables}  # noqa: S608


def take(state: State, parts: Sequence[Chunk]) -> Queue:
    """One run over chunks of which those before the kept position are not read again."""
    skill = Triage(state, MODEL, Owner())
    known = {part.end.stream: state.position(part.end.stream) for part in parts if part.end.stream}
    left = [p for p in parts if (kept := known.get(p.end.stream)) is None or p.end.offset > kept.offset]
    for _ in skill.ingest(left):
        pass
    skill.build()
    return skill.queue()


def balanced(queue: Queue) -> Counts:
    c = queue.counts
    assert c.read == c.in_cases + c.duplicates + c.rejected + c.context + c.ignored
    assert sum(case.alerts for case in queue.cases) == c.in_cases
    assert sum(case.duplicates for case in queue.cases) <= c.duplicates
    return c


# -- atomic, repeatable -----------------------------------------------------------------------


@pytest.mark.parametrize("table", ["seen", "signal", "context", "rejected", "note", "dirty", "count", "stream"])
def test_a_commit_that_fails_anywhere_leaves_nothing(state: State, table: str) -> None:
    part = Chunk(Position("s", 9, 9), "t", [alert()], [context(1, at("09:00"))], [rejected(1)], ignored=2)
    before = dump(state)
    state.db.execute(f"CREATE TEMP TRIGGER no BEFORE INSERT ON main.{table} BEGIN SELECT RAISE(ABORT, 'cut off'); END")
    copies, fresh = state.new(part.alerts)
    with pytest.raises(StateError, match="cut off"):
        state.commit(part, state.folder().fold(zip(part.alerts, copies, strict=True)), fresh, ["a note"])
    assert dump(state) == before
    state.db.execute("DROP TRIGGER no")
    state.commit(part, state.folder().fold(zip(part.alerts, copies, strict=True)), fresh, ["a note"])
    assert dump(state)[table] != before[table]


def test_a_second_run_over_the_same_input_changes_nothing(state: State) -> None:
    parts = list(chunks([*everyday(3), *intrusion()], 50))
    first = take(state, parts)
    before = dump(state)
    assert take(state, parts) == first
    assert dump(state) == before


def test_a_second_run_over_another_input_changes_something(state: State) -> None:
    take(state, list(chunks(everyday(2))))
    before = dump(state)
    take(state, list(chunks([alert("23:59", host="new")], stream="other")))
    assert dump(state) != before


def test_overlapping_exports_are_counted_once(state: State, tmp_path: Path) -> None:
    day = sorted([*everyday(3), *intrusion()], key=lambda a: a.time)
    queue = take(state, [*chunks(day[:200], stream="morning"), *chunks(day[120:], stream="from ten")])
    counts = balanced(queue)
    assert (counts.in_cases, counts.duplicates) == (len(day), 80)
    (tmp_path / "whole").mkdir()
    whole = State(tmp_path / "whole" / "state.db")
    alone = take(whole, list(chunks(day)))
    whole.close()
    assert [(c.id, c.alerts, c.probability, c.verdict) for c in queue.cases] == [
        (c.id, c.alerts, c.probability, c.verdict) for c in alone.cases
    ]


def test_copies_within_one_chunk_are_found_too(state: State) -> None:
    one = alert("09:00", host="a")
    counts = balanced(take(state, list(chunks([one, one, alert("09:01", host="a"), one]))))
    assert (counts.in_cases, counts.duplicates) == (2, 2)


def test_what_cannot_be_read_is_kept_once_however_often_it_is_tried(state: State) -> None:
    lost = Chunk(Position(""), "gone.json", rejected=[rejected(1)])
    for _ in range(3):
        assert take(state, [lost]).counts.rejected == 1
    assert len(list(state.rejects())) == 1
    assert take(state, [Chunk(Position(""), "gone.json", rejected=[rejected(2)])]).counts.rejected == 2


def test_two_runs_at_once_count_no_alert_twice(tmp_path: Path) -> None:
    one, other = State(tmp_path / "state.db"), State(tmp_path / "state.db")
    (part,) = chunks([alert("09:00"), alert("09:01")])
    seen = [state.new(part.alerts) for state in (one, other)]
    copies, fresh = seen[0]
    one.commit(part, one.folder().fold(zip(part.alerts, copies, strict=True)), fresh)
    copies, fresh = seen[1]
    before = dump(one)
    with pytest.raises(StateError, match="another run"):
        other.commit(part, other.folder().fold(zip(part.alerts, copies, strict=True)), fresh)
    assert dump(one) == before
    copies, fresh = other.new(part.alerts)
    other.commit(part, other.folder().fold(zip(part.alerts, copies, strict=True)), fresh)
    assert (other.counts().in_cases, other.counts().duplicates) == (2, 2)
    one.close()
    other.close()


RECORDS = st.lists(
    st.one_of(
        st.builds(
            lambda minute, day, rule, host, uid: alert(
                at("00:00", day) + minute * MINUTE, rule, host=host, uid=uid and f"{rule}{host}{uid}"
            ),
            st.integers(0, 1439), st.sampled_from((0, 0, 0, 1, -1, 900)), st.sampled_from("abc"),
            st.sampled_from(("h1", "h2", "h3")), st.sampled_from(("", "", "1", "2")),
        ),
        st.builds(rejected, st.integers(0, 8)),
        st.builds(context, st.integers(0, 8), st.just(at("09:00"))),
        st.just(None),
    ),
    max_size=60,
)  # fmt: skip


def streamed(records: list[Any], size: int) -> Iterator[Chunk]:
    for i in range(0, len(records), size):
        part = records[i : i + size]
        yield Chunk(
            Position("s", i + len(part), i + len(part)), "t.json",
            alerts=[r for r in part if isinstance(r, Alert)],
            contexts=[r for r in part if hasattr(r, "facts")],
            rejected=[r for r in part if hasattr(r, "remedy")],
            ignored=part.count(None),
        )  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(RECORDS, st.integers(1, 60))
def test_counts_balance_and_no_alert_is_lost(records: list[Any], size: int) -> None:
    """With copies, rejects, contexts, times out of order and clocks that jump by days or years."""
    with TemporaryDirectory() as folder:
        state = State(Path(folder) / "state.db")
        queue = take(state, list(streamed(records, size)))
        again = take(state, list(streamed(records, size)))
        state.close()
    counts = balanced(queue)
    alerts = [r for r in records if isinstance(r, Alert)]
    distinct = {(a.time // 86_400_000, a.fingerprint()) for a in alerts}
    assert counts.in_cases == len(distinct)
    assert counts.in_cases + counts.duplicates == len(alerts)
    assert counts.ignored == records.count(None)
    assert again == queue


@settings(max_examples=15, deadline=None)
@given(RECORDS, st.integers(1, 20), st.integers(0, 60))
def test_stopped_and_resumed_is_the_same(records: list[Any], size: int, stop: int) -> None:
    parts = list(streamed(records, size))
    with TemporaryDirectory() as folder:
        whole, cut = State(Path(folder) / "a.db"), State(Path(folder) / "b.db")
        expected = take(whole, parts)
        take(cut, parts[: stop % (len(parts) + 1)])
        assert take(cut, parts) == expected
        whole.close()
        cut.close()


# -- files that cannot be used ----------------------------------------------------------------


def broken(path: Path, how: str) -> None:
    if how == "a folder":
        path.mkdir()
    elif how == "not a database":
        path.write_bytes(b"#!/bin/sh\n" * 500)
    elif how == "of a later version":
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA user_version=99")
        db.close()
    elif how == "of another program":
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE signal(x)")
        db.close()


@pytest.mark.parametrize("how", ["a folder", "not a database", "of a later version", "of another program"])
def test_a_file_that_is_no_state_is_refused_with_a_remedy(tmp_path: Path, how: str) -> None:
    path = tmp_path / "state.db"
    broken(path, how)
    with pytest.raises(StateError) as caught:
        State(path)
    assert caught.value.remedy
    assert str(path) in str(caught.value)


def test_an_empty_file_is_a_new_state(tmp_path: Path) -> None:
    (tmp_path / "state.db").touch()
    state = State(tmp_path / "state.db")
    assert state.counts() == Counts()
    state.close()


def test_an_unknown_case_is_named_with_a_remedy(state: State) -> None:
    with pytest.raises(InputError, match="'20260310-nothing'") as caught:
        state.label("20260310-nothing", is_attack=True)
    assert caught.value.remedy


# -- a full disk ------------------------------------------------------------------------------


def test_a_full_disk_says_so_and_a_later_run_goes_on_to_the_same_result(state: State, tmp_path: Path) -> None:
    parts = list(chunks([*everyday(4), *intrusion()], 20))
    (tmp_path / "roomy").mkdir()
    roomy = State(tmp_path / "roomy" / "state.db")
    expected = take(roomy, parts)
    roomy.close()
    take(state, parts[:3])
    state.db.execute(f"PRAGMA max_page_count={state.db.execute('PRAGMA page_count').fetchone()[0]}")
    with pytest.raises(OutputError) as caught:
        take(state, parts)
    assert caught.value.exit_code == 5
    assert "resumes where it stopped" in caught.value.remedy
    state.db.execute("PRAGMA max_page_count=1000000")
    assert take(state, parts) == expected
