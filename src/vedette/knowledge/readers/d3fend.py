"""D3FEND: the ontology in Turtle, as published (d3fend.ttl) or as edited (d3fend-protege.ttl).

Read are the things that carry an id of their own or of others, and what the ontology states about them, be it as an
OWL restriction (subClassOf some …) or as a plain triple:

- countermeasures (d3fend-id, below DefensiveTechnique): tactic from `enables`, their own or their nearest parent's;
  CHILD_OF; TOUCHES the artifact that they analyze, filter …, with the property as note; COUNTERS where a technique is
  named outright, which is rare;
- digital and physical artifacts, and the few other classes that techniques or countermeasures act on: CHILD_OF;
- techniques of ATT&CK and weaknesses of CWE: TOUCHES only, the rest is said better by their own source;
- ATT&CK mitigations → countermeasures, ATT&CK data sources → artifacts and NIST SP 800-53 r5 controls →
  countermeasures: MAPS_TO, with exactly, broader, narrower or related as note.

That a countermeasure helps against a technique because both touch an artifact is D3FEND's inference, which is left to
who walks the links. Relations between artifacts, events, references and the analytic techniques (D3A) are not read.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyoxigraph

from vedette.errors import InputError, RecordError
from vedette.knowledge.inputs import Input
from vedette.knowledge.readers import Reader, Tally, day
from vedette.knowledge.record import CountermeasureFacts, Kind, Link, Record, Rel, Status, Text

_BASE = "http://d3fend.mitre.org/ontologies/d3fend.owl"
_PREFIXES = {
    f"{_BASE}#": "d3f:",
    "http://www.w3.org/2000/01/rdf-schema#": "rdfs:",
    "http://www.w3.org/2002/07/owl#": "owl:",
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#": "rdf:",
    "http://www.w3.org/2004/02/skos/core#": "skos:",
}
_IDS = {
    Kind.COUNTERMEASURE: re.compile(r"D3-[A-Z0-9]+"),
    Kind.TECHNIQUE: re.compile(r"T\d{4}(\.\d{3})?"),
    Kind.WEAKNESS: re.compile(r"CWE-[1-9]\d*"),
    Kind.MITIGATION: re.compile(r"M\d{4}"),
    Kind.DATA_SOURCE: re.compile(r"DS\d{4}"),
    Kind.CONTROL: re.compile(r"[A-Z]{2}-\d+(\(\d+\))?"),
    Kind.ARTIFACT: re.compile(r"d3f:[\w.()+-]+"),
}
_ID_WORDS = {"d3f:attack-id": Kind.TECHNIQUE, "d3f:cwe-id": Kind.WEAKNESS, "d3f:d3fend-id": Kind.COUNTERMEASURE}
_TYPES = (
    (re.compile(r"d3f:ATTACK\w*Mitigation"), Kind.MITIGATION),
    (re.compile(r"d3f:ATTACK\w*DataSource"), Kind.DATA_SOURCE),
    (re.compile(r"d3f:NISTControl"), Kind.CONTROL),
)
_ACTORS = (Kind.COUNTERMEASURE, Kind.TECHNIQUE, Kind.WEAKNESS)  # they act on artifacts
_OWN = (Kind.COUNTERMEASURE, Kind.ARTIFACT, Kind.CONTROL)  # given without links, too
_MAPPED = (Kind.MITIGATION, Kind.DATA_SOURCE, Kind.CONTROL)
_MAPPINGS = ("d3f:exactly", "d3f:broader", "d3f:narrower", "d3f:related")
_NO_ACTS = {*_MAPPINGS, "d3f:enables", "d3f:associated-with", "d3f:may-be-associated-with"}
_ANALYTIC = "an analytic technique, no countermeasure"
_OLD_CONTROL = "a control of another revision than 800-53 r5"
_REVISION = "d3f:NIST_SP_800-53_R5"


@dataclass(slots=True)
class _Node:
    words: dict[str, list[str]] = field(default_factory=dict)  # property → literals
    links: dict[str, list[str]] = field(default_factory=dict)  # property → nodes

    def word(self, *properties: str) -> str:
        """The first one stated."""
        return next((w.strip() for p in properties for w in self.words.get(p, ()) if w.strip()), "")

    def all(self, *properties: str) -> list[str]:
        return [node for p in properties for node in self.links.get(p, ())]


@dataclass(slots=True)
class _Ontology:
    nodes: dict[str, _Node]
    known: dict[str, tuple[Kind, str]] = field(default_factory=dict)  # node → kind and id

    def above(self, name: str) -> Iterator[str]:
        """Itself and its superclasses, nearest first."""
        ahead, seen = deque([name]), {name}
        while ahead:
            each = ahead.popleft()
            yield each
            for parent in self.parents(each):
                if parent not in seen:
                    seen.add(parent)
                    ahead.append(parent)

    def parents(self, name: str) -> list[str]:
        return [c for c in self.nodes[name].all("rdfs:subClassOf") if c in self.nodes] if name in self.nodes else []

    def stated(self, name: str) -> Iterator[tuple[str, str]]:
        """(property, node), from plain triples and from restrictions among the superclasses."""
        node = self.nodes[name]
        for prop, targets in node.links.items():
            if prop.startswith("d3f:"):
                yield from ((prop, target) for target in targets)
        for parent in map(self.nodes.__getitem__, self.parents(name)):
            for prop in parent.all("owl:onProperty"):
                for target in parent.all("owl:someValuesFrom", "owl:allValuesFrom", "owl:hasValue"):
                    yield prop, target


def claims(source: Input) -> bool:
    return not source.container and f"<{_BASE}".encode() in source.head and b"@prefix" in source.head


def read(source: Input, tally: Tally) -> Iterator[Record]:
    ontology = _Ontology(_load(source.read(), source.name))
    _release(ontology.nodes.get(_BASE, _Node()), tally)
    _classify(ontology, tally)
    seen: set[str] = set()
    for name, (kind, ident) in ontology.known.items():
        tally.read += 1
        record = _record(ontology, name)
        if error := _error(record, name, seen):
            tally.refuse(error)
        elif record.links or kind in _OWN:
            seen.add(ident)
            yield record
        else:
            tally.skip(f"a {kind} that D3FEND links to nothing")


def _load(content: bytes, name: str) -> dict[str, _Node]:
    nodes: dict[str, _Node] = {}
    try:
        for triple in pyoxigraph.parse(content, format=pyoxigraph.RdfFormat.TURTLE):
            if isinstance(triple.subject, pyoxigraph.Triple) or isinstance(triple.object, pyoxigraph.Triple):
                continue
            node = nodes.setdefault(_short(triple.subject), _Node())
            if isinstance(triple.object, pyoxigraph.Literal):
                node.words.setdefault(_short(triple.predicate), []).append(triple.object.value)
            else:
                node.links.setdefault(_short(triple.predicate), []).append(_short(triple.object))
    except (SyntaxError, ValueError) as exc:
        raise InputError(f"not readable Turtle: {exc}", where=name, remedy="fetch it again") from exc
    return nodes


def _short(node: pyoxigraph.NamedNode | pyoxigraph.BlankNode) -> str:
    """`d3f:Process`; a node without a name is `_:…`, which no name of D3FEND's can be."""
    if isinstance(node, pyoxigraph.BlankNode):
        return f"_:{node.value}"
    space, mark, local = node.value.rpartition("#")
    return _PREFIXES.get(space + mark, space + mark) + local


