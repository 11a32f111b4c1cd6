"""A folder of an organisation's knowledge as it lies there: nothing outside it is read, no link is followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vedette.errors import InputError
from vedette.forge.document import LARGEST, TEXTS
from vedette.forge.tickets import SUFFIXES
from vedette.guard.hostile import hostile
from vedette.guard.neutralise import printable

MOST = 50_000  # files
KNOWN = TEXTS | SUFFIXES | {".pdf", ".docx", ".zip", ".gz", ".tgz", ".tar", ".7z", ".rar", ".xlsx", ".doc"}


@dataclass(frozen=True, slots=True)
class Apart:
    """What is not learned from."""

    place: str
    why: str
    remedy: str


@dataclass(frozen=True, slots=True)
class File:
    name: str  # relative, with /
    path: Path
    data: bytes

    @property
    def suffix(self) -> str:
        return self.path.suffix.lower()


def files(folder: Path, besides: Path) -> Iterator[File | Apart]:
    """In the order of their names; `besides` is left out, as results may be written into the folder."""
    if not folder.is_dir():
        raise InputError("no such folder", where=str(folder), remedy="give a folder of documents and tickets")
    count, own = 0, besides.resolve()
    for place, folders, names in os.walk(folder):
        here = Path(place)
        links = [name for name in folders if (here / name).is_symlink()]
        folders[:] = sorted(n for n in folders if n not in links and n[0] != "." and (here / n).resolve() != own)
        for name in sorted([*names, *links]):
            count += 1
            if count > MOST:
                yield Apart(printable(str(folder)), f"more than {MOST:,} files", "split the folder")
                return
            yield _file(here / name, (here / name).relative_to(folder).as_posix())


def _file(path: Path, name: str) -> File | Apart:
    shown = printable(name)
    if path.name.startswith("."):
        return Apart(shown, "hidden", "rename it where it belongs to your knowledge")
    if shown != name or hostile(name) or any(sign in name for sign in "<>|\t"):
        return Apart(shown, "a name that is not safe to show", "rename it")
    if path.is_symlink():
        return Apart(shown, "a link", "copy the file itself into the folder")
    if path.suffix.lower() not in KNOWN:
        return Apart(shown, "no kind of file that is read", "give Markdown, HTML, text, CSV, JSON or JSON Lines")
    try:
        data = _read(path)
    except OSError as exc:
        return Apart(shown, f"cannot be read: {exc.strerror}", "check its permissions")
    if data is None:
        return Apart(shown, "no file", "leave it out")
    return File(name, path, data)


def _read(path: Path) -> bytes | None:
    """One byte more than may be read, at most; None for a pipe, a device and the like."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        return file.read(LARGEST + 1) if stat.S_ISREG(os.fstat(handle).st_mode) else None
