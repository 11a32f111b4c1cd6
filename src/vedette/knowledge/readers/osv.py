"""Advisories in the OSV schema: one file, a zip or folder of an ecosystem, GitHub's advisory database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

import msgspec

from vedette.errors import RecordError
from vedette.knowledge.inputs import Input
from vedette.knowledge.readers import Reader, Tally, cve, day
from vedette.knowledge.record import Kind, Link, Record, Rel, Status, Text, VulnerabilityFacts

SHARE = 0.8  # of the files in a tree are advisories
LOOK = 50  # advisories that are asked which ecosystem they are about
_ID = re.compile(r"[A-Z][A-Z0-9_]*(?:-[\w.:~+]+)+", re.ASCII)
_FILE = re.compile(r"(?:^|/)([A-Z][A-Z0-9_]*(?:-[\w.:~+]+)+)\.json$", re.ASCII)
# of a folder; one that holds advisories deeper below may hold other sources, too, and is not claimed as a whole
_IN_TREE = re.compile(
    r"(?:advisories/)?(?:(?:github-reviewed|unreviewed)/)?(?:\d{4}/)?(?:\d\d/)?(?:GHSA-[^/]+/)?"
    r"[A-Z][A-Z0-9_]*(?:-[\w.:~+]+)+\.json",
    re.ASCII,
)
_HEAD = re.compile(rb'"id"\s*:\s*"[A-Z][A-Z0-9_]*-')
_HEAD_ID = re.compile(rb'"id"\s*:\s*"([A-Z][A-Z0-9_]*(?:-[\w.:~+]+)+)"')
_NAMES = {"GHSA": "GitHub"}


class _Package(msgspec.Struct, gc=False):
    name: str
    ecosystem: str = ""


class _Event(msgspec.Struct, gc=False):
    introduced: str = ""
    fixed: str = ""
    last_affected: str = ""
    limit: str = ""


class _Range(msgspec.Struct):
    type: str = ""
    repo: str = ""
    events: list[_Event] = []


class _Severity(msgspec.Struct, gc=False):
    type: str
    score: str


class _Affected(msgspec.Struct):
    package: _Package | None = None
    ranges: list[_Range] | None = None
    versions: list[str] | None = None
    severity: list[_Severity] | None = None


class _Database(msgspec.Struct):
    """Fields of GitHub; other databases put anything here."""

    cwe_ids: list[str] | None = None
    severity: str | None = None


class _Reference(msgspec.Struct, gc=False):
    url: str


class _Advisory(msgspec.Struct):
    id: str
    modified: str
    published: str = ""
    withdrawn: str | None = None
    summary: str | None = None
    details: str | None = None
    aliases: list[str] | None = None
    upstream: list[str] | None = None
    related: list[str] | None = None
    severity: list[_Severity] | None = None
    affected: list[_Affected] | None = None
    references: list[_Reference] | None = None
    database_specific: msgspec.Raw = msgspec.Raw(b"{}")


_ADVISORY = msgspec.json.Decoder(_Advisory)
_DATABASE = msgspec.json.Decoder(_Database)


def _claims(item: Input) -> bool:
    if not item.container:
        return _is_advisory(item.head)
    is_own = _IN_TREE.fullmatch if item.container == "folder" else _FILE.search
    files = [name for name in item.names if is_own(name)]
    if not files or len(files) < SHARE * len(item.names):
        return False
    return any(_is_advisory(body) for _, body in item.members(files[0].rpartition("/")[2]))


def _is_advisory(head: bytes) -> bool:
    """STIX has "id" and "modified", too, CVE records and NVD have "affected": only OSV has all of these."""
    return (
        head[:200].lstrip().startswith(b"{")
        and bool(_HEAD.search(head))
        and all(key in head for key in (b'"modified"', b'"published"', b'"affected"'))
        and not any(key in head for key in (b'"CVE_RECORD"', b'"NVD_CVE"', b'"spec_version"'))
    ) or (b'"schema_version"' in head and b'"modified"' in head and bool(_HEAD.search(head)))


def _part(item: Input) -> str:
    """The ecosystem that all the first advisories speak of; else their database; of one file its id."""
    if not item.container:
        match = _HEAD_ID.search(item.head)
        return match[1].decode() if match else ""
    if any("github-reviewed/" in name for name in item.names):
        return "GHSA"  # GitHub's tree, whichever ecosystems come first
    ecosystems: set[str] = set()
    databases: set[str] = set()
    for number, (name, body) in enumerate(islice(_files(item), LOOK)):
        try:
            advisory = cve.decode(_ADVISORY, body, name)
        except RecordError:
            continue
        own = {one.package.ecosystem.partition(":")[0] for one in advisory.affected or () if one.package}
        ecosystems = ecosystems & own if number else own
        databases.add(advisory.id.partition("-")[0])
    found = ecosystems if len(databases) > 1 or len(ecosystems) == 1 else databases
    return min(found, default="")


def _read(item: Input, tally: Tally) -> Iterator[Record]:
    seen: set[str] = set()
    for name, body in _files(item):
        tally.read += 1
        try:
            record = _record(cve.decode(_ADVISORY, body, name.rpartition("/")[2].removesuffix(".json")))
        except RecordError as exc:
            tally.refuse(exc)
            continue
        if record.id in seen:
            tally.skip(cve.SUPERSEDED)
            continue
        seen.add(record.id)
        tally.on = max(tally.on, record.modified)
        yield record


def _files(item: Input) -> Iterator[tuple[str, bytes]]:
    if not item.container:
        yield item.name, item.read()
    else:
        yield from ((name, body) for name, body in item.members(".json") if _FILE.search(name))


def _record(entry: _Advisory) -> Record:
    if not _ID.fullmatch(entry.id):
        raise RecordError("not an id of an advisory", where=f"id: '{entry.id[:40]}'", remedy=cve.CHANGED)
    database = entry.id.partition("-")[0]
    details = (entry.details or "").strip()
    return Record(
        entry.id,
        Kind.VULNERABILITY if cve.CVE.fullmatch(entry.id) else Kind.ADVISORY,
        cve.one_line(entry.summary or ""),
        status=Status.REJECTED if entry.withdrawn else Status.ACTIVE,
        published=day(entry.published),
        modified=day(entry.modified),
        aliases=tuple(alias for alias in entry.aliases or () if not cve.CVE.fullmatch(alias)),
        facts=_facts(entry, _NAMES.get(database, database)),
        texts=(Text("description", details),) if details else (),
        links=tuple(_links(entry, _NAMES.get(database, database))),
    )


def _database(entry: _Advisory) -> _Database:
    """What of it has another form than GitHub's is another database's own."""
    try:
        return _DATABASE.decode(entry.database_specific)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Database()


def _facts(entry: _Advisory, by: str) -> VulnerabilityFacts:
    stated = [*(entry.severity or ()), *(one for place in entry.affected or () for one in place.severity or ())]
    vectors = [one for one in stated if one.type.startswith("CVSS")]
    words = [one.score for one in stated if not one.type.startswith("CVSS")]
    return VulnerabilityFacts(
        cvss=cve.vectors((one.score, None, by) for one in vectors),
        affected=cve.products(_affected(entry)),
        references=cve.first_unique(one.url for one in entry.references or ()),
        severity="" if vectors else next(iter(words), _database(entry).severity or "").lower(),
    )


def _affected(entry: _Advisory) -> Iterator[tuple[str, str, str]]:
    for one in entry.affected or ():
        repos = (place.repo for place in one.ranges or () if place.repo)
        package = one.package or _Package(next(repos, ""))
        spans = [span for place in one.ranges or () if place.type != "GIT" for span in _spans(place.events)]
        for span in spans or (one.versions or [])[: cve.VERSIONS + 1] or [""]:
            yield package.name, span, package.ecosystem


def _spans(events: list[_Event]) -> Iterator[str]:
    """Events are in the order of versions: introduced, then fixed or last affected, and so on."""
    start = None
    for event in events:
        end = event.fixed or event.last_affected or event.limit
        if end:
            yield cve.span(start or "", end, included=not event.fixed and bool(event.last_affected))
            start = None
        elif event.introduced:
            start = event.introduced
    if start is not None:
        yield cve.span(start, "") or "all"


def _links(entry: _Advisory, by: str) -> Iterator[Link]:
    about = cve.first_unique([*(entry.aliases or ()), *(entry.upstream or ())], limit=1_000)
    for to in about:
        if cve.CVE.fullmatch(to) and to != entry.id:
            yield Link(Rel.ABOUT, to)
    for to in cve.first_unique(entry.related or (), limit=1_000):
        if to not in about and to != entry.id and _ID.fullmatch(to):
            yield Link(Rel.RELATED_TO, to)
    yield from cve.weaknesses((cwe, by) for cwe in _database(entry).cwe_ids or ())


READER = Reader("osv", _claims, _read, _part)
