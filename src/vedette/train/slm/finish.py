"""The result of a stage: the model's folder, with the card that says what it was made from, and its manifest last."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from vedette import manifest
from vedette.train.slm import card, card_facts, curve, hf, saved
from vedette.train.slm.card_facts import Facts
from vedette.train.slm.model import Opened
from vedette.train.slm.recipe import Learning, Recipe
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
    folders = [card_facts.data(one, tally.used, tally.left, tally.tokens, tally.licences) for one in places.data]
    data = replace(  # rows are counted over all of them
        folders[0],
        name=" + ".join(one.name for one in folders),
        contamination=" | ".join(dict.fromkeys(one.contamination for one in folders)),
    )
    if made.items is not None:
        left = sum(count for why, count in data.left.items() if why.startswith("benchmark"))
        data = replace(data, contamination=card_facts.held(made.items, left))
    return Facts(
        name=recipe.name,
        licence=recipe.card.licence,
        origin=card_facts.origin(recipe, made.learning.method, sum(one.numel() for one in weights), learned),
        recipe=places.recipe.name,
        recipe_sha256=manifest.sha256_file(places.recipe),
        seed=recipe.seed,
        data=[data],
        stages=[card_facts.stage(made.stage, run)],
        machine=card_facts.machine(),
        versions={name: version(name) for name in PACKAGES},
        use=recipe.card.use,
        limits=recipe.card.limits,
        scores=list(card_facts.scores(run, made.chance)),
        notices=made.notices,
    )
