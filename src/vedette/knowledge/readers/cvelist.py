"""CVE records, JSON 5: the tree of cvelistV5 or Vulnrichment, a zip of it, the baseline's zip in a zip, one record.

A record holds what its CNA says and what others added (ADP containers: CISA's SSVC, CVSS and CWE, known exploitation).
"""

from __future__ import annotations

import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import msgspec

from vedette.errors import InputError, RecordError
from vedette.inflate import Expansion
from vedette.knowledge.inputs import Input, Member
from vedette.knowledge.readers import Reader, Tally, cve, day, ssvc
from vedette.knowledge.record import Affected, Kev, Kind, Link, Record, Rel, Ssvc, Status, Text, VulnerabilityFacts

INNER = "cves.zip"  # in the baseline zips of the CVE Program
SHARE = 0.8  # of the files in a tree are CVE records
_FIELDS = ("configurations", "workarounds", "solutions", "exploits", "rejected_reasons")
# of a folder; one that holds such a tree deeper below may hold other sources, too, and is not claimed as a whole
_IN_TREE = re.compile(r"(?:cves/)?(?:\d{4}/)?(?:\d+xxx/)?CVE-\d{4}-\d{4,19}\.json", re.ASCII)
_SEVERITY = 20  # characters: longer ones are sentences


class _Vector(msgspec.Struct, rename="camel", gc=False):
    vector_string: str = ""
    base_score: float | None = None


class _Other(msgspec.Struct):
    type: str = ""
    content: msgspec.Raw = msgspec.Raw(b"{}")


class _Metric(msgspec.Struct):
    cvssV4_0: _Vector | None = None  # noqa: N815 - the schema's own names
    cvssV3_1: _Vector | None = None  # noqa: N815
    cvssV3_0: _Vector | None = None  # noqa: N815
    cvssV2_0: _Vector | None = None  # noqa: N815
    ssvcV1_0_1: ssvc.Decision | None = None  # noqa: N815
    ssvcV2_0_0: ssvc.Decision | None = None  # noqa: N815
    other: _Other | None = None


class _KevContent(msgspec.Struct, rename="camel"):
    date_added: str


class _Rating(msgspec.Struct):
    """Severity in words, as some CNAs give it."""

    text: str = ""
    value: str = ""


class _Problem(msgspec.Struct, rename="camel", gc=False):
    description: str = ""
    cwe_id: str = ""


class _ProblemType(msgspec.Struct):
    descriptions: list[_Problem] = []


class _Impact(msgspec.Struct, rename="camel"):
    capec_id: str = ""


class _Reference(msgspec.Struct, gc=False):
    url: str


class _Provider(msgspec.Struct, rename="camel", gc=False):
    org_id: str = ""
    short_name: str = ""


class _Container(msgspec.Struct, rename="camel"):
    provider_metadata: _Provider = msgspec.field(default_factory=_Provider)
    title: str = ""
    descriptions: list[cve.Said] = []
    affected: list[cve.Product] = []
    metrics: list[_Metric] = []
    problem_types: list[_ProblemType] = []
    references: list[_Reference] = []
    impacts: list[_Impact] = []
    configurations: list[cve.Said] = []
    workarounds: list[cve.Said] = []
    solutions: list[cve.Said] = []
    exploits: list[cve.Said] = []
    rejected_reasons: list[cve.Said] = []
    replaced_by: list[str] = []

    @property
    def by(self) -> str:
        return self.provider_metadata.short_name or cve.publisher(self.provider_metadata.org_id)


class _Containers(msgspec.Struct):
    cna: _Container | None = None
    adp: list[_Container] = []


class _Metadata(msgspec.Struct, rename="camel"):
    cve_id: str
    state: str
    date_published: str = ""
    date_updated: str = ""
    date_rejected: str = ""


class _Cve(msgspec.Struct, rename="camel"):
    cve_metadata: _Metadata
    containers: _Containers


_CVE = msgspec.json.Decoder(_Cve)
_KEV = msgspec.json.Decoder(_KevContent)
_RATING = msgspec.json.Decoder(_Rating)


def _claims(item: Input) -> bool:
    if not item.container:
        return _is_record(item.head)
    if any(name.rpartition("/")[2] == INNER for name in item.names):
        return True
    is_own = _IN_TREE.fullmatch if item.container == "folder" else cve.CVE_FILE.search
    records = [name for name in item.names if is_own(name)]
    if not records or len(records) < SHARE * len(item.names):
        return False
    return any(
        _is_record(body) for _, body in item.members(records[0].rpartition("/")[2])
    )  # OSV files may have such names, too


def _is_record(head: bytes) -> bool:
    return head.lstrip()[:1] == b"{" and b'"dataType"' in head and b'"CVE_RECORD"' in head


def _part(item: Input) -> str:
    """A single record is a part of its own, so that it does not replace the whole list."""
    return "" if item.container else cve.found_id(item.head, "")


def _read(item: Input, tally: Tally) -> Iterator[Record]:
    seen: set[str] = set()
    for name, body in _files(item):
        tally.read += 1
        try:
            record = _record(cve.decode(_CVE, body, cve.found_id(name.encode(), "") or cve.found_id(body, name)))
        except RecordError as exc:
            tally.refuse(exc)
            continue
        if record.id in seen:
            tally.skip(cve.SUPERSEDED)
            continue
        seen.add(record.id)
        tally.on = max(tally.on, record.modified)
        yield record


