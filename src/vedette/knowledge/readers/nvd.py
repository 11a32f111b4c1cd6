"""NVD 2.0: the feeds by year, "recent" and "modified", and pages of the API, which have the same form."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from vedette.errors import RecordError
from vedette.knowledge.inputs import Input
from vedette.knowledge.readers import Reader, Tally, cve, day, ssvc
from vedette.knowledge.record import Affected, Kev, Kind, Record, Ssvc, Status, Text, VulnerabilityFacts

_FEED = re.compile(r"nvdcve-[\d.]+-(\d{4}|recent|modified)\.json", re.IGNORECASE)
_YEAR = re.compile(rb'"id"\s*:\s*"CVE-(\d{4})-')
_START = re.compile(rb'"startIndex"\s*:\s*(\d+)')
_COLON = re.compile(r"(?<!\\):")  # a CPE may hold escaped ones


class _CvssData(msgspec.Struct, rename="camel", gc=False):
    vector_string: str
    base_score: float | None = None


class _Metric(msgspec.Struct, rename="camel", gc=False):
    cvss_data: _CvssData
    source: str = ""
    type: str = ""


class _SsvcMetric(msgspec.Struct, rename="camel"):
    ssvc_data: ssvc.Decision
    source: str = ""


class _Metrics(msgspec.Struct):
    cvssMetricV40: list[_Metric] = []  # noqa: N815 - the feed's own names
    cvssMetricV31: list[_Metric] = []  # noqa: N815
    cvssMetricV30: list[_Metric] = []  # noqa: N815
    cvssMetricV2: list[_Metric] = []  # noqa: N815
    ssvcV203: list[_SsvcMetric] = []  # noqa: N815


class _Weakness(msgspec.Struct):
    description: list[cve.Said]
    source: str = ""


class _CpeMatch(msgspec.Struct, rename="camel", gc=False):
    criteria: str
    vulnerable: bool
    version_start_including: str = ""
    version_start_excluding: str = ""
    version_end_including: str = ""
    version_end_excluding: str = ""


class _Node(msgspec.Struct, rename="camel"):
    cpe_match: list[_CpeMatch] = []


class _Configuration(msgspec.Struct):
    nodes: list[_Node]


class _Stated(msgspec.Struct, rename="camel"):
    affected_data: list[cve.Product] = []


class _Reference(msgspec.Struct, gc=False):
    url: str


class _Comment(msgspec.Struct):
    organization: str
    comment: str


class _Cve(msgspec.Struct, rename="camel"):
    id: str
    descriptions: list[cve.Said]
    published: str = ""
    last_modified: str = ""
    vuln_status: str = ""
    metrics: _Metrics = msgspec.field(default_factory=_Metrics)
    weaknesses: list[_Weakness] = []
    configurations: list[_Configuration] = []
    affected: list[_Stated] = []
    references: list[_Reference] = []
    vendor_comments: list[_Comment] = []
    evaluator_comment: str = ""
    evaluator_impact: str = ""
    evaluator_solution: str = ""
    cisa_exploit_add: str = ""
    cisa_action_due: str = ""
    cisa_required_action: str = ""
    cisa_vulnerability_name: str = ""


class _Item(msgspec.Struct):
    cve: _Cve


class _Stub(msgspec.Struct, rename="camel"):
    id: str
    last_modified: str = ""


class _StubItem(msgspec.Struct):
    cve: _Stub


class _Feed(msgspec.Struct):
    vulnerabilities: list[msgspec.Raw]
    timestamp: str = ""
    version: str = ""


_FEEDS = msgspec.json.Decoder(_Feed)
_ITEMS = msgspec.json.Decoder(_Item)
_STUBS = msgspec.json.Decoder(_StubItem)


def _claims(item: Input) -> bool:
    return b'"NVD_CVE"' in item.head and b'"vulnerabilities"' in item.head


def _part(item: Input) -> str:
    """Of the feeds their own name; of anything else the years of its CVEs, and where in the answer a page begins."""
    if match := _FEED.search(item.name):
        return match[1].lower()
    years = sorted(set(_YEAR.findall(item.read())))
    span = "-".join(year.decode() for year in (years if len(years) < 2 else (years[0], years[-1])))
    start = _START.search(item.head)
    return f"{span} from {int(start[1])}" if start and int(start[1]) else span


def _read(item: Input, tally: Tally) -> Iterator[Record]:
    feed = cve.envelope(_FEEDS, item, "an NVD 2.0 feed")
    tally.on = day(feed.timestamp)
    for raw in _newest(feed.vulnerabilities, tally):
        try:
            yield _record(cve.decode(_ITEMS, raw, cve.found_id(bytes(raw), "")).cve)
        except RecordError as exc:
            tally.refuse(exc)


def _newest(raws: list[msgspec.Raw], tally: Tally) -> Iterator[msgspec.Raw]:
    """Each CVE once, in the feed's order."""
    newest: dict[str, tuple[str, msgspec.Raw]] = {}
    for number, raw in enumerate(raws, 1):
        tally.read += 1
        try:
            stub = cve.decode(_STUBS, raw, cve.found_id(bytes(raw), f"entry {number}")).cve
            uid = cve.cve_id(stub.id, f"entry {number}")
        except RecordError as exc:
            tally.refuse(exc)
            continue
        before = newest.get(uid)
        if before:
            tally.skip(cve.SUPERSEDED)
        if not before or stub.last_modified >= before[0]:
            newest[uid] = (stub.last_modified, raw)
    for _, raw in newest.values():
        yield raw


