"""`vedette forge ingest`: an organisation's own knowledge as examples."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from vedette.cli.triage import STATE


def ingest(
    folder: Annotated[
        Path, typer.Argument(help="Documents (Markdown, HTML, text) and tickets (CSV, JSON, JSON Lines).")
    ],
    licence: Annotated[str, typer.Option(help="What may be done with it; in every row.")],
    consent: Annotated[str, typer.Option(help="Who allowed that it is learned from, and when; in every row.")],
    out: Annotated[Path, typer.Option(help="Folder for train and dev, card and manifest.")] = Path("build/forge-own"),
    redact: Annotated[bool, typer.Option(help="Mask names and addresses; secrets never get through.")] = True,
    case_state: Annotated[
        Path | None, typer.Option(help="The folder that `vedette triage` wrote: its labelled cases, with their notes.")
    ] = None,
    benchmarks: Annotated[
        Path | None, typer.Option(help="Folder of benchmarks; what touches one of their items is left out.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the split.")] = 7,
    dev: Annotated[
        float, typer.Option(help="Share of documents, tickets and cases on the dev side.", min=0, max=0.5)
    ] = 0.1,
) -> None:
    """Your own documents, tickets and closed cases as examples, without a language model."""
    from vedette.cli.forge import UNCHECKED
    from vedette.forge.ingest import APART, CARD, Given, Terms
    from vedette.forge.ingest import ingest as read

    given = Given(folder, out, case_state / STATE if case_state else None, benchmarks, seed, dev)
    told = read(given, Terms(licence, consent, redact))
    for tally in told.tallies.values():
        print(f"{tally.given:>8,}  {tally.task}")
    for why, count in told.reasons.most_common():
        print(f"{count:>8,}  kept apart: {why}")
    counts = ", ".join(f"{count:,} {what}" for what, count in sorted(told.read.items()))
    print(f"{counts} read, {len(told.apart):,} kept apart ({out / APART} says why)")
    print(f"{told.sides['train']:,} to train on, {told.sides['dev']:,} on the dev side; {out / CARD}")
    if benchmarks is None:
        print(UNCHECKED, file=sys.stderr)
