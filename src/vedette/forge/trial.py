"""A format tried on samples: the reference answer, and what a teacher makes of it by the format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vedette.engine.protocol import Budget, Engine, Finish, Message, Role
from vedette.errors import EngineError
from vedette.forge.format import Format
from vedette.forge.samples import Sample
from vedette.prompts import ANSWER

BUDGET = Budget(tokens=1_500, seconds=300.0)
SHOWN = 8_000  # characters of an answer


@dataclass(frozen=True, slots=True)
class Trial:
    sample: Sample
    after: str  # "" where the teacher gave none
    remarks: tuple[str, ...]  # what a build would refuse it for

    @property
    def passes(self) -> bool:
        return bool(self.after) and not self.remarks


async def tried(engine: Engine, made: Format, samples: Sequence[Sample]) -> list[Trial]:
    """One after the other; a sample that fails does not stop the others."""
    return [await _one(engine, made, sample) for sample in samples]


async def _one(engine: Engine, made: Format, sample: Sample) -> Trial:
    prompt = made.render(sample.question, f"Reference answer:\n{sample.answer}")
    try:
        done = await engine.generate([Message(Role.USER, prompt)], budget=BUDGET)
    except EngineError as error:
        return Trial(sample, "", (f"no answer: {error}",))
    return Trial(sample, done.text[:SHOWN], tuple(_remarks(sample, done.text, done.finish)))


def _remarks(sample: Sample, text: str, finish: Finish) -> list[str]:
    found = ["it is not whole"] if finish is Finish.LENGTH else []
    if len(text) > SHOWN:
        found.append(f"{len(text):,} characters, {SHOWN:,} are shown")
    final = sample.final or _final(sample.answer)
    if final and _final(text) != final:
        found.append(f"does not end in '{ANSWER}{final}'")
    lost = [fact for fact in sample.keep if fact not in text]
    if lost:
        found.append(f"loses {', '.join(lost)}")
    if "⟦" in text or "⟧" in text:
        found.append("repeats a mark of its prompt")
    return found


def _final(text: str) -> str:
    """The exact answer that a text ends in, "" where it ends in prose."""
    last = text.strip().rpartition("\n")[2]
    return last.removeprefix(ANSWER).strip() if last.startswith(ANSWER) else ""
