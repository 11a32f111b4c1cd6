"""A store's records in one signed file, to be carried to a site without a network.

A zip, stored, that holds `records/<source>[.<part>].jsonl.zst` (one record body a line), `manifest.json` (what the
bundle holds, each file by sha256) and `manifest.sig` (Ed25519 over the manifest's bytes). Nothing is taken from a
bundle before its signature, its manifest and every file have been checked. Bundles are untrusted until then.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import IO, Annotated, BinaryIO, Self, cast
from urllib.parse import quote

import msgspec
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vedette import __version__, signing
from vedette.errors import ArtefactError, InputError
from vedette.inflate import Peekable, expand
from vedette.knowledge.record import digest
from vedette.knowledge.unit import Count, Sha256, Unit, content_hash
from vedette.manifest import output_error

FORMAT = 1
KIND = "vedette knowledge bundle"
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
MAX_UNITS = 1_000
MAX_MANIFEST = 16 * 1024**2  # bytes
MAX_SIGNATURE = 4 * 1024  # bytes
MAX_DIRECTORY = 1024**2  # bytes of the zip's own list of members
MAX_RECORD = 64 * 1024**2  # bytes of one record's body
PIECE = 1 << 20
LEVEL = 9  # of zstd
AGAIN = "ask its sender for it again"
ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    LookupError,
    OverflowError,
    OSError,
)


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    unit: Unit
    file: str
    sha256: Sha256  # of the file as it lies in the bundle
    size: Count  # bytes of the same
    expanded: Count  # bytes of its content


class Contents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: str
    format: int
    created: Annotated[datetime, msgspec.Meta(tz=True)]
    vedette: Annotated[str, msgspec.Meta(max_length=40)]
    entries: list[Entry]


class _Format(msgspec.Struct):
    """What every later format will still say."""

    kind: str
    format: int
    vedette: str = ""


def write_bundle(
    path: Path,
    units: Iterable[Unit],
    bodies: Callable[[Unit], Iterator[bytes]],
    key: Ed25519PrivateKey | None,
    *,
    created: datetime | None = None,
) -> Contents:
    """`bodies` gives the unit's records as they are encoded. The same input gives the same bytes but for `created`.

    Raises ArtefactError where a unit's records are not what it says, OutputError. `key=None` leaves it unsigned.
    """
    moment = (created or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
    with _replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        entries = [_write_unit(archive, unit, bodies(unit)) for unit in units]
        contents = Contents(KIND, FORMAT, moment, __version__, entries)
        manifest = msgspec.json.format(msgspec.json.encode(contents), indent=1)
        _parse(manifest)
        archive.writestr(_member(MANIFEST), manifest)
        if key:
            archive.writestr(_member(SIGNATURE), msgspec.json.encode(signing.sign(manifest, key)))
    return contents


def open_bundle(path: Path, keys: signing.Trusted, *, allow_unsigned: bool = False) -> Bundle:
    """Checked as a whole. Raises ArtefactError for anything that is not as its sender signed it, InputError.

    `allow_unsigned` lets a bundle pass that carries no signature; one that carries a wrong one never passes.
    """
    try:
        file = path.open("rb")
    except OSError as exc:
        raise InputError(f"cannot be read: {exc.strerror}", where=str(path), remedy="check the path") from exc
    try:
        with _explained(path):
            return Bundle(path, file, keys, allow_unsigned)
    except BaseException:
        file.close()
        raise


class Bundle:
    """An open bundle, checked. Close it, or use it in a `with` statement."""

    def __init__(self, path: Path, file: BinaryIO, keys: signing.Trusted, allow_unsigned: bool) -> None:
        self.path, self._file = path, file
        if _directory_bytes(file) > MAX_DIRECTORY:
            raise ArtefactError("its list of members is too long", remedy=AGAIN)
        self._archive = zipfile.ZipFile(file)
        if any(info.compress_type != zipfile.ZIP_STORED for info in self._archive.infolist()):
            raise ArtefactError("its members are packed in another way", remedy=AGAIN)
        manifest = self._small(MANIFEST, MAX_MANIFEST)
        self.signed_by = self._check_signature(manifest, keys, allow_unsigned)
        contents = _parse(manifest)
        self.created, self.made_by = contents.created, contents.vedette
        self._entries = {(entry.unit.source, entry.unit.part): entry for entry in contents.entries}
        self._check_members()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()

    def close(self) -> None:
        self._archive.close()
        self._file.close()

    @property
    def units(self) -> tuple[Unit, ...]:
        return tuple(entry.unit for entry in self._entries.values())

    def records(self, unit: Unit) -> Iterator[bytes]:
        """The bodies of a unit's records. Raises ArtefactError, at the latest after the last one."""
        entry = self._entries[unit.source, unit.part]
        digests = []
        with _explained(self.path), self._archive.open(entry.file) as member:
            for body in _lines(member, entry):
                digests.append(digest(body))
                yield body
        if len(digests) != entry.unit.records or content_hash(digests) != entry.unit.content:
            raise ArtefactError(f"'{entry.file}' holds other records than stated", where=str(self.path), remedy=AGAIN)

    def _small(self, name: str, limit: int) -> bytes:
        with self._archive.open(name) as member:
            content = member.read(limit + 1)
        if len(content) > limit:
            raise ArtefactError(f"'{name}' is larger than {limit:,} bytes", remedy=AGAIN)
        return content

    def _check_signature(self, manifest: bytes, keys: signing.Trusted, allow_unsigned: bool) -> str:
        if SIGNATURE not in self._archive.namelist():
            if allow_unsigned:
                return ""
            raise ArtefactError("not signed", remedy="ask its sender for a signed one, or allow an unsigned one")
        try:
            signature = msgspec.json.decode(self._small(SIGNATURE, MAX_SIGNATURE), type=signing.Signature)
        except msgspec.DecodeError as exc:
            raise ArtefactError(f"'{SIGNATURE}' cannot be read: {exc}", remedy=AGAIN) from exc
        signing.verify(manifest, signature, keys)
        return signature.key

    def _check_members(self) -> None:
        expected = {MANIFEST, *([SIGNATURE] if self.signed_by else []), *(e.file for e in self._entries.values())}
        names = self._archive.namelist()
        if len(names) != len(expected) or set(names) != expected:
            odd = sorted(set(names) ^ expected)[:3] or ["a name that is there twice"]
            raise ArtefactError(f"holds other files than its manifest says: {', '.join(map(repr, odd))}", remedy=AGAIN)
        for entry in self._entries.values():
            info = self._archive.getinfo(entry.file)
            if not info.file_size == info.compress_size == entry.size:
                raise ArtefactError(f"'{entry.file}' has another size than stated", remedy=AGAIN)
            whole = sha256()
            with self._archive.open(info) as member:
                while piece := member.read(PIECE):
                    whole.update(piece)
            if whole.hexdigest() != entry.sha256:
                raise ArtefactError(f"'{entry.file}' does not match its sha256", remedy=AGAIN)


