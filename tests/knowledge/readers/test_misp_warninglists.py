"""MISP warninglists: lists in archives, folders and alone; damaged ones are refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import VedetteError
from vedette.knowledge.inputs import Input
from vedette.knowledge.readers import Tally, misp_warninglists
from vedette.knowledge.record import Kind, ListFacts, Record, Text, decode, encode

READER = misp_warninglists.READER
LIST: dict[str, Any] = {
    "description": "Addresses that we made up",
    "list": ["192.0.2.0/24", "198.51.100.7"],
    "matching_attributes": ["ip-src", "domain|ip"],
    "name": "Made-up addresses",
    "type": "cidr",
    "version": 20250102,
}


def taken(path: Path) -> tuple[list[Record], Tally]:
    tally = Tally()
    records = list(READER.read(Input(path), tally))
    assert tally.read == len(records) + tally.skipped.total() + tally.refused.total()
    return records, tally


def written(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_a_list_gives_its_values(tmp_path: Path) -> None:
    source = written(tmp_path / "made-up/list.json", LIST)
    (record,), tally = taken(source)
    assert record == Record(
        "warninglist:made-up",
        Kind.WARNINGLIST,
        "Made-up addresses",
        modified="2025-01-02",
        facts=ListFacts("cidr", ("ip-src", "domain|ip"), ("192.0.2.0/24", "198.51.100.7")),
        texts=(Text("description", "Addresses that we made up"),),
    )
    assert decode(encode(record)) == record
    assert tally.on == "2025-01-02"
    assert READER.claims(Input(source))
    assert READER.part(Input(source)) == "made-up"


@pytest.mark.parametrize("version", [3, 25121022, 20251301, 20250132])
def test_a_counter_is_no_date(tmp_path: Path, version: int) -> None:
    (record,), tally = taken(written(tmp_path / "x/list.json", LIST | {"version": version}))
    assert record.modified == tally.on == ""


def test_archives_and_folders_give_the_same(tmp_path: Path) -> None:
    written(tmp_path / "plain/lists/a/list.json", LIST)
    written(tmp_path / "plain/lists/b/list.json", LIST)
    with zipfile.ZipFile(tmp_path / "lists.zip", "w") as archive:
        for name in "ab":
            archive.writestr(f"top/lists/{name}/list.json", json.dumps(LIST))
        archive.writestr("top/tools/other.json", "{}")
    inputs = [tmp_path / "plain", tmp_path / "plain/lists", tmp_path / "lists.zip"]
    for path in inputs:
        assert READER.claims(Input(path))
        assert READER.part(Input(path)) == ""
        assert [r.id for r in taken(path)[0]] == ["warninglist:a", "warninglist:b"]


@pytest.mark.parametrize("broken", [LIST | {"list": [1]}, LIST | {"name": None}, [], {"list": []}, "x"])
def test_a_damaged_list_is_refused_and_the_next_is_read(tmp_path: Path, broken: object) -> None:
    written(tmp_path / "lists/a/list.json", broken)
    written(tmp_path / "lists/b/list.json", LIST)
    records, tally = taken(tmp_path)
    assert [r.id for r in records] == ["warninglist:b"]
    assert tally.examples[0][0] == "a"


def test_a_long_list_is_claimed_by_its_beginning(tmp_path: Path) -> None:
    values = [f"host-{n}.example" for n in range(10_000)]
    assert READER.claims(Input(written(tmp_path / "x/list.json", LIST | {"list": values})))


@pytest.mark.parametrize(
    "other", [{"list": ["a"]}, {"description": "x", "rules": ["list"]}, {"name": "x", "type": "y"}]
)
def test_other_json_is_left_alone(tmp_path: Path, other: object) -> None:
    assert not READER.claims(Input(written(tmp_path / "list.json", other)))
    assert not READER.claims(Input(tmp_path))


@given(st.integers(0, 200), st.integers(0, 30), st.binary(max_size=10))
def test_mutated_lists_raise_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, place: int, cut: int, new: bytes
) -> None:
    text = json.dumps(LIST).encode()
    path = tmp_path_factory.mktemp("m", numbered=True) / "list.json"
    path.write_bytes(text[:place] + new + text[place + cut :])
    try:
        READER.claims(Input(path))
        records, _ = taken(path)
    except VedetteError:  # it looks like an archive that is not supported
        return
    assert all(decode(encode(r)) == r for r in records)


def test_all_published_lists_are_read(shared: Path) -> None:
    records, tally = taken(shared / "data/ioc/misp-warninglists.tar.gz")
    assert tally.read == len(records) == 135
    assert not tally.refused
    assert {r.facts.type for r in records if isinstance(r.facts, ListFacts)} == {
        "cidr",
        "hostname",
        "regex",
        "string",
        "substring",
    }
