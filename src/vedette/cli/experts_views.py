"""What the experts' commands show: a card for one text, a line for each of many, JSON Lines, CSV."""

from __future__ import annotations

import csv
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from vedette.cli.terminal import indented, safe, show
from vedette.guard.neutralise import escaped, printable
from vedette.skills.severity.skill import SeverityFinding
from vedette.skills.techniques.skill import TechniquesFinding, Told
from vedette.skills.weakness.skill import Named, WeaknessFinding

_DANGEROUS = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for a formula


@dataclass(frozen=True, slots=True)
class View:
    head: tuple[str, ...]
    row: Callable[[Any], Sequence[str]]
    card: Callable[[Any], Iterable[RenderableType]]
    undecided: Callable[[Any], bool]

    def write(self, findings: Iterable[object], form: str, *, single: bool) -> int:
        """Each as it comes. How many were undecided."""
        undecided = 0
        lines = csv.writer(sys.stdout, lineterminator="\n")
        if form == "csv":
            lines.writerow(self.head)
        for number, finding in enumerate(findings):
            undecided += self.undecided(finding)
            if form == "jsonl":
                sys.stdout.write(_json(finding) + "\n")
            elif form == "csv":
                lines.writerow([_cell(value) for value in self.row(finding)])
            elif single:
                show(lambda _, finding=finding: self.card(finding))  # type: ignore[misc]
            else:
                self._line(finding, first=number == 0)
        return undecided

    def _line(self, finding: object, *, first: bool) -> None:
        width = max(60, shutil.get_terminal_size((100, 24)).columns)
        if first:
            sys.stdout.write(_columns(self.head, width) + "\n")
        sys.stdout.write(_columns([printable(value, 300) for value in self.row(finding)], width) + "\n")


def _columns(values: Sequence[str], width: int) -> str:
    """The first four columns are narrow, the last takes what is left."""
    sizes = (18, 10, 8, 8)
    parts = [value[:size].ljust(size) for value, size in zip(values, sizes, strict=False)]
    left = width - sum(size + 2 for size in sizes)
    rest = "  ".join(values[len(sizes) :])
    return "  ".join([*parts, rest if len(rest) <= left else rest[: left - 1] + "…"]).rstrip()


def _json(finding: object) -> str:
    return escaped(msgspec.json.encode(finding).decode(), lambda char: f"\\u{ord(char):04x}")


def _cell(value: str) -> str:
    clean = printable(value, 2_000)
    return f"'{clean}" if clean.startswith(_DANGEROUS) else clean


def percent(probability: float) -> str:
    return f"{100 * probability:.0f} %" if probability >= 0.01 else "< 1 %"


# -- weakness ----------------------------------------------------------------------------------


def _weakness_row(finding: WeaknessFinding) -> list[str]:
    best = finding.candidates[0].probability if finding.candidates else 0.0
    others = ", ".join(f"{c.id} {percent(c.probability)}" for c in finding.candidates[1:4])
    name = finding.candidates[0].name if finding.decision else f"{finding.reason}: {_first(finding)}"
    return [finding.id, finding.decision or "–", percent(best), finding.convention, name, others]


def _first(finding: WeaknessFinding) -> str:
    return finding.candidates[0].id if finding.candidates else "no candidate"


def _weakness_card(finding: WeaknessFinding) -> Iterator[RenderableType]:
    if finding.decision:
        best = finding.candidates[0]
        yield Text.assemble((best.id, "bold cyan"), (f"  {safe(best.name)}", "bold"), f"  {percent(best.probability)}")
    else:
        yield Text(
            f"undecided: {finding.reason}" if finding.reason != "undecided" else "undecided", style="bold yellow"
        )
    if finding.candidates:
        yield _candidates(finding.candidates)
        among = ", ".join(finding.conformal[:12]) + (" …" if len(finding.conformal) > 12 else "")
        yield Text(f"holds the right one nine times in ten ({len(finding.conformal)}): {among}", style="dim")
    if finding.broader:
        yield Text("broader: " + ", ".join(f"{n.id} {safe(n.name)} {percent(n.probability)}" for n in finding.broader))
    if finding.words:
        yield Text("carried by: " + ", ".join(f"“{safe(w.text)}” (−{percent(w.drop)})" for w in finding.words))
    if finding.nearest:
        like = (f"{n.id} ({', '.join(n.weaknesses)})" for n in finding.nearest)
        yield Text("known CVEs like it: " + ", ".join(like))
    for way in finding.chain:
        yield Text(f"leads to: {way}")
    for note in finding.notes:
        yield Text(note, style="dim")
    yield Text(f"convention {finding.convention}, {finding.model}", style="dim")