def _file_name(unit: Unit) -> str:
    return f"records/{unit.source}{'.' if unit.part else ''}{quote(unit.part, safe='')}.jsonl.zst"


def _member(name: str) -> zipfile.ZipInfo:
    """Without the time and the owner, so that the same content gives the same bytes."""
    info = zipfile.ZipInfo(name)
    info.external_attr = 0o644 << 16
    return info


def _write_unit(archive: zipfile.ZipFile, unit: Unit, bodies: Iterator[bytes]) -> Entry:
    name, digests, expanded = _file_name(unit), [], 0
    with archive.open(_member(name), "w", force_zip64=True) as member:
        hashed = _Hashed(member)
        with zstandard.ZstdCompressor(LEVEL, threads=2).stream_writer(cast(IO[bytes], hashed), closefd=False) as packed:
            for body in bodies:
                if b"\n" in body or len(body) > MAX_RECORD:
                    what = f"a record of '{name}' fits no line: {body[:80]!r}"
                    raise ArtefactError(what, remedy="the store is damaged: verify it, and import the source again")
                packed.write(body + b"\n")
                expanded += len(body) + 1
                digests.append(digest(body))
    if len(digests) != unit.records or content_hash(digests) != unit.content:
        remedy = "the store is damaged: verify it, and import the source again"
        raise ArtefactError(f"the records of '{name}' are not those that were imported", remedy=remedy)
    return Entry(unit, name, hashed.sha256.hexdigest(), hashed.size, expanded)


