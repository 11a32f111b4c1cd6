"""Tickets as systems export them: CSV, JSON, JSON Lines. Fields are found by their usual names."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from vedette.errors import RecordError
from vedette.forge.document import decoded
from vedette.guard.hostile import hostile
from vedette.registry import near

SUFFIXES = frozenset((".csv", ".json", ".jsonl", ".ndjson"))
FIELDS: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "key", "number", "ticket", "ticket_id", "issue_key", "case_id"),
    "title": ("title", "summary", "subject", "short_description", "name"),
    "description": ("description", "body", "details", "text"),
    "resolution": ("resolution", "solution", "close_notes", "resolution_notes", "fix", "outcome"),
    "comments": ("comments", "comment", "notes", "work_notes", "worklog", "analyst_comment"),
}
_NAME = re.compile(r"[\w .-]{1,40}")  # that is shown
LONGEST, COLUMNS = 6_000, 1_000  # characters of a field; fields


@dataclass(frozen=True, slots=True)
class Ticket:
    line: int  # of its file; of a JSON list, its place
    id: str
    title: str
    description: str
    resolution: str
    comments: str


@dataclass(frozen=True, slots=True)
class Bad:
    line: int
    why: str
    remedy: str


def tickets(data: bytes, suffix: str) -> list[Ticket | Bad]:
    """Raises RecordError for a file that holds none."""
    rows = {".csv": _csv, ".json": _json}.get(suffix, _lines)(decoded(data))
    found = [_ticket(line, row) for line, row in rows]
    if not any(isinstance(one, Ticket) for one in found):
        first = next((one for one in found if isinstance(one, Bad)), None)
        remedy = first.remedy if first else "give tickets with title, description, resolution"
        raise RecordError(f"holds no tickets: {first.why}" if first else "holds no tickets", remedy=remedy)
    return found


def _ticket(line: int, row: object) -> Ticket | Bad:
    if not isinstance(row, dict):
        return Bad(line, "no ticket", row if isinstance(row, str) else "give an object with named fields")
    told = {field: _told(row, names) for field, names in FIELDS.items()}
    if not told["title"]:
        return Bad(line, "no title", _near("title", row))
    if not (told["description"] or told["resolution"] or told["comments"]):
        return Bad(line, "no description, resolution or comments", _near("resolution", row))
    if any(len(value) > LONGEST for value in told.values()):
        return Bad(line, f"a field of more than {LONGEST:,} characters", "shorten it")
    return Ticket(line, **told)


def _near(field: str, row: Mapping[str, object]) -> str:
    """What else the field may be called here."""
    names = [name for name in map(str, row) if _NAME.fullmatch(name) and not hostile(name)][:20]
    close = [one for one in names for wanted in FIELDS[field] if get_close_matches(wanted, [one.casefold()], 1, 0.7)]
    there = f"did you mean '{close[0]}'?" if close else near(field, names)
    return f"name a field '{field}'; {there}"


def _told(row: Mapping[str, object], names: tuple[str, ...]) -> str:
    folded = {str(name).strip().casefold().replace(" ", "_").replace("-", "_"): value for name, value in row.items()}
    return next((text for name in names if (text := _text(folded.get(name)))), "")


def _text(value: object, depth: int = 0) -> str:
    """A text, a number, or what comments are: a list of texts or of objects with one."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list) and depth < 3:
        return "\n".join(text for one in value[:100] if (text := _text(one, depth + 1)))
    if isinstance(value, dict) and depth < 3:
        return next((text for name in ("body", "text", "comment", "note") if (text := _text(value.get(name), 3))), "")
    return ""


def _csv(text: str) -> Iterator[tuple[int, object]]:
    csv.field_size_limit(1024 * 1024)
    rows = csv.DictReader(io.StringIO(text, newline=""))
    try:
        names = rows.fieldnames or []
    except csv.Error as exc:
        raise RecordError(f"no CSV: {exc}", remedy="export it again") from exc
    if len(names) > COLUMNS:
        raise RecordError(f"more than {COLUMNS} columns", remedy="export the fields of tickets alone")
    while True:
        line = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as exc:
            yield line, f"no CSV: {exc}"
            continue
        yield line, {name: value for name, value in row.items() if isinstance(name, str) and value is not None}


def _json(text: str) -> Iterator[tuple[int, object]]:
    told = _parsed(text)
    if isinstance(told, dict):
        told = next((value for value in told.values() if isinstance(value, list)), [told])
    if not isinstance(told, list):
        raise RecordError("holds no tickets", remedy="give a list of objects with title, description, resolution")
    yield from enumerate(told, 1)


def _lines(text: str) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield number, _parsed(line)
            except RecordError as exc:
                yield number, exc.what


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise RecordError(f"no JSON: {exc}"[:120], remedy="export it again") from exc
