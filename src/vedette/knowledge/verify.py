"""Is a store whole: its records are what their units say, and every table that is made from them fits."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec

from vedette.errors import ArtefactError
from vedette.knowledge import schema
from vedette.knowledge.record import decode, digest
from vedette.knowledge.unit import Unit, content_hash

REMEDY = "import again; the shipped facts serve until then"


def check(
    connection: sqlite3.Connection, *, thorough: bool = False, progress: Callable[[str], None] = lambda _: None
) -> int:
    """How many records hold. Thorough: every page, every body, every link of the index. Raises ArtefactError."""
    total = 0
    for number, body in connection.execute("SELECT number, body FROM unit").fetchall():
        unit = msgspec.json.decode(body, type=Unit)
        progress(unit.name)
        total += _unit(connection, number, unit, thorough)
    _same(connection, "passages and vectors", "SELECT count(*) FROM passage", "SELECT count(code) FROM passage")
    _same(connection, "records and records of units", "SELECT count(*) FROM record", f"SELECT {total}")
    _same(connection, "passages and those of records", "SELECT count(*) FROM passage", _OF_RECORDS)
    _same(connection, "passages and what search holds", "SELECT count(*) FROM passage", _HELD)
    if thorough:
        progress("pages and indexes")
        _thorough(connection)
    return total


_OF_RECORDS = "SELECT count(*) FROM passage p JOIN record r ON p.record = r.number"
_HELD = "SELECT coalesce((SELECT length(data) / 4 FROM matrix WHERE name = 'numbers'), -1)"


def _unit(connection: sqlite3.Connection, number: int, unit: Unit, thorough: bool) -> int:
    digests = []
    body_if = "body" if thorough else "''"
    sql = f"SELECT id, digest, {body_if} FROM record WHERE unit = ?"  # noqa: S608
    for uid, mark, body in connection.execute(sql, (number,)):
        if thorough and (digest(body) != mark or decode(body).id != uid):
            raise ArtefactError(f"record '{uid}' is damaged", where=unit.name, remedy=REMEDY)
        digests.append(mark)
    if len(digests) != unit.records or content_hash(digests) != unit.content:
        what = f"holds {len(digests):,} records that are not the {unit.records:,} it was made of"
        raise ArtefactError(what, where=unit.name, remedy=REMEDY)
    return len(digests)


def _same(connection: sqlite3.Connection, what: str, first: str, second: str) -> None:
    (left,), (right,) = connection.execute(first).fetchone(), connection.execute(second).fetchone()
    if left != right:
        raise ArtefactError(f"{what} do not fit: {left:,} and {right:,}", remedy=REMEDY)


def _thorough(connection: sqlite3.Connection) -> None:
    path = connection.execute("PRAGMA database_list").fetchone()[2]
    if path and not schema.sealed(Path(path)):
        raise ArtefactError("the file is not as it was written", where=path, remedy=REMEDY)
    (state,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if state != "ok":
        raise ArtefactError(f"the file is damaged: {state}", remedy=REMEDY)
    lost = connection.execute("SELECT count(*) FROM link WHERE record NOT IN (SELECT number FROM record)").fetchone()[0]
    if lost:
        raise ArtefactError(f"{lost:,} links belong to no record", remedy=REMEDY)
