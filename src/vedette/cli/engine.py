"""What the commands that ask a language model share: its options, opening it, and asking about triage's cases."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated

import typer

from vedette.errors import EngineError, VedetteError

if TYPE_CHECKING:
    from vedette.engine.protocol import Engine
    from vedette.guard.explain import Hiding, Way
    from vedette.knowledge.store import Knowledge
    from vedette.skills.assistant.skill import Answer, Gathered
    from vedette.skills.triage.skill import Triage
    from vedette.types import Case, Claim, Explanation

Model = Annotated[
    str,
    typer.Option(
        "--model",
        help="A language model that explains: gguf/FILE, the name of one that was added, http://127.0.0.1:8080/v1",
    ),
]
Context = Annotated[
    int, typer.Option(help="Tokens that it may read and write at once; 0: as served, 8,192 in process.")
]
Adapter = Annotated[list[Path] | None, typer.Option(help="LoRA file for gguf/…; the last one given answers.")]
Seed = Annotated[int, typer.Option(help="Of the model.")]
Redact = Annotated[
    bool | None,
    typer.Option(
        "--redact/--no-redact",
        help="Mask internal names, addresses, users and secrets before the model; usual for a server elsewhere.",
    ),
]


@dataclass(frozen=True, slots=True)
class Wish:
    """A model as the command line asks for it."""

    spec: str
    context: int = 0
    adapters: tuple[Path, ...] = ()
    seed: int = 0
    redact: bool | None = None  # None: where the model is not on this machine
    parallel: int = 2

    def way(self, mark: str = "") -> Way:
        from vedette.guard.explain import Way

        adapter = self.adapters[-1].stem if self.adapters else ""
        return Way(spec=self.spec, seed=self.seed, adapter=adapter, mark=mark)

    def redacts(self, engine: Engine) -> bool:
        return engine.identity.remote if self.redact is None else self.redact


class Colleague:
    """An engine that is opened when it is first asked, and stays open until the end."""

    def __init__(self, wish: Wish) -> None:
        from asyncio import Runner  # which opens a pair of sockets when it first runs

        self.wish = wish
        self.trouble: VedetteError | None = None
        self._runner = Runner()
        self._stack = AsyncExitStack()
        self._engine: Engine | None = None

    def __enter__(self) -> Colleague:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()

    async def engine(self) -> Engine:
        from vedette.engine.open import Wanted, opened

        if self._engine is None:
            wish = self.wish
            wanted = Wanted(context=wish.context, parallel=wish.parallel, adapters=wish.adapters)
            self._engine = await self._stack.enter_async_context(opened(wish.spec, wanted))
        return self._engine

    def put_into_words(self, skill: Triage, cases: Sequence[Case], stopped: Callable[[], bool]) -> None:
        """Each of `cases` that has no explanation yet; kept as it comes. What fails is told, and is in `trouble`."""
        try:
            self._runner.run(_until(stopped, self._words(skill, cases)))
        except VedetteError as error:
            self.trouble = error
        if self.trouble:
            skill.remarks = (f"Not every case could be explained by the model: {self.trouble}",)

    def again(self, case: Case) -> Explanation | None:
        """The words of a case that has some, asked for in the same way as then."""
        from vedette.knowledge.store import Knowledge
        from vedette.skills.triage import engine as words

        by = case.explanation.by if case.explanation else None
        way = self.wish.way(by.mark if by else "")

        async def go() -> Explanation | None:
            engine = await self.engine()
            with Knowledge.open() as store:
                hiding = _redaction(case) if self.wish.redacts(engine) else None
                return (await words.worded(case, engine, store, way, hiding)).explanation

        try:
            found = self._runner.run(go())
        except VedetteError as error:
            self.trouble = error
            return None
        if found and found.by and not found.by.tokens_out:
            self.trouble = EngineError(found.note)
        return found

    def answer(self, gathered: Gathered, store: Knowledge, told: Callable[[Claim], None] | None) -> Answer:
        """A question; in the sources' own words where the model fails, which is in `trouble` then."""
        from vedette.skills.assistant import skill

        async def go() -> Answer:
            engine = await self.engine()
            hiding = _redaction() if self.wish.redacts(engine) else None
            return await skill.worded(gathered, engine, store, self.wish.way(), hiding, told)

        try:
            found = self._runner.run(go())
        except VedetteError as error:
            self.trouble = error
            return skill.answer(gathered)
        if found.explanation and found.explanation.by and not found.explanation.by.tokens_out:
            self.trouble = EngineError(found.explanation.note)
        return found

    async def _words(self, skill: Triage, cases: Sequence[Case]) -> None:
        from asyncio import gather

        from vedette.knowledge.store import Knowledge
        from vedette.skills.triage import engine as words

        engine, way = await self.engine(), self.wish.way()
        redacts = self.wish.redacts(engine)
        said = skill.state.explanations()
        keys = {case.id: words.key(case, engine.identity, way, redacts) for case in cases}
        fresh = [case for case in cases if said.get(case.id, ("",))[0] != keys[case.id]]
        with Knowledge.open() as store, _progress(len(fresh)) as step:

            async def put(case: Case) -> None:
                hiding = _redaction(case) if redacts else None
                self._keep(skill, await words.worded(case, engine, store, way, hiding), keys[case.id])
                step()

            await gather(*map(put, fresh))  # broken off together

    def _keep(self, skill: Triage, case: Case, key: str) -> None:
        told = case.explanation
        if told is None:
            return
        failed = not told.claims and told.by is not None and not told.by.tokens_out
        skill.state.keep_explanation(case.id, "" if failed else key, told)  # what failed is asked again next time
        if failed:
            self.trouble = EngineError(told.note)


def _redaction(case: Case | None = None) -> Hiding:
    from vedette.guard.redact import Redaction

    return Redaction(case.observables, hosts=case.hosts) if case else Redaction()


async def _until(stopped: Callable[[], bool], work: object) -> None:
    """The work, broken off when the user asks for it."""
    from asyncio import ensure_future, wait

    task = ensure_future(work)  # type: ignore[call-overload]
    while not task.done():
        await wait([task], timeout=0.2)
        if stopped():
            task.cancel()
            await wait([task])
            return
    await task


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar on a terminal."""
    if not sys.stderr.isatty() or not total:
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("explaining"), BarColumn(), MofNCompleteColumn(), TextColumn("cases"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)
