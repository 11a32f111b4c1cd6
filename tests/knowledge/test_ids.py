from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.knowledge import schema
from vedette.knowledge.ids import State, canonical, fold, mentions
from vedette.knowledge.record import Kind, Link, Record, Rel, Status, encode
from vedette.knowledge.store import Knowledge
from vedette.knowledge.unit import Unit

UUID = "11111111-2222-4333-8444-abcdefabcdef"


def store(units: Mapping[str, Sequence[Record]], on: str = "2026-06-01") -> Knowledge:
    """The tables that ids and links need, in memory."""
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    schema.create(db)
    number = 0
    for place, (name, records) in enumerate(units.items(), 1):
        source, _, part = name.partition("/")
        unit = Unit(source, part, "1", on, "2026-06-02T00:00:00+00:00", {}, 0, 0, {}, {}, "0" * 64)
        db.execute("INSERT INTO unit VALUES (?, ?, ?)", (place, name, msgspec.json.encode(unit)))
        for record in records:
            number += 1
            row = (number, place, record.id, record.kind, record.name, record.status, "", b"", encode(record))
            db.execute("INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            db.execute("INSERT INTO alias VALUES (?, ?, ?)", (fold(record.name), number, record.name))
            links = [(number, at, link.rel, link.to) for at, link in enumerate(record.links)]
            db.executemany("INSERT INTO link VALUES (?, ?, ?, ?)", links)
    for statement in schema.INDEXES.split(";"):
        db.execute(statement)
    return Knowledge(db, None)


KNOWN = {
    "attack/enterprise": [
        Record("T1059", Kind.TECHNIQUE, "Interpreter"),
        Record("T1059.001", Kind.TECHNIQUE, "Shell"),
        Record("T1086", Kind.TECHNIQUE, "Old shell", status=Status.REVOKED, replaced_by="T1085"),
        Record("T1085", Kind.TECHNIQUE, "Less old", status=Status.REVOKED, replaced_by="T1059.001"),
        Record("T1064", Kind.TECHNIQUE, "Scripts", status=Status.DEPRECATED),
        Record("G0016", Kind.GROUP, "Bears"),
        Record("S0002", Kind.SOFTWARE, "Cats"),
    ],
    "attack/mobile": [],
    "attack/ics": [],
    "cwe/2000": [Record("CWE-79", Kind.WEAKNESS, "Scripts in pages", links=(Link(Rel.CHILD_OF, "CWE-74"),))],
    "capec": [Record("CAPEC-66", Kind.PATTERN, "Injection")],
    "d3fend": [
        Record("D3-PSA", Kind.COUNTERMEASURE, "Look at processes"),
        Record("d3f:Process", Kind.ARTIFACT, "Process"),
        Record("AC-2", Kind.CONTROL, "Accounts"),
    ],
    "nvd/2003": [
        Record("CVE-2003-0201", Kind.VULNERABILITY),
        Record("CVE-2003-0202", Kind.VULNERABILITY, status=Status.REJECTED),
    ],
    "cve-table": [Record("CVE-2021-44228", Kind.VULNERABILITY), Record("T1059", Kind.VULNERABILITY, "a lesser word")],
}


@pytest.fixture(scope="module")
def known() -> Knowledge:
    return store(KNOWN)


@pytest.mark.parametrize(
    ("spelled", "uid"),
    [
        ("cve 2021 44228", "CVE-2021-44228"),
        (" cve-2021-44228\n", "CVE-2021-44228"),
        ("CVE‑2021‑44228", "CVE-2021-44228"),
        ("CVE–2021—44228", "CVE-2021-44228"),
        ("ＣＶＥ－２０２１－４４２２８", "CVE-2021-44228"),
        ("CVE_2021_44228", "CVE-2021-44228"),
        ("CVE-2021-044228", "CVE-2021-44228"),
        ("CVE-1999-0001", "CVE-1999-0001"),
        ("cwe_79", "CWE-79"),
        ("CWE-079", "CWE-79"),
        ("CWE ID 79", "CWE-79"),
        ("capec66", "CAPEC-66"),
        ("t1059.001", "T1059.001"),
        ("T1059/001", "T1059.001"),
        ("T1059.1", "T1059.001"),
        ("ta0002", "TA0002"),
        ("det0001", "DET0001"),
        ("AC-02(01)", "AC-2(1)"),
        ("AC-2 (1)", "AC-2(1)"),
        ("ac-2.1", "AC-2(1)"),
        ("d3-psa", "D3-PSA"),
        ("D3F:Process", "d3f:Process"),
        ("ghsa-JFH8-c2jp-5v3q", "GHSA-jfh8-c2jp-5v3q"),
        ("rustsec-2021-0001", "RUSTSEC-2021-0001"),
        (f"SIGMA:{UUID.upper()}", f"sigma:{UUID}"),
        (f"misp:{UUID}", f"misp:{UUID}"),
        ("warninglist:public-dns-v4", "warninglist:public-dns-v4"),
        # no ids
        ("", None),
        ("g16", None),
        ("T105", None),
        ("T10590", None),
        ("CVE-2021-1", None),
        ("CVE-0021-44228", None),
        ("CWE-0", None),
        ("CWE-79 and more", None),
        ("XY-2", None),
        ("AC-2(0)", None),
        ("GHSA-aaaa-bbbb-cccc", None),
        (UUID, None),
    ],
)
def test_one_spelling_for_each_id(spelled: str, uid: str | None) -> None:
    assert canonical(spelled) == uid
    assert uid is None or canonical(uid) == uid


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("See CVE-2021-44228, T1059.001.", ["CVE-2021-44228", "T1059.001"]),
        ("https://attack.mitre.org/techniques/T1059/001/", ["T1059.001"]),
        ("attack.t1059.001 T1059_shell.yml", ["T1059.001", "T1059"]),
        ("(S0002), g0016's; the group—G0016—did", ["S0002", "G0016", "G0016"]),
        ("CVE-2021-\n44228", ["CVE-2021-44228"]),
        ("AC-2/AC-2 and d3f:Process.", ["AC-2", "AC-2", "d3f:Process"]),
        ("controls ac-2 and AC-02", ["AC-2", "AC-2"]),
        # not written as ids are
        ("SN-S0002-2231, S0002-88, XS0002, S00021, S0002.4, id=S0002", []),
        ("0T1059 abT1059 T1059.1.2 T105900 t1059x", []),
        ("aGk3Bc9d/T1059+abcD12ef== and T1059/aGk3Bc9dQ", []),
        ("CWE 4.14 and CWE 2023 Top 25", []),
        ("CVE-2024-XXXX CVE-2024-12xx", []),
        ("a SR-71, a C9300 switch, d3-based, pe-32, ac-2", []),
    ],
)
def test_ids_in_text(known: Knowledge, text: str, found: list[str]) -> None:
    assert [mention.id for mention in mentions(text, known)] == found


