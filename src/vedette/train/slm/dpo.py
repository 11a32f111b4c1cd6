"""Direct preference optimisation (Rafailov et al., 2023) on pairs of answers, by TRL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from datasets import Dataset
from transformers import set_seed
from trl import DPOConfig, DPOTrainer

from vedette.errors import ConfigError, InputError
from vedette.overlap import Items
from vedette.train.slm import model, pairs, stage, template
from vedette.train.slm.hooks import CURVE, Hooks, Run, Told
from vedette.train.slm.pairs import Pair, Tally
from vedette.train.slm.recipe import Dpo, Method, Recipe

MEASURES = {
    "margin": "rewards/margins",  # of the chosen answer over the rejected one, in nats times beta
    "accuracy": "rewards/accuracies",  # pairs whose margin is above 0
    "chosen": "rewards/chosen",
    "rejected": "rewards/rejected",
}
LOWER = "`micro` or `longest`"
Row = dict[str, list[int]]


class Trainer(Hooks, DPOTrainer):  # type: ignore[misc]
    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset  # it is tokens already: prompt and answer by themselves, as a server sees them


def train(recipe: Recipe, places: stage.Places, told: Told) -> stage.Result:
    """Raises ConfigError, InputError before the first step; TrainingError, OutputError."""
    wanted, told = _wanted(recipe), told if stage.first() else _silent
    mark = stage.begun("dpo", recipe, places)
    items = Items.of(places.benchmarks) if places.benchmarks else None
    tally, dev_tally = Tally(), Tally()
    found = pairs.read(places.data, tally, items)
    measured = pairs.read(places.dev, dev_tally, items)[: wanted.dev_rows] if places.dev else []
    notices = stage.allowed(recipe, Counter(one.licence for one in found))
    stage.quiet()
    set_seed(recipe.seed)
    opened = model.opened(places.base, recipe, wanted.method, packed=False)
    rows = tokens(found, opened.tokenizer, wanted.longest, tally)
    dev = tokens(measured, opened.tokenizer, wanted.longest, dev_tally) if measured else []
    if not rows or (measured and not dev):
        remedy = "raise [dpo] longest; nothing is cut"
        raise InputError(f"every pair is longer than {wanted.longest:,} tokens", where=str(places.data), remedy=remedy)
    trainer = Trainer(
        model=opened.model,
        ref_model=_reference(recipe, places, wanted.method),
        args=_arguments(wanted, recipe, places.work, rows, bool(dev)),
        train_dataset=Dataset.from_list(rows),
        eval_dataset=Dataset.from_list(dev) if dev else None,
        processing_class=opened.tokenizer,
        peft_config=model.adapters(recipe.lora, wanted.method),
    )
    trainer.begin(Run("dpo", wanted, places.work, mark, told, LOWER, wanted.patience, MEASURES))
    told(f"{len(rows):,} pairs, {len(dev):,} of the dev side")
    why = stage.trained(trainer)
    counts = {"pairs": len(rows), "pairs left out": tally.left.total(), "pairs of the dev side": len(dev)}
    measures = stage.last(places.work / CURVE, ("loss", *MEASURES)) if trainer.is_world_process_zero() else {}
    size = sum(len(ids) for row in rows for ids in row.values())
    learned = stage.Learned(len(rows), tally.left, size, tally.licences, notices, items.count if items else None)
    result = stage.Result(trainer.state.global_step, why, counts, learned, measures)
    stage.finish(trainer, recipe, places, result)
    return result


def _reference(recipe: Recipe, places: stage.Places, method: Method) -> Any:
    """The base itself; None where it is the model without its adapters."""
    if method is not Method.FULL:
        return None
    return model.opened(places.base, recipe, method, packed=False).model


def _silent(_: str) -> None:
    return None


def _wanted(recipe: Recipe) -> Dpo:
    if recipe.dpo is None:
        raise ConfigError(f"recipe '{recipe.name}' has no [dpo]", remedy="add the section: rate, batch and micro")
    return recipe.dpo


def tokens(found: Sequence[Pair], tokenizer: Any, longest: int, tally: Tally) -> list[Row]:
    """As TRL's collator takes them; longer ones are left out, which is counted."""
    rows = []
    for number, pair in enumerate(found, 1):
        prompt, chosen = _split(tokenizer, pair, pair.chosen)
        again, rejected = _split(tokenizer, pair, pair.rejected)
        if prompt != again:
            tally.leave("the chat template changes its prompt", f"pair {number}")
        elif len(prompt) + max(len(chosen), len(rejected)) > longest:
            tally.leave(f"longer than {longest:,} tokens", f"pair {number}")
        else:
            tally.licences[pair.licence] += 1
            rows.append({"prompt_ids": prompt, "chosen_ids": chosen, "rejected_ids": rejected})
    tally.used = len(rows)
    return rows


def _split(tokenizer: Any, pair: Pair, answer: str) -> tuple[list[int], list[int]]:
    """What was there before the last answer, and that answer with the mark that ends it."""
    said = template.pieces(tokenizer, (*pair.prompt, {"role": "assistant", "content": answer})) or []
    own = max((place for place, piece in enumerate(said) if piece.own), default=0)
    encoded: list[list[int]] = [tokenizer(piece.text, add_special_tokens=False)["input_ids"] for piece in said]
    return [uid for part in encoded[:own] for uid in part], encoded[own] if said else []


def _arguments(wanted: Dpo, recipe: Recipe, work: Path, rows: Sequence[Row], dev: bool) -> Any:
    sizes = [
        (2 * len(row["prompt_ids"]) + len(row["chosen_ids"]) + len(row["rejected_ids"]), _padded(row)) for row in rows
    ]
    most, step = stage.shared(wanted, max(size for _, size in sizes), fmean(size for size, _ in sizes), "pair")
    share = max(1, round(step / stage.processes()))
    each = min(most, share, len(rows))
    measured = {"eval_strategy": "steps", "eval_steps": wanted.measure, "per_device_eval_batch_size": most}
    return stage.arguments(
        DPOConfig, wanted, recipe, work, beta=wanted.beta, max_length=wanted.longest, per_device_train_batch_size=each,
        gradient_accumulation_steps=max(1, round(share / each)), **(measured if dev else {}),
    )  # fmt: skip


def _padded(row: Row) -> int:
    return 2 * (len(row["prompt_ids"]) + max(len(row["chosen_ids"]), len(row["rejected_ids"])))
