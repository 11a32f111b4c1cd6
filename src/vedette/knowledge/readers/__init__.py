"""Readers of the publishers' own formats, one file each.

A module defines `claims`, `part` and `read`, and ends with `READER = Reader(…)`. `read` gives what it can use, tells
`tally` about the rest and about the release, and raises InputError only where the input as a whole cannot be read.
What one import of one (source, part) gives replaces what it gave before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from vedette.errors import RecordError
from vedette.knowledge.inputs import Input
from vedette.knowledge.record import Record
from vedette.registry import Registry

EXAMPLES = 20  # of refused records that are kept for the report
T = TypeVar("T")


@dataclass(slots=True)
class Tally:
    """What became of a source's records: `read` = records given + skipped + refused."""

    release: str = ""  # as the publisher names it: "18.1", "2026.08.21"
    on: str = ""  # ISO date of the release, "" where the publisher does not say
    read: int = 0  # publisher's records that were looked at
    skipped: Counter[str] = field(default_factory=Counter)  # expected: reason → how many
    refused: Counter[str] = field(default_factory=Counter)  # a surprise in the schema: reason → how many
    examples: list[tuple[str, str]] = field(default_factory=list)  # refused: (place, what)

    def skip(self, reason: str) -> None:
        """A record that Vedette has no use for, on purpose: a reason in few words, the same for all such records."""
        self.skipped[reason] += 1

    def refuse(self, error: RecordError) -> None:
        """A record that is not as its schema says."""
        self.refused[error.what] += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append((error.where, error.what))


@dataclass(frozen=True, slots=True)
class Reader:
    source: str  # its name in sources.toml
    claims: Callable[[Input], bool]  # by content (head, names of members), not by file name alone; cheap
    read: Callable[[Input, Tally], Iterator[Record]]
    part: Callable[[Input], str] = lambda _: ""  # which part of the source: "enterprise", "2003"; "" if there is one


def convert(item: object, to: type[T], where: str) -> T:
    """A publisher's object as the typed struct that we expect of it. Raises RecordError that names record and field."""
    try:
        return msgspec.convert(item, to, strict=False)
    except msgspec.ValidationError as exc:
        raise RecordError(str(exc), where=where, remedy="the publisher's schema changed: report it") from exc


def day(moment: str) -> str:
    """The ISO date of an ISO time; "" where there is none."""
    return moment[:10] if len(moment) >= 10 and moment[4] == moment[7] == "-" else ""


READERS: Registry[Reader] = Registry(
    "reader",
    {
        name: f"vedette.knowledge.readers.{name}:READER"
        for name in (
            "attack",
            "capec",
            "cve_table",
            "cvelist",
            "cwe",
            "ctid",
            "d3fend",
            "epss",
            "kev",
            "misp_galaxy",
            "misp_warninglists",
            "nvd",
            "osv",
            "sigma",
            "ssvc",
        )
    },
)