@pytest.mark.parametrize(
    ("spelled", "state"),
    [
        ("T1059", State.EXISTS),
        ("T1086", State.REVOKED),
        ("T1064", State.DEPRECATED),
        ("CVE-2003-0202", State.REJECTED),
        ("T9999", State.UNKNOWN),
        ("T10590", State.UNKNOWN),
        ("T1059.999", State.UNKNOWN),
        ("G0999", State.UNKNOWN),
        ("CWE-99999", State.UNKNOWN),
        ("CWE-74", State.UNVERIFIABLE),  # named by CWE-79, but not in this view
        ("CAPEC-999", State.UNKNOWN),
        ("CWE-16", State.UNVERIFIABLE),  # may be a category or a view, which this view does not list
        ("CWE-1000", State.UNVERIFIABLE),
        ("CAPEC-3000", State.UNVERIFIABLE),
        ("CAPEC-65", State.UNVERIFIABLE),
        ("D3-XYZ", State.UNKNOWN),
        ("d3f:Harden", State.UNVERIFIABLE),
        ("CVE-2021-1", State.UNKNOWN),
        ("CVE-2003-9999", State.UNKNOWN),  # its year is here as a whole
        ("CVE-2021-99999", State.UNVERIFIABLE),
        (f"CVE-{datetime.now(UTC).year + 2}-1234", State.UNKNOWN),
        ("control AC-3", State.UNVERIFIABLE),
        ("control AC-99", State.UNKNOWN),
        (f"sigma:{UUID}", State.UNVERIFIABLE),
        ("GHSA-jfh8-c2jp-5v3q", State.UNVERIFIABLE),
        ("GHSA-aaaa-bbbb-cccc", State.UNKNOWN),
    ],
)
def test_what_becomes_of_an_id(known: Knowledge, spelled: str, state: State) -> None:
    (mention,) = mentions(spelled, known)
    assert mention.state is state
    assert (mention.kind is None) == (state in (State.UNKNOWN, State.UNVERIFIABLE))


