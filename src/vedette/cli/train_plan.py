"""`vedette train plan`: what a recipe asks of a machine, and whether it fits, before anything is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from vedette.train.slm.amounts import Amount
    from vedette.train.slm.bases import Architecture
    from vedette.train.slm.licences import Judged
    from vedette.train.slm.plan import Plan, Stage
    from vedette.train.slm.recipe import Recipe

PARTS = {
    "weights": "weights",
    "optimiser": "optimiser",
    "gradients": "gradients",
    "activations": "activations",
    "head": "logits and bf16 weights",
    "layer": "or one layer's backward",
    "cache": "or keys and values",
    "program": "libraries",
}


def plan(
    recipe: Annotated[Path, typer.Option(help="What is trained, and how: recipes/*.toml.")],
    data: Annotated[
        list[Path] | None, typer.Option(help="Folder that the forge wrote; repeat it. Else what it makes by default.")
    ] = None,
    base: Annotated[Path | None, typer.Option(help="Folder of the base, where its name is not known here.")] = None,
    gpu: Annotated[
        str,
        typer.Option(help="H100, H100-PCIe, H200, A100-80, A100-40, L40S, RTX4090, MI300X, cpu; else what is here."),
    ] = "",
    gpus: Annotated[int, typer.Option(min=0, help="Cards that share the work; 0: all that are here.")] = 0,
    rows: Annotated[int, typer.Option(min=0, help="So many rows, where there is no --data yet; 0: see --data.")] = 0,
    out: Annotated[Path, typer.Option(help="Where checkpoints and results will lie: its disk is looked at.")] = Path(
        "build"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Memory, hours and disk of each stage, held against the machine; licences, held against the purpose.

    Nothing is loaded. Exit code 2 where it does not fit, with the settings to lower.
    """
    from vedette.cli.terminal import show, show_json
    from vedette.config import load_toml
    from vedette.train.slm import bases, cards
    from vedette.train.slm import plan as planning
    from vedette.train.slm.recipe import Recipe

    wanted = load_toml(recipe, Recipe)
    model = bases.architecture(wanted.base, base)
    amount = _amount(wanted, model, data or [], rows)
    judged = _licences(wanted, amount, data or [])
    found = planning.planned(wanted, model, cards.found(gpu, gpus, out), amount)
    if as_json:
        show_json(_document(found, judged))
    else:
        show(lambda _: _parts(found, judged))
    planning.ensure(found)


def _amount(wanted: Recipe, model: Architecture, data: list[Path], rows: int) -> Amount:
    from vedette.train.slm import amounts

    if data:
        return amounts.of_folders(data, wanted.data, model.characters)
    found = amounts.by_default(wanted.data)
    return amounts.scaled(found, rows) if rows else found


def _licences(wanted: Recipe, amount: Amount, data: list[Path]) -> list[Judged]:
    from vedette.train.slm import licences

    rows = dict(amount.licences)
    for folder in data:
        rows = {**licences.of_card(folder), **rows}
    checked = [licences.check_base(wanted)]
    return [*checked, licences.check_rows(wanted, rows)] if data else checked


def _document(found: Plan, judged: list[Judged]) -> dict[str, Any]:
    from vedette.train.slm import licences

    stages = [
        {**asdict(stage), "fits": stage.fits, "memory": {**asdict(stage.memory), "total": stage.memory.total}}
        for stage in found.stages
    ]
    model = {"name": found.model.name, "context": found.model.context, "shape": found.model.shape.model_dump()}
    whole = {"hours": found.hours, "disk": found.disk, "ram": found.ram, "faults": found.faults}
    rows = {name: value for name, value in asdict(found.rows).items() if name != "licences"}
    return {
        "recipe": found.recipe, "model": model, "machine": asdict(found.machine), "rows": rows, "stages": stages,
        **whole, "notices": licences.notices(judged), "accepted": [name for one in judged for name in one.accepted],
    }  # fmt: skip


def _parts(found: Plan, judged: list[Judged]) -> Iterator[RenderableType]:
    from rich.text import Text

    from vedette.cli.terminal import indented
    from vedette.train.slm import licences
    from vedette.train.slm import plan as planning

    yield from (Text(line) for line in planning.lines(found))
    yield ""
    yield _memory(found)
    for stage in found.stages:
        yield from _lower(stage)
    yield ""
    yield Text(f"rows      {_rows(found)}")
    yield Text(f"machine   {_machine(found)}")
    if notices := licences.notices(judged):
        yield Text("the model's card has to say:")
        yield from (indented(Text(text)) for text in notices)


def _memory(found: Plan) -> Table:
    from vedette.cli.terminal import listing

    table = listing()
    table.add_column("GB")
    for stage in found.stages:
        table.add_column(stage.name, justify="right")
    for part, title in PARTS.items():
        sizes = [getattr(stage.memory, part) for stage in found.stages]
        if any(sizes):
            table.add_row(title, *(f"{size / 1e9:,.1f}" for size in sizes))
    table.add_row("at the most", *(f"{stage.memory.total / 1e9:,.1f}" for stage in found.stages))
    table.add_row("it may take", *(f"{stage.room / 1e9:,.1f}" for stage in found.stages))
    table.add_row("fits", *("yes" if stage.fits else "no" for stage in found.stages))
    return table


def _lower(stage: Stage) -> Iterator[RenderableType]:
    from rich.text import Text

    if stage.fits:
        return
    yield ""
    yield Text(f"to lower in [{stage.name}], one after the other:")
    yield from (Text(f"  {one.setting:<32} {one.memory / 1e9:>8,.1f} GB") for one in stage.lower)
    if not stage.lower or stage.lower[-1].memory > stage.room:
        yield Text("  and still it does not fit: take a larger card, or a smaller base")


def _rows(found: Plan) -> str:
    rows, size = found.rows, found.model.characters
    where = "" if rows.measured else ", as the forge's structure data is; give --data for your own"
    left = f", {rows.left_out:,} too long" if rows.left_out else ""
    return f"{rows.rows:,}, {rows.tokens(size):,} tokens ({size:.2f} characters each){left}{where}"


def _machine(found: Plan) -> str:
    machine = found.machine
    speed = f"{machine.rate / 1e12:,.2f} Tflop/s in training ({machine.source})" if machine.rate else "speed not known"
    here = f"; {found.ram / 1e9:,.1f} GB of main memory needed"
    here += f", {machine.ram / 1e9:,.1f} free; {machine.disk / 1e9:,.1f} GB of disk free" if machine.disk else ""
    return f"{machine.cards} × {machine.name}, {machine.memory / 1e9:,.1f} GB; {speed}{here}"
