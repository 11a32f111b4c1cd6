"""Ask an embedded model without Inspect: it answers in milliseconds, and a harness would take most of the time."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from vedette import __version__
from vedette.bench.actors import sameness
from vedette.bench.asked import Asked
from vedette.bench.catalog import benchmark, items
from vedette.bench.items import Item
from vedette.bench.measured import Made, Measured, Record, measure, write
from vedette.bench.models import MODELS, Model
from vedette.bench.protocol import OPEN, USUAL, prompt_of
from vedette.bench.scoring import Same, score
from vedette.errors import ConfigError

PREFIX = "vedette/"


def run(names: Sequence[str], asked: Asked, out: Path) -> Iterator[tuple[Measured, Path]]:
    """As `bench.run.run`; the name of the model with or without PREFIX."""
    name, way = asked.model.removeprefix(PREFIX), asked.way
    model: Model = MODELS.load(name)(**asked.model_args)
    for each in names:
        which = benchmark(each)
        if way.name != USUAL:
            raise ConfigError(f"embedded models answer one way, not by '{way.name}'", remedy=f"leave '{USUAL}'")
        every = items(which, asked.data, any_version=asked.any_version)
        chosen = every[: asked.limit] if asked.limit else every
        with sameness(which.kind) as same, ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            answers = list(pool.map(partial(_timed, model), chosen))
            records = [_record(item, *answer, same) for item, answer in zip(chosen, answers, strict=True)]
        made = Made(
            model=f"{PREFIX}{name}", exact_model=model.name, tokens={"in": 0, "out": 0},
            versions={"vedette": __version__},
        )  # fmt: skip
        prompts = {item.id: prompt_of(item, way, every) for item in chosen}
        protocol = OPEN if model.reads_on(which.kind) else way.name
        measured = measure(which, protocol, made, prompts, records)
        yield measured, write(out, measured, records)


def _timed(model: Model, item: Item) -> tuple[str, float]:
    begun = time.perf_counter()
    return model.answer(item), time.perf_counter() - begun


def _record(item: Item, reply: str, seconds: float, same: Same) -> Record:
    return Record(trial=1, outcome=score(item, reply, same), reply=reply, seconds=seconds)
