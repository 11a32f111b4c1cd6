"""What the plot shows, in words and figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from vedette.connect.sinks.html.build import Html, tag
from vedette.train.slm.chart import swatch
from vedette.train.slm.curve import Dev, Run, Step, Summary, smoothed, span, summary, took, wilson

ROWS, MARKS = 60, 24  # at most: of a table, of a line
NONE = "–"

Told = Callable[[int], str]  # of a step
Value = Callable[[Step], float | None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Named:
    name: str
    run: Run


def times(factor: float, value: float | None) -> float | None:
    return None if value is None else factor * value


def some(found: Sequence[T], most: int) -> list[T]:
    """At most so many, evenly spaced, with the first and the last."""
    if len(found) <= most:
        return list(found)
    return [found[round(place * (len(found) - 1) / (most - 1))] for place in range(most)]


def state(run: Run) -> str:
    return run.stop.why if run.stop else "no end yet"


def shown(value: float | None, form: str = ".4g") -> str:
    return NONE if value is None else format(value, form)


def share(right: int, n: int) -> str:
    """In percent, with its interval."""
    if not n:
        return NONE
    low, high = wilson(right, n)
    return f"{100 * right / n:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def facts(runs: Sequence[Named]) -> Html:
    """A column a run."""
    told = [summary(one.run) for one in runs]
    rows = [("state", [state(one.run) for one in runs])]
    rows += [(name, [value(found) for found in told]) for name, value in _FACTS]
    head = (tag("th", swatch(place), one.name, scope="col") for place, one in enumerate(runs))
    lines = ((name, cells) for name, cells in rows if any(cell != NONE for cell in cells))
    return _table("run", head, lines, "State of each run")


_FACTS: tuple[tuple[str, Callable[[Summary], str]], ...] = (
    ("steps", lambda told: f"{told.step:,} of {told.steps:,}"),
    ("tokens", lambda told: f"{told.tokens:,}"),
    ("tokens learned from", lambda told: f"{told.answers:,}"),
    ("time of steps", lambda told: took(told.seconds)),
    ("loss, smoothed", lambda told: shown(told.loss)),
    ("dev loss, last", lambda told: _dev(told.dev)),
    ("dev loss, best", lambda told: _dev(told.best)),
    ("probe, % [95 %]", lambda told: share(told.probe.right, told.probe.n) if told.probe else NONE),
    ("tokens/s, median", lambda told: shown(told.typical, ",.0f")),
    ("MFU, %, median", lambda told: shown(times(100, told.mfu), ".1f")),
    ("memory, GB", lambda told: shown(times(1e-9, told.memory), ".2f")),
)


def _dev(dev: Dev | None) -> str:
    return f"{shown(dev.loss)} (step {dev.step:,})" if dev else NONE


def notes(runs: Sequence[Named]) -> Iterator[Html]:
    """What is odd about a run."""
    for one in runs:
        run = one.run
        lost = len(run.steps) - len(run.series(lambda step: step.loss))
        told = (
            f"resumed at step {', '.join(f'{step:,}' for step in run.resumes)}" if run.resumes else "",
            f"at {lost:,} of {len(run.steps):,} steps the loss was no number" if lost else "",
            f"{run.unread:,} lines cannot be read" if run.unread else "",
            "the last line is not whole" if run.torn else "",
        )
        if any(told):
            yield tag("p", f"{one.name}: {'; '.join(filter(None, told))}.", cls="small")


def by_task(runs: Sequence[Named]) -> Html | None:
    last = [one.run.probes[max(one.run.probes)].tasks if one.run.probes else {} for one in runs]
    tasks = sorted({task for probe in last for task in probe})
    if not tasks:
        return None
    lines = ((task, [_task(probe.get(task)) for probe in last]) for task in tasks)
    head = (tag("th", one.name, scope="col") for one in runs)
    said = "The last probe by task"
    return tag("details", tag("summary", said), _table("task", head, lines, said))


def _task(found: tuple[int, int] | None) -> str:
    return f"{found[0]:,} of {found[1]:,}: {share(*found)}" if found else NONE


def measurements(one: Named, opened: bool) -> Html:
    """Where something was measured, and the first and last step."""
    run, means = one.run, _means(one.run)
    wanted = sorted({*run.devs, *run.probes, *([min(run.steps), max(run.steps)] if run.steps else ())})
    steps = some(wanted, ROWS)
    columns = [(name, of) for name, of in _columns(run, means) if any(of(step) != NONE for step in steps)]
    lines = ((f"{step:,}", [of(step) for _, of in columns]) for step in steps)
    head = (tag("th", name, scope="col") for name, _ in columns)
    said = f"{len(steps):,} of {len(wanted):,} measurements; each step is in curve.jsonl."
    table = _table("step", head, lines, f"Measurements of {one.name}", numbers=True)
    return tag("details", tag("summary", one.name), tag("p", said, cls="small"), table, open=opened)


def _means(run: Run) -> dict[int, float]:
    series = run.series(lambda step: step.loss)
    means = smoothed([value for _, value in series], span(len(series)))
    return {step: mean for (step, _), mean in zip(series, means, strict=True)}


def _columns(run: Run, means: dict[int, float]) -> list[tuple[str, Told]]:
    def of(value: Value, form: str) -> Told:
        return lambda at: shown(value(run.steps[at]) if at in run.steps else None, form)

    return [
        ("loss, smoothed", lambda at: shown(means.get(at))),
        ("dev loss", lambda at: shown(run.devs[at].loss) if at in run.devs else NONE),
        ("probe, % [95 %]", lambda at: share(run.probes[at].right, run.probes[at].n) if at in run.probes else NONE),
        ("tokens/s", of(lambda step: step.tokens_per_second, ",.0f")),
        ("MFU, %", of(lambda step: times(100, step.mfu), ".1f")),
        ("memory, GB", of(lambda step: times(1e-9, step.memory), ".2f")),
        ("learning rate", of(lambda step: step.rate, ".2e")),
    ]


def _table(
    first: str, head: Iterator[Html], lines: Iterator[tuple[str, list[str]]], said: str, numbers: bool = False
) -> Html:
    """Rows of a name and its cells, which can be scrolled where they are too wide."""
    rows = (tag("tr", tag("th", name, scope="row"), (tag("td", cell) for cell in cells)) for name, cells in lines)
    top = tag("thead", tag("tr", tag("th", first, scope="col"), head))
    table = tag("table", top, tag("tbody", rows), cls="numbers" if numbers else "facts")
    return tag("div", table, cls="wide", tabindex=0, role="region", aria_label=said)
