"""Stages 3 to 5 of one example, one after the other, and of many at once.

What comes out is the rewritten answer where every check and the judge let it pass, else the answer of stage 1 as it
was: a bad teacher costs time, never an example. Rows are kept in the ledger as they are done, in their place.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec

from vedette.errors import EngineError
from vedette.forge.caller import UNANSWERED, Caller, Spent
from vedette.forge.check import faults
from vedette.forge.example import Example
from vedette.forge.ground import Grounded, Steps, ground
from vedette.forge.judge import Judged, Preference, accepts, judge
from vedette.forge.ledger import Kept, Ledger
from vedette.forge.reason import Way, reason
from vedette.knowledge.store import Knowledge

USED = "rewritten"
TOUCHES = "it touches a benchmark"
NEAR = "near duplicate"  # of another rewritten answer: the example is left out


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an example."""

    example: Example
    answer: str  # that is trained on
    outcome: str  # `USED`, or why the answer is that of stage 1
    grounded: Grounded | None = None
    judged: Judged | None = None
    refused: str = ""  # the rewritten answer that the judge did not let pass


@dataclass(frozen=True, slots=True)
class Plan:
    teacher: Caller
    judge: Caller | None  # None: the checks alone decide
    steps: Steps | None  # None: no grounding
    ways: Mapping[str, Way]  # by task or group; without one: "step by step"
    marks: Mapping[str, int] = field(default_factory=dict)


async def refined(example: Example, plan: Plan, store: Knowledge) -> Row:
    """Raises Spent where the limit of tokens is reached; every other failure is the row's outcome."""
    grounded = Grounded((), (), ())
    try:
        if plan.steps:
            grounded = await ground(example, plan.teacher, store, plan.steps)
        done = await reason(
            example, grounded, plan.teacher, plan.ways.get(example.task) or plan.ways.get(example.group)
        )
        if wrong := faults(example, grounded, done, store):
            return Row(example=example, answer=example.answer, outcome=str(wrong[0]), grounded=grounded)
        told = done.text.strip()
        found = await judge(example, told, plan.judge) if plan.judge else None
    except Spent:
        raise
    except EngineError as error:
        return Row(example=example, answer=example.answer, outcome=f"{UNANSWERED}{error.what}"[:120], grounded=grounded)
    if found and not accepts(found, plan.marks, example.task):
        why = "facts in doubt" if found.preference in (Preference.REWRITTEN, Preference.TIE) else str(found.preference)
        return Row(
            example=example, answer=example.answer, outcome=f"judge: {why}", grounded=grounded, judged=found,
            refused=told,
        )  # fmt: skip
    return Row(example=example, answer=told, outcome=USED, grounded=grounded, judged=found)


_pack = msgspec.json.Encoder(order="deterministic").encode
unpack = msgspec.json.Decoder(Row).decode


async def refine(
    examples: Iterable[Example], run: str, plan: Plan, store: Knowledge, ledger: Kept, told: Callable[[Row], None]
) -> Counter[str]:
    """All of them, as many at once as the teacher's limits allow; outcomes are counted. Rows are in `ledger.rows(run)`.

    Broken off anywhere, the same call goes on: rows that are kept are not made again.
    """
    return await refine_placed(enumerate(examples), run, plan, store, ledger, told)


async def refine_placed(
    placed: Iterable[tuple[int, Example]], run: str, plan: Plan, store: Knowledge, ledger: Kept,
    told: Callable[[Row], None],
) -> Counter[str]:  # fmt: skip
    """The same of some of a run's examples, each with its place among all of them."""
    counts: Counter[str] = Counter()
    places = iter(placed)
    async with asyncio.TaskGroup() as group:
        for _ in range(plan.teacher.limits.in_flight):
            group.create_task(_worker(places, run, plan, store, ledger, _counted(counts, told)))
    return counts


def _counted(counts: Counter[str], told: Callable[[Row], None]) -> Callable[[Row], None]:
    def tell(row: Row) -> None:
        counts[row.outcome] += 1
        told(row)

    return tell


async def _worker(
    places: Iterator[tuple[int, Example]], run: str, plan: Plan, store: Knowledge, ledger: Kept,
    told: Callable[[Row], None],
) -> None:  # fmt: skip
    for place, example in places:
        kept = ledger.row(run, place)
        row = unpack(kept) if kept else None
        if row is None or row.outcome.startswith(UNANSWERED):
            row = await refined(example, plan, store)
            ledger.keep_row(run, place, _pack(row))
        told(row)
        await asyncio.sleep(0)


def rows(ledger: Ledger, run: str) -> Iterator[Row]:
    return (unpack(body) for body in ledger.rows(run))


def judged(ledger: Ledger) -> Iterator[Row]:
    """Rows of all runs in a ledger that a judge marked."""
    for body in ledger.every_row():
        with suppress(msgspec.ValidationError):  # of another stage
            row = unpack(body)
            if row.judged:
                yield row
