"""CSV with a header, as frames of rows. A record may span lines; its number is that of its first line."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence

from vedette.connect.decode import reject
from vedette.connect.frame import MAX_RECORD, Frame, Lines
from vedette.errors import RecordError
from vedette.types import Rejected

_MAX_LINES = 20_000  # of one record, so that a stray quote cannot swallow a file, nor line ends hide an alert
_DELIMITERS = ",;\t|"


def read_header(line: bytes) -> tuple[list[str], str] | None:
    """Column names and delimiter; None where the line is no CSV header."""
    try:
        text = line.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        return None
    delimiter = max(_DELIMITERS, key=text.count)
    if not text.count(delimiter) or "\0" in text:
        return None
    try:
        names = [name.strip() for name in next(csv.reader([text], delimiter=delimiter))]
    except csv.Error:
        return None
    return (names, delimiter) if all(names) and len(set(names)) == len(names) else None


class Table:
    """Rows below the header; `lines` has to stand at the start of a record."""

    def __init__(self, lines: Lines, name: str, width: int, delimiter: str) -> None:
        self._lines, self._name, self._width, self._delimiter = lines, name, width, delimiter
        self._carry: list[bytes] = []  # lines of a record whose end was not read yet
        csv.field_size_limit(MAX_RECORD)

    def take(self, limit: int) -> Frame | None:
        """Up to `limit` lines' worth of rows; None where there is no complete line (yet). Raises InputError."""
        frame = self._lines.take(limit)
        return None if frame is None else self._rows(frame, final=False)

    def finish(self) -> Frame | None:
        frame = self._lines.finish()
        if frame is None:
            if not self._carry:
                return None
            frame = Frame([], [], self._lines.offset, self._lines.line)
        return self._rows(frame, final=True)

    def _rows(self, frame: Frame, *, final: bool) -> Frame:
        if not self._carry and (rows := self._plain(frame.records)) is not None:
            return Frame(rows, frame.numbers, frame.offset, frame.line, frame.rejected, frame.cut)
        lines = [*self._carry, *frame.records]
        self._carry = []
        first = frame.line - len(frame.rejected) - len(lines) + 1
        result = Frame([], [], frame.offset, frame.line, frame.rejected, frame.cut)
        self._slow(lines, first, result, final=final or bool(frame.rejected))
        held = sum(map(len, self._carry)) + len(self._carry)
        result.offset, result.line = frame.offset - held, frame.line - len(self._carry)
        return result

    def _plain(self, lines: Sequence[bytes]) -> list[list[str]] | None:
        """All rows at once where no field is quoted, None otherwise."""
        block = b"\n".join(lines)
        if b'"' in block or b"\0" in block or not lines:
            return None
        try:
            rows = list(csv.reader(block.decode().split("\n"), delimiter=self._delimiter))
        except (UnicodeDecodeError, csv.Error):
            return None
        return rows if len(rows) == len(lines) else None

    def _slow(self, lines: list[bytes], first: int, result: Frame, *, final: bool) -> None:
        rows: list[list[str]] = []
        numbers: list[int] = []
        at = 0
        while at < len(lines):
            try:
                row, used = self._record(lines, at)
            except RecordError as exc:
                if exc.what == _OPEN and not final and self._may_grow(lines, at):
                    self._carry = lines[at:]
                    break
                result.rejected.append(self._rejected(lines[at], first + at, exc))
                at += 1
                continue
            rows.append(row)
            numbers.append(first + at)
            at += used
        result.records, result.numbers = rows, numbers

    def _may_grow(self, lines: list[bytes], at: int) -> bool:
        return len(lines) - at <= _MAX_LINES and sum(map(len, lines[at:])) <= MAX_RECORD

    def _record(self, lines: list[bytes], at: int) -> tuple[list[str], int]:
        """The row that starts at line `at`, and how many lines it spans. Raises RecordError."""
        used = 0

        def feed() -> Iterator[str]:
            nonlocal used
            for line in lines[at : at + _MAX_LINES]:
                used += 1
                if b"\0" in line:
                    raise RecordError("NUL byte in a CSV record", remedy="save the file as UTF-8 text")
                yield line.decode() + "\n"

        try:
            row = next(csv.reader(feed(), delimiter=self._delimiter, strict=True))
        except UnicodeDecodeError as exc:
            raise RecordError(f"not UTF-8 at byte {exc.start}", remedy="save the file as UTF-8") from exc
        except csv.Error as exc:
            what = _OPEN if "unexpected end" in str(exc) else _OPEN + " in this line" if used > 1 else f"not CSV: {exc}"
            raise RecordError(what, remedy="a quoted field needs its closing quote") from exc
        if used > 1 and len(row) != self._width:
            raise RecordError(_OPEN + " in this line", remedy="a quoted field needs its closing quote")
        return row, used

    def _rejected(self, line: bytes, number: int, exc: RecordError) -> Rejected:
        return reject(f"{self._name}:{number}", exc.what, exc.remedy, line)


_OPEN = "a quoted field is not closed"
