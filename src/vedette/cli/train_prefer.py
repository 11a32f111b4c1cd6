"""`vedette train dpo | grpo | pairs | texts`: preference and reward, and what they and pre-training learn from."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vedette.cli.engine import Context
from vedette.errors import ConfigError

if TYPE_CHECKING:
    from vedette.train.slm.recipe import Recipe
    from vedette.train.slm.stage import Result

RecipeFile = Annotated[Path, typer.Option("--recipe", help="What is trained, and how: recipes/*.toml.")]
Base = Annotated[Path, typer.Option(help="Folder of the model to start from: what a stage before wrote, merged.")]
Out = Annotated[Path, typer.Option(help="Folder for the weights or adapter, recipe, curve, card and manifest.")]
Seed = Annotated[int | None, typer.Option(help="Another seed than the recipe's.")]
Benchmarks = Annotated[
    Path | None, typer.Option(help="Folder of benchmarks; what touches one of their items is left out.")
]
Store = Annotated[Path | None, typer.Option(help="The knowledge store; else $VEDETTE_KNOWLEDGE, else yours.")]
_UNCHECKED = "vedette: no --benchmarks were given: nothing was held against them"
_NEEDED = "pip install 'vedette[train]'"


def dpo(
    recipe: RecipeFile,
    base: Base,
    pairs: Annotated[Path, typer.Option(help='JSON lines {"prompt": messages, "chosen": …, "rejected": …}.')],
    out: Out,
    work: Annotated[Path, typer.Option(help="Folder of the run: stopped, the same command goes on.")] = Path(
        "build/dpo"
    ),
    dev: Annotated[Path | None, typer.Option(help="Pairs of the dev side, for its loss and early stopping.")] = None,
    benchmarks: Benchmarks = None,
    seed: Seed = None,
) -> None:
    """Direct preference optimisation: the better answer of each pair becomes likelier than the worse one."""
    from vedette.train.slm import stage

    stage.offline()
    wanted, places = _recipe(recipe, seed), stage.Places(recipe, base, pairs, out, work, dev, benchmarks)
    _unchecked(benchmarks)
    try:
        from vedette.train.slm import dpo
    except ModuleNotFoundError as error:
        raise ConfigError(f"training needs {error.name}", remedy=_NEEDED) from error
    _told(dpo.train(wanted, places, _line), out)


def grpo(
    recipe: RecipeFile,
    base: Base,
    data: Annotated[Path, typer.Option(help="Rows of the forge whose answers can be verified: train.jsonl.")],
    out: Out,
    work: Annotated[Path, typer.Option(help="Folder of the run: stopped, the same command goes on.")] = Path(
        "build/grpo"
    ),
    dev: Annotated[Path | None, typer.Option(help="Rows of the dev side, for the recipe's [probe].")] = None,
    store: Store = None,
    benchmarks: Benchmarks = None,
    seed: Seed = None,
) -> None:
    """Reward by exact verifiers: answers that are right become likelier than the model's other ones."""
    from vedette.train.slm import stage

    stage.offline()
    wanted, places = _recipe(recipe, seed), stage.Places(recipe, base, data, out, work, dev, benchmarks, store)
    _unchecked(benchmarks)
    try:
        from vedette.train.slm import grpo
    except ModuleNotFoundError as error:
        raise ConfigError(f"training needs {error.name}", remedy=_NEEDED) from error
    _told(grpo.train(wanted, places, _line), out)


def pairs(
    data: Annotated[Path, typer.Option(help="Rows of the forge with exact answers: train.jsonl.")],
    model: Annotated[str, typer.Option(help="Who answers: gguf/FILE, an address, a model's name, fake/FILE.")],
    out: Annotated[Path, typer.Option(help="File for the pairs, JSON lines.")],
    tasks: Annotated[list[str] | None, typer.Option(help="Beginning of tasks' names; may be given again.")] = None,
    each: Annotated[int, typer.Option(help="Rows of a task at most; 0: all.", min=0)] = 50,
    samples: Annotated[int, typer.Option(help="Answers to a question at most.", min=1)] = 4,
    temperature: Annotated[float, typer.Option(help="Of the answers; 0: always the likeliest one.", min=0)] = 0.8,
    tokens: Annotated[int, typer.Option(help="Of an answer at most.", min=1)] = 512,
    parallel: Annotated[int, typer.Option(help="Questions at once.", min=1)] = 4,
    context: Context = 0,
    seed: Annotated[int, typer.Option(help="Of the answers.")] = 7,
) -> None:
    """A model's wrong answers beside the right ones, for `train dpo`. Stopped, the same command goes on."""
    import asyncio

    from vedette.engine.open import Wanted, opened
    from vedette.train.slm import questions, sampled
    from vedette.train.slm.recipe import Data

    found, left = questions.read(data, Data(tasks=tuple(tasks or ()), each=each))
    if left.count:
        print(f"{left.count:,} lines are no rows: {', '.join(left.places)}", file=sys.stderr)
    asked = sampled.verifiable(found)
    how = sampled.Wanted(samples, temperature, tokens, seed, parallel)
    engine = opened(model, Wanted(context=context, parallel=parallel))
    outcomes = asyncio.run(sampled.sample(asked, engine, how, out, lambda _: None))
    _counted(Counter({f"question: {outcome}": count for outcome, count in outcomes.items()}))
    print(f"{outcomes[sampled.WRONG]:,} pairs of {len(asked):,} questions: {out}")


def texts(
    out: Annotated[Path, typer.Option(help="Folder for train.jsonl, dev.jsonl and their manifest.")],
    store: Store = None,
    benchmarks: Benchmarks = None,
    each: Annotated[int, typer.Option(help="Documents of a kind at most; 0: all.", min=0)] = 0,
    replay: Annotated[Path | None, typer.Option(help='General text that is mixed in: JSON lines {"text": …}.')] = None,
    share: Annotated[float, typer.Option(help="Of general text, of all characters.", min=0, max=0.9)] = 0.1,
    seed: Annotated[int, typer.Option(help="Of the split: that of the forge's recipe.")] = 7,
    dev: Annotated[float, typer.Option(help="Share of the dev side: that of the recipe.", min=0, max=0.5)] = 0.02,
) -> None:
    """The knowledge's own text as documents for [pretrain]: what the forge's dev side asks about stands apart."""
    from vedette.knowledge.store import Knowledge
    from vedette.overlap import Items
    from vedette.train.slm import passages

    wanted = passages.Wanted(seed, dev, each, replay, share)
    items = Items.of(benchmarks) if benchmarks else None
    with Knowledge.open(store) as knowledge:
        tally = passages.write(knowledge, wanted, items, out)
    _counted(Counter(passages.counts(tally)))
    _unchecked(benchmarks)


def _recipe(file: Path, seed: int | None) -> Recipe:
    from vedette.config import load_toml
    from vedette.train.slm.recipe import Recipe

    wanted = load_toml(file, Recipe)
    return wanted if seed is None else wanted.model_copy(update={"seed": seed})


def _line(told: str) -> None:
    print(told, flush=True)


def _told(result: Result, out: Path) -> None:
    _counted(Counter(result.counts))
    measures = ", ".join(f"{name} {value:.4f}" for name, value in result.measures.items())
    print(f"{result.steps:,} steps, {result.why}; {measures}; {out}")


def _counted(counts: Counter[str]) -> None:
    for what, count in counts.items():
        print(f"{count:>12,}  {what}")


def _unchecked(benchmarks: Path | None) -> None:
    if benchmarks is None:
        print(_UNCHECKED, file=sys.stderr)
