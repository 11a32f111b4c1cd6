"""Ask an embedded model without Inspect: it answers in milliseconds, and a harness would take most of the time."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

from vedette import __version__
from vedette.bench.actors import sameness
from vedette.bench.asked import Asked
from vedette.bench.catalog import benchmark, items
from vedette.bench.items import Item, Kind
from vedette.bench.measured import Made, Measured, Record, measure, write
from vedette.bench.models import MODELS, Model
from vedette.bench.protocol import OPEN, USUAL
from vedette.bench.scoring import score
from vedette.errors import ConfigError

PREFIX = "vedette/"


def run(names: Sequence[str], asked: Asked, out: Path) -> Iterator[tuple[Measured, Path]]:
    """As `bench.run.run`; the name of the model with or without PREFIX."""
    if asked.way.name != USUAL:
        raise ConfigError(f"embedded models answer one way, not by '{asked.way.name}'", remedy=f"leave '{USUAL}'")
    name = asked.model.removeprefix(PREFIX)
    try:
        model: Model = MODELS.load(name)(**asked.model_args)
    except TypeError as exc:
        raise ConfigError(f"'{name}' takes no such argument: {exc}", remedy="see docs/bench.md") from exc
    with closing(model):
        for each in names:
            which = benchmark(each)
            every = items(which, asked.data, any_version=asked.any_version)
            chosen = every[: asked.limit] if asked.limit else every
            records = _records(model, chosen, which.kind)
            made = Made(
                model=f"{PREFIX}{name}", exact_model=model.name, tokens={"in": 0, "out": 0},
                versions={"vedette": __version__}, limit=asked.limit,
            )  # fmt: skip
            protocol = OPEN if model.reads_on(which.kind) else USUAL
            measured = measure(which, protocol, made, {item.id: item.prompt for item in chosen}, records)
            yield measured, write(out, measured, records)


def _records(model: Model, items: Sequence[Item], kind: Kind) -> list[Record]:
    with sameness(kind) as same, ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        answers = pool.map(partial(_timed, model), items)
        return [
            Record(trial=1, outcome=score(item, reply, same), reply=reply, seconds=seconds)
            for item, (reply, seconds) in zip(items, answers, strict=True)
        ]


def _timed(model: Model, item: Item) -> tuple[str, float]:
    begun = time.perf_counter()
    return model.answer(item), time.perf_counter() - begun
