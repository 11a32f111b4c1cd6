"""Parquet files of others, read by a process of its own: a damaged one can end that process, and never this one.

The library is written in Rust and aborts where a file claims more memory than there is; no `except` stops that.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

from arro3.io import read_ipc_stream

from vedette.errors import InputError

BATCH = 8192  # rows
CHILD = Path(__file__).with_name("parquet_child.py")
PATIENCE = 5.0  # seconds that a child may take to say why it failed


def names(path: Path) -> list[str]:
    """Of the columns. Raises InputError."""
    with _Child(path) as child:
        return list(child.stream.schema.names)


def batches(path: Path) -> Iterator[Any]:
    """Of at most BATCH rows. Raises InputError, also half-way."""
    with _Child(path) as child:
        while (batch := child.next()) is not None:
            yield batch


class _Child:
    def __init__(self, path: Path) -> None:
        if not _is_whole(path):
            raise InputError("no whole Parquet file", where=path.name, remedy="fetch it again")
        self._path = path
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 — closed at exit

    def __enter__(self) -> _Child:
        command = [sys.executable, "-I", str(CHILD), str(self._path.absolute()), str(BATCH)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._said, stdin=subprocess.DEVNULL)  # noqa: S603
        try:
            with explained(self._path.name):
                self.stream = read_ipc_stream(cast(IO[bytes], self._process.stdout))
        except InputError as exc:
            error = self._error() or exc
            self._end()
            raise error from exc
        return self

    def next(self) -> Any:
        """The next batch; None at the end, which has to be a good one."""
        try:
            with explained(self._path.name):
                batch = next(self.stream, None)
        except InputError as exc:
            raise self._error() or exc from exc
        if batch is None and (error := self._error()):
            raise error
        return batch

    def _error(self) -> InputError | None:
        """What the child says that it died of."""
        with suppress(subprocess.TimeoutExpired):
            code = self._process.wait(PATIENCE)
            if code:
                self._said.seek(0)
                last = self._said.read().decode("utf-8", "replace").strip().splitlines()[-1:]
                died = f"its reader was ended by {signal.Signals(-code).name}" if code < 0 else ""
                what = f"damaged Parquet: {died or (last or ['no reason told'])[0]}"
                return InputError(what, where=self._path.name, remedy="fetch it again")
        return None

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    def _end(self) -> None:
        self._process.kill()
        if self._process.stdout:
            self._process.stdout.close()
        self._process.wait()
        self._said.close()


def _is_whole(path: Path) -> bool:
    """Parquet ends with its footer, the footer's length and its magic."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(max(0, size - 8))
            end = file.read(8)
    except OSError as exc:
        raise InputError(f"cannot be read: {exc.strerror}", where=str(path), remedy="check the path") from exc
    return end[4:] == b"PAR1" and int.from_bytes(end[:4], "little") <= size - 12


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Whatever the library makes of damaged content, its own panics included, which are no `Exception`."""
    try:
        yield
    except BaseException as exc:
        if not isinstance(exc, Exception) and type(exc).__name__ != "PanicException":
            raise
        raise InputError(f"damaged Parquet: {exc}", where=name, remedy="fetch it again") from exc
