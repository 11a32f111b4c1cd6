"""How evidence is shown to a language model: what we vouch for in the open, what an attacker may have written fenced.

A fence's mark is random for each call, so that no text can close it that was written before; marks, controls and
characters that cannot be seen become escapes, so that no text can draw one, either.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

from vedette.guard.neutralise import escaped, visible

SHOWN = 400  # characters of one attacker-written text; the whole is in the record
_MARKS = re.compile("[⟦⟧]")


@dataclass(frozen=True, slots=True)
class Untrusted:
    """Text that an attacker may have written, and where it stands: "user agent"."""

    place: str
    text: str


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One piece of evidence as a model is shown it, and as its claims are held against it."""

    id: str  # "E1": short, and unlike any id of the field
    ref: str  # file:line or record: what an analyst is shown
    facts: str  # one line of what sensors, rule authors or the store vouch for
    texts: tuple[Untrusted, ...] = ()
    value: float = 0.0  # the higher, the sooner it is read where room is short
    counted: bool = True  # the decision rests on it already


def new_mark() -> str:
    return secrets.token_hex(8)


def shown(exhibit: Exhibit, mark: str, *, short: bool = False) -> str:
    """The lines of an exhibit; `short`: without what attackers wrote, and saying so."""
    lines = [f"{exhibit.id}: {plain(exhibit.facts)}"]
    if short:
        lines += [f"  ({len(exhibit.texts)} fields of attacker-written text are not shown)"] * bool(exhibit.texts)
        return "\n".join(lines)
    for each in exhibit.texts:
        cut = len(each.text) - SHOWN
        more = f" [{cut} more characters are not shown]" if cut > 0 else ""
        lines.append(f"⟦{mark} {exhibit.id} {plain(each.place)}⟧{plain(each.text[:SHOWN])}⟦/{mark}⟧{more}")
    return "\n".join(lines)


def plain(text: str) -> str:
    """On one line, with nothing that cannot be seen, and nothing that looks like a fence."""
    return _MARKS.sub(lambda match: visible(match[0]), escaped(text, visible))
