"""How much of the forge's dev side a trained model answers: `python bench/slm_quality.py MODEL --data FORGE`.

Exact answers, of questions whose answer the train side has; of JSON also whether it is JSON. 95 % Wilson intervals.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from vedette.config import load_toml
from vedette.train.slm import curve, model, probe, rows
from vedette.train.slm.recipe import Data, Method, Recipe


def chosen(folder: Path, each: int) -> list[rows.Row]:
    """As many of each task, in the order of the file."""
    sides = [[row for _, row in rows.read([folder / f"{s}.jsonl"], Data(), rows.Tally())] for s in ("train", "dev")]
    known = {(row.task, row.final) for row in sides[0]}
    taken: Counter[str] = Counter()
    found = []
    for row in sides[1]:
        if row.final and (row.kind == probe.JSON or (row.task, row.final) in known) and taken[row.task] < each:
            taken[row.task] += 1
            found.append(row)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--each", type=int, default=200, help="questions of a task")
    options = parser.parse_args()
    asked = chosen(options.data, options.each)
    recipe = load_toml(options.model / "recipe.toml", Recipe)
    found = probe.asker(asked)(model.opened(options.model, recipe, Method.FULL), 0)
    often = probe.often(asked)
    print("| task | n | right, % | the commonest answer, % |\n|---|--:|--:|--:|")
    for task, (right, n) in sorted(found.tasks.items()):
        low, high = (100 * share for share in curve.wilson(right, n))
        chance = f"{100 * often[task]:.1f}" if task in often else "–"
        print(f"| {task} | {n} | {100 * right / n:.1f} [{low:.1f}, {high:.1f}] | {chance} |")


if __name__ == "__main__":
    main()
