"""CVE JSON 5: CNA and ADP containers, trees and archives."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from vedette.errors import InputError
from vedette.knowledge.inputs import Input
from vedette.knowledge.readers.cvelist import READER
from vedette.knowledge.record import Affected, Cvss, Kev, Ssvc, Status

from .cve_inputs import damaged, facts, got, links, read_damaged, texts, written

V40 = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"
V31 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"


def _other(kind: str, content: object) -> dict[str, Any]:
    return {"other": {"type": kind, "content": content}}


SSVC = {
    "id": "CVE-2030-0001",
    "role": "CISA Coordinator",
    "options": [{"Exploitation": "Active"}, {"Automatable": "no"}, {"Technical Impact": "partial"}],
    "version": "2.0.3",
    "timestamp": "2030-01-05T00:00:00Z",
}
CNA: dict[str, Any] = {
    "providerMetadata": {"orgId": "0", "shortName": "acme"},
    "title": "Boiling \n of kettles",
    "descriptions": [
        {"lang": "en-US", "value": "A kettle boils."},
        {"lang": "de", "value": "Ein Kessel kocht."},
        {"lang": "en", "value": "It does so at night."},
    ],
    "affected": [
        {
            "vendor": "Acme",
            "product": "Kettle",
            "defaultStatus": "unaffected",
            "versions": [
                {"version": "1.0", "lessThan": "1.5", "versionType": "semver", "status": "affected"},
                {"version": "0", "lessThanOrEqual": "0.9", "versionType": "semver", "status": "affected"},
                {"version": "2.0", "status": "unaffected"},
                {"version": "f" * 40, "lessThan": "e" * 40, "versionType": "git", "status": "affected"},
            ],
        },
        {
            "vendor": "Acme",
            "product": "Stove",
            "defaultStatus": "affected",
            "versions": [{"version": "3.1", "status": "unaffected"}],
        },
        {"vendor": "Acme", "product": "Fridge", "defaultStatus": "unaffected"},
        {"vendor": "n/a", "product": "n/a", "versions": [{"version": "n/a", "status": "affected"}]},
    ],
    "metrics": [
        {"format": "CVSS", "scenarios": [], "cvssV4_0": {"vectorString": V40, "baseScore": 9, "version": "4.0"}},
        {"cvssV3_1": {"vectorString": V31, "baseScore": 9.8, "version": "3.1"}},
    ],
    "problemTypes": [
        {"descriptions": [{"lang": "en", "type": "CWE", "cweId": "CWE-79", "description": "CWE-79 Made up"}]},
        {"descriptions": [{"lang": "en", "type": "text", "description": "Steam"}]},
        {"descriptions": [{"lang": "en", "description": "CWE-20: Made up"}]},
    ],
    "impacts": [{"capecId": "CAPEC-66", "descriptions": [{"lang": "en", "value": "x"}]}],
    "references": [{"url": "https://acme.example/1"}],
    "workarounds": [{"lang": "en", "value": "Drink water."}],
    "solutions": [{"lang": "eng", "value": "Unplug it."}],
    "exploits": [{"lang": "en", "value": "Seen in a kitchen."}],
}
ADP: dict[str, Any] = {
    "providerMetadata": {"orgId": "1", "shortName": "CISA-ADP"},
    "title": "CISA ADP Vulnrichment",
    "metrics": [
        _other("ssvc", SSVC),
        _other("kev", {"dateAdded": "2030-01-06", "reference": "https://acme.example/kev"}),
        {"cvssV3_1": {"vectorString": V31, "baseScore": 9.8, "version": "3.1"}},
    ],
    "problemTypes": [{"descriptions": [{"cweId": "CWE-79", "description": "CWE-79", "lang": "en", "type": "CWE"}]}],
    "affected": [{"vendor": "acme", "product": "kettle", "versions": [{"version": "*", "status": "affected"}]}],
    "references": [{"url": "https://acme.example/1"}, {"url": "https://acme.example/2"}],
    "descriptions": [{"lang": "en", "value": "Seen again."}],
}


def _cve(uid: str, cna: dict[str, Any] | None = None, *adp: dict[str, Any], state: str = "PUBLISHED") -> str:
    return json.dumps(
        {
            "dataType": "CVE_RECORD",
            "dataVersion": "5.1",
            "cveMetadata": {
                "cveId": uid,
                "state": state,
                "datePublished": "2030-01-02T03:04:05.678Z",
                "dateUpdated": "2030-02-03T04:05:06.789Z",
            },
            "containers": {"cna": CNA if cna is None else cna, "adp": list(adp)},
        }
    )


FULL = _cve("CVE-2030-0001", CNA, ADP)
REJECTED = _cve(
    "CVE-2030-0002",
    {"rejectedReasons": [{"lang": "en", "value": "It was tea."}], "replacedBy": ["CVE-2030-0001"]},
    state="REJECTED",
)


def _path(uid: str) -> str:
    return f"cves/2030/0xxx/{uid}.json"


def _zip(members: dict[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return out.getvalue()


BOTH: dict[str, str | bytes] = {_path("CVE-2030-0001"): FULL, _path("CVE-2030-0002"): REJECTED}


def test_what_cna_and_others_say(tmp_path: Path) -> None:
    path = written(tmp_path / "one.json", FULL)
    assert READER.claims(Input(path))
    record = got(READER, path)[0]["CVE-2030-0001"]
    told = facts(record)
    assert (record.name, record.published, record.modified) == ("Boiling of kettles", "2030-01-02", "2030-02-03")
    assert told.cvss == (Cvss(V40, 9.0, "acme"), Cvss(V31, 9.8, "acme, CISA-ADP"))
    assert told.ssvc == Ssvc("active", "no", "partial", "CISA-ADP", "2030-01-05")
    assert told.kev == Kev("2030-01-06")
    assert told.references == ("https://acme.example/1", "https://acme.example/2")
    assert links(record) == [
        ("has-weakness", "CWE-79", "acme, CISA-ADP"),
        ("has-weakness", "CWE-20", "acme"),
        ("related-to", "CAPEC-66", "impact, acme"),
    ]
    assert texts(record) == {
        "description": "A kettle boils.\n\nIt does so at night.",
        "adp-description": "Seen again.",
        "workarounds": "Drink water.",
        "solutions": "Unplug it.",
        "exploits": "Seen in a kitchen.",
    }


def test_affected_products_are_the_cnas_and_those_of_others_where_it_is_silent(tmp_path: Path) -> None:
    records, _ = got(READER, written(tmp_path / "one.json", FULL))
    assert facts(records["CVE-2030-0001"]).affected == (
        Affected("Acme Kettle", "1.0 < 1.5, <= 0.9"),
        Affected("Acme Stove", "not 3.1"),
    )
    silent = {**CNA, "affected": CNA["affected"][3:]}
    records, _ = got(READER, written(tmp_path / "one.json", _cve("CVE-2030-0001", silent, ADP)))
    assert facts(records["CVE-2030-0001"]).affected == (Affected("acme kettle"),)


def test_a_rejected_one_stays_with_its_reason(tmp_path: Path) -> None:
    record = got(READER, written(tmp_path / "one.json", REJECTED))[0]["CVE-2030-0002"]
    assert (record.status, record.replaced_by) == (Status.REJECTED, "CVE-2030-0001")
    assert texts(record) == {"rejectedReasons": "It was tea."}


@pytest.mark.parametrize(
    ("content", "severity"),
    [({"text": "High"}, "High"), ({"value": "Low", "namespace": "x"}, "Low"), ({"text": "So " * 30}, ""), ([1], "")],
)
def test_severity_in_words_counts_where_there_is_no_vector(tmp_path: Path, content: object, severity: str) -> None:
    cna = {**CNA, "metrics": [_other("Textual description of severity", content)]}
    records, _ = got(READER, written(tmp_path / "one.json", _cve("CVE-2030-0001", cna)))
    assert facts(records["CVE-2030-0001"]).severity == severity


def test_trees_and_archives_give_the_same(tmp_path: Path) -> None:
    for name, body in BOTH.items():
        written(tmp_path / "tree" / name, body)
    written(tmp_path / "tree/cves/delta.json", '{"numberOfChanges": 2}')
    flat = written(tmp_path / "cves.zip", _zip(BOTH))
    nested = written(tmp_path / "all.zip.zip", _zip({"cves.zip": _zip(BOTH)}))
    whole = []
    for path in (tmp_path / "tree", flat, nested):
        if path.name == "tree":
            (path / "cves/delta.json").unlink()
        assert READER.claims(Input(path))
        assert READER.part(Input(path)) == ""
        records, tally = got(READER, path)
        assert (tally.read, tally.on) == (2, "2030-02-03")
        whole.append(records)
    assert whole[0] == whole[1] == whole[2]
    assert READER.part(Input(written(tmp_path / "one.json", FULL))) == "CVE-2030-0001"


def test_other_files_of_a_tree_are_no_records(tmp_path: Path) -> None:
    more: dict[str, str | bytes] = {
        _path(f"CVE-2030-1{number:03}"): _cve(f"CVE-2030-1{number:03}") for number in range(8)
    }
    path = written(tmp_path / "cves.zip", _zip({**more, "cves/delta.json": "{}", "README.md": "made up"}))
    assert READER.claims(Input(path))
    assert got(READER, path)[1].read == 8


@pytest.mark.parametrize(
    ("metric", "what"),
    [
        ({"cvssV3_1": {"vectorString": 7}}, "Expected `str`, got `int` - at `$.containers.cna.metrics[…].cvssV3_1"),
        (_other("ssvc", {"options": {}}), "Expected `array`, got `object` - at `$.options`"),
        (_other("kev", {}), "missing required field `dateAdded`"),
    ],
)
def test_a_surprise_is_refused_with_id_and_field(tmp_path: Path, metric: dict[str, Any], what: str) -> None:
    bad = _cve("CVE-2030-0003", {**CNA, "metrics": [metric]})
    records, tally = got(READER, written(tmp_path / "x.zip", _zip({_path("CVE-2030-0003"): bad, **BOTH})))
    assert len(records) == 2
    where, said = tally.examples[0]
    assert where.startswith("CVE-2030-0003")
    assert what in said


def test_an_id_counts_once(tmp_path: Path) -> None:
    again: dict[str, str | bytes] = {**BOTH, "delta/CVE-2030-0001.json": FULL}
    records, tally = got(READER, written(tmp_path / "x.zip", _zip(again)))
    assert len(records) == 2
    assert tally.skipped == {"superseded in the same input": 1}


def test_others_are_not_claimed(tmp_path: Path) -> None:
    osv = json.dumps({"id": "CVE-2030-0001", "modified": "2030-01-01T00:00:00Z", "affected": []})
    assert not READER.claims(Input(written(tmp_path / "one.json", osv)))
    assert not READER.claims(Input(written(tmp_path / "osv.zip", _zip({"CVE-2030-0001.json": osv}))))
    mixed: dict[str, str | bytes] = {**BOTH, **{f"notes/{number}.txt": "x" for number in range(9)}}
    assert not READER.claims(Input(written(tmp_path / "mixed.zip", _zip(mixed))))


def test_a_folder_that_holds_a_tree_among_others_is_not_claimed_as_a_whole(tmp_path: Path) -> None:
    for name, body in BOTH.items():
        written(tmp_path / "cvelistV5" / name, body)
    assert not READER.claims(Input(tmp_path))
    assert READER.claims(Input(tmp_path / "cvelistV5"))


def test_what_is_inside_must_be_a_zip_of_records(tmp_path: Path) -> None:
    for inner in (b"no zip", _zip({"cves.zip": _zip(BOTH)})):
        with pytest.raises(InputError, match="no zip of CVE records"):
            got(READER, written(tmp_path / "all.zip", _zip({"cves.zip": inner})))
    bomb = _zip({"cves.zip": b"\0" * (80 * 1024**2)})
    with pytest.raises(InputError, match="expanded"):
        got(READER, written(tmp_path / "bomb.zip", bomb))


def test_the_published_sample(shared: Path) -> None:
    path = shared / "data/cve/cvelistV5-sample.zip"
    assert READER.claims(Input(path))
    records, tally = got(READER, path)
    assert (len(records), tally.read) == (5_083, 5_083)
    assert sum(facts(record).ssvc is not None for record in records.values()) == 5_066
    assert sum(facts(record).kev is not None for record in records.values()) == 25
    assert sum(record.status == Status.REJECTED for record in records.values()) == 16


@given(damaged(FULL.encode()))
def test_no_record_does_harm(body: bytes) -> None:
    read_damaged(READER, "one.json", body)


@given(damaged(_zip({"cves.zip": _zip(BOTH)})))
def test_no_archive_does_harm(body: bytes) -> None:
    read_damaged(READER, "all.zip", body)
