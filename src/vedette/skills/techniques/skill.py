"""Decide by the expert's probabilities; the store names what was found and says which tactics it serves."""

from __future__ import annotations

from functools import cache

import msgspec

from vedette.experts.answers import Technique, Techniques
from vedette.knowledge.record import Rel, Status
from vedette.knowledge.store import Knowledge

QUOTE = 300  # characters of a quote


class Quote(msgspec.Struct, frozen=True):
    text: str
    start: int  # characters in the text that was given
    end: int
    probability: float


class Told(msgspec.Struct, frozen=True):
    id: str
    name: str
    tactics: tuple[str, ...]
    probability: float
    quotes: tuple[Quote, ...]
    note: str = ""  # revoked, deprecated; "unverified" where the store does not hold the id


class TechniquesFinding(msgspec.Struct, frozen=True):
    id: str
    techniques: tuple[Told, ...]
    considered: tuple[Told, ...]  # under the threshold
    reason: str  # why there are none
    parts: int  # sentences and clauses that were read
    domains: tuple[str, ...]  # of ATT&CK, whose techniques were looked for
    unverified: tuple[str, ...]
    model: str


class Catalogue:
    """What the store says about techniques; each is looked up once."""

    def __init__(self, store: Knowledge) -> None:
        self._store = store
        self.known = cache(self._known)

    def _known(self, uid: str) -> tuple[str, tuple[str, ...], str]:
        """Name, tactics, note."""
        entry = self._store.get(uid)
        if entry is None:
            return "", (), "unverified"
        links = (link.to for s in entry.statements for link in s.record.links if link.rel is Rel.MEMBER_OF)
        tactics = [to for to in dict.fromkeys(links) if to.startswith("TA")]
        names = self._store.names(tactics)
        note = "" if entry.status is Status.ACTIVE else f"{entry.status} {entry.replaced_by}".strip()
        return entry.name, tuple(names.get(to, to) for to in tactics), note


def find(uid: str, text: str, answer: Techniques, catalogue: Catalogue, model: str) -> TechniquesFinding:
    found = tuple(_told(one, text, catalogue) for one in answer.found)
    considered = tuple(_told(one, text, catalogue) for one in answer.considered)
    missing = tuple(one.id for one in (*found, *considered) if one.note == "unverified")
    return TechniquesFinding(
        uid, found, considered, str(answer.reason), answer.parts, answer.domains, missing, model
    )  # fmt: skip


def _told(technique: Technique, text: str, catalogue: Catalogue) -> Told:
    name, tactics, note = catalogue.known(technique.id)
    quotes = tuple(Quote(text[s.start : s.end][:QUOTE], s.start, s.end, s.probability) for s in technique.spans)
    return Told(technique.id, name, tactics, technique.probability, quotes, note)
