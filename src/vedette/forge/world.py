"""The knowledge store as tasks look at it: entries by kind, links in both directions, what is near.

Everything but vulnerabilities is held in memory (some 15,000 entries); those are read from the store one by one.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette.forge.example import Source
from vedette.knowledge.record import Cvss, Facts, Kind, Link, Record, Rel, VulnerabilityFacts, decode
from vedette.knowledge.sources import rank, sources
from vedette.knowledge.spool import encoder
from vedette.knowledge.store import Knowledge

FEW = 5  # vulnerabilities that are remembered of one vector
ALIKE = 12  # neighbours by meaning that wrong options are drawn from


@dataclass(frozen=True, slots=True)
class Entry:
    """What all sources together say of one id; facts and texts of the first that has them."""

    id: str
    kind: Kind
    name: str
    domain: str
    facts: Facts | None
    texts: dict[str, str]  # field → text
    links: tuple[Link, ...]
    units: tuple[str, ...]  # whose records these are, in order of precedence
    published: str
    aliases: tuple[str, ...] = ()  # that the first of the units gives

    @property
    def text(self) -> str:
        return self.texts.get("description", "")

    @property
    def label(self) -> str:
        """ "T1003.001 (LSASS Memory)"."""
        return f"{self.id} ({self.name})" if self.name not in ("", self.id) else self.id


@dataclass(frozen=True, slots=True)
class Tie:
    """A link as seen from one of its ends: to the other one, with what the source says about it."""

    other: str
    text: str
    note: str


class World:
    def __init__(self, store: Knowledge) -> None:
        self.store = store
        self._made: dict[Kind, tuple[list[Entry], NDArray[np.float32]]] = {}
        self._units = {unit.name: unit for unit in store.units}
        self._listed: dict[tuple[Rel | None, str], list[str]] = {}  # ids of vulnerabilities
        self._neighbours: dict[str, list[Entry]] = {}

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """Active ones by id, vulnerabilities left out."""
        sql = "SELECT unit, body FROM record WHERE kind <> 'vulnerability' AND status = 'active' ORDER BY id, unit"
        return {entry.id: entry for entry in _merged(self.store, self.store.db.execute(sql)) if entry.name}

    @cached_property
    def _kinds(self) -> dict[Kind, list[Entry]]:
        found: dict[Kind, list[Entry]] = {}
        for entry in self.entries.values():
            found.setdefault(entry.kind, []).append(entry)
        return found

    @cached_property
    def _ties(self) -> tuple[dict[tuple[str, Rel], list[Tie]], dict[tuple[str, Rel], list[Tie]]]:
        out: dict[tuple[str, Rel], list[Tie]] = {}
        into: dict[tuple[str, Rel], list[Tie]] = {}
        for entry in self.entries.values():
            for link in entry.links:
                out.setdefault((entry.id, link.rel), []).append(Tie(link.to, link.text, link.note))
                into.setdefault((link.to, link.rel), []).append(Tie(entry.id, link.text, link.note))
        return out, into

    def of(self, kind: Kind, domain: str = "") -> list[Entry]:
        """Entries of a kind, in the order of their ids."""
        return [e for e in self._kinds.get(kind, []) if not domain or e.domain == domain]

    def shuffled(self, kind: Kind, rng: Random, domain: str = "") -> list[Entry]:
        found = self.of(kind, domain)
        rng.shuffle(found)
        return found

    def get(self, uid: str) -> Entry | None:
        return self.entries.get(uid)

    def out(self, uid: str, rel: Rel, kind: Kind | None = None) -> list[Tie]:
        """Links from an entry to active ones that the store has, each target once."""
        return self._known(self._ties[0].get((uid, rel), ()), kind)

    def into(self, uid: str, rel: Rel, kind: Kind | None = None) -> list[Tie]:
        """Links of others to an entry, each of them once."""
        return self._known(self._ties[1].get((uid, rel), ()), kind)

    def _known(self, ties: Sequence[Tie], kind: Kind | None) -> list[Tie]:
        found: dict[str, Tie] = {}
        for tie in ties:
            other = self.entries.get(tie.other)
            if other is not None and (kind is None or other.kind is kind):
                found.setdefault(tie.other, tie)
        return list(found.values())

    def label(self, uid: str) -> str:
        entry = self.entries.get(uid)
        return entry.label if entry else uid

    def near(self, uid: str, rng: Random, count: int, besides: Collection[str] = ()) -> list[Entry]:
        """Entries of the same kind that are easily taken for this one: of its family, or alike in meaning."""
        own = self.entries[uid]
        refused = {uid, *besides}
        family = [e for tie in self.out(uid, Rel.CHILD_OF) for e in self._children(tie.other) if e.id not in refused]
        alike = [e for e in self._alike(own) if e.id not in refused]
        found = list({e.id: e for e in [*family, *alike] if e.kind is own.kind and e.domain == own.domain}.values())
        rng.shuffle(found)
        if len(found) < count:
            refused |= {e.id for e in found}
            rest = [e for e in self.of(own.kind, own.domain) if e.id not in refused]
            found += rng.sample(rest, min(count - len(found), len(rest)))
        return found[:count]

    def _children(self, uid: str) -> list[Entry]:
        return [self.entries[tie.other] for tie in self.into(uid, Rel.CHILD_OF)]

    def _alike(self, own: Entry) -> list[Entry]:
        if own.id not in self._neighbours:
            self._neighbours[own.id] = self._by_meaning(own)
        return self._neighbours[own.id]

    def _by_meaning(self, own: Entry) -> list[Entry]:
        same, vectors = self._vectors(own.kind)
        places = {e.id: n for n, e in enumerate(same)}
        scores = vectors @ vectors[places[own.id]]
        best = np.argsort(-scores, kind="stable")[: ALIKE + 1]
        return [same[int(n)] for n in best if same[int(n)].id != own.id]

    def _vectors(self, kind: Kind) -> tuple[list[Entry], NDArray[np.float32]]:
        if kind not in self._made:
            same = self.of(kind)
            texts = [f"{e.name}. {e.text[:400]}" for e in same]
            self._made[kind] = same, np.asarray(encoder("static").encode(texts), dtype=np.float32)
        return self._made[kind]

    def vulnerabilities(self, rng: Random, count: int, linked: Rel | None = None, fact: str = "") -> Iterator[Entry]:
        """Up to so many active ones in a random order; `linked`: only those that have such a link.

        `fact`: only those of which a source states this fact, as "kev": a field of VulnerabilityFacts.
        """
        ids = self._vulnerable(linked, fact)
        chosen = rng.sample(ids, min(count, len(ids)))
        for start in range(0, len(chosen), 500):
            part = json.dumps(chosen[start : start + 500])
            rows = self.store.db.execute(
                "SELECT r.unit, r.body FROM json_each(?) j JOIN record r ON r.id = j.value ORDER BY j.key, r.unit",
                (part,),
            )
            for entry in _merged(self.store, rows):
                if entry.text:
                    yield entry

    def _vulnerable(self, linked: Rel | None, fact: str) -> list[str]:
        if (linked, fact) not in self._listed:
            where = "AND number IN (SELECT record FROM link WHERE rel = ?)" if linked else ""
            where += " AND instr(body, ?) > 0" if fact else ""  # a quote within a text is escaped: no text matches
            sql = (
                f"SELECT DISTINCT id FROM record WHERE kind = 'vulnerability' AND status = 'active' {where} ORDER BY id"  # noqa: S608
            )
            values = [*([linked] if linked else []), *([f'"{fact}":'.encode()] if fact else [])]
            self._listed[linked, fact] = [uid for (uid,) in self.store.db.execute(sql, values)]
        return self._listed[linked, fact]

    def source(self, uid: str, units: Sequence[str] = ()) -> Source:
        """Of an entry by its first unit; `units` of one that is not in memory, or else they are looked up."""
        if uid.startswith("made:"):  # scenes of `forge.scene`: ours
            return Source(uid, "vedette/forge", "1", "Apache-2.0")
        entry = self.entries.get(uid)
        first = (units or (entry.units if entry else self._units_of(uid)) or ("",))[0]
        unit = self._units.get(first)
        known = sources().get(unit.source) if unit else None
        return Source(uid, first, (unit.release or unit.on) if unit else "", known.licence if known else "")

    def _units_of(self, uid: str) -> tuple[str, ...]:
        rows = self.store.db.execute("SELECT unit FROM record WHERE id = ?", (uid,))
        names = [self.store.unit_numbers[number].name for (number,) in rows]
        return tuple(sorted(names, key=lambda name: (rank(name.partition("/")[0]), name)))

    @cached_property
    def vectors(self) -> dict[str, list[str]]:
        """Every CVSS vector as sources write it, with ids of vulnerabilities that have it: a few of them."""
        sql = (
            "SELECT id, json_extract(CAST(body AS TEXT), '$.facts.cvss') FROM record "
            "WHERE kind = 'vulnerability' AND status = 'active' AND instr(body, ?) > 0 ORDER BY id"
        )
        found: dict[str, list[str]] = {}
        for uid, raw in self.store.db.execute(sql, (b'"cvss":',)):
            for one in msgspec.json.decode(raw, type=list[Cvss]) if raw else ():
                ids = found.setdefault(one.vector, [])
                if len(ids) < FEW:
                    ids.append(uid)
        return found

    @cached_property
    def mapped(self) -> dict[str, int]:
        """Weakness → how many statements give it to a vulnerability."""
        sql = "SELECT target, count(*) FROM link WHERE rel = ? GROUP BY target"
        return dict(self.store.db.execute(sql, (Rel.HAS_WEAKNESS,)))


def _merged(store: Knowledge, rows: Iterable[tuple[int, bytes]]) -> Iterator[Entry]:
    """Consecutive records of one id become one entry."""
    group: list[tuple[str, Record]] = []
    names = {number: unit.name for number, unit in store.unit_numbers.items()}
    last = ""
    for number, body in rows:
        record = decode(body)
        if record.id != last and group:
            yield _entry(group)
            group = []
        last = record.id
        group.append((names[number], record))
    if group:
        yield _entry(group)


def _entry(group: list[tuple[str, Record]]) -> Entry:
    ordered = sorted(group, key=lambda one: (rank(one[0].partition("/")[0]), one[0]))
    records = [record for _, record in ordered]
    first = records[0]
    texts: dict[str, str] = {}
    for record in records:
        for text in record.texts:
            texts.setdefault(text.field, text.body)
    return Entry(
        id=first.id,
        kind=first.kind,
        name=next((r.name for r in records if r.name), ""),
        domain=next((r.domain for r in records if r.domain), ""),
        facts=_facts(records),
        texts=texts,
        links=tuple(link for r in records for link in r.links),
        units=tuple(name for name, _ in ordered),
        published=first.published,
        aliases=first.aliases,
    )


def _facts(records: Sequence[Record]) -> Facts | None:
    """Of the first that has any; of a vulnerability, each fact of the first that states it."""
    known = [record.facts for record in records if record.facts]
    stated = [facts for facts in known if isinstance(facts, VulnerabilityFacts)]
    if len(stated) < 2:
        return known[0] if known else None
    fields = VulnerabilityFacts.__struct_fields__
    return VulnerabilityFacts(
        **{f: next((v for one in stated if (v := getattr(one, f))), getattr(stated[0], f)) for f in fields}
    )
