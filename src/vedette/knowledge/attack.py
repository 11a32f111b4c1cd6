"""MITRE ATT&CK's tactics and techniques, from the shipped facts: at hand in milliseconds, the same in every run.

An id that is not in it is not known to be wrong: views show it as `T9999 (unverified)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from vedette.knowledge import facts
from vedette.knowledge.record import Kind, Rel, Status, TacticFacts, TechniqueFacts

DOMAINS = ("enterprise", "mobile", "ics")


@dataclass(frozen=True, slots=True)
class Tactic:
    short_name: str
    id: str
    name: str
    domain: str  # "enterprise", "mobile" or "ics"
    order: int  # in the domain's matrix, from 0


@dataclass(frozen=True, slots=True)
class Technique:
    id: str
    name: str
    domain: str
    tactics: tuple[str, ...]  # short names, in the order of the matrix
    parent: str  # id of the technique that this is a sub-technique of, or ""
    replaced_by: str  # id, where this one was revoked, or ""
    deprecated: bool


def technique(uid: str) -> Technique | None:
    """As the release states it; a revoked one has `replaced_by`."""
    return _techniques().get(uid)


def resolve(uid: str) -> Technique | None:
    """The technique that is in force under this id today: revoked ones are followed to the end."""
    seen: set[str] = set()
    found = technique(uid)
    while found and found.replaced_by and found.id not in seen:
        seen.add(found.id)
        found = technique(found.replaced_by)
    return found


def tactic(short_name: str) -> Tactic | None:
    """Enterprise's tactic where domains share the short name."""
    return _tactics().get(short_name)


@cache
def enterprise_tactics() -> tuple[Tactic, ...]:
    """All fourteen, in the order of the kill chain."""
    return tuple(sorted((t for t in _tactics().values() if t.domain == "enterprise"), key=lambda t: t.order))


def tactic_order(short_name: str) -> int:
    """Place in the enterprise kill chain, from 0; what is not in it comes after it."""
    found = _tactics().get(short_name)
    return found.order if found and found.domain == "enterprise" else len(enterprise_tactics())


@cache
def _tactics() -> dict[str, Tactic]:
    table: dict[str, Tactic] = {}
    for domain in DOMAINS:
        for record in facts.records(f"attack/{domain}", {Kind.TACTIC}):
            if isinstance(record.facts, TacticFacts):
                short_name = record.facts.short_name
                table.setdefault(short_name, Tactic(short_name, record.id, record.name, domain, record.facts.order))
    return table


@cache
def _techniques() -> dict[str, Technique]:
    table: dict[str, Technique] = {}
    for domain in DOMAINS:
        for record in facts.records(f"attack/{domain}", {Kind.TECHNIQUE}):
            tactics = record.facts.tactics if isinstance(record.facts, TechniqueFacts) else ()
            parent = next((link.to for link in record.links if link.rel is Rel.CHILD_OF), "")
            dropped = record.status is Status.DEPRECATED
            found = Technique(record.id, record.name, domain, tactics, parent, record.replaced_by, dropped)
            table.setdefault(record.id, found)
    return table
