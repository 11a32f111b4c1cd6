"""What of an organisation's own texts may be learned: names masked, secrets gone, hostile texts told."""

from __future__ import annotations

import re
from collections.abc import Iterable

from vedette.forge.check import PERSONAL
from vedette.guard.redact import Redaction
from vedette.guard.secrets import secrets
from vedette.types import Observable

GONE = "[secret]"
_PLACEHOLDER = re.compile(r"(?:SECRET|TEXT|BLOB|MAIL|HOST|DOMAIN|USER|IP|MAC)_[0-9]+[a-z]{0,2}|\[secret")


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
