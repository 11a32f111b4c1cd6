"""A stage from recipe to result: data read and checked, model opened, `fit`, and the outcome written with its manifest.

`sft` learns from the forge's rows; `pretrain` before it from plain texts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from safetensors.numpy import load_file, save_file

from vedette import manifest
from vedette.config import load_toml
from vedette.errors import ConfigError, InputError
from vedette.overlap import Items
from vedette.train.slm import licences, model, rows, saved
from vedette.train.slm.finish import Made, finish, write_model
from vedette.train.slm.fit import Fit, Outcome, Stage, Told
from vedette.train.slm.model import Opened
from vedette.train.slm.probe import JSON, asker, often
from vedette.train.slm.recipe import Data, Learning, Method, Recipe
from vedette.train.slm.rows import Row, Tally, Tokens
from vedette.train.slm.stage import check_out

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Places:
    """Where a stage reads and writes. `data`: folders with train.jsonl and dev.jsonl."""

    recipe: Path
    data: tuple[Path, ...]
    out: Path
    work: Path
    base: Path | None = None  # of a published model, or of the stage before
    benchmarks: Path | None = None  # what must not be learned from; None: the forge has looked already


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who is told, and who may stop it."""

    event: Told = lambda _: None
    say: Say = lambda _: None
    stopped: Callable[[], bool] = lambda: False


@dataclass(slots=True)
class Done:
    outcome: Outcome
    tallies: Mapping[str, Tally]  # by side


def sft(places: Places, watch: Watcher = Watcher(), threads: int = 0) -> Done:
    """From rows. Raises what is wrong with recipe, data or base before the first step; TrainingError after it."""
    recipe = load_toml(places.recipe, Recipe)
    return _Run(recipe, recipe.sft, recipe.data, places, watch, threads).done()


def pretrain(places: Places, watch: Watcher = Watcher(), threads: int = 0) -> Done:
    """From plain texts, {"text": …} a line; the result is the base of the next stage. Raises as `sft` does."""
    recipe = load_toml(places.recipe, Recipe)
    if recipe.pretrain is None:
        raise ConfigError("the recipe has no stage for it", where=str(places.recipe), remedy="add [pretrain]")
    wanted = Data(longest=recipe.pretrain.longest, curriculum=False, learn="everything")
    return _Run(recipe, recipe.pretrain, wanted, places, watch, threads, plain=True).done()


