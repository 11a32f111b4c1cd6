"""`vedette forge …`: instruction data from the knowledge store, refined by a teacher and a judge."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vedette.cli import forge_format
from vedette.cli.engine import Context
from vedette.cli.forge_ingest import ingest

if TYPE_CHECKING:
    from vedette.forge.executor import Asked, Executor
    from vedette.forge.make import Made
    from vedette.forge.recipe import Recipe

_OUT, _WORK = Path("build/forge"), Path("build/forge.ledger")
Out = Annotated[Path, typer.Option(help="Folder for train and dev, card and manifest.")]
Store = Annotated[Path | None, typer.Option(help="The knowledge store; else $VEDETTE_KNOWLEDGE, else yours.")]
Seed = Annotated[int | None, typer.Option(help="Another seed than the recipe's.")]
Progressing = Annotated[bool, typer.Option("--progress/--no-progress", help="Show how far it is.")]
Benchmarks = Annotated[
    Path | None, typer.Option(help="Folder of benchmarks; what touches one of their items is left out.")
]
UNCHECKED = "vedette: no --benchmarks were given: nothing was held against them, and the card says so"


class By(StrEnum):
    """What carries a run out."""

    ASYNCIO = "asyncio"
    RAY = "ray"


app = typer.Typer(help="Make instruction data: what a small model is trained on.", no_args_is_help=True)
app.command("ingest")(ingest)


app.add_typer(forge_format.app, name="format")


@app.command("tasks")
def listed() -> None:
    """The tasks of stage 1 by group, with their kind and how many examples each gives at most."""
    from vedette.forge.task import GROUPS, tasks

    for group in GROUPS:
        print(group.replace("_", "-"))
        for task in tasks(group):
            print(f"  {task.name.ljust(34)} {str(task.kind).ljust(20)} ≤ {task.cap:,}")


@app.command("build")
def build(
    recipe: Annotated[Path, typer.Option(help="What is made, and how.")] = Path("recipes/forge-structure.toml"),
    out: Out = _OUT,
    store: Store = None,
    benchmarks: Benchmarks = None,
    seed: Seed = None,
    progress: Progressing = True,
) -> None:
    """Stage 1: examples from the store's structure, without a language model. The same seed gives the same bytes."""
    from vedette.forge.make import Places, structure

    began = time.monotonic()
    with _progress(progress, "examples") as step:
        made = structure(_recipe(recipe, seed), Places(recipe, out, store, benchmarks), step)
    _told(made, out, time.monotonic() - began, benchmarks)