class _Hashed:
    """Passes on what is written, and knows its sha256 and size."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.sha256, self.size = file, sha256(), 0

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        self.size += len(data)
        return self._file.write(data)


def _lines(member: IO[bytes], entry: Entry) -> Iterator[bytes]:
    """The lines of a packed file, which may not expand to more than the manifest says."""
    pull, expanded = expand(cast(Peekable, member), entry.file), 0
    rest: list[bytes] = []  # pieces of the line that has not ended yet
    pending = 0
    while piece := pull():
        expanded, pending = expanded + len(piece), pending + len(piece)
        if expanded > entry.expanded or pending > MAX_RECORD + len(piece):
            raise ArtefactError(f"'{entry.file}' expands to more than stated", remedy=AGAIN)
        rest.append(piece)
        if b"\n" in piece:
            *lines, last = b"".join(rest).split(b"\n")
            rest, pending = [last], len(last)
            yield from lines
    if pending or expanded != entry.expanded:
        raise ArtefactError(f"'{entry.file}' ends early", remedy=AGAIN)


def _parse(manifest: bytes) -> Contents:
    """Raises ArtefactError, also for a later format."""
    try:
        head = msgspec.json.decode(manifest, type=_Format)
        if head.kind != KIND:
            raise ArtefactError(f"not a knowledge bundle but {head.kind[:60]!r}", remedy="check the path")
        if head.format != FORMAT:
            what = f"format {head.format}, written by Vedette {head.vedette[:20]!r}; this one reads format {FORMAT}"
            raise ArtefactError(what, remedy="update Vedette, or have it exported by this version")
        contents = msgspec.json.decode(manifest, type=Contents)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise ArtefactError(f"its manifest cannot be read: {exc}", remedy=AGAIN) from exc
    files = [entry.file for entry in contents.entries]
    if files != [_file_name(entry.unit) for entry in contents.entries] or len(set(files)) != len(files):
        raise ArtefactError("its manifest names files that are not its units' own", remedy=AGAIN)
    if len(files) > MAX_UNITS:
        raise ArtefactError(f"more than {MAX_UNITS:,} units", remedy="export it in several bundles")
    return contents


def _directory_bytes(file: BinaryIO) -> int:
    """How long the zip's own list of members is, as its end says: looked at before a line of it is read."""
    start = max(0, file.seek(0, os.SEEK_END) - 98)
    file.seek(start)
    tail = file.read(98)  # at most: 56 of the zip64 record, 20 of its locator, 22 of the record that ends every zip
    end = tail[-22:]
    if len(end) < 22 or end[:4] != b"PK\x05\x06" or end[20:] != b"\0\0":
        raise ArtefactError("not a whole bundle", remedy=f"it may be cut off: {AGAIN}")
    size = int.from_bytes(end[12:16], "little")
    if tail[-42:-38] == b"PK\x06\x07" and len(tail) == 98:
        size = max(size, int.from_bytes(tail[40:48], "little"))
    return size


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Whatever a damaged zip raises becomes an ArtefactError that names the bundle."""
    try:
        yield
    except (ArtefactError, InputError) as exc:
        remedy = AGAIN if isinstance(exc, InputError) else exc.remedy
        raise ArtefactError(exc.what, where=exc.where or str(path), remedy=remedy) from exc
    except ZIP_ERRORS as exc:
        raise ArtefactError(f"damaged: {exc}", where=str(path), remedy=AGAIN) from exc


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes its name when all is written. Raises OutputError."""
    temporary = path.with_name(f".{path.name}.{token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as exc:
        raise output_error(path, exc) from exc
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
