"""Decompression by magic bytes, with limits for archives that somebody else packed."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from typing import Protocol

import zstandard

from vedette.errors import InputError

PIECE = 256 * 1024  # bytes asked for at once
FREE = 64 * 1024 * 1024  # expanded bytes before the ratio is looked at
MAX_RATIO = 200  # expanded : compressed
MAX_TOTAL = 64 * 1024**3  # expanded bytes of one input

Pull = Callable[[], bytes]  # the next piece, b"" at the end; raises InputError where the rest cannot be read

MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip", b"PK\x05\x06": "zip"}
REFUSED = {
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!": "rar",
    b"\x04\x22\x4d\x18": "lz4",
}


class Peekable(Protocol):
    """What `io.BufferedReader` and `zipfile.ZipExtFile` have in common."""

    def peek(self, size: int = ..., /) -> bytes: ...
    def read(self, size: int = ..., /) -> bytes: ...
    def read1(self, size: int = ..., /) -> bytes: ...


class Expansion:
    """Counts expanded bytes. `compressed` tells how many bytes they came from so far."""

    def __init__(self, name: str, compressed: Callable[[], int]) -> None:
        self.name, self._compressed, self.expanded = name, compressed, 0

    def check(self) -> None:
        """Raises InputError once the limits are passed. Asked before more is expanded, so that what there is stays."""
        if self.expanded <= FREE:
            return
        ratio = self.expanded / max(1, self._compressed())
        if ratio > MAX_RATIO or self.expanded > MAX_TOTAL:
            raise InputError(
                f"stopped after {self.expanded:,} expanded bytes, {ratio:.0f} times the compressed size",
                where=self.name,
                remedy="if you trust it, unpack it yourself and pass the unpacked file",
            )


class _Counted:
    """A binary file that counts what was taken from it."""

    def __init__(self, file: Peekable) -> None:
        self._file, self.taken = file, 0

    def read(self, size: int = -1, /) -> bytes:
        piece = self._file.read(size)
        self.taken += len(piece)
        return piece

    def seek(self, offset: int, /) -> int:
        raise OSError("cannot be read twice")


def kind_of(head: bytes) -> str:
    """ "gzip", "zstd", "zip", "" for anything that is not compressed; raises InputError for what is refused."""
    for magic, kind in REFUSED.items():
        if head.startswith(magic):
            raise InputError(f"{kind} is not supported", remedy="unpack it, or use gzip, zstd or zip")
    if is_tar(head):
        raise InputError("tar archives are not supported", remedy="unpack it and pass the folder")
    return next((kind for magic, kind in MAGIC.items() if head.startswith(magic)), "")


def inflate(file: Peekable, name: str) -> Pull:
    """Pieces of the content of `file`, decompressed when its magic says so. Raises InputError for an archive."""
    kind = kind_of(file.peek(512)[:512])
    pull = expand(file, name)
    return _refuse_nested(pull) if kind else pull


def expand(file: Peekable, name: str) -> Pull:
    """As `inflate`, and what comes out may be an archive itself: a tar, for whoever reads tars."""
    head = file.peek(512)[:512]
    kind = "" if is_tar(head) else kind_of(head)
    if kind == "":
        return lambda: file.read1(PIECE)
    if kind == "zip":
        raise InputError("a zip archive inside another file or stream", remedy="save and unpack the outer one first")
    counted = _Counted(file)
    pull = _gzip(counted) if kind == "gzip" else _zstd(counted)
    return _guarded(pull, kind, Expansion(name, lambda: counted.taken))


def is_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar"


def _guarded(pull: Pull, kind: str, expansion: Expansion) -> Pull:
    def guarded() -> bytes:
        expansion.check()
        try:
            piece = pull()
        except (EOFError, OSError, zlib.error, zstandard.ZstdError) as exc:
            raise InputError(
                f"damaged {kind} data after {expansion.expanded:,} bytes: {exc}",
                remedy="what came before was read; fetch the file again for the rest",
            ) from exc
        expansion.expanded += len(piece)
        return piece

    return guarded


def _refuse_nested(pull: Pull) -> Pull:
    first = True

    def checked() -> bytes:
        nonlocal first
        piece = pull()
        if first and piece and kind_of(piece[:512]):
            raise InputError("an archive inside an archive", remedy="unpack the outer one first")
        first = first and not piece
        return piece

    return checked


def _gzip(file: _Counted) -> Pull:
    reader = gzip.GzipFile(fileobj=file, mode="rb")
    return lambda: bytes(reader.read1(64 * 1024))


def _zstd(file: _Counted) -> Pull:
    """Small bites, because 1 KiB of zstd can hold 32 MiB of zeros."""
    context = zstandard.ZstdDecompressor(max_window_size=1 << 27)
    frame = context.decompressobj()
    rest = b""
    started = False

    def pull() -> bytes:
        nonlocal frame, rest, started
        while True:
            bite, rest = rest or file.read(2048), b""
            if not bite:
                if started and not frame.eof:
                    raise EOFError("the last frame is cut off")
                return b""
            if frame.eof:
                frame = context.decompressobj()
            started = True
            piece = frame.decompress(bite)
            rest = frame.unused_data if frame.eof else b""
            if piece:
                return piece

    return pull
