"""Turns an input (file, .gz, .zst, .zip, folder, `-`) into named streams of decompressed UTF-8 bytes."""

from __future__ import annotations

import codecs
import io
import os
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from vedette.errors import InputError
from vedette.inflate import PIECE, Expansion, Pull, inflate, kind_of

OWN_OUTPUT = ".vedette"  # marks a folder that a run of ours writes to
STDIN = "-"
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Stream:
    """Bytes of one input. Offsets count decompressed bytes, after a byte order mark and after decoding to UTF-8.

    `file` is set where the input is a plain file: it can be sought, and followed while it grows.
    `live` says that a read may wait for somebody to write.
    """

    def __init__(
        self, name: str, pull: Pull, *, file: BinaryIO | None = None, path: Path | None = None, live: bool = False
    ) -> None:
        self.name, self.file, self.path, self.live = printable(name), file, path, live
        self._pull = pull
        self._ahead = b""
        self._fresh = True
        self._failure: InputError | None = None
        self._bom = 0
        self._decode: codecs.IncrementalDecoder | None = None

    def peek(self, size: int) -> bytes:
        """The next `size` bytes without taking them; fewer where the stream ends, or has nothing more yet."""
        while len(self._ahead) < size:
            try:
                piece = self._next()
            except InputError:
                if self._ahead:
                    break
                raise
            if not piece:
                break
            self._ahead += piece
            if self.live and b"\n" in self._ahead:
                break
        return self._ahead[:size]

    def read(self) -> bytes:
        """The next piece, b"" where there is nothing more (yet). Raises InputError, the same one each time."""
        if self._ahead:
            piece, self._ahead = self._ahead, b""
            return piece
        return self._next()

    def skip(self, offset: int) -> bool:
        """Go to `offset` from the start, before anything was read. False where the stream is shorter."""
        if self.file is not None and self._decode is None:
            self._ahead = b""
            end = self.file.seek(0, io.SEEK_END)
            self.file.seek(min(end, offset + self._bom))
            return offset + self._bom <= end
        return self.drop(offset)

    def drop(self, size: int) -> bool:
        """Take the next `size` bytes. False where the stream is shorter."""
        while size > 0:
            piece = self.read()
            if not piece:
                return False
            self._ahead, size = piece[size:], size - min(size, len(piece))
        return True

    def _next(self) -> bytes:
        if self._failure is not None:
            raise self._failure
        try:
            return self._advance()
        except InputError as exc:
            self._failure = exc
            raise

    def _advance(self) -> bytes:
        piece = self._pull()
        if self._fresh and piece:
            piece = self._start(piece)
        decoder = self._decode
        while decoder is not None and piece:
            if decoded := self._recode(decoder, piece):
                return decoded
            piece = self._pull()
        return piece

    def _start(self, piece: bytes) -> bytes:
        """Look for a byte order mark; what is invalid in UTF-16 becomes invalid UTF-8, so that it is rejected."""
        while len(piece) < 4 and (more := self._pull()):
            piece += more
        self._fresh = False
        if piece.startswith(codecs.BOM_UTF8):
            self._bom = 3
            return piece[3:] or self._pull()
        for bom, codec in _BOMS:
            if piece.startswith(bom):
                self._decode = codecs.getincrementaldecoder(codec)("surrogatepass")
                break
        return piece

    def _recode(self, decoder: codecs.IncrementalDecoder, piece: bytes) -> bytes:
        try:
            return decoder.decode(piece, final=False).encode("utf-8", "surrogatepass")
        except UnicodeDecodeError as exc:
            raise InputError(f"damaged UTF-16: {exc.reason}", remedy="save the file as UTF-8") from exc


def printable(name: str) -> str:
    """A file name that is not valid UTF-8, as text that can be written anywhere."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


Opened = Stream | InputError


def open_inputs(inputs: Sequence[str]) -> Iterator[Opened]:
    """Every stream of every input in order; an InputError (yielded, not raised) for what cannot be opened."""
    for given in inputs:
        if given == STDIN:
            yield from _guard("stdin", _open_stdin)
        elif Path(given).is_dir():
            yield from _folder(Path(given))
        else:
            yield from _guard(given, lambda given=given: _open_file(Path(given), given))  # type: ignore[misc]


def _guard(name: str, opener: Callable[[], Iterator[Opened]]) -> Iterator[Opened]:
    try:
        yield from opener()
    except InputError as exc:
        yield InputError(exc.what, where=printable(exc.where or name), remedy=exc.remedy)
    except OSError as exc:
        what = f"cannot be read: {exc.strerror or exc}"
        yield InputError(what, where=printable(name), remedy="check the path and its permissions")
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as exc:
        yield InputError(f"damaged zip archive: {exc}", where=printable(name), remedy="fetch the archive again")


def _open_stdin() -> Iterator[Opened]:
    file = sys.stdin.buffer
    yield Stream("stdin", inflate(file, "stdin"), live=True)  # type: ignore[arg-type]


def _folder(folder: Path) -> Iterator[Opened]:
    """Recursive, sorted, without hidden files and without what an earlier run wrote."""
    failures: list[OSError] = []
    for parent, folders, files in os.walk(folder, onerror=failures.append):
        if OWN_OUTPUT in files:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(parent, name)
            if not name.startswith(".") and (path.is_file() or not path.exists()):
                yield from _guard(str(path), lambda path=path: _open_file(path, str(path)))  # type: ignore[misc]
    for failure in failures:
        where = str(failure.filename)
        yield InputError(f"cannot be read: {failure.strerror}", where=where, remedy="check its permissions")


def _open_file(path: Path, name: str) -> Iterator[Opened]:
    file = path.open("rb")
    try:
        kind = kind_of(file.peek(512)[:512])
        if kind == "zip":
            yield from _open_zip(file, name)
        elif kind:
            yield Stream(name, inflate(file, name))
        else:
            yield plain_stream(file, name, path)
    finally:
        file.close()


def plain_stream(file: io.BufferedReader, name: str, path: Path) -> Stream:
    return Stream(name, _reads(file, name), file=file, path=path)


def _reads(file: io.BufferedReader, name: str) -> Pull:
    def pull() -> bytes:
        try:
            return file.read1(PIECE)
        except OSError as exc:
            raise InputError(f"cannot be read: {exc.strerror}", where=name, remedy="check the disk") from exc

    return pull


def _open_zip(file: BinaryIO, name: str) -> Iterator[Opened]:
    size = file.seek(0, io.SEEK_END)
    whole = Expansion(name, lambda: size)
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            parts = member.filename.split("/")
            if member.is_dir() or any(part.startswith(".") or part == "__MACOSX" for part in parts):
                continue
            label = f"{name}!{member.filename}"
            yield from _guard(label, lambda m=member, n=label: _open_member(archive, m, n, whole))  # type: ignore[misc]


def _open_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, whole: Expansion) -> Iterator[Opened]:
    if member.flag_bits & 1:
        raise InputError("the member is encrypted", remedy="unpack it with its password and pass the file")
    with archive.open(member) as file:
        pull = inflate(file, name)  # type: ignore[arg-type]
        yield Stream(name, _member_reads(pull, Expansion(name, lambda: member.compress_size), whole))


def _member_reads(pull: Pull, own: Expansion, whole: Expansion) -> Pull:
    def read() -> bytes:
        own.check()
        whole.check()
        try:
            piece = pull()
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as exc:
            raise InputError(
                f"damaged zip member after {own.expanded:,} bytes: {exc}",
                remedy="what came before was read; fetch the archive again for the rest",
            ) from exc
        own.expanded += len(piece)
        whole.expanded += len(piece)
        return piece

    return read
