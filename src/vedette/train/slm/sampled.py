"""Pairs from a model's own mistakes: it is asked the forge's questions, and what a verifier finds wrong is kept.

Answers are kept as they come: broken off, the same call goes on.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import TracebackType

import msgspec

from vedette import manifest
from vedette.engine.protocol import Budget, Engine, Finish, Message, Role, Sampling
from vedette.errors import EngineError, InputError, VedetteError
from vedette.manifest import output_error
from vedette.train.slm import pairs
from vedette.train.slm.pairs import Pair
from vedette.train.slm.questions import Question
from vedette.train.slm.rewards import exact


@dataclass(frozen=True, slots=True)
class Wanted:
    samples: int = 4  # answers to one question at most: the first wrong one is kept
    temperature: float = 0.8
    tokens: int = 512  # of an answer
    seed: int = 7
    parallel: int = 4  # questions at once


class Done(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of one question."""

    id: str
    outcome: str
    pair: Pair | None = None


WRONG, RIGHT, CUT, FAILED = "wrong", "always right", "cut off or not to be kept", "no answer"
Step = Callable[[str], None]


def verifiable(questions: Sequence[Question]) -> list[Question]:
    """Those whose own answer is right: of the others nobody can tell. Raises InputError where there are none."""
    found = list({one.id: one for one in questions if one.id and exact(one, one.answer) == 1}.values())
    if not found:
        remedy = "give rows with exact answers: `final`, and its line at the end of the answer"
        raise InputError("no question has an exact answer", remedy=remedy)
    return found


async def sample(
    questions: Sequence[Question], model: AbstractAsyncContextManager[Engine], wanted: Wanted, out: Path, step: Step
) -> Counter[str]:
    """A pair for each question that the model got wrong; outcomes are counted. Writes `out` and a manifest beside it.

    Raises EngineError where nothing was answered, OutputError.
    """
    async with model as engine:
        about = _about(questions, engine, wanted)
        with _Kept(out.with_name(f"{out.name}.part"), about) as kept:
            waiting = iter([one for one in questions if one.id not in kept.done])
            with _alone():
                async with asyncio.TaskGroup() as group:
                    for _ in range(wanted.parallel):
                        group.create_task(_worker(waiting, engine, wanted, kept, step))
            outcomes = Counter(done.outcome for done in kept.done.values())
            if outcomes[FAILED] == len(questions):
                raise EngineError("it answered nothing", where=engine.identity.name, remedy="see that it is up")
            rows = [kept.done[one.id].pair for one in questions]
            manifest.atomic_write(out, b"".join(pairs.encoded(pair) for pair in rows if pair))
        manifest.write(
            out.with_name(f"{out.name}.manifest.json"), outputs=[out], seed=wanted.seed, counts=dict(outcomes),
            versions={"model": f"{engine.identity.name} {engine.identity.sha256[:16]}".strip()},
        )  # fmt: skip
        kept.remove()
    return outcomes


@contextmanager
def _alone() -> Iterator[None]:
    """Of errors that several tasks raised together, the first one that was raised on purpose."""
    try:
        yield
    except BaseExceptionGroup as group:
        raise next((error for error in group.exceptions if isinstance(error, VedetteError)), group) from group


async def _worker(waiting: Iterator[Question], engine: Engine, wanted: Wanted, kept: _Kept, step: Step) -> None:
    for one in waiting:
        done = await _asked(one, engine, wanted)
        kept.keep(done)
        step(done.outcome)


async def _asked(one: Question, engine: Engine, wanted: Wanted) -> Done:
    messages = [Message(Role(said["role"]), said["content"]) for said in one.prompt]
    outcome = RIGHT
    for number in range(wanted.samples):
        sampling = Sampling(seed=wanted.seed + number, temperature=wanted.temperature)
        try:
            told = await engine.generate(messages, budget=Budget(tokens=wanted.tokens), sampling=sampling)
        except EngineError:
            return Done(id=one.id, outcome=FAILED)
        if told.finish is not Finish.STOP:
            outcome = CUT
        elif pair := pairs.of_verifier(one, told.text):
            return Done(id=one.id, outcome=WRONG, pair=pair)
        elif exact(one, told.text) == 0:
            outcome = CUT
    return Done(id=one.id, outcome=outcome)


def _about(questions: Sequence[Question], engine: Engine, wanted: Wanted) -> bytes:
    """What the answers depend on."""
    who = engine.identity
    asked = [(one.id, one.final) for one in questions]
    told = (who.backend, who.name, who.sha256, who.quantisation, who.template, wanted.samples, wanted.temperature)
    body = msgspec.json.encode((told, wanted.tokens, wanted.seed, asked))
    return msgspec.json.encode({"about": sha256(body).hexdigest()}) + b"\n"


class _Kept:
    """Outcomes, a line each; those of another model, setting or set of questions are thrown away."""

    def __init__(self, path: Path, about: bytes) -> None:
        self._path = path
        self.done: dict[str, Done] = {}
        whole = self._read(about)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("r+b" if whole else "wb", buffering=0)
            self._file.truncate(whole)
            self._file.seek(whole)
        except OSError as exc:
            raise output_error(path, exc) from exc
        if not whole:
            self._write(about)

    def __enter__(self) -> _Kept:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def _read(self, about: bytes) -> int:
        """Bytes that are whole lines of the same run."""
        try:
            found = self._path.read_bytes().splitlines(keepends=True)
        except OSError:
            return 0
        if found[:1] != [about]:
            return 0
        whole = len(about)
        for line in found[1:]:
            try:
                done = msgspec.json.decode(line if line.endswith(b"\n") else b"", type=Done)
            except msgspec.DecodeError:
                break
            whole += len(line)
            if done.outcome != FAILED:  # is asked again
                self.done[done.id] = done
        return whole

    def keep(self, done: Done) -> None:
        self._write(msgspec.json.encode(done) + b"\n")
        self.done[done.id] = done

    def _write(self, line: bytes) -> None:
        try:
            self._file.write(line)
        except OSError as exc:
            raise output_error(self._path, exc) from exc

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)
