"""How a training goes, while it goes: a view that stays in place on a terminal, elsewhere a line a measurement."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from math import log
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from vedette.cli.terminal import safe
from vedette.connect.sinks.table import NARROW
from vedette.train.slm.curve import Dev, Event, Probe, Resume, Run, Step, Stop, Summary, summary, took, wilson

if TYPE_CHECKING:
    from rich.live import Live as Screen

EVERY = 10  # steps between two lines
REFRESH = 0.5  # seconds between two pictures
ROWS, LABEL = 8, 10  # lines of the plot, characters of a label as `-1.234e-05`
SLIM, WIDE = 76, 110
_ELSE = 12  # lines beside the plot
_STEEP = 3  # highest over lowest loss from which the plot is logarithmic
_DOTS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))  # of a Braille character: left and right, from below


class Live:
    """Shows `run` and what is told of it. Used by `vedette train sft` and `vedette train watch`."""

    def __init__(self, name: str, run: Run | None = None, out: TextIO | None = None, every: int = EVERY) -> None:
        self.name, self.run, self.every = name, run or Run(), every
        self._out = out or sys.stderr
        self._screen: Screen | None = _screen(self._out) if self._out.isatty() else None
        self._drawn = 0.0

    def __enter__(self) -> Live:
        if self._screen:
            self._screen.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        self._draw()
        if self._screen:
            self._screen.stop()

    def tell(self, event: Event) -> None:
        """Takes it into the run and shows it."""
        self.run.add(event)
        self.show([event])

    def show(self, events: Sequence[Event], each_step: bool = False) -> None:
        """They are in the run already."""
        if self._screen:
            if time.monotonic() - self._drawn >= REFRESH:
                self._draw()
            return
        for event in events:
            rare = not isinstance(event, Step) or event.step in (1, event.steps) or event.step % self.every == 0
            if rare or each_step:
                print(line(self.run, event), file=self._out, flush=True)

    def _draw(self) -> None:
        if self._screen:
            size = self._screen.console.size
            shown = parts(self.name, self.run, max(size.width, NARROW), size.height)
            self._screen.update(Group(*shown), refresh=True)
            self._drawn = time.monotonic()


def _screen(out: TextIO) -> Screen:
    from rich.live import Live as Screen

    plain = "NO_COLOR" in os.environ
    console = Console(file=out, highlight=False, markup=False, emoji=False, no_color=plain)
    return Screen(console=console, auto_refresh=False, vertical_overflow="crop")


# -- a line -------------------------------------------------------------------------------------


def line(run: Run, event: Event) -> str:
    """`run` holds the event."""
    match event:
        case Step():
            told = summary(run)
            figures = [f"loss {_number(event.loss)}", f"{event.tokens_per_second:,.0f} tokens/s", *_machine(event)]
            figures += [f"{took(told.left)} left"] if told.left is not None else []
            return f"step {event.step:,} of {event.steps:,}: {', '.join(figures)}"
        case Dev():
            return f"step {event.step:,}: dev loss {_number(event.loss)}, n = {event.n:,}"
        case Probe():
            return f"step {event.step:,}: probe {event.right:,} of {event.n:,} right, {_share(event)}"
        case Resume():
            return f"resumed at step {event.step:,}"
        case Stop():
            return f"stopped at step {event.step:,}: {safe(event.why)}"


def latest(run: Run) -> list[Event]:
    """The last one of each kind: what a reader who comes late has to know."""
    found: list[Event] = [Resume(run.resumes[-1])] if run.resumes else []
    found += [step for step in (run.last(),) if step]
    found += [events[max(events)] for events in (run.devs, run.probes) if events]
    return [*sorted(found, key=lambda event: event.step), *((run.stop,) if run.stop else ())]


def _number(value: float | None) -> str:
    return "not a number" if value is None else f"{value:.4g}"


def _machine(step: Step) -> Iterator[str]:
    if step.mfu is not None:
        yield f"MFU {100 * step.mfu:.1f} %"
    if step.memory is not None:
        yield f"{step.memory / 1e9:.2f} GB"


def _share(probe: Probe) -> str:
    low, high = wilson(probe.right, probe.n)
    return f"{100 * probe.right / max(1, probe.n):.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


# -- the view -----------------------------------------------------------------------------------


def parts(name: str, run: Run, width: int, height: int = 24) -> Iterator[RenderableType]:
    """`width` and `height` in characters."""
    told, last = summary(run), run.last()
    if last is None:
        yield Text(f"{safe(name, 60)}: no step yet")
    else:
        yield Text(_heading(name, told, run), style="bold")
        yield Text(_bar(told, width))
        yield ""
        yield _figures(_facts(told, last), 1 + (width >= SLIM) + (width >= WIDE))
        losses = [value for _, value in run.series(lambda step: step.loss)]
        rows = min(ROWS, height - _ELSE)
        if len(losses) > 1 and rows > 1:
            yield ""
            yield from plot(losses, width, rows)
    yield from (Text(f"warning: {said}", style="yellow") for said in _warnings(run))


def _heading(name: str, told: Summary, run: Run) -> str:
    where = f"{safe(name, 60)}: step {told.step:,} of {told.steps:,}, {_done(told):.1%}".replace("%", " %")
    if run.stop:
        return f"{where}, stopped: {safe(run.stop.why, 60)}"
    return where if told.left is None else f"{where}, {took(told.left)} left"


def _done(told: Summary) -> float:
    return min(1.0, told.step / told.steps) if told.steps else 0.0


def _bar(told: Summary, width: int) -> str:
    full = round(_done(told) * width)
    return "█" * full + "░" * (width - full)


def _facts(told: Summary, last: Step) -> list[tuple[str, str]]:
    facts = [("loss", _number(last.loss)), ("smoothed", _number(told.loss))]
    if told.dev:
        facts.append(("dev loss", f"{_number(told.dev.loss)} (step {told.dev.step:,})"))
    if told.best:
        facts.append(("best", f"{_number(told.best.loss)} (step {told.best.step:,})"))
    if told.probe:
        facts.append(("probe", _share(told.probe)))
    facts.append(("tokens/s", f"{told.speed or 0:,.0f}"))
    if last.mfu is not None:
        facts.append(("MFU", f"{100 * last.mfu:.1f} %"))
    if told.memory is not None:
        facts.append(("memory", f"{told.memory / 1e9:.2f} GB"))
    facts += [("rate", f"{last.rate:.2e}"), ("epoch", f"{last.epoch:.2f}")]
    return [*facts, ("tokens", f"{told.tokens:,}"), ("time of steps", took(told.seconds))]


def _figures(facts: Sequence[tuple[str, str]], columns: int) -> Table:
    """In columns, read downwards."""
    grid = Table.grid(padding=(0, 2), expand=True)
    for _ in range(columns):
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(no_wrap=True, ratio=1)
    rows = -(-len(facts) // columns)
    for row in range(rows):
        cells = [facts[place] if place < len(facts) else ("", "") for place in range(row, columns * rows, rows)]
        grid.add_row(*(text for pair in cells for text in pair))
    return grid


def _warnings(run: Run) -> Iterator[str]:
    if run.unread:
        yield f"{run.unread:,} lines cannot be read"
    if run.torn:
        yield "the last line is not whole"


# -- the plot -----------------------------------------------------------------------------------


def plot(losses: Sequence[float], width: int, rows: int) -> Iterator[Text]:
    """Means of neighbouring steps as Braille dots, two of them in a character, from the first step to the last."""
    drawn_from = means(losses, 2 * (width - LABEL - 2))
    top, bottom = max(drawn_from), min(drawn_from)
    steep = 0 < bottom < top / _STEEP
    labels = [f"{top:.4g}" if top > bottom else "", *[""] * (rows - 2), f"{bottom:.4g}"]
    scale: Callable[[float], float] = log if steep else float
    low, high = scale(bottom), scale(top)
    levels = [(scale(mean) - low) / ((high - low) or 1.0) for mean in drawn_from]
    for label, drawn in zip(labels, braille(levels, rows), strict=True):
        yield Text(f"{label.rjust(LABEL)} │{drawn}")
    yield Text(f"{' ' * LABEL} └ loss over {len(losses):,} steps{', logarithmic' if steep else ''}", style="dim")


def means(values: Sequence[float], count: int) -> list[float]:
    """`count` of them; where there are fewer values, each stands for several."""
    found = []
    for place in range(count):
        start, end = place * len(values) // count, max(1, (place + 1) * len(values) // count)
        part = values[min(start, end - 1) : end]
        found.append(sum(part) / len(part))
    return found


def braille(levels: Sequence[float], rows: int) -> list[str]:
    """Lines of characters, two levels (0 to 1) in each; neighbours are joined by dots above each other."""
    most = 4 * rows - 1
    grid = [[0] * (len(levels) // 2) for _ in range(rows)]
    before = round(levels[0] * most) if levels else 0
    for place, level in enumerate(levels):
        height = round(level * most)
        for dot in range(min(height, before + (height > before)), max(height, before - (height < before)) + 1):
            grid[rows - 1 - dot // 4][place // 2] |= _DOTS[place % 2][dot % 4]
        before = height
    return ["".join(chr(0x2800 + dots) if dots else " " for dots in row) for row in grid]
