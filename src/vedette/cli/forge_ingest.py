"""`vedette forge ingest`: an organisation's own knowledge as examples."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vedette.cli.engine import Context
from vedette.cli.triage import STATE
from vedette.errors import ConfigError

if TYPE_CHECKING:
    from vedette.forge.example import Example
    from vedette.forge.ingest import Teach

_WORK = Path("build/forge-own.ledger")


def ingest(
    licence: Annotated[str, typer.Option(help="What may be done with it; in every row.")],
    consent: Annotated[str, typer.Option(help="Who allowed that it is learned from, and when; in every row.")],
    folder: Annotated[
        Path | None, typer.Argument(help="Documents (Markdown, HTML, text) and tickets (CSV, JSON, JSON Lines).")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for train and dev, card and manifest.")] = Path("build/forge-own"),
    redact: Annotated[bool, typer.Option(help="Mask names and addresses; secrets never get through.")] = True,
    case_state: Annotated[
        Path | None, typer.Option(help="The folder that `vedette triage` wrote: its labelled cases, with their notes.")
    ] = None,
    unlabelled: Annotated[
        bool, typer.Option("--unlabelled", help="Replies also of cases that nobody labelled: they keep their verdict.")
    ] = False,
    corrections: Annotated[
        Path | None, typer.Option(help="The file that `vedette correct` writes: corrections.jsonl of a site's folder.")
    ] = None,
    benchmarks: Annotated[
        Path | None, typer.Option(help="Folder of benchmarks; what touches one of their items is left out.")
    ] = None,
    teacher: Annotated[str, typer.Option(help="Who makes further exercises out of documents; none: nobody.")] = "",
    judge: Annotated[str, typer.Option(help="Who solves them; none: the teacher.")] = "",
    rounds: Annotated[int, typer.Option(help="Of the teacher; each doubles the set at most.", min=1, max=4)] = 1,
    per_task: Annotated[int, typer.Option(help="Examples of a task that the teacher starts from.", min=1)] = 200,
    work: Annotated[Path, typer.Option(help="The teacher's ledger: broken off, the same command goes on.")] = _WORK,
    store: Annotated[
        Path | None, typer.Option(help="The knowledge store; else $VEDETTE_KNOWLEDGE, else yours.")
    ] = None,
    context: Context = 0,
    seed: Annotated[int, typer.Option(help="Of the split.")] = 7,
    dev: Annotated[
        float, typer.Option(help="Share of documents, tickets and cases on the dev side.", min=0, max=0.5)
    ] = 0.1,
) -> None:
    """Your own documents, tickets, closed cases and corrections as examples, without a language model."""
    from vedette.cli.forge import UNCHECKED
    from vedette.forge.ingest import APART, CARD, ingest
    from vedette.forge.own import Given, Terms

    if folder is None and case_state is None and corrections is None:
        raise ConfigError("nothing is given to learn from", remedy="give a folder, --case-state or --corrections")
    cases = case_state / STATE if case_state else None
    given = Given(
        folder, out, cases=cases, unlabelled=unlabelled, corrections=corrections, store=store, benchmarks=benchmarks,
        seed=seed, dev=dev,
    )  # fmt: skip
    teach = _teaching(teacher, judge, (rounds, per_task), (work, store), context) if teacher else None
    told = ingest(given, Terms(licence, consent, redact), teach)
    for tally in told.tallies.values():
        print(f"{tally.given:>8,}  {tally.task}")
    if teacher:
        print(f"{told.taught:>8,}  by {teacher}")
    for why, count in told.reasons.most_common():
        print(f"{count:>8,}  kept apart: {why}")
    counts = ", ".join(f"{count:,} {what}" for what, count in sorted(told.read.items()))
    print(f"{counts} read, {len(told.apart):,} kept apart ({out / APART} says why)")
    print(f"{told.sides['train']:,} to train on, {told.sides['dev']:,} on the dev side; {out / CARD}")
    if benchmarks is None:
        print(UNCHECKED, file=sys.stderr)


def _teaching(
    teacher: str, judge: str, how_much: tuple[int, int], places: tuple[Path, Path | None], context: int
) -> Teach:
    """Opens models, store and ledger when it is asked, and closes them after."""
    from vedette.engine.open import Wanted, opened
    from vedette.forge.caller import Caller, Limits
    from vedette.forge.ledger import Ledger
    from vedette.forge.own_passages import Teaching
    from vedette.knowledge.store import Knowledge

    work, store = places

    async def taught(*told: Any) -> list[Example]:
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(opened(teacher, Wanted(context=context)))
            other = judge and judge != teacher
            second = await stack.enter_async_context(opened(judge, Wanted(context=context))) if other else first
            with Knowledge.open(store) as known, Ledger(work) as ledger:
                one, two = (Caller(model, ledger, Limits(in_flight=8)) for model in (first, second))
                return await Teaching(one, two, known, ledger, *how_much).taught(*told)

    from asyncio import run

    return lambda *told: run(taught(*told))
