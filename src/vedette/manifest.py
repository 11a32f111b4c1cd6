"""What an artefact was made from: inputs and outputs by sha256, versions, seed, counts, time.

The manifest is written last and atomically, so an artefact without one is an unfinished artefact.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import file_digest
from pathlib import Path, PurePosixPath
from secrets import token_hex

import orjson
from pydantic import Field, ValidationError

from vedette import __version__
from vedette.config import Settings
from vedette.errors import ArtefactError, OutputError

FILE_NAME = "manifest.json"


class Manifest(Settings):
    format: int = 1
    created: datetime = Field(description="UTC, whole seconds")
    versions: dict[str, str] = Field(description="package → version that took part")
    seed: int | None = Field(default=None, description="of every random choice; null where there was none")
    counts: dict[str, int] = Field(default={}, description="records in, out, rejected …")
    inputs: dict[str, str] = Field(default={}, description="name → sha256")
    outputs: dict[str, str] = Field(default={}, description="path relative to the manifest, with / → sha256")


def sha256_file(path: Path | str) -> str:
    with Path(path).open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def atomic_write(path: Path | str, content: bytes | str | Iterable[str]) -> None:
    """The file holds all of `content` or what it held before. Iterables are written as they come. OutputError."""
    path = Path(path)
    if isinstance(content, bytes):
        parts: Iterable[bytes] = [content]
    else:
        parts = (part.encode() for part in ([content] if isinstance(content, str) else content))
    temporary = path.with_name(f".{path.name}.{token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            temporary.chmod(path.stat().st_mode & 0o7777)
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as exc:
        raise output_error(path, exc) from exc
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def output_error(path: Path | str, exc: OSError) -> OutputError:
    """Say what to do about a file that could not be written."""
    remedies = {
        errno.ENOSPC: "free some space, or choose another folder",
        errno.EDQUOT: "free some of your quota, or choose another folder",
        errno.EACCES: "check the folder's permissions, or choose another folder",
        errno.EPERM: "check the folder's permissions, or choose another folder",
        errno.EROFS: "the file system is read-only: choose another folder",
        errno.ENOENT: "create the folder first",
        errno.EISDIR: "a folder has that name: choose another name",
    }
    remedy = remedies.get(exc.errno or 0, "choose another place")
    return OutputError(f"cannot be written: {exc.strerror or exc}", where=str(path), remedy=remedy)


def write(
    path: Path | str,
    *,
    inputs: Mapping[str, Path | str] | None = None,
    outputs: Iterable[Path | str] = (),
    versions: Mapping[str, str] | None = None,
    seed: int | None = None,
    counts: Mapping[str, int] | None = None,
) -> Manifest:
    """Hash what was read and made, and write the manifest. Call it when everything else is on the disk.

    `path` is the manifest's own; `outputs` lie in its folder or below. Raises ArtefactError, OutputError.
    """
    path = Path(path)
    manifest = Manifest(
        created=datetime.now(UTC).replace(microsecond=0),
        versions={"vedette": __version__, **(versions or {})},
        seed=seed,
        counts=dict(counts or {}),
        inputs={name: _hash(Path(file), name) for name, file in sorted((inputs or {}).items())},
        outputs={name: _hash(path.parent / name, name) for name in sorted(_relative(o, path.parent) for o in outputs)},
    )
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    atomic_write(path, orjson.dumps(manifest.model_dump(mode="json"), option=options))
    return manifest


def read(path: Path | str) -> Manifest:
    """`path` is the manifest, or the folder that holds `manifest.json`. Raises ArtefactError."""
    path = locate(path)
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise ArtefactError("no manifest", where=str(path), remedy="it is unfinished: make it again") from None
    except (OSError, ValidationError) as exc:
        raise ArtefactError(f"manifest cannot be read: {exc}", where=str(path), remedy="make it again") from exc


def verify(path: Path | str) -> Manifest:
    """Check every output against its sha256. Raises ArtefactError that names the first file that differs."""
    manifest, folder = read(path), locate(path).parent
    for name, expected in manifest.outputs.items():
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise ArtefactError(f"output '{name}' lies outside its folder", where=str(locate(path)))
        actual = _hash(folder / name, name)
        if actual != expected:
            raise ArtefactError(
                f"'{name}' does not match its manifest: sha256 {actual[:12]}…, expected {expected[:12]}…",
                where=str(folder / name),
                remedy="reinstall it or make it again",
            )
    return manifest


def locate(path: Path | str) -> Path:
    return Path(path) / FILE_NAME if Path(path).is_dir() else Path(path)


def _relative(output: Path | str, folder: Path) -> str:
    try:
        return (folder / output).resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        raise ArtefactError(f"output '{output}' lies outside '{folder}'", remedy="put it beside its manifest") from None


def _hash(path: Path, name: str) -> str:
    try:
        return sha256_file(path)
    except OSError as exc:
        raise ArtefactError(f"'{name}' cannot be read: {exc.strerror}", where=str(path)) from exc


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut, where the system can open a folder."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
