"""What is new between two stores."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from vedette.errors import InputError
from vedette.knowledge.compare import Changed, compare, fields
from vedette.knowledge.record import Kind, Link, Record, Rel, Status, TechniqueFacts, Text

from . import samples

OLD = Record("T1001", Kind.TECHNIQUE, "Old", facts=TechniqueFacts(("execution",)), texts=(Text("description", "a"),))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({}, []),
        ({"name": "New", "modified": "2026-01-01"}, ["name", "modified"]),
        ({"status": Status.REVOKED}, ["status (active → revoked)"]),
        ({"facts": TechniqueFacts(("execution",), ("Linux",))}, ["platforms"]),
        ({"facts": None}, ["facts"]),
        ({"texts": (Text("description", "b"), Text("detection", "c"))}, ["description", "detection"]),
        ({"links": (Link(Rel.CHILD_OF, "T1000"),)}, ["links (+1 −0)"]),
    ],
)
def test_fields(changes: dict[str, object], named: list[str]) -> None:
    assert list(fields(OLD, msgspec.structs.replace(OLD, **changes))) == named


def test_added_changed_and_removed(tmp_path: Path) -> None:
    before, after = tmp_path / "a.db", tmp_path / "b.db"
    other = Record("T1002", Kind.TECHNIQUE, "Other")
    samples.put(before, samples.unit("attack/enterprise", [OLD, other]), samples.unit("kev", []))
    new = [msgspec.structs.replace(OLD, name="New"), Record("T1003", Kind.TECHNIQUE, "Third")]
    samples.put(after, samples.unit("attack/enterprise", new, release="19"), samples.unit("capec", [other]))
    found = {unit.unit: unit for unit in compare(before, after).units}
    attack = found["attack/enterprise"]
    assert (attack.added, attack.removed, attack.changed) == (("T1003",), ("T1002",), (Changed("T1001", ("name",)),))
    assert (attack.before, attack.after) == ("18.1 of 2025-11-04", "19 of 2025-11-04")
    assert (found["capec"].before, found["capec"].added) == ("", ("T1002",))
    assert not found["kev"]


def test_the_store_before_the_last_import_is_kept(tmp_path: Path) -> None:
    store = tmp_path / "k.db"
    with pytest.raises(InputError, match="no store here"):
        compare(tmp_path / "k.db.previous", store)
    samples.put(store, samples.unit("capec", [OLD]))
    samples.put(store, samples.unit("capec", [msgspec.structs.replace(OLD, name="New")]))
    (unit,) = compare(tmp_path / "k.db.previous", store).units
    assert unit.changed == (Changed("T1001", ("name",)),)
