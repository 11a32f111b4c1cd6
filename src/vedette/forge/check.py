"""Stage 5, first half: what can be checked of a rewritten answer without a model."""

from __future__ import annotations

import json
import re
from enum import StrEnum

from vedette.engine.protocol import Completion, Finish
from vedette.forge.example import EXACT, Example, Kind
from vedette.forge.ground import Grounded
from vedette.guard.hostile import INJECTION
from vedette.guard.secrets import secrets
from vedette.guard.wording import telling
from vedette.knowledge.ids import State
from vedette.knowledge.store import Knowledge
from vedette.prompts import ANSWER


class Fault(StrEnum):
    """Why a rewritten answer is not used."""

    CUT = "it broke off"
    SHORT = "it says nearly nothing"
    LONG = "it is out of proportion"
    REFUSES = "it refuses"
    FINAL = "it does not end in the exact answer"
    JSON = "it is not the JSON that was asked for"
    FACTS = "it lost a fact"
    IDS = "it names an id that is unknown or was in no text"
    LEAKS = "it mentions what it was given"
    LANGUAGE = "it is in another language"
    REPEATS = "it repeats itself"
    STRAYS = "it answers another question"
    ACTIVE = "it holds markup, links or control characters that the question does not"
    SECRET = "it holds a secret or personal data"  # noqa: S105
    INJECTED = "it speaks to the reader's model"


SHORTEST, LONGEST, TIMES = 40, 6_000, 12  # characters; times the length of the answer that it was made from
_REFUSAL = re.compile(
    r"\b(?:as an ai\b|i(?:'m| am) (?:sorry|unable|not able)"
    r"|i (?:can(?:no|')t|won't|will not) (?:help|assist|answer|provide))",
    re.IGNORECASE,
)
_LEAK = re.compile(
    r"\b(?:(?:given|provided|supplied|above|correct|reference|gold|ground[- ]truth) "
    r"(?:answer|background|evidence|context|text)"
    r"|the (?:background|context|evidence|format|instructions?) (?:says?|states?|provided|given|above|indicates?)"
    r"|according to (?:the )?(?:background|context|evidence|passages?)|as (?:instructed|requested))\b|\[\d\]",
    re.IGNORECASE,
)
_ACTIVE = re.compile(
    r"<[a-zA-Z/!][^>]{0,200}>|\]\(\s*\w+:|\bhttps?://|[\x00-\x08\x0b-\x1f\x7f\x9b\u202a-\u202e\u2066-\u2069]"
)
PERSONAL = re.compile(r"(?<![\w.+-])[\w.+-]+@(?!example\.)[\w-]+\.[a-z]{2,}\b|\b\d{3}-\d{2}-\d{4}\b", re.IGNORECASE)


def faults(example: Example, grounded: Grounded, done: Completion, store: Knowledge) -> list[Fault]:
    """All that is wrong with a rewritten answer; nothing where it may go on to the judge."""
    text = done.text.strip()
    given = " ".join([example.question, example.answer, *(one.text for one in grounded.evidence)])
    checks = {
        Fault.CUT: done.finish is not Finish.STOP,
        Fault.SHORT: len(text) < SHORTEST,
        Fault.LONG: len(text) > min(LONGEST, max(2_000, TIMES * len(example.answer))),
        Fault.FINAL: example.kind in EXACT and not _ends(text, example.final),
        Fault.JSON: example.kind is Kind.EXTRACT and _fields(text) != _fields(example.answer),
        Fault.FACTS: any(fact not in text for fact in example.keep if fact in example.answer),
        Fault.STRAYS: _strays(text, example),
        **_said(text, given, given, store),
    }
    return [fault for fault in Fault if checks[fault]]


def said(text: str, given: str, allowed: str, store: Knowledge) -> list[Fault]:
    """What is wrong with any text of a model. Ids stand in `given`; markup, links and private data in `allowed`."""
    checks = _said(text, given, allowed, store)
    return [fault for fault in Fault if checks.get(fault)]


def _said(text: str, given: str, allowed: str, store: Knowledge) -> dict[Fault, bool]:
    return {
        Fault.REFUSES: bool(_REFUSAL.search(text)),
        Fault.IDS: _strange_ids(text, given, store),
        Fault.LEAKS: bool(_LEAK.search(text)),
        Fault.LANGUAGE: _foreign(text) > 0.1 + _foreign(given),
        Fault.REPEATS: _repeats(text),
        Fault.ACTIVE: any(match not in allowed for match in _ACTIVE.findall(text)),
        Fault.SECRET: _private(text, allowed),
        Fault.INJECTED: any(match not in allowed for match in INJECTION.findall(text)),
    }


def _ends(text: str, final: str) -> bool:
    """In the very line, and no other line claims another answer."""
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith(ANSWER.strip())]
    return bool(lines) and text.rstrip().endswith(f"{ANSWER}{final}") and set(lines) == {f"{ANSWER}{final}"}


def _fields(text: str) -> str | None:
    """Of a text that is JSON and nothing else, the same for every order of keys; None where a key is there twice."""
    try:
        told = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        return None
    return json.dumps(told, sort_keys=True)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a key is there twice")
    return fields


def _strange_ids(text: str, given: str, store: Knowledge) -> bool:
    known = {mention.id for mention in store.verify_ids(given)}
    return any(m.state is State.UNKNOWN or m.id not in known for m in store.verify_ids(text))


def _foreign(text: str) -> float:
    letters = [char for char in text if char.isalpha()]
    return sum(ord(char) > 0x24F for char in letters) / max(1, len(letters))


def _repeats(text: str) -> bool:
    """The same sentence three times, or few different words."""
    sentences = [one.strip().casefold() for one in re.split(r"[.!?\n]+", text) if len(one.strip()) > 20]
    words = text.casefold().split()
    return any(sentences.count(one) > 2 for one in set(sentences)) or (
        len(words) > 80 and len(set(words)) / len(words) < 0.2
    )


def _strays(text: str, example: Example) -> bool:
    """Fewer than one in ten of the words of question and answer come back."""
    wanted = telling(f"{example.question} {example.answer}")
    return len(wanted) > 8 and len(wanted & telling(text)) / len(wanted) < 0.1


def _private(text: str, given: str) -> bool:
    found = [text[start:end] for start, end in secrets(text)] + [match[0] for match in PERSONAL.finditer(text)]
    return any(one not in given for one in found)
