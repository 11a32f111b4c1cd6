"""A CWE entry as its publisher states it, whatever the format, and the record that it becomes.

Links: ChildOf → CHILD_OF with the views that say so ("view CWE-1000", the research view, is the hierarchy to walk;
"view CWE-1003" alone is NVD's simpler one); membership → MEMBER_OF; CanPrecede → CAN_PRECEDE; PeerOf, CanAlsoBe,
Requires, StartsWith … → RELATED_TO with a note; related attack patterns and CVEs of observed examples → RELATED_TO.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from vedette.errors import RecordError
from vedette.knowledge.record import Kind, Link, Record, Rel, Status, Text, WeaknessFacts

Pairs = list[tuple[str, str]]  # (key, value): SCOPE, IMPACT, PHASE, METHOD, STRATEGY, DESCRIPTION, EFFECTIVENESS, NOTE
RESEARCH = "1000"  # the view that holds every weakness in one hierarchy
_RELS = {"ChildOf": Rel.CHILD_OF, "MemberOf": Rel.MEMBER_OF, "CanPrecede": Rel.CAN_PRECEDE}
_NATURES = {
    "PeerOf": "peer of",
    "CanAlsoBe": "can also be",
    "CanFollow": "can follow",
    "Requires": "requires",
    "RequiredBy": "required by",
    "StartsWith": "starts with",
}
_CVE = re.compile(r"CVE-\d{4}-\d{4,}")
_SUCCESSOR = re.compile(r"(?:has been (?:transferred to|integrated into)|can be found at|\bSee) CWE-(\d+)\b(?! and)")


@dataclass(slots=True)
class Entry:
    """Numbers are without prefix and zero padding: "79". `relations` are (nature, number, number of the view)."""

    number: str
    name: str
    kind: Kind = Kind.WEAKNESS
    status: str = ""
    abstraction: str = ""
    structure: str = ""
    likelihood: str = ""
    usage: str = ""
    published: str = ""
    modified: str = ""
    platforms: list[str] = field(default_factory=list)
    terms: list[str] = field(default_factory=list)
    views: list[str] = field(default_factory=list)
    relations: list[tuple[str, str, str]] = field(default_factory=list)
    patterns: list[str] = field(default_factory=list)
    examples: list[tuple[str, str]] = field(default_factory=list)  # reference, sentence
    texts: list[tuple[str, str]] = field(default_factory=list)  # field, body


def number(text: str, where: str, what: str) -> str:
    """Raises RecordError that names the field `what`."""
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 6):
        raise RecordError(f"{what} is not a number: '{text[:40]}'", where=where)
    return str(int(digits))


def consequence(pairs: Pairs) -> str:
    """ "Confidentiality, Integrity: Read Application Data. The note." """
    scopes = ", ".join(value for key, value in pairs if key == "SCOPE" and value)
    impacts = ", ".join(value for key, value in pairs if key == "IMPACT" and value)
    notes = " ".join(value for key, value in pairs if key == "NOTE" and value)
    effect = ": ".join(part for part in (scopes, impacts) if part)
    return ". ".join(part for part in (effect, notes) if part)


def advice(pairs: Pairs) -> str:
    """A mitigation or a detection method: "Implementation, Input Validation: what to do (effectiveness: High)"."""
    heads = ", ".join(value for key, value in pairs if key in ("METHOD", "PHASE", "STRATEGY") and value)
    said = dict(pairs)
    line = ": ".join(part for part in (heads, said.get("DESCRIPTION", "")) if part)
    effect = said.get("EFFECTIVENESS", "")
    return f"{line} (effectiveness: {effect})" if line and effect else line


def as_record(entry: Entry) -> Record:
    return Record(
        id=f"CWE-{entry.number}",
        kind=entry.kind,
        name=" ".join(entry.name.split()),
        status=Status.DEPRECATED if entry.status in ("Deprecated", "Obsolete") else Status.ACTIVE,
        replaced_by=_successor(entry),
        published=entry.published,
        modified=entry.modified,
        aliases=_unique(entry.terms),
        facts=_facts(entry),
        texts=tuple(Text(name, body) for name, body in _texts(entry) if body),
        links=tuple(_links(entry)),
    )


def _facts(entry: Entry) -> WeaknessFacts:
    views = {*entry.views, *(view for _, _, view in entry.relations if view)}
    return WeaknessFacts(
        abstraction=entry.abstraction,
        structure=entry.structure,
        likelihood=entry.likelihood,
        usage=entry.usage,
        platforms=_unique(p for p in entry.platforms if not p.startswith("Not ")),  # "Not OS-Specific"
        views=tuple(f"CWE-{v}" for v in sorted(views, key=int)),
    )


def _successor(entry: Entry) -> str:
    """The one entry that a deprecated one's description sends its reader to, in the publisher's set phrases."""
    if entry.status != "Deprecated":
        return ""
    found = {n for name, body in entry.texts if name == "description" for n in _SUCCESSOR.findall(body)}
    return f"CWE-{found.pop()}" if len(found) == 1 else ""


def _texts(entry: Entry) -> Iterator[tuple[str, str]]:
    yield from entry.texts
    yield "examples", "\n".join(f"{reference}: {said}" for reference, said in entry.examples if said)


def _links(entry: Entry) -> Iterator[Link]:
    yield from _related(entry)
    for pattern in _unique(entry.patterns):
        yield Link(Rel.RELATED_TO, f"CAPEC-{pattern}", "attack pattern")
    for reference in _unique(reference for reference, _ in entry.examples if _CVE.fullmatch(reference)):
        yield Link(Rel.RELATED_TO, reference, "observed example")


def _related(entry: Entry) -> Iterator[Link]:
    """One link for each relation and target; the research view first."""
    views: dict[tuple[Rel, str, str], list[str]] = {}
    for nature, target, view in entry.relations:
        rel = _RELS.get(nature, Rel.RELATED_TO)
        note = "" if nature in _RELS else _NATURES.get(nature, nature)
        views.setdefault((rel, f"CWE-{target}", note), []).append(view)
    for (rel, target, note), where in sorted(views.items(), key=lambda item: RESEARCH not in item[1]):
        seen = sorted({v for v in where if v}, key=lambda v: (v != RESEARCH, int(v)))
        stated = f"view{'s' if len(seen) > 1 else ''} {', '.join(f'CWE-{v}' for v in seen)}" if seen else ""
        yield Link(rel, target, ", ".join(part for part in (note, stated) if part))


def _unique(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item for item in items if item))
