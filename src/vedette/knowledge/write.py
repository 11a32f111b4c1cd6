"""Puts a unit's records into a store that nobody reads yet. Only what differs is touched."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.knowledge.chunk import Passage, passages
from vedette.knowledge.ids import fold
from vedette.knowledge.postings import Terms
from vedette.knowledge.record import Kind, Record, decode, digest
from vedette.knowledge.spool import Encoded
from vedette.knowledge.unit import Unit

BATCH = 4_000  # passages that are encoded at once
AHEAD = 6  # batches that may wait to be encoded
ROWS = 2_000  # records that are written at once

Encode = Callable[[list[Passage]], "Future[Encoded]"]
PassageRow = tuple[int, int, str, int, int]
UNNAMED = {Kind.VULNERABILITY, Kind.ADVISORY, Kind.RULE, Kind.ANALYTIC}  # their names are sentences


@dataclass(slots=True)
class Change:
    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0


class Writer:
    """One writer, one file, one transaction for all units. Passages get ever higher numbers."""

    def __init__(self, connection: sqlite3.Connection, encode: Encode) -> None:
        self.db, self._encode = connection, encode
        self._record = self._highest("record")
        self._passage = self._highest("passage")
        self._first = self._record + 1  # of the records that this writer puts in
        self.touched = False  # something is not as it was before
        self._passages: list[Passage] = []
        self._rows: list[PassageRow] = []
        self.terms: list[tuple[NDArray[np.int32], Terms]] = []  # numbers of new passages, and their words
        self._waiting: deque[tuple[list[PassageRow], Future[Encoded]]] = deque()

    def put(self, unit: Unit, bodies: Iterable[bytes]) -> Change:
        """What the unit held before and does not hold now is removed."""
        number = self._unit(unit)
        rows = self.db.execute("SELECT id, number, digest FROM record WHERE unit = ?", (number,))
        before: dict[str, tuple[int, bytes]] = {uid: (at, mark) for uid, at, mark in rows}
        change, fresh = Change(), []
        for body in bodies:
            record, mark = decode(body), digest(body)
            known = before.pop(record.id, None)
            if known and known[1] == mark:
                change.unchanged += 1
                continue
            if known:
                self._remove(known[0])
            change.changed += bool(known)
            change.added += not known
            fresh.append((record, body, mark))
            if len(fresh) == ROWS:
                self._insert(number, fresh)
                fresh = []
        self._insert(number, fresh)
        for at, _ in before.values():
            self._remove(at)
        change.removed = len(before)
        return change

    def finish(self) -> None:
        """Wait for every passage that is still being encoded."""
        self._send()
        while self._waiting:
            self._receive()

    def _unit(self, unit: Unit) -> int:
        body = msgspec.json.encode(unit)
        held = self.db.execute("SELECT number FROM unit WHERE name = ? AND body = ?", (unit.name, body)).fetchone()
        if held:
            return int(held[0])
        self.touched = True
        sql = "INSERT INTO unit (name, body) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET body = excluded.body"
        self.db.execute(sql, (unit.name, body))
        return int(self.db.execute("SELECT number FROM unit WHERE name = ?", (unit.name,)).fetchone()[0])

    def _highest(self, table: str) -> int:
        return int(self.db.execute(f"SELECT coalesce(max(number), 0) FROM {table}").fetchone()[0])  # noqa: S608

    def _insert(self, unit: int, fresh: list[tuple[Record, bytes, bytes]]) -> None:
        self.touched |= bool(fresh)
        first, self._record = self._record + 1, self._record + len(fresh)
        numbered = list(enumerate(fresh, first))
        self.db.executemany(
            "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            ((n, unit, r.id, r.kind, r.name, r.status, r.published, mark, body) for n, (r, body, mark) in numbered),
        )
        self.db.executemany(
            "INSERT INTO link VALUES (?, ?, ?, ?)",
            ((n, place, link.rel, link.to) for n, (r, _, _) in numbered for place, link in enumerate(r.links)),
        )
        self.db.executemany(
            "INSERT OR IGNORE INTO alias VALUES (?, ?, ?)", (row for n, (r, _, _) in numbered for row in _names(n, r))
        )
        for number, (record, _, _) in numbered:
            self._cut(number, record)

    def _cut(self, number: int, record: Record) -> None:
        for passage in passages(record):
            self._passage += 1
            self._rows.append((self._passage, number, passage.field, passage.start, passage.end))
            self._passages.append(passage)
            if len(self._rows) == BATCH:
                self._send()

    def _send(self) -> None:
        if not self._rows:
            return
        while len(self._waiting) >= AHEAD:
            self._receive()
        self._waiting.append((self._rows, self._encode(self._passages)))
        self._rows, self._passages = [], []

    def _receive(self) -> None:
        rows, future = self._waiting.popleft()
        encoded = future.result()
        self.terms.append((np.array([row[0] for row in rows], np.int32), encoded.terms))
        self.db.executemany(
            "INSERT INTO passage VALUES (?, ?, ?, ?, ?, ?)",
            ((*row, code) for row, code in zip(rows, encoded.codes, strict=True)),
        )

    def _remove(self, number: int) -> None:
        self.touched = True
        if number >= self._first:
            self.finish()  # its own passages may still be on their way
        (body,) = self.db.execute("SELECT body FROM record WHERE number = ?", (number,)).fetchone()
        record = decode(body)
        self.db.execute("DELETE FROM passage WHERE record = ?", (number,))
        self.db.execute("DELETE FROM link WHERE record = ?", (number,))
        self.db.executemany(
            "DELETE FROM alias WHERE folded = ? AND record = ?", ((row[0], number) for row in _names(number, record))
        )
        self.db.execute("DELETE FROM record WHERE number = ?", (number,))


def _names(number: int, record: Record) -> Iterator[tuple[str, int, str]]:
    names = record.aliases if record.kind in UNNAMED else (record.name, *record.aliases)
    for name in names:
        if folded := fold(name):
            yield folded, number, name
