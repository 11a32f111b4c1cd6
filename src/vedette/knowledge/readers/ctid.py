"""CTID Mappings Explorer JSON: KEV → ATT&CK and NIST SP 800-53 → ATT&CK, one file or an archive of them.

The publisher's record is one mapping (a CVE or a control, and a technique). Vedette keeps one record a CVE or control
with all its mappings as links: ENABLES with the role of the technique (exploitation_technique, primary_impact …), or
MITIGATES. Of several versions of one mapping, the one to the newest ATT&CK is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from vedette.errors import InputError, RecordError
from vedette.knowledge.inputs import Input
from vedette.knowledge.readers import Reader, Tally, convert
from vedette.knowledge.record import Kind, Link, Record, Rel

_FILE = re.compile(r"(?:^|/)(kev|nist_800_53)[^/]*_attack-[\d.]+-\w+\.json$")
_BESIDE = re.compile(r"(?:^|/)(?:[^/]*_attack-[\d.]+-[^/]*|LICEN[CS]E[^/]*|README[^/]*)$", re.IGNORECASE)
_TECHNIQUE = re.compile(r"T\d{4}(?:\.\d{3})?")
_CVE = re.compile(r"CVE-\d{4}-\d{4,}")
_CONTROL = re.compile(r"([A-Z]{2})-0*(\d+)(?: ?\(0*(\d+)\))?")  # the publisher pads: AC-02, AC-02(01)
_KINDS = {"kev": Kind.VULNERABILITY, "nist_800_53": Kind.CONTROL}
_FRAMEWORK = b'"mapping_framework"'  # files beside the mappings (STIX, Navigator layers) have none
_Version = tuple[tuple[int, ...], str]


class _Metadata(msgspec.Struct):
    mapping_framework: str
    mapping_framework_version: str = ""
    attack_version: str = ""
    technology_domain: str = ""
    last_update: str | None = ""  # MM/DD/YYYY


class _File(msgspec.Struct):
    metadata: _Metadata
    mapping_objects: list[object]


class _Mapping(msgspec.Struct):
    attack_object_id: str | None = None
    capability_id: str | None = None
    capability_description: str | None = None
    mapping_type: str | None = None
    comments: str | None = None
    status: str = "complete"


@dataclass(slots=True)
class _Capability:
    name: str
    links: dict[tuple[str, str], Link] = field(default_factory=dict)  # by technique and role


def claims(source: Input) -> bool:
    if source.container:
        return any(map(_FILE.search, source.names)) and all(map(_BESIDE.search, source.names))
    head = source.head
    return head.lstrip()[:1] == b"{" and b'"mapping_objects"' in head and b'"capability_id"' in head


def part(source: Input) -> str:
    """ "" for an archive; for one file what it maps: "kev-enterprise"."""
    if source.container:
        return ""
    return "-".join(filter(None, _subject(_load(source.name, source.read()))))


def read(source: Input, tally: Tally) -> Iterator[Record]:
    files = list(_files(source, tally))
    newest: dict[tuple[str, str], _Version] = {}
    for _, file in files:
        newest[_subject(file)] = max(newest.get(_subject(file), ((), "")), _version(file))
    _release([file for _, file in files], tally)
    found: dict[tuple[Kind, str], _Capability] = {}
    for name, file in files:
        kind = _KINDS.get(file.metadata.mapping_framework)
        for place, item in enumerate(file.mapping_objects):
            tally.read += 1
            if kind is None:
                tally.skip(f"a framework that is not used: {file.metadata.mapping_framework}")
            elif _version(file) < newest[_subject(file)]:
                tally.skip("maps to an older ATT&CK")
            else:
                _take(item, kind, f"{name}#{place}", found, tally)
    for (kind, ident), capability in found.items():
        yield Record(id=ident, kind=kind, name=capability.name, links=tuple(capability.links.values()))


def _files(source: Input, tally: Tally) -> Iterator[tuple[str, _File]]:
    for name, content in source.members(".json" if source.container else ""):
        if source.container and _FRAMEWORK not in content:
            tally.read += 1
            tally.skip("a file that is no mapping")
        else:
            yield name, _load(name, content)


def _take(item: object, kind: Kind, where: str, found: dict[tuple[Kind, str], _Capability], tally: Tally) -> None:
    try:
        mapping = convert(item, _Mapping, where)
        if mapping.status != "complete":
            return tally.skip(mapping.status.replace("_", " "))  # non_mappable: a technique that nothing maps to
        ident, link = _identifier(mapping, kind, where), _link(mapping, kind, where)
    except RecordError as error:
        return tally.refuse(error)
    capability = found.get((kind, ident))
    if capability is None:
        capability = found[kind, ident] = _Capability(" ".join((mapping.capability_description or "").split()))
    elif (link.to, link.note) in capability.links:
        tally.skip("stated twice")
    else:
        tally.skip("a further mapping in the record of the same CVE or control")
    stated = capability.links.get((link.to, link.note))
    capability.links[link.to, link.note] = stated if stated and stated.text else link
    return None


def _identifier(mapping: _Mapping, kind: Kind, where: str) -> str:
    stated = mapping.capability_id or ""
    if kind is Kind.VULNERABILITY and _CVE.fullmatch(stated):
        return stated
    if kind is Kind.CONTROL and (match := _CONTROL.fullmatch(stated)):
        return f"{match[1]}-{match[2]}" + (f"({match[3]})" if match[3] else "")
    raise RecordError(f"'capability_id' is no {'CVE' if kind is Kind.VULNERABILITY else 'control'}", where=where)


def _link(mapping: _Mapping, kind: Kind, where: str) -> Link:
    technique, text = mapping.attack_object_id or "", " ".join((mapping.comments or "").split())
    if not _TECHNIQUE.fullmatch(technique):
        raise RecordError("'attack_object_id' is no technique", where=where)
    if kind is Kind.CONTROL:
        return Link(Rel.MITIGATES, technique, text=text)
    return Link(Rel.ENABLES, technique, mapping.mapping_type or "", text)


def _load(name: str, content: bytes) -> _File:
    try:
        return msgspec.json.decode(content, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise InputError(f"not a mappings file: {exc}", where=name, remedy="fetch it again") from exc


def _subject(file: _File) -> tuple[str, str]:
    return file.metadata.mapping_framework, file.metadata.technology_domain


def _version(file: _File) -> _Version:
    return tuple(map(int, re.findall(r"\d{1,9}", file.metadata.attack_version))), _day(file.metadata.last_update)


def _release(files: list[_File], tally: Tally) -> None:
    """The newest version of each framework, and of ATT&CK."""
    if not files:
        return
    frameworks = {f.metadata.mapping_framework: f for f in sorted(files, key=_version)}
    versions = [f"{name} {file.metadata.mapping_framework_version}".strip() for name, file in frameworks.items()]
    attack = max(files, key=_version).metadata.attack_version
    tally.release = "; ".join([*sorted(versions), f"ATT&CK {attack}"])
    tally.on = max(_day(file.metadata.last_update) for file in files)


def _day(american: str | None) -> str:
    """MM/DD/YYYY as an ISO date."""
    match = re.fullmatch(r"(\d{1,2})/(\d{1,2})/(\d{4})", american or "")
    return f"{match[3]}-{match[1]:0>2}-{match[2]:0>2}" if match else ""


READER = Reader(source="ctid", claims=claims, read=read, part=part)
