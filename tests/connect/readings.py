"""Reads inputs to the end and keeps the account."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vedette.connect import read
from vedette.types import Alert, Chunk, Rejected


class Got:
    """Everything that a reader yielded."""

    def __init__(self, inputs: Sequence[Path | str], **options: Any) -> None:
        reader = read([str(one) for one in inputs], **options)
        self.chunks: list[Chunk] = list(reader)
        self.notes = reader.notes

    @property
    def alerts(self) -> list[Alert]:
        return [alert for chunk in self.chunks for alert in chunk.alerts]

    @property
    def rejected(self) -> list[Rejected]:
        return [rejected for chunk in self.chunks for rejected in chunk.rejected]

    @property
    def reasons(self) -> list[str]:
        return [rejected.reason for rejected in self.rejected]

    @property
    def contexts(self) -> int:
        return sum(len(chunk.contexts) for chunk in self.chunks)

    @property
    def ignored(self) -> int:
        return sum(chunk.ignored for chunk in self.chunks)

    @property
    def total(self) -> int:
        return len(self.alerts) + len(self.rejected) + self.contexts + self.ignored
