"""Damage is found, whichever byte it struck."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from vedette.errors import ArtefactError
from vedette.knowledge import schema, verify
from vedette.knowledge.overview import examine

from . import samples

pytestmark = pytest.mark.usefixtures("small_encoder")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return samples.full(tmp_path / "k.db")


def test_a_whole_store_passes(store: Path) -> None:
    found, steps = examine(store, lambda _: None), []
    assert found.records == len(samples.attack()) + sum(map(len, samples.others().values()))
    db = schema.open_to_read(store)
    assert verify.check(db, thorough=True, progress=steps.append) == found.records
    assert steps[-1] == "pages and indexes"
    assert "kev" in steps


def test_any_changed_byte_is_found(store: Path) -> None:
    whole, chance = store.read_bytes(), random.Random(3)
    places = [0, 20, 59, 60, 63, 68, 71, 99, len(whole) - 1, *(chance.randrange(len(whole)) for _ in range(40))]
    for place in places:
        body = bytearray(whole)
        body[place] ^= 1 << chance.randrange(8)
        store.write_bytes(body)
        with pytest.raises(ArtefactError):
            examine(store)
    store.write_bytes(whole)
    examine(store)


def test_any_cut_is_found(store: Path) -> None:
    whole, chance = store.read_bytes(), random.Random(4)
    for length in [0, 1, 50, 99, 100, 8192, len(whole) - 1, *(chance.randrange(len(whole)) for _ in range(10))]:
        store.write_bytes(whole[:length])
        with pytest.raises(ArtefactError):
            examine(store)
    store.write_bytes(whole + b"\0")
    with pytest.raises(ArtefactError):
        examine(store)


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("UPDATE record SET body = x'7b7d' WHERE id = 'G0016'", "'G0016' is damaged"),
        ("DELETE FROM record WHERE id = 'G0016'", "records that are not"),
        ("UPDATE record SET digest = x'00' WHERE id = 'G0016'", "'G0016' is damaged"),
        ("INSERT INTO record VALUES (9999, 77, 'x', 'rule', '', 'active', '', x'00', x'00')", "records of units"),
        ("UPDATE passage SET code = NULL WHERE number = 3", "passages and vectors"),
        ("DELETE FROM passage WHERE number = 3", "what search holds"),
        ("UPDATE passage SET record = 9999 WHERE number = 3", "those of records"),
        ("DELETE FROM matrix WHERE name = 'numbers'", "what search holds"),
        ("UPDATE link SET record = 9999 WHERE target = 'S0154'", "belong to no record"),
    ],
)
def test_tables_that_do_not_fit(store: Path, sql: str, what: str) -> None:
    db = sqlite3.connect(store)
    db.execute(sql)
    db.commit()
    db.close()
    with pytest.raises(ArtefactError, match="not as it was written|" + what):
        examine(store)
    schema.seal(store)  # as if nobody had noticed
    with pytest.raises(ArtefactError, match=what):
        examine(store)


def test_the_seal_is_not_what_it_seals(store: Path) -> None:
    whole = store.read_bytes()
    schema.seal(store)
    assert store.read_bytes() == whole
    assert schema.sealed(store)


def test_a_quick_look_does_not_read_bodies(store: Path) -> None:
    db = sqlite3.connect(store)
    db.execute("UPDATE record SET body = x'7b7d' WHERE id = 'G0016'")
    assert verify.check(db) > 0
    with pytest.raises(ArtefactError):
        verify.check(db, thorough=True)
    db.close()
