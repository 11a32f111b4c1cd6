"""Exercises out of an organisation's own documents by a teacher: grounded in their sections, not in the store."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from vedette.forge.caller import Caller
from vedette.forge.evolve import Evolver, Grown, evolve
from vedette.forge.example import Example, Source
from vedette.forge.ground import Evidence
from vedette.forge.ledger import Ledger
from vedette.forge.practice import Part
from vedette.forge.prompts import hashes as prompt_hashes
from vedette.forge.veil import holds_secret
from vedette.guard.hostile import hostile
from vedette.knowledge.store import Knowledge
from vedette.overlap import Items

STARTS = frozenset(("own/procedure", "own/passage"))  # tasks that a first round starts from
LONGEST = 2_000  # characters of a passage
_SPAN = re.compile(r"(.*):(\d+)-(\d+)")


class OfParts:
    """Sections that an example rests on; beyond them, the section that follows in the same document."""

    def __init__(self, parts: Sequence[Part], licence: str) -> None:
        self._parts, self._licence = tuple(parts), licence
        self._releases = {part.object: part for part in parts}

    def near(self, example: Example) -> list[Evidence]:
        return [_evidence(part) for part in self._own(example)]

    def beyond(self, example: Example, key: str) -> list[Evidence]:
        own = self._own(example)
        after = [p for p in self._parts if own and p.object == own[0].object and p.line > own[-1].line]
        return [_evidence(part) for part in after[:1]]

    def source(self, passage: Evidence) -> Source:
        return Source(passage.id, passage.source, self._releases[passage.id].sha256[:12], self._licence)

    def _own(self, example: Example) -> list[Part]:
        spans = [(m[1], int(m[2]), int(m[3])) for span in example.spans if (m := _SPAN.fullmatch(span))]
        return [
            part for part in self._parts
            if any(part.name == name and part.line <= last and first <= part.last for name, first, last in spans)
        ]  # fmt: skip


def _evidence(part: Part) -> Evidence:
    text = " ".join(f"{part.object} {part.heading}: {part.text}".split())[:LONGEST]
    return Evidence(part.object, "own/documents", "lines", part.line, part.last, text)


@dataclass(frozen=True, slots=True)
class Teaching:
    """Who asks, and how much. `judge` solves what `teacher` proposes."""

    teacher: Caller
    judge: Caller
    store: Knowledge  # knows which ids exist
    ledger: Ledger
    rounds: int
    per_task: int

    async def taught(
        self, parts: Sequence[Part], examples: Sequence[Example], items: Items | None, told: Callable[[Grown], None]
    ) -> list[Example]:
        starts = list(self._starts(examples))
        passages = OfParts(parts, starts[0].sources[0].licence if starts else "")
        evolver = Evolver(self.teacher, self.judge, passages, self.store, items)
        run = f"own {self.teacher.engine.identity.name} {self.judge.engine.identity.name} {_digest(starts, parts)}"
        found = await evolve(starts, self.rounds, run, evolver, self.ledger, told)
        return [child for child in found if _fit(child)]

    def _starts(self, examples: Sequence[Example]) -> Iterator[Example]:
        for task in sorted(STARTS):
            yield from [example for example in examples if example.task == task][: self.per_task]


def _digest(examples: Sequence[Example], parts: Sequence[Part]) -> str:
    told = "\n".join([*(one.id for one in examples), *(part.sha256 for part in parts), *prompt_hashes().values()])
    return sha256(told.encode()).hexdigest()[:16]


def _fit(child: Example) -> bool:
    text = f"{child.question}\n{child.answer}"
    return not hostile(text) and not holds_secret(text)
