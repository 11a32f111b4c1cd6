"""Ids and names of what the store holds: one canonical spelling each, found in text in any spelling."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from vedette.knowledge.record import Kind, Status, decode
from vedette.knowledge.sources import rank

if TYPE_CHECKING:
    from vedette.knowledge.store import Knowledge


def fold(name: str) -> str:
    """What spellings of one name have in common: "Cozy Bear", "COZY-BEAR", "cozybear". "" where nothing is left."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", name).casefold()))


class State(StrEnum):
    EXISTS = "exists"
    REVOKED = "revoked"
    DEPRECATED = "deprecated"
    REJECTED = "rejected"
    UNKNOWN = "unknown"  # malformed, or the store holds all ids of its kind and this one is not among them
    UNVERIFIABLE = "unverifiable"  # the store does not have it, nor all ids of its kind


@dataclass(frozen=True, slots=True)
class Mention:
    """An id in a text: `text[start:end] == spelled`."""

    id: str  # canonical, or as near to it as a malformed one comes
    spelled: str
    start: int
    end: int
    state: State
    replaced_by: str = ""  # what stands for it today
    kind: Kind | None = None  # None: the store does not have it
    name: str = ""


# What looks like the ASCII characters of ids, each as one character, so that spans stay right.
_PLAIN = {
    **{0xFF01 + place: 0x21 + place for place in range(94)},  # full-width
    **dict.fromkeys((0xAD, *range(0x2010, 0x2014), 0x2043, 0x2212, 0xFE58, 0xFE63), ord("-")),
    **dict.fromkeys((0x2014, 0x2015), ord("~")),  # dashes that set words apart, and ids' parts at times
    **dict.fromkeys((0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000), ord(" ")),
    **dict.fromkeys((0x2024, 0xFE52), ord(".")),
}
_JOIN = r"(?:\s?[-_:/~]\s?|\s)"
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_HIGHEST = {  # controls of each family of NIST SP 800-53 r5.2
    "AC": 25, "AT": 6, "AU": 16, "CA": 9, "CM": 14, "CP": 13, "IA": 13, "IR": 10, "MA": 7, "MP": 8, "PE": 23,
    "PL": 11, "PM": 32, "PS": 9, "PT": 8, "RA": 10, "SA": 24, "SC": 51, "SI": 20, "SR": 12,
}  # fmt: skip
# Ids that could as well be a part number or a word must stand alone.
_ALONE_AFTER = r"(?!\w|[-.]\d|[=@%])"
_ALONE = {"attack", "control", "countermeasure"}

_FORMS: dict[str, tuple[tuple[str, ...], str]] = {  # how they begin, how they go on
    "cve": (("CVE",), rf"{_JOIN}?\d{{4}}(?:\s?[-_:/~]\s?\d{{1,19}}|\s\d{{4,7}})(?![\dxX*?])"),
    "numbered": (
        ("CWE", "CAPEC"),
        r"(?:[-_\s]?ID)?(?:\s?[-_:#/~]\s?|\s(?!(?:19|20)\d\d\b))?\d{1,7}(?![0-9A-Za-z]|[-.]\d)",
    ),
    "technique": (("T",), r"\d{4,5}(?:\.\d{1,5}|[/:_-]\d{3}(?!\d))?+(?![0-9A-Za-z]|\.\d)"),
    "attack": (("TA", "DS", "DC", "DET", "AN", "G", "S", "M", "C"), rf"\d{{4}}{_ALONE_AFTER}"),
    "control": (tuple(_HIGHEST), rf"[-_]\d{{1,2}}(?:\s?\(\d{{1,2}}\)|\.\d{{1,2}}(?!\d))?+{_ALONE_AFTER}"),
    "countermeasure": (("D3-",), rf"[A-Z][A-Z0-9]{{0,9}}{_ALONE_AFTER}"),
    "artifact": (("d3f:",), r"[A-Za-z](?:[\w.()+-]{0,80}[\w)])?"),
    "ghsa": (("GHSA",), r"(?:-[0-9a-z]{4}){3}(?![0-9A-Za-z])"),
    "advisory": (("PYSEC-", "RUSTSEC-", "OSV-", "MAL-", "GO-"), r"\d{4}-\d{1,8}(?![0-9A-Za-z])"),
    "uuid": (("sigma:", "misp:"), rf"{_UUID}(?![0-9A-Za-z])"),
    "warninglist": (("warninglist:",), r"[a-z0-9](?:[a-z0-9._-]{0,80}[a-z0-9])?"),
}


def _form(name: str) -> str:
    """What follows a first letter that was read already."""
    heads, rest = _FORMS[name]
    alone = r"(?<![\w.=%&+@#$-].)" if name in _ALONE else ""
    return rf"(?P<{name}>{alone}(?:{'|'.join(f'(?<={head[0]}){head[1:]}' for head in heads)}){rest})"


