"""New exercises out of those that are there: Evol-Instruct and Self-Instruct, by the doubling router of SecKnowledge.

In each round a router picks for every exercise one of the ways of `turn`; a teacher makes another exercise of it, from
passages alone; a second call has to solve that from the same passages without the answer, and come to the same result.
Originals stay, each gives at most one in a round: a round doubles the set at most. What does not hold is counted.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from vedette.errors import EngineError
from vedette.forge.caller import UNANSWERED, Caller, Spent
from vedette.forge.example import EXACT, Example, Kind, Source, named
from vedette.forge.ground import LONGEST, Evidence, Steps, looked_up, shown
from vedette.forge.ledger import Ledger
from vedette.forge.prompts import asked
from vedette.forge.proposal import SCHEMA, Left, Proposal, Refused, agrees, alike, proposal
from vedette.forge.turn import SHAPES, TOLD, Turn, kind_after, picked, route
from vedette.forge.world import World
from vedette.guard.wording import folded
from vedette.knowledge.store import Knowledge
from vedette.overlap import Items
from vedette.prompts import ANSWER
from vedette.split import WHOLE, Split

EVOLVED = "evolved"
AHEAD = 20  # yes-no questions by which one answer may be ahead of the other
TRIED = 8  # linked entries of which one is taken
SOLVED = {
    "type": "object",
    "properties": {"answerable": {"type": "boolean"}, "final": {"type": "string", "maxLength": 400}},
    "required": ["answerable", "final"],
    "additionalProperties": False,
}


class Grown(msgspec.Struct, frozen=True, kw_only=True):
    """What came out of an exercise in a round."""

    parent: str
    outcome: str  # `EVOLVED`, or why there is none
    way: str = ""
    routed: bool = False  # the teacher picked the way; else a rule did
    child: Example | None = None


class Passages(Protocol):
    """Where a new exercise is grounded."""

    def near(self, example: Example) -> list[Evidence]: ...

    def beyond(self, example: Example, key: str) -> list[Evidence]:
        """Of something else that it is linked to."""
        ...

    def source(self, passage: Evidence) -> Source: ...


@dataclass(frozen=True, slots=True)
class OfStore:
    """What the store says of an example's objects, and what a search for its question finds."""

    world: World
    results: int = 2
    split: Split = WHOLE

    def near(self, example: Example) -> list[Evidence]:
        found = {(e.id, e.field, e.start): e for uid in example.objects[:2] for e in described(self.world.store, uid)}
        steps = Steps(results=self.results, split=self.split)
        looked_up(example.question[:400], example, self.world.store, steps, found)
        return list(found.values())

    def beyond(self, example: Example, key: str) -> list[Evidence]:
        store = self.world.store
        hops = [hop.dst for uid in example.objects[:1] if uid in store for hop in store.neighbours(uid)]
        others = {uid for uid in hops if not uid.startswith("CVE-") and uid not in example.objects}
        linked = sorted(uid for uid in others if not self.split.hides([uid], example.objects))
        start = picked(range(len(linked)), key) if linked else 0
        for uid in [*linked[start:], *linked[:start]][:TRIED]:
            if found := described(store, uid):
                return found
        return []

    def source(self, passage: Evidence) -> Source:
        return self.world.source(passage.holder, (passage.source,))


def described(store: Knowledge, uid: str) -> list[Evidence]:
    """The beginning of an entry's description, where there is one."""
    entry = store.get(uid)
    for statement in entry.statements if entry else ():
        for text in statement.record.texts:
            if text.field == "description" and len(text.body) >= 40:
                told = " ".join(text.body[:LONGEST].split())
                end = min(LONGEST, len(text.body))
                label = f"{uid} {entry.name if entry else ''}".strip()
                return [Evidence(uid, statement.unit.name, text.field, 0, end, f"{label}: {told}")]
    return []


