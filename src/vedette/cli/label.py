"""`vedette label`: what an analyst found out about cases."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vedette.cli.triage import STATE
from vedette.errors import ConfigError, InputError

Who = Annotated[str, typer.Option(envvar="VEDETTE_ANALYST", help="Who found it; else your login name.")]


class Finding(StrEnum):
    ATTACK = "attack"
    BENIGN = "benign"


def label(
    finding: Annotated[Finding, typer.Argument(help="What the cases turned out to be.")],
    cases: Annotated[list[str], typer.Argument(help="Case ids, as the queue shows them.")],
    out: Annotated[Path, typer.Option(help="The folder that `vedette triage` wrote.")] = Path("vedette-out"),
    note: Annotated[str, typer.Option(help="Why, for whoever reads it later.")] = "",
    who: Who = "",
) -> None:
    """Keep what you found out about cases. `--miss-bound` rests on these labels."""
    from vedette.skills.triage.closing import case_type
    from vedette.skills.triage.state import State, explained

    if not (out / STATE).is_file():
        raise InputError("no triage state here", where=str(out), remedy="run `vedette triage` first, or give its --out")
    name = analyst(who)
    with explained(out / STATE), State(out / STATE) as state:
        for case_id in cases:
            case = state.label(case_id, finding is Finding.ATTACK, note, name)
            print(f"{case_id} labelled {finding} ({case_type(case)})")


def analyst(who: str) -> str:
    """Raises ConfigError where nobody is named and nobody is logged in."""
    from getpass import getuser

    try:
        return who or getuser()
    except (OSError, KeyError, ImportError) as error:  # no such user: a container
        raise ConfigError("it is not known who you are", remedy="say so with --who") from error
