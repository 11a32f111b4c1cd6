"""What a reply answers, read so that only one honest answer line counts: a model in training tries everything else.

A thought at the very start is not the answer. What cannot be trusted has no answer at all: several answer lines in any
spelling, marks of the chat template, thoughts elsewhere, control characters, giant text.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

from vedette.prompts import ANSWER

LONGEST = 16_000  # characters; the forge's rows have 12,000 at most, their questions included
DEEPEST = 12  # levels of JSON
START = 120  # characters of a line in which it says that it is an answer

_THOUGHT = re.compile(r"\A\s*<think>(?:(?!</?think>).)*</think>", re.DOTALL)
_MARK = re.compile(r"<\|[^\s|<>]{1,40}\|>|</?(?:think|thinking|reasoning)>|<(?:start|end)_of_turn>|\[/?INST\]", re.I)
_CLAIM = re.compile(r"[\W_]*(?:[^\W_]+\s+){0,2}answers?[\W_]*?:")
_ODD = frozenset("\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Letters of "answer:" in other alphabets; full-width and mathematical ones fall to NFKD.
_ALIKE = str.maketrans("аαɑոηѕԝωеєεгᴀɴꜱᴡᴇʀ∶։꞉ː", "aaannswweeeranswer::::")


def spoken(reply: str) -> str | None:
    """Without a thought at its start; None where it is not to be trusted."""
    if len(reply) > LONGEST:
        return None
    text = _THOUGHT.sub("", reply.replace("\r\n", "\n")).strip()
    if not text or _MARK.search(text) or not all(map(_plain, text)):
        return None
    return text


def _plain(char: str) -> bool:
    return char in "\n\t" or (unicodedata.category(char) not in ("Cc", "Cs") and char not in _ODD)


def answer(reply: str) -> str | None:
    """The exact answer, from the only answer line, which is the last one."""
    text = spoken(reply)
    if text is None:
        return None
    lines = text.split("\n")
    if not lines[-1].startswith(ANSWER) or claims(text) != 1:
        return None
    found = re.sub(r"[ \t]+", " ", lines[-1].removeprefix(ANSWER)).strip()
    return found if found.isprintable() and found else None


def claims(text: str) -> int:
    """Lines that say they are an answer, in whatever letters."""
    return sum(bool(_CLAIM.match(_folded(line[:START]))) for line in text.split("\n"))


def _folded(line: str) -> str:
    if line.isascii():
        return line.lower()
    plain = unicodedata.normalize("NFKD", line)
    kept = "".join(char for char in plain if unicodedata.category(char) not in ("Mn", "Cf"))
    return kept.casefold().translate(_ALIKE)


def parsed(reply: str) -> Any:
    """The JSON that a reply is, and nothing besides. Raises ValueError."""
    text = spoken(reply)
    if text is None:
        raise ValueError("no reply")
    try:
        found = json.loads(text, object_pairs_hook=_once, parse_constant=_refused)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc
    if _depth(found) > DEEPEST:
        raise ValueError("nested too deeply")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice")
    return found


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _depth(value: Any, at: int = 1) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return at if at > DEEPEST else max((_depth(one, at + 1) for one in inner), default=at)
