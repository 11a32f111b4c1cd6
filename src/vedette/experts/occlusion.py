"""Which words carried an answer: those without which it would be less likely. First groups of words are
left out, then single ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

GROUPS = 8  # that a text is cut into
LOOKED = 2  # groups whose words are tried one by one
RUNS = 24  # that an explanation may cost
LEAST = 0.01  # drop in probability that is worth telling
MOST = 6  # words that are told
READ = 120  # words of a long text that are tried
_WORD = re.compile(r"\S+")
_JOINING = "a an the of in on to for and or is are was be by with via from that this which as at it its"
_IDLE = frozenset(_JOINING.split())


@dataclass(frozen=True, slots=True)
class Word:
    start: int  # characters
    end: int
    drop: float  # in probability, when it is hidden


def carried(text: str, likely: Callable[[str], float]) -> tuple[Word, ...]:
    """Asks `likely` at most RUNS times. Words that only join others are not tried one by one."""
    words = [match.span() for match in _WORD.finditer(text)][:READ]
    if not words:
        return ()
    before = likely(text)
    size = -(-len(words) // GROUPS)
    groups = [words[at : at + size] for at in range(0, len(words), size)]
    drops = [(before - likely(_without(text, group)), place) for place, group in enumerate(groups)]
    best = sorted(drops, key=lambda drop: (-drop[0], drop[1]))[:LOOKED]
    tried = [(a, b) for _, place in best for a, b in groups[place] if text[a:b].lower() not in _IDLE]
    left = tried[: RUNS - 1 - len(groups)]
    found = [Word(*word, round(before - likely(_without(text, [word])), 4)) for word in left]
    told = sorted((word for word in found if word.drop >= LEAST), key=lambda word: (-word.drop, word.start))
    return tuple(told[:MOST])


def _without(text: str, words: Sequence[tuple[int, int]]) -> str:
    parts, at = [], 0
    for start, end in words:
        parts.append(text[at:start])
        at = end
    return "".join([*parts, text[at:]])
