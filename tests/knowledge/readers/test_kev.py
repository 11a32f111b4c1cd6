"""CISA KEV: the JSON catalogue and the CSV give the same records."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from vedette.errors import InputError
from vedette.knowledge.inputs import Input
from vedette.knowledge.readers.kev import READER
from vedette.knowledge.record import Kev

from .cve_inputs import damaged, facts, got, links, read_damaged, texts, written

ENTRY: dict[str, Any] = {
    "cveID": "CVE-2030-0001",
    "vendorProject": "Acme",
    "product": "Kettle",
    "vulnerabilityName": "Acme Kettle  Boiling Vulnerability",
    "dateAdded": "2030-01-02",
    "shortDescription": "A kettle boils, without being asked.",
    "requiredAction": "Unplug it.",
    "dueDate": "2030-01-23",
    "knownRansomwareCampaignUse": "Known",
    "notes": "https://acme.example/kettle ; https://acme.example/more",
    "cwes": ["CWE-79", "CWE-020"],
}
PLAIN = {**ENTRY, "cveID": "CVE-2030-0002", "knownRansomwareCampaignUse": "Unknown", "notes": "", "cwes": []}


def _catalogue(*entries: dict[str, Any]) -> str:
    return json.dumps(
        {
            "title": "Made-up catalogue",
            "catalogVersion": "2030.01.02",
            "dateReleased": "2030-01-02T03:04:05.6Z",
            "count": len(entries),
            "vulnerabilities": list(entries),
        }
    )


def _table(*entries: dict[str, Any]) -> str:
    out = io.StringIO()
    rows = csv.DictWriter(out, list(ENTRY))
    rows.writeheader()
    rows.writerows({**entry, "cwes": ", ".join(entry["cwes"])} for entry in entries)
    return out.getvalue()


SAMPLE = _catalogue(ENTRY, PLAIN)


@pytest.mark.parametrize("body", [SAMPLE, _table(ENTRY, PLAIN), "\ufeff" + _table(ENTRY, PLAIN)])
def test_json_and_csv_say_the_same(tmp_path: Path, body: str) -> None:
    path = written(tmp_path / "kev", body)
    assert READER.claims(Input(path))
    records, tally = got(READER, path)
    first, second = records["CVE-2030-0001"], records["CVE-2030-0002"]
    assert first.name == "Acme Kettle Boiling Vulnerability"
    assert facts(first).kev == Kev("2030-01-02", "2030-01-23", True, "Acme", "Kettle")
    assert facts(first).references == ("https://acme.example/kettle", "https://acme.example/more")
    assert links(first) == [("has-weakness", "CWE-79", "CISA KEV"), ("has-weakness", "CWE-20", "CISA KEV")]
    assert list(texts(first)) == ["shortDescription", "requiredAction", "notes"]
    kev = facts(second).kev
    assert kev is not None
    assert not kev.ransomware
    assert list(texts(second)) == ["shortDescription", "requiredAction"]
    assert (tally.read, tally.release) == (2, "2030.01.02" if body.startswith("{") else "")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"cwes": "CWE-79"}, "Expected `array`, got `str` - at `$.cwes`"),
        ({"product": None}, "Expected `str`, got `null` - at `$.product`"),
        ({"dateAdded": "soon"}, "dateAdded is no date"),
    ],
)
def test_a_surprise_is_refused_with_id_and_field(tmp_path: Path, change: dict[str, Any], what: str) -> None:
    records, tally = got(READER, written(tmp_path / "kev.json", _catalogue({**ENTRY, **change}, PLAIN)))
    assert list(records) == ["CVE-2030-0002"]
    assert tally.refused == {what: 1}
    assert tally.examples[0][0].startswith("CVE-2030-0001")


def test_an_id_counts_once_and_the_later_one_wins(tmp_path: Path) -> None:
    later = {**ENTRY, "dateAdded": "2031-01-01"}
    for order in ((ENTRY, later), (later, ENTRY)):
        records, tally = got(READER, written(tmp_path / "kev.json", _catalogue(*order)))
        kev = facts(records["CVE-2030-0001"]).kev
        assert kev is not None
        assert kev.added == "2031-01-01"
        assert dict(tally.skipped) == {"superseded in the same input": 1}


def test_half_a_catalogue_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a KEV catalogue"):
        got(READER, written(tmp_path / "kev.json", SAMPLE[:-10]))


def test_the_published_catalogue(shared: Path) -> None:
    path = shared / "data/kev/known_exploited_vulnerabilities.json"
    assert READER.claims(Input(path))
    records, tally = got(READER, path)
    assert (len(records), tally.read, tally.release, tally.on) == (1_674, 1_674, "2026.08.21", "2026-08-21")


@given(damaged(SAMPLE.encode()))
def test_no_json_does_harm(body: bytes) -> None:
    read_damaged(READER, "kev.json", body)


@given(damaged(_table(ENTRY, PLAIN).encode()))
def test_no_csv_does_harm(body: bytes) -> None:
    read_damaged(READER, "kev.csv", body)