def _record(entry: _Cve) -> Record:
    stated = ((said.value, cve.publisher(one.source)) for one in entry.weaknesses for said in one.description)
    return Record(
        entry.id,
        Kind.VULNERABILITY,
        cve.one_line(entry.cisa_vulnerability_name),
        status=Status.REJECTED if entry.vuln_status.lower() == "rejected" else Status.ACTIVE,
        published=day(entry.published),
        modified=day(entry.last_modified),
        facts=_facts(entry),
        texts=tuple(_texts(entry)),
        links=cve.weaknesses(stated),
    )


def _facts(entry: _Cve) -> VulnerabilityFacts:
    metrics = entry.metrics
    of_each = (metrics.cvssMetricV40, metrics.cvssMetricV31, metrics.cvssMetricV30, metrics.cvssMetricV2)
    sorted_metrics = (one for of_one in of_each for one in sorted(of_one, key=lambda metric: metric.type != "Primary"))
    return VulnerabilityFacts(
        cvss=cve.vectors(
            (one.cvss_data.vector_string, one.cvss_data.base_score, cve.publisher(one.source)) for one in sorted_metrics
        ),
        ssvc=_ssvc(metrics.ssvcV203),
        kev=Kev(day(entry.cisa_exploit_add), day(entry.cisa_action_due)) if day(entry.cisa_exploit_add) else None,
        affected=_affected(entry),
        references=cve.first_unique(one.url for one in entry.references),
    )


def _ssvc(metrics: Iterable[_SsvcMetric]) -> Ssvc | None:
    newest = max(metrics, key=lambda one: one.ssvc_data.timestamp, default=None)
    return ssvc.decided(newest.ssvc_data, cve.publisher(newest.source)) if newest else None


def _affected(entry: _Cve) -> tuple[Affected, ...]:
    """NVD's own configurations; before NVD has made them, what the CNA stated."""
    matches = (match for one in entry.configurations for node in one.nodes for match in node.cpe_match)
    found = cve.products((*_cpe(match), "") for match in matches if match.vulnerable)
    return found or cve.products(cve.stated(one for stated in entry.affected for one in stated.affected_data))


def _cpe(match: _CpeMatch) -> tuple[str, str]:
    """(vendor:product, range)"""
    fields = match.criteria.split(":") if "\\" not in match.criteria else _COLON.split(match.criteria)
    if len(fields) < 6:
        return "", ""
    product = ":".join(fields[3:5]).replace("\\", "")
    start, end = match.version_start_including, match.version_end_excluding or match.version_end_including
    if match.version_start_excluding:
        start = f"> {match.version_start_excluding}"
        return product, f"{start}, {cve.span('', end, included=not match.version_end_excluding)}" if end else start
    if start or end:
        return product, cve.span(start, end, included=not match.version_end_excluding)
    version = " ".join(field for field in fields[5:7] if field not in ("*", "-"))
    return product, version.replace("\\", "")


def _texts(entry: _Cve) -> Iterator[Text]:
    yield from cve.english("description", entry.descriptions)
    for field, body in (
        ("requiredAction", entry.cisa_required_action),
        ("evaluatorComment", entry.evaluator_comment),
        ("evaluatorImpact", entry.evaluator_impact),
        ("evaluatorSolution", entry.evaluator_solution),
        ("vendorComments", "\n\n".join(f"{one.organization}: {one.comment}" for one in entry.vendor_comments)),
    ):
        if body.strip():
            yield Text(field, body.strip())


READER = Reader("nvd", _claims, _read, _part)
