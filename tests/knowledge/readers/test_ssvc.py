"""SSVC decisions in every form that the schema has had."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from vedette.knowledge.inputs import Input
from vedette.knowledge.readers.ssvc import READER
from vedette.knowledge.record import Ssvc

from .cve_inputs import damaged, facts, got, read_damaged, written

OPTIONS: dict[str, Any] = {
    "id": "CVE-2030-0001",
    "role": "Coordinator",
    "version": "2.0.3",
    "timestamp": "2030-01-02T03:04:05Z",
    "options": [{"Exploitation": "PoC"}, {"Automatable": "Yes"}, {"Technical Impact": "Total"}],
}
SELECTIONS_1: dict[str, Any] = {
    "schemaVersion": "1-0-1",
    "id": "CVE-2030-0001",
    "role": "Coordinator",
    "timestamp": "2030-01-02T03:04:05Z",
    "selections": [
        {"name": "Exploitation", "namespace": "ssvc", "version": "1.1.0", "values": ["Public PoC"]},
        {"name": "Automatable", "namespace": "ssvc", "version": "2.0.0", "values": ["Yes"]},
        {"name": "Technical Impact", "namespace": "ssvc", "version": "1.0.0", "values": ["Total"]},
        {"name": "Value Density", "namespace": "ssvc", "version": "1.0.0", "values": ["Diffuse"]},
    ],
}
SELECTIONS_2: dict[str, Any] = {
    "schemaVersion": "2.0.0",
    "target_ids": ["CVE-2030-0001", "CVE-2030-0002", "VENDOR-7"],
    "role": "Coordinator",
    "timestamp": "2030-01-02T03:04:05Z",
    "selections": [
        {"namespace": "ssvc", "key": "E", "version": "1.1.0", "values": [{"key": "P"}]},
        {"namespace": "ssvc", "key": "A", "version": "2.0.0", "values": [{"key": "Y", "name": "Yes"}]},
        {"namespace": "ssvc", "key": "TI", "version": "1.0.0", "values": [{"key": "T"}]},
    ],
}
TABLE = """\
CVE,Exploitation,Automatable,Technical Impact,Timestamp,Role
CVE-2030-0001,poc,yes,total,2030-01-02,Coordinator
CVE-2030-0003,active,no,partial,2030-01-03,Coordinator
"""
EXPECTED = Ssvc("poc", "yes", "total", "Coordinator", "2030-01-02")
SAMPLE = json.dumps([OPTIONS, SELECTIONS_2])


@pytest.mark.parametrize("body", [*map(json.dumps, (OPTIONS, SELECTIONS_1, SELECTIONS_2)), TABLE, SAMPLE])
def test_every_form_says_the_same(tmp_path: Path, body: str) -> None:
    path = written(tmp_path / "decision", body)
    assert READER.claims(Input(path))
    records, _ = got(READER, path)
    assert facts(records["CVE-2030-0001"]).ssvc == EXPECTED


def test_targets_that_are_no_cve_are_skipped_and_a_newer_decision_wins(tmp_path: Path) -> None:
    older = {**OPTIONS, "timestamp": "2029-01-01T00:00:00Z", "options": [{"Exploitation": "none"}]}
    for order in ((older, SELECTIONS_2), (SELECTIONS_2, older)):
        records, tally = got(READER, written(tmp_path / "decisions.json", json.dumps(order)))
        assert facts(records["CVE-2030-0001"]).ssvc == EXPECTED
        assert sorted(records) == ["CVE-2030-0001", "CVE-2030-0002"]
        assert tally.skipped == {"not about a CVE": 1, "superseded in the same input": 1}
        assert tally.on == "2030-01-02"


def test_what_is_not_as_the_schema_says_is_refused(tmp_path: Path) -> None:
    broken = {**OPTIONS, "id": "CVE-2030-0009", "options": {"Exploitation": "none"}}
    silent = {**OPTIONS, "id": "CVE-2030-0008", "options": [{"Utility": "laborious"}]}
    records, tally = got(READER, written(tmp_path / "decisions.json", json.dumps([broken, silent, OPTIONS])))
    assert list(records) == ["CVE-2030-0001"]
    assert tally.examples == [("CVE-2030-0009", "Expected `array`, got `object` - at `$.options`")]
    assert tally.skipped == {"no exploitation, automation or impact": 1}
    _, tally = got(READER, written(tmp_path / "decisions.csv", TABLE + "CVE-2030-0004,poc\n"))
    assert tally.refused == {"another number of cells than the header": 1}


def test_one_decision_is_a_part_of_its_own(tmp_path: Path) -> None:
    assert READER.part(Input(written(tmp_path / "one.json", json.dumps(OPTIONS)))) == "CVE-2030-0001"
    assert READER.part(Input(written(tmp_path / "many.json", SAMPLE))) == ""
    assert READER.part(Input(written(tmp_path / "table.csv", TABLE))) == ""


@pytest.mark.parametrize(
    "body", ['{"id": "CVE-2030-0001"}', '{"options": [1], "id": "x"}', "id,options\n", "cve,epss,percentile\n", ""]
)
def test_others_are_not_claimed(tmp_path: Path, body: str) -> None:
    assert not READER.claims(Input(written(tmp_path / "other", body)))


@given(damaged(SAMPLE.encode()))
def test_no_json_does_harm(body: bytes) -> None:
    read_damaged(READER, "decisions.json", body)


@given(damaged(TABLE.encode()))
def test_no_csv_does_harm(body: bytes) -> None:
    read_damaged(READER, "decisions.csv", body)
