"""Who carries out stages 3 to 5 of a run: this process (here), or workers of Ray (`forge.ray_executor`)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from vedette.engine.open import Opener, Wanted, opened
from vedette.engine.protocol import Engine, Identity
from vedette.errors import VedetteError
from vedette.forge.caller import Caller, Costs, Limits
from vedette.forge.example import Example
from vedette.forge.format import Format
from vedette.forge.ground import Steps
from vedette.forge.ledger import Kept, Ledger
from vedette.forge.recipe import Refine
from vedette.forge.refine import Plan, refine
from vedette.forge.shelf import Shelf
from vedette.knowledge.store import Knowledge
from vedette.split import WHOLE, Split


@dataclass(frozen=True, slots=True)
class Job:
    """What is left of a run when its executor comes back: rows in the ledger of that name."""

    run: str
    examples: Sequence[Example]
    refine: Refine
    store: Knowledge
    ledger: Path
    split: Split = WHOLE


class Executor(Protocol):
    @property
    def who(self) -> Mapping[str, Identity]:
        """The models by role: "teacher", and "judge" where there is one."""
        ...

    def models(self) -> AbstractAsyncContextManager[Models]:
        """For what is asked in this process."""
        ...

    async def carry_out(self, job: Job, told: Callable[[str], None]) -> Mapping[str, Costs]:
        """By role. `told` is given the outcome of each row. Broken off, the same job goes on."""
        ...


@dataclass(frozen=True, slots=True)
class Models:
    teacher: Engine
    judge: Engine | None


@dataclass(frozen=True, slots=True)
class Asked:
    """Models by the names that users give them; `opener` is `engine.open.opened` or one like it."""

    teacher: str
    judge: str = ""
    how: Wanted = field(default_factory=Wanted)
    opener: Opener = opened

    @asynccontextmanager
    async def models(self) -> AsyncIterator[Models]:
        async with AsyncExitStack() as stack:
            teacher = await stack.enter_async_context(self.opener(self.teacher, self.how))
            judge: Engine | None = teacher if self.judge == self.teacher else None
            if self.judge and judge is None:
                judge = await stack.enter_async_context(self.opener(self.judge, self.how))
            yield Models(teacher, judge)


def identities(models: Models) -> dict[str, Identity]:
    found = {"teacher": models.teacher.identity}
    return found | ({"judge": models.judge.identity} if models.judge else {})


@dataclass(frozen=True, slots=True)
class Here:
    opened: Models

    @property
    def who(self) -> dict[str, Identity]:
        return identities(self.opened)

    @asynccontextmanager
    async def models(self) -> AsyncIterator[Models]:
        yield self.opened

    async def carry_out(self, job: Job, told: Callable[[str], None]) -> dict[str, Costs]:
        limits = Limits(job.refine.in_flight, job.refine.a_minute, job.refine.tokens)
        with Ledger(job.ledger) as ledger:
            plan = planned(job.refine, self.opened, ledger, limits, job.split)
            with alone():
                await refine(job.examples, job.run, plan, job.store, ledger, lambda row: told(row.outcome))
        return spent(plan)


def planned(wanted: Refine, models: Models, ledger: Kept, limits: Limits, split: Split) -> Plan:
    return Plan(
        teacher=Caller(models.teacher, ledger, limits),
        judge=Caller(models.judge, ledger, limits) if models.judge else None,
        steps=Steps(wanted.queries, wanted.results, wanted.rounds, split) if wanted.queries else None,
        ways=ways(wanted.formats),
        marks=wanted.marks,
    )


@contextmanager
def alone() -> Iterator[None]:
    """Of errors that several tasks raised together, the first one that was raised on purpose."""
    try:
        yield
    except BaseExceptionGroup as group:
        for error in group.exceptions:
            if isinstance(error, VedetteError):
                raise error from group
        raise


def spent(plan: Plan) -> dict[str, Costs]:
    return {"teacher": plan.teacher.costs} | ({"judge": plan.judge.costs} if plan.judge else {})


def ways(folder: str) -> dict[str, Format]:
    """By task or group: how an expert reasons about its questions. Own approved formats come before those that ship."""
    return dict(Shelf(Path(folder) if folder else None).by_task())
