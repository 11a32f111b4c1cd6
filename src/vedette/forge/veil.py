"""What of an organisation's own texts may be learned: names masked, secrets gone, hostile texts told."""

from __future__ import annotations

import re
from collections.abc import Iterable

from vedette.forge.check import INJECTION, PERSONAL
from vedette.guard.probe import READ, Warning, probe
from vedette.guard.redact import Redaction
from vedette.guard.secrets import secrets
from vedette.types import Observable

GONE = "[secret]"
_PLACEHOLDER = re.compile(r"(?:SECRET|TEXT|BLOB|MAIL|HOST|DOMAIN|USER|IP|MAC)_[0-9]+[a-z]{0,2}|\[secret")
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\uffff"
    "\U000e0000-\U000e01ef]"
)
_RUNS = re.compile(
    r"<\s{0,3}/?\s{0,3}(?:script|iframe|object|embed|svg|img|link|meta|style|form|base|video|audio)\b"
    r"|\bon[a-z]{3,20}\s{0,3}=\s{0,3}[\"'(]|\bjavascript:|\bvbscript:|\bdata:text/html",
    re.IGNORECASE,
)
_MODEL = re.compile(
    r"\b(?:language model|LLMs?|chat ?bots?|chat ?gpt|gpt|prompt|AI (?:assistant|model|agent|system)|as an AI"
    r"|you are (?:an?|the) (?:assistant|AI|model)|assistant reading)\b",
    re.IGNORECASE,
)
# What a runbook orders an analyst to do looks like an order about verdicts; these count where a model is spoken to.
_ORDERS = frozenset(("verdict", "leak", "hide", "override", "schema", "id_spoofing", "role_play"))


class Veil:
    """Over the texts of one document, ticket or case: the same name is the same placeholder in all of them."""

    def __init__(self, redact: bool, observables: Iterable[Observable] = (), hosts: Iterable[str] = ()) -> None:
        self._redaction = Redaction(observables, hosts=hosts) if redact else None
        self._people: dict[str, str] = {}
        self._secrets = 0

    def over(self, text: str) -> str:
        if self._redaction is None:
            return self._without_secrets(text)
        return PERSONAL.sub(self._person, str(self._redaction.hide(text)))

    @property
    def masked(self) -> int:
        """How many names and secrets."""
        rows = self._redaction.table if self._redaction else ()
        return sum(row.times for row in rows) + len(self._people) + self._secrets

    def _person(self, match: re.Match[str]) -> str:
        return self._people.setdefault(match[0].casefold(), f"MAIL_{len(self._people) + 1}")

    def _without_secrets(self, text: str) -> str:
        pieces, at = list[str](), 0
        for start, end in sorted(secrets(text)):
            if end > at:
                pieces += [text[at:start], GONE] if start >= at else []
                self._secrets += start >= at
                at = end
        return "".join([*pieces, text[at:]])


def holds_secret(text: str) -> bool:
    return any(not _PLACEHOLDER.search(text[start:end]) for start, end in secrets(text))


def hostile(text: str) -> str:
    """Why nobody should learn from a text, "" where there is no reason not to."""
    if _UNSEEN.search(text):
        return "characters that cannot be seen"
    if _RUNS.search(text):
        return "markup that would run"
    if INJECTION.search(text) or any(_speaks(text[at : at + READ]) for at in range(0, len(text) or 1, READ // 2)):
        return "it speaks to a language model"
    return ""


def _speaks(text: str) -> bool:
    families = [warning.family for warning in probe(text) if not _of_analysts(warning)]
    if families or not _MODEL.search(text):
        return bool(families)
    lines = text.split("\n")  # a model has to be spoken of where the order is
    near = ("\n".join(lines[at : at + 2]) for at in range(len(lines)))
    return any(_MODEL.search(two) and any(w.family in _ORDERS for w in probe(two)) for two in near)


def _of_analysts(warning: Warning) -> bool:
    """Could it be an order to an analyst, or words of a runbook?"""
    if warning.family == "fence":
        return not warning.quote.startswith(("<", "["))
    return warning.family in _ORDERS
