"""What was asked and answered, in one SQLite file: nothing is asked twice, and no answer is lost.

An answer is kept under a hash of stage, model and prompt before anything is made of it. A run that was killed at any
point goes on with what is there. One run at a time: a second one on the same file is refused.
"""

from __future__ import annotations

import fcntl
import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol

import msgspec

from vedette.engine.protocol import Completion, Identity, Message, Sampling, Schema
from vedette.errors import OutputError, StateError

SCHEMA = """
CREATE TABLE IF NOT EXISTS answer(key BLOB PRIMARY KEY, stage TEXT NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS row(run TEXT, place INTEGER, body BLOB NOT NULL, PRIMARY KEY(run, place)) WITHOUT ROWID;
"""
_pack = msgspec.msgpack.Encoder().encode
_completion = msgspec.msgpack.Decoder(Completion).decode
_json = msgspec.json.Encoder(order="deterministic").encode


def key(stage: str, who: Identity, messages: Sequence[Message], schema: Schema | None, sampling: Sampling) -> bytes:
    """32 bytes that two equal questions to the same model have in common."""
    model = (who.backend, who.name, who.sha256, who.quantisation, who.template)
    asked = (stage, model, messages, schema, sampling.seed, sampling.temperature, sampling.adapter)
    return hashlib.sha256(_json(asked)).digest()


class Kept(Protocol):
    """What a run asks of a ledger, wherever the file lies."""

    def get(self, known: bytes) -> Completion | None: ...

    def put(self, known: bytes, stage: str, answer: Completion) -> None: ...

    def row(self, run: str, place: int) -> bytes | None: ...

    def keep_row(self, run: str, place: int, body: bytes) -> None: ...


class Ledger:
    """Raises StateError where the file cannot be used or is in use, OutputError for a full disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = _locked(path.with_name(f"{path.name}.lock"))
        try:
            with self._told():
                self.db = sqlite3.connect(path, isolation_level=None)
                self.db.execute("PRAGMA journal_mode=WAL")
                self.db.execute("PRAGMA synchronous=NORMAL")
                self.db.executescript(SCHEMA)
        except BaseException:
            self._lock.close()
            raise

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.db.close()
        self._lock.close()

    def get(self, known: bytes) -> Completion | None:
        found = self.db.execute("SELECT body FROM answer WHERE key = ?", (known,)).fetchone()
        return _completion(found[0]) if found else None

    def put(self, known: bytes, stage: str, answer: Completion) -> None:
        with self._told():
            self.db.execute("INSERT OR IGNORE INTO answer VALUES(?,?,?)", (known, stage, _pack(answer)))

    def row(self, run: str, place: int) -> bytes | None:
        """What became of a row of a run; None where it is not done."""
        found = self.db.execute("SELECT body FROM row WHERE run = ? AND place = ?", (run, place)).fetchone()
        return found[0] if found else None

    def keep_row(self, run: str, place: int, body: bytes) -> None:
        with self._told():
            self.db.execute("INSERT OR REPLACE INTO row VALUES(?,?,?)", (run, place, body))

    def rows(self, run: str) -> Iterator[bytes]:
        """In their order."""
        for (body,) in self.db.execute("SELECT body FROM row WHERE run = ? ORDER BY place", (run,)):
            yield body

    def every_row(self) -> Iterator[bytes]:
        """Of all runs."""
        for (body,) in self.db.execute("SELECT body FROM row ORDER BY run, place"):
            yield body

    def counts(self) -> dict[str, int]:
        """Answers by stage."""
        return dict(self.db.execute("SELECT stage, count(*) FROM answer GROUP BY stage ORDER BY stage").fetchall())

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as exc:
            if "full" in str(exc) or "disk I/O" in str(exc):
                remedy = "free space and run the same command again: it goes on where it stopped"
                raise OutputError(f"cannot write the ledger: {exc}", where=str(self.path), remedy=remedy) from exc
            raise StateError(str(exc), where=str(self.path), remedy="check the path and its permissions") from exc
        except sqlite3.DatabaseError as exc:
            remedy = "move it away and run again"
            raise StateError(f"not a usable ledger: {exc}", where=str(self.path), remedy=remedy) from exc


def _locked(path: Path) -> IO[bytes]:
    try:
        file = path.open("wb")
    except OSError as exc:
        raise StateError(f"cannot be written: {exc.strerror}", where=str(path), remedy="check the folder") from exc
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        with suppress(OSError):
            file.close()
        raise StateError(
            "another run uses this ledger", where=str(path), remedy="wait for it, or use another --work folder"
        ) from exc
    return file
