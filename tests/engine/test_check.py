"""`check` tells a model that does what is needed from one that does not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence

import pytest

from vedette.engine.check import CODE, Result, check, prompts
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
from vedette.errors import EngineError

Answer = Callable[[str, Schema | None], str]


class Scripted:
    """Answers what a function makes of the prompt."""

    def __init__(self, answer: Answer, template: str = "ab" * 32, context: int = 2_048, rate: float = 20.0) -> None:
        self.answer, self.rate = answer, rate
        self.identity = Identity(backend="llama.cpp", name="scripted", context=context, template=template, exact=True)

    async def count(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content.split()) for message in messages)

    async def generate(
        self,
        messages: Sequence[Message],
        *,
        schema: Schema | None = None,
        budget: Budget = BUDGET,
        sampling: Sampling = LIKELIEST,
        told: Told | None = None,
    ) -> Completion:
        tokens = await self.count(messages)
        assert tokens + budget.tokens <= self.identity.context
        text = self.answer(messages[-1].content, schema)
        seconds = 1.0 + budget.tokens / self.rate
        return Completion(
            text=text, finish=Finish.STOP, tokens_in=tokens, tokens_out=budget.tokens, seconds=seconds
        )  # fmt: skip

    async def close(self) -> None:
        pass


def good(prompt: str, schema: Schema | None) -> str:
    if CODE in prompt:
        return f"It is {CODE}."
    for golden in prompts().golden:
        if prompt.startswith(golden.ask):
            return json.dumps({"answer": golden.right})
    return json.dumps({"colour": "red", "letters": 3}) if schema else "words"


def results(engine: Scripted) -> dict[str, Result]:
    async def all_of() -> list[Result]:
        return [result async for result in check(engine)]

    return {result.name: result for result in asyncio.run(all_of())}


def test_a_good_model_passes_everything() -> None:
    found = results(Scripted(good))
    assert list(found) == ["template", "schema", "context", "speed", "answers"]
    assert all(result.ok for result in found.values())
    assert found["speed"].said == "20.0 tokens/s"
    assert found["answers"].said == "5 of 5 right"


def test_the_long_prompt_is_long() -> None:
    seen: list[int] = []

    def answer(prompt: str, schema: Schema | None) -> str:
        seen.append(len(prompt.split()))
        return good(prompt, schema)

    assert results(Scripted(answer, context=4_096))["context"].ok
    assert max(seen) > 3_500


@pytest.mark.parametrize(("name", "engine", "said"), [
    ("template", Scripted(good, template=""), "no chat template"),
    ("schema", Scripted(lambda p, s: "words" if "colour" in p else good(p, s)), "no JSON: 'words'"),
    ("schema", Scripted(lambda p, s: '{"colour": "red"}' if "colour" in p else good(p, s)), "not what the schema"),
    ("schema", Scripted(lambda p, s: '{"colour": "red", "letters": 0}' if "colour" in p else good(p, s)), "not what"),
    ("context", Scripted(lambda p, s: "no" if CODE in p else good(p, s)), "lost: 'no'"),
    ("speed", Scripted(good, rate=0.5), "take a smaller model"),
    ("answers", Scripted(lambda p, s: good(p.replace("lsass", "x"), s)), "4 of 5 right; technique: "),
])  # fmt: skip
def test_what_a_model_cannot_do_is_told_alone(name: str, engine: Scripted, said: str) -> None:
    found = results(engine)
    assert [result.name for result in found.values() if not result.ok] == [name]
    assert said in found[name].said


def test_a_model_that_fails_to_answer_fails_the_test_and_not_the_check() -> None:
    def answer(prompt: str, schema: Schema | None) -> str:
        raise EngineError("no answer within 600 s", where="x", remedy="y")

    found = results(Scripted(answer))
    assert [result.ok for result in found.values()] == [True, False, False, False, False]
    assert "no answer within 600 s" in found["schema"].said


def test_each_question_has_its_answer_among_the_choices() -> None:
    for golden in prompts().golden:
        assert golden.right in golden.choices
    assert len(prompts().golden) == 5
