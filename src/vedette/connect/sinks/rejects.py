"""The side file of records that could not be used: one JSON object each, with where, why and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vedette.connect.sinks.jsonl import line
from vedette.manifest import atomic_write
from vedette.types import Rejected


def write(rejects: Iterable[Rejected], path: Path) -> None:
    """Written as they come, so that a million rejects need no room. Raises OutputError."""
    atomic_write(path, (line(rejected) + "\n" for rejected in rejects))
