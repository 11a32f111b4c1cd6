"""What lies beside a model's file about it: its manifest, and who signed that. Both are untrusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from vedette import manifest, signing
from vedette.engine import models
from vedette.errors import ArtefactError, InputError
from vedette.manifest import FILE_NAME

MAX_MANIFEST = 64 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class Stated:
    sha256: str = ""  # of the file
    name: str = ""
    licence: str = ""
    by: str = ""  # who says so, as a message begins
    signer: str = ""  # id of the key


def beside(file: Path, keys: Sequence[Path]) -> Stated:
    """Of a file in some folder, where a manifest may be another one's, unless it is signed."""
    content, seal = (_start(file.with_name(name)) for name in (FILE_NAME, signing.SEAL))
    try:
        found = stated(content, seal, file.name, keys, str(file.parent))
    except InputError:
        if seal:
            raise
        return Stated()
    return found if found.signer or found.name in ("", file.stem) else Stated()


def within(folder: Path, file: Path, keys: Sequence[Path]) -> Stated:
    """Of the one model in a folder."""
    content, seal = (_start(folder / name) for name in (FILE_NAME, signing.SEAL))
    return stated(content, seal, file.name, keys, str(folder / FILE_NAME))


def stated(content: bytes, seal: bytes, name: str, keys: Sequence[Path], where: str) -> Stated:
    """`content` and `seal`: manifest and signature, b"" where there is none; `name`: the file's.

    Raises InputError for what is no manifest, ArtefactError for a signature that does not hold.
    """
    if not content:
        if seal:
            raise ArtefactError("a signature without its manifest", where=where, remedy="fetch it again, with both")
        return Stated()
    signer = signing.unseal(content, seal, signing.trusted(keys), where) if seal else ""
    found = _parsed(content, name, where)
    if not signer:
        return found
    if not found.sha256:
        what = f"'{name}' is not among what was signed with the key '{signer}'"
        raise ArtefactError(what, where=where, remedy="do not use it, or ask the sender")
    return replace(found, by=f"{found.by}, signed with the key '{signer}',", signer=signer)


def _parsed(content: bytes, name: str, where: str) -> Stated:
    """Of a model that was kept, or of an export."""
    try:
        if b'"outputs"' in content:
            digest = manifest.Manifest.model_validate_json(content).outputs.get(name, "")
            return Stated(digest, by="its manifest") if digest else Stated()
        known = models.Manifest.model_validate_json(content)
        return Stated(known.sha256, known.name, known.licence, "its manifest")
    except ValidationError as exc:
        what = f"no manifest of a model: {exc.errors()[0]['msg']}"
        raise InputError(what, where=where, remedy="leave it out, or make it anew") from exc


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_MANIFEST + 1)
    except FileNotFoundError:
        return b""
    except OSError as exc:
        raise InputError(f"cannot be read: {exc.strerror}", where=str(path), remedy="check the path") from exc
