"""MITRE ATT&CK: the STIX bundle of one domain (enterprise, mobile, ICS), as published, plain or compressed.

A relationship becomes a link of the record that it starts from, a matrix the order of its tactics: both are counted
among the skipped, with the reason that they are kept so. A bundle names its release only where it has an
`x-mitre-collection`; otherwise the release is "" and its date that of the newest object.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import cast

import msgspec

from vedette.errors import InputError, RecordError
from vedette.knowledge.inputs import HEAD, Input
from vedette.knowledge.readers import Reader, Tally, day
from vedette.knowledge.readers.attack_objects import (
    TYPES,
    Collection,
    Component,
    Index,
    Matrix,
    Mitigation,
    Object,
    Strategy,
    Tactic,
    Technique,
)
from vedette.knowledge.readers.stix import KEPT, Relationship, from_markdown, opens, read_objects
from vedette.knowledge.record import Domain, Link, Record, Rel, Status, Text

SOURCES = {"mitre-attack", "mitre-mobile-attack", "mitre-ics-attack"}
RELATIONS = {
    "uses": Rel.USES,
    "mitigates": Rel.MITIGATES,
    "detects": Rel.DETECTS,
    "attributed-to": Rel.ATTRIBUTED_TO,
    "subtechnique-of": Rel.CHILD_OF,
    "related-to": Rel.RELATED_TO,
}
UNUSED = {"identity": "identity", "marking-definition": "marking definition", "x-mitre-asset": "asset"}
_CHAIN = re.compile(rb'"kill_chain_name"\s*:\s*"mitre-(mobile-|ics-)?attack"')


def claims(source: Input) -> bool:
    """A domain's bundle, not one of the many bundles that hold a single object of it."""
    return opens(source, b'"x_mitre_', b'"x-mitre-') and (len(source.head) == HEAD or b"x-mitre-matrix" in source.head)


def part(source: Input) -> Domain:
    """The domain whose kill chain the techniques name; "" where none does."""
    chain = _CHAIN.search(source.head) or _CHAIN.search(source.read())
    prefix = (chain[1] or b"enterprise-") if chain else b""
    return cast(Domain, prefix.decode()[:-1])


def read(source: Input, tally: Tally) -> Iterator[Record]:
    domain, bundle = part(source), _collect(source, tally)
    if not (domain and bundle.matrices):
        what = "not a domain of ATT&CK: " + ("no matrix" if domain else "no technique names its kill chain")
        raise InputError(what, where=source.name, remedy="import enterprise-attack.json, mobile- or ics-attack.json")
    bundle.arrange()
    for relation in bundle.relationships:
        with _refusing(tally):
            tally.skip(bundle.relate(relation))
    for ref, item in bundle.objects.items():
        yield _record(ref, item, bundle, domain)


