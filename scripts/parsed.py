"""Parse one command of `vedette` and run nothing: `python scripts/parsed.py forge build --recipe FILE`.

What is misspelt or missing ends with what click says and exit code 2. `runs/full.sh --dry-run` asks it of all.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import Any

import typer.main

from vedette.cli import app


def parsed(words: Sequence[str]) -> str:
    """The command's full name. Raises what click raises for a user's mistake: it has `format_message`, `exit_code`."""
    command: Any = typer.main.get_command(app)
    name, context, rest = "vedette", None, list(words)
    path = [name]
    while hasattr(command, "resolve_command"):
        context = command.make_context(name, rest, parent=context)
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        path.append(name)
    command.make_context(name, list(rest), parent=context)
    return " ".join(path)


def main(words: Sequence[str]) -> int:
    try:
        print(f"parsed: {parsed(words)}")
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        print(f"vedette {shlex.join(words)}: {error.format_message()}", file=sys.stderr)
        return int(error.exit_code)  # type: ignore[attr-defined]
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
