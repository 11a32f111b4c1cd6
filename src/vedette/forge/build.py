"""Stage 1: every task's drafts in words, each with its sources; what is not fit is counted and left out."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from pydantic import Field

from vedette.config import Settings
from vedette.forge import wording
from vedette.forge.example import EXACT, Example, Kind, named
from vedette.forge.task import GROUPS, Draft, Task, tasks
from vedette.forge.world import World
from vedette.overlap import Items
from vedette.prompts import ANSWER

LETTERS = "ABCDE"
LONGEST = 12_000  # characters of question and answer


class Plan(Settings):
    """Which tasks, and how much of them."""

    groups: tuple[str, ...] = Field(default=GROUPS, description="modules of `forge.tasks`")
    tasks: tuple[str, ...] = Field(
        default=(), description="beginnings of tasks' names, as “cve-weakness/root”; (): all"
    )
    cap: int = Field(default=100_000, description="examples of a task, besides the task's own cap")
    scale: float = Field(default=1.0, description="factor of all tasks' caps")
    dev: float = Field(default=0.02, ge=0, le=0.5, description="share of source objects on the dev side")


@dataclass(slots=True)
class Tally:
    """Counts of one task: drafts = given + the sum of `left`."""

    task: str
    kind: Kind
    drafts: int = 0
    given: int = 0
    left: Counter[str] = field(default_factory=Counter)  # why, how many
    letters: Counter[str] = field(default_factory=Counter)  # of right options


class Builder:
    """Makes examples in the order of groups and tasks; `tallies` has the counts of those that are done."""

    def __init__(self, world: World, plan: Plan, seed: int, benchmarks: Items | None = None) -> None:
        self.world, self.plan, self.seed, self.benchmarks = world, plan, seed, benchmarks
        self.tallies: list[Tally] = []
        self._seen: set[str] = set()

    def examples(self) -> Iterator[Example]:
        for group in self.plan.groups:
            name = group.replace("_", "-")
            words = wording.load(name)
            for task in tasks(group):
                tally = Tally(f"{name}/{task.name}", task.kind)
                if self.plan.tasks and not tally.task.startswith(self.plan.tasks):
                    continue
                yield from self._of(task, words, tally)
                self.tallies.append(tally)

    def _of(self, task: Task, words: wording.Wording, tally: Tally) -> Iterator[Example]:
        rng = Random(f"{self.seed} {tally.task}")
        most = min(self.plan.cap, round(task.cap * self.plan.scale))
        for draft in task.make(self.world, rng):
            if tally.given >= most:
                return
            tally.drafts += 1
            example = _worded(self.world, tally, draft, words, rng)
            if why := self._unfit(example):
                tally.left[why] += 1
                continue
            self._seen.add(_key(example))
            tally.given += 1
            if task.kind is Kind.CHOICE:
                tally.letters[example.final] += 1
            yield example

    def _unfit(self, example: Example) -> str:
        """Why an example is left out, "" where it is fit."""
        if len(example.question) + len(example.answer) > LONGEST:
            return "too long"
        if any(fact not in example.answer and fact not in example.question for fact in example.keep):
            return "a fact is lost"
        if example.kind is Kind.CHOICE and example.question.count("\n") < 2:
            return "too few options"
        if _key(example) in self._seen:
            return "twice"
        for text in (example.question, example.answer) if self.benchmarks else ():
            how, _ = self.benchmarks.touched(text) if self.benchmarks else ("", "")
            if how:
                return f"benchmark ({how})"
        return ""


def _worded(world: World, tally: Tally, draft: Draft, words: wording.Wording, rng: Random) -> Example:
    own = words.of(tally.task.partition("/")[2])
    number = rng.randrange(len(own.ask))
    final, options = draft.final, ""
    slots = {**draft.slots, "final": draft.final}
    if tally.kind is Kind.CHOICE:
        final, options = _options(draft, tally)
        slots |= {"right": draft.final, "final": f"{final}) {draft.final}"}
    question = wording.filled(own.ask[number], slots) + options
    answer = wording.filled(own.say[rng.randrange(len(own.say))], slots)
    if tally.kind in EXACT:
        answer = f"{answer}\n\n{ANSWER}{final}"
    return Example(
        id=named(tally.task, question, answer),
        task=tally.task,
        kind=tally.kind,
        question=question,
        answer=answer,
        final=final,
        keep=tuple(dict.fromkeys((*((draft.final,) if draft.final else ()), *draft.keep))),
        objects=draft.objects,
        sources=tuple(world.source(uid) for uid in dict.fromkeys((*draft.objects, *draft.sources))),
        difficulty=draft.difficulty,
        wording=f"{words.name}#{number}",
    )


def _options(draft: Draft, tally: Tally) -> tuple[str, str]:
    """The right letter, and the lines; letters take turns, so that none is right more often."""
    wrong = list(dict.fromkeys(option for option in draft.wrong if option != draft.final))
    count = len(wrong) + 1
    place = tally.given % count
    options = [*wrong[:place], draft.final, *wrong[place:]]
    lines = [f"{LETTERS[n]}) {option}" for n, option in enumerate(options)]
    return LETTERS[place], "\n" + "\n".join(lines)


def _key(example: Example) -> str:
    return hashlib.blake2b(f"{example.task}\0{example.question}".encode("utf-8", "replace"), digest_size=16).hexdigest()
