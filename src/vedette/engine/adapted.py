"""A model with one of its adapters as what answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from msgspec.structs import replace as changed

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


class Adapted:
    def __init__(self, engine: Engine, adapter: str) -> None:
        self._engine, self._adapter = engine, adapter

    @property
    def identity(self) -> Identity:
        return changed(self._engine.identity, adapter=self._adapter)

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
        asked = sampling if sampling.adapter else replace(sampling, adapter=self._adapter)
        return await self._engine.generate(messages, schema=schema, budget=budget, sampling=asked, told=told)

    async def close(self) -> None:
        await self._engine.close()
