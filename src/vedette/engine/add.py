"""Models that are here already: a GGUF file, a folder, or an offline bundle (zip or tar), which is untrusted."""

from __future__ import annotations

import io
import os
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from vedette import signing
from vedette.engine import gguf, models
from vedette.engine.stated import MAX_MANIFEST, Stated, beside, stated, within
from vedette.errors import ArtefactError, ConfigError, InputError, OutputError
from vedette.inflate import Expansion, Pull, expand, is_tar
from vedette.manifest import FILE_NAME, output_error, sha256_file

PIECE = 1 << 20
MAX_MEMBERS = 1_000  # of a bundle
CONVERT = "make it one: vedette train export FOLDER --out OUT, or llama.cpp's convert_hf_to_gguf.py; then add that"
PACKED = "a bundle holds one .gguf file, and its manifest.json if there is one"

_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, struct.error, ValueError, LookupError)


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    size: int
    pull: Pull


def add(
    path: Path, *, name: str = "", sha256: str = "", place: Path | None = None, keys: Sequence[Path] = ()
) -> models.Stored:
    """The model as it is kept. A single file is linked where it can be, else copied.

    `keys`: public keys, or folders of such, of who may sign; else those that the owner keeps.

    Raises InputError for what is no model, ArtefactError and ConfigError for what is not what was asked, OutputError.
    """
    if path.is_dir():
        inside = _only(path)
        return _file(inside, name, sha256, place, within(path, inside, keys))
    head = _head(path)
    if head.startswith(gguf.MAGIC):
        return _file(path, name, sha256, place, beside(path, keys))
    if zipfile.is_zipfile(path) or is_tar(head) or head[:2] == b"\x1f\x8b" or head[:4] == b"\x28\xb5\x2f\xfd":
        return _bundle(path, name, sha256, place, keys)
    remedy = CONVERT if path.suffix == ".safetensors" else "give a .gguf file, a folder with one, or a bundle"
    raise InputError("no GGUF file", where=str(path), remedy=remedy)


def _only(folder: Path) -> Path:
    """The one model of a folder; adapters are none."""
    inside = sorted(folder.glob("*.gguf"))
    if len(inside) > 1:
        inside = [file for file in inside if not gguf.read(file).adapter]
    if len(inside) == 1:
        return inside[0]
    what = f"{len(inside)} GGUF files: {', '.join(file.name for file in inside)}" if inside else "no GGUF file"
    remedy = CONVERT if any(folder.glob("*.safetensors")) else "give the file"
    raise InputError(what, where=str(folder), remedy=remedy)


def _file(path: Path, name: str, sha256: str, place: Path | None, known: Stated) -> models.Stored:
    origin = _held(path, sha256, known, str(path))
    name = name or known.name or path.stem
    with _new(name, place) as folder:
        target = folder / f"{name}.gguf"
        with _written(target) as part:
            try:
                os.link(path.resolve(), part)
            except OSError:  # another file system, or one without links
                _room(path.stat().st_size, folder)
                shutil.copyfile(path, part)
        return models.keep(folder, target, origin)


def _bundle(path: Path, name: str, sha256: str, place: Path | None, keys: Sequence[Path]) -> models.Stored:
    """Unpacked once, under our own name; what it says about itself is checked against what is there."""
    said = {FILE_NAME: b"", signing.SEAL: b""}
    inside = ""
    name = name or path.name.split(".tar")[0].removesuffix(".zip")
    with _new(name, place) as folder:
        target = folder / f"{name}.gguf"
        with _explained(path):
            for member in _members(path):
                file = PurePosixPath(member.name).name
                if file in said:
                    said[file] = _small(member)
                elif file.endswith(".gguf"):
                    _unpack(member, target, path)
                    inside = file
        if not target.exists():
            raise InputError("no .gguf file inside", where=str(path), remedy=PACKED)
        known = stated(said[FILE_NAME], said[signing.SEAL], inside, keys, str(path))
        known = replace(known, by=known.by.replace("its manifest", "its bundle"))
        return models.keep(folder, target, _held(target, sha256, known, str(path)))


def _members(path: Path) -> Iterator[Member]:
    members = _zipped(path) if zipfile.is_zipfile(path) else _tarred(path)
    for count, member in enumerate(members, 1):
        if count > MAX_MEMBERS:
            raise InputError(f"more than {MAX_MEMBERS:,} files", where=str(path), remedy=PACKED)
        yield member


