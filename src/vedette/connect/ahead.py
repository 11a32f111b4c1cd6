"""Read in a second process while this one works: the same chunks in the same order, on the second core.

Chunks travel through a pipe as MessagePack. A reader process that ends without saying so is an error, never an end.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import BinaryIO

import msgspec

from vedette import errors
from vedette.connect.read import Reader
from vedette.types import Chunk, Position


class _Message(msgspec.Struct, omit_defaults=True):
    chunk: Chunk | None = None  # none in the last message
    notes: list[str] = []  # all of them so far
    error: tuple[str, str, str, str] | None = None  # class, what, where, remedy


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Message).decode
_SIZE = 8  # bytes of the length before each message


def possible() -> bool:
    """Whether this machine can fork and has a core to spare."""
    return hasattr(os, "fork") and (os.cpu_count() or 1) > 1


class Ahead:
    """Iterates over the chunks of a `Reader`, once; `notes` are the reader's. Start it before any thread, and close it.

    `positions` is what the reader's `resume` looks into; it is kept up in the reader's process.
    """

    def __init__(self, reader: Reader, positions: dict[str, Position], stop: Callable[[], bool]) -> None:
        self.notes: list[str] = []
        self._stop = stop
        taker, giver = os.pipe()
        _widen(giver)
        self._child = os.fork()
        if self._child == 0:
            os.close(taker)
            _give(reader, positions, giver)
        os.close(giver)
        self._pipe = os.fdopen(taker, "rb")

    def __iter__(self) -> Iterator[Chunk]:
        """Raises what the reader raises, and InputError where its process died."""
        try:
            while True:
                message = _receive(self._pipe)
                self.notes[:] = message.notes
                if message.error is not None:
                    raise _error(message.error)
                if message.chunk is None:
                    return
                yield message.chunk
                if self._stop():
                    return
        finally:
            self.close()

    def close(self) -> None:
        """End the reader's process, wherever it is."""
        if not self._pipe.closed:
            self._pipe.close()
            os.kill(self._child, signal.SIGKILL)  # it keeps nothing that could be lost; ended ones do not mind
            os.waitpid(self._child, 0)

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _widen(pipe: int) -> None:
    """As much room as the system gives, so that neither process waits for the other all the time."""
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 1 << 20)


def _give(reader: Reader, positions: dict[str, Position], giver: int) -> None:
    """The reader's process: never returns, touches nothing of the parent but the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with os.fdopen(giver, "wb") as pipe:
            last = _Message()
            try:
                for chunk in reader:
                    positions[chunk.end.stream] = chunk.end  # the same file once more in this run is not read again
                    _send(pipe, _Message(chunk, reader.notes))
            except errors.VedetteError as error:
                last.error = (type(error).__name__, error.what, error.where, error.remedy)
            except BrokenPipeError:
                raise
            except Exception:  # its traceback has to reach a person, whatever it is
                last.error = ("", traceback.format_exc(), "", "")
            last.notes = reader.notes
            _send(pipe, last)
    except BrokenPipeError:
        pass  # the parent has stopped
    finally:
        os._exit(0)


def _send(pipe: BinaryIO, message: _Message) -> None:
    data = _encode(message)
    pipe.write(len(data).to_bytes(_SIZE, "big"))
    pipe.write(data)
    pipe.flush()


def _receive(pipe: BinaryIO) -> _Message:
    head = pipe.read(_SIZE)
    size = int.from_bytes(head, "big")
    data = pipe.read(size)
    if len(head) < _SIZE or len(data) < size:
        raise errors.InputError("the reading process ended early", remedy="run the same command again: it goes on")
    return _decode(data)


def _error(parts: tuple[str, str, str, str]) -> Exception:
    name, what, where, remedy = parts
    kind = getattr(errors, name, None) if name else None
    return RuntimeError(what) if kind is None else kind(what, where=where, remedy=remedy)
