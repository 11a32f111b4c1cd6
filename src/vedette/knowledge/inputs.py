"""Files, archives and folders that may hold knowledge, as readers see them. Archives are untrusted.

A reader is asked about a folder before its files are: a tree of CVE records or Sigma rules is one input, and so is a
zip or tar archive. Members come in the order of the archive, of a folder in the order of their names.
"""

from __future__ import annotations

import io
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from functools import cached_property
from hashlib import sha256
from itertools import islice
from pathlib import Path

from vedette.errors import InputError
from vedette.inflate import Expansion, Pull, expand, is_tar
from vedette.manifest import sha256_file

HEAD = 64 * 1024  # bytes that a reader sees to decide whether an input is its own
NAMES = 400  # names of members, likewise
MAX_MEMBER = 512 * 1024**2  # bytes of one expanded file or member
MAX_MEMBERS = 2_000_000

Member = tuple[str, bytes]  # path inside the input, content


class Input:
    """One file, archive or folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name

    def __repr__(self) -> str:
        return f"Input({str(self.path)!r})"

    @cached_property
    def container(self) -> str:
        """ "folder", "zip", "tar" or "" for a single file (which may be compressed)."""
        if self.path.is_dir():
            return "folder"
        with _explained(self.path), self.path.open("rb") as file:
            if file.peek(4)[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
                return "zip"
            return "tar" if is_tar(_take(expand(file, self.name), 512)) else ""

    @cached_property
    def head(self) -> bytes:
        """The first 64 KiB of a single file's content; b"" for archives and folders."""
        if self.container:
            return b""
        with _explained(self.path), self.path.open("rb") as file:
            return _take(expand(file, self.name), HEAD)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The first 400 members' paths, with `/`; empty for a single file."""
        if not self.container:
            return ()
        if self.container == "zip":
            with _explained(self.path), zipfile.ZipFile(self.path) as archive:
                return tuple(i.filename for i in islice((i for i in archive.infolist() if not i.is_dir()), NAMES))
        if self.container == "folder":
            return tuple(p.relative_to(self.path).as_posix() for p in islice(_walk(self.path), NAMES))
        return tuple(name for name, _ in islice(self._tar(content=False), NAMES))

    def read(self) -> bytes:
        """The whole content of a single file, decompressed. Raises InputError past 512 MiB or where it is damaged."""
        with _explained(self.path), self.path.open("rb") as file:
            return _take(expand(file, self.name), MAX_MEMBER, whole=self.name)

    def members(self, suffix: str = "") -> Iterator[Member]:
        """Every file inside whose path ends with `suffix`. Raises InputError where the archive is damaged."""
        source = {"zip": self._zip, "tar": self._tar, "folder": self._folder}.get(self.container)
        if source is None:
            yield self.name, self.read()
            return
        for number, (name, content) in enumerate(source(suffix), 1):
            if number > MAX_MEMBERS:
                raise InputError(f"more than {MAX_MEMBERS:,} files", where=self.name, remedy="split it")
            yield name, content

    @cached_property
    def sha256(self) -> str:
        """Of the file as it lies there; of a folder: over its files' paths and contents."""
        with _explained(self.path):
            if self.container != "folder":
                return sha256_file(self.path)
            whole = sha256()
            for path in _walk(self.path):
                whole.update(os.fsencode(f"{path.relative_to(self.path).as_posix()}\0{sha256_file(path)}\n"))
            return whole.hexdigest()

    def _zip(self, suffix: str = "") -> Iterator[Member]:
        whole = Expansion(self.name, lambda: self.path.stat().st_size)
        with _explained(self.path), zipfile.ZipFile(self.path) as archive:
            for info in archive.infolist():
                if info.is_dir() or not info.filename.endswith(suffix):
                    continue
                with archive.open(info) as file:
                    yield info.filename, _take(lambda f=file: f.read1(1 << 18), MAX_MEMBER, info.filename, whole)  # type: ignore[misc]

    def _tar(self, suffix: str = "", *, content: bool = True) -> Iterator[Member]:
        with _explained(self.path), self.path.open("rb") as file:
            stream = io.BufferedReader(_Pulled(expand(file, self.name)), 1 << 18)
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for info in archive:
                    if not info.isfile() or not info.name.endswith(suffix):
                        continue
                    if info.size > MAX_MEMBER or info.issparse():
                        raise InputError(f"'{info.name}' has {info.size:,} bytes", where=self.name)
                    member = archive.extractfile(info) if content else None
                    yield info.name, member.read() if member else b""

    def _folder(self, suffix: str = "") -> Iterator[Member]:
        for path in _walk(self.path):
            if path.name.endswith(suffix):
                yield path.relative_to(self.path).as_posix(), Input(path).read()


def entries(folder: Path) -> list[Path]:
    """Sorted; without hidden ones and links."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith(".") and not path.is_symlink())
    except OSError as exc:
        raise InputError(f"cannot be read: {exc.strerror}", where=str(folder), remedy="check its permissions") from exc


def _walk(folder: Path) -> Iterator[Path]:
    """Files below, sorted in each folder; hidden ones and links are left out."""
    for path in entries(folder):
        if path.is_dir():
            yield from _walk(path)
        elif path.is_file():
            yield path


def _take(pull: Pull, limit: int, whole: str = "", count: Expansion | None = None) -> bytes:
    """Up to `limit` bytes; where `whole` names the content, more than that is an error."""
    parts, size = [], 0
    while size < limit + bool(whole):
        piece = pull()
        if not piece:
            break
        parts.append(piece)
        size += len(piece)
        if count:
            count.expanded += len(piece)
            count.check()
    if whole and size > limit:
        raise InputError(f"has more than {limit:,} bytes when expanded", where=whole, remedy="split it")
    return b"".join(parts) if whole else b"".join(parts)[:limit]


class _Pulled(io.RawIOBase):
    """Pieces as a binary file, for libraries that want one."""

    def __init__(self, pull: Pull) -> None:
        self._pull, self._rest = pull, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        self._rest = self._rest or self._pull()
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


# `zipfile` and `tarfile` let all of these through.
_DAMAGED = (
    zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, struct.error, NotImplementedError,
    ValueError, LookupError, OverflowError,
)  # fmt: skip


class _explained:  # noqa: N801 - reads as a function
    """Turns what reading archives raises into an InputError that names the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        remedy = "fetch it again"
        if isinstance(error, _DAMAGED):
            raise InputError(f"damaged archive: {error}", where=str(self.path), remedy=remedy) from error
        if isinstance(error, RuntimeError) and "encrypted" in str(error):
            raise InputError("the archive is encrypted", where=str(self.path), remedy="unpack it first") from error
        if isinstance(error, OSError):
            raise InputError(f"cannot be read: {error.strerror or error}", where=str(self.path)) from error
