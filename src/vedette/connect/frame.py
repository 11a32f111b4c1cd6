"""Splits a stream into raw records that know their line number; offsets are those of `Stream`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from vedette.connect.open import Stream
from vedette.errors import InputError
from vedette.types import EXCERPT, Rejected

MAX_RECORD = 16 * 1024 * 1024  # bytes
_MAX_FRAME = 16 * 1024 * 1024  # bytes of records held at once, give or take one record


@dataclass(slots=True)
class Frame:
    """Consecutive records. `offset` and `line` are where the stream stands after them."""

    records: Sequence[Any]  # bytes of a JSON record, or the list of fields of a CSV row
    numbers: Sequence[int]
    offset: int
    line: int
    rejected: list[Rejected] = field(default_factory=list)
    cut: bool = False  # the one record has no line end: it may still grow


class Oversize:
    """A record that is too large to be held: its size, hash and beginning."""

    def __init__(self) -> None:
        self.size, self._hash, self._head = 0, sha256(), b""

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        self._hash.update(piece)
        if len(self._head) < EXCERPT:
            self._head += piece[: EXCERPT - len(self._head)]

    def rejected(self, ref: str) -> Rejected:
        return Rejected(
            ref=ref,
            reason=f"a record of {self.size:,} bytes is larger than {MAX_RECORD:,}",
            remedy="split or shorten it at its source",
            excerpt=self._head.decode("utf-8", "backslashreplace")[:EXCERPT],
            size=self.size,
            sha256=self._hash.hexdigest(),
        )


class Lines:
    """Complete lines of a stream, without their line ends."""

    def __init__(self, stream: Stream, offset: int = 0, line: int = 0) -> None:
        """The stream has to stand at `offset`, which is `line` lines after its start."""
        self.offset, self.line = offset, line
        self._stream, self._name = stream, stream.name
        self._pending: list[bytes] = []
        self._tail: list[bytes] = []  # pieces of the line that has no end yet
        self._tail_size = 0
        self._rest = b""  # what follows an oversize line
        self._oversize: Oversize | None = None
        self._oversize_done = False

    def take(self, limit: int) -> Frame | None:
        """Up to `limit` lines; None where the stream has no complete line (yet). Raises InputError."""
        held = sum(map(len, self._pending)) if len(self._pending) < limit else 0
        while len(self._pending) < limit and held < _MAX_FRAME and not self._oversize_done:
            if self._pending and self._stream.live:
                break
            before = len(self._pending)
            if not self._filled():
                break
            held += sum(map(len, self._pending[before:]))
        if self._pending:
            return self._frame(limit)
        return self._skip_oversize() if self._oversize_done else None

    def finish(self) -> Frame | None:
        """The last line where it has no line end."""
        if self._oversize is not None:
            return self._skip_oversize()
        if not self._tail_size:
            return None
        line, self._tail, self._tail_size = b"".join(self._tail), [], 0
        self.offset, self.line = self.offset + len(line), self.line + 1
        return Frame([line], [self.line], self.offset, self.line, cut=True)

    def _frame(self, limit: int) -> Frame:
        lines, self._pending = self._pending[:limit], self._pending[limit:]
        numbers = range(self.line + 1, self.line + 1 + len(lines))
        self.offset += sum(map(len, lines)) + len(lines)
        self.line += len(lines)
        return Frame(lines, numbers, self.offset, self.line)

    def _filled(self) -> bool:
        """As `_fill`, but a stream that fails does so only once its last lines were taken."""
        try:
            return self._fill()
        except InputError:
            if self._pending:
                return False
            raise

    def _fill(self) -> bool:
        """One more piece of the stream into `_pending`. False where there is none."""
        piece, self._rest = self._rest or self._stream.read(), b""
        if not piece:
            return False
        if self._oversize is not None:
            self._continue_oversize(self._oversize, piece)
        elif b"\n" not in piece:
            self._tail.append(piece)
            self._tail_size += len(piece)
            if self._tail_size > MAX_RECORD:
                self._oversize = Oversize()
                self._oversize.add(b"".join(self._tail))
                self._tail, self._tail_size = [], 0
        else:
            self._tail.append(piece)
            *lines, last = b"".join(self._tail).split(b"\n")
            self._pending += lines
            self._tail, self._tail_size = [last], len(last)
        return True

    def _continue_oversize(self, oversize: Oversize, piece: bytes) -> None:
        line, end, self._rest = piece.partition(b"\n")
        oversize.add(line)
        self._oversize_done = bool(end)

    def _skip_oversize(self) -> Frame:
        oversize = self._oversize or Oversize()
        self.line += 1
        self.offset += oversize.size + self._oversize_done
        rejected = [oversize.rejected(f"{self._name}:{self.line}")]
        self._oversize, self._oversize_done = None, False
        return Frame([], [], self.offset, self.line, rejected)
