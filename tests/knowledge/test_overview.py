"""How old a store's parts are, what is missing, and whether it is whole."""

from __future__ import annotations

import sqlite3
from datetime import date
from pathlib import Path

import pytest

from vedette.errors import ArtefactError, InputError
from vedette.knowledge.overview import Held, Overview, examine, overview
from vedette.knowledge.store import Knowledge

from . import samples


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return samples.full(tmp_path / "full.db")


def view(store: Path, today: str) -> Overview:
    with Knowledge.open(store) as knowledge:
        return overview(knowledge, date.fromisoformat(today))


def held(view: Overview, name: str) -> Held:
    (found,) = (unit for unit in view.units if unit.name == name)
    return found


@pytest.mark.parametrize(
    ("today", "age", "stale", "early"),
    [
        ("2026-03-09", 0, False, False),
        ("2026-03-08", 0, False, False),  # the publisher's day may begin before ours
        ("2026-03-07", None, False, True),
        ("2026-03-16", 7, False, False),
        ("2026-03-17", 8, True, False),
    ],
)
def test_age(store: Path, today: str, age: int | None, stale: bool, early: bool) -> None:
    kev = held(view(store, today), "kev")
    assert (kev.age_days, kev.stale, kev.clock_wrong) == (age, stale, early)


def test_a_source_without_a_date_has_no_age(store: Path) -> None:
    ssvc = held(view(store, "2040-01-01"), "ssvc")
    assert (ssvc.age_days, ssvc.stale, ssvc.clock_wrong) == (None, False, False)


def test_a_clock_before_a_release_is_said(store: Path) -> None:
    assert view(store, "2026-03-10").notes == ()
    (note,) = view(store, "2025-12-01").notes
    assert "2025-12-01" in note
    assert "check its clock" in note


def test_counts_and_what_is_missing(store: Path) -> None:
    found = view(store, "2026-03-10")
    assert found.kinds["vulnerability"] == 31  # four sources speak about one of them
    assert sum(found.kinds.values()) == found.ids
    assert held(found, "attack/enterprise").skipped == 16
    assert found.missing == ("cvelist", "cve-table", "osv")
    assert found.facts_only == ()
    assert found.bytes == store.stat().st_size


def test_facts_only(tmp_path: Path) -> None:
    found = view(samples.facts_only(tmp_path / "slim.db"), "2026-03-10")
    assert found.facts_only == ("attack",)
    assert "attack" not in found.missing


def test_content_is_told_by_its_hash(store: Path, tmp_path: Path) -> None:
    other = samples.full(tmp_path / "other.db")
    assert [u.content for u in view(store, "2026-03-10").units] == [u.content for u in view(other, "2026-03-10").units]
    assert all(len(unit.content) == 64 for unit in view(store, "2026-03-10").units)


def test_a_whole_store_passes(store: Path) -> None:
    found = examine(store)
    assert (found.units, found.unknown) == (12, 2)
    assert found.records == sum(unit.records for unit in view(store, "2026-03-10").units)


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM record WHERE id = 'CWE-79'",
        "UPDATE record SET body = CAST(replace(CAST(body AS TEXT), 'Power', 'Pover') AS BLOB) WHERE id = 'T1059.001'",
        "UPDATE record SET body = CAST('no JSON' AS BLOB) WHERE id = 'T1059.001'",
        "UPDATE record SET digest = zeroblob(16) WHERE id = 'T1059.001'",
        "DELETE FROM passage WHERE number = 3",
        "UPDATE unit SET body = CAST('{}' AS BLOB) WHERE name = 'kev'",
        "DELETE FROM matrix",
    ],
)
def test_a_changed_store_does_not(store: Path, change: str) -> None:
    connection = sqlite3.connect(store)
    assert connection.execute(change).rowcount
    connection.commit()
    connection.close()
    with pytest.raises(ArtefactError):
        examine(store)


def test_a_truncated_store_does_not(store: Path) -> None:
    content = store.read_bytes()
    for size in (0, 100, len(content) // 2, len(content) - 8192):
        store.write_bytes(content[:size])
        with pytest.raises(ArtefactError):
            examine(store)


def test_no_store(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no store here"):
        examine(tmp_path / "none.db")
