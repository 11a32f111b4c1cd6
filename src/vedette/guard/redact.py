"""Names, addresses and secrets of the organisation masked before an engine reads a text, and put back after.

Masked for good: secrets (only a keyed digest of one is kept). Put back: all else. Not found: a name that is spelled
with invisible characters, or wrapped in more than one layer of base64. What an attacker keeps from the engine this way
(`pwd=…`) stays in the evidence that analysts and tier 0 see.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import chain
from secrets import token_bytes
from string import ascii_lowercase
from typing import NamedTuple

from vedette.guard.names import Found, Key, Masked, Names
from vedette.guard.secrets import secrets
from vedette.guard.unescape import unescaped
from vedette.types import Observable


class Hidden(str):
    """Text that was masked. `hide` leaves it as it is; put together with other text it is plain text again."""

    __slots__ = ()


class Row(NamedTuple):
    placeholder: str
    kind: Masked
    value: str  # as it is put back; "" for a secret
    times: int  # that it was masked


# Models change the case, and escape the underscore in Markdown. Letters after the number tell spellings apart.
_PLACEHOLDER = re.compile(
    rf"(?:(?<![A-Za-z0-9])|(?<=%[0-9A-Fa-f]{{2}}))({'|'.join(Masked)})\\?_([0-9]{{1,7}})([a-z]{{0,2}})(?![A-Za-z0-9])",
    re.IGNORECASE | re.ASCII,
)
_SPELLINGS = ("", *ascii_lowercase[1:], *(a + b for a in ascii_lowercase for b in ascii_lowercase))
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{24,}={0,2}")


class Redaction:
    """Placeholders of one conversation: the same value is the same placeholder in all of its texts.

    `observables` are those of the case: its devices and users are internal, and so are the domains of its devices.
    `own` networks (CIDR) are masked besides the private ranges. Raises ValueError for a network that is none.
    """

    def __init__(
        self,
        observables: Iterable[Observable] = (),
        *,
        hosts: Iterable[str] = (),
        users: Iterable[str] = (),
        domains: Iterable[str] = (),
        own: Iterable[str] = (),
    ) -> None:
        self._internal = Names(observables, own)
        for names, know in (
            (domains, self._internal.know_domain),
            (hosts, self._internal.know_host),
            (users, self._internal.know_user),
        ):
            for name in names:
                know(name)
        self._numbers: dict[Key, int] = {}
        self._last: Counter[Masked] = Counter()
        self._marks: dict[tuple[Key, str], str] = {}
        self._spellings: Counter[Key] = Counter()
        self._surfaces: dict[str, str] = {}  # by placeholder in small letters
        self._counts: Counter[str] = Counter()
        self._salt = token_bytes(16)

    def hide(self, text: str) -> Hidden:
        """The text with placeholders. Hide whole texts, each once: a placeholder in plain text is taken for foreign."""
        if isinstance(text, Hidden):
            return text
        pieces: list[str] = []
        at = 0
        for start, end, key in _joined(text, self._spans(text)):
            pieces += text[at:start], self._mark(key, text[start:end])
            at = end
        return Hidden("".join([*pieces, text[at:]]))

    def restore(self, text: str) -> str:
        """What a model wrote with the names put back, as they were spelled. Unknown placeholders stay as they are."""
        return _PLACEHOLDER.sub(self._surface, text)

    @property
    def table(self) -> tuple[Row, ...]:
        """Every placeholder that was given, in order."""
        return tuple(Row(mark, key.kind, surface, self._counts[mark]) for (key, surface), mark in self._marks.items())

    @property
    def secrets(self) -> int:
        """How often a secret was masked."""
        return sum(row.times for row in self.table if row.kind is Masked.SECRET)

    def _mark(self, key: Key, surface: str) -> str:
        surface = "" if key.kind is Masked.SECRET else surface
        mark = self._marks.get((key, surface))
        if mark is None:
            mark = self._marks[key, surface] = self._new(key)
            self._surfaces.setdefault(mark.lower(), surface or mark)
        self._counts[mark] += 1
        return mark

    def _new(self, key: Key) -> str:
        """A placeholder for one more spelling; after some hundred of them, that of the last one again."""
        if key not in self._numbers:
            self._last[key.kind] += 1
            self._numbers[key] = self._last[key.kind]
        spelling = _SPELLINGS[min(self._spellings[key], len(_SPELLINGS) - 1)]
        self._spellings[key] += 1
        return f"{key.kind}_{self._numbers[key]}{spelling}"

    def _surface(self, match: re.Match[str]) -> str:
        stem, letters = f"{match[1]}_{match[2]}".lower(), match[3]
        if letters and (exact := self._surfaces.get(stem + letters.lower())) is not None:
            return exact
        known = self._surfaces.get(stem)
        return match[0] if known is None else known + letters

    def _spans(self, text: str) -> Iterator[Found]:
        """In the text's own offsets, with what looks like a placeholder before or after decoding."""
        view = unescaped(text)
        for match in _PLACEHOLDER.finditer(text):
            yield Found(*match.span(), Key(Masked.TEXT, match[0]))
        for start, end, key in self._found(view.text):
            yield Found(*view.raw(start, end), key)

    def _found(self, text: str) -> Iterator[Found]:
        for match in _PLACEHOLDER.finditer(text):
            yield Found(*match.span(), Key(Masked.TEXT, match[0]))
        yield from self._plain(text)
        for match in _BASE64.finditer(text):
            if any(True for _ in chain.from_iterable(map(self._plain, _wrapped(match[0])))):
                yield Found(*match.span(), Key(Masked.BLOB, match[0]))

    def _plain(self, text: str) -> Iterator[Found]:
        for start, end in secrets(text):
            digest = blake2b(text[start:end].encode("utf-8", "surrogatepass"), key=self._salt, digest_size=16)
            yield Found(start, end, Key(Masked.SECRET, digest.hexdigest()))
        yield from self._internal.find(text)


def _joined(text: str, spans: Iterable[Found]) -> Iterator[Found]:
    """Spans that overlap or touch as one, grown over letters that would hide the placeholder. A secret wins."""
    last: Found | None = None
    for one in sorted((_grown(text, span) for span in spans), key=lambda f: (f.start, -f.end)):
        if last is None or one.start > last.end:
            if last is not None:
                yield last
            last = one
        else:
            key = one.key if one.key.kind is Masked.SECRET else last.key
            last = Found(last.start, max(last.end, one.end), key)
    if last is not None:
        yield last


def _grown(text: str, span: Found) -> Found:
    start, end = span.start, span.end
    while start and _is_word(text[start - 1]) and not _ESCAPE.match(text, max(0, start - 3), start):
        start -= 1
    while end < len(text) and _is_word(text[end]):
        end += 1
    return Found(start, end, span.key)


def _is_word(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _wrapped(encoded: str) -> Iterator[str]:
    """What base64 wraps, as UTF-8 and as PowerShell's UTF-16."""
    try:
        data = base64.b64decode(encoded.rstrip("=") + "=" * (-len(encoded.rstrip("=")) % 4))
    except (binascii.Error, ValueError):
        return
    wide = data[1::2].count(0) * 2 > len(data) // 2
    yield data.decode("utf-16-le" if wide else "utf-8", "replace")
