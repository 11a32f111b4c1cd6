"""A folder that is there whole, or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from vedette.errors import ConfigError
from vedette.manifest import output_error

VOCABULARY = ("tokenizer.json", "vocab.json", "merges.txt")  # any piece of text may be a token


@contextmanager
def folder(out: Path) -> Iterator[Path]:
    """To fill; it gets its name once everything in it is on the disk.

    Raises ConfigError where something lies there already, OutputError.
    """
    out = out.absolute()
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ConfigError("there is something already", where=str(out), remedy="give another --out, or remove it")
    filling = out.with_name(f".{out.name}.{token_hex(4)}.tmp")
    try:
        filling.mkdir(parents=True)
        yield filling
        _on_disk(filling)
        if out.exists():
            out.rmdir()
        filling.rename(out)
    except OSError as exc:
        raise output_error(out, exc) from exc
    finally:
        shutil.rmtree(filling, ignore_errors=True)


def placeless(filled: Path, places: Iterable[Path]) -> None:
    """No text in the folder names one of these places, or the owner's home: others get it. Raises ConfigError."""
    named = {str(place).encode() for place in map(Path.absolute, places) if len(place.parts) > 1}
    named |= {f"{Path.home()}{os.sep}".encode()}
    for path in filled.rglob("*"):
        if not path.is_file() or path.suffix in (".gguf", ".safetensors") or path.name in VOCABULARY:
            continue
        content = path.read_bytes()
        if wrong := next((place for place in named if place in content), None):
            what = f"'{path.name}' names '{wrong.decode(errors='replace')}', a place on this machine"
            raise ConfigError(what, remedy="take it out of the file that it comes from")


def _on_disk(filled: Path) -> None:
    for path in [*filled.rglob("*"), filled]:
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except PermissionError:
            if path.is_file():
                raise
            continue  # Windows opens no folder
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