class Bundle:
    """A whole domain: objects first, then what is between them. Keys are STIX ids."""

    def __init__(self) -> None:
        self.index = Index()
        self.objects: dict[str, Object] = {}
        self.matrices: list[Matrix] = []
        self.relationships: list[Relationship] = []
        self.links: defaultdict[str, list[Link]] = defaultdict(list)
        self.replaced: dict[str, str] = {}

    def add(self, item: Object, tally: Tally) -> None:
        uid = _attack_id(item, tally)
        if not uid:
            return
        if uid in self.index.known or item.id in self.objects:
            raise RecordError(f"the id {uid} is given twice", where=item.id)
        self.objects[item.id], self.index.ids[item.id] = item, uid
        self.index.known.add(uid)

    def arrange(self) -> None:
        """The main matrix first: mobile has had a second one. Then tactics that are in no matrix."""
        for matrix in sorted(self.matrices, key=lambda m: (m.deprecated, -len(m.tactic_refs))):
            self._place(matrix.tactic_refs)
        self._place(sorted(self.objects))
        for ref, item in self.objects.items():
            if isinstance(item, Strategy):
                for analytic in item.analytics:
                    self.index.strategies[analytic].append(self.index.ids[ref])

    def _place(self, refs: Iterable[str]) -> None:
        for ref in refs:
            tactic = self.objects.get(ref)
            if isinstance(tactic, Tactic) and tactic.short_name not in self.index.tactics:
                self.index.places[tactic.short_name] = len(self.index.tactics)
                self.index.tactics[tactic.short_name] = self.index.ids[ref]

    def relate(self, relation: Relationship) -> str:
        """What became of it."""
        kind, start = relation.relationship_type, relation.source_ref
        source, target = self.index.ids.get(start), self.index.ids.get(relation.target_ref)
        if relation.revoked or relation.deprecated:
            return "relationship that is revoked or deprecated"
        if relation.target_ref.startswith("x-mitre-asset--"):
            return "relationship to an asset"
        if kind not in RELATIONS and kind != "revoked-by":
            raise RecordError(f"unknown relationship_type '{kind[:40]}'", where=relation.id)
        if not source or not target:
            return "relationship with an end that is not here"
        if kind == "revoked-by":
            self.replaced[start] = target
            return KEPT + "what replaces a revoked one"
        self.links[start].append(Link(RELATIONS[kind], target, text=from_markdown(relation.description)))
        return KEPT + "a link"


def _collect(source: Input, tally: Tally) -> Bundle:
    bundle, newest = Bundle(), ""
    for item in read_objects(source, tally, TYPES, UNUSED):
        with _refusing(tally):
            newest = max(newest, _sort(item, bundle, tally))
    tally.on = day(newest)
    return bundle


def _sort(item: msgspec.Struct, bundle: Bundle, tally: Tally) -> str:
    """Where it belongs; gives when it was modified."""
    match item:
        case Relationship():
            bundle.relationships.append(item)
            return item.modified
        case Object():
            bundle.add(item, tally)
            return item.modified
        case Matrix():
            bundle.matrices.append(item)
            tally.skip(KEPT + "the order of tactics")
        case Collection():
            tally.release = item.release
            tally.skip(KEPT + "the release")
            return item.modified
    return ""


@contextmanager
def _refusing(tally: Tally) -> Iterator[None]:
    """One record that is not as expected is told to `tally`; the rest goes on."""
    try:
        yield
    except RecordError as exc:
        tally.refuse(exc)


def _attack_id(item: Object, tally: Tally) -> str:
    """ "" where the object is skipped. Raises RecordError where it should have an id."""
    ids = [ref.external_id for ref in item.external_references if ref.source_name in SOURCES]
    for uid in ids:
        if re.fullmatch(item.form, uid, re.ASCII):
            return uid
    if isinstance(item, Mitigation) and any(re.fullmatch(Technique.form, uid, re.ASCII) for uid in ids):
        tally.skip("mitigation of before 2019, under its technique's id")
    elif isinstance(item, Component) and not ids:
        tally.skip("data component without an id (before release 18)")
    else:
        raise RecordError(f"no id of a {item.kind} in external_references", where=item.id)
    return ""


def _record(ref: str, item: Object, bundle: Bundle, domain: Domain) -> Record:
    links = sorted(bundle.links[ref], key=lambda link: (link.rel, link.to, link.text))
    name = " ".join(item.name.split())
    return Record(
        id=bundle.index.ids[ref],
        kind=item.kind,
        name=name,
        domain=domain,
        status=Status.REVOKED if item.revoked else Status.DEPRECATED if item.deprecated else Status.ACTIVE,
        replaced_by=bundle.replaced.get(ref, ""),
        published=day(item.created),
        modified=day(item.modified),
        aliases=tuple(a for a in dict.fromkeys(" ".join(a.split()) for a in item.other_names()) if a not in ("", name)),
        facts=item.facts(bundle.index),
        texts=tuple(Text(field, body) for field, body in item.texts() if body),
        links=tuple(dict.fromkeys((*item.links(bundle.index), *links))),
    )


READER = Reader("attack", claims, read, part)
