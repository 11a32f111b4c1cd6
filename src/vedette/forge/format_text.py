"""The Markdown of a format: front matter, headings in a fixed order, items that may be wrapped."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import ValidationError

from vedette.config import Settings
from vedette.errors import ConfigError
from vedette.registry import near

BYTES = 100_000
_STEP = re.compile(r"(?P<number>\d{1,3})\.\s+(?P<text>.+)")
_BULLET = re.compile(r"[-*]\s+(?P<text>.+)")
_MARKERS = (None, _STEP, _BULLET, None, _BULLET)  # of the sections' items; None: paragraphs


class Front(Settings):
    name: str
    tasks: tuple[str, ...]
    status: Literal["draft", "approved"]
    parent: str = ""


def split(text: str, where: str) -> tuple[Front, list[str], int]:
    """Front matter, the lines below it, and the number of the first of them."""
    if len(text) > BYTES:
        raise ConfigError(f"more than {BYTES:,} characters", where=where, remedy="shorten the format")
    lines = text.split("\n")
    ends = [number for number, line in enumerate(lines) if line.rstrip() == "+++"][:2]
    if len(ends) < 2 or ends[0] != 0:
        what = "front matter has no end" if ends == [0] else "no front matter"
        raise ConfigError(what, where=f"{where}:1", remedy="begin with +++, name, tasks, status, parent, +++")
    return _front(lines[1 : ends[1]], where), lines[ends[1] + 1 :], ends[1] + 2


def _front(lines: Sequence[str], where: str) -> Front:
    try:
        return Front.model_validate(tomllib.loads("\n".join(lines)))
    except tomllib.TOMLDecodeError as exc:
        place = re.search(r"\(at line (\d+)", str(exc))
        number = int(place[1]) + 1 if place else 1
        raise ConfigError(f"not valid TOML: {exc}", where=f"{where}:{number}", remedy="correct it") from exc
    except ValidationError as exc:
        error = min(exc.errors(include_url=False), key=lambda error: error["type"] != "extra_forbidden")
        key = str(error["loc"][0])
        number = next((n for n, line in enumerate(lines, start=2) if line.strip().startswith(key)), 1)
        remedy = near(key, list(Front.model_fields)) if error["type"] == "extra_forbidden" else "correct it"
        raise ConfigError(f"'{key}': {error['msg']}", where=f"{where}:{number}", remedy=remedy) from exc


Numbered = tuple[int, str]  # number of a line, its text


def items(lines: Sequence[str], start: int, headings: Sequence[str], where: str) -> Iterator[tuple[int, str, str]]:
    """(number of its first line, heading, text) of each item. Every heading has to be there once, in this order."""
    for place, (heading, own) in enumerate(_sections(lines, start, headings, where)):
        marker = _MARKERS[place]
        for number, text in _paragraphs(own) if marker is None else _listed(own, marker, where):
            yield number, heading, text


def _sections(
    lines: Sequence[str], start: int, headings: Sequence[str], where: str
) -> Iterator[tuple[str, list[Numbered]]]:
    own: list[Numbered] = []
    seen = 0
    for number, line in enumerate((line.strip() for line in lines), start=start):
        if line.startswith("#"):
            if seen:
                yield headings[seen - 1], own
            _in_turn(line, headings, seen, f"{where}:{number}")
            own, seen = [], seen + 1
        elif line and not seen:
            raise ConfigError(f"text before '# {headings[0]}'", where=f"{where}:{number}", remedy="move or delete it")
        else:
            own.append((number, line))
    if seen < len(headings):
        raise ConfigError(f"no '# {headings[seen]}'", where=where, remedy="add the section")
    yield headings[-1], own


def _in_turn(line: str, headings: Sequence[str], seen: int, where: str) -> None:
    name = line.lstrip("#").strip()
    if line != f"# {name}" or name not in headings:
        raise ConfigError(f"unknown heading '{line[:60]}'", where=where, remedy=near(name, headings))
    if headings[seen : seen + 1] != (name,):
        order = ", ".join(headings)
        raise ConfigError(f"'# {name}' is out of turn", where=where, remedy=f"each once, in this order: {order}")


def _paragraphs(lines: Sequence[Numbered]) -> Iterator[Numbered]:
    begun, text = 0, ""
    for number, line in (*lines, (0, "")):
        if line:
            begun, text = begun or number, f"{text} {line}"
        elif text:
            yield begun, text
            begun, text = 0, ""


def _listed(lines: Sequence[Numbered], marker: re.Pattern[str], where: str) -> Iterator[Numbered]:
    begun, text, count = 0, "", 0
    for number, line in (*lines, (0, "")):
        found = marker.fullmatch(line)
        if text and (found or not line):
            yield begun, text
            text = ""
        if found:
            begun, text, count = number, found["text"], count + 1
            if found.groupdict().get("number") not in (None, str(count)):
                raise ConfigError(f"step {found['number']}", where=f"{where}:{number}", remedy=f"number it {count}")
        elif line and not text:
            what = f"no item: '{line[:60]}'"
            raise ConfigError(what, where=f"{where}:{number}", remedy="begin steps with '1. ', others with '- '")
        elif line:
            text += f" {line}"
