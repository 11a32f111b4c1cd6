"""Does a model do what Vedette needs of one? Template, schema, context, speed, five questions with known answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from typing import Any

from pydantic import Field

from vedette.config import Settings, load_toml
from vedette.engine.protocol import Budget, Completion, Engine, Message, Role
from vedette.errors import EngineError

PROMPTS = "check.v1.toml"
CODE = "VDT-4471"
LONG = 6_000  # tokens of the long prompt at most, so that a slow machine answers, too
ROOM = 64  # tokens that are kept for an answer
SECONDS = 600.0
SPOKEN = 128  # tokens of the answer whose speed is taken
SYSTEM = Message(Role.SYSTEM, "You help defenders of computer networks. Answer briefly, and only what is asked.")


class Golden(Settings):
    id: str
    ask: str
    choices: tuple[str, ...] = Field(min_length=2)
    right: str


class Prompts(Settings):
    filler: str
    fact: str
    recall: str
    schema_: str = Field(alias="schema")
    speed: str
    golden: tuple[Golden, ...]


@dataclass(frozen=True, slots=True)
class Result:
    name: str
    ok: bool
    said: str  # what was seen; what to do, where it failed


@cache
def prompts() -> Prompts:
    with as_file(files("vedette.engine") / PROMPTS) as path:
        return load_toml(path, Prompts)


async def check(engine: Engine) -> AsyncIterator[Result]:
    """One result after the other. Raises EngineError only where the model cannot be asked at all."""
    yield _template(engine)
    for test in (_schema, _context, _speed):
        try:
            yield await test(engine)
        except EngineError as exc:
            yield Result(test.__name__.strip("_"), False, str(exc))
    right = 0
    wrong: list[str] = []
    for golden in prompts().golden:
        try:
            answer = await _chosen(engine, golden)
        except EngineError as exc:
            answer = str(exc)
        right += answer == golden.right
        wrong += [] if answer == golden.right else [f"{golden.id}: {answer[:60]!r}, not {golden.right!r}"]
    total = len(prompts().golden)
    yield Result("answers", right == total, f"{right} of {total} right" + (f"; {'; '.join(wrong)}" if wrong else ""))


def _template(engine: Engine) -> Result:
    known = engine.identity
    if known.template:
        return Result("template", True, f"sha256 {known.template[:12]}…")
    if known.backend == "llama.cpp":
        return Result("template", False, "the file has no chat template: take an instruction-tuned model")
    return Result("template", True, f"{known.backend} does not tell it")


async def _schema(engine: Engine) -> Result:
    shape = {
        "type": "object",
        "properties": {
            "colour": {"type": "string", "enum": ["red", "green", "blue"]},
            "letters": {"type": "integer", "minimum": 1, "maximum": 9},
        },
        "required": ["colour", "letters"],
        "additionalProperties": False,
    }
    said = await _asked(engine, prompts().schema_, shape)
    try:
        found = json.loads(said.text)
    except ValueError:
        return Result("schema", False, f"no JSON: {said.text[:80]!r}; use a server that constrains its answers")
    good = (
        isinstance(found, dict)
        and set(found) == {"colour", "letters"}
        and found["colour"] in ("red", "green", "blue")
        and type(found["letters"]) is int
        and 1 <= found["letters"] <= 9
    )
    return Result("schema", good, f"{said.text[:80]}" + ("" if good else ": not what the schema asks for"))


async def _context(engine: Engine) -> Result:
    """A fact at the beginning of a long prompt is still seen at its end."""
    most = min(engine.identity.context, LONG) - 4 * ROOM
    fact = prompts().fact.format(code=CODE)
    low, high = 1, max(2, most // 8)
    while low < high:  # as many lines as fit
        middle = (low + high + 1) // 2
        low, high = (middle, high) if await engine.count(_long(fact, middle)) <= most else (low, middle - 1)
    messages = _long(fact, low)
    length = await engine.count(messages)
    said = await engine.generate(messages, budget=Budget(tokens=ROOM, seconds=SECONDS))
    seen = CODE in said.text
    what = f"{engine.identity.context:,} tokens are served; a fact {length:,} tokens back was "
    lost = f"lost: {said.text[:60]!r}; its answers on long evidence cannot be relied on"
    return Result("context", seen, what + ("seen" if seen else lost))


async def _speed(engine: Engine) -> Result:
    short = await _asked(engine, prompts().speed, tokens=1)
    long = await _asked(engine, prompts().speed, tokens=SPOKEN)
    rate = (long.tokens_out - short.tokens_out) / max(long.seconds - short.seconds, 1e-6)
    if long.tokens_out < SPOKEN // 4:
        rate = long.tokens_out / long.seconds
    good = rate >= 1.0
    return Result(
        "speed", good, f"{rate:.1f} tokens/s" + ("" if good else ": take a smaller model, or a graphics card")
    )


async def _chosen(engine: Engine, golden: Golden) -> str:
    shape = {
        "type": "object",
        "properties": {"answer": {"type": "string", "enum": list(golden.choices)}},
        "required": ["answer"],
        "additionalProperties": False,
    }
    said = await _asked(engine, f"{golden.ask} Choose from: {', '.join(golden.choices)}.", shape)
    try:
        return str(json.loads(said.text)["answer"])
    except (ValueError, TypeError, KeyError):
        return said.text


async def _asked(engine: Engine, text: str, shape: dict[str, Any] | None = None, *, tokens: int = ROOM) -> Completion:
    budget = Budget(tokens=tokens, seconds=SECONDS)
    return await engine.generate([SYSTEM, Message(Role.USER, text)], schema=shape, budget=budget)


def _long(fact: str, lines: int) -> list[Message]:
    filler = "\n".join(prompts().filler.format(number=number) for number in range(lines))
    return [SYSTEM, Message(Role.USER, f"{fact}\n{filler}\n{prompts().recall}")]
