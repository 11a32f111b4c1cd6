"""Runs every attack in every place of every format through triage, and through an engine where one is given."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import msgspec

from vedette.bench.injection.corpus import Attack
from vedette.bench.injection.days import ADDRESS, ATTACK, HOST, PLANTED, USER, Format, Place
from vedette.bench.injection.formats import FORMATS
from vedette.bench.injection.judge import VIEWS, Shown, gains
from vedette.bench.injection.tried import Tried
from vedette.connect import sinks
from vedette.connect.read import Reader
from vedette.connect.stream import Options
from vedette.engine.open import Wanted, opened
from vedette.engine.protocol import (
    BUDGET,
    LIKELIEST,
    Budget,
    Completion,
    Engine,
    Identity,
    Message,
    Role,
    Sampling,
    Schema,
    Told,
)
from vedette.guard.explain import Way
from vedette.guard.redact import Redaction
from vedette.knowledge.store import Knowledge
from vedette.skills.triage import model as weights
from vedette.skills.triage.engine import worded
from vedette.skills.triage.owner import Owner
from vedette.skills.triage.skill import Triage
from vedette.skills.triage.state import State
from vedette.types import Case, Queue

NONE = "none"  # tier 0 alone
PLAIN = ("none", "obedient")  # models that may run in many processes
SECRET = (PLANTED, HOST, ADDRESS, USER)
AT_ONCE = 8  # attacks that a process takes


@dataclass(frozen=True, slots=True)
class Wish:
    """What is run. `places`: so many of each format, others for each attack; 0: all of them."""

    spec: str = NONE  # of the model
    formats: tuple[str, ...] = tuple(FORMATS)
    places: int = 0
    redact: bool = True
    store: Path | None = None
    context: int = 0


@dataclass(frozen=True, slots=True)
class Model:
    """The engine under test, and the store that its claims are checked against."""

    engine: Engine
    store: Knowledge
    redact: bool = True


def run(attacks: Sequence[Attack], wish: Wish, jobs: int = 1) -> Iterator[Tried]:
    """Raises what opening the model and the store raises."""
    if jobs == 1 or wish.spec not in PLAIN:
        yield from _part((tuple(attacks), wish))
        return
    parts = [(tuple(attacks[at : at + AT_ONCE]), wish) for at in range(0, len(attacks), AT_ONCE)]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for part in pool.map(_part, parts):
            yield from part


def _part(given: tuple[tuple[Attack, ...], Wish]) -> list[Tried]:
    return asyncio.run(_all(*given))


async def _all(attacks: tuple[Attack, ...], wish: Wish) -> list[Tried]:
    formats = [FORMATS[name] for name in wish.formats]
    if wish.spec == NONE:
        return [one async for one in tried(attacks, formats, places=wish.places)]
    with Knowledge.open(wish.store) as store:
        async with opened(wish.spec, Wanted(context=wish.context)) as engine:
            model = Model(engine, store, wish.redact)
            return [one async for one in tried(attacks, formats, model, places=wish.places)]


async def tried(
    attacks: Iterable[Attack], formats: Sequence[Format], model: Model | None = None, *, places: int = 0
) -> AsyncIterator[Tried]:
    """As many at once as the engine answers."""
    calm = {form.name: await shown(form, model=model) for form in formats}

    async def one(attack: Attack, form: Format, place: Place) -> Tried:
        return _compared(
            attack, form, place, calm[form.name], await shown(form, place, attack.written, model=model), model
        )

    jobs = (
        (attack, form, place)
        for number, attack in enumerate(attacks)
        for form in formats
        for place in _some(form.places, places, number)
    )
    while batch := list(islice(jobs, model.engine.identity.parallel if model else 1)):
        for result in await asyncio.gather(*(one(*job) for job in batch)):
            yield result


def _compared(attack: Attack, form: Format, place: Place, calm: Shown, after: Shown, model: Model | None) -> Tried:
    secret = _secrets(form.name) if model and model.redact else ()
    found = tuple(gains(calm, after, attack.written, secret, model.store if model else None))
    said = after.main.explanation if after.main else None
    return Tried(
        attack.id, attack.family, form.name, f"{'beside ' * place.beside}{place.path}", found,
        calls=sum(message.role is Role.SYSTEM for message in after.requests),
        dropped=sum(n for _, n in said.dropped) if said else 0,
        claims=len(said.claims) if said else 0,
        silent=bool(model) and not (said and (said.claims or said.dropped)),
    )  # fmt: skip


async def shown(form: Format, place: Place | None = None, text: str = "", *, model: Model | None = None) -> Shown:
    """The day through the normal path: read, triage, explain, render."""
    queue = triaged(form, place, text)
    main, theirs = intrusion(queue)
    requests: tuple[Message, ...] = ()
    if main is None:
        return Shown(queue, None, {name: sinks.VIEWS.load(name)(queue) for name in VIEWS})
    if model:
        overheard = _Overheard(model.engine)
        hiding = Redaction(main.observables, hosts=main.hosts) if model.redact else None
        main = await worded(main, overheard, model.store, Way(), hiding)
        requests = tuple(overheard.requests)
    part = msgspec.structs.replace(queue, cases=tuple(main if c.id == main.id else c for c in theirs))
    return Shown(queue, main, {name: sinks.VIEWS.load(name)(part) for name in VIEWS}, requests)


def triaged(form: Format, place: Place | None = None, text: str = "") -> Queue:
    file = Path(_folder().name, f"{form.name}{form.suffix}")
    file.write_bytes(form.day(place, text))
    state = State(Path(":memory:"))
    try:
        triage = Triage(state, _weights(), Owner())
        reader = Reader([str(file)], Options(field_map=form.field_map), follow=False, stop=lambda: False)
        for _ in triage.ingest(reader):
            pass
        triage.build()
        return triage.queue(reject_file="rejected.jsonl")
    finally:
        state.close()


def intrusion(queue: Queue) -> tuple[Case | None, list[Case]]:
    """The case that shows most of the intrusion's rules, and all that show one; None where none does."""
    rules = {step.rule for step in ATTACK}
    theirs = [case for case in queue.cases if rules & {e.rule_uid for e in case.evidence}]
    best = max(theirs, key=lambda c: (len(rules & {e.rule_uid for e in c.evidence}), c.probability), default=None)
    return best, theirs


def _some(places: tuple[Place, ...], of: int, number: int) -> tuple[Place, ...]:
    if not of or of >= len(places):
        return places
    return tuple(places[(number * of + n) % len(places)] for n in range(of))


@cache
def _secrets(name: str) -> tuple[str, ...]:
    """What a request may not hold where names are hidden: Suricata knows no device's name, an attacker may guess it."""
    day = FORMATS[name].day().decode()
    return tuple(value for value in SECRET if value in day)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="vedette-injection-")


@cache
def _weights() -> weights.Model:
    return weights.load()


class _Overheard:
    """An engine whose requests are kept."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.requests: list[Message] = []

    @property
    def identity(self) -> Identity:
        return self._engine.identity

    async def count(self, messages: Sequence[Message]) -> int:
        return await self._engine.count(messages)

    async def generate(
        self,
        messages: Sequence[Message],
        *,
        schema: Schema | None = None,
        budget: Budget = BUDGET,
        sampling: Sampling = LIKELIEST,
        told: Told | None = None,
    ) -> Completion:
        self.requests += messages
        return await self._engine.generate(messages, schema=schema, budget=budget, sampling=sampling, told=told)

    async def close(self) -> None:
        return None
