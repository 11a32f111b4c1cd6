"""Cuts a record into passages that are searched and quoted. Deterministic: the store makes them again from records.

A passage says which field it is from and the span in it, so that a quote can be checked against the source's own words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from vedette.knowledge.record import Kind, Record

VERSION = 1  # of the way texts are cut; a store made in another way is made anew
LENGTH = 900  # characters that a passage has at most, where there is a place to cut
_CUT = re.compile(r"\n\s*\n|(?<=[.!?;:])\s+|\n")
_SPACE = re.compile(r"\s*").match

NAME = "name"
LINK = "link:"  # followed by the target's id and, in case there are several, `#` and its place


@dataclass(frozen=True, slots=True)
class Passage:
    field: str  # "name", a text's field, or "link:T1059.001#3": the sentence about the record's fourth link
    start: int  # span in the field's text, in characters
    end: int
    title: str  # what the passage is about: names and ids that are not in the text itself
    text: str

    @property
    def whole(self) -> str:
        """What is embedded."""
        return f"{self.title}: {self.text}" if self.title else self.text


def passages(record: Record) -> Iterator[Passage]:
    """A record without text and name has none."""
    title = record.name
    if record.name and record.kind is not Kind.ANALYTIC:  # those are called "Analytic 0012"
        also = ", ".join(record.aliases[:12])
        yield Passage(NAME, 0, len(record.name), also, record.name)
    for text in record.texts:
        for start, end in spans(text.body):
            yield Passage(text.field, start, end, title, text.body[start:end])
    for place, link in enumerate(record.links):
        if link.text:
            for start, end in spans(link.text):
                yield Passage(f"{LINK}{link.to}#{place}", start, end, f"{title} {link.to}", link.text[start:end])


def field_text(record: Record, field: str) -> str | None:
    """The whole text that a passage's span refers to; None where the record has no such field."""
    if field == NAME:
        return record.name
    if field.startswith(LINK):
        texts = (link.text for place, link in enumerate(record.links) if field == f"{LINK}{link.to}#{place}")
        return next(texts, None)
    return next((text.body for text in record.texts if text.field == field), None)


def spans(text: str, length: int = LENGTH) -> Iterator[tuple[int, int]]:
    """Covers all of `text` but white space at the ends, cutting at paragraphs and sentences where it can."""
    start = len(text) - len(text.lstrip())
    stop = len(text.rstrip())
    while start < stop:
        end = stop if stop - start <= length else _cut(text, start, length)
        yield start, start + len(text[start:end].rstrip())
        start = _SPACE(text, end).end()  # type: ignore[union-attr]


def _cut(text: str, start: int, length: int) -> int:
    places = [m.end() for m in _CUT.finditer(text, start, start + length)]
    if good := [place for place in places if place - start > length // 3]:
        return good[-1]
    space = text.rfind(" ", start, start + length)
    return space if space > start else start + length