@dataclass(slots=True)
class _Run:
    recipe: Recipe
    learning: Learning
    data: Data
    places: Places
    watch: Watcher
    threads: int
    plain: bool = False  # texts, no conversations
    items: Items | None = None

    def done(self) -> Done:
        accelerator = _accelerator(self.learning, self.threads)
        self._begin()
        judged = [licences.check_base(self.recipe)]
        with accelerator.main_process_first():
            base = self._base()
        opened = model.opened(base, self.recipe, self.learning.method)
        if self.learning.method is not Method.FULL:
            opened = model.adapted(opened, self.recipe.lora, self.learning.method, self.recipe.seed)
        tallies = {"train": Tally(), "dev": Tally()}
        with accelerator.main_process_first():
            train, dev = (self._tokens(side, opened, tallies[side]) for side in ("train", "dev"))
        judged = [*judged, licences.check_rows(self.recipe, tallies["train"].licences)]
        if train is None:
            raise InputError("no train.jsonl", where=str(self.places.data[0]), remedy="give what the forge wrote")
        asked = self._asked()
        stage = Stage(
            self.learning, opened, train, dev, self.recipe.seed, self.data.curriculum, self._mark(base),
            asker(asked) if asked else None, self.recipe.probe.every, self.recipe.probe.patience,
        )  # fmt: skip
        outcome = Fit(stage, self.places.work, accelerator, self.watch.event, self.watch.stopped).run()
        if not outcome.stopped and accelerator.is_main_process:
            made = Made(
                self.recipe, "pretrain" if self.plain else "sft", self.learning, tallies, often(asked),
                None if self.items is None else self.items.count, licences.notices(judged),
            )  # fmt: skip
            finish(made, opened, self.places)
        accelerator.wait_for_everyone()
        return Done(outcome, tallies)

    def _begin(self) -> None:
        check_out(self.places.out)
        try:
            self.places.work.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise manifest.output_error(self.places.work, exc) from exc
        if self.places.out.resolve() == self.places.work.resolve():
            raise ConfigError("--out and --work are the same folder", remedy="give two")
        if self.places.benchmarks:
            self.items = Items.of(self.places.benchmarks)

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
                write_model(opened, filling)
                manifest.write(filling / manifest.FILE_NAME, outputs=saved.files(filling), seed=self.recipe.seed)
        return made

    def _texts(self) -> Iterator[str]:
        for _, row in self._rows("train", Tally()):
            yield "\n".join(message["content"] for message in row.messages)

    def _rows(self, side: str, tally: Tally) -> Iterator[tuple[str, Row]]:
        wanted = self.data if side == "train" else self.data.model_copy(update={"each": 0})
        return rows.read(self._files(side), wanted, tally, self.items, plain=self.plain)

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
        text = opened.tokenizer.backend_tokenizer.to_str() + opened.tokenizer.chat_template
        settings = (side, self.data.model_dump_json(), str(self.learning.dev_rows), str(self.plain), self._held())
        key = _hash(*settings, text, *map(manifest.sha256_file, files))
        cache = self.places.work / f"tokens-{side}"
        if (kept := _kept(cache, key, tally)) is not None:
            return kept
        self.watch.say(f"reading {', '.join(map(str, files))}")
        found = self._rows(side, tally)
        if side == "dev":
            found = iter(_spread(list(found), self.learning.dev_rows))
        tokens = rows.tokenised(found, opened.tokenizer, self.data, tally)
        _keep(cache, key, tally, tokens)
        return tokens

    def _asked(self) -> list[Row]:
        """Questions of the probe."""
        wanted = self.recipe.probe
        files = self._files("dev")
        if not wanted.every or not files or self.plain:
            return []
        only = self.data.model_copy(update={"tasks": wanted.tasks or self.data.tasks, "each": 0})
        exact = [(place, row) for place, row in rows.read(files, only, Tally()) if row.final]
        if wanted.known:
            learned = {_what(row) for _, row in rows.read(self._files("train"), only, Tally())}
            exact = [one for one in exact if one[1].kind == JSON or _what(one[1]) in learned]
        if not exact:
            remedy = "name others in [probe] tasks, or set every = 0"
            raise ConfigError("the dev side has no question for the probe", where=str(files[0]), remedy=remedy)
        return [row for _, row in _spread(exact, wanted.rows)]

    def _mark(self, base: Path) -> str:
        """What a resumed run must have in common with the one before it."""
        named = [base / manifest.FILE_NAME, base / "config.json"]
        first = next(manifest.sha256_file(path) for path in named if path.is_file())
        files = [manifest.sha256_file(path) for path in self._files("train")]
        settings = (
            self.recipe.model_dump_json(exclude={"card"}),
            self.learning.model_dump_json(),
            self.data.model_dump_json(),
            self._held(),
        )
        return _hash(*settings, first, *files)

    def _held(self) -> str:
        """Hash of the benchmarks that rows are held against; "" where there are none."""
        if self.places.benchmarks is None:
            return ""
        files = sorted(path for path in self.places.benchmarks.rglob("*") if path.is_file())
        return _hash(*map(manifest.sha256_file, files))


def _accelerator(learning: Learning, threads: int) -> Accelerator:
    if threads or "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(threads or os.cpu_count() or 1)
    precision = "bf16" if learning.precision == "bf16" else "no"
    torch.backends.cuda.matmul.allow_tf32 = learning.precision == "bf16"
    AcceleratorState._reset_state()  # of a stage before in this process, whose precision may have been another
    return Accelerator(cpu=not torch.cuda.is_available(), mixed_precision=precision)


def _what(row: Row) -> tuple[str, str]:
    """The exact answer, among those of its group of tasks."""
    return row.task.partition("/")[0], row.final


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
        manifest.write(filling / manifest.FILE_NAME, outputs=saved.files(filling))