def _candidates(candidates: Sequence[Named]) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for column in range(4):
        grid.add_column(justify="right" if column == 1 else "left", no_wrap=column < 3, overflow="fold")
    for one in candidates:
        note = f"  [{one.note}]" if one.note else ""
        grid.add_row(one.id, percent(one.probability), one.abstraction, Text(f"{safe(one.name)}{note}"))
    return indented(grid)


WEAKNESS = View(
    ("id", "weakness", "sure", "by", "name", "others"),
    _weakness_row,
    _weakness_card,
    lambda finding: not finding.decision,
)


# -- severity ----------------------------------------------------------------------------------


def _severity_row(finding: SeverityFinding) -> list[str]:
    if not finding.vector:
        return [finding.id, "–", "", finding.convention, finding.reason, ""]
    ssvc = ", ".join(f"{name} {values[0].id}" for name, values in finding.ssvc.items())
    span = f"{finding.low}–{finding.high}"
    return [finding.id, f"{finding.score} {finding.rating}"[:10], span, finding.convention, finding.vector, ssvc]


def _severity_card(finding: SeverityFinding) -> Iterator[RenderableType]:
    if not finding.vector:
        yield Text(f"undecided: {finding.reason}", style="bold yellow")
        return
    yield Text.assemble((f"{finding.score} {finding.rating}", "bold"), f"  {finding.vector}")
    yield Text(f"nine scores in ten lie between {finding.low} and {finding.high}", style="dim")
    grid = Table.grid(padding=(0, 2, 0, 0))
    for metric in finding.metrics:
        others = ", ".join(f"{c.id} {percent(c.probability)}" for c in metric.others)
        grid.add_row(metric.id, metric.name, metric.value, percent(metric.probability), Text(others, style="dim"))
    yield indented(grid)
    points = (
        f"{name.replace('_', ' ')} {values[0].id} ({percent(values[0].probability)})"
        for name, values in finding.ssvc.items()
    )
    yield Text("SSVC: " + ", ".join(points))
    for note in finding.notes:
        yield Text(note, style="dim")
    yield Text(f"convention {finding.convention}, {finding.model}", style="dim")


SEVERITY = View(
    ("id", "score", "range", "by", "vector", "ssvc"), _severity_row, _severity_card, lambda finding: not finding.vector
)


# -- techniques --------------------------------------------------------------------------------


def _techniques_row(finding: TechniquesFinding) -> list[str]:
    best = finding.techniques[0].probability if finding.techniques else 0.0
    names = ", ".join(f"{t.id} {t.name}" for t in finding.techniques) or finding.reason
    return [finding.id, f"{len(finding.techniques)}", percent(best) if best else "–", f"{finding.parts}", names]


def _techniques_card(finding: TechniquesFinding) -> Iterator[RenderableType]:
    if not finding.techniques:
        yield Text(
            f"no technique: {finding.reason}" if finding.reason != "none" else "no technique", style="bold yellow"
        )
    for told in finding.techniques:
        tactics = f"  ({', '.join(told.tactics)})" if told.tactics else ""
        note = f"  [{told.note}]" if told.note else ""
        yield Text.assemble(
            (told.id, "bold cyan"), (f"  {safe(told.name)}", "bold"), f"  {percent(told.probability)}",
            (f"{tactics}{note}", "dim"),
        )  # fmt: skip
        yield from (
            indented(Text(f"“{safe(quote.text, 240)}” [{quote.start}:{quote.end}]")) for quote in told.quotes[:2]
        )
    if finding.considered:
        yield Text("under the threshold: " + ", ".join(map(_brief, finding.considered)), style="dim")
    looked = ", ".join(finding.domains)
    yield Text(f"{finding.parts} sentences and clauses read, domain {looked}, {finding.model}", style="dim")


def _brief(told: Told) -> str:
    return f"{told.id} {safe(told.name)} {percent(told.probability)}"


TECHNIQUES = View(
    ("id", "found", "best", "parts", "techniques"),
    _techniques_row,
    _techniques_card,
    lambda finding: not finding.techniques,
)