def _zipped(path: Path) -> Iterator[Member]:
    whole = Expansion(path.name, lambda: path.stat().st_size)
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if not info.is_dir():
                with archive.open(info) as file:
                    yield Member(info.filename, info.file_size, _counted(lambda f=file: f.read1(PIECE), whole))  # type: ignore[misc]


def _tarred(path: Path) -> Iterator[Member]:
    with path.open("rb") as file, tarfile.open(fileobj=_Pulled(expand(file, path.name)), mode="r|") as archive:
        for info in archive:
            content = archive.extractfile(info) if info.isfile() and not info.issparse() else None
            if content:
                yield Member(info.name, info.size, lambda c=content: c.read(PIECE))  # type: ignore[misc]


def _counted(pull: Pull, whole: Expansion) -> Pull:
    def counted() -> bytes:
        whole.check()
        piece = pull()
        whole.expanded += len(piece)
        return piece

    return counted


class _Pulled(io.RawIOBase):
    """Pieces as a file, for `tarfile`."""

    def __init__(self, pull: Pull) -> None:
        self._pull, self._rest = pull, b""

    def read(self, size: int = -1) -> bytes:
        parts, left = [], size
        while left:
            self._rest = self._rest or self._pull()
            if not self._rest:
                break
            piece, self._rest = self._rest[:left], self._rest[left:]
            parts.append(piece)
            left -= len(piece)
        return b"".join(parts)


def _unpack(member: Member, target: Path, path: Path) -> None:
    if target.exists():
        raise InputError("more than one .gguf file", where=str(path), remedy=PACKED)
    _room(member.size, target.parent)
    with _written(target) as part, part.open("wb") as file:
        copied = 0
        while piece := member.pull():
            copied += len(piece)
            if copied > member.size:
                raise InputError(f"'{member.name}' is longer than it says", remedy="make the bundle anew")
            file.write(piece)


def _small(member: Member) -> bytes:
    if member.size > MAX_MANIFEST:
        raise InputError(f"'{member.name}' has {member.size:,} bytes", remedy="make the bundle anew")
    content = b""
    while (piece := member.pull()) and len(content) <= MAX_MANIFEST:
        content += piece
    return content


@contextmanager
def _new(name: str, place: Path | None) -> Iterator[Path]:
    """The model's folder, which is gone again where this fails. Raises ConfigError where a model lies there."""
    folder = models.folder_of(name, place)
    if (folder / FILE_NAME).exists():
        raise ConfigError(f"there is a model '{name}'", remedy="give another --name, or remove that one first")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise output_error(folder, exc) from exc
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


@contextmanager
def _written(target: Path) -> Iterator[Path]:
    """A hidden file that takes its name when it is whole."""
    part = target.with_name(f".{target.name}.new")
    try:
        part.unlink(missing_ok=True)
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as exc:
        raise output_error(target, exc) from exc
    finally:
        part.unlink(missing_ok=True)


def _room(needed: int, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        what = f"{needed:,} bytes are needed, and {free:,} are free"
        raise OutputError(what, where=str(folder), remedy=f"free some space, or set ${models.VARIABLE}")


def _held(file: Path, given: str, known: Stated, where: str) -> models.Origin:
    """A model, and the one that was given, and that it is said to be. Raises InputError, ArtefactError."""
    if gguf.read(file).adapter:
        raise InputError("an adapter, which adds to a model", where=where, remedy=f"give it with --adapter {file.name}")
    wanted = [one for one in (given.lower(), known.sha256) if one]
    actual = sha256_file(file) if wanted else ""
    for expected in wanted:
        if actual == expected:
            continue
        what = f"sha256 {actual}, expected {expected}"
        raise ArtefactError(what, where=where, remedy="fetch it again; use it only if the difference is meant")
    return models.Origin(where, known.licence, "given" if given and not known.signer else known.by)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(512)
    except OSError as exc:
        raise InputError(f"cannot be read: {exc.strerror}", where=str(path), remedy="check the path") from exc


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGED as exc:
        raise InputError(f"damaged archive: {exc}", where=str(path), remedy="fetch it again") from exc
    except RuntimeError as exc:
        raise InputError(f"cannot be unpacked: {exc}", where=str(path), remedy="unpack it, and add the file") from exc
