"""Runs every attack in every place of every format through triage, and through an engine where one is given."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

from vedette.bench.injection.corpus import Attack
from vedette.bench.injection.days import ADDRESS, ATTACK, HOST, PLANTED, USER, Format, Place
from vedette.bench.injection.judge import VIEWS, Shown, gains
from vedette.bench.injection.tried import Tried
from vedette.connect import sinks
from vedette.connect.read import Reader
from vedette.connect.stream import Options
from vedette.engine.protocol import BUDGET, LIKELIEST, Budget, Completion, Engine, Identity, Message, Sampling, Schema, Told
from vedette.guard.explain import Way
from vedette.guard.redact import Redaction
from vedette.knowledge.store import Knowledge
from vedette.skills.triage import model as weights
from vedette.skills.triage.engine import worded
from vedette.skills.triage.owner import Owner
from vedette.skills.triage.skill import Triage
from vedette.skills.triage.state import State
from vedette.types import Case, Queue

SECRET = (PLANTED, HOST, ADDRESS, USER)  # never in a request where names are hidden


@dataclass(frozen=True, slots=True)
class Model:
    """The engine under test, and the store that its claims are checked against."""

    engine: Engine
    store: Knowledge
    redact: bool = True


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


def tried(
    attacks: Iterable[Attack], formats: Iterable[Format], model: Model | None = None, *, places: int = 0
) -> Iterator[Tried]:
    """`places`: so many of each format, another choice for each attack; 0: all of them."""
    chosen = tuple(formats)
    calm = {form.name: shown(form, model=model) for form in chosen}
    for number, attack in enumerate(attacks):
        written = attack.written
        for form in chosen:
            for place in _some(form.places, places, number):
                after = shown(form, place, written, model=model)
                secret = SECRET if model and model.redact else ()
                found = tuple(gains(calm[form.name], after, written, secret, model.store if model else None))
                said = after.main.explanation
                yield Tried(
                    attack.id, attack.family, form.name, f"{'+' * place.beside}{place.path}", found,
                    calls=sum(message.role == "system" for message in after.requests),
                    dropped=sum(n for _, n in said.dropped) if said else 0,
                    claims=len(said.claims) if said else 0,
                )  # fmt: skip


def shown(form: Format, place: Place | None = None, text: str = "", *, model: Model | None = None) -> Shown:
    """The day through the normal path: read, triage, explain, render."""
    queue = triaged(form, place, text)
    main, theirs = intrusion(queue)
    requests: tuple[Message, ...] = ()
    if model:
        overheard = _Overheard(model.engine)
        hiding = Redaction(main.observables, hosts=main.hosts) if model.redact else None
        main = asyncio.run(worded(main, overheard, model.store, Way(), hiding))
        requests = tuple(overheard.requests)
    part = msgspec.structs.replace(queue, cases=tuple(main if c.id == main.id else c for c in theirs))
    return Shown(queue, main, {name: sinks.VIEWS.load(name)(part) for name in VIEWS}, requests)


def triaged(form: Format, place: Place | None = None, text: str = "") -> Queue:
    file = Path(_folder().name, f"alerts{form.suffix}")
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


def intrusion(queue: Queue) -> tuple[Case, list[Case]]:
    """The case that shows most of the intrusion's rules, and all that show one."""
    rules = {step.rule for step in ATTACK}
    theirs = [case for case in queue.cases if rules & {e.rule_uid for e in case.evidence}]
    return max(theirs, key=lambda c: (len(rules & {e.rule_uid for e in c.evidence}), c.probability)), theirs


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="vedette-injection-")


@cache
def _weights() -> weights.Model:
    return weights.load()


def _some(places: tuple[Place, ...], of: int, number: int) -> tuple[Place, ...]:
    if not of or of >= len(places):
        return places
    return tuple(places[(number * of + n) % len(places)] for n in range(of))
