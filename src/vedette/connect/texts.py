"""Texts to ask the experts about: lines, CSV, JSON Lines, CVE records, standard input. They stream; nothing is lost.

What cannot be used is counted and told by `Texts.rejected`; the rest goes on.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec

from vedette.errors import ConfigError, InputError
from vedette.knowledge.inputs import Input
from vedette.knowledge.readers import READERS, Tally
from vedette.knowledge.record import Kind, Record

COLUMNS = ("description", "text", "body", "summary")  # where a text is looked for unless the user names a column
IDS = ("id", "cve", "cve_id", "cveid", "cveID")
LINE = 4 * 1024 * 1024  # characters
EXAMPLES = 20  # rejected texts that are told one by one


@dataclass(frozen=True, slots=True)
class Item:
    """One text to ask about."""

    id: str  # a CVE id, the value of an id column, or file:line
    text: str


@dataclass(slots=True)
class Texts:
    """Counts of what was read: `read` = given + rejected."""

    read: int = 0
    given: int = 0
    rejected: int = 0
    examples: list[tuple[str, str]] = field(default_factory=list)  # (place, why)

    def reject(self, place: str, why: str) -> None:
        self.read += 1
        self.rejected += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append((place, why))

    def _give(self, uid: str, text: str) -> Item:
        self.read += 1
        self.given += 1
        return Item(uid, text)

    def of(self, path: Path, *, column: str = "", whole: bool = False) -> Iterator[Item]:
        """`path` may be "-" for standard input. `whole`: the file is one text. Raises InputError, ConfigError."""
        if str(path) == "-":
            yield from self._stream(sys.stdin.buffer, "stdin", column, whole, "")
            return
        if path.is_dir() or path.suffix.lower() in (".json", ".zip", ".gz", ".tgz", ".parquet"):
            yield from self._records(path)
            return
        try:
            with path.open("rb") as file:
                yield from self._stream(file, path.name, column, whole, path.suffix.lower())
        except OSError as exc:
            raise InputError(f"cannot be read: {exc.strerror}", where=str(path), remedy="check the path") from exc

    def _stream(self, file: BinaryIO, name: str, column: str, whole: bool, suffix: str) -> Iterator[Item]:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
        if whole:
            yield self._give(name, text.read())
        elif suffix == ".csv" or (not suffix and column):
            yield from self._csv(text, name, column)
        elif suffix in (".jsonl", ".ndjson"):
            yield from self._jsonl(text, name, column)
        else:
            yield from self._lines(text, name)
        text.detach()

    def _lines(self, file: Iterable[str], name: str) -> Iterator[Item]:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield self._give(f"{name}:{number}", line.rstrip("\r\n"))

    def _csv(self, file: io.TextIOWrapper, name: str, column: str) -> Iterator[Item]:
        csv.field_size_limit(LINE)
        rows = csv.reader(file)
        head = next(rows, [])
        at, uid = _place(head, column, name), _first(head, IDS)
        while True:
            place = f"{name}:{rows.line_num + 1}"
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as exc:
                self.reject(place, str(exc))
                continue
            if len(row) <= at:
                self.reject(place, f"{len(row)} columns, the text is in column {at + 1}")
                continue
            named = row[uid].strip() if uid is not None and uid < len(row) else ""
            yield self._give(named or place, row[at])

    def _jsonl(self, file: Iterable[str], name: str, column: str) -> Iterator[Item]:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            place = f"{name}:{number}"
            try:
                row = msgspec.json.decode(line.encode("utf-8", "surrogateescape"))
            except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
                self.reject(place, f"no JSON: {exc}")
                continue
            found = _fields(row, column)
            if found is None:
                self.reject(place, f"no text in '{column or COLUMNS[0]}'")
                continue
            uid, text = found
            yield self._give(uid or place, text)

    def _records(self, path: Path) -> Iterator[Item]:
        source = Input(path)
        for name in READERS:
            reader = READERS.load(name)
            if reader.claims(source):
                tally = Tally()
                for record in reader.read(source, tally):
                    if record.kind is Kind.VULNERABILITY:
                        yield from self._record(record)
                for place, why in tally.examples:
                    self.reject(place, why)
                return
        remedy = "CVE records, NVD feeds, .csv, .jsonl, and text with one a line are read"
        raise InputError("no reader knows this", where=str(path), remedy=remedy)

    def _record(self, record: Record) -> Iterator[Item]:
        text = next((t.body for t in record.texts if t.field == "description"), "")
        if text:
            yield self._give(record.id, text)
        else:
            self.reject(record.id, "no description")


def _place(head: list[str], column: str, name: str) -> int:
    wanted = (column,) if column else COLUMNS
    found = _first(head, wanted)
    if found is None:
        shown = ", ".join(head[:12]) or "nothing"
        raise ConfigError(f"no column '{wanted[0]}'", where=name, remedy=f"give --column; there is {shown}")
    return found


def _first(head: list[str], wanted: Iterable[str]) -> int | None:
    folded = [field.strip().casefold() for field in head]
    return next((folded.index(name.casefold()) for name in wanted if name.casefold() in folded), None)


def _fields(row: object, column: str) -> tuple[str, str] | None:
    if isinstance(row, str) and not column:
        return "", row
    if not isinstance(row, dict):
        return None
    text = next((row[name] for name in ((column,) if column else COLUMNS) if isinstance(row.get(name), str)), None)
    if text is None:
        return None
    uid = next((row[name] for name in IDS if isinstance(row.get(name), str)), "")
    return uid, text
