"""What DPO and GRPO share: the base, checks before the first step, going on after a break, and the result's folder."""

from __future__ import annotations

import math
import os
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson

from vedette import manifest
from vedette.errors import ConfigError, InputError
from vedette.manifest import output_error
from vedette.train.slm import card, card_facts, checkpoints, curve, licences
from vedette.train.slm.card_facts import Facts
from vedette.train.slm.questions import TOUCHES
from vedette.train.slm.recipe import Learning, Recipe

OFFLINE = ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")
LIBRARIES = ("torch", "transformers", "trl", "peft", "accelerate")


@dataclass(frozen=True, slots=True)
class Places:
    """Where a run reads and writes."""

    recipe: Path
    base: Path  # a model's folder
    data: Path
    out: Path
    work: Path  # checkpoints and the curve: stopped, the same command goes on from there
    dev: Path | None = None
    benchmarks: Path | None = None
    store: Path | None = None


@dataclass(frozen=True, slots=True)
class Learned:
    """What the card says of the rows."""

    rows: int
    left: Mapping[str, int]  # by reason
    tokens: int
    licences: Mapping[str, int]  # rows, by what they say
    notices: tuple[str, ...]  # that the licences ask for
    items: int | None  # of the benchmarks that the rows were held against; None: they were not


@dataclass(slots=True)
class Result:
    """What is told of a run, and stands in its card."""

    steps: int
    why: str  # it ended
    counts: dict[str, int]
    learned: Learned
    measures: dict[str, float] = field(default_factory=dict)  # name → at the end


def offline() -> None:
    """To be called before anything of Hugging Face is imported: it looks at these once."""
    for name in OFFLINE:
        os.environ[name] = "1"
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def quiet() -> None:
    """Their bars and notices; warnings of what a later version will call otherwise."""
    import datasets
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers|trl|peft")


def arguments(kind: Any, learning: Learning, recipe: Recipe, work: Path, **more: Any) -> Any:
    """`kind`: the class of settings of one of TRL's trainers."""
    import torch

    return kind(
        output_dir=str(work), seed=recipe.seed, data_seed=recipe.seed, num_train_epochs=learning.epochs,
        learning_rate=learning.rate, weight_decay=learning.decay, adam_beta1=learning.betas[0],
        adam_beta2=learning.betas[1], max_grad_norm=learning.clip, optim="adamw_torch",
        bf16=learning.precision == "bf16", gradient_checkpointing=learning.checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False}, torch_compile=learning.compile, logging_steps=1,
        logging_nan_inf_filter=False, report_to="none", disable_tqdm=True, push_to_hub=False, save_strategy="steps",
        save_steps=learning.save, dataloader_pin_memory=torch.cuda.is_available(),
        use_cpu=not torch.cuda.is_available(),
        ddp_find_unused_parameters=False, **more,
    )  # fmt: skip


def check_out(out: Path) -> None:
    """A result takes the place of what is there: only of another result. Raises ConfigError."""
    if out.is_dir() and any(out.iterdir()) and not (out / manifest.FILE_NAME).is_file():
        remedy = "choose an empty folder: this one would be replaced"
        raise ConfigError("it holds other files than a result", where=str(out), remedy=remedy)


def begun(stage: str, recipe: Recipe, places: Places) -> str:
    """Hash of all that a run has in common with the one that it goes on from. Raises ConfigError, OutputError."""
    from vedette.train.slm.model import check_folder  # and with it PyTorch, which may be missing

    check_out(places.out)
    check_folder(places.base)
    told = [stage, recipe.model_dump_json(), _hash(places.data), _hash(places.dev), _hash(places.base / "config.json")]
    told += [f"{one.name} {one.stat().st_size}" for one in sorted(places.base.glob("*.safetensors"))]
    try:
        places.work.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise output_error(places.work, exc) from exc
    return sha256("\0".join(told).encode()).hexdigest()


def _hash(path: Path | None) -> str:
    try:
        return manifest.sha256_file(path) if path else ""
    except OSError as exc:
        raise InputError(f"cannot be read: {exc.strerror}", where=str(path), remedy="check the path") from exc


def allowed(recipe: Recipe, rows: Mapping[str, int]) -> tuple[str, ...]:
    """What the licences of base and rows want said. Raises ConfigError where one of them forbids."""
    return licences.notices([licences.check_base(recipe), licences.check_rows(recipe, rows)])


