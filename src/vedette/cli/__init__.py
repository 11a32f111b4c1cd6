"""The command line: one short module a noun; the only place that prints."""

from __future__ import annotations

import os
import sys

import typer

from vedette import __version__
from vedette.cli import ask, bench, correct, experts, forge, knowledge, label, model, replay, train, triage
from vedette.errors import VedetteError
from vedette.guard.neutralise import printable

app = typer.Typer(
    name="vedette",
    help="A small, local cybersecurity expert for defenders. Nothing leaves this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("triage")(triage.triage)
app.command("ask")(ask.ask)
app.command("label")(label.label)
app.add_typer(correct.app, name="correct")
app.command("replay")(replay.replay)
app.command("weakness")(experts.weakness)
app.command("severity")(experts.severity)
app.command("techniques")(experts.techniques)
app.add_typer(knowledge.app, name="knowledge")
app.add_typer(forge.app, name="forge")
app.add_typer(train.app, name="train")
app.add_typer(bench.app, name="bench")
app.add_typer(model.app, name="model")


def _version(show: bool) -> None:
    if show:
        print(f"vedette {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and stop."
    ),
) -> None:
    pass


def main() -> None:
    """Run a command. A user's mistake is one line on stderr and an exit code of its class (see `vedette.errors`)."""
    try:
        app()
    except VedetteError as error:
        print(f"vedette: {printable(str(error), limit=2_000)}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("vedette: stopped; run the same command again to go on where it stopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
