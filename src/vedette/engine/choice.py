"""A model as it is named for a role: one that is kept here, a file, a folder; whole, or an adapter on another one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vedette.engine import gguf, models
from vedette.engine.gate import Party
from vedette.errors import ConfigError, InputError
from vedette.manifest import sha256_file

EXPORT = "export it as GGUF first"


@dataclass(frozen=True, slots=True)
class Choice:
    model: Path
    name: str
    sha256: str
    adapter: Path | None = None
    adapter_sha256: str = ""

    @property
    def adapter_name(self) -> str:
        """As an engine that loads it calls it."""
        return self.adapter.stem if self.adapter else ""

    @property
    def party(self) -> Party:
        return Party(
            spec=f"gguf/{self.model}", name=self.name, sha256=self.sha256, adapter=self.adapter_name,
            adapter_sha256=self.adapter_sha256,
        )  # fmt: skip


def chosen(what: str, base: str = "", place: Path | None = None) -> Choice:
    """`base`: the model of an adapter, by its name here, its file or its sha256.

    Raises ConfigError, InputError and ArtefactError for what is no model, or not the one that was added.
    """
    file = _file(what)
    if file is None:
        return _stored(models.resolve(what, place))
    if not gguf.read(file).adapter:
        return _whole(file, place)
    if not base:
        raise ConfigError("an adapter needs its model", where=str(file), remedy="name it with --base")
    under = _base(base, place)
    return Choice(under.model, under.name, under.sha256, file, sha256_file(file))


def _file(what: str) -> Path | None:
    """None for the name of a model."""
    path = Path(what.removeprefix("gguf/")).expanduser()
    if path.is_dir():
        inside = sorted(path.glob("*.gguf"))
        if len(inside) != 1:
            raise InputError(f"{len(inside)} GGUF files", where=str(path), remedy="give the file" if inside else EXPORT)
        return inside[0]
    return path if path.is_file() else None


def _base(name: str, place: Path | None) -> Choice:
    for found in models.stored(place)[0]:
        if found.manifest.sha256 == name:
            return _stored(models.resolve(found.name, place))
    file = _file(name)
    under = _stored(models.resolve(name, place)) if file is None else _whole(file, place)
    if gguf.read(under.model).adapter:
        raise ConfigError("an adapter, and no model that one could stand on", where=str(under.model))
    return under


def _stored(found: models.Stored) -> Choice:
    return Choice(found.path, found.name, found.manifest.sha256)


def _whole(file: Path, place: Path | None) -> Choice:
    """The file itself, or the same one where it is kept here."""
    digest = sha256_file(file)
    for found in models.stored(place)[0]:
        if found.manifest.sha256 == digest:
            return _stored(models.resolve(found.name, place))
    return Choice(file, file.stem, digest)
