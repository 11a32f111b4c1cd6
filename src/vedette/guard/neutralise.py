"""Attacker-written text made harmless to look at: what cannot be seen is shown, nothing is executed.

A backslash of the text itself is kept as it is, so that `printable` is idempotent: whoever needs the
exact text finds it in the raw record or in `cases.jsonl`.
"""

from __future__ import annotations

from collections.abc import Callable
from unicodedata import category

LIMIT = 400
_SHORTEST = 24  # room for the mark that says how much was cut
_SHORT = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}
_MARKS = 3  # combining marks on one letter; more of them paint over the lines around

# Invisible or blank, although Unicode files them under letters, marks and symbols.
_BLANKS = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0\U0001d159\U00016fe4"
    + "".join(map(chr, range(0xFE00, 0xFE10)))
    + "".join(map(chr, range(0xE0100, 0xE01F0)))
)


def printable(text: str, limit: int = LIMIT) -> str:
    """One visible line of at most `limit` characters (24 or more), cut as `… [+N]`.

    N counts the characters of `text` that are not shown. Controls, escapes, bidi and format characters,
    odd blanks, separators and unpaired surrogates become `\\x1b`, `\\u202e`, `\\U000e0001`.
    """
    limit = max(limit, _SHORTEST)
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text
    shown = _shown(text[: limit + 1], visible)
    if len(text) <= limit and sum(map(len, shown)) <= limit:
        return "".join(shown)
    room = limit - len(f"… [+{len(text)}]")
    kept = 0
    while kept < len(shown) and room >= len(shown[kept]):
        room -= len(shown[kept])
        kept += 1
    return f"{''.join(shown[:kept])}… [+{len(text) - kept}]"


def escaped(text: str, escape: Callable[[str], str]) -> str:
    """`text` with each character that cannot be seen replaced by `escape(character)`; nothing is cut."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(text, escape))


def visible(char: str) -> str:
    """The escape that stands for a character: `\\n`, `\\x1b`, `\\u202e`, `\\U000e0001`."""
    code = ord(char)
    if char in _SHORT:
        return _SHORT[char]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _shown(text: str, escape: Callable[[str], str]) -> list[str]:
    """Character by character as it will be seen."""
    shown: list[str] = []
    marks = 0
    for char in text:
        if char.isascii():
            marks = 0
            shown.append(char if char.isprintable() else escape(char))
            continue
        marks = marks + 1 if category(char) in {"Mn", "Me"} else 0
        safe = char.isprintable() and char not in _BLANKS and marks <= _MARKS
        shown.append(char if safe else escape(char))
    return shown
