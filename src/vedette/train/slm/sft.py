"""A stage from recipe to result: data read and checked, model opened, `fit`, and the outcome written with its manifest.

`sft` learns from the forge's rows; `pretrain` before it from plain texts.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from accelerate import Accelerator
from safetensors.numpy import load_file, save_file

from vedette import __version__, manifest
from vedette.config import load_toml
from vedette.errors import ConfigError, InputError
from vedette.train.slm import model, rows, saved
from vedette.train.slm.fit import Fit, Outcome, Stage, Told
from vedette.train.slm.model import Opened
from vedette.train.slm.probe import asker
from vedette.train.slm.recipe import Learning, Method, Recipe
from vedette.train.slm.rows import Row, Tally, Tokens

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Places:
    """Where a stage reads and writes. `data`: folders with train.jsonl and dev.jsonl."""

    recipe: Path
    data: tuple[Path, ...]
    out: Path
    work: Path
    base: Path | None = None  # of a published model, or of the stage before


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who is told, and who may stop it."""

    event: Told = lambda _: None
    say: Say = lambda _: None
    stopped: Callable[[], bool] = lambda: False


@dataclass(slots=True)
class Done:
    recipe: Recipe
    outcome: Outcome
    tallies: dict[str, Tally] = field(default_factory=dict)  # by side
    parameters: int = 0
    learned: int = 0


def sft(places: Places, watch: Watcher = Watcher(), threads: int = 0) -> Done:
    """Raises what is wrong with recipe, data or base before the first step; TrainingError after it."""
    recipe = load_toml(places.recipe, Recipe)
    return _Run(recipe, recipe.sft, places, watch, threads).done()


@dataclass(slots=True)
class _Run:
    recipe: Recipe
    learning: Learning
    places: Places
    watch: Watcher
    threads: int

    def done(self) -> Done:
        accelerator = _accelerator(self.learning, self.threads)
        self._begin(accelerator)
        with accelerator.main_process_first():
            base = self._base()
        opened = model.opened(base, self.recipe, self.learning.method)
        if self.learning.method is not Method.FULL:
            opened = model.adapted(opened, self.recipe.lora, self.learning.method, self.recipe.seed)
        tallies = {"train": Tally(), "dev": Tally()}
        with accelerator.main_process_first():
            train, dev = (self._tokens(side, opened, tallies[side]) for side in ("train", "dev"))
        if train is None:
            raise InputError("no train.jsonl", where=str(self.places.data[0]), remedy="give what the forge wrote")
        probe = self._probe()
        stage = Stage(
            self.learning, opened, train, dev, self.recipe.seed, self.recipe.data.curriculum, self._mark(base),
            probe, self.recipe.probe.every, self.recipe.probe.patience,
        )  # fmt: skip
        outcome = Fit(stage, self.places.work, accelerator, self.watch.event, self.watch.stopped).run()
        done = Done(self.recipe, outcome, tallies, *_counted(opened.model))
        if not outcome.stopped and accelerator.is_main_process:
            finish(done, opened, self.places)
        accelerator.wait_for_everyone()
        return done

    def _begin(self, accelerator: Any) -> None:
        try:
            self.places.work.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise manifest.output_error(self.places.work, exc) from exc
        if self.places.out.resolve() == self.places.work.resolve():
            raise ConfigError("--out and --work are the same folder", remedy="give two")

    def _base(self) -> Path:
        """The folder to start from; of a random model it is made here, once."""
        shape = self.recipe.base.shape
        if self.places.base:
            return self.places.base
        if shape is None:
            what = f"the recipe starts from {self.recipe.base.model}"
            raise ConfigError(what, where=str(self.places.recipe), remedy="give its folder with --base")
        made = self.places.work / "base"
        if not (made / manifest.FILE_NAME).is_file():
            self.watch.say(f"learning a tokenizer of {shape.vocab:,} tokens")
            opened = model.fresh(shape, islice(self._texts(), model.SAMPLE), self.recipe.seed)
            with saved.folder(made) as filling:
                _write_model(opened, filling)
                manifest.write(filling / manifest.FILE_NAME, outputs=_files(filling), seed=self.recipe.seed)
        return made

    def _texts(self) -> Iterator[str]:
        for _, row in rows.read(self._files("train"), self.recipe.data, Tally()):
            yield "\n".join(message["content"] for message in row.messages)

    def _files(self, side: str) -> list[Path]:
        found = [folder / f"{side}.jsonl" for folder in self.places.data]
        for path in found:
            if side == "train" and not path.is_file():
                remedy = "give the folder that `vedette forge build` or `run` wrote"
                raise InputError("no train.jsonl in it", where=str(path.parent), remedy=remedy)
        return [path for path in found if path.is_file()]

    def _tokens(self, side: str, opened: Opened, tally: Tally) -> Tokens | None:
        """As they were tokenised before, where data, recipe and tokenizer are the same."""
        files = self._files(side)
        if not files:
            return None
        wanted = self.recipe.data
        if side == "dev":
            wanted = wanted.model_copy(update={"each": 0})
        text = opened.tokenizer.backend_tokenizer.to_str() + opened.tokenizer.chat_template
        key = _hash(
            side, wanted.model_dump_json(), text, str(self.learning.dev_rows), *map(manifest.sha256_file, files)
        )
        cache = self.places.work / f"tokens-{side}"
        if (kept := _kept(cache, key, tally)) is not None:
            return kept
        self.watch.say(f"reading {', '.join(map(str, files))}")
        found = rows.read(files, wanted, tally)
        if side == "dev":
            found = iter(_spread(list(found), self.learning.dev_rows))
        tokens = rows.tokenised(found, opened.tokenizer, wanted, tally)
        _keep(cache, key, tally, tokens)
        return tokens

    def _probe(self) -> Any:
        wanted = self.recipe.probe
        files = self._files("dev")
        if not wanted.every or not files:
            return None
        only = self.recipe.data.model_copy(update={"tasks": wanted.tasks or self.recipe.data.tasks, "each": 0})
        exact = [(place, row) for place, row in rows.read(files, only, Tally()) if row.final]
        asked = [row for _, row in _spread(exact, wanted.rows)]
        if not asked:
            remedy = "name others in [probe] tasks, or set every = 0"
            raise ConfigError("the dev side has no question for the probe", where=str(files[0]), remedy=remedy)
        return asker(asked)

    def _mark(self, base: Path) -> str:
        """What a resumed run must have in common with the one before it."""
        named = [base / manifest.FILE_NAME, base / "config.json"]
        first = next(manifest.sha256_file(path) for path in named if path.is_file())
        files = [manifest.sha256_file(path) for path in self._files("train")]
        return _hash(self.recipe.model_dump_json(exclude={"card"}), self.learning.model_dump_json(), first, *files)


