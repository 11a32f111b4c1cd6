"""OSV: advisories of one file, an ecosystem's zip, GitHub's tree."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from vedette.knowledge.inputs import Input
from vedette.knowledge.readers.osv import READER
from vedette.knowledge.record import Affected, Cvss, Kind, Status

from .cve_inputs import damaged, facts, got, links, read_damaged, texts, written

V31 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
GHSA: dict[str, Any] = {
    "schema_version": "1.4.0",
    "id": "GHSA-aaaa-bbbb-cccc",
    "modified": "2030-02-03T04:05:06Z",
    "published": "2030-01-02T03:04:05Z",
    "aliases": ["CVE-2030-0001", "PYSEC-2030-1"],
    "related": ["GHSA-dddd-eeee-ffff", "CVE-2030-0001"],
    "summary": "Kettle boils",
    "details": "### Made up\nIt boils.",
    "severity": [{"type": "CVSS_V3", "score": V31}],
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "kettle", "purl": "pkg:pypi/kettle"},
            "ranges": [
                {
                    "type": "ECOSYSTEM",
                    "events": [
                        {"introduced": "0"},
                        {"fixed": "1.2"},
                        {"introduced": "2.0"},
                        {"last_affected": "2.3"},
                        {"introduced": "3.0"},
                    ],
                },
                {"type": "GIT", "repo": "https://acme.example/kettle", "events": [{"introduced": "0"}]},
            ],
            "versions": ["1.0", "1.1"],
        },
        {"package": {"ecosystem": "PyPI", "name": "teapot"}, "versions": ["7.0", "7.1"]},
    ],
    "references": [{"type": "WEB", "url": "https://acme.example/1"}],
    "database_specific": {"cwe_ids": ["CWE-79", "CWE-0020"], "severity": "HIGH", "github_reviewed": True},
}
PYSEC: dict[str, Any] = {
    "id": "PYSEC-2030-2",
    "modified": "2030-02-03T04:05:06Z",
    "published": "2030-01-02T03:04:05Z",
    "withdrawn": "2030-03-03T00:00:00Z",
    "details": "Withdrawn.",
    "upstream": ["CVE-2030-0002"],
    "severity": [{"type": "Ubuntu", "score": "Medium"}],
    "affected": [{"package": {"ecosystem": "PyPI", "name": "kettle"}, "ranges": None}],
    "database_specific": ["another form"],
}
GIT: dict[str, Any] = {
    "schema_version": "1.6.0",
    "id": "CVE-2030-0003",
    "modified": "2030-02-03T04:05:06Z",
    "affected": [{"ranges": [{"type": "GIT", "repo": "https://acme.example/kettle", "events": [{"introduced": "0"}]}]}],
}
SAMPLE = json.dumps(GHSA)


def _zip(*advisories: dict[str, Any], folder: str = "", **more: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for one in advisories:
            archive.writestr(f"{folder}{one['id']}.json", json.dumps(one))
        for name, body in more.items():
            archive.writestr(f"{name}.json", body)
    return out.getvalue()


def test_an_advisory_with_all_it_may_have(tmp_path: Path) -> None:
    path = written(tmp_path / "one.json", SAMPLE)
    assert READER.claims(Input(path))
    assert READER.part(Input(path)) == "GHSA-aaaa-bbbb-cccc"
    record = got(READER, path)[0]["GHSA-aaaa-bbbb-cccc"]
    told = facts(record)
    assert (record.kind, record.name, record.aliases) == (Kind.ADVISORY, "Kettle boils", ("PYSEC-2030-1",))
    assert (record.published, record.modified, record.status) == ("2030-01-02", "2030-02-03", Status.ACTIVE)
    assert told.cvss == (Cvss(V31, None, "GitHub"),)
    assert (told.severity, told.references) == ("", ("https://acme.example/1",))
    assert told.affected == (
        Affected("kettle", "< 1.2, 2.0 <= 2.3, >= 3.0", "PyPI"),
        Affected("teapot", "7.0, 7.1", "PyPI"),
    )
    assert links(record) == [
        ("about", "CVE-2030-0001", ""),
        ("related-to", "GHSA-dddd-eeee-ffff", ""),
        ("has-weakness", "CWE-79", "GitHub"),
        ("has-weakness", "CWE-20", "GitHub"),
    ]
    assert texts(record) == {"description": "### Made up\nIt boils."}


def test_withdrawn_ones_severity_in_words_and_the_own_ids_of_cves(tmp_path: Path) -> None:
    records, _ = got(READER, written(tmp_path / "all.zip", _zip(GHSA, PYSEC, GIT)))
    withdrawn, git = records["PYSEC-2030-2"], records["CVE-2030-0003"]
    assert withdrawn.status == Status.REJECTED
    assert facts(withdrawn).severity == "medium"
    assert links(withdrawn) == [("about", "CVE-2030-0002", "")]
    assert git.kind == Kind.VULNERABILITY
    assert facts(git).affected == (Affected("https://acme.example/kettle"),)


@pytest.mark.parametrize(
    ("members", "folder", "part"),
    [
        ((GHSA, PYSEC), "", "PyPI"),
        ((GHSA,), "advisories/github-reviewed/2030/01/GHSA-aaaa-bbbb-cccc/", "GHSA"),
        ((GIT,), "", "CVE"),
    ],
)
def test_the_part_is_the_ecosystem_or_the_database(
    tmp_path: Path, members: tuple[dict[str, Any], ...], folder: str, part: str
) -> None:
    path = written(tmp_path / "all.zip", _zip(*members, folder=folder))
    assert READER.claims(Input(path))
    assert READER.part(Input(path)) == part


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"affected": [{"package": {"ecosystem": "PyPI"}}]}, "missing required field `name` - at `$.affected[…]"),
        ({"severity": [{"type": "CVSS_V3", "score": 9.8}]}, "Expected `str`, got `float` - at `$.severity[…].score`"),
        ({"id": "a b"}, "not an id of an advisory"),
    ],
)
def test_a_surprise_is_refused_with_id_and_field(tmp_path: Path, change: dict[str, Any], what: str) -> None:
    bad = json.dumps({**GHSA, **change})
    records, tally = got(READER, written(tmp_path / "all.zip", _zip(PYSEC, **{"GHSA-bad-1": bad})))
    assert list(records) == ["PYSEC-2030-2"]
    where, said = tally.examples[0]
    assert what in said
    assert where.startswith("id: 'a b'" if "id" in change else "GHSA-bad-1")


def test_an_id_counts_once(tmp_path: Path) -> None:
    records, tally = got(READER, written(tmp_path / "all.zip", _zip(GHSA, **{"old/GHSA-aaaa-bbbb-cccc": SAMPLE})))
    assert len(records) == 1
    assert tally.skipped == {"superseded in the same input": 1}


def test_others_are_not_claimed(tmp_path: Path) -> None:
    stix = {"type": "bundle", "spec_version": "2.1", "id": "X-1", "modified": "", "published": "", "affected": []}
    assert not READER.claims(Input(written(tmp_path / "stix.json", json.dumps(stix))))
    cve = {"dataType": "CVE_RECORD", "id": "CVE-2030-0001", "modified": 1, "published": 1, "affected": []}
    assert not READER.claims(Input(written(tmp_path / "cve.json", json.dumps(cve))))
    assert not READER.claims(Input(written(tmp_path / "x.zip", _zip(cve))))


def test_a_folder_that_holds_a_tree_among_others_is_not_claimed_as_a_whole(tmp_path: Path) -> None:
    written(tmp_path / "db/advisories/unreviewed/2030/01/GHSA-aaaa-bbbb-cccc/GHSA-aaaa-bbbb-cccc.json", SAMPLE)
    assert not READER.claims(Input(tmp_path))
    assert READER.claims(Input(tmp_path / "db"))
    assert list(got(READER, tmp_path / "db")[0]) == ["GHSA-aaaa-bbbb-cccc"]


@given(damaged(SAMPLE.encode()))
def test_no_advisory_does_harm(body: bytes) -> None:
    read_damaged(READER, "one.json", body)


@given(damaged(_zip(GHSA, PYSEC)))
def test_no_archive_does_harm(body: bytes) -> None:
    read_damaged(READER, "all.zip", body)
