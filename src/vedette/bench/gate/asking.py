"""Asks one model all that the gate wants to know. What was answered is kept: a run that was killed goes on."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from vedette import __version__
from vedette.bench.gate.questions import Asked
from vedette.bench.journal import Answer, Journal
from vedette.engine.gate import Party
from vedette.engine.protocol import Budget, Engine, Schema
from vedette.guard import claims
from vedette.guard.explain import BUDGET
from vedette.skills.triage.engine import GRAVER

_EXHIBIT = re.compile(r"^(E\d{1,3}): ", re.MULTILINE)
Told = Callable[[int, int], None]  # how many of how many were asked


@dataclass(slots=True)
class Replies:
    """Of one model, by what it was asked."""

    by_key: dict[str, str] = field(default_factory=dict)
    too_long: int = 0  # questions for which its context has no room: no answer
    seconds: float = 0.0

    def of(self, asked: Asked) -> str:
        return self.by_key[asked.key]


async def replies(
    engine: Engine, who: Party, several: Sequence[Asked], tokens: int, work: Path, told: Told = lambda *_: None
) -> Replies:
    """Raises what the engine raises: a gate is passed by answers alone."""
    found, began = Replies(), time.monotonic()
    waiting = list({one.key: one for one in several}.values())
    about = {**msgspec.to_builtins(who), "tokens": str(tokens), "vedette": __version__}
    with Journal(work, about) as journal:

        async def ask(one: Asked) -> None:
            if one.key not in journal.answers:
                text = await _answered(engine, one, tokens)
                found.too_long += text is None
                journal.keep(Answer(item=one.key, reply=text or "", seconds=0.0))
            found.by_key[one.key] = journal.answers[one.key].reply
            told(len(found.by_key), len(waiting))

        for start in range(0, len(waiting), max(1, engine.identity.parallel)):
            await asyncio.gather(*map(ask, waiting[start : start + max(1, engine.identity.parallel)]))
    found.seconds = time.monotonic() - began
    return found


async def _answered(engine: Engine, one: Asked, tokens: int) -> str | None:
    """None where its context has no room for the question."""
    budget = BUDGET if one.reply else Budget(tokens=tokens)
    if await engine.count(one.messages) + budget.tokens > engine.identity.context:
        return None
    return (await engine.generate(one.messages, schema=_schema(one), budget=budget)).text


def _schema(one: Asked) -> Schema | None:
    """As triage asks for it."""
    if not one.reply:
        return None
    return claims.schema(list(dict.fromkeys(_EXHIBIT.findall(one.text))) or ["E1"], tuple(map(str, GRAVER)))
