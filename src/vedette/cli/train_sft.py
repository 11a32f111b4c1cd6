"""`vedette train sft`: instruction data → a model of one's own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vedette.errors import ConfigError

if TYPE_CHECKING:
    from vedette.train.slm.sft import Done, Watcher

Recipe = Annotated[Path, typer.Option(help="What is trained, and how: recipes/*.toml.")]
Data = Annotated[list[Path], typer.Option(help="Folder of the forge's train.jsonl and dev.jsonl; more than once.")]
Base = Annotated[Path | None, typer.Option(help="Folder of the model to start from, in safetensors.")]
Out = Annotated[Path, typer.Option(help="Folder for the model, its card and manifest.")]
Work = Annotated[Path, typer.Option(help="Folder of the run: stopped or killed, the same command goes on.")]
Threads = Annotated[int, typer.Option(min=0, help="Of the processor; 0: all cores, or $OMP_NUM_THREADS.")]


def sft(
    recipe: Recipe,
    data: Data,
    out: Out = Path("build/model"),
    work: Work = Path("build/model.work"),
    base: Base = None,
    threads: Threads = 0,
) -> None:
    """Instruction data → a model: full, LoRA or QLoRA, as the recipe says. Several cards: torchrun -m vedette …"""
    train = _imported("sft")
    from vedette.train.slm.sft import Places

    _told(train(Places(recipe, tuple(data), out, work, base), _watcher(), threads), out, work)


def _imported(name: str) -> Callable[..., Done]:
    try:
        from vedette.train.slm import sft as stages
    except ModuleNotFoundError as error:
        raise ConfigError(f"training needs {error.name}", remedy="pip install 'vedette[train]'") from error
    found: Callable[..., Done] = getattr(stages, name)
    return found


def _watcher() -> Watcher:
    from signal import SIGINT, SIGTERM, signal

    from vedette.train.slm.sft import Watcher

    asked: list[int] = []
    for number in (SIGINT, SIGTERM):
        signal(number, lambda *_: asked.append(1))
    return Watcher(event=_line, say=lambda text: print(text, file=sys.stderr), stopped=lambda: bool(asked))


def _line(event: Any) -> None:
    print(event, file=sys.stderr)


def _told(done: Done, out: Path, work: Path) -> None:
    for side, tally in done.tallies.items():
        if tally.read:
            print(
                f"{side}: {tally.used:,} of {tally.read:,} rows, {tally.tokens:,} tokens, {tally.answers:,} to be said"
            )
        for why, count in tally.left.items():
            print(f"  left out: {why}: {count:,}, first {tally.places[why][0]}")
    outcome = done.outcome
    if outcome.stopped:
        print(f"stopped at step {outcome.steps:,}; the same command goes on from {work}", file=sys.stderr)
        raise typer.Exit(130)
    dev = "" if outcome.dev is None else f", dev loss {outcome.dev:.4f}"
    print(f"{outcome.steps:,} steps in {outcome.seconds / 60:.1f} minutes ({outcome.why}){dev}")
    print(f"{out}: {done.parameters:,} parameters, {done.learned:,} of them learned")
