"""The gate from end to end: one plan, asked of two models one after the other, and what follows from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from vedette import __version__
from vedette.bench.gate import checks, data
from vedette.bench.gate.asking import replies
from vedette.bench.gate.attacked import Attacked, attacked
from vedette.bench.gate.plan import Given, Plan, plan
from vedette.bench.gate.rules import Rules
from vedette.bench.gate.scenes import Scenes
from vedette.engine.gate import Data, Gate, Party
from vedette.engine.protocol import Engine
from vedette.knowledge.store import Knowledge

Opener = Callable[[], AbstractAsyncContextManager[Engine]]
Told = Callable[[str, int, int], None]  # who, how many of how many questions were asked


@dataclass(frozen=True, slots=True)
class Contender:
    """Who is asked. It is opened when its turn comes, so that two models need not fit the memory together."""

    party: Party
    open: Opener


@dataclass(frozen=True, slots=True)
class Setting:
    """What both are asked with. `work`: what was answered is kept there, so that the same command goes on."""

    rules: Rules
    scenes: Scenes
    store: Knowledge
    work: Path
    told: Told = lambda *_: None


async def gate(
    base: Contender, candidate: Contender, given: Given, setting: Setting, inputs: Sequence[Data] = ()
) -> Gate:
    """Raises EngineError where a model does not answer, OutputError."""
    began = time.monotonic()
    made = plan(given, setting.rules, setting.scenes)
    before = await _side(base, "base", made, setting)
    now = await _side(candidate, "candidate", made, setting)
    found = [*checks.judged(made, before, now, setting.rules), *data.judged(given, setting.store, setting.rules)]
    return Gate(
        made=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), version=__version__, base=base.party,
        candidate=candidate.party, data=tuple(inputs), rules=setting.rules.model_dump(mode="json"),
        checks=tuple(found), passed=all(check.passed for check in found) and bool(found),
        seconds=round(time.monotonic() - began, 1),
    )  # fmt: skip


async def _side(who: Contender, name: str, made: Plan, setting: Setting) -> checks.Side:
    told = setting.told
    async with who.open() as engine:
        said = await replies(
            engine, who.party, made.asked, setting.rules.tokens, setting.work / name,
            lambda done, of: told(name, done, of),
        )  # fmt: skip
        found = await attacked(engine, made.attacks, setting.store) if made.attacks else Attacked()
    return checks.Side(said, found)
