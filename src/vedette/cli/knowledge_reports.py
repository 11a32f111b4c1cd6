"""What an import or a sync did, source by source: read, given, skipped, refused, and what went wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from vedette.cli.knowledge_views import WIDE
from vedette.cli.terminal import indented, listing, plural, safe

if TYPE_CHECKING:
    from vedette.knowledge.build import Outcome, Report
    from vedette.knowledge.sync import Download

EXAMPLES = 3  # refused records that are shown of one source


def report_parts(report: Report, seconds: float, width: int, listed: bool = False) -> Iterator[RenderableType]:
    yield from (Text(f"note: {safe(note, 1_000)}", style="yellow") for note in report.notes)
    good = [outcome for outcome in report.outcomes if outcome.error is None]
    if good:
        yield _table(good, wide=width >= WIDE)
    for outcome in good:
        yield from _left_out(outcome)
    yield from _unclaimed(report, listed)
    yield ""
    records = sum(outcome.unit.records for outcome in good)
    done = "the store is the new one" if report.swapped else "the store is as it was"
    yield Text(
        f"{plural(records, 'record')} of {plural(len(good), 'source')} in {seconds:,.1f} s; {done}", style="bold"
    )
    for outcome in report.outcomes:
        if outcome.error is not None:
            yield Text(f"failed: {outcome.unit.name}: {safe(str(outcome.error), 2_000)}", style="bold red")


def _table(outcomes: Sequence[Outcome], wide: bool) -> Table:
    table = listing()
    table.add_column("source", overflow="fold")
    if wide:
        table.add_column("release", overflow="fold")
    for name in ("read", "records", "added", "changed", "removed", "same", "skipped", "refused"):
        if wide or name not in ("same",):
            table.add_column(name, justify="right", no_wrap=True)
    for outcome in outcomes:
        table.add_row(*_row(outcome, wide))
    return table


def _row(outcome: Outcome, wide: bool) -> list[RenderableType]:
    unit, change = outcome.unit, outcome.change
    name = Text(safe(unit.name))
    if outcome.same_file:
        name.append("\n" if not wide else " ").append("(the same file)", style="dim")
    refused = sum(unit.refused.values())
    return [
        name,
        *([Text(" ".join(filter(None, (safe(unit.release, 40), unit.on))))] if wide else []),
        f"{unit.read:,}",
        f"{unit.records:,}",
        f"{change.added:,}",
        f"{change.changed:,}",
        f"{change.removed:,}",
        *([f"{change.unchanged:,}"] if wide else []),
        f"{sum(unit.skipped.values()):,}",
        Text(f"{refused:,}", style="yellow" if refused else ""),
    ]


def _left_out(outcome: Outcome) -> Iterator[RenderableType]:
    unit = outcome.unit
    if unit.skipped:
        yield Text.assemble((f"{unit.name} skipped: ", "dim"), _reasons(unit.skipped))
    if unit.refused:
        yield Text.assemble((f"{unit.name} refused: ", "yellow"), _reasons(unit.refused))
        for where, what in outcome.examples[:EXAMPLES]:
            yield indented(Text(f"{safe(where)}: {safe(what)}", style="dim"), 4)


def _reasons(counts: dict[str, int]) -> str:
    """The commonest first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return "; ".join(f"{count:,} {safe(reason)}" for reason, count in ordered)


def _unclaimed(report: Report, listed: bool) -> Iterator[RenderableType]:
    if not report.unclaimed:
        return
    hint = "" if listed else "; --list names them"
    yield Text(f"{plural(len(report.unclaimed), 'file')} without knowledge that Vedette reads{hint}", style="dim")
    if listed:
        yield from (indented(Text(safe(str(path)))) for path in report.unclaimed)


def downloads_parts(downloads: Sequence[Download]) -> Iterator[RenderableType]:
    table = Table.grid(padding=(0, 2, 0, 0))
    for one in downloads:
        if one.file:
            state = "new" if one.file.changed else "as it was"
            table.add_row(Text(safe(one.wanted.name)), f"{one.file.bytes / 1e6:,.1f} MB", Text(state, style="dim"))
    if table.row_count:
        yield Text("fetched", style="bold")
        yield indented(table)
        yield ""


def document(report: Report, seconds: float) -> dict[str, Any]:
    """For `--json`."""
    return {
        "seconds": round(seconds, 3),
        "new_store": report.swapped,
        "sources": [_source(outcome) for outcome in report.outcomes],
        "unclaimed": [str(path) for path in report.unclaimed],
        "notes": report.notes,
    }


def _source(outcome: Outcome) -> dict[str, Any]:
    return {
        "unit": outcome.unit,
        "path": str(outcome.path),
        "change": outcome.change,
        "same_file": outcome.same_file,
        "error": str(outcome.error) if outcome.error else "",
        "examples": [{"where": where, "what": what} for where, what in outcome.examples],
    }
