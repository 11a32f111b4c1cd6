"""How far a long run is, and how long it still takes, on stderr: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

EVERY = 10.0  # seconds between lines


class Progress:
    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._bar: Bar | None = _bar() if sys.stderr.isatty() else None
        self._name, self._first = "", 0
        self._begun = self._told = 0.0

    def __enter__(self) -> Progress:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()

    def tell(self, name: str, done: int, total: int) -> None:
        """`done` at the first call of a name was done before: the end is estimated by what comes after."""
        if name != self._name:
            self._name, self._first, self._begun = name, done, self._now()
            self._told = self._begun
            if self._bar:
                for task in self._bar.task_ids:
                    self._bar.remove_task(task)
                self._bar.add_task(name, total=total, completed=done)
        if self._bar:
            self._bar.update(self._bar.task_ids[0], completed=done)
        elif self._now() - self._told >= EVERY:
            self._told = self._now()
            print(f"{name}: {done:,} of {total:,}{self._left(done, total)}", file=sys.stderr, flush=True)

    def _left(self, done: int, total: int) -> str:
        if done <= self._first:
            return ""
        seconds = (self._now() - self._begun) / (done - self._first) * (total - done)
        return f", about {seconds:,.0f} s left"


def _bar() -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), "left")
    return Bar(*columns, console=Console(stderr=True), transient=True)
