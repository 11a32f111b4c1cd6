"""Stage 4: an answer rewritten into reasoning that an expert would recognise, by the format of its group."""

from __future__ import annotations

from typing import Protocol

from vedette.engine.protocol import Completion, Message, Role
from vedette.forge.caller import Caller
from vedette.forge.example import ANSWER, EXACT, Example
from vedette.forge.ground import Grounded, shown

_SYSTEM = (
    "You write training answers for a security model. You are given a question, its correct answer, background, and the "
    "way an expert reasons about such questions. Write the answer anew as that reasoning. Keep every fact, id and number "
    "of the correct answer. Use the background where it helps, without mentioning that it was given. Do not contradict "
    "the correct answer, and do not add ids that stand in none of the texts."
)
_ASKED = "{way}\n\nBackground:\n{evidence}\n\nQuestion:\n{question}\n\nCorrect answer:\n{answer}\n\n{end}"


class Way(Protocol):
    """What `forge.format` has: how an expert reasons about the questions of a group."""

    def render(self, question: str, evidence: str) -> str: ...


async def reason(example: Example, grounded: Grounded, teacher: Caller, way: Way | None) -> Completion:
    """The rewritten answer, as the teacher gave it: nothing of it is checked yet."""
    end = f"End with the line “{ANSWER}{example.final}”." if example.kind in EXACT else "End when everything is said."
    told = way.render(example.question, shown(grounded.evidence)) if way else "Reason step by step."
    prompt = _ASKED.format(
        way=told, evidence=shown(grounded.evidence), question=example.question, answer=example.answer, end=end
    )
    return await teacher.ask("reason", [Message(Role.SYSTEM, _SYSTEM), Message(Role.USER, prompt)], tokens=1_200)
