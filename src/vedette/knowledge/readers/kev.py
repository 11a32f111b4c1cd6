"""CISA's catalogue of known exploited vulnerabilities, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

import msgspec

from vedette.errors import InputError, RecordError
from vedette.knowledge.inputs import Input
from vedette.knowledge.readers import Reader, Tally, convert, cve, day
from vedette.knowledge.record import Kev, Kind, Record, Text, VulnerabilityFacts

BY = "CISA KEV"
_HEADER = re.compile(rb'\A(?:\xef\xbb\xbf)?"?cveID"?,"?vendorProject"?,', re.IGNORECASE)
_URL = re.compile(r"https?://[^\s;,\"'<>]+")


class _Entry(msgspec.Struct, rename="camel"):
    cve_id: str = msgspec.field(name="cveID")
    vendor_project: str
    product: str
    vulnerability_name: str
    date_added: str
    short_description: str
    required_action: str = ""
    due_date: str = ""
    known_ransomware_campaign_use: str = ""
    notes: str = ""
    cwes: list[str] = []


class _Catalogue(msgspec.Struct, rename="camel"):
    vulnerabilities: list[msgspec.Raw]
    catalog_version: str = ""
    date_released: str = ""


_ENTRY = msgspec.json.Decoder(_Entry)
_CATALOGUE = msgspec.json.Decoder(_Catalogue)


def _claims(item: Input) -> bool:
    head = item.head
    return bool(_HEADER.match(head)) or (b'"catalogVersion"' in head and b'"cveID"' in head)


def _read(item: Input, tally: Tally) -> Iterator[Record]:
    newest: dict[str, Record] = {}
    for entry in _rows(item, tally) if _HEADER.match(item.head) else _objects(item, tally):
        try:
            record = _record(entry)
        except RecordError as exc:
            tally.refuse(exc)
            continue
        before = newest.get(record.id)
        if before:
            tally.skip(cve.SUPERSEDED)
        if not before or _added(record) >= _added(before):
            newest[record.id] = record
    yield from newest.values()


def _added(record: Record) -> str:
    facts = record.facts
    return facts.kev.added if isinstance(facts, VulnerabilityFacts) and facts.kev else ""


def _objects(item: Input, tally: Tally) -> Iterator[_Entry]:
    catalogue = cve.envelope(_CATALOGUE, item, "a KEV catalogue")
    tally.release, tally.on = catalogue.catalog_version, day(catalogue.date_released)
    for number, raw in enumerate(catalogue.vulnerabilities, 1):
        tally.read += 1
        try:
            yield cve.decode(_ENTRY, raw, cve.found_id(bytes(raw), f"entry {number}"))
        except RecordError as exc:
            tally.refuse(exc)


def _rows(item: Input, tally: Tally) -> Iterator[_Entry]:
    try:
        rows = csv.DictReader(io.StringIO(item.read().decode("utf-8-sig"), newline=""))
        for number, row in enumerate(rows, 2):
            tally.read += 1
            entry: dict[str, object] = {name: value for name, value in row.items() if name and value is not None}
            entry["cwes"] = re.findall(r"CWE-\d+", row.get("cwes") or "")
            try:
                yield convert(entry, _Entry, f"{row.get('cveID') or ''} (row {number})".strip())
            except RecordError as exc:
                tally.refuse(exc)
    except (UnicodeDecodeError, csv.Error) as exc:
        raise InputError(f"not a KEV table: {exc}", where=item.name, remedy="fetch it again") from exc


def _record(entry: _Entry) -> Record:
    uid = cve.cve_id(entry.cve_id, "cveID")
    added = day(entry.date_added)
    if not added:
        raise RecordError("dateAdded is no date", where=f"{uid}: '{entry.date_added[:40]}'", remedy=cve.CHANGED)
    kev = Kev(
        added,
        day(entry.due_date),
        entry.known_ransomware_campaign_use.lower() == "known",
        entry.vendor_project.strip(),
        entry.product.strip(),
    )
    texts = (
        ("shortDescription", entry.short_description),
        ("requiredAction", entry.required_action),
        ("notes", entry.notes),
    )
    return Record(
        uid,
        Kind.VULNERABILITY,
        cve.one_line(entry.vulnerability_name),
        facts=VulnerabilityFacts(kev=kev, references=cve.first_unique(_URL.findall(entry.notes))),
        texts=tuple(Text(field, body.strip()) for field, body in texts if body.strip()),
        links=cve.weaknesses((cwe, BY) for cwe in entry.cwes),
    )


READER = Reader("kev", _claims, _read)
