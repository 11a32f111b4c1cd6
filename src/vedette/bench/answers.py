"""From what a model says to what it answers. The rules are fixed, and the same for every model.

Reasoning between `<think>` marks is not the answer. Benchmarks ask for the answer in the last line, so that line is
read first, and the rest only where the line holds none. Nothing is guessed: a reply without an answer is invalid.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from vedette.bench.items import Item, Kind

Said = tuple[str, ...]  # empty: invalid
LONGEST_NAME = 100  # characters of an actor's name
_THOUGHT = re.compile(r"<(think|thinking|reasoning)>.*?(</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_ANSWER = re.compile(r"\banswers?\b(?: is\b| are\b)?", re.IGNORECASE)
_LETTERS = re.compile(r"[A-Za-z]+")
_WEAKNESS = re.compile(r"\bCWE-\d+", re.IGNORECASE)
_TECHNIQUE = re.compile(r"\bT\d{4}(?:\.\d{3})?")
_MITIGATION = re.compile(r"\bM\d{4}\b")
_METRICS = re.compile(r"(?:CVSS:3\.[01]/)?(?:(?:AV|AC|PR|UI|S|C|I|A):[A-Z]/?){8}", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\d.])(?:10(?:\.0+)?|\d(?:\.\d+)?)(?![\d.]*\d)")


def spoken(reply: str) -> str:
    """Without reasoning; what follows a mark that never ends is reasoning too."""
    return _THOUGHT.sub(" ", reply).strip()


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if re.search(r"\w", line)]
    return lines[-1] if lines else ""


def read(item: Item, reply: str) -> Said:
    """The answer of a reply."""
    text = spoken(reply)
    return _READERS[item.kind](text, item) if text else ()


def read_first(item: Item, reply: str) -> Said:
    """By the other rule for multiple choice: the first letter that stands alone, wherever it is."""
    found = _letters(item.letters).findall(spoken(reply))
    return (found[0],) if found else ()


@cache
def _letters(known: str) -> re.Pattern[str]:
    """A letter that stands alone; `A` before a small word is an article."""
    article = r"(?!A\s+(?!and\b|or\b|is\b)[a-z])" if "A" in known else ""
    return re.compile(rf"(?<![A-Za-z0-9'’\-]){article}([{known}])(?![A-Za-z0-9'’\-])")


def _choice(text: str, item: Item) -> Said:
    standing = _letters(item.letters)
    found = standing.findall(last_line(text)) or standing.findall(text)
    return (found[-1],) if found else ()


def _after(line: str) -> str:
    """What follows the word "answer", where it is there."""
    *_, rest = _ANSWER.split(line)
    return rest


def _choices(text: str, item: Item) -> Said:
    """Letters alone or in a run (AC), where the line holds nothing else; otherwise those that stand alone."""
    line = _after(last_line(text))
    found = [word for word in _LETTERS.findall(line) if word not in ("and", "or")]
    if all(set(word) <= set(item.letters) for word in found):
        return tuple(sorted(set("".join(found))))
    return tuple(sorted(set(_letters(item.letters).findall(line))))


def _last(pattern: re.Pattern[str]) -> Callable[[str, Item], Said]:
    def reader(text: str, _: Item) -> Said:
        found = pattern.findall(last_line(text)) or pattern.findall(text)
        return (found[-1].upper().rstrip("/"),) if found else ()

    return reader


def _all(pattern: re.Pattern[str]) -> Callable[[str, Item], Said]:
    def reader(text: str, _: Item) -> Said:
        found = pattern.findall(last_line(text)) or pattern.findall(text)
        return tuple(dict.fromkeys(name.partition(".")[0] for name in found))

    return reader


def _technique(text: str, _: Item) -> Said:
    found = _TECHNIQUE.findall(last_line(text)) or _TECHNIQUE.findall(text)
    return (found[-1].partition(".")[0],) if found else ()


def _actor(text: str, _: Item) -> Said:
    name = _after(last_line(text)).strip(" \t*_`\"'.:=#")
    return (name,) if name and len(name) <= LONGEST_NAME else ()


def _prose(text: str, _: Item) -> Said:
    return (" ".join(text.split()),)


_READERS: dict[Kind, Callable[[str, Item], Said]] = {
    Kind.CHOICE: _choice,
    Kind.CHOICES: _choices,
    Kind.WEAKNESS: _last(_WEAKNESS),
    Kind.VECTOR: _last(_METRICS),
    Kind.SCORE: _last(_NUMBER),
    Kind.TECHNIQUE: _technique,
    Kind.TECHNIQUES: _all(_TECHNIQUE),
    Kind.MITIGATIONS: _all(_MITIGATION),
    Kind.ACTOR: _actor,
    Kind.PROSE: _prose,
}