def _release(node: _Node, tally: Tally) -> None:
    """The edited file states none."""
    of_iri = re.search(r"/d3fend/([^/]+)/", " ".join(node.all("owl:versionIRI")))
    tally.release = node.word("owl:versionInfo") or (of_iri[1] if of_iri else "")
    tally.on = day(node.word("d3f:release-date"))


def _classify(ontology: _Ontology, tally: Tally) -> None:
    """Fills `known`; what has an id that is not read is told to `tally`."""
    for name in ontology.nodes:
        kind, ident = _kind(ontology, name)
        if isinstance(kind, Kind):
            ontology.known[name] = kind, ident
        elif kind:
            tally.read += 1
            tally.skip(kind)
    actors = [name for name, (kind, _) in ontology.known.items() if kind in _ACTORS]
    for name in actors:
        for prop, target in ontology.stated(name):
            if prop not in _NO_ACTS and target.startswith("d3f:") and "owl:Class" in _types(ontology, target):
                ontology.known.setdefault(target, (Kind.ARTIFACT, target))


def _kind(ontology: _Ontology, name: str) -> tuple[Kind | str, str]:
    """What a node is, and its id; or why it is not read; or nothing."""
    node, above = ontology.nodes[name], set(ontology.above(name))
    for prop, kind in _ID_WORDS.items():
        if ident := node.word(prop):
            analytic = kind is Kind.COUNTERMEASURE and "d3f:DefensiveTechnique" not in above
            return (_ANALYTIC if analytic else kind), ident
    for pattern, kind in _TYPES:
        if any(map(pattern.fullmatch, node.all("rdf:type"))):
            if kind is not Kind.CONTROL:
                return kind, name.removeprefix("d3f:")
            return (kind if _REVISION in node.all("d3f:member-of") else _OLD_CONTROL), node.word("rdfs:label")
    return (Kind.ARTIFACT if "d3f:Artifact" in above and "owl:Class" in _types(ontology, name) else ""), name


