"""What triage remembers, in one SQLite file (WAL): positions, seen alerts, signals, baseline, cases.

A chunk is committed whole: its position, its fingerprints and its signals in one transaction. A run
killed at any point therefore resumes where it stopped, and no alert is lost or counted twice.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

import msgspec

from vedette.errors import InputError, OutputError, StateError
from vedette.skills.triage.closing import case_type
from vedette.skills.triage.signals import DAY_MS, SLOTS_A_DAY, Folded, Folder, Key, Signal, merged
from vedette.types import Alert, Case, Chunk, Context, Counts, Explanation, Position, Rejected

VERSION = 1
SCHEMA = """
CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE stream(
    key TEXT PRIMARY KEY, name TEXT NOT NULL, offset INTEGER NOT NULL, line INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE count(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE seen(day INTEGER, fingerprint BLOB, PRIMARY KEY(day, fingerprint)) WITHOUT ROWID;
CREATE TABLE signal(
    id INTEGER PRIMARY KEY, day INTEGER NOT NULL, key BLOB NOT NULL, slot INTEGER NOT NULL, product TEXT NOT NULL,
    rule_uid TEXT NOT NULL, rule_name TEXT NOT NULL, device TEXT NOT NULL, entities TEXT NOT NULL,
    severity INTEGER NOT NULL, count INTEGER NOT NULL, duplicates INTEGER NOT NULL, first INTEGER NOT NULL,
    last INTEGER NOT NULL, hits INTEGER NOT NULL, techniques TEXT NOT NULL, tactics TEXT NOT NULL, sample BLOB,
    UNIQUE(day, key));
CREATE TABLE context(
    flow TEXT, ref TEXT, time INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY(flow, ref)) WITHOUT ROWID;
CREATE TABLE rejected(id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, data BLOB NOT NULL);
CREATE TABLE note(text TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE baseline(
    day INTEGER, product TEXT, rule_uid TEXT, device TEXT, slots INTEGER NOT NULL, alerts INTEGER NOT NULL,
    PRIMARY KEY(day, product, rule_uid, device)) WITHOUT ROWID;
CREATE TABLE rule_baseline(day INTEGER, product TEXT, rule_uid TEXT, slots INTEGER NOT NULL,
    PRIMARY KEY(day, product, rule_uid)) WITHOUT ROWID;
CREATE TABLE cases(day INTEGER, id TEXT, data BLOB NOT NULL, PRIMARY KEY(day, id)) WITHOUT ROWID;
CREATE TABLE dirty(day INTEGER PRIMARY KEY);
CREATE TABLE label(case_id TEXT PRIMARY KEY, type TEXT NOT NULL, attack INTEGER NOT NULL, probability REAL NOT NULL,
    note TEXT NOT NULL) WITHOUT ROWID;
"""
_LATER = """
CREATE TABLE IF NOT EXISTS explanation(case_id TEXT PRIMARY KEY, key TEXT NOT NULL, data BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS labelled(case_id TEXT PRIMARY KEY, who TEXT NOT NULL, at TEXT NOT NULL) WITHOUT ROWID;
"""  # what came in without a new version: older files get it, too
_UPSERT = """
INSERT INTO signal(day, key, slot, product, rule_uid, rule_name, device, entities, severity, count, duplicates,
    first, last, hits, techniques, tactics, sample) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)
ON CONFLICT(day, key) DO UPDATE SET severity=max(severity, excluded.severity),
    first=CASE WHEN excluded.count=0 THEN first WHEN count=0 THEN excluded.first ELSE min(first, excluded.first) END,
    last=CASE WHEN excluded.count=0 THEN last WHEN count=0 THEN excluded.last ELSE max(last, excluded.last) END,
    sample=CASE WHEN sample IS NULL OR (excluded.hits & ~hits) <> 0 THEN excluded.sample ELSE sample END,
    count=count+excluded.count, duplicates=duplicates+excluded.duplicates, hits=hits|excluded.hits,
    techniques=CASE WHEN excluded.techniques IN ('[]', techniques) THEN techniques
        ELSE merged(techniques, excluded.techniques) END,
    tactics=CASE WHEN excluded.tactics IN ('[]', tactics) THEN tactics ELSE merged(tactics, excluded.tactics) END
"""
_DAY = """
SELECT id, slot, product, rule_uid, rule_name, device, entities, severity, count, duplicates, first, last, hits,
    techniques, tactics FROM signal WHERE day=? ORDER BY slot, product, rule_uid, device, entities
"""

_encode = msgspec.json.Encoder().encode
_pack = msgspec.msgpack.Encoder().encode
_alert = msgspec.msgpack.Decoder(Alert).decode
_context = msgspec.msgpack.Decoder(Context).decode
_rejected = msgspec.msgpack.Decoder(Rejected).decode
_case = msgspec.msgpack.Decoder(Case).decode
_explanation = msgspec.msgpack.Decoder(Explanation).decode
_strings = lru_cache(maxsize=8192)(msgspec.json.Decoder(tuple[str, ...]).decode)  # few lists, met again and again


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """SQLite's errors as ours: what is wrong with the state at `path`, and what to do."""
    try:
        yield
    except sqlite3.OperationalError as error:
        text = str(error)
        if "full" in text or "disk I/O" in text:
            raise OutputError(
                f"cannot write the state: {text}", where=str(path),
                remedy="free space and run the same command again: it resumes where it stopped",
            ) from error  # fmt: skip
        raise StateError(
            text, where=str(path), remedy="another run may hold the file; wait for it, or use another --out"
        ) from error
    except sqlite3.DatabaseError as error:
        raise StateError(
            f"not a usable state file: {error}", where=str(path), remedy="move it away and run again"
        ) from error


class State:
    """The memory of one site. One writer at a time; readers are never blocked.

    Raises StateError for a file that cannot be used, OutputError for a full disk.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with explained(path):
            self.db = sqlite3.connect(path, isolation_level=None, timeout=10)
            try:
                self._prepare()
            except BaseException:
                self.db.close()
                raise

    def _prepare(self) -> None:
        self.db.create_function("merged", 2, _merged, deterministic=True)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=NORMAL")
        self.db.execute("PRAGMA cache_size=-16384")
        self.db.execute("PRAGMA wal_autocheckpoint=16000")
        version = self.db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            self.db.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version={VERSION}; COMMIT;")
        elif version != VERSION:
            what = f"state version {version}, this Vedette reads {VERSION}"
            raise StateError(what, where=str(self.path), remedy="use a new --out folder")
        self.db.executescript(_LATER)

    def close(self) -> None:
        with explained(self.path):
            self.db.close()

    def __enter__(self) -> State:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        with explained(self.path):
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield self.db
            except BaseException:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise
            self.db.execute("COMMIT")

    # -- reading in ---------------------------------------------------------------------------

    def position(self, key: str) -> Position | None:
        row = self.db.execute("SELECT offset, line FROM stream WHERE key=?", (key,)).fetchone()
        return Position(key, *row) if row else None

    def positions(self) -> dict[str, Position]:
        """Of all streams, by their keys."""
        rows = self.db.execute("SELECT key, offset, line FROM stream")
        return {key: Position(key, offset, line) for key, offset, line in rows}

    def folder(self) -> Folder:
        """A folder that knows what earlier runs folded."""
        return Folder(self._folded)

    def _folded(self, day: int) -> Iterator[Folded]:
        query = "SELECT DISTINCT product, rule_uid, device, entities FROM signal WHERE day=?"
        return ((*row[:3], _strings(row[3])) for row in self.db.execute(query, (day,)))

    def new(self, alerts: list[Alert]) -> tuple[list[bool], list[tuple[int, bytes]]]:
        """For each alert whether it is a copy of one read before, and the (day, fingerprint) of the new ones."""
        marks = [(a.time // DAY_MS, a.fingerprint()) for a in alerts]
        wanted: dict[int, set[bytes]] = {}
        for day, fingerprint in marks:
            wanted.setdefault(day, set()).add(fingerprint)
        known = {(day, found) for day, prints in wanted.items() for found in self._seen(day, list(prints))}
        copies = []
        for mark in marks:
            copies.append(mark in known)
            known.add(mark)
        return copies, [mark for mark, copy in zip(marks, copies, strict=True) if not copy]

    def _seen(self, day: int, fingerprints: list[bytes]) -> Iterator[bytes]:
        """Those that were seen. With the day apart each is one step down the index; a list of pairs would be a scan."""
        for i in range(0, len(fingerprints), 500):
            part = fingerprints[i : i + 500]
            marks_only = ",".join("?" * len(part))
            query = f"SELECT fingerprint FROM seen WHERE day=? AND fingerprint IN ({marks_only})"  # noqa: S608
            yield from (found for (found,) in self.db.execute(query, (day, *part)))

    def commit(
        self, chunk: Chunk, signals: dict[Key, Signal], fresh: list[tuple[int, bytes]], notes: Iterable[str] = ()
    ) -> None:
        """One chunk, whole or not at all. What was rejected before (an input that still fails) is kept once."""
        with self.transaction() as db:
            rejected = [_pack(r) for r in chunk.rejected]
            before = db.total_changes
            db.executemany(
                "INSERT OR IGNORE INTO rejected(digest, data) VALUES(?,?)", [(_digest(r), r) for r in rejected]
            )
            refused = db.total_changes - before
            self._claim(fresh)
            db.executemany(_UPSERT, [_row(key, signal) for key, signal in signals.items()])
            db.executemany(
                "INSERT OR IGNORE INTO context VALUES(?,?,?,?)",
                [(c.flow, c.ref, c.time, _pack(c)) for c in chunk.contexts if c.flow],
            )
            db.executemany("INSERT OR IGNORE INTO note VALUES(?)", [(n,) for n in notes])
            days = {s.day for s in signals.values()}
            db.executemany("INSERT OR IGNORE INTO dirty VALUES(?)", [(d,) for d in days])
            self._count(
                read=len(chunk.alerts) + len(chunk.contexts) + refused + chunk.ignored, in_cases=len(fresh),
                duplicates=len(chunk.alerts) - len(fresh), rejected=refused, context=len(chunk.contexts),
                ignored=chunk.ignored,
            )  # fmt: skip
            db.execute(
                "INSERT OR REPLACE INTO stream VALUES(?,?,?,?)",
                (chunk.end.stream, chunk.name, chunk.end.offset, chunk.end.line),
            )

    def _claim(self, fresh: list[tuple[int, bytes]]) -> None:
        """Mark new alerts as seen. Another run that took one of them in since `new` would count it twice."""
        before = self.db.total_changes
        self.db.executemany("INSERT OR IGNORE INTO seen VALUES(?,?)", fresh)
        if self.db.total_changes - before != len(fresh):
            raise StateError(
                "another run takes in the same alerts", where=str(self.path),
                remedy="wait for it, then run the same command again: it goes on where both stopped",
            )  # fmt: skip

    def _count(self, **values: int) -> None:
        self.db.executemany(
            "INSERT INTO count VALUES(?,?) ON CONFLICT(name) DO UPDATE SET value=value+excluded.value",
            [i for i in values.items() if i[1]],
        )

    # -- reading out --------------------------------------------------------------------------

    def counts(self) -> Counts:
        return Counts(**dict(self.db.execute("SELECT name, value FROM count")))

    def days(self) -> list[int]:
        return [d for (d,) in self.db.execute("SELECT DISTINCT day FROM signal ORDER BY day")]

    def dirty_days(self) -> list[int]:
        """Days to build again: those that got alerts, and all later ones, whose baseline has changed."""
        first = self.db.execute("SELECT min(day) FROM dirty").fetchone()[0]
        return [] if first is None else [d for d in self.days() if d >= first]

    def signals(self, day: int) -> list[Signal]:
        """The signals of a day without their samples, in an order that does not depend on reading order."""
        rows = self.db.execute(_DAY, (day,))
        return [
            Signal(*(*r[1:6], _strings(r[6]), *r[7:13], _strings(r[13]), _strings(r[14]), None, r[0])) for r in rows
        ]

    def samples(self, signals: Sequence[Signal]) -> dict[int, Alert]:
        """The alert that is shown for each signal, by its `rowid`."""
        found: dict[int, Alert] = {}
        ids = [s.rowid for s in signals]
        for i in range(0, len(ids), 500):
            part = ids[i : i + 500]
            marks_only = ",".join("?" * len(part))
            rows = self.db.execute(f"SELECT id, sample FROM signal WHERE id IN ({marks_only})", part)  # noqa: S608
            found.update((rowid, _alert(data)) for rowid, data in rows)
        return found

    def context(self, flow: str, limit: int = 4) -> list[Context]:
        rows = (
            self.db.execute("SELECT data FROM context WHERE flow=? ORDER BY time, ref LIMIT ?", (flow, limit))
            if flow
            else ()
        )
        return [_context(r[0]) for r in rows]

    def rejects(self, limit: int | None = None) -> Iterator[Rejected]:
        rows = self.db.execute("SELECT data FROM rejected ORDER BY id LIMIT ?", (-1 if limit is None else limit,))
        return (_rejected(r[0]) for r in rows)

    def notes(self) -> list[str]:
        return [text for (text,) in self.db.execute("SELECT text FROM note ORDER BY text")]

    # -- baseline and cases -------------------------------------------------------------------

    def measure(self, day: int) -> None:
        """Count again in how many slots of a day each rule was active."""
        with self.transaction() as db:
            db.execute("DELETE FROM baseline WHERE day=?", (day,))
            db.execute("DELETE FROM rule_baseline WHERE day=?", (day,))
            db.execute(
                "INSERT INTO baseline SELECT day, product, rule_uid, device, count(DISTINCT slot), sum(count) "
                "FROM signal WHERE day=? GROUP BY product, rule_uid, device", (day,),
            )  # fmt: skip
            db.execute(
                "INSERT INTO rule_baseline SELECT day, product, rule_uid, count(DISTINCT slot) FROM signal "
                "WHERE day=? GROUP BY product, rule_uid", (day,),
            )  # fmt: skip

    def keep_cases(self, day: int, cases: Iterable[Case], built: bool = True) -> None:
        with self.transaction() as db:
            db.execute("DELETE FROM cases WHERE day=?", (day,))
            db.executemany("INSERT INTO cases VALUES(?,?,?)", [(day, c.id, _pack(c)) for c in cases])
            if built:
                db.execute("DELETE FROM dirty WHERE day=?", (day,))

    def cases(self, day: int | None = None) -> Iterator[Case]:
        rows = self.db.execute("SELECT data FROM cases WHERE ?1 IS NULL OR day=?1 ORDER BY day, id", (day,))
        return (_case(r[0]) for r in rows)

    def case(self, case_id: str) -> Case | None:
        row = self.db.execute("SELECT data FROM cases WHERE id=?", (case_id,)).fetchone()
        return _case(row[0]) if row else None

    def keep_explanation(self, case_id: str, key: str, explanation: Explanation) -> None:
        with self.transaction() as db:
            db.execute("INSERT OR REPLACE INTO explanation VALUES(?,?,?)", (case_id, key, _pack(explanation)))

    def explanations(self) -> dict[str, tuple[str, Explanation]]:
        """Of each case that has one, the key it was made under, and what a model said."""
        rows = self.db.execute("SELECT case_id, key, data FROM explanation")
        return {case_id: (key, _explanation(data)) for case_id, key, data in rows}

    # -- labels -------------------------------------------------------------------------------

    def label(self, case_id: str, is_attack: bool, note: str = "", who: str = "") -> Case:
        """Keep what an analyst found. All days are built again, since it may change what is closed."""
        case = self.case(case_id)
        if case is None:
            raise InputError(
                f"unknown case '{case_id}'", where=str(self.path), remedy="copy the id from the queue or cases.jsonl"
            )
        with self.transaction() as db:
            row = (case.id, case_type(case), int(is_attack), case.probability, note)
            db.execute("INSERT OR REPLACE INTO label VALUES(?,?,?,?,?)", row)
            at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            db.execute("INSERT OR REPLACE INTO labelled VALUES(?,?,?)", (case.id, who, at))
            db.execute("INSERT OR IGNORE INTO dirty SELECT DISTINCT day FROM signal")
        return case

    def labels(self) -> Iterator[tuple[str, bool, str]]:
        """(case id, whether it was an attack, the analyst's note) of every labelled case."""
        rows = self.db.execute("SELECT case_id, attack, note FROM label ORDER BY case_id")
        return ((case_id, bool(attack), note) for case_id, attack, note in rows)

    def labellers(self) -> dict[str, tuple[str, str]]:
        """Of each labelled case, who labelled it and when (UTC, ISO 8601); not of labels of an older Vedette."""
        rows = self.db.execute("SELECT case_id, who, at FROM labelled")
        return {case_id: (who, at) for case_id, who, at in rows}

    def label_counts(self) -> dict[str, tuple[int, int]]:
        """For each case type (attacks, all) among the labelled cases."""
        rows = self.db.execute("SELECT type, sum(attack), count(*) FROM label GROUP BY type")
        return {kind: (attacks, n) for kind, attacks, n in rows}

    def has_setting(self, setting: str) -> bool:
        """Were its cases built with it?"""
        return self.db.execute("SELECT 1 FROM meta WHERE name='setting' AND value=?", (setting,)).fetchone() is not None

    def soil(self, setting: str) -> None:
        """Mark all days for building again when `setting` (a hash of model and owner's files) changed."""
        if self.has_setting(setting):
            return
        with self.transaction() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES('setting', ?)", (setting,))
            db.execute("INSERT OR IGNORE INTO dirty SELECT DISTINCT day FROM signal")


def _merged(left: str, right: str) -> str:
    """Of two JSON lists of strings; for SQLite."""
    return _encode(merged(_strings(left), _strings(right))).decode()


@lru_cache(maxsize=8192)
def _text(values: tuple[str, ...]) -> str:
    return _encode(values).decode()


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()


def _row(key: Key, s: Signal) -> tuple[object, ...]:
    digest = blake2b("\0".join((str(key[0]), *key[1:4], *key[4])).encode("utf-8", "replace"), digest_size=16).digest()
    return (
        s.slot // SLOTS_A_DAY, digest, s.slot, s.product, s.rule_uid, s.rule_name, s.device, _text(s.entities),
        s.severity, s.count, s.duplicates, s.first, s.last, s.hits, _text(s.techniques), _text(s.tactics),
        _pack(s.sample) if s.sample is not None else None,
    )  # fmt: skip
