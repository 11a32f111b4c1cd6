"""The official CWE XML catalog: weaknesses, categories and views. No entities, no document type."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from vedette.errors import InputError, RecordError
from vedette.knowledge.readers import Tally, day
from vedette.knowledge.readers.cwe_entry import Entry, Pairs, advice, as_record, consequence, number
from vedette.knowledge.record import Kind, Record

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_KINDS = {"Weakness": Kind.WEAKNESS, "Category": Kind.CATEGORY, "View": Kind.CATEGORY}
_BLOCKS = {"p", "div", "li", "ul", "ol", "br", "tr", "table"}
_BREAK = "\x1e"  # cannot occur in XML
Members = dict[str, list[tuple[str, str]]]  # number → (number of category or view, number of the view)


def is_catalog(content: bytes) -> bool:
    return b"<Weakness_Catalog" in content[: 64 * 1024]


def read_catalog(content: bytes, name: str, tally: Tally) -> Iterator[Record]:
    """Members are told by their category, which comes later in the file: records are given at the end."""
    entries: dict[str, Entry] = {}
    members: Members = {}
    for element in _elements(content, name, tally):
        tally.read += 1
        where = f"{name} CWE-{element.get('ID', '?')}"
        try:
            entry = _entry(element, where)
            if entry.number in entries:
                raise RecordError("the same ID twice", where=where)
            stated = _members(element, where)
        except RecordError as error:
            tally.refuse(error)
            continue
        entries[entry.number] = entry
        for member, view in stated:
            members.setdefault(member, []).append((entry.number, view))
    for entry in entries.values():
        entry.relations += [("MemberOf", group, view) for group, view in members.get(entry.number, ())]
        yield as_record(entry)


def _elements(content: bytes, name: str, tally: Tally) -> Iterator[Element]:
    """Weaknesses, categories and views, one at a time. Raises InputError where the XML is damaged or not a catalog."""
    try:
        root: Element | None = None
        for event, element in iterparse(io.BytesIO(content), events=("start", "end"), forbid_dtd=True):
            if root is None:
                root = element
                _release(element, name, tally)
            elif event == "end" and _tag(element) in _KINDS:
                yield element
                element.clear()
    except DefusedXmlException as exc:
        raise InputError(
            f"declares entities or a document type: {exc}", where=name, remedy="fetch it from the publisher"
        ) from exc
    except (ParseError, LookupError, ValueError) as exc:  # the latter two: an encoding that nobody knows
        raise InputError(f"not readable XML: {exc}", where=name, remedy="fetch it again") from exc


def _release(root: Element, name: str, tally: Tally) -> None:
    if _tag(root) != "Weakness_Catalog":
        raise InputError(f"not a CWE catalog, its root is '{_tag(root)[:40]}'", where=name)
    tally.release, tally.on = root.get("Version", ""), day(root.get("Date", ""))


def _entry(element: Element, where: str) -> Entry:
    entry = Entry(number(element.get("ID", ""), where, "'ID'"), element.get("Name", ""), _KINDS[_tag(element)])
    if not entry.name.strip():
        raise RecordError("'Name' is empty", where=where)
    entry.status, entry.abstraction = element.get("Status", ""), element.get("Abstraction", "")
    entry.structure = element.get("Structure", "")
    entry.likelihood = _prose(_child(element, "Likelihood_Of_Exploit"))
    entry.usage = _prose(_child(_child(element, "Mapping_Notes"), "Usage"))
    history = _child(element, "Content_History")
    entry.published = min(_days(history, "Submission_Date"), default="")
    entry.modified = max(_days(history, "Modification_Date"), default="")
    entry.relations = [_relation(each, where) for each in _children(element, "Related_Weaknesses")]
    entry.platforms = [e.get("Name") or e.get("Class") or "" for e in _children(element, "Applicable_Platforms")]
    entry.terms = [_prose(_child(each, "Term")) for each in _children(element, "Alternate_Terms")]
    entry.patterns = [
        number(each.get("CAPEC_ID", ""), where, "'CAPEC_ID'") for each in _children(element, "Related_Attack_Patterns")
    ]
    entry.examples = [
        (_prose(_child(each, "Reference")), _prose(_child(each, "Description")))
        for each in _children(element, "Observed_Examples")
    ]
    entry.texts = _texts(element)
    return entry


def _texts(element: Element) -> Pairs:
    """A category has a summary, a view an objective where a weakness has its description."""
    said = (_prose(_child(element, tag)) for tag in ("Description", "Summary", "Objective"))
    lists = {"Common_Consequences": consequence, "Potential_Mitigations": advice, "Detection_Methods": advice}
    bodies = ["\n".join(line(_pairs(each)) for each in _children(element, tag)) for tag, line in lists.items()]
    return [
        ("description", next(filter(None, said), "")),
        ("extended description", _prose(_child(element, "Extended_Description"))),
        *zip(("consequences", "mitigations", "detection"), bodies, strict=True),
    ]


def _pairs(element: Element) -> Pairs:
    return [(_tag(each).upper(), _prose(each)) for each in element]


def _relation(element: Element, where: str) -> tuple[str, str, str]:
    nature, view = element.get("Nature", ""), element.get("View_ID", "")
    if not nature:
        raise RecordError("a 'Related_Weakness' has no 'Nature'", where=where)
    target = number(element.get("CWE_ID", ""), where, "'Related_Weakness' CWE_ID")
    return nature, target, number(view, where, "'Related_Weakness' View_ID") if view else ""


def _members(element: Element, where: str) -> list[tuple[str, str]]:
    stated = [e for tag in ("Relationships", "Members") for e in _children(element, tag) if _tag(e) == "Has_Member"]
    return [
        (number(e.get("CWE_ID", ""), where, "'Has_Member' CWE_ID"), number(e.get("View_ID", ""), where, "View_ID"))
        for e in stated
    ]


def _days(history: Element | None, tag: str) -> list[str]:
    return [] if history is None else [d for e in history.iter() if _tag(e) == tag and (d := day(_prose(e)))]


def _child(element: Element | None, tag: str) -> Element | None:
    return None if element is None else next((each for each in element if _tag(each) == tag), None)


def _children(element: Element, tag: str) -> list[Element]:
    """The elements of a list: those below the child `tag`."""
    below = _child(element, tag)
    return [] if below is None else list(below)


def _tag(element: Element) -> str:
    """Without the namespace, which changes from release to release."""
    return str(element.tag).rpartition("}")[2]


def _prose(element: Element | None) -> str:
    """Its text, one line a paragraph or list item."""
    if element is None:
        return ""
    for each in element.iter():
        if each is not element and _tag(each) in _BLOCKS:
            each.text, each.tail = _BREAK + (each.text or ""), _BREAK + (each.tail or "")
    lines = (" ".join(part.split()) for part in "".join(element.itertext()).split(_BREAK))
    return "\n".join(line for line in lines if line)
