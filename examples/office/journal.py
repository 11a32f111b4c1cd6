"""Collects the alerts of one product, sorts them by time and remembers which belong to the intrusion."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

Record = dict[str, Any]


class Entry(NamedTuple):
    """One alert. `stage` names the step of the intrusion, `note` a harmless event that looks frightening."""

    time: float
    record: Record
    stage: str = ""
    note: str = ""


class Journal:
    """The alerts of one file. `number` completes records once their order is known."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.entries: list[Entry] = []

    def add(self, time: float, record: Record, stage: str = "", note: str = "") -> None:
        self.entries.append(Entry(time, record, stage, note))

    def sort(self) -> None:
        self.entries.sort(key=lambda entry: entry.time)

    def write(self, folder: Path) -> None:
        dump = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode
        with (folder / self.name).open("w", encoding="utf-8", newline="\n") as out:
            out.writelines(dump(entry.record) + "\n" for entry in self.entries)


class Marked(NamedTuple):
    """Where an alert of the intrusion (or a frightening harmless one) stands."""

    ref: str  # file:line, lines count from 1
    uid: str
    stage: str
    note: str


def marks(journal: Journal, uid_key: tuple[str, ...]) -> list[Marked]:
    """The marked alerts of a sorted journal; `uid_key` is the path to the product's own id."""
    found = []
    for line, (_, record, stage, note) in enumerate(journal.entries, start=1):
        if stage or note:
            value: Any = record
            for key in uid_key:
                value = value[key]
            found.append(Marked(f"{journal.name}:{line}", str(value), stage, note))
    return found
