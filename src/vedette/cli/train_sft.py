"""`vedette train sft | pretrain`: instruction data, and texts before it → a model of one's own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vedette.errors import ConfigError

if TYPE_CHECKING:
    from vedette.train.slm.curve import Run
    from vedette.train.slm.sft import Done

Recipe = Annotated[Path, typer.Option(help="What is trained, and how: recipes/*.toml.")]
Data = Annotated[list[Path], typer.Option(help="Folder of the forge's train.jsonl and dev.jsonl; more than once.")]
Texts = Annotated[list[Path], typer.Option("--data", help="Folder that `vedette train texts` wrote; more than once.")]
Benchmarks = Annotated[
    Path | None, typer.Option(help="Folder of benchmarks; rows that touch one of their items are left out.")
]
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
    benchmarks: Benchmarks = None,
    threads: Threads = 0,
) -> None:
    """Instruction data → a model: full, LoRA or QLoRA, as the recipe says. Several cards: torchrun -m vedette …"""
    _run("sft", recipe, data, (out, work, base, benchmarks), threads)


def pretrain(
    recipe: Recipe,
    data: Texts,
    out: Out = Path("build/pretrained"),
    work: Work = Path("build/pretrained.work"),
    base: Base = None,
    benchmarks: Benchmarks = None,
    threads: Threads = 0,
) -> None:
    """Plain texts → a base for `sft` that knows them: [pretrain] of the recipe."""
    _run("pretrain", recipe, data, (out, work, base, benchmarks), threads)


def _run(
    name: str, recipe: Path, data: list[Path], folders: tuple[Path, Path, Path | None, Path | None], threads: int
) -> None:
    out, work, base, benchmarks = folders
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that spin lose most of the speed to what else runs
    try:
        from vedette.train.slm import stage

        stage.offline()
        from vedette.train.slm import sft as stages
    except ModuleNotFoundError as error:
        raise ConfigError(f"training needs {error.name}", remedy="pip install 'vedette[train]'") from error
    from vedette.cli.forge import UNCHECKED
    from vedette.cli.train_live import Live

    if benchmarks is None and not all((folder / "manifest.json").is_file() for folder in data):
        print(UNCHECKED, file=sys.stderr)
    train: Callable[..., Done] = getattr(stages, name)
    places = stages.Places(recipe, tuple(data), out, work, base, benchmarks)
    stage.quiet()
    with Live(recipe.stem, _before(work)) as live:
        watch = stages.Watcher(live.tell, lambda text: print(text, file=sys.stderr), _stop())
        done = train(places, watch, threads)
    _told(done, out, work)


def _before(work: Path) -> Run | None:
    """What an earlier run of the same measured."""
    from vedette.train.slm import curve

    return curve.read(work) if (work / curve.NAME).is_file() else None


def _stop() -> Callable[[], bool]:
    """Whether Ctrl-C or SIGTERM came: the step is finished and kept."""
    from signal import SIGINT, SIGTERM, signal

    asked: list[int] = []
    for number in (SIGINT, SIGTERM):
        signal(number, lambda *_: asked.append(1))
    return lambda: bool(asked)


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
    print(out)
