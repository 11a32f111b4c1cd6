"""Pairs of answers to one question, the better one and the worse one: a judge's, a verifier's, or the user's own.

A line holds `prompt` (chat messages), `chosen` and `rejected`. Where it also says what the exact answer is (`kind`,
`final`), a pair whose better answer is not right is no pair; both may be right, and one be reasoned better.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from vedette.errors import InputError
from vedette.overlap import Items
from vedette.train.slm.questions import TOLD, TOUCHES, Messages, Question, lines, sound
from vedette.train.slm.rewards import exact
from vedette.train.slm.template import MARKS


class Pair(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    prompt: Messages
    chosen: str
    rejected: str
    id: str = ""  # of the example
    task: str = ""
    kind: str = ""
    final: str = ""
    objects: tuple[str, ...] = ()
    licence: str = ""
    consent: str = ""
    by: str = ""  # who says so: "judge", "verifier"; empty: the user

    @property
    def question(self) -> Question:
        answer = {"role": "assistant", "content": self.chosen}
        return Question(messages=(*self.prompt, answer), task=self.task, kind=self.kind, final=self.final)


@dataclass(slots=True)
class Tally:
    """lines read = used + the sum of `left`."""

    read: int = 0
    used: int = 0
    left: Counter[str] = field(default_factory=Counter)
    places: dict[str, list[str]] = field(default_factory=dict)  # the first ones of each fault
    licences: Counter[str] = field(default_factory=Counter)  # of those used, as they say it

    def leave(self, why: str, place: str, detail: str = "") -> None:
        self.left[why] += 1
        told = self.places.setdefault(why, [])
        if len(told) < TOLD:
            told.append(f"{place}: {detail or why}")


def read(path: Path, tally: Tally, items: Items | None = None) -> list[Pair]:
    """Usable ones, in their order. Raises InputError for a file that has none; faults are in the tally."""
    found: list[Pair] = []
    seen: set[tuple[str, str, str]] = set()
    for place, raw in lines(path):
        tally.read += 1
        try:
            pair = msgspec.json.decode(raw, type=Pair)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            tally.leave("no pair", place, str(exc))
            continue
        key = ("\0".join(one.get("content", "") for one in pair.prompt), pair.chosen, pair.rejected)
        if why := "twice" if key in seen else fault(pair, items):
            tally.leave(why, place)
            continue
        seen.add(key)
        found.append(pair)
    tally.used = len(found)
    if not found:
        faults = "; ".join(f"{count:,} {why}, the first {tally.places[why][0]}" for why, count in tally.left.items())
        remedy = 'a line holds {"prompt": [{"role": "user", "content": …}], "chosen": "…", "rejected": "…"}'
        raise InputError(f"no pair can be used: {faults or 'the file is empty'}", where=str(path), remedy=remedy)
    return found


def fault(pair: Pair, items: Items | None = None) -> str:
    """Why nothing is to be learned from it, "" where something is."""
    if not sound(pair.prompt) or pair.prompt[-1]["role"] != "user":
        return "the prompt does not end in a question"
    if not pair.chosen.strip() or not pair.rejected.strip():
        return "an empty answer"
    if pair.chosen.strip() == pair.rejected.strip():
        return "the same answer twice"
    texts = (*(one["content"] for one in pair.prompt), pair.chosen, pair.rejected)
    if any(mark in text for mark in MARKS for text in texts):
        return "marks of a chat template"
    if pair.final and exact(pair.question, pair.chosen) == 0:
        return "the better answer is not right"
    if items and any(items.touched(text)[0] for text in texts):
        return TOUCHES
    return ""


def encoded(pair: Pair) -> bytes:
    return msgspec.json.encode(pair) + b"\n"


def of_verifier(asked: Question, said: str) -> Pair | None:
    """The row's own answer over one that a model gave and that is not right; None where it is, or nobody can tell."""
    if exact(asked, said) != 0 or exact(asked, asked.answer) != 1:
        return None
    pair = Pair(
        prompt=asked.prompt, chosen=asked.answer, rejected=said.strip(), id=asked.id, task=asked.task, kind=asked.kind,
        final=asked.final, licence=asked.licence, by="verifier",
    )  # fmt: skip
    return None if fault(pair) else pair
