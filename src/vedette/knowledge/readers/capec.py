"""CAPEC: attack patterns as a STIX bundle (2.0 and 2.1), plain or compressed.

The bundle has patterns and, as objects of their own, each pattern's mitigations: these and their relationships become
the pattern's text "mitigations" and are counted among the skipped, with the reason that they are kept so. It has no
categories and views, which are in CAPEC's XML only, and no date of its release: that of the newest pattern is given.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from vedette.errors import InputError, RecordError
from vedette.knowledge.inputs import Input
from vedette.knowledge.readers import Reader, Tally, day
from vedette.knowledge.readers.stix import KEPT, Item, Relationship, from_html, opens, read_objects
from vedette.knowledge.record import Kind, Link, PatternFacts, Record, Rel, Status, Text

UNUSED = {"identity": "identity", "marking-definition": "marking definition"}
_TECHNIQUE = re.compile(r"T?(\d{4}(?:\.\d{3})?)", re.ASCII)
_MENTION = re.compile(r"CAPEC[-: ]\s?(\d{1,9})", re.ASCII)


def _x(name: str) -> str:
    return msgspec.field(name=f"x_capec_{name}", default="")


def _xs(name: str) -> list[str]:
    return msgspec.field(name=f"x_capec_{name}", default=[])


class Pattern(Item, kw_only=True):
    abstraction: str = _x("abstraction")
    status: str = _x("status")
    likelihood: str = _x("likelihood_of_attack")
    severity: str = _x("typical_severity")
    version: str = _x("version")
    extended: str = _x("extended_description")
    flow: str = _x("execution_flow")
    aliases: list[str] = _xs("alternate_terms")
    prerequisites: list[str] = _xs("prerequisites")
    resources: list[str] = _xs("resources_required")
    examples: list[str] = _xs("example_instances")
    child_of: list[str] = _xs("child_of_refs")
    can_precede: list[str] = _xs("can_precede_refs")
    peers: list[str] = _xs("peer_of_refs")
    skills: dict[str, str] = msgspec.field(name="x_capec_skills_required", default={})
    consequences: dict[str, list[str]] = msgspec.field(name="x_capec_consequences", default={})


class Mitigation(Item, kw_only=True):
    pass


TYPES: dict[str, type[msgspec.Struct]] = {
    "attack-pattern": Pattern,
    "course-of-action": Mitigation,
    "relationship": Relationship,
}


def claims(source: Input) -> bool:
    """The whole of CAPEC, not one of the bundles that hold a single object of it."""
    return opens(source, b'"x_capec_') and len(re.findall(rb'"type"\s*:', source.head)) > 2


def read(source: Input, tally: Tally) -> Iterator[Record]:
    bundle = _Bundle()
    for item in read_objects(source, tally, TYPES, UNUSED):
        try:
            bundle.add(item)
        except RecordError as exc:
            tally.refuse(exc)
    if not bundle.patterns:
        raise InputError("holds no attack pattern of CAPEC", where=source.name, remedy="import stix-capec.json")
    tally.on = day(max(pattern.modified for pattern in bundle.patterns.values()))
    tally.release = _newest(pattern.version for pattern in bundle.patterns.values())
    bundle.advise(tally)
    for ref in bundle.patterns:
        yield _record(ref, bundle)


class _Bundle:
    """Keys are STIX ids."""

    def __init__(self) -> None:
        self.patterns: dict[str, Pattern] = {}
        self.ids: dict[str, str] = {}  # → CAPEC's
        self.known: set[str] = set()  # CAPEC's
        self.mitigations: dict[str, Mitigation] = {}
        self.relationships: list[Relationship] = []
        self.advice: defaultdict[str, list[str]] = defaultdict(list)  # pattern → mitigations

    def add(self, item: msgspec.Struct) -> None:
        match item:
            case Pattern():
                uid = _capec_id(item)
                if uid in self.known or item.id in self.patterns:
                    raise RecordError(f"the id {uid} is given twice", where=item.id)
                self.patterns[item.id], self.ids[item.id] = item, uid
                self.known.add(uid)
            case Mitigation():
                if item.id in self.mitigations:
                    raise RecordError("the mitigation is given twice", where=item.id)
                self.mitigations[item.id] = item
            case Relationship():
                self.relationships.append(item)

    def advise(self, tally: Tally) -> None:
        for relation in self.relationships:
            kind, source, target = relation.relationship_type, relation.source_ref, relation.target_ref
            if kind != "mitigates":
                tally.refuse(RecordError(f"unknown relationship_type '{kind[:40]}'", where=relation.id))
            elif source not in self.mitigations or target not in self.patterns:
                tally.skip("relationship with an end that is not here")
            else:
                tally.skip(KEPT + "a text's place")
                self.advice[target].append(source)
        used = {ref for refs in self.advice.values() for ref in refs}
        for ref in self.mitigations:
            tally.skip(KEPT + "a pattern's text" if ref in used else "mitigation of no pattern")

    def mitigation_texts(self, pattern: str) -> list[str]:
        """In the publisher's order, which is in their names: coa-66-0, coa-66-1."""
        texts = [self.mitigations[ref] for ref in dict.fromkeys(self.advice[pattern])]
        return [item.description for item in sorted(texts, key=lambda item: _numbers(item.name))]


