"""The work that runs beside the writer, in processes of their own: reading a publisher's file, encoding passages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from vedette.errors import InputError, RecordError, VedetteError
from vedette.knowledge.chunk import Passage
from vedette.knowledge.inputs import Input
from vedette.knowledge.postings import Terms, terms_of
from vedette.knowledge.readers import READERS, Tally
from vedette.knowledge.record import digest, encode
from vedette.knowledge.unit import content_hash

if TYPE_CHECKING:
    from vedette.knowledge.encoder import Encoder, Expert

MAX_REFUSED = 0.05  # share of a source's records; past it, the source's schema is taken to have changed
FEW = 5  # refused records that never fail a source
FLUSH = 1 << 20


@dataclass(frozen=True, slots=True)
class Task:
    reader: str
    path: Path
    part: str

    @property
    def source(self) -> str:
        return READERS.load(self.reader).source

    @property
    def unit(self) -> str:
        """The name of the unit that it gives."""
        return f"{self.source}/{self.part}" if self.part else self.source


@dataclass(slots=True)
class Spooled:
    """A source's records, one body a line, on the disk; and what became of the rest."""

    path: Path
    tally: Tally
    sha256: str
    records: int = 0
    content: str = ""
    error: VedetteError | None = None  # the source as a whole cannot be used


def spool(task: Task, path: Path) -> Spooled:
    """Read one source to the end. What its reader raises comes back in `error`, so that other sources go on."""
    item = Input(task.path)
    result = Spooled(path, Tally(), "")
    digests: list[bytes] = []
    try:
        result.sha256 = item.sha256
        with path.open("wb", buffering=FLUSH) as file:
            seen: set[str] = set()
            for record in READERS.load(task.reader).read(item, result.tally):
                if record.id in seen:
                    result.tally.refuse(RecordError("its id occurs twice", where=record.id))
                    continue
                seen.add(record.id)
                try:
                    body = encode(record)
                except UnicodeEncodeError:
                    result.tally.refuse(RecordError("not Unicode", where=printed(record.id)))
                    continue
                file.write(body + b"\n")
                digests.append(digest(body))
        _check(task, result.tally, len(digests))
    except VedetteError as error:
        result.error = error
    result.records, result.content = len(digests), content_hash(digests)
    return result


def printed(path: Path | str) -> str:
    """A name that can be kept, whatever its bytes."""
    name = path.name if isinstance(path, Path) else path
    return name.encode("utf-8", "backslashreplace").decode()


def _check(task: Task, tally: Tally, records: int) -> None:
    refused = tally.refused.total()
    if refused > max(FEW, MAX_REFUSED * tally.read) or not records:
        where, what = tally.examples[0] if tally.examples else (task.path.name, "no record in it can be used")
        raise InputError(
            f"{refused:,} of {tally.read:,} records are not as the schema says, for example: {what}",
            where=f"{task.path.name}: {where}",
            remedy="the last good records stay; fetch the file again, or report the new schema",
        )


def bodies(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=FLUSH) as file:
        for line in file:
            yield line[:-1]


@cache
def encoder(name: str) -> Encoder:
    """One of `ENCODERS`. Raises ConfigError for another name, ArtefactError where its weights cannot be used."""
    from vedette.knowledge.encoder import ENCODERS

    return ENCODERS.load(name)()


@cache
def expert() -> Expert:
    """Raises ArtefactError where its weights cannot be used."""
    from vedette.knowledge.encoder import EXPERT

    return cast("Expert", encoder(EXPERT))


@dataclass(frozen=True, slots=True)
class Encoded:
    """Of a batch of passages: for each an int8 vector, scaled to its own largest component; and their words."""

    codes: list[bytes]
    terms: Terms


def encode_passages(passages: Sequence[Passage], name: str) -> Encoded:
    """`name` is the encoder's."""
    import numpy as np

    vectors = encoder(name).encode([passage.whole for passage in passages])
    peaks = np.maximum(np.abs(vectors).max(axis=1, keepdims=True), 1e-9)
    rows = np.rint(vectors * (127 / peaks)).astype(np.int8)
    return Encoded([row.tobytes() for row in rows], terms_of([(p.title, p.text) for p in passages]))
