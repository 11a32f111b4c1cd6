"""Checkpoints of TRL's trainers: whole by their manifest, or not there."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from vedette import manifest
from vedette.errors import ArtefactError, ConfigError

PREFIX, STATE = "checkpoint-", "vedette.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    folder: Path
    state: Mapping[str, Any]

    @property
    def step(self) -> int:
        return _step(self.folder)


def seal(folder: Path, state: Mapping[str, Any]) -> None:
    """Called when everything else of it is on the disk. Raises OutputError, ArtefactError."""
    manifest.atomic_write(folder / STATE, orjson.dumps(dict(state)))
    files = [one for one in folder.rglob("*") if one.is_file() and one.name != manifest.FILE_NAME]
    manifest.write(folder / manifest.FILE_NAME, outputs=files)


def newest(work: Path, mark: str) -> Checkpoint | None:
    """The last whole one. Raises ConfigError where it belongs to another run."""
    for folder in reversed(_sealed(work)):
        try:
            manifest.verify(folder)
            state = orjson.loads((folder / STATE).read_bytes())
        except (ArtefactError, OSError, ValueError):
            continue
        if state.get("mark") != mark:
            remedy = "give another --work folder, or remove this one"
            raise ConfigError("its checkpoints are of another recipe, base or data", where=str(work), remedy=remedy)
        return Checkpoint(folder, state)
    return None


def thin(work: Path, keep: int) -> None:
    """Only the last ones stay, and nothing half-written that is older than they are."""
    whole = _sealed(work)[-keep:]
    for folder in _folders(work):
        if whole and folder not in whole and _step(folder) < _step(whole[-1]):
            (folder / manifest.FILE_NAME).unlink(missing_ok=True)  # first: what is half gone is unfinished
            shutil.rmtree(folder, ignore_errors=True)


def _sealed(work: Path) -> list[Path]:
    return [folder for folder in _folders(work) if (folder / manifest.FILE_NAME).is_file()]


def _folders(work: Path) -> list[Path]:
    found = (one for one in work.glob(f"{PREFIX}*") if one.name.removeprefix(PREFIX).isdecimal())
    return sorted(found, key=_step)


def _step(folder: Path) -> int:
    return int(folder.name.removeprefix(PREFIX))
