"""The data card: what is in it, what was left out and why, what may be done with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from vedette.forge.build import Tally
from vedette.forge.evolve import EVOLVED, Grown
from vedette.forge.example import Example
from vedette.forge.known import Known
from vedette.forge.refine import USED, Row

SHOWN = 6  # examples, from all over


class Seen:
    """Notes of examples and rows while they go by."""

    def __init__(self) -> None:
        self.licences: Counter[str] = Counter()
        self.units: Counter[str] = Counter()
        self.difficulty: Counter[int] = Counter()
        self.kinds: Counter[str] = Counter()
        self.characters = 0
        self.count = 0
        self.grown: dict[str, Counter[str]] = {}  # by way
        self.routed = 0
        self.outcomes: dict[str, Counter[str]] = {}
        self.marks: Counter[int] = Counter()
        self.preferences: Counter[str] = Counter()
        self.samples: list[Example] = []

    def noted(self, examples: Iterable[Example]) -> Iterator[Example]:
        for example in examples:
            self.count += 1
            self.characters += len(example.question) + len(example.answer)
            self.difficulty[example.difficulty] += 1
            self.kinds[str(example.kind)] += 1
            self.licences.update({source.licence or "ours" for source in example.sources} or {"ours"})
            self.units.update({source.unit or "made" for source in example.sources})
            if len(self.samples) < SHOWN and example.group not in {one.group for one in self.samples}:
                self.samples.append(example)
            yield example

    def evolved(self, grown: Grown) -> None:
        self.grown.setdefault(grown.way or "none", Counter())[grown.outcome] += 1
        self.routed += grown.routed

    def row(self, row: Row, outcome: str) -> None:
        """`outcome`: what became of the row in the end."""
        self.outcomes.setdefault(row.example.group, Counter())[outcome] += 1
        if row.judged:
            self.marks[row.judged.factuality] += 1
            self.preferences[str(row.judged.preference)] += 1


@dataclass(frozen=True, slots=True)
class Notes:
    """All that a card is made of. `facts`: what belongs at the top: seed, knowledge, contamination, cost."""

    seen: Seen
    tallies: Sequence[Tally]
    sides: Mapping[str, int]
    facts: Mapping[str, str]
    known: Known


def render(name: str, notes: Notes) -> str:
    """Markdown."""
    return "\n".join(_lines(name, notes)) + "\n"


def _lines(name: str, notes: Notes) -> Iterator[str]:
    seen, tallies = notes.seen, notes.tallies
    yield f"# {name}"
    yield ""
    train, dev = notes.sides.get("train", 0), notes.sides.get("dev", 0)
    yield f"{train:,} examples to train on, {dev:,} on the dev side, of {seen.count:,} made"
    yield f"by {len(tallies)} tasks; {seen.characters / max(1, seen.count):,.0f} characters each on average."
    yield ""
    yield from (f"- {what}: {value}" for what, value in notes.facts.items())
    yield f"- answers known from train: {notes.known}, options' letters aside"
    yield from _table("By difficulty", ("difficulty", "examples"), sorted(seen.difficulty.items()))
    yield from _table("By kind", ("kind", "examples"), seen.kinds.most_common())
    yield from _table("By source", ("source", "examples that rest on it"), seen.units.most_common())
    yield from _table("Licences", ("licence", "examples that rest on it"), seen.licences.most_common())
    yield "\nWho passes the data on has to keep to each source's terms; wording and made-up records are Apache-2.0."
    known = notes.known.of
    rows = [(t.task, str(t.kind), f"{t.drafts:,}", f"{t.given:,}", known(t.task), _why(t.left)) for t in tallies]
    yield from _table("By task", ("task", "kind", "drafts", "given", "known from train", "left out"), rows)
    if seen.grown:
        yield from _grown(seen)
    if seen.outcomes:
        yield from _later(seen)
    yield "\n## Examples"
    for example in seen.samples:
        yield from ("", f"**{example.task}**, difficulty {example.difficulty}", "")
        yield from (f"> {line}" for line in [*example.question.splitlines(), "", *example.answer.splitlines()])


def _grown(seen: Seen) -> Iterator[str]:
    rows = [(way, c.total(), c[EVOLVED], c[EVOLVED] / c.total(), _but(c, EVOLVED)) for way, c in seen.grown.items()]
    shown = [(way, f"{n:,}", f"{made:,}", f"{part:.0%}", why) for way, n, made, part, why in sorted(rows)]
    yield from _table("Evolved", ("way", "tried", "evolved", "yield", "left out"), shown)
    total = sum(c.total() for c in seen.grown.values())
    yield f"\nThe teacher picked {seen.routed:,} of the {total:,} ways; a rule picked the others."


def _later(seen: Seen) -> Iterator[str]:
    whole = [(group, sum(c.values()), c[USED], _but(c, USED)) for group, c in seen.outcomes.items()]
    rows = [(group, f"{n:,}", f"{used:,}", f"{used / n:.0%}", why) for group, n, used, why in whole]
    yield from _table(
        "Rewritten", ("group", "examples", "rewritten", "yield", "kept as they were, but near duplicates"), rows
    )
    yield from _table("The judge's preference", ("preference", "answers"), seen.preferences.most_common())
    yield from _table("The judge's marks", ("factuality", "answers"), sorted(seen.marks.items()))


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield from ("", f"## {title}", "", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}")
    for row in rows:
        yield f"| {' | '.join(f'{cell:,}' if isinstance(cell, int) else str(cell) for cell in row)} |"


def _but(counts: Counter[str], good: str) -> str:
    return _why({why: count for why, count in counts.items() if why != good})


def _why(left: Mapping[str, int]) -> str:
    return "; ".join(f"{why} {count:,}" for why, count in sorted(left.items(), key=lambda one: -one[1])) or "–"
