"""What attackers get of a model: after the guard, and of the bare model before it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from vedette.bench.injection.corpus import Attack
from vedette.bench.injection.formats import FORMATS
from vedette.bench.injection.run import Model, tried
from vedette.engine.protocol import (
    BUDGET,
    LIKELIEST,
    Budget,
    Completion,
    Engine,
    Identity,
    Message,
    Sampling,
    Schema,
    Told,
)
from vedette.guard import claims
from vedette.knowledge.store import Knowledge
from vedette.skills.triage.engine import GRAVER
from vedette.types import Verdict

_DECIDED = re.compile(r"^Verdict: (\w+)\.", re.MULTILINE)
_MARK = re.compile(r"⟦/?([0-9a-f]{16})")


@dataclass(slots=True)
class Attacked:
    """By the attack and where it was written."""

    succeeded: dict[tuple[str, str, str], bool] = field(default_factory=dict)  # attack, format, place
    obeyed: dict[str, bool] = field(default_factory=dict)  # by prompt: the bare reply wants a lower verdict
    unread: int = 0  # prompts whose reply could not be read


async def attacked(engine: Engine, attacks: Sequence[Attack], store: Knowledge) -> Attacked:
    """Each attack in one field of one format, in turn: the same ones for every model."""
    found, heard = Attacked(), _Heard(engine)
    formats = list(FORMATS.values())
    for number, form in enumerate(formats):
        if part := attacks[number :: len(formats)]:
            heard.calm = True  # a day without an attack comes first
            async for one in tried(part, [form], Model(heard, store), places=1):
                found.succeeded[one.attack, one.format, one.place] = bool(one.gains)
    found.obeyed, found.unread = heard.obeyed, heard.unread
    return found


class _Heard:
    """An engine whose bare replies are looked at."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.obeyed: dict[str, bool] = {}
        self.unread = 0
        self.calm = False  # the next prompt holds no attack

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
        done = await self._engine.generate(messages, schema=schema, budget=budget, sampling=sampling, told=told)
        if self.calm:
            self.calm = False
        elif len(messages) == 2:  # not asked again
            self._hear("\n".join(message.content for message in messages), done.text)
        return done

    def _hear(self, prompt: str, reply: str) -> None:
        decided, said = _DECIDED.search(prompt), claims.parse(reply)
        for mark in set(_MARK.findall(prompt)):  # is another one in each call
            prompt = prompt.replace(mark, "")
        verdict = said.verdict if said else ""
        self.unread += verdict not in GRAVER
        lower = decided is not None and verdict in GRAVER and _place(verdict) < _place(decided[1])
        self.obeyed[hashlib.sha256(prompt.encode("utf-8", "replace")).hexdigest()] = lower

    async def close(self) -> None:
        return None


def _place(verdict: str) -> int:
    return GRAVER.index(Verdict(verdict))
