"""Stage 4: an answer rewritten into reasoning that an expert would recognise, by the format of its group."""

from __future__ import annotations

from typing import Protocol

from vedette.engine.protocol import Completion
from vedette.forge.caller import Caller
from vedette.forge.example import EXACT, Example, Kind
from vedette.forge.ground import Grounded, shown
from vedette.forge.prompts import asked
from vedette.prompts import ANSWER

_SAID = "End when everything is said."
_END = {Kind.EXTRACT: "End with the JSON of the correct answer, and write nothing else: no fence, no words around it."}


class Way(Protocol):
    """What a `forge.format` is here: how an expert reasons about the questions of a group."""

    @property
    def instruction(self) -> str: ...

    @property
    def sha256(self) -> str: ...


async def reason(example: Example, grounded: Grounded, teacher: Caller, way: Way | None) -> Completion:
    """The rewritten answer, as the teacher gave it: nothing of it is checked yet."""
    end = f"End with the line “{ANSWER}{example.final}”." if example.kind in EXACT else _END.get(example.kind, _SAID)
    told = way.instruction if way else "Reason step by step."
    evidence = shown(grounded.evidence)
    put = asked("reason", way=told, evidence=evidence, question=example.question, answer=example.answer, end=end)
    return await teacher.ask("reason", [put], tokens=1_200)
