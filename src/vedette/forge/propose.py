"""A teacher proposes a format from samples. What it says is checked item by item, and an expert reviews it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

import msgspec

from vedette import prompts
from vedette.engine.protocol import Budget, Engine, Finish, Message, Role, Sampling, Schema
from vedette.errors import ConfigError, EngineError
from vedette.forge.format import ITEMS, LONGEST, Format, Line, Section, Status, checked, fault, fenced, flat
from vedette.forge.samples import MOST, Sample

BUDGET = Budget(tokens=3_000, seconds=600.0)
LONGEST_REPLY = 60_000  # characters; what is longer is not even read
TRIES = 2
_REPEATED = 2_000  # characters of a bad reply that the teacher is shown again
_MARKER = re.compile(r"^(?:[#>*\-•]+\s+|\(?\d{1,2}[.)]\s+|step \d{1,2}\s*[:.]\s+)+", re.IGNORECASE)
_PROMPT = Path(__file__).parent / "prompts/format-propose.v1.md"

Items = Annotated[list[str], msgspec.Meta(max_length=20)]


class _Reply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    introduction: Items
    steps: Items
    rules: Items
    output: Items
    questions: Items = []


@dataclass(frozen=True, slots=True)
class Proposal:
    format: Format
    left: Counter[str]  # items of the teacher that were left out, by reason


def schema() -> Schema:
    def items(section: Section) -> dict[str, object]:
        least, most = ITEMS[section]
        item = {"type": "string", "minLength": 1, "maxLength": LONGEST}
        return {"type": "array", "items": item, "minItems": least, "maxItems": most}

    names = {section.lower(): items(section) for section in Section}
    return {"type": "object", "properties": names, "required": list(names), "additionalProperties": False}


async def propose(
    engine: Engine, name: str, samples: Sequence[Sample], version: int, previous: Format | None = None
) -> Proposal:
    """Raises EngineError where the teacher gives nothing that can become a format."""
    messages = [Message(Role.USER, _asked(name, samples[:MOST], previous))]
    trouble = ""
    for turn in range(TRIES):
        done = await engine.generate(messages, schema=schema(), budget=BUDGET, sampling=Sampling(seed=turn))
        try:
            if done.finish is Finish.LENGTH:
                raise ValueError(f"it is not whole after {BUDGET.tokens:,} tokens")
            return _proposal(_decoded(done.text), name, version, previous)
        except (ValueError, ConfigError) as error:
            trouble = str(error)
        again = f"That cannot be used: {trouble[:300]}. Answer again, with the JSON alone."
        messages = [messages[0], Message(Role.ASSISTANT, done.text[:_REPEATED]), Message(Role.USER, again)]
    what = f"its proposal for '{name}' cannot be used: {trouble}"
    raise EngineError(what, where=engine.identity.name, remedy="try again, or another model")


def _asked(name: str, samples: Sequence[Sample], previous: Format | None) -> str:
    shown = "\n\n".join(
        f"{fenced(sample.question, f'question {n}')}\n{fenced(sample.answer, f'reference answer {n}')}"
        for n, sample in enumerate(samples, start=1)
    )
    before = previous.text.split("+++\n", 2)[2].strip() if previous else "none"
    return _prompt().render(group=name, previous=before, samples=shown)


def _decoded(text: str) -> _Reply:
    """Of a reply that may have a fence or a word around its JSON. Raises ValueError."""
    if len(text) > LONGEST_REPLY:
        raise ValueError(f"it has {len(text):,} characters, more than {LONGEST_REPLY:,}")
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        raise ValueError("there is no JSON object in it")
    try:
        return msgspec.json.decode(text[start : end + 1].encode("utf-8", "replace"), type=_Reply)
    except (msgspec.DecodeError, RecursionError) as exc:
        raise ValueError(f"not the JSON that was asked for: {exc}") from exc


def _proposal(reply: _Reply, name: str, version: int, previous: Format | None) -> Proposal:
    left: Counter[str] = Counter()
    lines = [line for section in Section for line in _kept(section, getattr(reply, section.lower()), left)]
    tasks = previous.tasks if previous else (name,)
    parent = previous.sha256 if previous else ""
    made = Format(name, version, tasks, Status.DRAFT, parent, tuple(lines))
    return Proposal(checked(made, "the proposal"), left)


def _kept(section: Section, texts: Iterable[str], left: Counter[str]) -> list[Line]:
    """The items that can stand in a format, without list marks, each once, no more than there is room for."""
    found: dict[Line, None] = {}
    for text in texts:
        line = Line(section, _MARKER.sub("", flat(text)))
        why = fault(line).partition(":")[0]
        if not why and line in found:
            why = "said twice"
        if not why and len(found) == ITEMS[section][1]:
            why = "more than there is room for"
        if why:
            left[why] += 1
        else:
            found[line] = None
    return list(found)


@cache
def _prompt() -> prompts.Prompt:
    return prompts.load(_PROMPT)