def _capec_id(pattern: Pattern) -> str:
    for ref in pattern.external_references:
        if ref.source_name == "capec" and re.fullmatch(r"CAPEC-[1-9]\d*", ref.external_id, re.ASCII):
            return ref.external_id
    raise RecordError("no id of CAPEC in external_references", where=pattern.id)


def _newest(versions: Iterable[str]) -> str:
    """ "3.10" is newer than "3.9"."""
    return max(set(versions), key=lambda version: (_numbers(version), version), default="")


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d{1,9}", text, re.ASCII)]


def _record(ref: str, bundle: _Bundle) -> Record:
    item, uid = bundle.patterns[ref], bundle.ids[ref]
    retired = item.revoked or item.status in ("Deprecated", "Obsolete")
    name = " ".join(item.name.split())
    return Record(
        id=uid,
        kind=Kind.PATTERN,
        name=name,
        status=Status.DEPRECATED if retired else Status.ACTIVE,
        replaced_by=_replacement(uid, item.description, bundle.known) if retired else "",
        published=day(item.created),
        modified=day(item.modified),
        aliases=tuple(a for a in dict.fromkeys(" ".join(a.split()) for a in item.aliases) if a not in ("", name)),
        facts=PatternFacts(item.abstraction, item.likelihood, item.severity),
        texts=tuple(Text(field, body) for field, body in _texts(item, bundle.mitigation_texts(ref)) if body),
        links=tuple(dict.fromkeys(_links(item, bundle.ids))),
    )


def _replacement(uid: str, description: str, known: set[str]) -> str:
    """The pattern that the note of a deprecated one refers to; "" where it names none, several or a category."""
    named = {f"CAPEC-{int(number)}" for number in _MENTION.findall(description)} - {uid}
    return named.pop() if len(named) == 1 and named <= known else ""


def _texts(item: Pattern, mitigations: list[str]) -> Iterator[tuple[str, str]]:
    yield "description", "\n\n".join(filter(None, (from_html(item.description), from_html(item.extended))))
    yield "execution flow", from_html(item.flow, bare=True).removeprefix("Execution Flow").strip()
    yield "prerequisites", _list(item.prerequisites)
    yield "skills", _list(f"{level}: {skill}" for level, skill in item.skills.items())
    yield "resources", _list(item.resources)
    consequences = ((scope.replace("_", " "), ", ".join(impacts)) for scope, impacts in item.consequences.items())
    yield "consequences", _list(f"{scope}: {impacts}" for scope, impacts in consequences)
    yield "mitigations", _list(mitigations)
    yield "examples", "\n\n".join(filter(None, map(from_html, item.examples)))


def _list(entries: Iterable[str]) -> str:
    return "\n".join(filter(None, (from_html(entry) for entry in entries)))


def _links(item: Pattern, ids: Mapping[str, str]) -> Iterator[Link]:
    """`…_parent_of_refs` and `…_can_follow_refs` say the same from the other end."""
    related = ((Rel.CHILD_OF, item.child_of), (Rel.CAN_PRECEDE, item.can_precede), (Rel.RELATED_TO, item.peers))
    for rel, refs in related:
        for ref in refs:
            if ref in ids:
                yield Link(rel, ids[ref])
    for reference in item.external_references:
        uid = reference.external_id
        if reference.source_name == "cwe" and (number := re.fullmatch(r"CWE-0*([1-9]\d*)", uid, re.ASCII)):
            yield Link(Rel.TARGETS, f"CWE-{number[1]}")
        elif reference.source_name == "ATTACK" and (number := _TECHNIQUE.fullmatch(uid)):
            yield Link(Rel.MAPS_TO, f"T{number[1]}")


READER = Reader("capec", claims, read)
