"""MITRE ATT&CK as facts: ids, names and links, read from the shipped TSVs when somebody asks.

An id that is not in it is not known to be wrong: views show it as `T9999 (unverified)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


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
    for short_name, uid, name, domain, order in _rows("attack_tactics.tsv"):
        table.setdefault(short_name, Tactic(short_name, uid, name, domain, int(order)))
    return table


@cache
def _techniques() -> dict[str, Technique]:
    return {
        uid: Technique(uid, name, domain, tuple(tactics.split(",")) if tactics else (), parent, replaced, bool(dropped))
        for uid, name, domain, tactics, parent, replaced, dropped in _rows("attack_techniques.tsv")
    }


def _rows(name: str) -> Iterator[list[str]]:
    lines = (files("vedette.knowledge") / "facts" / name).read_text("utf-8").splitlines()
    rows = (line.split("\t") for line in lines if not line.startswith("#"))
    next(rows)  # the columns' names
    return rows