@app.command("run")
def run(
    teacher: Annotated[str, typer.Option(help="Who rewrites: gguf/FILE, an address, a model's name, fake/FILE.")],
    judge: Annotated[str, typer.Option(help="Who judges; none: the checks alone decide.")] = "",
    recipe: Annotated[Path, typer.Option(help="What is made, and how.")] = Path("recipes/forge-full.toml"),
    out: Out = _OUT,
    work: Annotated[Path, typer.Option(help="The ledger: broken off, the same command goes on from there.")] = _WORK,
    store: Store = None,
    benchmarks: Benchmarks = None,
    context: Context = 0,
    seed: Seed = None,
    executor: Annotated[
        By, typer.Option(help="This process, or workers of Ray for a job that outgrows it.")
    ] = By.ASYNCIO,
    address: Annotated[str, typer.Option(help="Of a running Ray cluster; else Ray runs on this machine alone.")] = "",
    workers: Annotated[int, typer.Option(min=1, help="Of Ray, each with an engine of its own.")] = 2,
    dry_run: Annotated[bool, typer.Option(help="Say what it would ask for, and ask nothing.")] = False,
    progress: Progressing = True,
) -> None:
    """All stages: examples are grounded in the store, rewritten by a teacher, checked, judged, mixed."""
    from vedette.engine.open import Wanted
    from vedette.forge.executor import Asked
    from vedette.forge.make import Places, priced, refined

    wanted, places = _recipe(recipe, seed), Places(recipe, out, store, benchmarks)
    if dry_run:
        for line in priced(wanted, places, judged=bool(judge)):
            print(line)
        return

    async def go(step: Callable[[str], None]) -> tuple[Made, Counter[str]]:
        calls = max(1, wanted.refine.in_flight // (workers if executor is By.RAY else 1))
        asked = Asked(teacher, judge, Wanted(context=context, parallel=min(8, calls)))
        async with _executor(executor, asked, address, workers) as chosen:
            return await refined(wanted, places, chosen, work, step)

    import asyncio

    began = time.monotonic()
    with _progress(progress, "rows") as step:
        made, outcomes = asyncio.run(go(step))
    for outcome, count in outcomes.most_common():
        print(f"{count:>8,}  {outcome}")
    _told(made, out, time.monotonic() - began, benchmarks)


@asynccontextmanager
async def _executor(by: By, asked: Asked, address: str, workers: int) -> AsyncIterator[Executor]:
    if by is By.RAY:
        from vedette.forge.ray_executor import Cluster, OnRay

        yield await OnRay.of(asked, Cluster(address, workers))
        return
    from vedette.forge.executor import Here

    async with asked.models() as models:
        yield Here(models)


@app.command("calibrate")
def calibrate(
    labels: Annotated[Path, typer.Argument(help='A line each: {"id": of an example, "good": whether its answer is}')],
    work: Annotated[Path, typer.Option(help="The ledger of the run whose answers were labelled.")] = _WORK,
) -> None:
    """From which of the judge's marks on an answer is used, by task, as people's labels say: lines for a recipe."""
    from vedette.forge import judge
    from vedette.forge.ledger import Ledger
    from vedette.forge.refine import judged

    told = judge.labels(labels)
    with Ledger(work) as ledger:
        marks = {row.example.id: (row.example.task, row.judged.factuality) for row in judged(ledger) if row.judged}
    marked = [judge.Labelled(*marks[uid], good) for uid, good in told.items() if uid in marks]
    print(f"# {len(marked)} of {len(told)} labels are of answers that the judge marked")
    print("[refine.marks]")
    for task, mark in judge.calibrate(marked).items():
        print(f'"{task}" = {mark}')


@app.command("pairs")
def pairs(
    out: Annotated[Path, typer.Option(help="Folder for train.jsonl, dev.jsonl and their manifest.")],
    work: Annotated[Path, typer.Option(help="The ledger of a run with a judge.")] = _WORK,
    recipe: Annotated[Path, typer.Option(help="Of that run: how it was split.")] = Path("recipes/forge-full.toml"),
    seed: Seed = None,
) -> None:
    """What the judge preferred in both orders, as pairs of answers for `vedette train dpo`."""
    from vedette.forge.pairs import write

    for what, count in write(work, _recipe(recipe, seed), out).most_common():
        print(f"{count:>8,}  {what}")


def _recipe(file: Path, seed: int | None) -> Recipe:
    from vedette.config import load_toml
    from vedette.forge.recipe import Recipe

    wanted = load_toml(file, Recipe)
    return wanted if seed is None else wanted.model_copy(update={"seed": seed})


def _told(made: Made, out: Path, seconds: float, benchmarks: Path | None) -> None:
    given, left = sum(t.given for t in made.tallies), sum(t.drafts - t.given for t in made.tallies)
    print(f"{given:,} examples by {len(made.tallies)} tasks, {left:,} drafts left out, in {seconds:.0f} s")
    print(f"{made.sides['train']:,} to train on, {made.sides['dev']:,} on the dev side; {out / 'card.md'}")
    if benchmarks is None:
        print(UNCHECKED, file=sys.stderr)


@contextmanager
def _progress(wanted: bool, noun: str) -> Iterator[Callable[[str], None]]:
    """One step each; on a terminal a count with what it is at, else nothing."""
    if not wanted or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.completed:,}"), TextColumn(noun), TextColumn("{task.fields[name]}"))
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, name="")
        yield lambda name: bar.update(task, advance=1, name=name)