# It starts with a set, which `re` looks for fast; then comes what that must not follow, and what few words are like.
_ID = re.compile(
    r"[ACDGIMOPRSTWacdgimoprstw](?<![0-9A-Za-z].)(?=[A-Za-z]{0,11}(?:[-_:/~#0-9]|\s(?:[-_:/~#0-9]|[Ii][Dd])))"
    rf"(?i:{'|'.join(map(_form, _FORMS))})",
    re.ASCII,
)
_CANONICAL = re.compile(
    r"CVE-(?:1999|20\d\d)-(?:0\d{3}|[1-9]\d{3,18})|(?:CWE|CAPEC)-[1-9]\d*|T\d{4}(?:\.\d{3})?"
    r"|(?:TA|DS|DC|DET|AN|[GSMC])\d{4}|[A-Z]{2}-[1-9]\d?(?:\([1-9]\d?\))?|D3-[A-Z][A-Z0-9]*|d3f:.+"
    r"|GHSA(?:-[23456789cfghjmpqrvwx]{4}){3}|(?:PYSEC|RUSTSEC|OSV|MAL|GO)-\d{4}-\d+|(?:sigma|misp):.+|warninglist:.+"
)
_DIGITS = re.compile(r"\d+")
_TALK = {  # of what such ids are ids of
    "control": re.compile(r"800-53|\b(?:controls?|NIST|FedRAMP)\b", re.IGNORECASE),
    "attack": re.compile(r"ATT&?CK|MITRE|\bTA?[01]\d{3}\b"),
}
_RANDOM = re.compile(r"(?=[^a-z]*[a-z])(?=[^A-Z]*[A-Z])(?=\D*\d)[0-9A-Za-z]{8}")


def _cve(spelled: str) -> str:
    year, number = _DIGITS.findall(spelled)
    return f"CVE-{year}-{number.lstrip('0').zfill(4) if len(number) > 4 else number}"


def _numbered(spelled: str) -> str:
    return f"{'CWE' if spelled[1] in 'Ww' else 'CAPEC'}-{int(_DIGITS.findall(spelled)[-1])}"


def _technique(spelled: str) -> str:
    number, *sub = _DIGITS.findall(spelled)
    return f"T{number}" + (f".{sub[0].zfill(3)}" if sub else "")


def _control(spelled: str) -> str:
    number, *enhancement = _DIGITS.findall(spelled)
    return f"{spelled[:2].upper()}-{int(number)}" + (f"({int(enhancement[0])})" if enhancement else "")


_SPELL: dict[str, Callable[[str], str]] = {
    "cve": _cve,
    "numbered": _numbered,
    "technique": _technique,
    "attack": str.upper,
    "control": _control,
    "countermeasure": str.upper,
    "artifact": lambda spelled: f"d3f:{spelled[4:]}",
    "ghsa": lambda spelled: f"GHSA{spelled[4:].lower()}",
    "advisory": str.upper,
    "uuid": str.lower,
    "warninglist": str.lower,
}


def canonical(text: str) -> str | None:
    """The canonical spelling of one id; None for what is no well-formed id. Whether it exists is another question."""
    match = _ID.fullmatch(text.strip().translate(_PLAIN))
    if not match or not match.lastgroup:
        return None
    uid = _SPELL[match.lastgroup](match[0])
    return uid if _CANONICAL.fullmatch(uid) else None


@dataclass(frozen=True, slots=True)
class _Found:
    form: str
    id: str
    start: int
    end: int
    sure: bool  # written as ids are: in upper case


def mentions(text: str, knowledge: Knowledge) -> list[Mention]:
    """Every id in `text`, in order. A CVE that the store lacks is mostly "unverifiable": see `_complete`."""
    found = list(_find(text))
    if not found:
        return []
    known = _known(knowledge, {one.id for one in found})
    talk = {form for form, words in _TALK.items() if words.search(text)}
    talk |= {one.form for one in found if one.sure and one.id in known}
    kept = [one for one in found if _counts(one, one.id in known, talk) and not _a_name(knowledge, one, known)]
    lost = _unknown(knowledge, {one.id: one.form for one in kept if one.id not in known})
    return [_mention(text, one, known.get(one.id), one.id in lost) for one in kept]


def _find(text: str) -> Iterator[_Found]:
    plain = text if text.isascii() else text.translate(_PLAIN)
    for match in _ID.finditer(plain):
        form, spelled = match.lastgroup or "", match[0]
        start, end = match.span()
        if form in ("technique", "attack") and _encoded(plain, start, end):
            continue
        yield _Found(form, _SPELL[form](spelled), start, end, spelled == spelled.upper())


def _encoded(text: str, start: int, end: int) -> bool:
    """Inside base64: beside it, over a `/`, `+` or `=`, stands what no word looks like."""
    before, after = text[max(0, start - 80) : start], text[end : end + 80]
    if before[-1:] not in ("/", "+", "=") and after[:1] not in ("/", "+", "="):
        return False
    runs = re.split(r"[^0-9A-Za-z]", before[:-1])[-1:] + re.split(r"[^0-9A-Za-z]", after[1:])[:1]
    return any(_RANDOM.match(run) for run in runs)


