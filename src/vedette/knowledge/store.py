"""The knowledge store, as everything else in Vedette sees it: `Knowledge.open()`, then ask.

Nothing here writes or opens a connection. A store that is replaced while it is open goes on answering as it was.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, wraps
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import msgspec

from vedette.errors import StateError
from vedette.knowledge import schema
from vedette.knowledge.chunk import field_text
from vedette.knowledge.ids import fold
from vedette.knowledge.record import Kind, Record, Rel, Status, decode
from vedette.knowledge.sources import rank
from vedette.knowledge.unit import Unit

if TYPE_CHECKING:
    from vedette.knowledge.graph import Hop
    from vedette.knowledge.graph import Path as Way
    from vedette.knowledge.ids import Mention
    from vedette.knowledge.search import Hit, Searcher

VARIABLE = "VEDETTE_KNOWLEDGE"  # environment: the store's path
FILE = "knowledge.db"


def default_path() -> Path:
    """$VEDETTE_KNOWLEDGE, or knowledge.db in the user's data folder."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    if sys.platform == "win32":
        folder = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    else:
        folder = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
    return folder / "vedette" / FILE


@dataclass(frozen=True, slots=True)
class Statement:
    """One source's record about an id."""

    unit: Unit
    record: Record

    @property
    def speaks(self) -> bool:
        """Is the id described, and not only named or linked to something?"""
        return bool(self.record.texts or self.record.facts or self.record.status is not Status.ACTIVE)


@dataclass(frozen=True, slots=True)
class Entry:
    """All that the store knows about an id; the first source's word first."""

    id: str
    statements: tuple[Statement, ...]  # at least one, in order of precedence

    @property
    def first(self) -> Statement:
        """Of the first source that describes the id."""
        return next((s for s in self.statements if s.speaks), self.statements[0])

    @property
    def kind(self) -> Kind:
        return self.first.record.kind

    @property
    def name(self) -> str:
        return next((s.record.name for s in (self.first, *self.statements) if s.record.name), "")

    @property
    def status(self) -> Status:
        """What the first source says that describes the id: a catalogue that only links it knows nothing of this."""
        return self.first.record.status

    @property
    def replaced_by(self) -> str:
        return next((s.record.replaced_by for s in self.statements if s.record.replaced_by), "")

    @property
    def published(self) -> str:
        return min((s.record.published for s in self.statements if s.record.published), default="")

    @property
    def description(self) -> str:
        texts = (t.body for s in self.statements for t in s.record.texts if t.field == "description")
        return next(texts, "")


@dataclass(frozen=True, slots=True)
class Name:
    """Who calls an id by a name."""

    id: str
    kind: Kind
    name: str  # as the source spells it
    source: str


P = ParamSpec("P")
T = TypeVar("T")


def _whole(method: Callable[P, T]) -> Callable[P, T]:
    """Says that the store is damaged where what it holds makes no sense; SQLite's own complaints: `schema`."""

    @wraps(method)
    def call(*args: P.args, **options: P.kwargs) -> T:
        try:
            return method(*args, **options)
        except schema.NONSENSE as exc:
            raise schema.damaged(exc) from exc

    return call


