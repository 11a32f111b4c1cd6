"""Stand-in until the view lands."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec


class Step(msgspec.Struct, frozen=True, kw_only=True, tag_field="at", tag="step"):
    step: int
    steps: int
    epoch: float
    loss: float
    rate: float
    norm: float
    tokens: int
    answers: int
    seconds: float
    tokens_per_second: float
    mfu: float | None
    memory: int | None
    time: str


class Dev(msgspec.Struct, frozen=True, kw_only=True, tag_field="at", tag="dev"):
    step: int
    loss: float
    n: int


class Probe(msgspec.Struct, frozen=True, kw_only=True, tag_field="at", tag="probe"):
    step: int
    right: int
    n: int
    tasks: dict[str, tuple[int, int]]


class Resume(msgspec.Struct, frozen=True, kw_only=True, tag_field="at", tag="resume"):
    step: int


class Stop(msgspec.Struct, frozen=True, kw_only=True, tag_field="at", tag="stop"):
    step: int
    why: str


Event = Step | Dev | Probe | Resume | Stop


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def replaced(probe: Probe, step: int) -> Probe:
    return msgspec.structs.replace(probe, step=step)


class Writer:
    def __init__(self, path: Path | None) -> None:
        self.file = path.open("a") if path else None

    @classmethod
    def at(cls, work: Path, step: int, write: bool) -> Writer:
        return cls(work / "curve.jsonl" if write else None)

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: Any) -> None:
        if self.file:
            self.file.close()

    def put(self, event: Event) -> None:
        if self.file:
            self.file.write(msgspec.json.encode(event).decode() + "\n")
            self.file.flush()
