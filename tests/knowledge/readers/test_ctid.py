"""CTID mappings: one record a CVE or control, every mapping a link."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vedette.errors import InputError, VedetteError
from vedette.knowledge.inputs import Input
from vedette.knowledge.readers import Tally
from vedette.knowledge.readers.ctid import READER
from vedette.knowledge.record import Kind, Link, Record, Rel, decode, encode

MORE = "a further mapping in the record of the same CVE or control"


def mapping(
    ident: str | None, technique: str, role: str | None, comments: str | None = None, **more: Any
) -> dict[str, Any]:
    return {
        "capability_id": ident,
        "capability_description": f"The name of {ident}",
        "mapping_type": role,
        "attack_object_id": technique,
        "attack_object_name": "A technique",
        "capability_group": "group",
        "comments": comments,
        "references": [],
        "status": "complete",
    } | more


def mappings(*items: object, framework: str = "kev", attack: str = "16.1", **more: Any) -> bytes:
    metadata = {
        "mapping_framework": framework,
        "mapping_framework_version": "07/28/2025",
        "attack_version": attack,
        "technology_domain": "enterprise",
        "author": None,
        "last_update": "8/28/2025",
    } | more
    return json.dumps({"metadata": metadata, "mapping_objects": items}).encode()


KEV = mappings(
    mapping("CVE-2021-0001", "T1190", "exploitation_technique", "By a\ncrafted page."),
    mapping("CVE-2021-0001", "T1059.001", "primary_impact"),
    mapping("CVE-2022-0002", "T1190", "exploitation_technique"),
)
NIST = mappings(
    mapping(None, "T1496", None, status="non_mappable"),
    mapping("AC-02", "T1055", "mitigates"),
    mapping("AC-02", "T1055", "mitigates", "It limits."),
    mapping("AC-2(01)", "T1055", "mitigates", attack_version=16),
    framework="nist_800_53",
    mapping_framework_version="rev5",
    last_update=None,
)


def run(path: Path, content: bytes = b"") -> tuple[list[Record], Tally]:
    if content:
        path.write_bytes(content)
    source, tally = Input(path), Tally()
    assert READER.claims(source)
    records = list(READER.read(source, tally))
    assert tally.read == len(records) + tally.skipped.total() + tally.refused.total()
    assert len({record.id for record in records}) == len(records)
    assert all(decode(encode(record)) == record for record in records)
    return records, tally


def packed(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_a_vulnerability_enables_its_techniques(tmp_path: Path) -> None:
    (first, second), tally = run(tmp_path / "a.json", KEV)
    assert (first.id, first.kind, first.name) == ("CVE-2021-0001", Kind.VULNERABILITY, "The name of CVE-2021-0001")
    assert first.links == (
        Link(Rel.ENABLES, "T1190", "exploitation_technique", "By a crafted page."),
        Link(Rel.ENABLES, "T1059.001", "primary_impact"),
    )
    assert second.links == (Link(Rel.ENABLES, "T1190", "exploitation_technique"),)
    assert (tally.read, tally.skipped) == (3, {MORE: 1})
    assert (tally.release, tally.on) == ("kev 07/28/2025; ATT&CK 16.1", "2025-08-28")
    assert READER.part(Input(tmp_path / "a.json")) == "kev-enterprise"


def test_controls_are_unpadded_and_a_mapping_stated_twice_is_one_link(tmp_path: Path) -> None:
    (control, enhancement), tally = run(tmp_path / "a.json", NIST)
    assert (control.id, control.kind, enhancement.id) == ("AC-2", Kind.CONTROL, "AC-2(1)")
    assert control.links == (Link(Rel.MITIGATES, "T1055", text="It limits."),)
    assert tally.skipped == {"non mappable": 1, "stated twice": 1}
    assert (tally.release, tally.on) == ("nist_800_53 rev5; ATT&CK 16.1", "")


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        (mapping("CVE-1", "T1190", "primary_impact"), "'capability_id' is no CVE"),
        (mapping(None, "T1190", "primary_impact"), "'capability_id' is no CVE"),
        (mapping("CVE-2021-0009", "TA0001", "primary_impact"), "'attack_object_id' is no technique"),
        (mapping("CVE-2021-0009", "T1190", None, comments=[1]), "Expected `str | null`, got `array` - at `$.comments`"),
        ("text", "Expected `object`, got `str`"),
    ],
)
def test_a_surprise_is_refused_with_its_place(tmp_path: Path, bad: object, what: str) -> None:
    records, tally = run(tmp_path / "a.json", mappings(bad, mapping("CVE-2021-0001", "T1190", "primary_impact")))
    assert [r.id for r in records] == ["CVE-2021-0001"]
    assert tally.examples == [("a.json#0", what)]


PATH = "mappings/{0}/attack-{1}/x/enterprise/{0}-x_attack-{1}-enterprise{2}"


def test_an_archive_gives_all_its_files_and_the_newest_version_of_each(tmp_path: Path) -> None:
    old = mappings(mapping("CVE-2020-0003", "T1190", "primary_impact"), attack="9.0")
    path = packed(
        tmp_path / "m.tar.gz",
        {
            "LICENSE.txt": b"words",
            PATH.format("kev", "9.0", ".json"): old,
            PATH.format("kev", "16.1", ".json"): KEV,
            PATH.format("kev", "16.1", "_navigator_layer.json"): b'{"techniques": []}',
            PATH.format("kev", "16.1", ".csv"): b"a,b",
            PATH.format("nist_800_53", "16.1", ".json"): NIST,
            PATH.format("aws", "16.1", ".json"): mappings(mapping("x", "T1190", "detect"), framework="aws"),
        },
    )
    records, tally = run(path)
    assert [r.id for r in records] == ["CVE-2021-0001", "CVE-2022-0002", "AC-2", "AC-2(1)"]
    assert tally.skipped["maps to an older ATT&CK"] == 1
    assert tally.skipped["a framework that is not used: aws"] == 1
    assert tally.skipped["a file that is no mapping"] == 1
    assert READER.part(Input(path)) == ""


def test_what_only_looks_alike_is_not_claimed(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'{"objects": [], "capability_id": 1}')
    assert not READER.claims(Input(tmp_path / "a.json"))
    mixed = {PATH.format("kev", "16.1", ".json"): KEV, "rules/a.yml": b"title: x"}
    assert not READER.claims(Input(packed(tmp_path / "mixed.tar.gz", mixed)))
    assert not READER.claims(Input(tmp_path))


@pytest.mark.parametrize("content", [KEV[:-9], KEV.replace(b'"mapping_framework":', b'"framework":'), b"[" * 9 + KEV])
def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.json: not a mappings file"):
        list(READER.read(Input(tmp_path / "a.json"), Tally()))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    whole=st.sampled_from([KEV, NIST]),
    at=st.floats(0, 1),
    size=st.integers(0, 30),
    new=st.one_of(st.binary(max_size=8), st.sampled_from([b"null", b"[]", b'"', b"\\ud800", b"{}", b"1e999"])),
    cut=st.booleans(),
)
def test_damage_is_told_never_thrown(tmp_path: Path, whole: bytes, at: float, size: int, new: bytes, cut: bool) -> None:
    place = int(at * len(whole))
    path = tmp_path / "a.json"
    path.write_bytes(whole[:place] + new + (b"" if cut else whole[place + size :]))
    source, tally = Input(path), Tally()
    try:
        if not READER.claims(source):
            return
        READER.part(source)
        records = list(READER.read(source, tally))
    except VedetteError:
        return
    assert tally.read == len(records) + tally.skipped.total() + tally.refused.total()
    assert all(decode(encode(record)) == record for record in records)


def test_the_publishers_mappings_are_read_whole(shared: Path) -> None:
    records, tally = run(shared / "data/mappings/ctid-mappings.tar.gz")
    assert tally.read == 1183 + 45 + 5410
    assert (tally.refused, tally.skipped["non mappable"], tally.skipped["stated twice"]) == ({}, 96, 50)
    links = [link for record in records for link in record.links]
    assert sum(link.rel is Rel.ENABLES for link in links) == 1183 + 45
    assert sum(link.rel is Rel.MITIGATES for link in links) == 5410 - 96 - 50
    assert tally.on == "2025-08-28"
