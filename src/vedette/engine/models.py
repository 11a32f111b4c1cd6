"""Models on this machine: one folder each, a GGUF file and a manifest that says what it is and must be.

The manifest is written last and atomically, so that a folder without one holds an unfinished model.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson
from pydantic import Field, ValidationError

from vedette.config import Settings
from vedette.engine import gguf
from vedette.errors import ArtefactError, ConfigError, OutputError
from vedette.manifest import FILE_NAME, atomic_write, output_error, sha256_file
from vedette.registry import near

VARIABLE = "VEDETTE_MODELS"  # environment: the folder of models
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,79}")
AGAIN = "remove it, and pull or add it again"

Stamp = tuple[int, int, int, int]  # what a file system changes with the content: size, times, inode


class Manifest(Settings):
    format: int = 1
    name: str = Field(pattern=rf"^{NAME.pattern}$")
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    architecture: str
    quantisation: str
    context: int = Field(description="tokens it was made for")
    parameters: int
    template: str = Field(description="sha256 of the chat template; empty: it has none")
    licence: str = ""
    source: str = Field(description="address or path that it came from")
    verified: str = Field(default="", description="who stated the sha256 that was checked; empty: nobody")
    added: datetime = Field(description="UTC, whole seconds")
    stamp: Stamp = Field(default=(0, 0, 0, 0), description="while the file has it, it is not hashed again")


@dataclass(frozen=True, slots=True)
class Stored:
    folder: Path
    manifest: Manifest

    @property
    def path(self) -> Path:
        return self.folder / f"{self.name}.gguf"

    @property
    def name(self) -> str:
        return self.manifest.name


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known of a file beside its bytes."""

    source: str
    licence: str = ""
    verified: str = ""


def default_folder() -> Path:
    """$VEDETTE_MODELS, or `models` in the user's data folder."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    if sys.platform == "win32":
        folder = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    else:
        folder = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
    return folder / "vedette" / "models"


def stored(place: Path | None = None) -> tuple[list[Stored], list[ArtefactError]]:
    """All models by name, and what is wrong with the others. Files are not hashed."""
    good: list[Stored] = []
    bad: list[ArtefactError] = []
    for folder in _folders(place or default_folder()):
        try:
            good.append(read(folder))
        except ArtefactError as exc:
            bad.append(exc)
    return good, bad


def resolve(name: str, place: Path | None = None) -> Stored:
    """The model of that name, or the only one whose name begins so; its file is the one that was added.

    Raises ConfigError where there is none, ArtefactError where the file has changed.
    """
    found = _chosen(name, place or default_folder())
    _unchanged(found)
    return found


def path_of(name: str, place: Path | None = None) -> Path:
    """A model's file: of a stored model, or `name` itself where it is a path. Raises as `resolve` does."""
    direct = Path(name).expanduser()
    if direct.suffix.lower() == ".gguf" or os.sep in name or direct.is_file():
        return direct
    return resolve(name, place).path


def folder_of(name: str, place: Path | None = None) -> Path:
    """Where a model of that name belongs. Raises ConfigError for what is no plain name."""
    if not NAME.fullmatch(name):
        what = f"'{name}' is no name of a model"
        raise ConfigError(what, remedy="up to 80 letters, digits and . _ + - are allowed: give one with --name")
    return (place or default_folder()) / name


def keep(folder: Path, file: Path, origin: Origin) -> Stored:
    """The manifest of a file that lies whole in its folder. Raises InputError where it is no model, OutputError."""
    header = gguf.read(file)
    manifest = Manifest(
        name=folder.name,
        bytes=header.bytes,
        sha256=sha256_file(file),
        architecture=header.architecture,
        quantisation=header.quantisation,
        context=header.context,
        parameters=header.parameters,
        template=header.template_sha256,
        licence=origin.licence or header.licence,
        source=origin.source,
        verified=origin.verified,
        added=datetime.now(UTC).replace(microsecond=0),
        stamp=_stamp(file),
    )
    _write(folder, manifest)
    return Stored(folder, manifest)


def remove(name: str, place: Path | None = None) -> Path:
    """The folder that is gone. A damaged or unfinished model can be removed by its whole name."""
    place = place or default_folder()
    folder = folder_of(name, place)
    if not folder.is_dir():
        folder = _chosen(name, place).folder
    if folder.is_symlink():
        raise ConfigError("a link, and not ours to follow", where=str(folder), remedy="remove it yourself")
    try:
        (folder / FILE_NAME).unlink(missing_ok=True)  # first: what is half gone is unfinished
        shutil.rmtree(folder)
    except OSError as exc:
        raise output_error(folder, exc) from exc
    return folder


def _folders(place: Path) -> list[Path]:
    if not place.is_dir():
        return []
    return sorted(path for path in place.iterdir() if path.is_dir() and not path.name.startswith("."))


def read(folder: Path) -> Stored:
    """Raises ArtefactError for a folder that holds no whole model. Its file is not hashed."""
    path = folder / FILE_NAME
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise ArtefactError("unfinished", where=str(folder), remedy="pull or add it again") from None
    except (OSError, ValidationError) as exc:
        raise ArtefactError(f"its manifest cannot be read: {exc}", where=str(path), remedy=AGAIN) from exc
    if manifest.name != folder.name:
        raise ArtefactError(f"its manifest is of '{manifest.name}'", where=str(path), remedy=AGAIN)
    return Stored(folder, manifest)


def _chosen(name: str, place: Path) -> Stored:
    folders = {folder.name.casefold(): folder for folder in _folders(place)}
    if exact := folders.get(name.casefold()):
        return read(exact)
    beginning = [folder for known, folder in folders.items() if known.startswith(f"{name.casefold()}-")]
    if len(beginning) == 1:
        return read(beginning[0])
    if beginning:
        names = ", ".join(folder.name for folder in beginning)
        raise ConfigError(f"'{name}' could be {names}", remedy="name one of them")
    remedy = near(name, {folder.name for folder in folders.values()})
    raise ConfigError(f"no model '{name}' in {place}", remedy=f"{remedy}; `vedette model pull` or `add` brings one")


def _unchanged(found: Stored) -> None:
    manifest, path = found.manifest, found.path
    try:
        if _stamp(path) == manifest.stamp:
            return
        actual = sha256_file(path)
    except OSError as exc:
        raise ArtefactError(f"cannot be read: {exc.strerror}", where=str(path), remedy=AGAIN) from exc
    if actual != manifest.sha256:
        what = f"not the file that was added: sha256 {actual[:12]}…, expected {manifest.sha256[:12]}…"
        raise ArtefactError(what, where=str(path), remedy=AGAIN)
    try:
        _write(found.folder, manifest.model_copy(update={"stamp": _stamp(path)}))
    except OutputError:  # a folder that is only read: it is hashed each time
        return


def _write(folder: Path, manifest: Manifest) -> None:
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    atomic_write(folder / FILE_NAME, orjson.dumps(manifest.model_dump(mode="json"), option=options))


def _stamp(path: Path) -> Stamp:
    seen = path.stat()
    return seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino
