"""A reply as it comes in, piece by piece, from a server that may send anything."""

from __future__ import annotations

import re
from typing import Any

from vedette.engine.protocol import Finish

LONGEST_TOKEN = 64  # characters; more a token on average and the server does not count
_THOUGHT = re.compile(r"\A\s*<think>.*?(?:</think>|\Z)\s*", re.DOTALL)


class Reply:
    """What has come of an answer of at most `tokens`."""

    def __init__(self, tokens: int) -> None:
        self.text: list[str] = []
        self.finish: Finish | None = None
        self.model = ""
        self.tokens_in = self.tokens_out = 0
        self.logprobs: list[tuple[str, float]] = []
        self._length, self._pieces, self._tokens = 0, 0, tokens

    @property
    def endless(self) -> bool:
        return self._length > self._tokens * LONGEST_TOKEN or self._pieces > 2 * self._tokens + 64

    def take(self, chunk: Any) -> str:
        """The text that a chunk brings, "" where it brings none."""
        self.model = getattr(chunk, "model", "") or self.model
        if usage := getattr(chunk, "usage", None):
            self.tokens_in, self.tokens_out = usage.prompt_tokens or 0, usage.completion_tokens or 0
        self._pieces += 1
        choices = getattr(chunk, "choices", None)
        if not choices:
            return ""
        choice = choices[0]
        if choice.finish_reason:
            self.finish = Finish.LENGTH if choice.finish_reason == "length" else Finish.STOP
        if choice.logprobs and choice.logprobs.content:
            self.logprobs += [(one.token, one.logprob) for one in choice.logprobs.content]
        piece = (choice.delta.content if choice.delta else None) or ""
        self._length += len(piece)
        if piece:
            self.text.append(piece)
        return str(piece)


def thoughtless(text: str) -> str:
    """Without what stands between `<think>` marks in front; a thought without an end leaves nothing."""
    return _THOUGHT.sub("", text)