def test_a_mention_says_what_it_is_and_what_replaced_it(known: Knowledge) -> None:
    text = "they used ｔ１０８６ and T1059"
    old, new = mentions(text, known)
    assert (old.id, old.spelled, old.replaced_by, old.name) == ("T1086", "ｔ１０８６", "T1059.001", "Old shell")
    assert (new.kind, new.name, new.replaced_by) == (Kind.TECHNIQUE, "Interpreter", "")  # the first source's word
    assert text[old.start : old.end] == old.spelled


def test_without_a_full_list_nothing_is_unknown() -> None:
    part = store({"attack/enterprise": KNOWN["attack/enterprise"], "cwe/1003": [], "nvd/recent": []})
    text = "T9999 CWE-99999 CAPEC-999 D3-XYZ CVE-2021-99999"
    assert {mention.state for mention in mentions(text, part)} == {State.UNVERIFIABLE}


def test_a_year_that_was_not_over_proves_nothing() -> None:
    early = store({"nvd/2003": []}, on="2003-11-01")
    assert mentions("CVE-2003-9999", early)[0].state is State.UNVERIFIABLE


WORDS = "CVE - 2021 44228 T1059 .001 / CWE 79 AC-2 (1) D3- PSA d3f: GHSA- g0016 S0002 — ＣＷＥ sigma: = + ſ İ"
PIECES = st.sampled_from([*WORDS.split(), UUID, "warninglist:", "\u2011", " ", "\n", "\ud800"])


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=30).map("".join)))
def test_any_text(text: str) -> None:
    known = store({"attack/enterprise": [Record("T1059", Kind.TECHNIQUE)]})
    end = 0
    for mention in mentions(text, known):
        assert text[mention.start : mention.end] == mention.spelled
        assert end <= mention.start < mention.end
        assert canonical(mention.id) in (None, mention.id)
        assert canonical(mention.spelled) in (None, mention.id)
        end = mention.end
    if uid := canonical(text):
        assert canonical(uid) == uid


@pytest.mark.parametrize(
    "piece",
    [
        "CVE-",
        "CVE - ",
        "T1059.",
        "T1059/",
        "AC-2(",
        "CWE ID ",
        "warninglist:a",
        "d3f:a-",
        "d3f:(",
        "A",
        "1",
        "/",
        "S0002-",
    ],
)
def test_time_grows_with_the_text_and_no_faster(known: Knowledge, piece: str) -> None:
    started = time.process_time()
    mentions(piece * (100_000 // len(piece)), known)
    assert time.process_time() - started < 5  # generous: what is quadratic takes minutes


def test_the_catalog_of_cwe_has_its_categories_and_views() -> None:
    whole = store({"cwe/catalog": [Record("CWE-79", Kind.WEAKNESS, "Scripts in pages")]})
    assert {mention.state for mention in mentions("CWE-16 CWE-1000", whole)} == {State.UNKNOWN}


def test_a_groups_name_is_no_unknown_id() -> None:
    units = {"attack/enterprise": [Record("G1018", Kind.GROUP, "TA2541")], "attack/mobile": [], "attack/ics": []}
    found = mentions("MITRE ATT&CK: TA2541 is G1018, TA2542 is nobody", store(units))
    assert [(mention.id, mention.state) for mention in found] == [("G1018", State.EXISTS), ("TA2542", State.UNKNOWN)]
