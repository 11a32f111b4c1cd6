"""Which words carried an answer: those without which it would be less likely. First groups of words are
left out, then single ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

GROUPS = 8  # that a text is cut into
LOOKED = 2  # groups whose words are tried one by one
LEAST = 0.01  # drop in probability that is worth telling
MOST = 6  # words that are told
READ = 120  # words of a long text that are tried
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Word:
    start: int  # characters
    end: int
    drop: float  # in probability, when it is hidden


def carried(text: str, likely: Callable[[str], float]) -> tuple[Word, ...]:
    """At most 2 × GROUPS or so times `likely`, and once more for each word that is tried."""
    words = [match.span() for match in _WORD.finditer(text)][:READ]
    if not words:
        return ()
    before = likely(text)
    size = -(-len(words) // GROUPS)
    groups = [words[at : at + size] for at in range(0, len(words), size)]
    drops = [(before - likely(_without(text, group)), place) for place, group in enumerate(groups)]
    best = sorted(drops, key=lambda drop: (-drop[0], drop[1]))[:LOOKED]
    found = [
        Word(*word, round(before - likely(_without(text, [word])), 4))
        for _, place in best
        for word in groups[place]
    ]  # fmt: skip
    told = sorted((word for word in found if word.drop >= LEAST), key=lambda word: (-word.drop, word.start))
    return tuple(told[:MOST])


def _without(text: str, words: Sequence[tuple[int, int]]) -> str:
    parts, at = [], 0
    for start, end in words:
        parts.append(text[at:start])
        at = end
    return "".join([*parts, text[at:]])
