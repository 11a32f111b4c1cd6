"""Ask an embedded model without Inspect: it answers in milliseconds, and a harness would take most of the time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

from vedette import __version__
from vedette.bench.actors import sameness
from vedette.bench.asked import Asked
from vedette.bench.catalog import Benchmark, benchmark, items
from vedette.bench.energy import Meter
from vedette.bench.items import Item, Kind
from vedette.bench.journal import Answer, Journal
from vedette.bench.measured import Made, Measured, Record, folder_of, item_set, measure, write
from vedette.bench.models import MODELS, Model, Reply
from vedette.bench.protocol import OPEN, USUAL
from vedette.bench.scoring import Same, score
from vedette.errors import ConfigError

PREFIX = "vedette/"
Tell = Callable[[str, int, int], None]  # benchmark, items answered, items


def run(names: Sequence[str], asked: Asked, out: Path, tell: Tell = lambda *_: None) -> Iterator[tuple[Measured, Path]]:
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
            yield _measured(which, model, chosen, asked, out, partial(tell, which.name))


def _measured(
    which: Benchmark, model: Model, chosen: Sequence[Item], asked: Asked, out: Path, tell: Callable[[int, int], None]
) -> tuple[Measured, Path]:  # fmt: skip
    told = PREFIX + asked.model.removeprefix(PREFIX)
    protocol = OPEN if model.reads_on(which.kind) else USUAL
    prompts = {item.id: item.prompt for item in chosen}
    about = {"model": model.name, "items": item_set(prompts.items()), "vedette": __version__}
    with Journal(out / folder_of(which.name, told, protocol, asked.limit), about) as journal, Meter() as meter:
        resumed = bool(journal.answers)
        _ask(model, chosen, journal, tell)
    made = Made(
        model=told, exact_model=model.name, tokens={"in": 0, "out": 0}, versions={"vedette": __version__},
        limit=asked.limit, joules={} if resumed else meter.joules,
    )  # fmt: skip
    records = _records(chosen, journal.answers, which.kind)
    measured = measure(which, protocol, made, prompts, records)
    place = write(out, measured, records)
    journal.remove()
    return measured, place


def _ask(model: Model, chosen: Sequence[Item], journal: Journal, tell: Callable[[int, int], None]) -> None:
    waiting = [item for item in chosen if item.id not in journal.answers]
    pool = ThreadPoolExecutor(os.cpu_count() or 1)
    try:
        tell(len(chosen) - len(waiting), len(chosen))
        for answer in pool.map(partial(_timed, model), waiting):
            journal.keep(answer)
            tell(len(journal.answers), len(chosen))
    finally:
        pool.shutdown(cancel_futures=True)  # else whoever stops it waits for all the others


def _timed(model: Model, item: Item) -> Answer:
    begun = time.perf_counter()
    reply = model.answer(item)
    sure = reply.probability if isinstance(reply, Reply) else None
    return Answer(item=item.id, reply=str(reply), seconds=time.perf_counter() - begun, probability=sure)


def _records(chosen: Sequence[Item], answers: dict[str, Answer], kind: Kind) -> list[Record]:
    with sameness(kind) as same:
        return [_record(item, answers[item.id], same) for item in chosen]


def _record(item: Item, found: Answer, same: Same) -> Record:
    return Record(
        trial=1, outcome=score(item, found.reply, same), reply=found.reply, seconds=found.seconds,
        probability=found.probability,
    )  # fmt: skip
