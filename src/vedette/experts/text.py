"""A text as sentences and clauses, with where they lie. No text is cut in silence: what is long becomes more parts."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SENTENCE = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]*[A-Z0-9])|\n+|(?<=;)\s+")
_CLAUSE = re.compile(r",?\s+(?:and then|and|or|as well as|then|while|before|after|which|by)\s+|,\s+|:\s+|\s+[-–—]\s+")
SHORTEST = 3  # words of a clause that can say something
LONGEST = 400  # characters of a sentence, as a table or a hex dump has no full stop


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of each sentence, without white space around it; none is longer than LONGEST."""
    start = 0
    for match in _SENTENCE.finditer(text):
        yield from _pieces(text, start, match.start())
        start = match.end()
    yield from _pieces(text, start, len(text))


def clauses(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """(start, end) of the parts of a sentence; nothing where it has one only."""
    marks = [start]
    for match in _CLAUSE.finditer(text, start, end):
        if (
            len(text[marks[-1] : match.start()].split()) >= SHORTEST
            and len(text[match.end() : end].split()) >= SHORTEST
        ):
            marks.append(match.end())
    if len(marks) == 1:
        return
    for left, right in zip(marks, [*marks[1:], end], strict=True):
        span = _stripped(text, left, right)
        if span:
            yield span


def read_alone(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of everything that is asked about techniques by itself: sentences, and their clauses."""
    for start, end in sentences(text):
        yield start, end
        yield from clauses(text, start, end)


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while end - start > LONGEST:
        cut = text.rfind(" ", start + LONGEST // 2, start + LONGEST)
        cut = cut if cut > 0 else start + LONGEST
        if span := _stripped(text, start, cut):
            yield span
        start = cut
    if span := _stripped(text, start, end):
        yield span


def _stripped(text: str, start: int, end: int) -> tuple[int, int] | None:
    part = text[start:end]
    left = start + len(part) - len(part.lstrip())
    right = left + len(part.strip())
    return (left, right) if right > left else None
