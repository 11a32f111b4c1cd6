"""A line chart as inline SVG: no script, and nothing that only a colour tells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil, floor, log, log10
from typing import Literal

from vedette.connect.sinks.html.build import Html, join, points, tag

MOST = 8  # runs that can be told from each other
TOP, RIGHT, BOTTOM, LETTER = 12, 14, 42, 7.4  # pixels; the last one is a digit's width
_MARKS = (
    "M-4 0A4 4 0 1 1 4 0A4 4 0 1 1 -4 0Z", "M-3.6 -3.6H3.6V3.6H-3.6Z", "M0 -4.8L4.6 3.4H-4.6Z", "M0 -5L5 0L0 5L-5 0Z",
    "M0 4.8L4.6 -3.4H-4.6Z", "M-5 -1.6H-1.6V-5H1.6V-1.6H5V1.6H1.6V5H-1.6V1.6H-5Z", "M-4.8 0L3.4 4.6V-4.6Z",
    "M4.8 0L-3.4 4.6V-4.6Z",
)  # fmt: skip
_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)
_LOG = ((1.5, (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)), (4.0, (1.0, 2.0, 5.0)))  # up to so many powers of ten
_ASIDE = 3  # pixels between the intervals of two runs at the same step
_STEEP = 3  # from this ratio of the highest to the lowest value a scale may be logarithmic

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Shape:
    """In pixels at its full size."""

    name: str
    width: int
    height: int
    steps: int  # round numbers along the bottom, about


BROAD, NARROW = Shape("broad", 760, 320, 8), Shape("narrow", 360, 230, 4)


@dataclass(frozen=True, slots=True)
class Line:
    """`faint`: values as they were measured, behind their smoothed line. `thin`: what joins dots."""

    run: int  # its place tells colour, dashes and mark
    points: Sequence[Point]
    look: Literal["line", "faint", "thin"] = "line"


@dataclass(frozen=True, slots=True)
class Dot:
    run: int
    x: float
    y: float
    low: float | None = None  # ends of its interval
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """Over steps, from 0 to `end`."""

    name: str  # an id, unique in its page
    title: str
    said: str  # what is to be seen, for those who cannot see it
    end: float
    lines: Sequence[Line] = ()
    dots: Sequence[Dot] = ()
    scale: Literal["from zero", "logarithmic", "free"] = "from zero"
    breaks: Sequence[float] = ()  # steps at which a run was resumed


@dataclass(frozen=True, slots=True)
class _Frame:
    shape: Shape
    left: float
    end: float
    low: float
    high: float
    log: bool
    aside: Sequence[float]  # pixels by run, so that intervals at the same step do not cover each other

    def x(self, value: float, run: int | None = None) -> float:
        place = self.left + value / self.end * (self.shape.width - RIGHT - self.left)
        return place if run is None else place + self.aside[run]

    def y(self, value: float) -> float:
        below = (self.high - value) / (self.high - self.low)
        if self.log:
            below = log(self.high / value) / log(self.high / self.low)
        return TOP + below * (self.bottom - TOP)

    @property
    def bottom(self) -> float:
        return self.shape.height - BOTTOM


def svg(chart: Chart, shape: Shape) -> Html:
    low, high = _range(chart)
    logarithmic = chart.scale == "logarithmic" and 1e-100 < low < high / _STEEP
    levels = log_ticks(low, high) if logarithmic else ticks(low, high, most=5)
    labels = [number(level) for level in levels]
    left = 12 + LETTER * max(map(len, labels))
    frame = _Frame(shape, left, max(chart.end, 1), levels[0], levels[-1], logarithmic, _aside(chart))
    uid = f"{chart.name}-{shape.name}"
    return tag(
        "svg",
        tag("title", chart.title, id=f"{uid}-title"),
        tag("desc", chart.said, id=f"{uid}-said"),
        _grid(frame, list(zip(levels, labels, strict=True))),
        (_break(frame, step) for step in chart.breaks),
        (join(_line(frame, line)) for line in sorted(chart.lines, key=lambda line: line.look != "faint")),
        (join(_dot(frame, dot)) for dot in chart.dots),
        cls=shape.name,
        viewBox=f"0 0 {shape.width} {shape.height}",
        role="img",
        aria_labelledby=f"{uid}-title {uid}-said",
    )


def swatch(run: int) -> Html:
    """What stands for a run, beside its name."""
    line = tag("line", x1=0, x2=40, y1=8, y2=8, cls=f"line r{run}")
    return tag("svg", line, _mark(run, 20, 8, "end"), cls="swatch", viewBox="0 0 40 16", aria_hidden="true")


def _range(chart: Chart) -> Point:
    known = [y for line in chart.lines for _, y in line.points]
    known += [y for dot in chart.dots for y in (dot.y, dot.low, dot.high) if y is not None]
    known += [0.0] if chart.scale == "from zero" or not known else []
    return min(known), max(known)


def _aside(chart: Chart) -> Sequence[float]:
    runs = {dot.run for dot in chart.dots if dot.low is not None}
    return [_ASIDE * (run - (len(runs) - 1) / 2) if runs else 0.0 for run in range(MOST)]


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers, about `most` of them, the first at or below `low`, the last at or above `high`."""
    farthest = max(abs(low), abs(high))
    if farthest < 1e-290:
        low, high = 0.0, 1.0
    elif high - low <= 1e-9 * farthest:
        low, high = min(low, 0.0), max(high, 0.0)
    rough = (high - low) / most
    power = 10.0 ** floor(log10(rough))
    step = next(power * part for part in _ROUND if power * part >= 0.999 * rough)
    return [place * step for place in range(floor(low / step + 1e-6), ceil(high / step - 1e-6) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers, the first at or below `low`, the last at or above `high`; both above 0."""
    least, most = floor(log10(low)), ceil(log10(high))
    parts = next((parts for decades, parts in _LOG if log10(high / low) <= decades), (1.0,))
    every = ceil((most - least) / 8) if parts == (1.0,) else 1
    powers = range(least - every, most + every + 1, every)  # wider by one at each end, as logarithms are rounded
    found = [part * 10.0**power for power in powers for part in parts]
    inner = [level for level in found if low < level < high]
    below, above = [level for level in found if level <= low], [level for level in found if level >= high]
    return [below[-1], *inner, above[0]]


def number(value: float) -> str:
    return f"{value:,.9g}"


def thinned(found: Sequence[Point], columns: int) -> Sequence[Point]:
    """No more than two points a column, its lowest and its highest, so that no peak is lost; the ends always stay."""
    if len(found) <= 2 * columns:
        return found
    first, last = found[0], found[-1]
    wide = (last[0] - first[0]) / columns or 1.0
    kept = [first]
    for _, group in groupby(found[1:-1], key=lambda point: int((point[0] - first[0]) / wide)):
        column = list(group)
        ends = min(column, key=lambda point: point[1]), max(column, key=lambda point: point[1])
        kept += sorted(set(ends))
    return [*kept, last]


def _grid(frame: _Frame, levels: Sequence[tuple[float, str]]) -> Iterator[Html]:
    width, bottom = frame.shape.width - RIGHT, frame.bottom
    for level, label in levels:
        y = frame.y(level)
        yield tag("line", x1=frame.left, x2=width, y1=y, y2=y, cls="grid")
        yield tag("text", label, x=frame.left - 8, y=y + 4, cls="level")
    for step in (one for one in ticks(0, frame.end, frame.shape.steps) if one <= frame.end and one == int(one)):
        x = frame.x(step)
        shown = number(step)
        centred = x + LETTER * len(shown) / 2 < frame.shape.width
        yield tag("line", x1=x, x2=x, y1=bottom, y2=bottom + 5, cls="grid")
        yield tag(
            "text", shown, x=x if centred else frame.shape.width, y=bottom + 19, cls="step" if centred else "level"
        )
    yield tag("text", "step", x=(frame.left + width) / 2, y=frame.shape.height - 4, cls="step")


def _break(frame: _Frame, step: float) -> Html:
    x = frame.x(step)
    return tag(
        "line", tag("title", f"resumed at step {number(step)}"), x1=x, x2=x, y1=TOP, y2=frame.bottom, cls="break"
    )


def _line(frame: _Frame, line: Line) -> Iterator[Html]:
    if not line.points:
        return
    shown = thinned(line.points, round(frame.shape.width - frame.left - RIGHT))
    placed = points((frame.x(x, line.run), frame.y(y)) for x, y in shown)
    yield tag("polyline", points=placed, cls=f"{line.look} r{line.run}")
    if line.look == "line":
        x, y = line.points[-1]
        yield _mark(line.run, frame.x(x, line.run), frame.y(y), "end")


def _dot(frame: _Frame, dot: Dot) -> Iterator[Html]:
    x = frame.x(dot.x, dot.run)
    if dot.low is not None and dot.high is not None:
        yield tag("line", x1=x, x2=x, y1=frame.y(dot.low), y2=frame.y(dot.high), cls=f"bar r{dot.run}")
    yield _mark(dot.run, x, frame.y(dot.y), "dot")


def _mark(run: int, x: float, y: float, look: str) -> Html:
    return tag("path", d=_MARKS[run % MOST], transform=f"translate({x:.1f} {y:.1f})", cls=f"{look} r{run % MOST}")
