"""Group relative policy optimisation (Shao et al., 2024) with exact verifiers as reward, by TRL."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from datasets import Dataset
from torch.utils.data import Sampler
from transformers import TrainerCallback, set_seed
from trl import GRPOConfig, GRPOTrainer

from vedette.errors import ConfigError, InputError
from vedette.knowledge.store import Knowledge
from vedette.overlap import Items
from vedette.train.slm import model, questions, rewards, stage, template
from vedette.train.slm.hooks import CURVE, Hooks, Run, Told
from vedette.train.slm.questions import ABSTAIN, TOUCHES, Question
from vedette.train.slm.recipe import Grpo, Recipe

MEASURES = {
    "reward": "reward",
    "spread": "reward_std",  # of the rewards of one question's answers
    "length": "completions/mean_length",  # tokens
    "unfinished": "completions/clipped_ratio",  # answers that did not end
    "kl": "kl",
}
LOWER = "`micro`, `group` or `answer`"
SILENT = 1 / 3  # share of questions without an answer, beyond which always abstaining would pay
Scored = Callable[..., list[float | None]]


class Trainer(Hooks, GRPOTrainer):  # type: ignore[misc]
    def _get_train_sampler(self, dataset: Any = None) -> _Order:
        return _Order(super()._get_train_sampler(dataset), self.args.seed)


class _Order(Sampler[int]):  # type: ignore[misc]
    """TRL's order of questions, by the number of the epoch: a run that goes on asks what it would have asked."""

    def __init__(self, repeated: Any, seed: int) -> None:
        self._repeated, self._seed = repeated, seed

    def set_epoch(self, epoch: int) -> None:
        self._repeated.generator.manual_seed(self._seed + epoch)

    def __iter__(self) -> Iterator[int]:
        return iter(self._repeated)

    def __len__(self) -> int:
        return len(self._repeated)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is learned from, and what is measured on."""

    train: list[Question]
    dev: list[Question]
    left: Counter[str]
    items: int | None  # of the benchmarks that they were held against; None: they were not


def train(recipe: Recipe, places: stage.Places, told: Told) -> stage.Result:
    """Raises ConfigError, InputError before the first step; TrainingError, OutputError."""
    wanted, told = _wanted(recipe), told if stage.first() else _silent
    mark = stage.begun("grpo", recipe, places)
    asked = _asked(recipe, wanted, places)
    notices = stage.allowed(recipe, Counter(one.licence for one in asked.train))
    with Knowledge.open(places.store) as store:
        ground = rewards.ground(store)
    stage.quiet()
    set_seed(recipe.seed)
    opened = model.opened(places.base, recipe, wanted.method, packed=False)
    tokenizer = opened.tokenizer
    asked, longest, mean = _fitting(asked, tokenizer, recipe.data.longest - wanted.answer, places.data)
    ends = _ends(opened)
    told(f"{len(asked.train):,} questions, {len(asked.dev):,} of the dev side; rewards {', '.join(wanted.rewards)}")
    trainer = Trainer(
        model=opened.model,
        reward_funcs=[reward(name, asked.train, ground, tokenizer, ends) for name in wanted.rewards],
        args=_arguments(wanted, recipe, places.work, len(asked.train), (longest + wanted.answer, mean + wanted.answer)),
        train_dataset=Dataset.from_list([{"prompt": _plain(q), "number": n} for n, q in enumerate(asked.train)]),
        processing_class=tokenizer,
        peft_config=model.adapters(recipe.lora, wanted.method),
    )
    names = {f"reward_{name}": f"rewards/{name}/mean" for name in wanted.rewards}
    patience = recipe.probe.patience
    trainer.begin(Run("grpo", wanted, places.work, mark, told, LOWER, patience, {**MEASURES, **names}))
    if recipe.probe.every and asked.dev:
        trainer.add_callback(_Probing(trainer, recipe, asked.dev, ends))
    why = stage.trained(trainer)
    counts = {"questions": len(asked.train), "questions of the dev side": len(asked.dev), **asked.left}
    measures = stage.last(places.work / CURVE, ("reward", *names)) if trainer.is_world_process_zero() else {}
    size, says = round(mean * len(asked.train)), Counter(one.licence for one in asked.train)
    learned = stage.Learned(len(asked.train), asked.left, size, says, notices, asked.items)
    result = stage.Result(trainer.state.global_step, why, counts, learned, measures)
    stage.finish(trainer, recipe, places, result)
    return result


def _silent(_: str) -> None:
    return None


def _wanted(recipe: Recipe) -> Grpo:
    if recipe.grpo is None:
        raise ConfigError(f"recipe '{recipe.name}' has no [grpo]", remedy="add the section: rate, batch and micro")
    for name in recipe.grpo.rewards:
        rewards.REWARDS.load(name)
    if not recipe.grpo.rewards:
        raise ConfigError("[grpo] rewards is empty", remedy=f"name some of {', '.join(rewards.REWARDS)}")
    if recipe.grpo.answer >= recipe.data.longest:
        raise ConfigError(f"[grpo] answer = {recipe.grpo.answer:,} leaves no room for a question", remedy="lower it")
    return recipe.grpo


def _asked(recipe: Recipe, wanted: Grpo, places: stage.Places) -> Asked:
    """Questions that a reward can be given for. Raises InputError, ConfigError."""
    items = Items.of(places.benchmarks) if places.benchmarks else None
    left: Counter[str] = Counter()
    found, bad = questions.read(places.data, recipe.data)
    left["lines that are no rows"] = bad.count
    train = []
    for one in rewards.applicable(found, wanted.rewards):
        if rewards.exact(one, one.answer) == 0:
            left["its own answer is not the exact one"] += 1
        elif items and any(items.touched(said["content"])[0] for said in one.messages):
            left[TOUCHES] += 1
        else:
            train.append(one)
    left["no reward says anything of it"] = len(found) - len(rewards.applicable(found, wanted.rewards))
    if not train:
        what = f"no question that {', '.join(wanted.rewards)} can reward, of {len(found):,}"
        raise InputError(what, where=str(places.data), remedy="choose other [data] tasks, or other [grpo] rewards")
    silent = sum(one.kind == ABSTAIN for one in train) / len(train)
    if "abstain" in wanted.rewards and silent > SILENT:
        what = f"{silent:.0%} of the questions have no answer: abstaining always would be rewarded"
        raise ConfigError(what, where=str(places.data), remedy="add questions with an answer, two for each without")
    left = Counter({why: count for why, count in left.items() if count})
    return Asked(train, _dev(recipe, places), left, items.count if items else None)


def _dev(recipe: Recipe, places: stage.Places) -> list[Question]:
    """For the probe: those with an exact answer, of its tasks, spread over the file."""
    if places.dev is None or not recipe.probe.every:
        return []
    found, _ = questions.read(places.dev, recipe.data.model_copy(update={"tasks": recipe.probe.tasks, "each": 0}))
    exact = [one for one in found if rewards.exact(one, one.answer) == 1]
    return exact[:: max(1, len(exact) // recipe.probe.rows)][: recipe.probe.rows]


def _fitting(asked: Asked, tokenizer: Any, room: int, where: Path) -> tuple[Asked, int, float]:
    """Questions of at most `room` tokens; the tokens of the longest, and of one in the mean."""
    sizes = [len(tokenizer(template.prompt(tokenizer, q.prompt), add_special_tokens=False)["input_ids"])
             for q in asked.train]  # fmt: skip
    train = [one for one, size in zip(asked.train, sizes, strict=True) if size <= room]
    if not train:
        remedy = "raise [data] longest, or lower [grpo] answer"
        raise InputError(f"every question is longer than {room:,} tokens", where=str(where), remedy=remedy)
    left = asked.left + Counter({f"longer than {room:,} tokens": len(sizes) - len(train)})
    kept = [size for size in sizes if size <= room]
    return replace(asked, train=train, left=left), max(kept), fmean(kept)


def _plain(one: Question) -> list[dict[str, str]]:
    return [{"role": said["role"], "content": said["content"]} for said in one.prompt]


def _ends(opened: model.Opened) -> frozenset[int]:
    """Tokens that end an answer."""
    found = opened.model.generation_config.eos_token_id
    several = found if isinstance(found, list) else [found] if found is not None else []
    return frozenset([opened.tokenizer.eos_token_id, *several])


def reward(
    name: str, asked: Sequence[Question], ground: rewards.Ground, tokenizer: Any, ends: frozenset[int]
) -> Scored:
    """As TRL calls it. An answer that did not end counts as an empty one; marks of the template stay visible."""
    verify = rewards.REWARDS.load(name)

    def scored(completion_ids: list[list[int]], number: list[int], **_: Any) -> list[float | None]:
        texts = [said(tokenizer, ids, ends) for ids in completion_ids]
        return [verify(asked[n], text, ground) for n, text in zip(number, texts, strict=True)]

    scored.__name__ = name
    return scored


def said(tokenizer: Any, ids: list[int], ends: frozenset[int]) -> str:
    if not ids or ids[-1] not in ends:
        return ""
    text: str = tokenizer.decode(ids[:-1], skip_special_tokens=False)
    return text


def _arguments(wanted: Grpo, recipe: Recipe, work: Path, count: int, sizes: tuple[int, float]) -> Any:
    """A step holds whole groups, the same number of answers on each process, computed as many at once as fit.

    `count`: questions; `sizes`: tokens of the longest one with its answer, and in the mean.
    """
    most, answers = stage.shared(wanted, *sizes, "question with its answer")
    world = stage.processes()
    whole = wanted.group * world // math.gcd(wanted.group, world)  # answers that both divide
    share = max(1, round(min(answers, count * wanted.group) / whole)) * whole // world
    each = max(size for size in range(1, min(most, share) + 1) if share % size == 0)
    return stage.arguments(
        GRPOConfig, wanted, recipe, work, beta=wanted.beta, num_generations=wanted.group,
        max_completion_length=wanted.answer, temperature=wanted.temperature, per_device_train_batch_size=each,
        gradient_accumulation_steps=share // each,
    )  # fmt: skip


class _Probing(TrainerCallback):  # type: ignore[misc]
    """Asks the dev side's questions, the likeliest answer each; all processes ask the same."""

    def __init__(self, trainer: Any, recipe: Recipe, dev: Sequence[Question], ends: frozenset[int]) -> None:
        self._trainer, self._recipe, self._dev, self._ends = trainer, recipe, dev, ends

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step % self._recipe.probe.every:
            return
        trainer, right, asked = self._trainer, Counter[str](), Counter(one.task for one in self._dev)
        for one, text in zip(self._dev, self._answers(), strict=True):
            right[one.task] += rewards.exact(one, text) == 1
        tasks = {task: [right[task], n] for task, n in asked.items()}
        trainer.put(at="probe", step=state.global_step, right=right.total(), n=len(self._dev), tasks=tasks)
        trainer.run_.told(f"step {state.global_step}: {right.total()} of {len(self._dev)} of the probe are right")
        if trainer.judged(-right.total() / len(self._dev)):
            trainer.run_.why, control.should_training_stop = "no better score of the probe", True

    def _answers(self) -> list[str]:
        trainer, tokenizer, wanted = self._trainer, self._trainer.processing_class, self._trainer.run_.learning
        prompts = [template.prompt(tokenizer, one.prompt) for one in self._dev]
        model = trainer.accelerator.unwrap_model(trainer.model)
        model.eval()
        found: list[str] = []
        each = max(1, wanted.micro // self._recipe.data.longest)
        for start in range(0, len(prompts), each):
            put = tokenizer(prompts[start : start + each], add_special_tokens=False, padding=True, padding_side="left",
                            return_tensors="pt").to(trainer.args.device)  # fmt: skip
            with torch.no_grad(), trainer.accelerator.autocast():
                out = model.generate(**put, do_sample=False, max_new_tokens=wanted.answer, use_cache=True,
                                     eos_token_id=list(self._ends), pad_token_id=tokenizer.pad_token_id)  # fmt: skip
            found += [self._said(ids[put["input_ids"].shape[1] :].tolist()) for ids in out]
        model.train()
        return found

    def _said(self, ids: list[int]) -> str:
        end = next((place + 1 for place, uid in enumerate(ids) if uid in self._ends), len(ids))
        return said(self._trainer.processing_class, ids[:end], self._ends)
