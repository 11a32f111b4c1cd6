"""What `vedette knowledge …` shows besides cards: status, reports of imports, hits, paths, differences, checked ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from vedette.cli.terminal import indented, listing, paragraphs, plural, safe
from vedette.knowledge.card import noun
from vedette.knowledge.record import Kind

if TYPE_CHECKING:
    from vedette.knowledge.compare import Difference, UnitDifference
    from vedette.knowledge.graph import Hop
    from vedette.knowledge.graph import Path as Way
    from vedette.knowledge.ids import Mention
    from vedette.knowledge.overview import Held, Overview
    from vedette.knowledge.search import Hit

WIDE = 110
_PASSAGE = 500  # characters of a hit


# -- status ------------------------------------------------------------------------------------


def status_parts(view: Overview, width: int) -> Iterator[RenderableType]:
    place = safe(view.store) or "in memory: its place cannot be written"
    yield Text.assemble(("knowledge store ", "bold"), place, (f", {_megabytes(view.bytes)}", "dim"))
    yield from (Text(f"warning: {safe(note)}", style="bold yellow") for note in view.notes)
    if view.units:
        yield ""
        yield _units(view.units, wide=width >= WIDE)
        yield ""
        yield Text(_totals(view))
    else:
        yield Text("It is empty: `vedette knowledge import` what you have, or `vedette knowledge sync`.")
    if view.units and width < WIDE:
        licences = {unit.source: unit.licence for unit in view.units}
        yield Text("licences: " + ", ".join(f"{source} ({name})" for source, name in licences.items()), style="dim")
    if view.stale:
        names = ", ".join(unit.name for unit in view.stale)
        yield Text(f"stale: {names}; `vedette knowledge sync` or import newer files", style="yellow")
    slim = (unit.source if unit.source in view.facts_only else unit.name for unit in view.units if unit.facts_only)
    if names := ", ".join(dict.fromkeys(slim)):
        yield Text(f"shipped facts only (ids, names, links, no texts): {names}", style="dim")
    if view.missing:
        yield Text(f"known sources that are not here: {', '.join(view.missing)}", style="dim")


def _units(units: Sequence[Held], wide: bool) -> Table:
    table = listing()
    table.add_column("source", overflow="fold", min_width=min(32, max(len(unit.name) for unit in units)))
    table.add_column("release", overflow="fold")
    table.add_column("age", justify="right", no_wrap=True)
    if wide:
        table.add_column("read", justify="right", no_wrap=True)
    for name in ("records", "skipped", "refused"):
        table.add_column(name, justify="right", no_wrap=True)
    if wide:
        table.add_column("licence", overflow="fold")
    for unit in units:
        table.add_row(*_unit(unit, wide))
    return table


def _unit(unit: Held, wide: bool) -> list[RenderableType]:
    name = Text(safe(unit.name))
    if unit.facts_only:
        name.append("\n" if not wide else " ").append("facts only", style="dim")
    release = safe(unit.release, 40)
    dated = f"{release} ({unit.on})" if release and unit.on and unit.on not in release else release or unit.on or "–"
    counts: list[RenderableType] = [f"{unit.records:,}", f"{unit.skipped:,}", _refused(unit)]
    return [
        name,
        dated.replace(" (", "\n(") if not wide else dated,
        _age(unit),
        *([f"{unit.read:,}"] if wide else []),
        *counts,
        *([Text(unit.licence, style="dim")] if wide else []),
    ]


def _age(unit: Held) -> Text:
    if unit.clock_wrong:
        return Text("not yet?", style="bold yellow")
    if unit.age_days is None:
        return Text("unknown", style="dim")
    return Text(f"{unit.age_days:,} d" + (" stale" if unit.stale else ""), style="yellow" if unit.stale else "")


def _refused(unit: Held) -> Text:
    return Text(f"{unit.refused:,}", style="yellow" if unit.refused else "")


def _totals(view: Overview) -> str:
    kinds = ", ".join(f"{count:,} {noun(Kind(kind), count)}" for kind, count in view.kinds.items())
    return f"{plural(view.ids, 'id')}, {plural(view.links, 'link')}, {plural(view.passages, 'passage')}: {kinds}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


# -- search, paths, ids ------------------------------------------------------------------------


def hits_parts(text: str, hits: Sequence[Hit]) -> Iterator[RenderableType]:
    if not hits:
        yield Text(f"Nothing found for '{safe(text)}'. Use other words, fewer filters, or import more sources.")
    for place, hit in enumerate(hits, 1):
        if place > 1:
            yield ""
        body = paragraphs(hit.text)
        said = " ".join(filter(None, (hit.source, hit.release)))
        name = f"  {safe(hit.name, 200)}" if hit.name else ""
        head = Text.assemble((safe(hit.id), "bold cyan"), (name, "bold"), (f"  {noun(hit.kind)}", "dim"))
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_column(justify="right", no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_row(f"{place}.", head)
        grid.add_row("", Text(body if len(body) <= _PASSAGE else body[: _PASSAGE - 2] + " …"))
        span = f"[{said}, {hit.record} {hit.field}[{hit.start}:{hit.end}]]"
        grid.add_row("", Text(safe(span), style="dim"))
        yield grid


def paths_parts(start: str, end: str, ways: Sequence[Way], names: dict[str, str]) -> Iterator[RenderableType]:
    if not ways:
        yield Text(f"No path leads from {safe(start)} to {safe(end)}.")
    for place, way in enumerate(ways):
        if place:
            yield ""
        yield _named(way.hops[0].src, names, "bold cyan") if way.hops else Text(safe(start))
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        for hop in way.hops:
            arrow = f"—{hop.rel}→" if hop.forward else f"←{hop.rel}—"
            grid.add_row(Text(arrow, style="dim"), _named(hop.dst, names, "cyan").append_text(_basis(hop)))
        yield indented(grid)


def _basis(hop: Hop) -> Text:
    """Who states a hop, or the rule by which it is inferred."""
    if not hop.stated:
        return Text(f" (inferred: {safe(f'{hop.source}: {hop.note}', 600)})", style="yellow")
    stated = ((hop.source, hop.note), *((said.source, said.note) for said in hop.also))
    said = dict.fromkeys(", ".join(filter(None, words)) for words in stated)
    return Text(f" (stated: {safe('; '.join(said))})", style="dim")


def _named(uid: str, names: dict[str, str], style: str) -> Text:
    return Text.assemble((safe(uid), style), f" {safe(names[uid], 120)}" if names.get(uid) else "")


def mentions_parts(found: Sequence[Mention], every: bool) -> Iterator[RenderableType]:
    wrong = [mention for mention in found if mention.state != "exists"]
    said = f"{plural(len(found), 'id')}, {len(wrong):,} of them not in force or not known" if found else "No ids found."
    yield Text(said, style="bold")
    table = listing()
    table.add_column("at", justify="right")
    for name in ("written", "id", "what it is"):
        table.add_column(name, overflow="fold")
    for mention in found if every else wrong:
        table.add_row(f"{mention.start:,}", Text(safe(mention.spelled)), Text(safe(mention.id)), _state(mention))
    if table.row_count:
        yield ""
        yield table


def _state(mention: Mention) -> Text:
    state = "unverifiable: the store does not hold all of these" if mention.state == "unverifiable" else mention.state
    line = Text(state, style="" if mention.state == "exists" else "yellow")
    line.append(f", replaced by {safe(mention.replaced_by)}" if mention.replaced_by else "")
    return line.append(f"  {safe(mention.name, 120)}", style="dim") if mention.name else line


# -- differences -------------------------------------------------------------------------------


def difference_parts(view: Difference, first: int) -> Iterator[RenderableType]:
    yield Text.assemble(("from ", "dim"), safe(view.before), (" to ", "dim"), safe(view.after))
    differing = [unit for unit in view.units if unit or unit.before != unit.after]
    if not differing:
        yield Text("Both hold the same records.")
        return
    table = listing()
    table.add_column("source", overflow="fold")
    table.add_column("before", overflow="fold")
    table.add_column("after", overflow="fold")
    for name in ("added", "changed", "removed"):
        table.add_column(name, justify="right", no_wrap=True)
    for unit in differing:
        counts = (f"{len(ids):,}" for ids in (unit.added, unit.changed, unit.removed))
        table.add_row(unit.unit, safe(unit.before) or "–", safe(unit.after) or "–", *counts)
    yield ""
    yield table
    same = len(view.units) - len(differing)
    if same:
        yield Text(f"{plural(same, 'source')} the same in both", style="dim")
    for unit in differing:
        yield from _changes(unit, first)


def _changes(unit: UnitDifference, first: int) -> Iterator[RenderableType]:
    if not unit:
        return
    yield ""
    yield Text(unit.unit, style="bold")
    rows = (
        ("added", list(unit.added)),
        ("removed", list(unit.removed)),
        ("changed", [f"{one.id} ({', '.join(one.fields)})" for one in unit.changed]),
    )
    for label, ids in rows:
        if ids:
            more = f" … and {len(ids) - first:,} more, --first or --json" if len(ids) > first else ""
            yield indented(Text.assemble((f"{label}: ", "dim"), safe(", ".join(ids[:first]), 1_000_000), (more, "dim")))
