"""Who is compared with whom, as the command line names them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vedette.bench.gate.run import Contender
    from vedette.engine.choice import Choice
    from vedette.engine.protocol import Engine

CURRENT = "current"


@dataclass(frozen=True, slots=True)
class Seat:
    """How models are run, and where they are kept."""

    context: int = 0
    role: str = "triage"
    place: Path | None = None


def contender(spec: str, seat: Seat, on: str = "") -> Contender:
    """`on`: the model of an adapter. Raises what finding the model raises."""
    from vedette.bench.gate.run import Contender
    from vedette.engine.gate import Party

    choice = chosen(spec, seat, on)
    if choice is None:
        return Contender(Party(spec=spec, name=spec), lambda: _elsewhere(spec, seat))
    return Contender(choice.party, lambda: _here(choice, seat))


def chosen(spec: str, seat: Seat, on: str = "") -> Choice | None:
    """None for what is no file of this machine: an address, a model of replies."""
    from vedette.engine import choice
    from vedette.engine.models import resolve
    from vedette.engine.open import BACKENDS
    from vedette.engine.roles import Role
    from vedette.manifest import sha256_file

    kind = spec.partition("/")[0]
    if kind == CURRENT:
        role = Role(spec.partition("/")[2] or seat.role, seat.place)
        model, adapter = role.files()
        entry = role.now
        found = resolve(entry.model if entry else "", seat.place)
        digest = sha256_file(adapter) if adapter else ""
        return choice.Choice(model, found.name, found.manifest.sha256, adapter, digest)
    if "://" in spec or kind in set(BACKENDS) - {"gguf", CURRENT}:
        return None
    return choice.chosen(spec, on, seat.place)


@asynccontextmanager
async def _elsewhere(spec: str, seat: Seat) -> AsyncIterator[Engine]:
    from vedette.engine.open import Wanted, opened

    async with opened(spec, Wanted(context=seat.context)) as engine:
        yield engine


@asynccontextmanager
async def _here(choice: Choice, seat: Seat) -> AsyncIterator[Engine]:
    from vedette.engine.adapted import Adapted
    from vedette.engine.open import Wanted, opened

    adapters = (choice.adapter,) if choice.adapter else ()
    async with opened(f"gguf/{choice.model}", Wanted(context=seat.context, parallel=2, adapters=adapters)) as engine:
        yield Adapted(engine, choice.adapter_name) if choice.adapter else engine
