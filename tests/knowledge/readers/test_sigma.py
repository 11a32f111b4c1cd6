"""Sigma rules: what is taken from a rule, what is refused, and that a hostile file cannot do harm."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import RecordError, VedetteError
from vedette.knowledge.inputs import Input, Member
from vedette.knowledge.plain_yaml import DEPTH, documents
from vedette.knowledge.readers import Tally, sigma
from vedette.knowledge.record import Kind, Link, Record, Rel, RuleFacts, Status, decode, encode

ONE = "11111111-2222-4333-8444-555555555555"
TWO = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
RULE = f"""\
title: Made-up Dumper
id: {ONE}
related:
    - id: {TWO}
      type: obsolete
    - id: {ONE}
      type: derived
status: test
description: |
    Sees a dumper that nobody wrote.
date: 2024-02-03
modified: 2025-06-07
tags:
    - attack.credential-access
    - attack.t1003.001
    - attack.T1059
    - attack.s0002
    - attack.g0016
    - cve.2021-44228
    - cve.2020.1472
    - car.2019-04-004
logsource:
    product: windows
    category: process_creation
detection:
    selection:
        Image|endswith: '\\dumper.exe'
        CommandLine|contains|all:
            - 'no'
            - 4624
    keywords:
        - one
        - field: two
    filter_good:
        Image: C:\\Good\\dumper.exe
    condition: selection and keywords and not filter_good
falsepositives:
    - Some admins
level: high
"""
CORRELATION = f"""\
title: Many Made-up Dumpers
id: {TWO}
status: deprecated
date: 2023/01/02
correlation:
    type: event_count
    rules:
        - made_up
    timespan: 5m
