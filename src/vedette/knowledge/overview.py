"""What a store holds, how old each part of it is, what is missing, and whether it is whole."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path

import msgspec

from vedette.errors import ArtefactError, InputError, RecordError, StateError
from vedette.knowledge import schema, verify
from vedette.knowledge.record import Kind
from vedette.knowledge.sources import sources
from vedette.knowledge.store import Knowledge
from vedette.knowledge.unit import Unit

REMEDY = "delete it and import again; the shipped facts serve until then"


class Held(msgspec.Struct, frozen=True):
    """A unit as `status` shows it."""

    source: str
    part: str
    release: str
    on: str
    age_days: int | None  # None where the publisher gives no date, and where this machine's clock is before it
    stale: bool
    clock_wrong: bool  # this machine's clock is before the release
    imported: str
    read: int
    records: int
    skipped: int
    refused: int
    facts_only: bool
    licence: str
    content: str  # hash over its records: the same in two stores that hold the same

    @property
    def name(self) -> str:
        return f"{self.source}/{self.part}" if self.part else self.source


class Overview(msgspec.Struct, frozen=True):
    store: str  # path; "" for one in memory
    bytes: int
    units: tuple[Held, ...]
    kinds: dict[str, int]  # ids by the first source's kind
    ids: int
    links: int
    passages: int
    missing: tuple[str, ...]  # known sources that the store holds nothing of
    facts_only: tuple[str, ...]  # known sources that it holds the shipped facts of and nothing more
    notes: tuple[str, ...]

    @property
    def stale(self) -> tuple[Held, ...]:
        return tuple(unit for unit in self.units if unit.stale)


class Examined(msgspec.Struct, frozen=True):
    """A store that is whole."""

    store: str
    records: int
    units: int
    unknown: int  # ids that links lead to and that the store does not have


def examine(path: Path, progress: Callable[[str], None] = lambda _: None) -> Examined:
    """Every record, count and index. Raises ArtefactError where the store is damaged, InputError where none is."""
    if not path.exists():
        raise InputError("no store here", where=str(path), remedy="import something; or any look-up makes one")
    try:
        with closing(schema.open_to_read(path)) as connection:
            records = verify.check(connection, thorough=True, progress=progress)
            units = connection.execute("SELECT count(*) FROM unit").fetchone()[0]
            unknown = connection.execute(_UNKNOWN).fetchone()[0]
    except (sqlite3.Error, msgspec.DecodeError, RecordError) as exc:
        raise ArtefactError(f"damaged: {exc}", where=str(path), remedy=REMEDY) from exc
    except StateError as exc:
        raise ArtefactError(exc.what, where=str(path), remedy=REMEDY) from exc
    return Examined(str(path), records, units, unknown)


_UNKNOWN = "SELECT count(*) FROM (SELECT DISTINCT target FROM link) WHERE target NOT IN (SELECT id FROM record)"


def overview(knowledge: Knowledge, today: date) -> Overview:
    units = tuple(_held(unit, today) for unit in knowledge.units)
    full, slim = {u.source for u in units if not u.facts_only}, {u.source for u in units if u.facts_only}
    kinds = dict(knowledge.db.execute("SELECT kind, count(DISTINCT id) FROM record GROUP BY kind").fetchall())
    return Overview(
        store=str(knowledge.path or ""),
        bytes=_size(knowledge.path),
        units=units,
        kinds={str(kind): kinds[kind] for kind in Kind if kind in kinds},
        ids=_count(knowledge, "SELECT count(DISTINCT id) FROM record"),
        links=_count(knowledge, "SELECT count(*) FROM link"),
        passages=_count(knowledge, "SELECT count(*) FROM passage"),
        missing=tuple(name for name in sources() if name not in full | slim),
        facts_only=tuple(name for name in sources() if name in slim - full),
        notes=tuple(_notes(units, today)),
    )


def _held(unit: Unit, today: date) -> Held:
    known = sources().get(unit.source)
    age = _age(unit.on, today)
    early = age is not None and age < -1  # a publisher's day may begin before ours
    return Held(
        source=unit.source,
        part=unit.part,
        release=unit.release,
        on=unit.on,
        age_days=None if age is None or early else max(age, 0),
        stale=bool(known and age is not None and age > known.stale_days),
        clock_wrong=early,
        imported=unit.imported,
        read=unit.read,
        records=unit.records,
        skipped=sum(unit.skipped.values()),
        refused=sum(unit.refused.values()),
        facts_only=unit.facts_only,
        licence=known.licence if known else "",
        content=unit.content,
    )


def _age(on: str, today: date) -> int | None:
    try:
        return (today - date.fromisoformat(on)).days
    except ValueError:
        return None


def _notes(units: tuple[Held, ...], today: date) -> list[str]:
    early = [unit for unit in units if unit.clock_wrong]
    if not early:
        return []
    last = max(early, key=lambda unit: unit.on)
    return [f"this machine's date, {today}, is before the release of {last.name} ({last.on}): check its clock"]


def _size(path: Path | None) -> int:
    return path.stat().st_size if path and path.exists() else 0


def _count(knowledge: Knowledge, sql: str) -> int:
    return int(knowledge.db.execute(sql).fetchone()[0])