def _types(ontology: _Ontology, name: str) -> list[str]:
    return ontology.nodes[name].all("rdf:type") if name in ontology.nodes else []


def _error(record: Record, name: str, seen: set[str]) -> RecordError | None:
    if not _IDS[record.kind].fullmatch(record.id):
        return RecordError(f"no id of a {record.kind}: '{record.id[:40]}'", where=name)
    if not record.name:
        return RecordError("no rdfs:label", where=name)
    return RecordError(f"a second {record.kind} with the same id", where=name) if record.id in seen else None


def _record(ontology: _Ontology, name: str) -> Record:
    kind, ident = ontology.known[name]
    node = ontology.nodes[name]
    label = node.word("d3f:control-name") if kind is Kind.CONTROL else node.word("rdfs:label")
    own = kind in (Kind.COUNTERMEASURE, Kind.ARTIFACT)
    return Record(
        id=ident,
        kind=kind,
        name=" ".join(label.split()).removesuffix(" (ATT&CK DS)"),
        status=Status.DEPRECATED if node.word("owl:deprecated") == "true" else Status.ACTIVE,
        aliases=_aliases(node, name, kind) if own else (),
        facts=CountermeasureFacts(_tactic(ontology, name)) if kind is Kind.COUNTERMEASURE else None,
        texts=tuple(_texts(node)) if own else (),
        links=tuple(_links(ontology, name, kind)),
    )


def _aliases(node: _Node, name: str, kind: Kind) -> tuple[str, ...]:
    """A countermeasure is called by its name in the ontology, too: d3f:ProcessSpawnAnalysis."""
    other = {*node.words.get("d3f:synonym", ()), *node.words.get("skos:altLabel", ())}
    named = [name] if kind is Kind.COUNTERMEASURE else []
    return (*named, *sorted(" ".join(word.split()) for word in other if word.strip()))


def _texts(node: _Node) -> Iterator[Text]:
    if said := node.word("d3f:definition", "rdfs:comment"):
        yield Text("description", said)
    if article := node.word("d3f:kb-article"):
        yield Text("article", article)


def _tactic(ontology: _Ontology, name: str) -> str:
    for each in ontology.above(name):
        enabled = sorted({t for prop, t in ontology.stated(each) if prop == "d3f:enables" and t in ontology.nodes})
        if enabled:
            return ", ".join(ontology.nodes[t].word("rdfs:label") or t.removeprefix("d3f:") for t in enabled)
    return ""


def _links(ontology: _Ontology, name: str, kind: Kind) -> Iterator[Link]:
    known = ontology.known
    if kind in (Kind.COUNTERMEASURE, Kind.ARTIFACT):
        for parent in dict.fromkeys(ontology.parents(name)):
            if parent in known and known[parent][0] is kind:
                yield Link(Rel.CHILD_OF, known[parent][1])
    if kind in _ACTORS:
        yield from _acts(ontology, name, kind)
    if kind in _MAPPED:
        for prop in _MAPPINGS:
            for target in sorted(t for t in ontology.nodes[name].all(prop) if t in known):
                yield Link(Rel.MAPS_TO, known[target][1], prop.removeprefix("d3f:"))


def _acts(ontology: _Ontology, name: str, kind: Kind) -> Iterator[Link]:
    known = ontology.known
    for prop, target in sorted({pair for pair in ontology.stated(name) if pair[1] in known}):
        if prop in _NO_ACTS:
            continue
        what, ident = known[target]
        rel = Rel.TOUCHES if what is Kind.ARTIFACT else Rel.RELATED_TO
        if kind is Kind.COUNTERMEASURE and what is Kind.TECHNIQUE:
            rel = Rel.COUNTERS
        yield Link(rel, ident, prop.removeprefix("d3f:"))
    if kind is Kind.COUNTERMEASURE:
        for target in sorted(t for t in ontology.nodes[name].all("rdfs:seeAlso") if t in known):
            yield Link(Rel.RELATED_TO, known[target][1], "see also")


READER = Reader(source="d3fend", claims=claims, read=read)
