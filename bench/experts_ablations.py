"""What each part of the experts' recipe is worth: small trainings that differ from a reference in one thing.

`python bench/experts_ablations.py --base FOLDER [--data FOLDER] [--limit 20000] [--only NAME,…]` (needs torch,
transformers, onnx). About five minutes each on two cores; each row is printed when it is there.

All start from the same recipe with one pass, a sample of the CVEs of all years and a quarter of the sentences. The
fp32 network is measured: held-out CVEs without near duplicates (dev), and benchmarks. Differences on the dev split are
what decides; benchmarks are shown because decontamination can be seen there only. These are no shipped weights.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from scipy.special import softmax

from vedette.bench.catalog import benchmark, items
from vedette.bench.rows import row
from vedette.bench.scoring import base_score
from vedette.config import load_toml
from vedette.experts.labels import CONVENTIONS, Convention
from vedette.experts.severity import decide
from vedette.train.experts import Material, Places, Recipe, Run, batched, prepare, tokenizer_of
from vedette.train.experts_batches import METRIC_PLACES, Set
from vedette.train.experts_measure import dev_scores
from vedette.train.experts_model import Network

ROOT = Path(__file__).resolve().parents[1]
PART = 4  # one sentence of so many

Change = Callable[[Recipe], Recipe]
Alter = Callable[[Material], Material]


def _weights(**changed: float) -> Change:
    return lambda recipe: recipe.model_copy(update={"weights": recipe.weights.model_copy(update=changed)})


def _seed(seed: int) -> Change:
    return lambda recipe: recipe.model_copy(update={"seed": seed})


def _blurred(material: Material) -> Material:
    """Every labeller is said to say what all say together: what a model without source conditioning learns."""
    things = []
    for cve in material.shown.things:
        said = cve.weaknesses.get(Convention.ANY) or next(iter(cve.weaknesses.values()), None)
        vector = next(iter(cve.vectors.values()), None)
        blurred = replace(cve, weaknesses=dict.fromkeys(CONVENTIONS, said) if said else {})
        things.append(replace(blurred, vectors=dict.fromkeys(CONVENTIONS, vector) if vector else {}))
    return replace(material, shown=Set(things, material.shown.tokens))


def _alone(material: Material) -> Material:
    return replace(material, told=Set([], material.told.tokens), pairs=[])


def _half(material: Material) -> Material:
    (passes, later) = material.stages
    return replace(material, stages=([chosen[::2] for chosen in passes], later))


def _same(thing: Material) -> Material:
    return thing


SILENT = _weights(severity=0.0, ssvc=0.0, techniques=0.0, pairs=0.0, near=0.0)
VARIANTS: dict[str, tuple[Change, Alter]] = {
    "reference": (_seed(7), _same),
    "seed 8": (_seed(8), _same),
    "seed 9": (_seed(9), _same),
    "half of the CVEs": (_seed(7), _half),
    "no source conditioning": (_seed(7), _blurred),
    "weakness head alone": (SILENT, _alone),
    "no label smoothing": (lambda recipe: recipe.model_copy(update={"smoothing": 0.0}), _same),
    "decontamination off": (_seed(7), _same),
}
UNCLEAN = "decontamination off"


def small(path: Path, limit: int) -> Recipe:
    recipe = load_toml(path, Recipe)
    cves = recipe.cves.model_copy(update={"last": 9999, "passes": 1, "later": 1, "replay": 0, "limit": limit})
    sentences = recipe.sentences.model_copy(update={"epochs": 1})
    pairs = recipe.pairs.model_copy(update={"steps": recipe.pairs.steps // PART})
    return recipe.model_copy(update={"cves": cves, "sentences": sentences, "pairs": pairs})


def material_of(recipe: Recipe, places: Places) -> Material:
    material = prepare(recipe, places)
    material.told.things = material.told.things[::PART]
    material.told.tokens.rows = material.told.tokens.rows[::PART]
    return material


def scores(network: Network, material: Material, places: Places, longest: int) -> list[str]:
    """Dev top-1 of three conventions, RCM, RCM-2021, and the deviation on VSP."""
    dev = dev_scores(network, material, places.base, longest)
    found = [f"{100 * dev[party]:.1f}" for party in (Convention.ANY, Convention.NVD, Convention.CNA)]
    for name in ("rcm", "rcm-2021"):
        held = items(benchmark(f"cti-{name}"), places.data)
        logits = asked(network, [item.text for item in held], places.base, "weakness")
        best = [material.labels.weaknesses[i] for i in logits[:, CONVENTIONS.index(Convention.ANY)].argmax(1)]
        found.append(_cell([float(b in item.right) for b, item in zip(best, held, strict=True)], 100))
    held = items(benchmark("cti-vsp"), places.data)
    logits = asked(network, [item.text for item in held], places.base, "severity")
    nvd = logits[:, CONVENTIONS.index(Convention.NVD)]
    said = [decide([softmax(one[a:b]) for a, b in METRIC_PLACES]).score for one in nvd]
    errors = [abs(s - (base_score(item.right[0]) or 0.0)) for s, item in zip(said, held, strict=True)]
    return [*found, _cell(errors, 1)]


def _cell(values: Sequence[float], times: int) -> str:
    one = row("", values)
    digits = 1 if times > 1 else 2
    return (
        f"{times * one['value']:.{digits}f} [{times * one['low']:.{digits}f}, {times * one['high']:.{digits}f}]"
    )  # fmt: skip


def asked(network: Network, texts: Sequence[str], base: Path, head: str) -> np.ndarray:
    held = Set.of(texts, str, tokenizer_of(base), 256)
    order = sorted(range(len(texts)), key=lambda i: len(held.tokens.rows[i]))
    found: dict[int, np.ndarray] = {}
    for places in batched(order, 32):
        with torch.no_grad():
            logits = getattr(network, head)(network.pool(*held.tokens.padded(places))).numpy()
        found |= dict(zip(places, logits, strict=True))
    return np.stack([found[i] for i in range(len(texts))])


def unclean(places: Places, folder: Path) -> Places:
    """The same, with a benchmark of one item that no text touches."""
    (folder / "none.jsonl").write_text('{"text": "no text is like this one"}\n', encoding="utf-8")
    return replace(places, benchmarks=folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data")
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--recipe", type=Path, default=ROOT / "recipes/experts.toml")
    parser.add_argument("--limit", type=int, default=20_000, help="CVEs of each training")
    parser.add_argument("--only", default=",".join(VARIANTS))
    options = parser.parse_args()
    recipe, places = small(options.recipe, options.limit), Places(options.data, options.data / "bench", options.base)
    head = ["variant", "CVEs", "dev any", "dev nvd", "dev cna", "RCM", "RCM-2021", "VSP"]
    print("\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head))), flush=True)
    clean = material_of(recipe, places)
    for name in options.only.split(","):
        change, alter = VARIANTS[name]
        with TemporaryDirectory() as folder:
            made = material_of(recipe, unclean(places, Path(folder))) if name == UNCLEAN else clean
            made = replace(made, cves=clean.cves) if name == UNCLEAN else alter(made)
            run = Run(change(recipe), made, options.base, Path(folder) / "run")
            run.learn(save=10**9)
            cells = scores(run.averaged(), made, places, recipe.longest)
        print(f"| {name} | {len(made.stages[0][0]):,} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
