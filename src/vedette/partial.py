"""A download on the disk: the file, what there is of the next one, and what the server said about both.

Beside `name` lie three hidden files, which no reader looks at: `.name.part`, `.name.state.json` and `.name.lock`.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Literal, Self

import msgspec
from pydantic import Field, model_validator

from vedette.config import Settings
from vedette.errors import FetchError
from vedette.inflate import inflate
from vedette.lock import locked as one_at_a_time
from vedette.manifest import atomic_write, sha256_file

_VALIDATOR = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,199}")
_SHA256 = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{64}(?![0-9A-Za-z])")


class Address(Settings):
    """Where a file is fetched, and what it has to be."""

    url: str = Field(description="official address; https only")
    file: str = Field(default="", description="kept under this name; empty: the last part of the address")
    max_mb: int = Field(default=512, gt=0, description="a larger body is refused, MB")
    sha256: str = Field(
        default="", pattern=r"^([0-9a-f]{64})?$", description="where the file never changes: its sha256"
    )
    sha256_url: str = Field(default="", description="where the publisher states the file's sha256")
    sha256_of: Literal["file", "content"] = Field(default="file", description="content: of what is inside the gzip")

    @property
    def name(self) -> str:
        """Of the file on the disk."""
        return self.file or self.url.split("?")[0].split("#")[0].rsplit("/", 1)[-1]

    @model_validator(mode="after")
    def _has_a_plain_name(self) -> Self:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}", self.name):
            raise ValueError(f"'{self.name}' is no plain file name: set `file`")
        return self


class Seen(msgspec.Struct, frozen=True):
    """What a server said about one version of a file."""

    etag: str = ""
    last_modified: str = ""

    def __post_init__(self) -> None:
        for field in ("etag", "last_modified"):
            if not _VALIDATOR.fullmatch(getattr(self, field)):
                msgspec.structs.force_setattr(self, field, "")

    @property
    def strong(self) -> str:
        """What proves that a later answer is about the very same bytes; "" where nothing does."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.last_modified


class State(msgspec.Struct, frozen=True):
    url: str
    file: Seen = Seen()
    sha256: str = ""  # of the file
    bytes: int = 0
    part: Seen = Seen()


class Partial:
    """`state.sha256` is empty unless the file lies there as it was fetched."""

    def __init__(self, address: Address, into: Path) -> None:
        self.address = address
        self.path = into / address.name
        self.part = into / f".{address.name}.part"
        self._state_path = into / f".{address.name}.state.json"
        self.state = self._read_state()
        if not self.state.part.strong:
            self.drop()

    @property
    def size(self) -> int:
        """Bytes of the part."""
        return self.part.stat().st_size if self.part.exists() else 0

    @property
    def free(self) -> int:
        """Bytes that the disk still takes."""
        return shutil.disk_usage(self.part.parent).free

    def conditions(self) -> dict[str, str]:
        """Headers that ask for no more than is needed."""
        headers = {}
        if self.state.sha256 and self.state.file.etag:
            headers["If-None-Match"] = self.state.file.etag
        if self.state.sha256 and self.state.file.last_modified:
            headers["If-Modified-Since"] = self.state.file.last_modified
        if size := self.size:
            headers |= {"Range": f"bytes={size}-", "If-Range": self.state.part.strong}
        return headers

    def begin(self, seen: Seen) -> None:
        """Start anew. The part is emptied first, so that no old bytes are ever taken for the new version's."""
        self.drop()
        self._save(msgspec.structs.replace(self.state, part=seen))

    def drop(self) -> None:
        self.part.unlink(missing_ok=True)

    def append(self) -> BinaryIO:
        return self.part.open("ab")

    def mismatch(self, stated: str) -> str:
        """What is wrong with the whole part's sha256, "" for nothing. `stated` is the publisher's word or ""."""
        content = self.address.sha256_of == "content"
        for expected in filter(None, (stated, self.address.sha256)):
            actual = _sha256_content(self.part) if content and expected == stated else sha256_file(self.part)
            if actual != expected:
                return f"sha256 {actual[:12]}…, expected {expected[:12]}…"
        return ""

    def place(self) -> bool:
        """The part becomes the file. True where the content is another than before."""
        self.part.touch()
        with self.part.open("rb+") as file:
            os.fsync(file.fileno())
        digest, size, before = sha256_file(self.part), self.size, self.state.sha256
        self.part.replace(self.path)
        self._save(State(self.address.url, self.state.part, digest, size))
        return digest != before

    def _save(self, state: State) -> None:
        self.state = state
        atomic_write(self._state_path, msgspec.json.encode(state))

    def _read_state(self) -> State:
        """Anything odd about it means only that the file is fetched in full."""
        nothing = State(self.address.url)
        try:
            state = msgspec.json.decode(self._state_path.read_bytes(), type=State)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return nothing
        if state.url != self.address.url:
            return nothing
        whole = self.path.is_file() and self.path.stat().st_size == state.bytes
        if whole and sha256_file(self.path) == state.sha256:
            return state
        return State(state.url, part=state.part)


@contextmanager
def locked(address: Address, into: Path) -> Iterator[Partial]:
    """One process at a time. Raises FetchError where another one fetches the same file."""
    busy = FetchError("another process is fetching it", where=address.url, remedy="wait for its end")
    with one_at_a_time(into / f".{address.name}.lock", busy):
        yield Partial(address, into)


def stated_sha256(text: str, address: Address) -> str:
    """Out of `HEX  name` lines, `SHA256 (name) = HEX` or NVD's `.meta`. Raises FetchError where none is clear."""
    name = address.url.rsplit("/", 1)[-1]
    found: set[str] = {match.lower() for match in _SHA256.findall(text)}
    if len(found) > 1:
        lines = [line for line in text.splitlines() if name in re.split(r"[\s()*]+", line)]
        found = {match.lower() for line in lines for match in _SHA256.findall(line)}
    if len(found) != 1:
        what, remedy = f"no sha256 of '{name}' is stated there", "the publisher changed the format: report it"
        raise FetchError(what, where=address.sha256_url, remedy=remedy)
    return found.pop()


def _sha256_content(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as file:
        pull = inflate(file, path.name)
        while piece := pull():
            digest.update(piece)
    return digest.hexdigest()
