"""Data for the forge's ablation, by the forge: `python bench/forge_ablation_data.py --out build/ablation`.

Four folders of the same examples and the same split: structure only; rewritten by the formats; with grounding; with a
judge. Teacher and judge are scripts (bench/forge_ablation_teacher.py).
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from forge_ablation_teacher import Judge, Teacher

from vedette.config import load_toml
from vedette.forge.caller import Costs
from vedette.forge.executor import Here, Job, Models
from vedette.forge.make import Made, Places, refined, structure
from vedette.forge.recipe import Recipe
from vedette.knowledge.store import Knowledge

RECIPE = Path(__file__).with_name("forge_ablation.toml")
ARMS = ("structure", "formats", "grounding", "judge")


@dataclass(frozen=True, slots=True)
class ByWords:
    """The store, searched by words alone."""

    store: Knowledge

    def search(self, query: str, limit: int) -> list[Any]:
        return self.store.search(query, limit=limit, mode="words")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


@dataclass(frozen=True, slots=True)
class Quick(Here):
    async def carry_out(self, job: Job, told: Callable[[str], None]) -> dict[str, Costs]:
        by_words: Any = ByWords(job.store)
        return await super(Quick, self).carry_out(replace(job, store=by_words), told)


def made(arm: str, places: Places, work: Path) -> tuple[Made, Mapping[str, int]]:
    recipe = load_toml(RECIPE, Recipe)
    if arm == "structure":
        return structure(recipe, places, lambda _: None), {}
    if arm == "formats":
        recipe = recipe.model_copy(update={"refine": recipe.refine.model_copy(update={"queries": 0})})
    models = Models(Teacher(), Judge() if arm == "judge" else None)
    return asyncio.run(refined(recipe, places, Quick(models), work, lambda _: None))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/ablation"))
    parser.add_argument("--store", type=Path)
    parser.add_argument("--benchmarks", type=Path)
    parser.add_argument("--only", choices=ARMS)
    options = parser.parse_args()
    for arm in (options.only,) if options.only else ARMS:
        out = options.out / arm
        result, outcomes = made(arm, Places(RECIPE, out, options.store, options.benchmarks), out.with_suffix(".ledger"))
        print(f"{arm}: {result.sides['train']:,} to train on, {result.sides['dev']:,} dev", dict(outcomes), flush=True)


if __name__ == "__main__":
    main()
