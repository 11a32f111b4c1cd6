"""Percent-encoding looked through, with the way back to where each character stood."""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

_RUN = re.compile(r"(?:%(?:25){0,2}[0-9A-Fa-f]{2})+")
_ONE = re.compile(r"%(?:25){0,2}([0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class View:
    """`starts[i]` is where character i of `text` stood; its last item is the length of what was read."""

    text: str
    starts: array[int] | range

    def raw(self, start: int, end: int) -> tuple[int, int]:
        return self.starts[start], self.starts[end]


def unescaped(text: str) -> View:
    """`%2D` and `%252D` as `-`. The text itself where nothing is encoded."""
    if "%" not in text or not _RUN.search(text):
        return View(text, range(len(text) + 1))
    pieces: list[str] = []
    starts = array("q")
    at = 0
    for run in _RUN.finditer(text):
        pieces.append(text[at : run.start()])
        starts.extend(range(at, run.start()))
        at = run.end()
        pieces.append(_decoded(run, starts))
    pieces.append(text[at:])
    starts.extend(range(at, len(text) + 1))
    return View("".join(pieces), starts)


def _decoded(run: re.Match[str], starts: array[int]) -> str:
    """The characters of one run of escapes. Bytes that are no UTF-8 become surrogates."""
    escapes = list(_ONE.finditer(run[0]))
    decoded = unquote_to_bytes("".join("%" + one[1] for one in escapes)).decode("utf-8", "surrogateescape")
    byte = 0
    for char in decoded:
        starts.append(run.start() + escapes[byte].start())
        byte += len(char.encode("utf-8", "surrogateescape"))
    return decoded


def lowered(text: str) -> str:
    """Small letters, one for each character, so that offsets stay."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(c if len(s := c.lower()) > 1 else s for c in text)
