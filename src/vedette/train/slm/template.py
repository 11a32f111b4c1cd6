"""The chat template of a model: what it is trained on is what it is asked with, to the byte.

Which part of a conversation is the model's own is found by rendering it without its last turns, so that any template
serves that adds to what stands before and changes nothing of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from vedette.errors import InputError

CHATML = Path(__file__).with_name("chatml.jinja")
MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
Messages = Sequence[Mapping[str, str]]

_TRIED = (
    {"role": "system", "content": "Rules."},
    {"role": "user", "content": "Which tactic?"},
    {"role": "assistant", "content": "Answer: Execution"},
)


@cache
def chatml() -> str:
    """Vedette's own template: Qwen's marks, one turn after the other, nothing that is not said."""
    return CHATML.read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Piece:
    """Text of a conversation; `own`: said by the model, so that it learns from it."""

    text: str
    own: bool


def check(tokenizer: Any, place: str) -> None:
    """Does the template keep the prompt as it is, and end an answer with a mark that ends generation?

    Raises InputError, which says what to do.
    """
    if not tokenizer.chat_template:
        raise InputError("the base has no chat template", where=place, remedy='set [base] template = "chatml"')
    found = pieces(tokenizer, _TRIED)
    if found is None or not any(piece.own for piece in found):
        what = "its chat template changes the prompt once an answer follows: no answer could be told from its prompt"
        raise InputError(what, where=place, remedy='set [base] template = "chatml"')
    said = "".join(piece.text for piece in found if piece.own)
    prompt = "".join(piece.text for piece in found if not piece.own)
    if _TRIED[1]["content"] not in prompt or _TRIED[2]["content"] not in said:
        what = "its chat template drops what is said"
        raise InputError(what, where=place, remedy='set [base] template = "chatml"')
    ends = {tokenizer.eos_token, *MARKS, "<|return|>", "<|end|>", "<|eot_id|>", "</s>"} - {None}
    if not any(said.rstrip().endswith(mark) for mark in ends):
        what = f"its chat template ends an answer with '{said[-20:]}', which ends no answer"
        raise InputError(what, where=place, remedy='set [base] template = "chatml"')


def pieces(tokenizer: Any, messages: Messages) -> list[Piece] | None:
    """A conversation in pieces that follow each other; None where the template is not of that kind.

    Of a template that shows earlier answers otherwise than the last one, only the last one is the model's own.
    """
    whole = _rendered(tokenizer, messages)
    found: list[Piece] = []
    at = 0
    for place, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        before = _rendered(tokenizer, messages[:place], ask=True)
        after = _rendered(tokenizer, messages[: place + 1])
        last = place == len(messages) - 1
        if not whole.startswith(before) or not after.startswith(before) or not whole.startswith(after):
            if last:
                return None
            continue
        end = len(before) + len(after[len(before) :].rstrip("\n"))  # the line break belongs to what follows
        found += [Piece(whole[at : len(before)], own=False), Piece(whole[len(before) : end], own=True)]
        at = end
    return [*found, Piece(whole[at:], own=False)] if whole[at:].strip() else found


def prompt(tokenizer: Any, messages: Messages) -> str:
    """As a server renders it."""
    return _rendered(tokenizer, messages, ask=True)


def _rendered(tokenizer: Any, messages: Messages, ask: bool = False) -> str:
    text: str = tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=ask)
    return text
