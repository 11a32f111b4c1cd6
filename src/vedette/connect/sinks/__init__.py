"""Views of a queue. Each is a pure function of the `Queue`: the same queue gives the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from vedette.manifest import atomic_write
from vedette.registry import Registry
from vedette.types import Queue


class View(Protocol):
    def __call__(self, queue: Queue, /) -> str: ...


VIEWS: Registry[View] = Registry(
    "view",
    {
        "csv": "vedette.connect.sinks.csv:render",
        "html": "vedette.connect.sinks.html:render",
        "jsonl": "vedette.connect.sinks.jsonl:render",
        "markdown": "vedette.connect.sinks.markdown:render",
        "summary": "vedette.connect.sinks.jsonl:summary",
        "table": "vedette.connect.sinks.table:render",
    },
)

# Views that grow with the number of cases, piece by piece.
PIECES: Registry[Callable[[Queue], Iterator[str]]] = Registry(
    "view in pieces", {"csv": "vedette.connect.sinks.csv:lines", "jsonl": "vedette.connect.sinks.jsonl:lines"}
)

# What a run leaves in its folder, by the view that writes it.
FILES = {
    "jsonl": "cases.jsonl",
    "summary": "summary.json",
    "csv": "cases.csv",
    "markdown": "report.md",
    "html": "report.html",
}


def write(name: str, queue: Queue, path: Path | str) -> None:
    """Raises ConfigError for an unknown view, OutputError where the file cannot be written whole."""
    atomic_write(path, PIECES.load(name)(queue) if name in PIECES else VIEWS.load(name)(queue))
