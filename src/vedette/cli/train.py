"""`vedette train …`: learn shipped or own weights from labelled data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vedette.cli import train_prefer
from vedette.cli.train_export import export, merge
from vedette.cli.train_plan import plan
from vedette.cli.train_sft import pretrain, sft
from vedette.cli.train_watch import plot, watch
from vedette.errors import ConfigError

_DATA, _WORK = Path("../shared/data"), Path("build/experts")

app = typer.Typer(
    help="Train from labelled data, and language models from the forge's: pip install 'vedette[train]'.",
    no_args_is_help=True,
)
app.command("pretrain")(pretrain)
app.command("sft")(sft)
app.command("watch")(watch)
app.command("plot")(plot)
app.command("plan")(plan)
app.command("dpo")(train_prefer.dpo)
app.command("grpo")(train_prefer.grpo)
app.command("pairs")(train_prefer.pairs)
app.command("texts")(train_prefer.texts)
app.command("merge")(merge)
app.command("export")(export)


@app.callback()
def _group() -> None:
    pass


@app.command("triage")
def triage(
    data: Annotated[Path, typer.Argument(help="ait-ads-alerts-csv.zip: labelled alerts, one CSV a scenario.")],
    benchmarks: Annotated[Path, typer.Option(help="Folder of the benchmarks that must not be trained on.")],
    out: Annotated[Path, typer.Option(help="Folder for model.json and its manifest.")],
) -> None:
    """Learn the triage model's weights: half a minute on one core, the same model each time."""
    try:
        from vedette.train.release import release
    except ModuleNotFoundError as error:
        raise ConfigError(f"training needs {error.name}", remedy="pip install 'vedette[fit]'") from error
    model = release(data, benchmarks, out)
    print(f"{out / 'model.json'}: {model.name}, escalates from {model.escalate:.2f}")


@app.command("encoder")
def encoder(
    recipe: Annotated[Path, typer.Argument(help="recipes/encoder.toml.")],
    data: Annotated[Path, typer.Option(help="Folder of the publishers' files that the recipe names.")],
    benchmarks: Annotated[Path, typer.Option(help="Folder of the benchmarks that must not be trained on.")],
    teacher: Annotated[Path, typer.Option(help="Folder of all-MiniLM-L6-v2 as its authors publish it.")],
    out: Annotated[Path, typer.Option(help="Folder for the weights and their manifest.")],
) -> None:
    """Learn the vectors of knowledge search: 5 minutes on one core, the same weights each time."""
    try:
        from vedette.train.encoder import Places, Recipe, train
    except ModuleNotFoundError as error:
        raise ConfigError(f"training needs {error.name}", remedy="pip install 'vedette[train]'") from error
    from vedette.config import load_toml

    for found in train(load_toml(recipe, Recipe), Places(data, benchmarks, teacher), out):
        print(found)


@app.command("experts")
def experts(
    recipe: Annotated[Path, typer.Option(help="What to learn from, and how: recipes/experts.toml.")],
    base: Annotated[Path, typer.Option(help="Folder of the encoder to start from, as transformers saves it.")],
    out: Annotated[Path, typer.Option(help="Folder for the weights, their card and manifest.")],
    data: Annotated[Path, typer.Option(help="Folder of the publishers' files that the recipe names.")] = _DATA,
    benchmarks: Annotated[
        Path | None, typer.Option(help="Benchmarks that must not be trained on; else data/bench.")
    ] = None,
    work: Annotated[Path, typer.Option(help="Folder of the run: stopped, it goes on from there.")] = _WORK,
    seed: Annotated[int | None, typer.Option(help="Another seed than the recipe's.")] = None,
) -> None:
    """Learn the embedded experts: an hour on two cores with AMX. Stopped, the same command goes on."""
    try:
        from vedette.train import experts_finish
        from vedette.train.experts import Places
    except ModuleNotFoundError as error:
        remedy = "pip install 'vedette[train]'"
        raise ConfigError(f"training needs {error.name}", remedy=remedy) from error
    places = Places(data, benchmarks or data / "bench", base)
    for line in experts_finish.train(recipe, places, work, out, seed):
        print(line, flush=True)
