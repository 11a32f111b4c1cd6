"""Ways in which an exercise is made into another one, and who picks one of them: the router of SecKnowledge."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from enum import StrEnum
from typing import TypeVar

from vedette.forge.caller import Caller
from vedette.forge.example import Example, Kind
from vedette.forge.prompts import asked

T = TypeVar("T")


class Turn(StrEnum):
    DEEPEN = "deepen"
    CONSTRAIN = "constrain"
    CONCRETE = "make-concrete"
    STEPS = "more-steps"
    BROADEN = "broaden"
    CHANGE = "change-kind"


TOLD = {
    Turn.DEEPEN: "Ask for something that lies deeper in the same matter: why, how, or what follows from it.",
    Turn.CONSTRAIN: "Add a condition that has to be met: a platform, a stage, a source of data, a limit.",
    Turn.CONCRETE: "Put a concrete situation in place of the general notion: what an analyst sees, and what it is.",
    Turn.STEPS: "Ask for something that takes two or more steps of reasoning over the passages.",
    Turn.BROADEN: "Ask how the matter is related to the other entry that the passages describe.",
    Turn.CHANGE: "Ask for the same knowledge in another form.",
}
FORMS = (Kind.CHOICE, Kind.YES_NO, Kind.EXTRACT)
SHAPES = {
    Kind.CLOSED: "The result is one short phrase that stands in a passage word for word.",
    Kind.STEPS: "The result is one short phrase that stands in a passage word for word; it takes steps to find it.",
    Kind.MULTI: "The result is short phrases, joined by “, ”, each of which stands in a passage word for word.",
    Kind.YES_NO: "The result is Yes or No.",
    Kind.CHOICE: "Three to five options, one of them right: the result is the right one, as it stands in a passage.",
    Kind.EXTRACT: "The question names the keys; the result is a JSON object of texts that stand in a passage.",
}
SCHEMA = {
    "type": "object",
    "properties": {"reason": {"type": "string", "maxLength": 200}, "way": {"enum": [str(turn) for turn in Turn]}},
    "required": ["reason", "way"],
    "additionalProperties": False,
}


def kind_after(example: Example, turn: Turn, key: str) -> Kind:
    """What kind the new exercise is of: one whose result can be compared."""
    if turn is Turn.CHANGE:
        return picked([kind for kind in FORMS if kind is not example.kind], key)
    if turn is Turn.STEPS:
        return Kind.STEPS
    return example.kind if example.kind in SHAPES else Kind.CLOSED


async def route(example: Example, turns: Sequence[Turn], teacher: Caller, key: str) -> tuple[Turn, bool]:
    """One of `turns`, and whether the teacher picked it; where its reply is of no use, a rule does."""
    ways = "\n".join(f"- {turn}: {TOLD[turn]}" for turn in turns)
    put = asked("route", question=example.question, kind=str(example.kind), ways=ways)
    done = await teacher.ask("route", [put], schema=SCHEMA, tokens=150)
    try:
        told = json.loads(done.text)
    except (ValueError, RecursionError):
        told = {}
    way = told.get("way") if isinstance(told, dict) else None
    found = next((turn for turn in turns if way == turn), None)
    return (found, True) if found else (picked(turns, key), False)


def picked(several: Sequence[T], key: str) -> T:
    """One of them, the same for the same key."""
    return several[
        int.from_bytes(hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=4).digest()) % len(several)
    ]