def _files(item: Input) -> Iterator[Member]:
    """Files of other names in a tree (delta.json, README.md) are no records."""
    if not item.container:
        yield item.name, item.read()
    elif item.container == "zip" and any(name.rpartition("/")[2] == INNER for name in item.names):
        with tempfile.TemporaryDirectory() as folder:
            for inner in _unpacked(item, Path(folder)):
                yield from _files(inner)
    else:
        yield from ((name, body) for name, body in item.members(".json") if cve.CVE_FILE.search(name))


def _unpacked(item: Input, folder: Path) -> Iterator[Input]:
    """The zip inside a zip, on disk, as it has hundreds of MB."""
    limit = Expansion(item.name, lambda: item.path.stat().st_size)
    try:
        with zipfile.ZipFile(item.path) as archive:
            name = next(name for name in archive.namelist() if name.rpartition("/")[2] == INNER)
            with archive.open(name) as source, (folder / INNER).open("wb") as target:
                limit.expanded = archive.getinfo(name).file_size
                limit.check()
                shutil.copyfileobj(source, target, 1 << 20)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as exc:
        raise InputError(f"damaged archive: {exc}", where=item.name, remedy="fetch it again") from exc
    except OSError as exc:
        raise InputError(f"cannot be unpacked: {exc.strerror or exc}", where=item.name) from exc
    inner = Input(folder / INNER)
    if inner.container != "zip" or any(name.rpartition("/")[2] == INNER for name in inner.names):
        raise InputError(f"'{INNER}' inside is no zip of CVE records", where=item.name, remedy="fetch it again")
    yield inner


def _record(entry: _Cve) -> Record:
    meta, cna = entry.cve_metadata, entry.containers.cna or _Container()
    return Record(
        cve.cve_id(meta.cve_id, "cveMetadata.cveId"),
        Kind.VULNERABILITY,
        cve.one_line(cna.title),
        status=Status.REJECTED if meta.state.upper() == "REJECTED" else Status.ACTIVE,
        replaced_by=next(filter(cve.CVE.fullmatch, cna.replaced_by), ""),
        published=day(meta.date_published),
        modified=day(meta.date_updated or meta.date_rejected),
        facts=_facts(cna, entry.containers.adp, meta.cve_id),
        texts=tuple(_texts(cna, entry.containers.adp)),
        links=tuple(_links([cna, *entry.containers.adp])),
    )


def _facts(cna: _Container, adps: list[_Container], uid: str) -> VulnerabilityFacts:
    everyone = [cna, *adps]
    vectors = [
        (vector.vector_string, vector.base_score, one.by)
        for one in everyone
        for metric in one.metrics
        for vector in (metric.cvssV4_0, metric.cvssV3_1, metric.cvssV3_0, metric.cvssV2_0)
        if vector
    ]
    ssvcs, kevs, ratings = _others(everyone, uid)
    return VulnerabilityFacts(
        cvss=cve.vectors(vectors),
        ssvc=max(ssvcs, key=lambda one: one.on, default=None),
        kev=kevs[0] if kevs else None,
        affected=_affected(cna, adps),
        references=cve.first_unique(reference.url for one in everyone for reference in one.references),
        severity="" if vectors else next(iter(ratings), ""),
    )


def _others(everyone: list[_Container], uid: str) -> tuple[list[Ssvc], list[Kev], list[str]]:
    """What the schema knows nothing of: SSVC, known exploitation, severity in words."""
    ssvcs, kevs, ratings = [], [], []
    for by, metric in ((one.by, metric) for one in everyone for metric in one.metrics):
        decisions = [decision for decision in (metric.ssvcV2_0_0, metric.ssvcV1_0_1) if decision]
        if metric.other and metric.other.type == "ssvc":
            decisions.append(cve.decode(ssvc.DECISION, metric.other.content, f"{uid} (ssvc)"))
        elif metric.other and metric.other.type == "kev":
            kevs.append(Kev(day(cve.decode(_KEV, metric.other.content, f"{uid} (kev)").date_added)))
        elif metric.other:
            ratings += _rating(metric.other)
        ssvcs += [ssvc.decided(decision, by) for decision in decisions]
    return ssvcs, [kev for kev in kevs if kev.added], ratings


def _rating(other: _Other) -> list[str]:
    """Of any other metric, which may have any form."""
    try:
        rating = _RATING.decode(other.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    word = cve.one_line(rating.value or rating.text)
    return [word] if 0 < len(word) <= _SEVERITY else []


def _affected(cna: _Container, adps: list[_Container]) -> tuple[Affected, ...]:
    """What the CNA states; others repeat it in their own spelling, so they count only where the CNA is silent."""
    return cve.products(cve.stated(cna.affected)) or cve.products(
        cve.stated(chain.from_iterable(one.affected for one in adps))
    )


def _texts(cna: _Container, adps: list[_Container]) -> Iterator[Text]:
    yield from cve.english("description", cna.descriptions)
    yield from cve.english("adp-description", chain.from_iterable(one.descriptions for one in adps))
    for field in _FIELDS:
        name = "rejectedReasons" if field == "rejected_reasons" else field
        yield from cve.english(name, chain.from_iterable(getattr(one, field) for one in (cna, *adps)))


def _links(everyone: list[_Container]) -> Iterator[Link]:
    yield from cve.weaknesses(
        (problem.cwe_id or problem.description, one.by)
        for one in everyone
        for kind in one.problem_types
        for problem in kind.descriptions
    )
    patterns = {impact.capec_id: one.by for one in reversed(everyone) for impact in reversed(one.impacts)}
    for pattern, by in reversed(patterns.items()):
        if number := cve.CAPEC.fullmatch(pattern):
            yield Link(Rel.RELATED_TO, f"CAPEC-{number[1]}", note=f"impact, {by}" if by else "impact")


READER = Reader("cvelist", _claims, _read, _part)
