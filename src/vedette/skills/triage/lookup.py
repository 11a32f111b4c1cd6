"""What the knowledge store says about one ATT&CK technique, tactic, mitigation or group; each is looked up once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from vedette.knowledge import attack
from vedette.knowledge.record import Kind, Rel, Status, TacticFacts, TechniqueFacts
from vedette.knowledge.store import Entry, Knowledge
from vedette.knowledge.unit import content_hash
from vedette.types import KnownTactic, KnownTechnique

UNVERIFIED = "unverified"
NOT_ADVICE = "M1055"  # "Do Not Mitigate"
_SOURCE = "attack"
_LINKED = """
SELECT DISTINCT r.id FROM link l JOIN record r ON r.number = l.record
WHERE l.target = ? AND l.rel = ? AND r.kind = ? AND r.status = 'active' ORDER BY r.id
"""


@dataclass(frozen=True, slots=True)
class Studied:
    """One technique as a rule states it, and what is linked to it."""

    known: KnownTechnique
    id: str = ""  # in force today; "" where the store does not hold it
    parent: str = ""
    tactics: tuple[str, ...] = ()  # ids
    mitigations: tuple[tuple[str, str], ...] = ()  # id, and the parent that it is inferred by or ""
    groups: frozenset[str] = frozenset()  # that use it or a sub-technique of it


class Lookup:
    """Over an open store. Raises what the store raises."""

    def __init__(self, store: Knowledge) -> None:
        self._store = store
        self._entry = cache(store.get)
        self.technique = cache(self._technique)
        self.tactic = cache(self._tactic)
        self.name = cache(self._name)
        self.aliases = cache(self._aliases)

    def release(self) -> str:
        """`ATT&CK 18.1, 2025-11-12, content bd2e5c209fa8`; the hash is over all its domains."""
        units = [unit for unit in self._store.units if unit.source == _SOURCE]
        if not units:
            return "shipped facts only"
        releases = " and ".join(dict.fromkeys(unit.release for unit in units if unit.release))
        published = next((unit.on for unit in units if unit.on), "")  # of the first domain, enterprise
        content = content_hash(bytes.fromhex(unit.content) for unit in units)[:12]
        return ", ".join(part for part in (f"ATT&CK {releases}".rstrip(), published, f"content {content}") if part)

    def _name(self, uid: str) -> str:
        return self._store.names([uid]).get(uid, "")

    def _aliases(self, uid: str) -> tuple[str, ...]:
        entry = self._entry(uid)
        return entry.first.record.aliases if entry else ()

    def _tactic(self, uid: str) -> KnownTactic | None:
        entry = self._entry(uid)
        facts = entry.first.record.facts if entry else None
        if entry is None or not isinstance(facts, TacticFacts):
            return None
        return KnownTactic(short_name=facts.short_name, id=uid, name=entry.name)

    def _technique(self, uid: str) -> Studied:
        """An id of something else that the store holds is no technique."""
        stated = self._told(uid)
        now = self._told(self._in_force(uid)) if stated else None
        if stated is None or now is None:
            return Studied(_by_shipped_facts(uid))
        facts = now.first.record.facts
        parent = next(_targets(now, Rel.CHILD_OF), "")
        broader = self._told(parent)
        known = KnownTechnique(
            id=uid,
            status=stated.status.value,
            name=f"{broader.name}: {now.name}" if broader else now.name,
            replaced_by=now.id if now.id != uid else "",
            tactics=facts.tactics if isinstance(facts, TechniqueFacts) else (),
        )
        tactics, mitigations = tuple(_targets(now, Rel.MEMBER_OF)), tuple(self._mitigations(now.id, parent))
        return Studied(known, now.id, parent, tactics, mitigations, self._groups(now.id))

    def _told(self, uid: str) -> Entry | None:
        entry = self._entry(uid)
        return entry if entry and entry.kind is Kind.TECHNIQUE else None

    def _in_force(self, uid: str) -> str:
        found = self._store.in_force(uid)
        return found.id if found else uid

    def _mitigations(self, uid: str, parent: str) -> Iterator[tuple[str, str]]:
        """What is stated for the technique itself, then what is stated for its parent only."""
        stated = self._linked(uid, Rel.MITIGATES, Kind.MITIGATION)
        broader = self._linked(parent, Rel.MITIGATES, Kind.MITIGATION) if parent else []
        found = [(one, "") for one in stated] + [(one, parent) for one in broader if one not in stated]
        return ((one, by) for one, by in found if one != NOT_ADVICE)

    def _groups(self, uid: str) -> frozenset[str]:
        narrower = self._linked(uid, Rel.CHILD_OF, Kind.TECHNIQUE)
        return frozenset(group for one in (uid, *narrower) for group in self._linked(one, Rel.USES, Kind.GROUP))

    def _linked(self, target: str, rel: Rel, kind: Kind) -> list[str]:
        return [uid for (uid,) in self._store.db.execute(_LINKED, (target, rel, kind))]


def _targets(entry: Entry, rel: Rel) -> Iterator[str]:
    return (link.to for said in entry.statements for link in said.record.links if link.rel is rel)


def _by_shipped_facts(uid: str) -> KnownTechnique:
    """Where the store does not hold the id."""
    stated, found = attack.technique(uid), attack.resolve(uid)
    if stated is None or found is None:
        return KnownTechnique(id=uid, status=UNVERIFIED)
    parent = attack.technique(found.parent)
    return KnownTechnique(
        id=uid,
        status=Status.REVOKED if stated.replaced_by else Status.DEPRECATED if stated.deprecated else Status.ACTIVE,
        name=f"{parent.name}: {found.name}" if parent else found.name,
        replaced_by=found.id if found.id != uid else "",
        tactics=found.tactics,
    )
