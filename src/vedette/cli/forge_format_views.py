"""How formats, trials and reviews look on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vedette.cli.terminal import indented, listing, paragraphs, plural, safe
from vedette.forge.agreement import Agreement
from vedette.forge.format import Format, Line, Section
from vedette.forge.review import Opinion, Reviews
from vedette.forge.shelf import Held
from vedette.forge.trial import Trial

_WIDE = 72  # columns from which two answers stand side by side
_ANSWER = 2_400  # characters of an answer that are shown here; the page has all


def listed(held: Sequence[Held], width: int) -> Iterator[RenderableType]:
    if not held:
        yield "No formats."
        return
    table = listing()
    for head in ("format", "state", "whose", "items", "sha256"):
        table.add_column(head, no_wrap=True, justify="right" if head == "items" else "left")
    table.add_column("for", ratio=1)
    for one in held:
        made = one.format
        state = Text("not usable", style="bold red") if one.fault else Text(made.status if made else "")
        cells = (str(len(made.lines)), made.sha256[:12], ", ".join(made.tasks)) if made else ("", "", "")
        table.add_row(one.label, state, "shipped" if one.shipped else "yours", *cells)
    yield table
    for one in held:
        if one.fault:
            yield ""
            yield Text(safe(str(one.fault), 2_000), style="red")


def shown(made: Format, held: Held, width: int) -> Iterator[RenderableType]:
    yield Text(f"{made.label}, {made.status}, {'shipped' if held.shipped else 'yours'}", style="bold")
    yield Text(f"for {', '.join(made.tasks)}; sha256 {made.sha256[:16]}", style="dim")
    for section in Section:
        yield ""
        yield Text(section, style="bold")
        for number, text in enumerate(made.of(section), start=1):
            mark = f"{number}." if section is Section.STEPS else "" if section.prose else "-"
            yield _marked(mark, safe(text, 10_000))


def _marked(mark: str, text: str, style: str = "") -> Table:
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=3, justify="right")
    grid.add_column(ratio=1)
    grid.add_row(mark, Text(text, style=style))
    return grid


def asked(line: Line, number: int, count: int, width: int) -> Iterator[RenderableType]:
    yield ""
    yield Text(f"{number}/{count}  {line.section}", style="bold")
    yield indented(Text(safe(line.text, 10_000)))


def compared(made: Format, trials: Sequence[Trial], width: int) -> Iterator[RenderableType]:
    passed = sum(trial.passes for trial in trials)
    yield Text(f"{made.label}: {passed} of {plural(len(trials), 'answer')} would be kept", style="bold")
    for number, trial in enumerate(trials, start=1):
        yield ""
        yield Text(f"{number}. {safe(trial.sample.task)}".rstrip(), style="bold")
        yield indented(Text(_cut(trial.sample.question)))
        yield ""
        yield Padding(_pair(_cut(trial.sample.answer), _cut(trial.after) or "–", width - 2), (0, 0, 0, 2))
        for remark in trial.remarks:
            yield indented(Text(safe(remark), style="red"))


def _pair(before: str, after: str, width: int) -> RenderableType:
    if width < _WIDE:
        table = listing()
        table.add_column("before, then after")
        table.add_row(Text(before))
        table.add_row("")
        table.add_row(Text(after))
        return table
    table = listing()
    table.padding = (0, 2, 0, 0)
    for head in ("before", "after"):
        table.add_column(head, width=(width - 4) // 2, overflow="fold")
    table.add_row(Text(before), Text(after))
    return table


def _cut(text: str) -> str:
    more = len(text) - _ANSWER
    return paragraphs(text[:_ANSWER]) + (f"\n… [+{more:,} characters, on the page]" if more > 0 else "")


def agreed(reviews: Reviews, found: Sequence[Agreement], width: int) -> Iterator[RenderableType]:
    yield Text(f"{reviews.made.label}: {plural(len(reviews.made.lines), 'item')}", style="bold")
    for name in reviews.reviewers:
        yield f"  {safe(name)} decided {len(reviews.of(name))}"
    if not found:
        yield "No two reviewers decided the same item yet."
    for one in found:
        yield ""
        yield Text(" and ".join(map(safe, one.reviewers)), style="bold")
        yield _figures(one)
        yield from _differences(reviews, one)


def _figures(one: Agreement) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 2))
    if one.kappa is None or one.kappa_interval is None:
        grid.add_row("Cohen's kappa", "not defined: both gave one and the same verdict throughout", "")
    else:
        grid.add_row("Cohen's kappa", f"{one.kappa:.2f} {_interval(one.kappa_interval)}", f"n = {one.n}")
    grid.add_row("exact agreement", f"{one.exact:.2f} {_interval(one.exact_interval)}", f"n = {one.n}")
    if one.rated:
        grid.add_row("ratings apart", f"{one.rating_gap:.1f} on average", f"n = {one.rated}")
    return grid


def _interval(bounds: tuple[float, float]) -> str:
    return f"[{bounds[0]:.2f}, {bounds[1]:.2f}]"


def _differences(reviews: Reviews, one: Agreement) -> Iterator[RenderableType]:
    first, second = (reviews.of(name) for name in one.reviewers)
    for line in reviews.made.lines:
        if line in first and line in second and _said(first[line]) != _said(second[line]):
            yield ""
            yield indented(Text(f"{line.section}: {safe(line.text, 200)}"))
            for name, opinion in zip(one.reviewers, (first[line], second[line]), strict=True):
                comment = f"  ({safe(opinion.comment)})" if opinion.comment else ""
                yield indented(Text(f"{safe(name)}: {_said(opinion)}{comment}"), 4)


def _said(opinion: Opinion) -> str:
    return f"{opinion.verdict}: {safe(opinion.text, 200)}" if opinion.text else str(opinion.verdict)