def _counts(one: _Found, known: bool, talk: set[str]) -> bool:
    """Is it meant as an id? Part numbers look like some: "SR-71", "C9300", "d3-based"."""
    if one.form == "control":
        return (known and one.sure) or one.form in talk
    if one.form == "attack" and one.id.lstrip("TADSCENGM")[0] > "1":
        return known or (one.sure and one.form in talk)
    return known or one.sure or one.form not in ("attack", "countermeasure")


def _a_name(knowledge: Knowledge, one: _Found, known: dict[str, _Row]) -> bool:
    """Groups are called "TA2541" by those who do not mean ATT&CK's tactics."""
    return one.form == "attack" and one.id not in known and bool(knowledge.resolve(one.id))


_Row = tuple[Kind, str, State, str]  # kind, name, state, replaced by


def _known(knowledge: Knowledge, uids: Iterable[str]) -> dict[str, _Row]:
    rows = knowledge.db.execute(
        "SELECT r.id, r.unit, r.kind, r.name, r.status, CASE r.status WHEN 'active' THEN NULL ELSE r.body END"
        " FROM json_each(?) j CROSS JOIN record r ON r.id = j.value",
        (json.dumps(list(uids)),),
    ).fetchall()
    units, found = knowledge.unit_numbers, dict[str, _Row]()
    for uid, _, kind, name, status, body in sorted(rows, key=lambda row: rank(units[row[1]].source)):
        if uid in found:
            before = found[uid]
            found[uid] = before if before[1] else (before[0], name, *before[2:])
            continue
        found[uid] = (Kind(kind), name, _STATES[Status(status)], _replacement(knowledge, body))
    return found


_STATES = {
    Status.ACTIVE: State.EXISTS,
    Status.REVOKED: State.REVOKED,
    Status.DEPRECATED: State.DEPRECATED,
    Status.REJECTED: State.REJECTED,
}


def _replacement(knowledge: Knowledge, body: bytes | None) -> str:
    replaced_by = decode(body).replaced_by if body else ""
    today = knowledge.in_force(replaced_by) if replaced_by else None
    return today.id if today else replaced_by


def _unknown(knowledge: Knowledge, missing: dict[str, str]) -> set[str]:
    """Those of `missing` (id → form) that the store would have if they existed."""
    if not missing:
        return set()
    malformed = {uid for uid in missing if not _CANONICAL.fullmatch(uid)}
    lost = {uid for uid, form in missing.items() if uid not in malformed and _complete(knowledge, uid, form)}
    sql = "SELECT j.value FROM json_each(?) j WHERE EXISTS (SELECT 1 FROM link l WHERE l.target = j.value)"
    named = knowledge.db.execute(sql, (json.dumps(list(lost)),)).fetchall() if lost else []
    return malformed | (lost - {uid for (uid,) in named})  # what a source refers to is more than unknown


def _complete(knowledge: Knowledge, uid: str, form: str) -> bool:
    """Does the store hold all ids of this kind, as of its release?

    ATT&CK: where all three domains are there; D3FEND: where it is there. CWE: with the catalog. View 2000 of CWE, and
    CAPEC, lack categories and views, which stand between the others and at full thousands: numbers beyond them only.
    CVE: a year whose NVD feed was made in a later year; a year that is to come. Samples, tables and recent changes
    prove nothing. Controls: only that a family has no such number. Advisories, rules and lists: never.
    """
    if form == "control":
        return int(_DIGITS.findall(uid)[0]) > _HIGHEST.get(uid[:2], 0)
    parts = {(unit.source, unit.part): unit.on for unit in knowledge.units}
    if form == "cve":
        year = uid[4:8]
        return int(year) > datetime.now(UTC).year + 1 or parts.get(("nvd", year), "")[:4] > year
    if form in ("technique", "attack"):
        return all(("attack", part) in parts for part in ("enterprise", "mobile", "ics"))
    if form == "numbered":
        prefix, number = uid.split("-")
        if prefix == "CWE" and ("cwe", "catalog") in parts:
            return True
        whole = ("cwe", "2000") in parts if prefix == "CWE" else ("capec", "") in parts
        return whole and int(number) > _last(knowledge, prefix) and int(number) % 1000 > 0
    return form == "countermeasure" and ("d3fend", "") in parts


def _last(knowledge: Knowledge, prefix: str) -> int:
    """The highest number in use."""
    sql = "SELECT max(CAST(substr(id, ?) AS INTEGER)) FROM record WHERE id BETWEEN ? AND ?"
    (last,) = knowledge.db.execute(sql, (len(prefix) + 2, f"{prefix}-", f"{prefix}-:")).fetchone()
    return last or 0


def _mention(text: str, one: _Found, row: _Row | None, lost: bool) -> Mention:
    spelled = text[one.start : one.end]
    if row is None:
        return Mention(one.id, spelled, one.start, one.end, State.UNKNOWN if lost else State.UNVERIFIABLE)
    kind, name, state, replaced_by = row
    return Mention(one.id, spelled, one.start, one.end, state, replaced_by, kind, name)
