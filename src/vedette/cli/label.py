"""`vedette label`: what an analyst found out about cases."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vedette.cli.triage import STATE
from vedette.errors import InputError


class Finding(StrEnum):
    ATTACK = "attack"
    BENIGN = "benign"


def label(
    finding: Annotated[Finding, typer.Argument(help="What the cases turned out to be.")],
    cases: Annotated[list[str], typer.Argument(help="Case ids, as the queue shows them.")],
    out: Annotated[Path, typer.Option(help="The folder that `vedette triage` wrote.")] = Path("vedette-out"),
    note: Annotated[str, typer.Option(help="Why, for whoever reads it later.")] = "",
) -> None:
    """Keep what you found out about cases. `--miss-bound` rests on these labels."""
    from vedette.skills.triage.closing import case_type
    from vedette.skills.triage.state import State, explained

    if not (out / STATE).is_file():
        raise InputError("no triage state here", where=str(out), remedy="run `vedette triage` first, or give its --out")
    with explained(out / STATE), State(out / STATE) as state:
        for case_id in cases:
            case = state.label(case_id, finding is Finding.ATTACK, note)
            print(f"{case_id} labelled {finding} ({case_type(case)})")
