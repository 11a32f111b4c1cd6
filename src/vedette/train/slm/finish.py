"""The result of a stage: the model's folder, with the card that says what it was made from, and its manifest last."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from vedette import manifest
from vedette.train.slm import card, card_facts, curve, hf, saved
from vedette.train.slm.card_facts import Facts, Measured, Origin, Score
from vedette.train.slm.model import Opened
from vedette.train.slm.recipe import Learning, Method, Recipe
from vedette.train.slm.rows import Tally

if TYPE_CHECKING:
    from vedette.train.slm.sft import Places

PACKAGES = ("torch", "transformers", "accelerate", "peft")


@dataclass(frozen=True, slots=True)
class Made:
    """What a stage knows besides its folders."""

    recipe: Recipe
    stage: str
    learning: Learning
    tallies: Mapping[str, Tally]  # by side
    chance: Mapping[str, float]  # by task of the probe
    items: int | None  # of the benchmarks that the rows were held against; None: they were not
    notices: tuple[str, ...] = ()  # that the licences of base and rows ask for


def finish(made: Made, opened: Opened, places: Places) -> None:
    """Raises OutputError, and ArtefactError where the data's card is not the one of its manifest."""
    run = curve.read(places.work)
    facts = _facts(made, opened, places, run)
    with saved.folder(places.out) as filling:
        write_model(opened, filling)
        shutil.copyfile(places.recipe, filling / "recipe.toml")
        shutil.copyfile(places.work / curve.NAME, filling / curve.NAME)
        (filling / card_facts.CARD).write_text(card.render(facts), "utf-8")
        held = {} if made.items is None else {"benchmark items held against": made.items}
        manifest.write(
            filling / manifest.FILE_NAME,
            inputs=dict(_inputs(places)),
            outputs=saved.files(filling),
            seed=made.recipe.seed,
            versions=facts.versions,
            counts={**card_facts.manifest_counts(facts), **held},
        )


def write_model(opened: Opened, folder: Path) -> None:
    """As transformers or PEFT reads it; whole models in bf16."""
    found = opened.model
    if hasattr(found, "get_base_model"):
        found.save_pretrained(folder)
    else:
        found.config.dtype = "bfloat16"
        tied = set(getattr(found, "all_tied_weights_keys", None) or {})
        found.save_pretrained(
            folder, state_dict={n: one.to(torch.bfloat16) for n, one in found.state_dict().items() if n not in tied}
        )
    opened.tokenizer.save_pretrained(folder)


def _inputs(places: Places) -> Iterator[tuple[str, Path]]:
    yield "recipe", places.recipe
    for number, folder in enumerate(places.data, 1):
        for name in (manifest.FILE_NAME, "train.jsonl", "dev.jsonl"):
            if (folder / name).is_file():
                yield f"data {number}/{name}", folder / name
    if places.base:
        yield from hf.inputs(places.base, "base/").items()
        if (places.base / manifest.FILE_NAME).is_file():
            yield f"base/{manifest.FILE_NAME}", places.base / manifest.FILE_NAME


def _facts(made: Made, opened: Opened, places: Places, run: curve.Run) -> Facts:
    recipe, tally = made.recipe, made.tallies["train"]
    weights = list(opened.model.parameters())
    learned = sum(one.numel() for one in weights if one.requires_grad)
    first = card_facts.data(places.data[0], tally.used, tally.left, tally.tokens, tally.licences)
    return Facts(
        name=recipe.name,
        licence=recipe.card.licence,
        origin=_origin(made, sum(one.numel() for one in weights), learned),
        recipe=places.recipe.name,
        recipe_sha256=manifest.sha256_file(places.recipe),
        seed=recipe.seed,
        data=[first if made.items is None else _held(first, made.items)],
        stages=[card_facts.stage(made.stage, run)],
        machine=_machine(),
        versions={name: version(name) for name in PACKAGES},
        use=recipe.card.use,
        limits=recipe.card.limits,
        scores=list(_scores(run, made.chance)),
        notices=made.notices,
    )


def _held(data: card_facts.Data, items: int) -> card_facts.Data:
    from dataclasses import replace

    left = sum(count for why, count in data.left.items() if why.startswith("benchmark"))
    told = f"held against {items:,} items of the benchmarks by id, text and 13-grams; {left:,} rows left out"
    return replace(data, contamination=told)


def _origin(made: Made, parameters: int, learned: int) -> Origin:
    base, lora = made.recipe.base, made.recipe.lora
    method = "every weight"
    if made.learning.method is not Method.FULL:
        method = f"{made.learning.method}, rank {lora.rank}, alpha {lora.alpha:g}"
    shape = "" if base.shape is None else f"Qwen3, {base.shape.layers} layers of {base.shape.width}"
    return Origin(parameters, learned, base.model, base.licence, shape=shape, method=method)


def _scores(run: curve.Run, chance: Mapping[str, float]) -> Iterator[Score]:
    """Of the last probe, beside the first one where that is the untrained model's."""
    if not run.probes:
        return
    last, start = run.probes[max(run.probes)], run.probes.get(0)
    for task, (right, n) in sorted(last.tasks.items()):
        before = start.tasks.get(task) if start else None
        untrained = _share(*before) if before else None
        yield Score(f"{task}, dev side, exact answer", n, _share(right, n), untrained, chance.get(task))


def _share(right: int, n: int) -> Measured:
    low, high = curve.wilson(right, n)
    return Measured(right / n, low, high)


def _machine() -> str:
    if torch.cuda.is_available():
        count = torch.cuda.device_count()
        return f"{count} × {torch.cuda.get_device_name()}"
    return f"processor only, {platform.machine()}, {torch.get_num_threads()} threads"