def _accelerator(learning: Learning, threads: int) -> Accelerator:
    if threads or "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(threads or os.cpu_count() or 1)
    precision = "bf16" if learning.precision == "bf16" else "no"
    torch.backends.cuda.matmul.allow_tf32 = learning.precision == "bf16"
    return Accelerator(cpu=not torch.cuda.is_available(), mixed_precision=precision)


def finish(done: Done, opened: Opened, places: Places) -> None:
    """The result's folder: the model, what it was made from, and how that went; its manifest last."""
    with saved.folder(places.out) as filling:
        _write_model(opened, filling)
        shutil.copyfile(places.recipe, filling / "recipe.toml")
        if (places.work / "curve.jsonl").is_file():
            shutil.copyfile(places.work / "curve.jsonl", filling / "curve.jsonl")
        inputs = {"recipe": places.recipe}
        for number, folder in enumerate(places.data, 1):
            for name in ("manifest.json", "train.jsonl", "dev.jsonl"):
                if (folder / name).is_file():
                    inputs[f"data {number}/{name}"] = folder / name
        if places.base and (places.base / manifest.FILE_NAME).is_file():
            inputs["base/manifest.json"] = places.base / manifest.FILE_NAME
        manifest.write(
            filling / manifest.FILE_NAME,
            inputs=inputs,
            outputs=_files(filling),
            seed=done.recipe.seed,
            versions=_versions(),
            counts={"parameters": done.parameters, "learned": done.learned, "steps": done.outcome.steps},
        )


def _write_model(opened: Opened, folder: Path) -> None:
    found = opened.model
    if not hasattr(found, "get_base_model"):
        found.config.dtype = "bfloat16"
        tied = set(getattr(found, "all_tied_weights_keys", None) or {})
        weights = {name: one.to(torch.bfloat16) for name, one in found.state_dict().items() if name not in tied}
        found.save_pretrained(folder, state_dict=weights)
    else:
        found.save_pretrained(folder)
    opened.tokenizer.save_pretrained(folder)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _versions() -> dict[str, str]:
    import accelerate
    import transformers

    found = {"torch": torch.__version__, "transformers": transformers.__version__, "accelerate": accelerate.__version__}
    return {**found, "vedette": __version__}


def _counted(found: Any) -> tuple[int, int]:
    weights = list(found.parameters())
    return sum(one.numel() for one in weights), sum(one.numel() for one in weights if one.requires_grad)


def _spread(found: Sequence[tuple[str, Row]], count: int) -> list[tuple[str, Row]]:
    """As many of each task as of the others, as far as they go: the same ones each time."""
    tasks: dict[str, list[tuple[str, Row]]] = {}
    for one in found:
        tasks.setdefault(one[1].task, []).append(one)
    chosen: list[tuple[str, Row]] = []
    turn = 0
    while len(chosen) < min(count, len(found)):
        chosen += [some[turn] for some in tasks.values() if turn < len(some)]
        turn += 1
    return chosen[:count]


def _hash(*parts: str) -> str:
    return sha256("\0".join(parts).encode()).hexdigest()


def _kept(cache: Path, key: str, tally: Tally) -> Tokens | None:
    path = cache / "tally.json"
    if not (cache / manifest.FILE_NAME).is_file() or not path.is_file():
        return None
    told_key, told = msgspec.json.decode(path.read_bytes(), type=tuple[str, Tally])
    if told_key != key:
        return None
    for name in Tally.__slots__:
        setattr(tally, name, getattr(told, name))
    found = load_file(cache / "tokens.safetensors")
    return Tokens(found["ids"], found["own"].view(np.bool_), found["starts"])


def _keep(cache: Path, key: str, tally: Tally, tokens: Tokens) -> None:
    with saved.folder(cache) as filling:
        arrays = {"ids": tokens.ids, "own": tokens.own.view(np.uint8), "starts": tokens.starts}
        save_file(arrays, filling / "tokens.safetensors")
        (filling / "tally.json").write_bytes(msgspec.json.encode((key, tally)))
        manifest.write(filling / manifest.FILE_NAME, outputs=_files(filling))
