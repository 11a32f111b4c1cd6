"""Inputs to chunks of alerts. Every record is in exactly one of alerts, contexts, rejected, ignored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from vedette.connect.clock import zone_named
from vedette.connect.fieldmap import load_map
from vedette.connect.follow import Tail, follow
from vedette.connect.open import STDIN, Stream, open_inputs
from vedette.connect.sources import SOURCES
from vedette.connect.stream import Options, StreamReader
from vedette.errors import ConfigError, InputError
from vedette.types import Chunk, Position, Rejected

CHUNK_RECORDS = 2_000


class Reader:
    """Iterates over chunks, once. `notes` says what the analyst has to know; it grows while reading.

    The chunk of an input that could not be opened has `end.stream == ""`: there is nothing to remember.
    Raises ConfigError at once for wrong options; InputError at the end where no input at all was readable.
    """

    def __init__(self, inputs: Sequence[str], options: Options, *, follow: bool, stop: Callable[[], bool]) -> None:
        self.notes: list[str] = []
        self._inputs, self._options, self._follow, self._stop = tuple(inputs), options, follow, stop
        self._tails: list[Tail] = []
        self._readable = False  # whether any input was
        if options.source != "auto":
            SOURCES.target(options.source)
        zone_named(options.timezone)
        if not inputs:
            raise InputError("no input was given", remedy="pass a file, a folder, or - for standard input")
        if follow and STDIN in inputs and len(inputs) > 1:
            raise ConfigError("standard input cannot be followed together with files", remedy="run it on its own")

    def __iter__(self) -> Iterator[Chunk]:
        held: list[Chunk] = []  # failures, held back while it may turn out that nothing is readable
        for chunk in self._once():
            if not self._readable:
                held.append(chunk)
                continue
            yield from held
            held.clear()
            yield chunk
            if self._stop():
                return
        if not self._readable:
            raise _nothing(held)
        yield from held
        if self._tails:
            yield from follow(self._tails, self._stop)

    def _once(self) -> Iterator[Chunk]:
        """What is there now. Plain files that are to be followed are only opened."""
        for opened in open_inputs(self._inputs):
            if isinstance(opened, InputError):
                yield _failed(opened)
            elif self._follow and opened.path is not None:
                try:
                    self._tails.append(Tail(opened.path, opened.name, self._make))
                    self._readable = True
                except OSError as exc:
                    what = f"cannot be read: {exc.strerror}"
                    yield _failed(InputError(what, where=opened.name, remedy="check the path and its permissions"))
            else:
                if self._follow and not opened.live:
                    self.notes.append(f"{opened.name}: compressed, so it is read once and not followed")
                reader = self._make(opened)
                for chunk in reader.pump(final=True):
                    self._readable = self._readable or reader.readable
                    yield chunk
                self._readable = self._readable or reader.readable

    def _make(self, stream: Stream) -> StreamReader:
        return StreamReader(stream, self._options, self.notes)


def read(  # noqa: PLR0913 - the options of one command
    inputs: Sequence[str],
    *,
    source: str = "auto",
    field_map: Path | None = None,
    timezone: str | None = None,
    resume: Callable[[str], Position | None] = lambda key: None,
    chunk_records: int = CHUNK_RECORDS,
    follow: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> Reader:
    """`resume` gives the position that was kept for a stream's key. `timezone` is for times that do not say theirs."""
    loaded = load_map(field_map) if field_map is not None else None
    options = Options(source, loaded, timezone, max(1, chunk_records), resume)
    return Reader(inputs, options, follow=follow, stop=stop)


def _failed(failure: InputError) -> Chunk:
    rejected = Rejected(ref=failure.where, reason=failure.what, remedy=failure.remedy)
    return Chunk(end=Position(stream=""), name=failure.where, rejected=[rejected])


def _nothing(unread: list[Chunk]) -> InputError:
    reasons = [rejected for chunk in unread for rejected in chunk.rejected]
    if not reasons:
        return InputError("no input holds a readable file", remedy="check the paths")
    first, more = reasons[0], len(reasons) - 1
    what = f"nothing could be read: {first.reason}" + (f", and {more} more inputs" if more else "")
    return InputError(what, where=first.ref, remedy=first.remedy)
