"""Asks a teacher or a judge through the ledger, within limits of calls at once, of rate and of tokens."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vedette.engine.protocol import Budget, Completion, Engine, Message, Sampling, Schema
from vedette.errors import EngineError
from vedette.forge.ledger import Kept, key

UNANSWERED = "no answer: "  # how the outcome of a row begins that a later run tries again


@dataclass(frozen=True, slots=True)
class Limits:
    in_flight: int = 64
    a_minute: int = 0  # calls; 0: as many as the model answers
    tokens: int = 0  # of prompts and answers, of all calls of this run; 0: no limit


class Spent(EngineError):
    """The run's limit of tokens is reached: what is done is kept, the same command with a higher one goes on."""

    @classmethod
    def at(cls, used: int) -> Spent:
        return cls(f"{used:,} tokens are used up", remedy="run the same command again with a higher limit")


@dataclass(slots=True)
class Costs:
    """Of this run; what the ledger had cost nothing."""

    calls: Counter[str] = field(default_factory=Counter)  # by stage
    kept: Counter[str] = field(default_factory=Counter)  # answered by the ledger
    tokens_in: int = 0
    tokens_out: int = 0


def summed(first: Mapping[str, Costs], second: Mapping[str, Costs]) -> dict[str, Costs]:
    """By role."""
    found = {}
    for role in {**first, **second}:
        one, other = first.get(role, Costs()), second.get(role, Costs())
        found[role] = Costs(
            one.calls + other.calls, one.kept + other.kept, one.tokens_in + other.tokens_in,
            one.tokens_out + other.tokens_out,
        )  # fmt: skip
    return found


class Caller:
    """One model, asked through the ledger."""

    def __init__(self, engine: Engine, ledger: Kept, limits: Limits = Limits()) -> None:
        self.engine, self.ledger, self.limits = engine, ledger, limits
        self.costs = Costs()
        self._room = asyncio.Semaphore(limits.in_flight)
        self._next = 0.0  # when the next call may start

    async def ask(
        self,
        stage: str,
        messages: Sequence[Message],
        *,
        schema: Schema | None = None,
        tokens: int = 1_024,
        seed: int = 0,
    ) -> Completion:
        """Raises EngineError where the model does not answer, Spent where the limit is reached."""
        sampling = Sampling(seed=seed)
        known = key(stage, self.engine.identity, messages, schema, sampling)
        if (found := self.ledger.get(known)) is not None:
            self.costs.kept[stage] += 1
            return found
        async with self._room:
            self._within()
            await self._turn()
            done = await self.engine.generate(messages, schema=schema, budget=Budget(tokens=tokens), sampling=sampling)
        self.costs.calls[stage] += 1
        self.costs.tokens_in += done.tokens_in
        self.costs.tokens_out += done.tokens_out
        self.ledger.put(known, stage, done)
        return done

    def _within(self) -> None:
        used = self.costs.tokens_in + self.costs.tokens_out
        if self.limits.tokens and used >= self.limits.tokens:
            raise Spent.at(used)

    async def _turn(self) -> None:
        if not self.limits.a_minute:
            return
        now = time.monotonic()
        self._next = max(now, self._next) + 60 / self.limits.a_minute
        await asyncio.sleep(max(0.0, self._next - now - 60 / self.limits.a_minute))
