"""From trained weights to what ships: the int8 file, calibration, card, plot and manifest."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime
import orjson
import scipy
import tokenizers
import torch
import transformers
from safetensors.torch import load_file

from vedette import manifest
from vedette.config import load_toml
from vedette.errors import ArtefactError
from vedette.experts.heads import FILE as HEADS
from vedette.experts.network import FILE as ENCODER
from vedette.overlap import Index, Items
from vedette.train import experts_calibrate, experts_card, experts_ngrams
from vedette.train.decontaminate import check
from vedette.train.experts import CURVES, STAGE, Material, Places, Recipe, Run, prepare, tokenizer_of
from vedette.train.experts_calibrate import Numbers
from vedette.train.experts_cves import RATED, Cve
from vedette.train.experts_export import export, write_heads, write_labels
from vedette.train.experts_measure import Reader, dev_scores
from vedette.train.experts_model import Network

CALIBRATION, CARD = "calibration.json", "card.md"
FILES = (ENCODER, HEADS, "tokenizer.json", "labels.json", CALIBRATION, CARD, CURVES, "curves.svg", "recipe.toml")
VERSIONS = (np, onnx, onnxruntime, scipy, tokenizers, torch, transformers)
BASE_FILES = ("config.json", "model.safetensors", "tokenizer.json")


@dataclass(frozen=True, slots=True)
class Made:
    """What a finished training leaves behind."""

    recipe: Recipe
    text: str  # of the recipe's file
    material: Material
    places: Places
    touching: dict[str, int]  # the contamination report


def train(path: Path, places: Places, work: Path, out: Path, seed: int | None = None) -> Iterator[str]:
    """Learn, or go on learning, then write FILES and the manifest to `out`. Yields a line for each part.

    `work` keeps the checkpoint; beside `out`, `<out>-stage-1` gets the weights that never saw the last years.
    """
    recipe = load_toml(path, Recipe)
    recipe = recipe if seed is None else recipe.model_copy(update={"seed": seed})
    material = prepare(recipe, places)
    yield f"{material.counts['trained: CVEs']:,} CVEs, {material.counts['trained: sentences']:,} sentences"
    run = Run(recipe, material, places.base, work)
    yield f"{len(run.steps):,} steps, {run.steps_done():,} of them done before"
    run.learn(dev=lambda network: dev_scores(network, material, places.base, recipe.longest))
    made = Made(
        recipe, path.read_text(encoding="utf-8"), material, places, contamination(material, places.benchmarks)
    )  # fmt: skip
    finish(made, run.averaged(), read_by_words(material, later=True), work / CURVES, out)
    yield f"{out}: written"
    if (work / STAGE).exists():
        early = Network(places.base, material.labels)
        early.load_state_dict(load_file(work / STAGE))
        finish(
            made,
            early.eval(),
            read_by_words(material, later=False),
            work / CURVES,
            out.with_name(f"{out.name}-stage-1"),
        )
        yield f"{out}-stage-1: weights before the years after {recipe.cves.last}"


def read_by_words(material: Material, *, later: bool) -> list[Cve]:
    """The CVEs that the second opinion learns from: it is quick, so all of them."""
    return [cve for cve in (*material.cves.train, *(material.cves.later if later else ())) if cve.year >= RATED]


def finish(made: Made, network: Network, cves: Sequence[Cve], curves: Path, out: Path) -> Numbers:
    """`cves`: that the second opinion learns from."""
    out.mkdir(parents=True, exist_ok=True)
    recipe, material, tokenizer = made.recipe, made.material, tokenizer_of(made.places.base)
    sentences = material.told.things
    shown = experts_ngrams.Shown.of(cves, sentences, material.annotated, tokenizer, recipe.ngrams.rows)
    ngrams = experts_ngrams.fit(recipe.ngrams, shown, material.labels, recipe.seed)
    export(network, out / ENCODER)
    write_heads(network, ngrams, out / HEADS)
    tokenizer.save(str(out / "tokenizer.json"))
    write_labels(made.material.labels, out)
    numbers = calibrate(made, network, out)
    manifest.atomic_write(out / CALIBRATION, _json(numbers.content()))
    manifest.atomic_write(out / "recipe.toml", made.text)
    manifest.atomic_write(out / CURVES, curves.read_bytes())
    experts_card.plot(out / CURVES, out / "curves.svg")
    counts = Counter(made.material.counts)
    counts.update({"trained: CVEs that the words read": len(cves), **made.touching})
    facts = {
        "parameters of the encoder and its heads": f"{parameters(network):,}",
        "parameters of the words": f"{parameters(ngrams):,}",
        "files": f"{sum((out / name).stat().st_size for name in (ENCODER, HEADS)) / 1e6:.1f} MB",
        "weaknesses": f"{len(made.material.labels.weaknesses)}",
        "techniques and sub-techniques": f"{len(made.material.labels.techniques)}",
        "seed": f"{made.recipe.seed}",
    }
    manifest.atomic_write(out / CARD, experts_card.card(numbers.measured, counts, facts))
    _seal(made, dict(counts), out)
    return numbers


def parameters(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def _seal(made: Made, counts: dict[str, int], out: Path) -> None:
    data, inputs = made.places.data, made.recipe.inputs
    names = {inputs.cves, *inputs.attack.values(), inputs.tram, inputs.annoctr, *inputs.knowledge}
    manifest.write(
        out / manifest.FILE_NAME, outputs=FILES, counts=counts, seed=made.recipe.seed,
        inputs={name: data / name for name in names} | {f"base/{n}": made.places.base / n for n in BASE_FILES},
        versions={library.__name__: library.__version__ for library in VERSIONS},
    )  # fmt: skip


def _json(content: object) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def calibrate(made: Made, network: Network, out: Path) -> Numbers:
    """All numbers come from the int8 file that ships; the fp32 network is measured beside it, on the same CVEs."""
    numbers = Numbers()
    material, reader = made.material, Reader(out)
    dev = material.cves.dev
    found = reader.all([cve.text for cve in dev], ("weakness", "severity", "ssvc"))
    experts_calibrate.weakness(numbers, found["weakness"], dev, material.labels.weaknesses)
    experts_calibrate.severity(numbers, found["severity"], dev)
    experts_calibrate.ssvc(numbers, found["ssvc"], dev)
    experts_calibrate.techniques(numbers, reader, material.sentences, material.labels)
    with TemporaryDirectory() as folder:
        export(network, Path(folder) / ENCODER, quantise=False)
        shutil.copy(out / "tokenizer.json", folder)
        texts = [cve.text for cve, measures in zip(dev, experts_calibrate.halves(dev)[1], strict=True) if measures]
        full = Reader(Path(folder), out / HEADS).all(texts, ("weakness",))
    experts_calibrate.full_precision(numbers, full["weakness"], dev, material.labels.weaknesses)
    return numbers


def contamination(material: Material, benchmarks: Path) -> dict[str, int]:
    """Every text that was learned from, compared once more. One at a time: none may touch an item.

    Raises ArtefactError where one does.
    """
    cves = {cve.id: cve for cve in (*material.shown.things, *read_by_words(material, later=True))}.values()
    texts = [cve.text for cve in cves] + [s.text for s in material.told.things]
    ids = [cve.id for cve in cves] + [""] * len(material.told.things)
    items = Items.of(benchmarks)
    for text, cve in zip(texts, ids, strict=True):
        why, name = items.touched(text, cve)
        if why:
            raise ArtefactError(f"training touches {name or cve} by {why}", remedy="take that text out")
    together = check(Index(texts, ids), benchmarks)
    return {
        "contamination: items compared": items.count,
        "contamination: items touched by one text": 0,
        "contamination: items half of whose 13-grams occur in all texts together": together.by_gram,
    }
