"""`vedette train watch` and `vedette train plot`: how a training goes, and how it went."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from time import sleep
from typing import Annotated

import typer

from vedette.errors import InputError

POLL = 1.0  # seconds between two looks at the file


def watch(
    folder: Annotated[Path, typer.Argument(help="Of a run: --work or --out of `vedette train sft`.")],
    once: Annotated[bool, typer.Option("--once", help="Print the present state and end.")] = False,
    every: Annotated[int, typer.Option(min=1, help="Where it is no terminal: steps between two lines.")] = 10,
) -> None:
    """Follow a training until it stops.

    Loss, dev loss, probe, speed, memory, time left; where the output is no terminal, a line a measurement.
    """
    from vedette.cli.terminal import show
    from vedette.cli.train_live import parts
    from vedette.train.slm.curve import read

    if once:
        run = read(folder)
        show(lambda width: parts(_name(folder), run, width))
    else:
        _follow(folder, every)


def _follow(folder: Path, every: int) -> None:
    from vedette.cli.train_live import Live, latest
    from vedette.train.slm.curve import Tail, find

    if not folder.exists():
        raise InputError("no such folder", where=str(folder), remedy="give the folder of a run")
    path = find(folder)
    if not path.exists():
        print(f"vedette: waiting for {path}", file=sys.stderr)
    tail = Tail(path)
    with Live(_name(folder), out=sys.stdout, every=every) as live:
        while not tail.run.stop:
            events = tail.read()
            live.run = tail.run
            live.show(latest(tail.run) if tail.anew else events, each_step=tail.anew)
            if not tail.run.stop:
                sleep(POLL)


def plot(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, or their curve.jsonl; at most 8.")],
    out: Annotated[Path, typer.Option(help="The page: one file that loads nothing.")] = Path("curve.html"),
) -> None:
    """Draw the curves of trainings as one page.

    Loss, dev loss, probes with 95 % intervals, speed, memory, learning rate; several runs over each other.
    """
    from vedette.cli.terminal import plural
    from vedette.manifest import atomic_write
    from vedette.train.slm.curve import Run, read
    from vedette.train.slm.plot import html
    from vedette.train.slm.plot_tables import Named

    found: dict[Path, Run] = {}
    for place in dict.fromkeys(runs):
        try:
            found[place] = read(place)
        except InputError as error:
            if len(runs) == 1:
                raise
            print(f"vedette: left out: {error}", file=sys.stderr)
    if not found:
        raise InputError("none of these runs has a curve", remedy="give folders of `vedette train sft`")
    named = [Named(name, run) for name, run in zip(_names(list(found)), found.values(), strict=True)]
    atomic_write(out, html(named))
    print(f"{out}: {plural(len(named), 'run')}, {sum(len(one.run.steps) for one in named):,} steps")


def _names(places: Sequence[Path]) -> list[str]:
    """Folders' names, and where two have the same one, that of the folder around, too."""
    names = Counter(map(_name, places))
    return [_name(place) if names[_name(place)] == 1 else _name(place, 2) for place in places]


def _name(place: Path, folders: int = 1) -> str:
    """Safe to show."""
    from vedette.cli.terminal import safe

    whole = place.resolve()
    folder = whole if whole.is_dir() else whole.parent
    return safe("/".join(folder.parts[-folders:]), 60)
