"""The queue on a terminal: readable from 80 columns, plain when it is piped."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

from rich.box import Box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vedette.connect.sinks import wording
from vedette.guard.neutralise import printable
from vedette.types import Background, Case, Explanation, Queue, Reason, Severity, Verdict

NARROW = 60  # columns; less is not laid out for
ROWS = 40
WIDE = 110
_REJECTS = 5
_DAYS = 31
_NAMES = 3
_RULE = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
_STYLES = {
    Verdict.ESCALATE: "bold red",
    Verdict.INVESTIGATE: "yellow",
    Verdict.UNDECIDED: "cyan",
    Verdict.LIKELY_BENIGN: "green",
}
_SEVERE = {Severity.CRITICAL: "bold red", Severity.HIGH: "red", Severity.MEDIUM: "yellow"}


def render(queue: Queue, width: int = 80, color: bool = False, top: int = 3, rows: int = ROWS) -> str:
    """`top` cases that need a look are explained; `rows` cases are listed, all of them where it is 0."""
    return rendered(_parts(queue, max(width, NARROW), top, rows), width, color)


def rendered(parts: Iterable[RenderableType], width: int = 80, color: bool = False) -> str:
    """As text of `width` columns, without blanks at the ends of lines."""
    out = io.StringIO()
    console = Console(
        file=out,
        width=max(width, NARROW),
        force_terminal=color,
        color_system="standard" if color else None,
        legacy_windows=False,
        highlight=False,
        markup=False,
        emoji=False,
        _environ={},
    )
    for part in parts:
        console.print(part)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def _parts(queue: Queue, width: int, top: int, rows: int) -> Iterator[RenderableType]:
    yield Text(wording.headline(queue), style="bold")
    yield from (Text(f"Note: {printable(note)}", style="yellow") for note in queue.notes)
    if queue.cases:
        shown = queue.cases[: rows or len(queue.cases)]
        yield ""
        yield _table(shown, width, many_days=len(queue.days) > 1)
        if len(shown) < len(queue.cases):
            left = len(queue.cases) - len(shown)
            yield Text(f"… and {_more(left)}; all are in {wording.FULL_LIST}", style="dim")
        urgent = [case for case in queue.cases if case.verdict in wording.NEEDS_A_LOOK]
        for case in urgent[:top]:
            yield from _details(case)
    else:
        yield Text(wording.why_empty(queue))
    yield from _days(queue)
    yield from _rejects(queue)
    yield ""
    yield Text(wording.balance(queue.counts), style="dim" if wording.missing(queue.counts) == 0 else "bold red")


def _more(left: int) -> str:
    return f"{left:,} more case" + ("" if left == 1 else "s")


def _table(cases: tuple[Case, ...], width: int, many_days: bool) -> Table:
    wide = width >= WIDE
    table = Table(box=_RULE, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold", expand=True, show_edge=False)
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("prob.", justify="right", no_wrap=True)
    table.add_column("severity", no_wrap=True)
    table.add_column("case", ratio=3, overflow="fold")
    table.add_column("alerts", justify="right", no_wrap=True)
    if wide:
        table.add_column("time span (UTC)", no_wrap=True)
        table.add_column("tactics", ratio=2, overflow="fold")
    for case in cases:
        table.add_row(*_row(case, wide, many_days and not wide))
    return table


def _row(case: Case, wide: bool, with_day: bool) -> list[RenderableType]:
    hosts = printable(wording.few(case.hosts, 2), 60)
    where = f"{case.day} {hosts}" if with_day else hosts
    cells: list[RenderableType] = [
        str(case.rank),
        Text(wording.verdict(case).replace(", closed", "\nclosed"), style=_STYLES[case.verdict]),
        wording.percent(case.probability),
        Text(wording.severity(case.severity), style=_SEVERE.get(case.severity, "")),
        Text.assemble(printable(case.title, 160), "\n", (where, "dim")),
        f"{case.alerts:,}",
    ]
    if wide:
        cells.append(wording.span(case.first, case.last, "%m-%d"))
        names = (wording.tactic(name, case.background) for name in case.tactics)
        cells.append(Text(printable(" → ".join(names), 200)))
    return cells


def _details(case: Case) -> Iterator[RenderableType]:
    yield ""
    yield Text.assemble(
        (f"#{case.rank} {wording.verdict(case)} {wording.percent(case.probability)}", _STYLES[case.verdict]),
        f"  {case.day}  ",
        (printable(case.title, 160), "bold"),
    )
    yield _indented(Text(printable(case.summary, 600)), 2)
    if case.continues:
        yield _indented(Text(f"continues {printable(case.continues)}", style="dim"), 2)
    yield _indented(Text("why", style="bold"), 2)
    yield _indented(_reasons(case.reasons), 4)
    if case.explanation:
        yield _indented(Text(printable(wording.said_by(case.explanation)), style="bold"), 2)
        yield _indented(_said(case.explanation), 4)
    if case.next_steps:
        yield _indented(Text("next", style="bold"), 2)
        yield _indented(_steps(case.next_steps), 4)
    if case.background and (case.techniques or case.background.inferred):
        yield _indented(_background(case.background), 2)
    yield from (_indented(Text(f"excused: {printable(note)}", style="dim"), 2) for note in case.excused)


def _reasons(reasons: tuple[Reason, ...]) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(overflow="fold")
    for reason in reasons:
        refs = printable(wording.few(reason.refs, 2), 200)
        grid.add_row(wording.percent(reason.share), Text.assemble(printable(reason.text), "  ", (refs, "dim")))
    return grid


def _said(told: Explanation) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for claim in told.claims:
        quote = f"  {wording.quoted(claim)}: “{printable(claim.quote)}”" * bool(claim.quote)
        refs = printable(wording.few(claim.refs, 2), 200)
        grid.add_row("·", Text.assemble(printable(claim.text, 1_400), (quote, "italic"), "  ", (refs, "dim")))
    for mark, words in (("↑", wording.advice(told)), ("…", wording.omitted(told))):
        if words:
            grid.add_row(mark, Text(printable(words, 600), style="bold" if mark == "↑" else "dim"))
    return grid


def _steps(steps: tuple[str, ...]) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(overflow="fold")
    for number, step in enumerate(steps, 1):
        grid.add_row(f"{number}.", Text(printable(step)))
    return grid


def _background(known: Background) -> Table:
    techniques = tuple(wording.technique(told.id, known) for told in known.techniques)
    mitigations = tuple(map(wording.mitigation, known.mitigations))
    rows = {
        "techniques": _some(techniques, len(techniques)),
        "inferred": _inferred(known),
        "mitigations": _some(mitigations, len(mitigations) + known.other_mitigations),
        "groups": wording.users(known),
    }
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for name, words in rows.items():
        if words:
            grid.add_row(name, Text(printable(words, 600)))
    return grid


def _inferred(known: Background) -> str:
    """Marked here, too: the row stands among what rules state."""
    if not known.inferred:
        return ""
    names = tuple(f"{wording.inferred(one)} ({wording.inferred_from(one)})" for one in known.inferred)
    return f"{_some(names, len(names))}; by the experts, not stated by a rule, not counted"


def _some(names: tuple[str, ...], of: int) -> str:
    shown = names[:_NAMES]
    return "; ".join(shown + ((f"{of - len(shown):,} more",) if of > len(shown) else ()))


def _days(queue: Queue) -> Iterator[RenderableType]:
    if len(queue.days) < 2:
        return
    table = Table(box=_RULE, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold", show_edge=False)
    table.add_column("day (UTC)")
    table.add_column("cases", justify="right")
    table.add_column("escalated", justify="right")
    for day, cases, escalated in queue.days[-_DAYS:]:
        table.add_row(Text(printable(day)), f"{cases:,}", f"{escalated:,}")
    yield ""
    yield table
    if len(queue.days) > _DAYS:
        yield Text(f"the last {_DAYS} of {len(queue.days):,} days", style="dim")


def _rejects(queue: Queue) -> Iterator[RenderableType]:
    if not queue.counts.rejected:
        return
    yield ""
    yield Text(f"Rejected: {wording.plural(queue.counts.rejected, 'record')}", style="bold")
    for reject in queue.rejects[:_REJECTS]:
        text = f"{printable(reject.ref, 120)}: {printable(reject.reason, 200)}; {printable(reject.remedy, 200)}"
        yield _indented(Text(text), 2)
    if queue.reject_file:
        yield _indented(Text(f"all of them: {printable(queue.reject_file)}", style="dim"), 2)


def _indented(content: RenderableType, columns: int) -> Padding:
    return Padding(content, (0, 0, 0, columns))
