"""A model that says what it was told to say: for tests, and to try a flow without weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import orjson

from vedette.engine.protocol import (
    BUDGET,
    LIKELIEST,
    Budget,
    Completion,
    Finish,
    Identity,
    Message,
    Sampling,
    Schema,
    Told,
)
from vedette.errors import EngineError, InputError

Script = Callable[[Sequence[Message]], str]
PIECE = 7  # characters that are told at once


class Fake:
    """`script`: replies in turn, or a function of the prompt. A token is a word. `asked` keeps all prompts."""

    def __init__(self, script: Script | Iterable[str], *, name: str = "fake", context: int = 32_768) -> None:
        self._script = script if callable(script) else _in_turn(iter(script))
        self.identity = Identity(backend="fake", name=name, context=context, exact=True)
        self.asked: list[tuple[Message, ...]] = []

    @classmethod
    def of(cls, file: Path) -> Fake:
        """JSON Lines: of each the text of a reply, or anything else, which is the reply itself."""
        try:
            lines = [orjson.loads(line) for line in file.read_bytes().splitlines() if line.strip()]
        except (OSError, orjson.JSONDecodeError) as exc:
            raise InputError(f"no script: {exc}", where=str(file), remedy="give JSON Lines, a reply each") from exc
        return cls([line if isinstance(line, str) else orjson.dumps(line).decode() for line in lines], name=file.stem)

    async def count(self, messages: Sequence[Message]) -> int:
        return sum(len(m.content.split()) for m in messages)

    async def generate(
        self,
        messages: Sequence[Message],
        *,
        schema: Schema | None = None,
        budget: Budget = BUDGET,
        sampling: Sampling = LIKELIEST,
        told: Told | None = None,
    ) -> Completion:
        tokens_in = await self.count(messages)
        if tokens_in + budget.tokens > self.identity.context:
            what = f"{tokens_in + budget.tokens:,} tokens wanted, its context has {self.identity.context:,}"
            raise EngineError(what, where=self.identity.name, remedy="give it less to read")
        self.asked.append(tuple(messages))
        text = self._script(messages)
        for start in range(0, len(text), PIECE) if told else ():
            told(text[start : start + PIECE])  # type: ignore[misc]
        words = len(text.split())
        return Completion(text=text, finish=Finish.STOP, tokens_in=tokens_in, tokens_out=words, seconds=0.0)

    async def close(self) -> None:
        return None


def _in_turn(replies: Iterator[str]) -> Script:
    def say(_: Sequence[Message]) -> str:
        reply = next(replies, None)
        if reply is None:
            raise EngineError("its script has no more replies", where="fake", remedy="write more of them")
        return reply

    return say