@dataclass(frozen=True, slots=True)
class Evolver:
    teacher: Caller
    solver: Caller
    passages: Passages
    store: Knowledge
    benchmarks: Items | None = None

    async def evolved(self, example: Example, turns: Sequence[Turn], key: str) -> Grown:
        """Raises Spent where the limit of tokens is reached; every other failure is the outcome."""
        way, routed = "", False
        try:
            beyond = self.passages.beyond(example, key)
            open_ = [turn for turn in turns if turn is not Turn.BROADEN or beyond]
            near = self.passages.near(example)
            if not near or not open_:
                raise Refused(Left.PASSAGES)
            turn, routed = await route(example, open_, self.teacher, key)
            way = str(turn)
            passages = [*near, *(beyond if turn is Turn.BROADEN else [])]
            child = await self._child(example, turn, passages, key)
        except Spent:
            raise
        except Refused as refused:
            return Grown(parent=example.id, outcome=str(refused.why), way=way, routed=routed)
        except EngineError as error:
            return Grown(parent=example.id, outcome=f"{UNANSWERED}{error.what}"[:120], way=way, routed=routed)
        return Grown(parent=example.id, outcome=EVOLVED, way=way, routed=routed, child=child)

    async def _child(self, example: Example, turn: Turn, passages: Sequence[Evidence], key: str) -> Example:
        kind = kind_after(example, turn, key)
        put = asked(
            "evolve", question=example.question, answer=example.answer, way=TOLD[turn], shape=SHAPES[kind],
            passages=shown(passages),
        )  # fmt: skip
        done = await self.teacher.ask("evolve", [put], schema=SCHEMA, tokens=900)
        found = proposal(done, example, kind, passages, self.store, key)
        await self._solve(found, kind, passages)
        child = self._made(example, turn, kind, found)
        for text in (child.question, child.answer) if self.benchmarks else ():
            how, _ = self.benchmarks.touched(text) if self.benchmarks else ("", "")
            if how:
                raise Refused(Left.BENCHMARK)
        return child

    async def _solve(self, found: Proposal, kind: Kind, passages: Sequence[Evidence]) -> None:
        shape = "The result is the letter of the right option." if kind is Kind.CHOICE else SHAPES[kind]
        put = asked("solve", question=found.question, shape=shape, passages=shown(passages))
        done = await self.solver.ask("solve", [put], schema=SOLVED, tokens=300)
        try:
            told = msgspec.json.decode(done.text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            told = {}
        if not isinstance(told, dict) or told.get("answerable") is not True:
            raise Refused(Left.UNANSWERED)
        if not agrees(told.get("final"), found.final, kind):
            raise Refused(Left.OTHERWISE)

    def _made(self, example: Example, turn: Turn, kind: Kind, found: Proposal) -> Example:
        answer, ids = found.answer, [mention.spelled for mention in self.store.verify_ids(found.answer)]
        if kind is Kind.CHOICE:
            answer = f"{found.final}) {found.right}. {answer}"
        if kind in EXACT:
            answer = f"{answer}\n\n{ANSWER}{found.final}"
        if kind is Kind.EXTRACT:
            answer, ids = found.final, []
        about = [mention.id for mention in self.store.verify_ids(f"{found.question}\n{answer}")]
        used = [uid for one in found.used for uid in (one.id, one.holder)]
        sources = [*example.sources, *(self.passages.source(one) for one in found.used)]
        return Example(
            id=named(example.task, found.question, answer),
            task=example.task,
            kind=kind,
            question=found.question,
            answer=answer,
            final=found.final,
            keep=tuple(dict.fromkeys((found.right, *ids))),
            objects=tuple(dict.fromkeys((*example.objects, *used, *about))),
            sources=tuple(dict.fromkeys(sources)),
            difficulty=min(3, example.difficulty + 1),
            wording=f"evolve.v1#{turn}",
            parent=example.id,
            way=str(turn),
            spans=tuple(one.place for one in found.used),
            consent=example.consent,
        )


_pack = msgspec.json.Encoder(order="deterministic").encode
_unpack = msgspec.json.Decoder(Grown).decode


async def evolve(
    examples: Sequence[Example], rounds: int, run: str, evolver: Evolver, ledger: Ledger, told: Callable[[Grown], None]
) -> list[Example]:
    """The new ones, in a fixed order. Rows are kept in the ledger: broken off anywhere, the same call goes on."""
    whole = list(examples)
    ways: dict[str, set[str]] = {}  # by parent, those that were tried
    put = _Put(whole)
    for number in range(1, rounds + 1):
        found = await _round(whole, number, f"{run} evolve {number}", evolver, ledger, ways)
        for grown in found:
            ways.setdefault(grown.parent, set()).add(grown.way)
            kept = put.fresh(grown)
            if kept.child:
                whole.append(kept.child)
                ways.setdefault(kept.child.id, set()).add(kept.way)
            told(kept)
    return whole[len(examples) :]


class _Put:
    """Questions that were put, all of them and by what they are about."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self._all: set[str] = set()
        self._about: dict[str, list[str]] = {}
        self._finals: Counter[str] = Counter()  # of yes-no questions that came out
        for example in examples:
            self._add(example)

    def _add(self, example: Example) -> None:
        self._all.add(folded(example.question))
        self._about.setdefault(next(iter(example.objects), ""), []).append(example.question)

    def fresh(self, grown: Grown) -> Grown:
        """Without the child where it asks what was asked already, or is one more yes after many."""
        child = grown.child
        if child is None:
            return grown
        if folded(child.question) in self._all or alike(
            child.question, self._about.get(next(iter(child.objects), ""), ())
        ):
            return msgspec.structs.replace(grown, child=None, outcome=str(Left.ALIKE))
        if child.kind is Kind.YES_NO:
            if self._finals[child.final] - min(self._finals["Yes"], self._finals["No"]) >= AHEAD:
                return msgspec.structs.replace(grown, child=None, outcome=str(Left.BALANCE))
            self._finals[child.final] += 1
        self._add(child)
        return grown


async def _round(
    examples: Sequence[Example], number: int, run: str, evolver: Evolver, ledger: Ledger, ways: Mapping[str, set[str]]
) -> list[Grown]:
    found: dict[int, Grown] = {}
    places: Iterator[tuple[int, Example]] = iter(list(enumerate(examples)))

    async def work() -> None:
        for place, example in places:
            kept = ledger.row(run, place)
            if kept:
                found[place] = _unpack(kept)
            if not kept or found[place].outcome.startswith(UNANSWERED):
                turns = [turn for turn in Turn if turn not in ways.get(example.id, ())]
                found[place] = await evolver.evolved(example, turns, f"{example.id} {number}")
                ledger.keep_row(run, place, _pack(found[place]))
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for _ in range(evolver.teacher.limits.in_flight):
            group.create_task(work())
    return [found[place] for place in sorted(found)]
