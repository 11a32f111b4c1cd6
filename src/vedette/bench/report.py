"""All runs of a folder beside what others published: a Markdown table, and a page with dot plots (SVG, no script)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from vedette.bench.catalog import benchmarks
from vedette.bench.measured import Measured, of_benchmarks
from vedette.bench.rows import Row
from vedette.bench.scoring import lower_is_better
from vedette.config import Settings, load_toml

PEERS = Path(__file__).with_name("peers.toml")
STYLE = Path(__file__).with_name("report.css")
ABOUT = """Filled dots were run here; bars are 95 % intervals over items. Hollow dots are what others published for the
same items and protocol. Figures of other item sets or protocols are listed below each plot, not drawn."""


class Shape(NamedTuple):
    """Of a plot, in pixels at its full size. Without room at the left, names stand above their dots."""

    name: str
    width: int
    left: int
    right: int
    line: int


SHAPES = (Shape("broad", 760, 250, 60, 26), Shape("narrow", 360, 12, 48, 40))  # the page's style shows one of them


class Peer(Settings):
    benchmark: str
    name: str
    value: float
    n: int = Field(gt=0, description="items that it was measured on")
    low: float | None = None
    high: float | None = None
    protocol: str
    source: str
    date: str


class Peers(Settings):
    peer: list[Peer]


@cache
def peers() -> tuple[Peer, ...]:
    return tuple(load_toml(PEERS, Peers).peer)


def comparable(run: Measured) -> list[Peer]:
    """Those of the same benchmark, number of items and protocol: nobody else is ranked with it."""
    return [p for p in peers() if (p.benchmark, p.n, p.protocol) == (run.benchmark, run.n, run.protocol)]


def others(run: Measured) -> list[Peer]:
    """Of the same benchmark, but measured otherwise: told, never ranked."""
    return [p for p in peers() if p.benchmark == run.benchmark and p not in comparable(run)]


def value_of(row: Row, digits: int = 1) -> str:
    """Shares in percent, points as they are, with the interval."""
    points = "deviation" in str(row["name"])
    times, places = (1.0, 2) if points else (100.0, digits)
    low, high = row.get("low"), row.get("high")
    text = f"{times * row['value']:.{places}f}"
    return text if low is None or high is None else f"{text} [{times * low:.{places}f}, {times * high:.{places}f}]"


def markdown(found: Sequence[Measured]) -> str:
    lines = ["| benchmark | protocol | n | model | measure | value [95 %] | invalid, % | published by others |"]
    lines.append("|---|---|--:|---|---|---|--:|---|")
    for runs in of_benchmarks(found).values():
        for place, run in enumerate(runs):
            invalid = next((100 * r["value"] for r in run.rows if r["name"] == "invalid"), 0.0)
            told = "" if place else "; ".join(f"{p.name} {_plain(p.value, run)}" for p in comparable(run))
            lines.append(
                f"| {run.benchmark} | {run.protocol} | {run.n:,} | {run.model} | {run.headline['name']} |"
                f" {value_of(run.headline)} | {invalid:.1f} | {told} |"
            )
    return "\n".join(lines) + "\n"


def _plain(value: float, run: Measured) -> str:
    return f"{value:.2f}" if lower_is_better(run.kind) else f"{100 * value:.1f}"


def html(found: Sequence[Measured], title: str = "Benchmarks") -> str:
    parts = [
        "<!doctype html>", '<html lang="en">', '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; style-src \'unsafe-inline\'">',
        f"<title>{escape(title)}</title>", f"<style>{STYLE.read_text(encoding='utf-8')}</style>",
        f"<h1>{escape(title)}</h1>",
        f"<p>{ABOUT}</p>",
    ]  # fmt: skip
    for runs in of_benchmarks(found).values():
        parts += _section(runs)
    if not found:
        parts.append("<p>No run yet: <code>vedette bench run</code> writes some.</p>")
    return "\n".join([*parts, "</html>", ""])


def _section(runs: Sequence[Measured]) -> Iterable[str]:
    first = runs[0]
    known = benchmarks().get(first.benchmark)
    better = "lower is better" if lower_is_better(first.kind) else "higher is better"
    yield f"<section><h2>{escape(known.title if known else first.benchmark)}</h2>"
    yield f"<p>{escape(str(first.headline['name']))}, {better}; protocol {escape(first.protocol)}; n = {first.n:,}</p>"
    for shape in SHAPES:
        yield plot(runs, comparable(first), known.chance if known else 0.0, shape)
    yield '<div class="wide"><table><tr><th>model<th>measure<th>value [95 %]<th>n</tr>'
    for run in runs:
        for row in run.rows:
            cells = (run.model, row["name"], value_of(row), f"{row['n']:,}")
            yield "<tr>" + "".join(f"<td>{escape(str(cell))}" for cell in cells) + "</tr>"
    yield "</table></div>"
    yield from _slices(runs)
    yield "<ul>"
    for peer in comparable(first):
        yield f"<li>{escape(peer.name)}: {_plain(peer.value, first)}, {escape(peer.source)}, {escape(peer.date)}</li>"
    for peer in others(first):
        told = f"{escape(peer.name)}: {_plain(peer.value, first)} on {peer.n:,} items, protocol {escape(peer.protocol)}"
        yield f'<li class="other">{told}, {escape(peer.source)} (not comparable)</li>'
    yield "</ul>"
    for run in runs:
        yield from _reliability(run)
    for run in runs:
        made = ", ".join(f"{name} {number}" for name, number in run.versions.items())
        tokens = f"{run.tokens.get('in', 0):,} tokens in, {run.tokens.get('out', 0):,} out"
        taken = "".join(f" {part} {joules:,.0f} J;" for part, joules in run.joules.items())
        time = f"{run.seconds:,.1f} s of model time;{taken}"
        about = f"{run.model} is {run.exact_model}; {time} {tokens}; {made}; {run.made}"
        yield f'<p class="small">{escape(about)}</p>'
    for name, digest in first.files.items():
        yield f'<p class="small">{escape(name)} <code>{escape(digest[:16])}</code></p>'
    yield "</section>"


def _slices(runs: Sequence[Measured]) -> Iterable[str]:
    for name in dict.fromkeys(name for run in runs for name in run.slices if run.slices[name]):
        yield f"<details><summary>By {escape(name)}</summary>"
        yield f'<div class="wide"><table><tr><th>{escape(name)}<th>model<th>value [95 %]<th>n</tr>'
        found = [(row, run.model) for run in runs for row in run.slices.get(name, ())]
        for row, model in sorted(found, key=lambda one: str(one[0]["name"])):
            cells = (row["name"], model, value_of({**row, "name": row["measure"]}), f"{row['n']:,}")
            yield "<tr>" + "".join(f"<td>{escape(str(cell))}" for cell in cells) + "</tr>"
        yield "</table></div></details>"


def _reliability(run: Measured) -> Iterable[str]:
    found = run.calibration
    if not found:
        return
    error = value_of({"name": "", "value": found.error, "low": found.low, "high": found.high})
    yield f"<details><summary>Calibration of {escape(run.model)}: error {error} %, n = {found.n:,}</summary>"
    yield '<div class="wide"><table><tr><th>said, %<th>mean<th>right, %<th>n</tr>'
    for one in found.bins:
        cells = (f"{100 * one.low:.0f}–{100 * one.high:.0f}", f"{100 * one.probability:.1f}", f"{100 * one.right:.1f}")
        yield "<tr>" + "".join(f"<td>{cell}" for cell in (*cells, f"{one.n:,}")) + "</tr>"
    yield "</table></div></details>"


def plot(runs: Sequence[Measured], published: Sequence[Peer], chance: float, shape: Shape = SHAPES[0]) -> str:
    """One line a model: a dot with its interval."""
    dots = [(r.model, r.headline["value"], r.headline.get("low"), r.headline.get("high"), True) for r in runs]
    dots += [(p.name, p.value, p.low, p.high, False) for p in published]
    lower = lower_is_better(runs[0].kind)
    dots.sort(key=lambda dot: dot[1] * (1 if lower else -1))
    known = [v for _, value, low, high, _ in dots for v in (value, low, high) if v is not None]
    start, end = (0.0, max([*known, 1.0])) if lower else (0.0, 1.0)
    height = shape.line * len(dots) + 40
    above = shape.name == "narrow"

    def x(value: float) -> float:
        return shape.left + (value - start) / (end - start) * (shape.width - shape.left - shape.right)

    label = escape(runs[0].benchmark)
    parts = [f'<svg class="{shape.name}" viewBox="0 0 {shape.width} {height}" role="img" aria-label="{label}">']
    for step in range(5):
        at = start + step / 4 * (end - start)
        label = f"{at:.1f}" if lower else f"{100 * at:.0f}"
        parts.append(f'<line class="grid" x1="{x(at):.1f}" x2="{x(at):.1f}" y1="8" y2="{height - 24}"/>')
        parts.append(f'<text class="axis" x="{x(at):.1f}" y="{height - 8}">{label}</text>')
    if chance and not lower:
        parts.append(f'<line class="chance" x1="{x(chance):.1f}" x2="{x(chance):.1f}" y1="8" y2="{height - 24}"/>')
    for place, (name, value, low, high, own) in enumerate(dots):
        y = (32 if above else 20) + shape.line * place
        start_of = (4, y - 12) if above else (shape.left - 12, y + 4)
        parts.append(f'<text class="name" x="{start_of[0]}" y="{start_of[1]}">{escape(_short(name))}</text>')
        if low is not None and high is not None:
            parts.append(
                f'<line class="bar{"" if own else " other"}" x1="{x(low):.1f}" x2="{x(high):.1f}" y1="{y}" y2="{y}"/>'
            )
        parts.append(f'<circle class="{"own" if own else "peer"}" cx="{x(value):.1f}" cy="{y}" r="5"/>')
        shown = f"{value:.2f}" if lower else f"{100 * value:.1f}"
        parts.append(f'<text class="value" x="{shape.width - shape.right + 12}" y="{y + 4}">{shown}</text>')
    return "\n".join([*parts, "</svg>"])


def _short(name: str, most: int = 34) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
