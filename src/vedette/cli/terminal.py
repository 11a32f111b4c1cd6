"""What all views of the command line share: one console, text that is safe to look at, JSON in printing characters."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import msgspec
from rich.box import Box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table

from vedette.connect.sinks.table import NARROW, rendered
from vedette.guard.neutralise import escaped, printable

RULE = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
_WHOLE = 1_000_000  # characters: a publisher's longest paragraph


def show(parts: Callable[[int], Iterable[RenderableType]]) -> None:
    """Print what `parts` makes of the terminal's width; colours on a terminal only, and not where NO_COLOR is set."""
    width = shutil.get_terminal_size((100, 24)).columns
    color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    sys.stdout.write(rendered(parts(max(width, NARROW)), width, color))
    sys.stdout.flush()


def show_json(document: object) -> None:
    """One document, indented; every character prints."""
    text = json.dumps(msgspec.to_builtins(document, str_keys=True), indent=2, ensure_ascii=False)
    sys.stdout.write(escaped(text, _escape) + "\n")
    sys.stdout.flush()


def _escape(char: str) -> str:
    if char == "\n":
        return char
    return "\\u007f" if char == "\x7f" else json.dumps(char)[1:-1]


def safe(text: str, limit: int = 400) -> str:
    """A publisher's or an attacker's words as one visible line."""
    return printable(text, limit)


def paragraphs(text: str) -> str:
    """A publisher's prose, its lines kept."""
    lines = (printable(line.rstrip(), _WHOLE) for line in text.replace("\r\n", "\n").split("\n"))
    return "\n".join(lines).strip("\n")


def indented(content: RenderableType, columns: int = 2) -> Padding:
    return Padding(content, (0, 0, 0, columns))


def listing() -> Table:
    """A table with a line under its head and nothing else."""
    return Table(box=RULE, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold", show_edge=False)


def plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


@contextmanager
def progress(noun: str) -> Iterator[Callable[[str, int, int], None]]:
    """A bar on a terminal's stderr: (what is being done, how many of how many); elsewhere nothing is shown."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.fields[name]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(noun),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True, markup=False), transient=True) as bar:
        task = bar.add_task("", total=None, name="")
        yield lambda name, done, total: bar.update(task, completed=done, total=total, name=printable(name, 40))
