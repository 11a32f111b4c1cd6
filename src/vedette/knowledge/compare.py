"""What is new between two stores, record by record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from vedette.errors import InputError
from vedette.knowledge import build, schema
from vedette.knowledge.record import Record, Status, decode
from vedette.knowledge.unit import Unit


class Changed(msgspec.Struct, frozen=True):
    id: str
    fields: tuple[str, ...]  # that differ


class UnitDifference(msgspec.Struct, frozen=True):
    unit: str
    before: str  # release and date; "" where the store did not have it
    after: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[Changed, ...]
    unchanged: int

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


class Difference(msgspec.Struct, frozen=True):
    before: str  # paths
    after: str
    units: tuple[UnitDifference, ...]


def compare(before: Path, after: Path) -> Difference:
    """Raises InputError where one of them is missing, StateError where it is none."""
    for path in (before, after):
        if not path.exists():
            raise InputError(
                "no store here", where=str(path), remedy="nothing was imported twice yet, or check the path"
            )
    return Difference(str(before), str(after), tuple(_units(before, after)))


def _units(before: Path, after: Path) -> Iterator[UnitDifference]:
    old, new = build.units(before), build.units(after)
    for name in sorted({*old, *new}):
        was, now = _marks(before, name), _marks(after, name)
        both = was.keys() & now.keys()
        differing = sorted(uid for uid in both if was[uid] != now[uid])
        first, second = _bodies(before, name, differing), _bodies(after, name, differing)
        yield UnitDifference(
            unit=name,
            before=_release(old, name),
            after=_release(new, name),
            added=tuple(sorted(now.keys() - was.keys())),
            removed=tuple(sorted(was.keys() - now.keys())),
            changed=tuple(Changed(uid, tuple(fields(first[uid], second[uid]))) for uid in differing),
            unchanged=len(both) - len(differing),
        )


def fields(before: Record, after: Record) -> Iterator[str]:
    """Names of what differs; texts by their own fields, links with how many came and went."""
    for name in Record.__struct_fields__:
        was, now = getattr(before, name), getattr(after, name)
        if was == now:
            continue
        if name == "texts":
            old, new = ({text.field: text.body for text in texts} for texts in (was, now))
            yield from sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
        elif name == "links":
            came, went = len(set(now) - set(was)), len(set(was) - set(now))
            yield f"links (+{came} −{went})"
        elif name == "facts" and was is not None and type(was) is type(now):
            yield from (key for key in type(was).__struct_fields__ if getattr(was, key) != getattr(now, key))
        elif name == "status":
            yield f"status ({was} → {now})" if isinstance(was, Status) else name
        else:
            yield name


def _release(units: dict[str, Unit], name: str) -> str:
    unit = units.get(name)
    return "" if unit is None else " of ".join(filter(None, (unit.release, unit.on))) or "release unknown"


def _marks(path: Path, unit: str) -> dict[str, bytes]:
    connection = schema.open_to_read(path)
    try:
        sql = "SELECT r.id, r.digest FROM record r JOIN unit u ON r.unit = u.number WHERE u.name = ?"
        return dict(connection.execute(sql, (unit,)).fetchall())
    finally:
        connection.close()


def _bodies(path: Path, unit: str, uids: list[str]) -> dict[str, Record]:
    connection = schema.open_to_read(path)
    try:
        sql = "SELECT r.body FROM record r JOIN unit u ON r.unit = u.number WHERE u.name = ? AND r.id = ?"
        return {uid: decode(connection.execute(sql, (unit, uid)).fetchone()[0]) for uid in uids}
    finally:
        connection.close()
