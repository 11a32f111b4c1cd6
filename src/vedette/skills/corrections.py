"""What analysts found wrong in answers: one file for a site, a JSON line each, that only grows.

A line is never changed: a later one of the same analyst about the same text takes the place of an earlier one. Where
two analysts differ, nobody is right until they agree.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import msgspec
from cvss import CVSS3
from cvss.exceptions import CVSSError

from vedette.errors import ConfigError, InputError
from vedette.guard.claims import LONGEST as CLAIM
from vedette.guard.neutralise import printable
from vedette.knowledge.ids import canonical
from vedette.knowledge.record import Kind, Status
from vedette.knowledge.store import Knowledge
from vedette.manifest import output_error

NAME = "corrections.jsonl"  # in the folder of a site
LONGEST, NOTE, WHO = 20_000, 2_000, 80  # characters
MOST = 200_000  # lines that are read
_BASE = ("AV", "AC", "PR", "UI", "S", "C", "I", "A")


class Skill(StrEnum):
    WEAKNESS = "weakness"
    SEVERITY = "severity"
    TECHNIQUES = "techniques"
    EXPLANATION = "explanation"  # of a triage case, by a language model


class Correction(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`right` is empty where the text supports no answer; of an explanation: the claims that should have been made."""

    skill: Skill
    text: str  # what was asked about; of an explanation: the claim that is wrong, "" where one was missing
    right: tuple[str, ...]
    answered: tuple[str, ...] = ()
    about: str = ""  # the CVE whose description `text` is, or the case that was explained
    who: str
    when: str  # UTC, ISO 8601
    note: str = ""

    @property
    def subject(self) -> tuple[str, str, str]:
        """Equal for two that speak of the same."""
        return self.skill, self.about if self.skill is Skill.EXPLANATION else "", " ".join(self.text.split())


@dataclass(frozen=True, slots=True)
class Settled:
    """What holds: `disputed` are those of which analysts say different things."""

    held: tuple[Correction, ...]
    disputed: tuple[Correction, ...]
    replaced: int


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def checked(one: Correction, store: Knowledge) -> Correction:
    """With ids in their usual spelling. Raises ConfigError for what cannot be right."""
    if not one.text.strip() and one.skill is not Skill.EXPLANATION:
        raise ConfigError("there is no text that was asked about", remedy="give a text, or a CVE that the store has")
    limits = ((one.text, LONGEST, "text"), (one.note, NOTE, "note"), (one.who, WHO, "name"))
    for value, most, what in limits:
        if len(value) > most:
            raise ConfigError(f"a {what} of {len(value):,} characters", remedy=f"{most:,} are the most")
    if not one.who.strip() or not one.who.isprintable():
        raise ConfigError(f"'{printable(one.who, 40)}' names nobody", remedy="say with --who who found it")
    right = tuple(dict.fromkeys(_RIGHT[one.skill](one, store)))
    return msgspec.structs.replace(one, right=right)


def _weakness(one: Correction, store: Knowledge) -> Iterator[str]:
    if len(one.right) > 1:
        raise ConfigError(f"{len(one.right)} weaknesses", remedy="name the one that is the root cause")
    for uid in one.right:
        yield _known(uid, Kind.WEAKNESS, store)


def _techniques(one: Correction, store: Knowledge) -> Iterator[str]:
    return (_known(uid, Kind.TECHNIQUE, store) for uid in one.right)


def _known(uid: str, kind: Kind, store: Knowledge) -> str:
    name = canonical(uid)
    entry = store.get(name) if name else None
    if name is None or entry is None or entry.kind is not kind:
        remedy = f"`vedette knowledge search` finds the id of a {kind}"
        raise ConfigError(f"'{printable(uid, 40)}' is no {kind} that the knowledge store has", remedy=remedy)
    if entry.status is not Status.ACTIVE:
        today = f"use {entry.replaced_by}" if entry.replaced_by else "use one that is in force"
        raise ConfigError(f"{name} is {entry.status}", remedy=today)
    return name


def _severity(one: Correction, _: Knowledge) -> Iterator[str]:
    if len(one.right) != 1:
        raise ConfigError(f"{len(one.right)} vectors", remedy="give the one that is right")
    (vector,) = one.right
    try:
        CVSS3(vector)
    except CVSSError as exc:
        remedy = "write it as CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
        raise ConfigError(f"'{printable(vector, 80)}' is no CVSS v3 vector: {exc}", remedy=remedy) from exc
    given = dict(part.split(":", 1) for part in vector.split("/"))
    yield "/".join([f"CVSS:{given['CVSS']}", *(f"{name}:{given[name]}" for name in _BASE)])


def _claims(one: Correction, _: Knowledge) -> Iterator[str]:
    if not one.about:
        raise ConfigError("no case is named", remedy="copy its id from the queue")
    if not one.right and not one.text.strip():
        raise ConfigError("nothing is corrected", remedy="give the claim that is wrong, the right one, or both")
    for claim in one.right:
        if len(claim) > CLAIM or not claim.isprintable() or not claim.strip():
            raise ConfigError("no claim", remedy=f"a claim is one line of at most {CLAIM} characters")
        yield claim.strip()


_RIGHT = {
    Skill.WEAKNESS: _weakness,
    Skill.TECHNIQUES: _techniques,
    Skill.SEVERITY: _severity,
    Skill.EXPLANATION: _claims,
}


def append(path: Path, one: Correction) -> None:
    """On the disk when it returns; a line that a kill cut off before stays cut off. Raises OutputError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            torn = file.seek(0, os.SEEK_END) > 0 and _last(file.fileno(), file.tell()) != b"\n"
            os.write(file.fileno(), b"\n" * torn + msgspec.json.encode(one) + b"\n")  # one write: lines never mix
            os.fsync(file.fileno())
    except OSError as exc:
        raise output_error(path, exc) from exc


def _last(descriptor: int, end: int) -> bytes:
    os.lseek(descriptor, end - 1, os.SEEK_SET)
    return os.read(descriptor, 1)


def read(path: Path) -> Iterator[tuple[int, Correction | str]]:
    """Of each line its number, and the correction, or why it cannot be used. Raises InputError."""
    with _opened(path) as lines:
        for number, line in enumerate(lines, 1):
            if number > MOST:
                yield number, f"more than {MOST:,} lines: the rest was not read"
                return
            if line.strip():
                yield number, _read(line)


def _read(line: bytes) -> Correction | str:
    try:
        return msgspec.json.decode(line, type=Correction)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        return f"no correction: {exc}"[:200]


@contextmanager
def _opened(path: Path) -> Iterator[Iterable[bytes]]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as exc:
        remedy = "`vedette correct` writes one; give its path"
        raise InputError(f"no corrections: {exc.strerror}", where=str(path), remedy=remedy) from exc


def settled(every: Sequence[Correction]) -> Settled:
    """Which of them hold, each subject once."""
    last: dict[tuple[str, str, str], dict[str, Correction]] = {}
    for one in every:
        of = last.setdefault(one.subject, {})
        of.pop(one.who, None)
        of[one.who] = one
    held: list[Correction] = []
    disputed: list[Correction] = []
    for by in last.values():
        said = list(by.values())
        differ = len({tuple(sorted(one.right)) for one in said}) > 1 and said[0].skill is not Skill.EXPLANATION
        if differ:
            disputed += said
        else:
            held += said if said[0].skill is Skill.EXPLANATION else said[-1:]
    return Settled(tuple(held), tuple(disputed), len(every) - len(held) - len(disputed))
