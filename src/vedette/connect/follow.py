"""Files that grow, are renamed away or are truncated while they are read."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

from vedette.connect.open import Stream, plain_stream
from vedette.connect.stream import StreamReader
from vedette.types import Chunk

POLL = 0.5  # seconds between two looks at a file that was read to its end
GRACE = 10.0  # seconds without a new line after which a renamed file is let go
_HEAD = 4096  # bytes at the start that tell whether a file was rewritten


class Tail:
    """One open file, whatever its path points to by now."""

    def __init__(self, path: Path, name: str, make: Callable[[Stream], StreamReader]) -> None:
        self.path, self.name, self._make = path, name, make
        self._file = path.open("rb")
        self.reader = make(plain_stream(self._file, name, path))
        self._head = b""
        self.quiet_since = time.monotonic()

    def pump(self, *, final: bool = False) -> Iterator[Chunk]:
        for chunk in self.reader.pump(final=final):
            self.quiet_since = time.monotonic()
            yield chunk
        if len(self._head) < _HEAD and (start := self._start()).startswith(self._head):
            self._head = start

    def renamed(self) -> bool:
        """Whether another file is at the path now."""
        try:
            now = self.path.stat()
        except OSError:
            return False
        own = os.fstat(self._file.fileno())
        return (now.st_dev, now.st_ino) != (own.st_dev, own.st_ino)

    def rewritten(self) -> bool:
        """Whether the file was truncated, even when it has grown again since."""
        if os.fstat(self._file.fileno()).st_size < self._file.tell():
            return True
        return not self._start().startswith(self._head)

    def _start(self) -> bytes:
        return os.pread(self._file.fileno(), _HEAD, 0)

    def reopened(self) -> Tail:
        return Tail(self.path, self.name, self._make)

    def close(self) -> None:
        self._file.close()


def follow(tails: list[Tail], stop: Callable[[], bool]) -> Iterator[Chunk]:
    """Until `stop`. A line without its end is left for the next time."""
    leaving: list[Tail] = []
    try:
        while not stop():
            moved = False
            for at, tail in enumerate(tails):
                turned = yield from _turn(tail, at, tails, leaving)
                moved = moved or turned
            for tail in (*leaving, *tails):
                for chunk in tail.pump():
                    moved = True
                    yield chunk
                    if stop():
                        return
            yield from _let_go(leaving)
            if not moved:
                time.sleep(POLL)
    finally:
        for tail in (*leaving, *tails):
            tail.close()


def _turn(tail: Tail, at: int, tails: list[Tail], leaving: list[Tail]) -> Generator[Chunk, None, bool]:
    """Open the new file after a rotation. Returns whether there was one."""
    renamed = tail.renamed()
    if not renamed and not tail.rewritten():
        return False
    try:
        fresh = tail.reopened()
    except OSError:
        return False  # looked at again with the next poll
    tails[at] = fresh
    if renamed:
        leaving.append(tail)  # its writer may not have noticed yet
    else:
        yield from tail.reader.finish()
        tail.close()
    return True


def _let_go(leaving: list[Tail]) -> Iterator[Chunk]:
    for tail in list(leaving):
        if time.monotonic() - tail.quiet_since > GRACE:
            leaving.remove(tail)
            yield from tail.pump(final=True)
            tail.close()