def processes() -> int:
    """That torchrun started together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def first() -> bool:
    """Is this the one of them that writes and tells?"""
    return os.environ.get("RANK", "0") == "0"


def shared(learning: Learning, longest: int, mean: float, what: str) -> tuple[int, int]:
    """How many of `what` a process computes at once and a step holds, over all processes. Raises ConfigError.

    `longest`, `mean`: tokens of one, padded to the longest, and as it is.
    """
    most = learning.micro // longest
    if not most:
        told = f"`micro` = {learning.micro:,} tokens have no room for the longest {what}, which needs {longest:,}"
        raise ConfigError(told, remedy=f"raise `micro` and `batch` to {longest:,} or more, or lower `longest`")
    return most, max(1, round(learning.batch / mean))


def trained(trainer: Any) -> str:
    """Goes on from the last whole checkpoint; why it ended. Raises TrainingError, ConfigError, OutputError."""
    from vedette.train.slm.hooks import BEST, CURVE, trouble

    run = trainer.run_
    kept = checkpoints.newest(run.work, run.mark)
    if kept:
        run.put_back(kept.state)
        if trainer.is_world_process_zero():
            _whole_lines(run.work / CURVE)
        trainer.put(at="resume", step=kept.step)
        run.told(f"goes on from step {kept.step}")
    elif trainer.is_world_process_zero():
        (run.work / CURVE).unlink(missing_ok=True)
        shutil.rmtree(run.work / BEST, ignore_errors=True)
    with trouble(trainer):
        trainer.train(resume_from_checkpoint=str(kept.folder) if kept else None)
    trainer.put(at="stop", step=trainer.state.global_step, why=run.why)
    if run.patience and (run.work / BEST / manifest.FILE_NAME).is_file():
        manifest.verify(run.work / BEST)
        trainer._load_from_checkpoint(str(run.work / BEST))
    return str(run.why)


def _whole_lines(curve: Path) -> None:
    """Without the line that a kill left half-written."""
    if curve.is_file():
        found = curve.read_bytes()
        manifest.atomic_write(curve, found[: found.rfind(b"\n") + 1])


def finish(trainer: Any, recipe: Recipe, places: Places, result: Result) -> None:
    """The result's folder takes its place when it is whole; its manifest is written last. Raises OutputError."""
    if not trainer.is_world_process_zero():
        return
    import torch

    out, filling = places.out, places.out.with_name(f".{places.out.name}.tmp")
    if trainer.run_.learning.precision == "bf16":
        trainer.model.to(torch.bfloat16)
    try:
        shutil.rmtree(filling, ignore_errors=True)
        filling.mkdir(parents=True)
        trainer._save(str(filling))
        (filling / "README.md").unlink(missing_ok=True)  # PEFT's draft of a card
        shutil.copyfile(places.recipe, filling / "recipe.toml")
        shutil.copyfile(places.work / "curve.jsonl", filling / "curve.jsonl")
        facts = _facts(trainer, recipe, places, result)
        (filling / card_facts.CARD).write_text(card.render(facts), "utf-8")
        _seal(filling, places, facts, result)
        if out.exists():
            shutil.rmtree(out)
        filling.rename(out)
    except OSError as exc:
        raise output_error(out, exc) from exc


def _seal(folder: Path, places: Places, facts: Facts, result: Result) -> None:
    inputs: Mapping[str, Path | None] = {
        "recipe": places.recipe, "data": places.data, "dev": places.dev, "base": places.base / "config.json",
    }  # fmt: skip
    manifest.write(
        folder / manifest.FILE_NAME,
        inputs={name: path for name, path in inputs.items() if path},
        outputs=[one for one in folder.rglob("*") if one.is_file()],
        versions=facts.versions,
        seed=facts.seed,
        counts={**card_facts.manifest_counts(facts), **result.counts, "steps": result.steps},
    )


def _facts(trainer: Any, recipe: Recipe, places: Places, result: Result) -> Facts:
    run, sizes = trainer.run_, [(one.numel(), one.requires_grad) for one in trainer.model.parameters()]
    told = curve.read(places.work)
    learned = result.learned
    return Facts(
        name=recipe.name,
        licence=recipe.card.licence,
        origin=card_facts.origin(
            recipe, run.learning.method, sum(size for size, _ in sizes), sum(size for size, own in sizes if own)
        ),
        recipe=places.recipe.name,
        recipe_sha256=manifest.sha256_file(places.recipe),
        seed=recipe.seed,
        data=[_data(places.data, learned)],
        stages=[card_facts.stage(run.stage, told)],
        machine=card_facts.machine(),
        versions={name: version(name) for name in LIBRARIES},
        use=recipe.card.use,
        limits=recipe.card.limits,
        scores=list(card_facts.scores(told, {})),
        measures={name: value for name, value in result.measures.items() if math.isfinite(value)},
        notices=learned.notices,
    )


def _data(file: Path, learned: Learned) -> card_facts.Data:
    """The folder that the forge wrote it into, where that one's manifest names it; else the file alone."""
    folder = file.parent
    made = (folder / manifest.FILE_NAME).is_file() and file.name in manifest.read(folder).outputs
    rows = (learned.rows, learned.left, learned.tokens, learned.licences)
    found = card_facts.data(folder, *rows) if made else card_facts.Data(file.name, "", *rows)
    if learned.items is None:
        return found
    return replace(found, contamination=card_facts.held(learned.items, learned.left.get(TOUCHES, 0)))


def last(curve: Path, names: Sequence[str]) -> dict[str, float]:
    """Of the last step's line."""
    steps = [one for line in curve.read_bytes().splitlines() if (one := orjson.loads(line))["at"] == "step"]
    return {name: float(steps[-1][name]) for name in names if steps and steps[-1].get(name) is not None}
