"""What tasks of several groups do with texts."""

from __future__ import annotations

import re
from collections.abc import Iterable

from vedette.forge.world import Entry

NOT_ENOUGH = "Not enough evidence"  # the exact answer where the sources do not hold one

_SENTENCE = re.compile(r"(?<=[.!?])(?<!\b[a-z]\.[a-z]\.)(?<!\b[A-Z]\.[A-Z]\.)(?<! vs\.)\s+(?=[A-Z0-9\"“(])")
_SPACE = re.compile(r"\s+")


def joined(values: Iterable[str]) -> str:
    """ "a, b, c", each once."""
    return ", ".join(dict.fromkeys(values))


def flat(text: str) -> str:
    return _SPACE.sub(" ", text).strip()


def first_sentences(text: str, count: int) -> str:
    """Of the first paragraphs, on one line."""
    return " ".join(_SENTENCE.split(flat(text))[:count])


def masked(text: str, entry: Entry, by: str = "this") -> str:
    """Without the entry's name and id, so that they do not give the answer away; "" where nothing is left."""
    pattern = "|".join(re.escape(word) for word in (entry.id, entry.name) if word)
    told = re.sub(rf"(?<!\w)(?:{pattern})(?!\w)", by, text, flags=re.IGNORECASE)
    return told if len(told) > 20 else ""


def steps(*told: str) -> str:
    """Numbered lines, for an answer that shows its way."""
    return "\n".join(f"{number}. {one}" for number, one in enumerate((one for one in told if one), 1))


def ended(text: str) -> str:
    """With a full stop, where it has no end of a sentence."""
    return text if text.endswith((".", "!", "?", ":")) else f"{text}."