class Knowledge:
    """One open store. Not to be shared between threads at the same moment; open one for each, it is cheap."""

    def __init__(self, connection: sqlite3.Connection, path: Path | None) -> None:
        self.db, self.path = connection, path

    @classmethod
    def open(cls, path: Path | None = None) -> Knowledge:
        """The store at `path` or at the default place. Where there is none yet, one is made from the shipped facts.

        In memory, where it cannot be written. Raises StateError for a store that is damaged.
        """
        from vedette.knowledge import facts

        place = path or default_path()
        try:
            there = place.exists()
        except OSError as exc:
            raise StateError(f"cannot be opened: {exc.strerror}", where=str(place), remedy="check the path") from exc
        if not there and not facts.install(place):
            return cls(facts.in_memory(), None)
        return cls(schema.open_to_read(place), place)

    def __enter__(self) -> Knowledge:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self.db.close()

    @cached_property
    @_whole
    def units(self) -> tuple[Unit, ...]:
        """In order of precedence."""
        bodies = self.db.execute("SELECT body FROM unit ORDER BY name").fetchall()
        return tuple(sorted((msgspec.json.decode(b, type=Unit) for (b,) in bodies), key=_order))

    @cached_property
    @_whole
    def unit_numbers(self) -> dict[int, Unit]:
        rows = self.db.execute("SELECT number, body FROM unit").fetchall()
        return {number: msgspec.json.decode(body, type=Unit) for number, body in rows}

    def __contains__(self, uid: str) -> bool:
        return self.db.execute("SELECT 1 FROM record WHERE id = ? LIMIT 1", (_storable(uid),)).fetchone() is not None

    @_whole
    def get(self, uid: str) -> Entry | None:
        """`uid` in its canonical spelling; `ids.canonical` knows others."""
        rows = self.db.execute("SELECT unit, body FROM record WHERE id = ?", (_storable(uid),)).fetchall()
        if not rows:
            return None
        statements = [Statement(self.unit_numbers[unit], decode(body)) for unit, body in rows]
        statements.sort(key=lambda s: s.unit.name)
        statements.sort(key=lambda s: s.record.modified, reverse=True)  # a source's newest word, then by name
        statements.sort(key=lambda s: _order(s.unit)[:2])
        return Entry(uid, tuple(statements))

    def in_force(self, uid: str) -> Entry | None:
        """The entry that stands for this id today: revoked ones are followed to the end."""
        entry, seen = self.get(uid), {uid}
        while entry and entry.replaced_by and entry.replaced_by not in seen:
            seen.add(entry.replaced_by)
            entry = self.get(entry.replaced_by) or entry
        return entry

    @_whole
    def names(self, uids: Iterable[str]) -> dict[str, str]:
        """id → name, for those that have one."""
        wanted = list(dict.fromkeys(map(_storable, uids)))
        found: dict[str, str] = {}
        for at in range(0, len(wanted), 500):
            part = wanted[at : at + 500]
            marks = ",".join("?" * len(part))
            sql = f"SELECT id, name, unit FROM record WHERE id IN ({marks}) AND name <> ''"  # noqa: S608
            for uid, name, _ in sorted(self.db.execute(sql, part), key=lambda row: _order(self.unit_numbers[row[2]])):
                found.setdefault(uid, name)
        return found

    @_whole
    def resolve(self, name: str) -> list[Name]:
        """Who is called so, in any spelling: groups, software, techniques, weaknesses … with the source of the name."""
        rows = self.db.execute(
            "SELECT r.id, r.kind, a.name, r.unit FROM alias a JOIN record r ON a.record = r.number WHERE a.folded = ?",
            (fold(name),),
        )
        found = [Name(uid, Kind(kind), spelled, self.unit_numbers[unit].source) for uid, kind, spelled, unit in rows]
        return sorted(dict.fromkeys(found), key=lambda n: (rank(n.source), n.id, n.source, n.name))

    @_whole
    def text(self, uid: str, source: str, field: str) -> str | None:
        """A field's whole text as `source` (or `source/part`) states it: what the span of a passage refers to."""
        entry = self.get(uid)
        for statement in entry.statements if entry else ():
            told = source in (statement.unit.name, statement.unit.source)
            if told and (text := field_text(statement.record, field)) is not None:
                return text
        return None

    @_whole
    def search(
        self,
        text: str,
        *,
        kinds: Sequence[Kind] = (),
        since: str = "",
        platform: str = "",
        limit: int = 10,
        mode: str = "hybrid",
    ) -> list[Hit]:
        """Entries whose passages answer `text`, best first; `mode` is "hybrid", "words", "vectors" or "experts".

        "experts" asks the embedded experts, too: slower, and an ArtefactError where their weights cannot be used.
        `since`: ISO date, of publication; entries without a date are left out then. `platform`: as ATT&CK names them.
        """
        return self.searcher.search(text, kinds=kinds, since=since, platform=platform, limit=limit, mode=mode)

    @cached_property
    def searcher(self) -> Searcher:
        from vedette.knowledge.search import Searcher

        return Searcher(self)

    @_whole
    def neighbours(self, uid: str, *, rels: Sequence[Rel] = (), kinds: Sequence[Kind] = ()) -> list[Hop]:
        """Everything one link away, in both directions."""
        from vedette.knowledge.graph import neighbours

        return neighbours(self, uid, rels=rels, kinds=kinds)

    @_whole
    def paths(self, start: str, end: str, *, limit: int = 5) -> list[Way]:
        """The best ways from an id to another id or to a kind ("mitigation"); each hop stated or inferred."""
        from vedette.knowledge.graph import paths

        return paths(self, start, end, limit=limit)

    @_whole
    def verify_ids(self, text: str) -> list[Mention]:
        """Every id in `text`, in any spelling: exists, revoked (and what replaced it), or unknown."""
        from vedette.knowledge.ids import mentions

        return mentions(text, self)


def _order(unit: Unit) -> tuple[int, bool, str]:
    return rank(unit.source), unit.facts_only, unit.name


def _storable(uid: str) -> str:
    """SQLite takes no lone surrogates; no id has any."""
    return uid.encode("utf-8", "replace").decode()
