"""Where a text holds names and addresses of the organisation. Linear in the text's length."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from vedette.guard.internal import canonical, is_address, networks, split_domain, telling
from vedette.guard.unescape import lowered
from vedette.types import Kind, Observable, Role

LONGEST = 600  # characters of a name that is looked for
_LONGEST_DOMAIN = 253


class Masked(StrEnum):
    """Kinds of what is masked; a placeholder begins with one."""

    HOST = "HOST"
    DOMAIN = "DOMAIN"
    USER = "USER"
    IP = "IP"
    MAC = "MAC"
    SECRET = "SECRET"  # noqa: S105
    BLOB = "BLOB"  # base64 that holds one of the others
    TEXT = "TEXT"  # looks like a placeholder, and was in the text already


class Key(NamedTuple):
    """What a placeholder stands for, however it is spelled."""

    kind: Masked
    value: str


class Found(NamedTuple):
    start: int
    end: int
    key: Key


_WORD = re.compile(r"[A-Za-z0-9]+|[^\W\x00-\x7f]+")
_DOTTED = re.compile(r"[A-Za-z0-9_.+-]+")
_IPV4 = re.compile(r"(?<![0-9])(?<![0-9]\.)(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?!\.?[0-9])")
_IPV6 = re.compile(r"[0-9a-f:.]+")
_MAC = re.compile(
    r"(?<![0-9a-f])(?<![0-9a-f][:-])(?:[0-9a-f]{2}([:-])[0-9a-f]{2}(?:\1[0-9a-f]{2}){4}"
    r"|[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4})(?![0-9a-f]|[:-][0-9a-f])"
)
_HOME = re.compile(
    r"(?:(?<![a-z0-9.])/(?:export/)?(?:home|users)/"
    r"|(?<![a-z0-9])[a-z]:[\\/]{1,4}(?:users|documents and settings)[\\/]{1,4})([a-z0-9_.$-]{3,64})(?=[\\/])"
)
_UNC = re.compile(r"(?<![\\a-z0-9:])\\{2,4}([a-z0-9][a-z0-9_-]{2,62})(?=\\)")


class Names:
    """Names that are known to be internal, and the rules for those that look it."""

    def __init__(self, observables: Iterable[Observable], own: Iterable[str]) -> None:
        seen = tuple(observables)
        self._inside = networks((*own, *(o.value for o in seen if o.kind is Kind.IP and o.role is Role.HOST)))
        self._names: dict[str, dict[tuple[int, int], dict[str, Key]]] = {}  # by first word, its place, length
        self._domains: set[str] = set()
        for o in sorted(seen, key=lambda o: o.role is not Role.HOST):  # devices tell the domains
            self._know(o)

    def _know(self, o: Observable) -> None:
        if o.kind is Kind.USER:
            self.know_user(o.value)
        elif o.kind is Kind.HOSTNAME:
            name = lowered(o.value.strip())
            if o.role is Role.HOST or "." not in name or any(split_domain(name, self._domains)):
                self.know_host(name)

    def know_host(self, name: str) -> None:
        """A full name tells the device's label and its domain; two labels, as `acme.example`, are a domain of ours."""
        name = lowered(name.strip()).rstrip(".$")
        if is_address(name):  # masked where it is internal
            return
        label, dot, rest = name.partition(".")
        if dot and not (any(split_domain(name, frozenset())) or "." in rest):
            self.know_domain(name)
            return
        self._add(Key(Masked.HOST, label))
        self.know_domain(rest)

    def know_user(self, name: str) -> None:
        r"""Also `DOMAIN\name` and `name@domain`."""
        name = lowered(name.strip())
        area, _, account = name.rpartition("\\")
        self._add(Key(Masked.DOMAIN, area.strip("\\")))
        account, at, domain = account.partition("@")
        if at:
            self.know_domain(domain)
        self._add(Key(Masked.HOST if account.endswith("$") else Masked.USER, account.rstrip("$")))

    def know_domain(self, name: str) -> None:
        name = lowered(name.strip()).strip(".")
        if "." in name:
            self._domains |= {name, _punycode(name)}
        self._add(Key(Masked.DOMAIN, name))

    def _add(self, key: Key) -> None:
        if not telling(key.value) or len(key.value) > LONGEST:
            return
        for name in {key.value, key.value.replace(" ", "+"), _punycode(key.value)}:
            if word := _WORD.search(name):
                places = self._names.setdefault(word[0], {})
                places.setdefault((word.start(), len(name)), {}).setdefault(name, key)

    # -- find ---------------------------------------------------------------------------------

    def find(self, text: str) -> Iterator[Found]:
        """They may overlap."""
        low = lowered(text)
        yield from self._known(low)
        yield from self._dotted(low)
        yield from self._addresses(low)
        for pattern, kind in ((_HOME, Masked.USER), (_UNC, Masked.HOST)):
            for match in pattern.finditer(low):
                if telling(match[1]):
                    yield Found(*match.span(1), Key(kind, match[1]))

    def _known(self, low: str) -> Iterator[Found]:
        """Every known name whose first word is one of the text and that ends where a word ends."""
        for word in _WORD.finditer(low):
            for (offset, length), names in self._names.get(word[0], {}).items():
                start = word.start() - offset
                end = start + length
                key = names.get(low[start:end]) if start >= 0 else None
                if key is not None and not _within(low, start) and not _within(low, end):
                    yield Found(start, end, key)

    def _dotted(self, low: str) -> Iterator[Found]:
        """Devices in internal domains, and who is written to there."""
        before = (-1, -1)
        for run in _DOTTED.finditer(low):
            start = max(run.start(), run.end() - _LONGEST_DOMAIN)
            name = low[start : run.end()].lstrip(".+-")
            start, name = run.end() - len(name), name.rstrip(".+-")
            mail = start > 0 and low[start - 1] == "@" and before[1] == start - 1
            label, domain = split_domain(name, self._domains)
            if label and (domain or mail or not _is_file(low, start)) and telling(label):
                yield Found(start, start + len(label), Key(Masked.HOST, label))
            if domain:
                end = start + len(name)
                yield Found(end - len(domain), end, Key(Masked.DOMAIN, domain))
            if mail and (label or domain):
                yield Found(*before, Key(Masked.USER, low[slice(*before)]))
            before = run.span()

    def _addresses(self, low: str) -> Iterator[Found]:
        for match in _IPV4.finditer(low):
            if address := canonical(match[0], self._inside):
                yield Found(*match.span(), Key(Masked.IP, address))
        for match in _IPV6.finditer(low) if ":" in low else ():
            if match[0].count(":") >= 2 and len(match[0]) <= 48:
                for cut in (match[0], match[0].rstrip("."), match[0].rstrip(":.")):
                    if address := canonical(cut, self._inside):
                        yield Found(match.start(), match.start() + len(cut), Key(Masked.IP, address))
                        break
        for match in _MAC.finditer(low):
            yield Found(*match.span(), Key(Masked.MAC, re.sub("[^0-9a-f]", "", match[0])))


def _within(text: str, at: int) -> bool:
    """Whether `at` is between two letters or digits of ASCII."""
    return 0 < at < len(text) and _is_word(text[at - 1]) and _is_word(text[at])


def _is_word(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _is_file(low: str, start: int) -> bool:
    """`/etc/rc.local` is no device, `//nas.local` is one."""
    return low[max(0, start - 1) : start] in ("/", "\\") and low[max(0, start - 2) : start] not in ("//", "\\\\")


def _punycode(name: str) -> str:
    """The name itself where it has none."""
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        return name
