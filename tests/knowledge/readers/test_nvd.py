"""NVD 2.0: feeds and pages of the API."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from vedette.errors import InputError
from vedette.knowledge.inputs import Input
from vedette.knowledge.readers.nvd import READER
from vedette.knowledge.record import Affected, Cvss, Kev, Ssvc, Status

from .cve_inputs import damaged, facts, got, links, read_damaged, texts, written

CISA = "134c704f-9b21-4f2e-91b3-4a467353bcc0"
V31 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
V2 = "AV:N/AC:L/Au:N/C:P/I:P/A:P"


def _metric(source: str, kind: str, vector: str, score: float) -> dict[str, Any]:
    return {"source": source, "type": kind, "cvssData": {"version": "x", "vectorString": vector, "baseScore": score}}


def _match(criteria: str, vulnerable: bool = True, **versions: str) -> dict[str, Any]:
    return {"vulnerable": vulnerable, "criteria": f"cpe:2.3:{criteria}", "matchCriteriaId": "X", **versions}


FULL: dict[str, Any] = {
    "id": "CVE-2030-0001",
    "sourceIdentifier": "cna@acme.example",
    "published": "2030-01-02T03:04:05.678",
    "lastModified": "2030-02-03T04:05:06.789",
    "vulnStatus": "Analyzed",
    "cveTags": [],
    "descriptions": [{"lang": "en", "value": "A kettle boils."}, {"lang": "es", "value": "Una tetera hierve."}],
    "metrics": {
        "cvssMetricV2": [_metric("nvd@nist.gov", "Primary", V2, 7.5)],
        "cvssMetricV31": [
            _metric("cna@acme.example", "Secondary", V31, 9.8),
            _metric("nvd@nist.gov", "Primary", V31, 9.8),
        ],
        "ssvcV203": [
            {
                "source": CISA,
                "ssvcData": {
                    "timestamp": "2030-01-05T00:00:00Z",
                    "id": "CVE-2030-0001",
                    "options": [{"exploitation": "poc"}, {"automatable": "no"}, {"technicalImpact": "total"}],
                    "role": "CISA Coordinator",
                    "version": "2.0.3",
                },
            }
        ],
    },
    "cisaExploitAdd": "2030-01-06",
    "cisaActionDue": "2030-01-27",
    "cisaRequiredAction": "Unplug it.",
    "cisaVulnerabilityName": "Acme Kettle Boiling Vulnerability",
    "weaknesses": [
        {"source": "nvd@nist.gov", "type": "Primary", "description": [{"lang": "en", "value": "NVD-CWE-noinfo"}]},
        {
            "source": "cna@acme.example",
            "type": "Secondary",
            "description": [{"lang": "en", "value": "CWE-79"}, {"lang": "en", "value": "NVD-CWE-Other"}],
        },
        {"source": CISA, "type": "Secondary", "description": [{"lang": "en", "value": "CWE-79"}]},
    ],
    "configurations": [
        {
            "nodes": [
                {
                    "operator": "OR",
                    "negate": False,
                    "cpeMatch": [
                        _match("a:acme:kettle:*:*:*:*:*:*:*:*", versionStartIncluding="2.0", versionEndExcluding="2.5"),
                        _match("a:acme:kettle:*:*:*:*:*:*:*:*", versionEndIncluding="1.4"),
                        _match("a:acme:kettle:*:*:*:*:*:*:*:*", versionStartExcluding="3.0", versionEndExcluding="3.5"),
                        _match("a:acme:kettle:9.0:rc1:*:*:*:*:*:*"),
                        _match(r"a:acme:tea\:pot:1.0:*:*:*:*:*:*:*"),
                        _match("h:acme:stove:-:*:*:*:*:*:*:*", vulnerable=False),
                    ],
                }
            ]
        }
    ],
    "references": [{"url": "https://acme.example/1", "source": "x"}, {"url": "https://acme.example/1", "source": "y"}],
    "vendorComments": [{"organization": "Acme", "comment": "Sorry.", "lastModified": "2030-01-01T00:00:00"}],
}
REJECTED: dict[str, Any] = {
    "id": "CVE-2030-0002",
    "published": "2030-01-02T03:04:05.678",
    "lastModified": "2030-01-02T03:04:05.678",
    "vulnStatus": "Rejected",
    "descriptions": [{"lang": "en", "value": "Rejected reason: it was tea."}],
    "metrics": {},
    "references": [],
}
RECEIVED: dict[str, Any] = {
    **REJECTED,
    "id": "CVE-2031-0003",
    "vulnStatus": "Received",
    "affected": [
        {
            "source": "cna@acme.example",
            "affectedData": [
                {
                    "vendor": "Acme",
                    "product": "Kettle",
                    "versions": [{"version": "1.0", "lessThan": "1.5", "status": "affected"}],
                }
            ],
        }
    ],
}


def _feed(*entries: dict[str, Any], start: int = 0) -> str:
    return json.dumps(
        {
            "resultsPerPage": len(entries),
            "startIndex": start,
            "totalResults": len(entries),
            "format": "NVD_CVE",
            "version": "2.0",
            "timestamp": "2030-03-04T05:06:07.89",
            "vulnerabilities": [{"cve": entry} for entry in entries],
        }
    )


SAMPLE = _feed(FULL, REJECTED, RECEIVED)


def test_a_full_entry(tmp_path: Path) -> None:
    path = written(tmp_path / "nvdcve-2.0-2030.json.gz", gzip.compress(SAMPLE.encode()))
    assert READER.claims(Input(path))
    records, tally = got(READER, path)
    assert (tally.read, tally.on) == (3, "2030-03-04")
    record = records["CVE-2030-0001"]
    told = facts(record)
    assert (record.name, record.published, record.modified) == (
        "Acme Kettle Boiling Vulnerability",
        "2030-01-02",
        "2030-02-03",
    )
    assert told.cvss == (Cvss(V31, 9.8, "nvd@nist.gov, cna@acme.example"), Cvss(V2, 7.5, "nvd@nist.gov"))
    assert told.ssvc == Ssvc("poc", "no", "total", "CISA-ADP", "2030-01-05")
    assert told.kev == Kev("2030-01-06", "2030-01-27")
    assert told.references == ("https://acme.example/1",)
    assert links(record) == [("has-weakness", "CWE-79", "cna@acme.example, CISA-ADP")]
    assert texts(record) == {
        "description": "A kettle boils.",
        "requiredAction": "Unplug it.",
        "vendorComments": "Acme: Sorry.",
    }


def test_affected_products_with_their_ranges(tmp_path: Path) -> None:
    records, _ = got(READER, written(tmp_path / "nvd.json", SAMPLE))
    assert facts(records["CVE-2030-0001"]).affected == (
        Affected("acme:kettle", "2.0 < 2.5, <= 1.4, > 3.0, < 3.5, 9.0 rc1"),
        Affected("acme:tea:pot", "1.0"),
    )
    assert facts(records["CVE-2031-0003"]).affected == (Affected("Acme Kettle", "1.0 < 1.5"),)


def test_a_rejected_one_stays_with_its_reason(tmp_path: Path) -> None:
    records, _ = got(READER, written(tmp_path / "nvd.json", SAMPLE))
    assert records["CVE-2030-0002"].status == Status.REJECTED
    assert texts(records["CVE-2030-0002"]) == {"description": "Rejected reason: it was tea."}
    assert records["CVE-2031-0003"].status == Status.ACTIVE


def test_the_newest_of_an_id_wins(tmp_path: Path) -> None:
    newer = {**REJECTED, "lastModified": "2031-01-01T00:00:00.000"}
    for order in ((REJECTED, newer), (newer, REJECTED)):
        records, tally = got(READER, written(tmp_path / "nvd.json", _feed(*order)))
        assert records["CVE-2030-0002"].modified == "2031-01-01"
        assert tally.skipped == {"superseded in the same input": 1}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"metrics": {"cvssMetricV2": [{"cvssData": {}}]}}, "missing required field `vectorString` - at"),
        ({"descriptions": None}, "Expected `array`, got `null` - at `$.cve.descriptions`"),
        ({"lastModified": 7}, "Expected `str`, got `int` - at `$.cve.lastModified`"),
        ({"id": "CVE-30-1"}, "not a CVE id"),
    ],
)
def test_a_surprise_is_refused_with_id_and_field(tmp_path: Path, change: dict[str, Any], what: str) -> None:
    records, tally = got(READER, written(tmp_path / "nvd.json", _feed({**FULL, **change}, REJECTED)))
    assert list(records) == ["CVE-2030-0002"]
    where, said = tally.examples[0]
    assert what in said
    assert ("CVE-2030-0001" in where) == ("id" not in change)


@pytest.mark.parametrize(
    ("name", "start", "part"),
    [
        ("nvdcve-2.0-2003.json.gz", 0, "2003"),
        ("nvdcve-2.0-recent.json", 0, "recent"),
        ("nvdcve-2.0-modified.json", 0, "modified"),
        ("answer.json", 0, "2030-2031"),
        ("answer.json", 2000, "2030-2031 from 2000"),
    ],
)
def test_the_part_is_the_feed_or_the_years(tmp_path: Path, name: str, start: int, part: str) -> None:
    body = _feed(FULL, REJECTED, RECEIVED, start=start).encode()
    path = written(tmp_path / name, gzip.compress(body) if name.endswith("gz") else body)
    assert READER.part(Input(path)) == part


def test_half_a_feed_is_an_error_and_others_are_not_claimed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not an NVD 2"):
        got(READER, written(tmp_path / "nvd.json", SAMPLE[:-5]))
    other = written(tmp_path / "other.json", json.dumps({"vulnerabilities": [FULL]}))
    assert not READER.claims(Input(other))


@pytest.mark.parametrize(("part", "count", "rejected"), [("2003", 1_519, 48), ("recent", 4_589, 89)])
def test_the_published_feeds(shared: Path, part: str, count: int, rejected: int) -> None:
    path = shared / f"data/cve/nvdcve-2.0-{part}.json.gz"
    assert READER.claims(Input(path))
    assert READER.part(Input(path)) == part
    records, tally = got(READER, path)
    assert (len(records), tally.read) == (count, count)
    assert sum(record.status == Status.REJECTED for record in records.values()) == rejected


@given(damaged(SAMPLE.encode()))
def test_no_file_does_harm(body: bytes) -> None:
    read_damaged(READER, "nvd.json", body)
