"""What every generative model does, wherever it runs. It is asked, never believed (see `vedette.guard`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import msgspec

Schema = Mapping[str, Any]  # JSON schema


class Role(StrEnum):
    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


class Message(msgspec.Struct, frozen=True):
    role: Role
    content: str


def as_json(messages: Sequence[Message]) -> list[dict[str, str]]:
    """As OpenAI's API takes them."""
    return [{"role": str(m.role), "content": m.content} for m in messages]


class Finish(StrEnum):
    STOP = "stop"
    LENGTH = "length"  # the budget was used up: the text is not whole


@dataclass(frozen=True, slots=True)
class Budget:
    """What an answer may cost."""

    tokens: int = 1_024  # of the answer
    seconds: float = 600.0  # from its turn until the last of it, retries included


BUDGET = Budget()


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    text: str  # without what the model thought aloud
    finish: Finish
    tokens_in: int
    tokens_out: int
    seconds: float
    logprobs: tuple[tuple[str, float], ...] = ()  # (token, natural logarithm); empty where they were not asked for


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Which model answers. What is not known is empty: a server need not say."""

    backend: str  # "llama.cpp", "vLLM", "Ollama", …
    name: str
    context: int  # tokens of prompt and answer together, as served
    sha256: str = ""  # of the weights
    quantisation: str = ""
    template: str = ""  # sha256 of the chat template
    parallel: int = 1  # answers at once
    remote: bool = False  # beyond this machine
    exact: bool = False  # `count` uses the model's own tokenizer; else it is an upper bound
    adapters: tuple[str, ...] = ()  # that can be asked for by name
    adapter: str = ""  # one of them, that answers unless another is asked for


@dataclass(frozen=True, slots=True)
class Sampling:
    seed: int = 0
    temperature: float = 0.0  # 0: the likeliest answer
    logprobs: bool = False
    adapter: str = ""  # one of `Identity.adapters`; "": the model itself


LIKELIEST = Sampling()
Told = Callable[[str], None]  # is given each piece of the answer as it comes


class Engine(Protocol):
    """Cancelling the task that awaits `generate` stops the model, too."""

    @property
    def identity(self) -> Identity: ...

    async def count(self, messages: Sequence[Message]) -> int:
        """Tokens of the prompt as the model would see it, its chat template included."""
        ...

    async def generate(
        self,
        messages: Sequence[Message],
        *,
        schema: Schema | None = None,
        budget: Budget = BUDGET,
        sampling: Sampling = LIKELIEST,
        told: Told | None = None,
    ) -> Completion:
        """An answer, as JSON of `schema` where one is given and the model can be held to it.

        Raises EngineError where there is none: no server, no room in the context, out of time. Nothing is cut.
        """
        ...

    async def close(self) -> None: ...