"""


def taken(path: Path) -> tuple[list[Record], Tally]:
    tally = Tally()
    records = list(sigma.READER.read(Input(path), tally))
    assert tally.read == len(records) + tally.skipped.total() + tally.refused.total()
    return records, tally


def written(folder: Path, content: str, name: str = "rule.yml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def test_a_rule_gives_facts_texts_and_links(tmp_path: Path) -> None:
    (record,), tally = taken(written(tmp_path, RULE))
    assert (record.id, record.kind, record.name) == (f"sigma:{ONE}", Kind.RULE, "Made-up Dumper")
    assert (record.published, record.modified, tally.on) == ("2024-02-03", "2025-06-07", "2025-06-07")
    assert record.status == Status.ACTIVE
    assert record.facts == RuleFacts("high", "test", "windows", "process_creation")
    assert {t.field: t.body for t in record.texts} == {
        "description": "Sees a dumper that nobody wrote.",
        "detection": "condition: selection and keywords and not filter_good\n"
        "selection: Image|endswith: \\dumper.exe, CommandLine|contains|all: no, 4624\n"
        "keywords: one, field: two",
        "falsepositives": "Some admins",
    }
    assert record.links == (
        Link(Rel.DETECTS, "T1003.001"),
        Link(Rel.DETECTS, "T1059"),
        Link(Rel.RELATED_TO, "S0002"),
        Link(Rel.RELATED_TO, "G0016"),
        Link(Rel.ABOUT, "CVE-2021-44228"),
        Link(Rel.ABOUT, "CVE-2020-1472"),
        Link(Rel.RELATED_TO, f"sigma:{TWO}", "obsolete"),
    )
    assert decode(encode(record)) == record


def test_each_document_of_a_file_is_a_record(tmp_path: Path) -> None:
    records, tally = taken(written(tmp_path, f"{RULE}---\n{CORRELATION}---\nname: no rule\n"))
    assert [r.id for r in records] == [f"sigma:{ONE}", f"sigma:{TWO}"]
    assert (records[1].status, records[1].published) == (Status.DEPRECATED, "2023-01-02")
    assert records[1].texts[0].body == "type: event_count\nrules: made_up\ntimespan: 5m"
    assert tally.skipped == {"not a rule": 1}


def test_a_long_detection_is_cut(tmp_path: Path) -> None:
    (record,), _ = taken(written(tmp_path, RULE.replace("'no'", "x" * 5000)))
    body = next(t.body for t in record.texts if t.field == "detection")
    assert len(body) == sigma.DETECTION
    assert body.endswith("…")


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (f"id: {ONE}\nrelated", "related", "missing required field `id`"),
        (f"id: {ONE}\nrelated", "id: 17\nrelated", "no UUID"),
        ("title: Made-up Dumper", "title:", "missing required field `title`"),
        ("    - attack.t1003.001", "    - attack: t1003", "$.tags"),
        ("title: Made-up Dumper", "title: [a", "not valid YAML"),
        ("status: test", "status: *known", "not valid YAML|alias"),
        ("'no'", "[" * (DEPTH + 1) + "]" * (DEPTH + 1), "nested deeper"),
    ],
)
def test_a_damaged_rule_is_refused_and_the_next_is_read(tmp_path: Path, old: str, new: str, what: str) -> None:
    written(tmp_path / "rules", RULE.replace(old, new, 1), "a.yml")
    written(tmp_path / "rules", CORRELATION, "b.yml")
    records, tally = taken(tmp_path)
    assert [r.id for r in records] == [f"sigma:{TWO}"]
    assert any(part in reason for part in what.split("|") for reason in tally.refused)
    assert tally.examples[0][0].startswith("a.yml")


def test_an_id_is_given_once(tmp_path: Path) -> None:
    records, tally = taken(written(tmp_path, f"{RULE}---\n{RULE}"))
    assert len(records) == 1
    assert tally.refused == {"an id that is given twice": 1}


def test_archives_and_folders_give_the_same(tmp_path: Path) -> None:
    written(tmp_path / "plain/rules/windows", RULE)
    written(tmp_path / "plain", "read me", "README.md")
    with tarfile.open(tmp_path / "rules.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "plain", "sigma")
    with zipfile.ZipFile(tmp_path / "rules.zip", "w") as packed:
        packed.writestr("sigma/rules/windows/rule.yml", RULE)
    inputs = [tmp_path / "plain", tmp_path / "plain/rules", tmp_path / "rules.tar.gz", tmp_path / "rules.zip"]
    assert all(sigma.READER.claims(Input(path)) for path in inputs)
    assert {sigma.READER.part(Input(path)) for path in inputs} == {""}
    assert len({encode(taken(path)[0][0]) for path in inputs}) == 1


def test_a_single_file_is_its_own_part(tmp_path: Path) -> None:
    source = Input(written(tmp_path, RULE))
    assert sigma.READER.claims(source)
    assert sigma.READER.part(source) == ONE


def test_other_yaml_is_left_alone(tmp_path: Path) -> None:
    assert not sigma.READER.claims(Input(written(tmp_path / "a", "title: a play\nhosts: all\n")))
    assert not sigma.READER.claims(Input(tmp_path / "a"))
    assert not sigma.READER.claims(Input(written(tmp_path / "b", '{"title": "json"}', "x.json")))
    written(tmp_path / "c/sigma", RULE)
    written(tmp_path / "c/other", "[]", "x.json")
    assert not sigma.READER.claims(Input(tmp_path / "c"))  # a neighbour would be swallowed
    assert sigma.READER.claims(Input(tmp_path / "c/sigma"))


def test_yaml_is_text_lists_and_mappings() -> None:
    text = b"a: no\nb: [1, 2020-01-01, null]\nc: {<<: x}\nd: !!python/object:os.system [ls]\n---\nplain\n"
    found = list(documents(text, ""))
    assert found == [{"a": "no", "b": ["1", "2020-01-01", "null"], "c": {"<<": "x"}, "d": ["ls"]}, "plain"]


@pytest.mark.parametrize(
    "text", [b"a: &x [1]\nb: *x\n", b"? [a]\n: b\n", b"a: \x80\n", b"- " * 100_000, b"[" * 100_000]
)
def test_hostile_yaml_is_an_error(text: bytes) -> None:
    with pytest.raises(RecordError):
        list(documents(text, "x"))


@given(st.integers(0, len(RULE)), st.integers(0, 40), st.binary(max_size=20))
def test_mutated_rules_raise_nothing_else(place: int, cut: int, new: bytes) -> None:
    text = RULE.encode()
    content = text[:place] + new + text[place + cut :]
    tally = Tally()
    try:
        records = list(sigma.READER.read(_Memory(content), tally))
    except VedetteError:
        return
    assert tally.read == len(records) + tally.skipped.total() + tally.refused.total()
    assert all(decode(encode(r)) == r for r in records)


class _Memory(Input):
    """One file's content, without a disk."""

    def __init__(self, content: bytes) -> None:
        super().__init__(Path("rule.yml"))
        self._content = content

    def members(self, suffix: str = "") -> Iterator[Member]:
        yield "rule.yml", self._content


def test_all_published_rules_are_read(shared: Path) -> None:
    records, tally = taken(shared / "data/sigma/sigma-rules.tar.gz")
    assert tally.read == len(records) == len({r.id for r in records}) == 3754
    assert not tally.refused
    assert sum(link.rel == Rel.DETECTS for r in records for link in r.links) > 4000
    assert not sigma.READER.claims(Input(shared / "data/sigma/sigma-regression.tar.gz"))
