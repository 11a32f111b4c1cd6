"""The store's tables: one SQLite file, written once, then only read.

`record.body` is the truth; links, names, passages, vectors and postings are made from it and can be made again. A
record belongs to one unit: what one import of one part of a source gave.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from vedette.errors import RecordError, StateError
from vedette.knowledge import chunk

FORMAT = 1
ENCODER_NAME = "encoder_name"  # key in `meta`; `encoder` is the sha256 of its weights

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE unit (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, body BLOB NOT NULL) STRICT;
CREATE TABLE record (
    number INTEGER PRIMARY KEY,
    unit INTEGER NOT NULL REFERENCES unit,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    published TEXT NOT NULL,
    digest BLOB NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE link (
    record INTEGER NOT NULL,
    place INTEGER NOT NULL,
    rel TEXT NOT NULL,
    target TEXT NOT NULL,
    PRIMARY KEY (record, place)
) STRICT, WITHOUT ROWID;
CREATE TABLE alias (
    folded TEXT NOT NULL,
    record INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (folded, record)
) STRICT, WITHOUT ROWID;
CREATE TABLE passage (
    number INTEGER PRIMARY KEY,
    record INTEGER NOT NULL,
    field TEXT NOT NULL,
    start INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    code BLOB
) STRICT;
CREATE TABLE matrix (name TEXT PRIMARY KEY, data BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE posting (
    term INTEGER PRIMARY KEY,
    passages BLOB NOT NULL,
    often BLOB NOT NULL
) STRICT;
"""

INDEXES = """
CREATE UNIQUE INDEX IF NOT EXISTS record_of_unit ON record (id, unit);
CREATE INDEX IF NOT EXISTS link_to ON link (target, rel);
CREATE INDEX IF NOT EXISTS passage_of_record ON passage (record);
"""


def create(connection: sqlite3.Connection) -> None:
    connection.executescript(TABLES)


def made_by(encoder: str) -> dict[str, str]:
    """What the tables that are made from records depend on."""
    return {"format": str(FORMAT), "passages": str(chunk.VERSION), "encoder": encoder}


def open_to_read(path: Path) -> sqlite3.Connection:
    """A store is never changed in place, so SQLite needs no locks on it.

    Raises StateError, later on, too: where a page turns out to be damaged.
    """
    if path.is_dir():
        raise StateError("a folder, not a knowledge store", where=str(path), remedy="name the store's file")
    try:
        address = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        connection = sqlite3.connect(address, uri=True, check_same_thread=False, factory=_Connection)
    except sqlite3.Error as exc:
        _explain(exc)
    try:
        connection.execute(f"PRAGMA mmap_size = {1 << 31}")
        rows = connection.execute("SELECT value FROM meta WHERE key = 'format'").fetchall()
        _check_format(rows[0][0] if rows else "")
    except StateError as exc:
        connection.close()
        what = exc.what.replace(_DAMAGED, "not a knowledge store")
        raise StateError(what, where=str(path), remedy=exc.remedy) from exc
    return connection


def _check_format(made: str) -> None:
    if not made.isdecimal():
        raise StateError("not a knowledge store: it names no format", remedy=REMEDY)
    if int(made) > FORMAT:
        remedy = "install that version, or delete the store and import again"
        raise StateError(f"made by a newer version of Vedette: format {made}, known are up to {FORMAT}", remedy=remedy)


REMEDY = "`vedette knowledge verify` tells more; delete it and import again to make a new one"
_DAMAGED = "the store is damaged"


# What comes of reading rows that are not what was written.
NONSENSE = (RecordError, msgspec.DecodeError, ValueError, LookupError, TypeError, ArithmeticError)


def damaged(exc: Exception) -> StateError:
    """What to say where the content of a store makes no sense."""
    return StateError(f"{_DAMAGED}: {exc or type(exc).__name__}", remedy=REMEDY)


def _explain(exc: sqlite3.Error) -> NoReturn:
    if isinstance(exc, sqlite3.ProgrammingError):  # closed already: not the file's fault
        raise exc
    raise damaged(exc) from exc


def _translated(name: str) -> Callable[..., Any]:
    method = getattr(sqlite3.Cursor, name)

    def call(self: sqlite3.Cursor, *args: Any) -> Any:
        try:
            return method(self, *args)
        except sqlite3.DatabaseError as exc:
            _explain(exc)

    return call


class _Cursor(sqlite3.Cursor):
    """Raises StateError where SQLite finds that the file is damaged."""


for _name in ("execute", "fetchone", "fetchmany", "fetchall", "__next__"):
    setattr(_Cursor, _name, _translated(_name))


class _Connection(sqlite3.Connection):
    def execute(self, *args: Any) -> sqlite3.Cursor:
        return self.cursor(_Cursor).execute(*args)


def meta(path: Path) -> dict[str, str]:
    connection = open_to_read(path)
    try:
        return dict(connection.execute("SELECT key, value FROM meta").fetchall())
    finally:
        connection.close()


_SEAL = (slice(60, 64), slice(68, 72))  # of the header: user_version and application_id, which SQLite does not use


def seal(path: Path) -> None:
    """Write into a closed store what tells later that no byte of it has changed."""
    with path.open("rb+") as file:
        mark = _mark(path)
        for place, part in zip(_SEAL, (mark[:4], mark[4:]), strict=True):
            file.seek(place.start)
            file.write(part)


def sealed(path: Path) -> bool:
    with path.open("rb") as file:
        header = file.read(100)
    return b"".join(header[place] for place in _SEAL) == _mark(path)


def _mark(path: Path) -> bytes:
    whole = blake2b(digest_size=8)
    with path.open("rb") as file:
        header = bytearray(file.read(100))
        for place in _SEAL:
            header[place] = bytes(4)
        whole.update(header)
        while piece := file.read(1 << 20):
            whole.update(piece)
    return whole.digest()
