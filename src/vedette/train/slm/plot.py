"""The curves of one or more trainings as one page: inline SVG, no script, nothing from elsewhere."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from vedette.connect.sinks.html.build import Html, tag
from vedette.errors import ConfigError
from vedette.train.slm import plot_tables as tables
from vedette.train.slm.chart import BROAD, MOST, NARROW, Chart, Dot, Line, svg, swatch
from vedette.train.slm.curve import smoothed, span, wilson
from vedette.train.slm.plot_tables import MARKS, Named, Value, some, times

STYLE = Path(__file__).with_name("plot.css")
RAW = 3  # runs whose values are drawn behind their smoothed lines; more would cover each other


@dataclass(frozen=True, slots=True)
class Panel:
    """One value over the steps; `noisy`: smoothed, with the raw one behind it."""

    name: str
    title: str
    value: Value
    noisy: bool = False


PANELS = (
    Panel("speed", "Tokens a second", lambda step: step.tokens_per_second, noisy=True),
    Panel("mfu", "Model FLOPs utilisation, %", lambda step: times(100, step.mfu), noisy=True),
    Panel("memory", "Memory at the peak, GB", lambda step: times(1e-9, step.memory)),
    Panel("rate", "Learning rate", lambda step: step.rate),
    Panel("norm", "Gradient norm before clipping", lambda step: step.norm, noisy=True),
)


def html(runs: Sequence[Named]) -> str:
    """Raises ConfigError for more runs than can be told from each other."""
    if len(runs) > MOST:
        what = f"{len(runs)} runs cannot be told from each other in one plot"
        raise ConfigError(what, remedy=f"give at most {MOST}")
    title = f"Training: {_names(runs)}" if runs else "Training"
    parts = _parts(runs) if any(one.run.steps for one in runs) else _empty(runs)
    page = tag("html", _head(title), tag("body", tag("main", tag("h1", title), parts)), lang="en")
    return f"<!DOCTYPE html>\n{page}\n"


@cache
def _style() -> Html:
    return Html(STYLE.read_text("utf-8"))


def _head(title: str) -> Html:
    digest = b64encode(sha256(_style().encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", _style()),
    )


def _empty(runs: Sequence[Named]) -> Iterator[Html]:
    yield tag("p", "No step was measured yet.")
    yield from tables.notes(runs)


def _parts(runs: Sequence[Named]) -> Iterator[Html]:
    yield tag("section", tag("h2", "State"), tables.facts(runs), tables.notes(runs))
    yield _losses(runs)
    if any(probe.n for one in runs for probe in one.run.probes.values()):
        yield _probes(runs)
    panels = [chart for panel in PANELS if (chart := _panel(panel, runs))]
    figures = (tag("div", tag("h3", chart.title), svg(chart, NARROW)) for chart in panels)
    yield tag("section", tag("h2", "Speed, memory, learning"), _keys(runs), tag("div", figures, cls="panels"))
    yield tag("section", tag("h2", "Measurements"), (tables.measurements(one, len(runs) == 1) for one in runs))


def _losses(runs: Sequence[Named]) -> Html:
    lines: list[Line] = []
    dots: list[Dot] = []
    for place, one in enumerate(runs):
        measured = one.run.dev_losses()
        lines += _drawn(place, one.run.series(lambda step: step.loss), noisy=True, raw=len(runs) <= RAW)
        lines.append(Line(place, measured, "thin"))
        dots += [Dot(place, step, loss) for step, loss in some(measured, MARKS)]
    breaks = runs[0].run.resumes if len(runs) == 1 else ()
    chart = Chart("loss", "Loss", _said("Loss", runs), _end(runs), lines, dots, "logarithmic", breaks)
    over = max(span(len(one.run.steps)) for one in runs)
    about = "Mean over the tokens that are learned from; a wide range is drawn on a logarithmic scale. "
    about += f"Line: smoothed over about {over:,} steps"
    about += ", the raw loss behind it" if len(runs) <= RAW else ""
    about += "; hollow marks: dev loss" if dots else ""
    about += "; dotted: resumed" if breaks else ""
    return _section("Loss", f"{about}.", runs, chart)


def _probes(runs: Sequence[Named]) -> Html:
    lines: list[Line] = []
    dots: list[Dot] = []
    for place, one in enumerate(runs):
        asked = [probe for _, probe in sorted(one.run.probes.items()) if probe.n]
        lines.append(Line(place, [(probe.step, 100 * probe.right / probe.n) for probe in asked], "thin"))
        for probe in some(asked, MARKS):
            low, high = wilson(probe.right, probe.n)
            dots.append(Dot(place, probe.step, 100 * probe.right / probe.n, 100 * low, 100 * high))
    chart = Chart("probe", "Probe, % right", _said("Right answers of the probe", runs), _end(runs), lines, dots)
    about = "Questions of the dev side that were answered right, %; bars: 95 % intervals (Wilson)."
    return _section("Probe", about, runs, chart, tables.by_task(runs))


def _section(title: str, about: str, runs: Sequence[Named], chart: Chart, below: Html | None = None) -> Html:
    drawn = svg(chart, BROAD), svg(chart, NARROW)  # the page's style shows one of them
    return tag("section", tag("h2", title), tag("p", about, cls="small"), _keys(runs), drawn, below)


def _panel(panel: Panel, runs: Sequence[Named]) -> Chart | None:
    lines: list[Line] = []
    for place, one in enumerate(runs):
        lines += _drawn(place, one.run.series(panel.value), panel.noisy, raw=len(runs) <= RAW)
    if not lines:
        return None
    return Chart(panel.name, panel.title, _said(panel.title, runs), _end(runs), lines)


def _drawn(place: int, series: Sequence[tuple[int, float]], noisy: bool, raw: bool) -> Iterator[Line]:
    if not series:
        return
    if not noisy:
        yield Line(place, series)
        return
    means = smoothed([value for _, value in series], span(len(series)))
    if raw:
        yield Line(place, series, "faint")
    yield Line(place, [(step, mean) for (step, _), mean in zip(series, means, strict=True)])


def _end(runs: Sequence[Named]) -> int:
    return max(max([0, *one.run.steps, *one.run.devs, *one.run.probes]) for one in runs)


def _said(title: str, runs: Sequence[Named]) -> str:
    return f"{title} over {_end(runs):,} steps of {_names(runs)}; the tables of this page have the figures."


def _names(runs: Sequence[Named]) -> str:
    return f"{len(runs)} runs" if len(runs) > RAW else ", ".join(one.name for one in runs)


def _keys(runs: Sequence[Named]) -> Html | None:
    if len(runs) < 2:
        return None
    return tag("ul", (tag("li", swatch(place), one.name) for place, one in enumerate(runs)), cls="keys")
