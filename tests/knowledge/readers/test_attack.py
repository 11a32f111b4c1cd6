"""ATT&CK bundles: a small one of our own in the publisher's format, damaged ones, and the real ones where they lie."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vedette.errors import InputError, VedetteError
from vedette.knowledge.inputs import Input
from vedette.knowledge.readers import Tally
from vedette.knowledge.readers.attack import READER
from vedette.knowledge.readers.stix import KEPT, from_markdown
from vedette.knowledge.record import (
    ActorFacts,
    AnalyticFacts,
    Kind,
    Link,
    LogSource,
    Record,
    Rel,
    SoftwareFacts,
    Status,
    TacticFacts,
    TechniqueFacts,
    Text,
    decode,
    encode,
)

Stix = dict[str, Any]
OTHER = {"source_name": "mitre-attack", "external_id": "T0009"}
SITE = "https://attack.example"
EXPECTED = {  # file: objects, techniques, tactics, groups, software, mitigations, procedure sentences
    "enterprise": (24_771, 835, 14, 187, 787, 44, 16_017),
    "mobile": (2_535, 190, 14, 17, 123, 15, 1_404),
    "ics": (1_825, 95, 12, 16, 30, 52, 246),
}


def _item(kind: str, uid: str, source: str = "mitre-attack", **fields: object) -> Stix:
    refs = [{"source_name": "Report"}, {"source_name": source, "external_id": uid, "url": f"{SITE}/{uid}"}]
    times = {"created": "2020-01-02T03:04:05.000Z", "modified": "2024-05-06T07:08:09.000Z"}
    head = {"type": kind, "id": f"{kind}--{uid}", "name": f"Name of {uid}", "external_references": refs}
    return {**head, **times, "x_mitre_domains": ["enterprise-attack"], **fields}


def _rel(kind: str, source: str, target: str, **fields: object) -> Stix:
    ends = {"relationship_type": kind, "source_ref": source, "target_ref": target}
    return {"type": "relationship", "id": f"relationship--{kind}-{source}-{target}", **ends, **fields}


def _phases(*names: str, chain: str = "mitre-attack") -> list[Stix]:
    return [{"kill_chain_name": chain, "phase_name": name} for name in names]


def _objects() -> list[Stix]:
    logs = [{"x_mitre_data_component_ref": "x-mitre-data-component--DC0001", "name": "made:log", "channel": "open"}]
    tunables = [{"field": "Window", "description": "How long to `wait`"}]
    return [
        {"type": "identity", "id": "identity--1", "name": "Publisher"},
        {"type": "marking-definition", "id": "marking-definition--1"},
        {
            "type": "x-mitre-matrix",
            "id": "x-mitre-matrix--1",
            "name": "Matrix",
            "tactic_refs": ["x-mitre-tactic--TA0009", "x-mitre-tactic--TA0001"],
        },
        _item("x-mitre-tactic", "TA0001", x_mitre_shortname="late"),
        _item("x-mitre-tactic", "TA0009", x_mitre_shortname="early"),
        _item(
            "attack-pattern",
            "T0001",
            description="See [Other](https://attack.example/T0002) now.(Citation: Some (2020))",
            kill_chain_phases=_phases("late", "early"),
            x_mitre_platforms=["Linux"],
            x_mitre_detection="Watch <code>ps</code>.",
        ),
        _item("attack-pattern", "T0001.001", x_mitre_is_subtechnique=True, kill_chain_phases=_phases("late")),
        _item("attack-pattern", "T0003", revoked=True),
        _item("intrusion-set", "G0001", aliases=["Name of G0001", "Red  Fox", "Red Fox"]),
        _item("campaign", "C0001", first_seen="2021-02-03T00:00:00Z", last_seen="2021-03-04T00:00:00Z"),
        _item("malware", "S0001", x_mitre_aliases=["Name of S0001", "Worm"], x_mitre_platforms=["Windows"]),
        _item("tool", "S0002", x_mitre_deprecated=True),
        _item("course-of-action", "M0001"),
        _item("course-of-action", "T0001"),
        _item("x-mitre-data-source", "DS0001"),
        _item("x-mitre-data-component", "DC0001", x_mitre_data_source_ref="x-mitre-data-source--DS0001"),
        _item("x-mitre-detection-strategy", "DET0001", x_mitre_analytic_refs=["x-mitre-analytic--AN0001"]),
        _item(
            "x-mitre-analytic",
            "AN0001",
            x_mitre_platforms=["Linux"],
            x_mitre_log_source_references=logs,
            x_mitre_mutable_elements=tunables,
        ),
        {"type": "x-mitre-asset", "id": "x-mitre-asset--A0001", "name": "Pump"},
        _rel("uses", "intrusion-set--G0001", "attack-pattern--T0001.001", description="[Fox](https://a.b) did it."),
        _rel("uses", "intrusion-set--G0001", "malware--S0001"),
        _rel("uses", "malware--S0001", "attack-pattern--T0001", revoked=True),
        _rel("uses", "malware--S0001", "attack-pattern--gone"),
        _rel("mitigates", "course-of-action--M0001", "attack-pattern--T0001", description="It helps."),
        _rel("attributed-to", "campaign--C0001", "intrusion-set--G0001"),
        _rel("detects", "x-mitre-detection-strategy--DET0001", "attack-pattern--T0001"),
        _rel("subtechnique-of", "attack-pattern--T0001.001", "attack-pattern--T0001"),
        _rel("revoked-by", "attack-pattern--T0003", "attack-pattern--T0001"),
        _rel("targets", "attack-pattern--T0001", "x-mitre-asset--A0001"),
    ]


Read = Callable[..., tuple[dict[str, Record], Tally]]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[list[Stix]], Input]:
    def call(objects: list[Stix]) -> Input:
        path = tmp_path / "bundle.json"
        path.write_text(json.dumps({"type": "bundle", "id": "bundle--1", "spec_version": "2.0", "objects": objects}))
        return Input(path)

    return call


@pytest.fixture
def read(write: Callable[[list[Stix]], Input]) -> Read:
    def call(objects: list[Stix]) -> tuple[dict[str, Record], Tally]:
        tally = Tally()
        source = write(objects)
        assert READER.claims(source)
        return _balanced(list(READER.read(source, tally)), tally), tally

    return call


def _balanced(records: list[Record], tally: Tally) -> dict[str, Record]:
    """Nothing is lost, no id is given twice, and every record is one that the store can read."""
    assert tally.read == len(records) + sum(tally.skipped.values()) + sum(tally.refused.values())
    assert all(decode(encode(record)) == record for record in records)
    by_id = {record.id: record for record in records}
    assert len(by_id) == len(records)
    return by_id


def test_technique(read: Read) -> None:
    records, tally = read(_objects())
    assert not tally.refused
    assert records["T0001"] == Record(
        id="T0001",
        kind=Kind.TECHNIQUE,
        name="Name of T0001",
        domain="enterprise",
        published="2020-01-02",
        modified="2024-05-06",
        facts=TechniqueFacts(("early", "late"), ("Linux",)),
        texts=(Text("description", "See Other now."), Text("detection", "Watch ps.")),
        links=(Link(Rel.MEMBER_OF, "TA0009"), Link(Rel.MEMBER_OF, "TA0001")),
    )
    assert records["T0001.001"].links == (Link(Rel.CHILD_OF, "T0001"), Link(Rel.MEMBER_OF, "TA0001"))


def test_status_and_replacement(read: Read) -> None:
    records, _ = read(_objects())
    assert (records["T0003"].status, records["T0003"].replaced_by) == (Status.REVOKED, "T0001")
    assert (records["S0002"].status, records["S0002"].replaced_by) == (Status.DEPRECATED, "")
    assert (records["T0001"].status, records["T0001"].replaced_by) == (Status.ACTIVE, "")


def test_actors_software_and_what_they_do(read: Read) -> None:
    records, _ = read(_objects())
    assert records["G0001"].aliases == ("Red Fox",)
    assert records["G0001"].links == (Link(Rel.USES, "S0001"), Link(Rel.USES, "T0001.001", text="Fox did it."))
    assert records["C0001"].facts == ActorFacts(first_seen="2021-02-03", last_seen="2021-03-04")
    assert records["C0001"].links == (Link(Rel.ATTRIBUTED_TO, "G0001"),)
    assert records["S0001"].facts == SoftwareFacts("malware", ("Windows",))
    assert records["S0001"].aliases == ("Worm",)
    assert records["S0001"].links == ()  # one is revoked, the other leads nowhere
    assert records["M0001"].links == (Link(Rel.MITIGATES, "T0001", text="It helps."),)


def test_detection(read: Read) -> None:
    records, _ = read(_objects())
    assert records["DET0001"].links == (Link(Rel.DETECTS, "T0001"),)
    assert records["DC0001"].links == (Link(Rel.MEMBER_OF, "DS0001"),)
    analytic = records["AN0001"]
    assert analytic.facts == AnalyticFacts(("Linux",), (LogSource("DC0001", "made:log", "open"),))
    assert analytic.links == (Link(Rel.MEMBER_OF, "DET0001"), Link(Rel.OBSERVES, "DC0001"))
    assert analytic.texts == (Text("tuning", "Window: How long to wait"),)


def test_tactics_are_in_the_order_of_the_matrix_deprecated_ones_last(read: Read) -> None:
    old = {"type": "x-mitre-matrix", "id": "x-mitre-matrix--0", "name": "Old", "x_mitre_deprecated": True}
    objects = [{**old, "tactic_refs": ["x-mitre-tactic--TA0005"] * 3}, *_objects()]
    records, _ = read([*objects, _item("x-mitre-tactic", "TA0005", x_mitre_shortname="old")])
    order = {uid: record.facts.order for uid, record in records.items() if isinstance(record.facts, TacticFacts)}
    assert order == {"TA0009": 0, "TA0001": 1, "TA0005": 2}


def test_every_skipped_object_has_a_reason(read: Read) -> None:
    _, tally = read(_objects())
    assert tally.skipped == {
        "identity": 1,
        "marking definition": 1,
        "asset": 1,
        "mitigation of before 2019, under its technique's id": 1,
        "relationship that is revoked or deprecated": 1,
        "relationship with an end that is not here": 1,
        "relationship to an asset": 1,
        KEPT + "the order of tactics": 1,
        KEPT + "what replaces a revoked one": 1,
        KEPT + "a link": 6,
    }


def test_release_is_named_only_by_a_collection(read: Read) -> None:
    _, tally = read(_objects())
    assert (tally.release, tally.on) == ("", "2024-05-06")
    named = {"type": "x-mitre-collection", "id": "x-mitre-collection--1", "name": "All", "x_mitre_version": "99.1"}
    _, tally = read([{**named, "modified": "2024-06-01T00:00:00Z"}, *_objects()])
    assert (tally.release, tally.on) == ("99.1", "2024-06-01")


def test_parents_without_relationships_as_in_old_releases(read: Read) -> None:
    objects = [o for o in _objects() if o.get("relationship_type") != "subtechnique-of"]
    records, _ = read(objects)
    assert Link(Rel.CHILD_OF, "T0001") in records["T0001.001"].links
    records, _ = read([o for o in objects if o["id"] != "attack-pattern--T0001"])
    assert [link.rel for link in records["T0001.001"].links] == [Rel.MEMBER_OF]


def test_components_without_an_id_as_in_old_releases(read: Read) -> None:
    bare = _item("x-mitre-data-component", "", external_references=[])
    _, tally = read([*_objects(), bare, _rel("detects", bare["id"], "attack-pattern--T0001")])
    assert tally.skipped["data component without an id (before release 18)"] == 1
    assert tally.skipped["relationship with an end that is not here"] == 2


@pytest.mark.parametrize("domain", ["enterprise", "mobile", "ics"])
def test_part_is_the_domain(write: Callable[[list[Stix]], Input], domain: str) -> None:
    chain = "mitre-attack" if domain == "enterprise" else f"mitre-{domain}-attack"
    objects = [o for o in _objects() if o["type"] != "attack-pattern"]
    technique = _item("attack-pattern", "T0001", chain, kill_chain_phases=_phases("late", chain=chain))
    assert READER.part(write([*objects, technique])) == domain
    far = {"type": "x-mitre-collection", "id": "c--1", "name": "n" * 70_000, "x_mitre_version": "1"}
    source = write([far, *objects, technique])
    assert READER.claims(source)
    assert READER.part(source) == domain
    assert {record.domain for record in READER.read(source, Tally())} == {domain}


def test_the_order_of_objects_does_not_matter(read: Read) -> None:
    forwards, _ = read(_objects())
    backwards, _ = read(_objects()[::-1])
    assert forwards == backwards


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"kill_chain_phases": "late"}, "Expected `array`, got `str` - at `$.kill_chain_phases`"),
        ({"name": 7}, "Expected `str`, got `int` - at `$.name`"),
        ({"external_references": []}, "no id of a technique in external_references"),
        ({"external_references": [{"source_name": "mitre-attack", "external_id": "X1"}]}, "no id of a technique in"),
        ({"id": "attack-pattern--again"}, "the id T0001 is given twice"),
        ({"id": "attack-pattern--T0001", "external_references": [OTHER]}, "the id T0009 is given twice"),
        ({"type": "x-mitre-riddle"}, "unknown object type 'x-mitre-riddle'"),
    ],
)
def test_a_surprise_names_record_and_field_and_the_rest_is_read(read: Read, changes: Stix, what: str) -> None:
    good = _objects()
    odd = {**_item("attack-pattern", "T0001"), "id": "attack-pattern--odd", **changes}
    records, tally = read([*good, odd])
    assert records == read(good)[0]
    assert [(where, text.startswith(what)) for where, text in tally.examples] == [(odd["id"], True)]


def test_an_unknown_relationship_is_refused(read: Read) -> None:
    _, tally = read([*_objects(), _rel("admires", "intrusion-set--G0001", "tool--S0002")])
    assert tally.refused == {"unknown relationship_type 'admires'": 1}


def test_other_files_are_not_claimed(tmp_path: Path, write: Callable[[list[Stix]], Input]) -> None:
    single = write([_item("attack-pattern", "T0001", kill_chain_phases=_phases("late"))])
    assert not READER.claims(single)
    for number, text in enumerate(("", "[]", '{"objects": []}', '{"objects": [{"x_capec_version": "1"}]}', "a,b\n1,2")):
        path = tmp_path / f"other{number}"
        path.write_text(text)
        assert not READER.claims(Input(path))
    (tmp_path / "folder").mkdir()
    assert not READER.claims(Input(tmp_path / "folder"))


@pytest.mark.parametrize("missing", ["x-mitre-matrix", "attack-pattern"])
def test_half_a_bundle_is_an_error(write: Callable[[list[Stix]], Input], missing: str) -> None:
    source = write([o for o in _objects() if o["type"] != missing])
    with pytest.raises(InputError, match="not a domain of ATT&CK"):
        list(READER.read(source, Tally()))


def test_plain_and_compressed_say_the_same(tmp_path: Path, read: Read) -> None:
    records, _ = read(_objects())
    path = tmp_path / "bundle.json.gz"
    path.write_bytes(gzip.compress((tmp_path / "bundle.json").read_bytes()))
    assert READER.claims(Input(path))
    assert {record.id: record for record in READER.read(Input(path), Tally())} == records


@pytest.mark.parametrize(
    ("markdown", "plain"),
    [
        ("[A b](https://x.y/z) ran.(Citation: C)(Citation: D (e) f) Then", "A b ran. Then"),
        ("a (Citation: B) and c (Citation: D).", "a and c."),
        ("end.(Citation: A)Next", "end. Next"),
        ("<code>del <PID></code> &amp; `rm -r`<br>**So** it is", "del <PID> & rm -r\nSo it is"),
        ("### Title\n* one  \n* two\n\n\n\n*Measures:* \n", "Title\n* one\n* two\n\nMeasures:"),
        ("[x] (y) a[0](b) *.exe and *.dll", "[x] (y) a[0](b) *.exe and *.dll"),
        ("", ""),
    ],
)
def test_markdown_to_plain_text(markdown: str, plain: str) -> None:
    assert from_markdown(markdown) == plain


@given(st.text("[]()` *<>#&;\n\\(Citation: )https://ab", max_size=200))
def test_any_text_gives_plain_text(text: str) -> None:
    assert "(Citation: )" not in from_markdown(text + "(Citation: )")


_JSON = json.dumps({"objects": _objects()}).encode()
_VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=3), max_size=2)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(_JSON)), st.binary(max_size=8), st.booleans())
def test_damaged_bytes_are_an_error_or_refused(tmp_path: Path, place: int, put: bytes, cut: bool) -> None:
    _read_anyway(tmp_path, _JSON[:place] + put + (b"" if cut else _JSON[place + len(put) :]))


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(_objects()) - 1), st.data())
def test_changed_fields_are_refused_or_read(tmp_path: Path, number: int, data: st.DataObject) -> None:
    objects = _objects()
    field = data.draw(st.sampled_from(sorted(objects[number])))
    objects[number][field] = data.draw(_VALUES)
    _read_anyway(tmp_path, json.dumps({"objects": objects}).encode())


def _read_anyway(folder: Path, content: bytes) -> None:
    path, tally = folder / "odd.json", Tally()
    path.write_bytes(content)
    try:
        READER.claims(Input(path))
        records = list(READER.read(Input(path), tally))
    except VedetteError:
        return
    _balanced(records, tally)


@pytest.mark.parametrize("inside", [b'{"objects":', b'{"objects":[{"type":"tool","id":"a","x":', b"{"])
def test_deep_nesting_is_an_error(tmp_path: Path, inside: bytes) -> None:
    path = tmp_path / "deep.json"
    path.write_bytes(inside + b"[" * 100_000 + b"]" * 100_000 + b"}]}")
    with pytest.raises(InputError):
        list(READER.read(Input(path), Tally()))


@pytest.mark.parametrize("domain", EXPECTED)
def test_the_release_in_the_reference_data(shared: Path, domain: str) -> None:
    source, tally = Input(shared / f"data/attack/{domain}-attack.json.gz"), Tally()
    assert READER.claims(source)
    assert READER.part(source) == domain
    records = _balanced(list(READER.read(source, tally)), tally)
    kinds = Counter(record.kind for record in records.values())
    procedures = [
        link
        for record in records.values()
        for link in record.links
        if link.rel == Rel.USES and link.text and records[link.to].kind == Kind.TECHNIQUE
    ]
    of_interest = (Kind.TECHNIQUE, Kind.TACTIC, Kind.GROUP, Kind.SOFTWARE, Kind.MITIGATION)
    assert (tally.read, *(kinds[kind] for kind in of_interest), len(procedures)) == EXPECTED[domain]
    assert not tally.refused
    assert all(link.to in records for record in records.values() for link in record.links)
    assert all(record.replaced_by in records for record in records.values() if record.replaced_by)
    assert not any("(Citation:" in text.body for record in records.values() for text in record.texts)


def test_known_facts_in_the_reference_data(shared: Path) -> None:
    records = {r.id: r for r in READER.read(Input(shared / "data/attack/enterprise-attack.json.gz"), Tally())}
    assert {"Cozy Bear", "Midnight Blizzard"} <= set(records["G0016"].aliases)
    assert {Link(Rel.CHILD_OF, "T1003"), Link(Rel.MEMBER_OF, "TA0006")} <= set(records["T1003.001"].links)
    assert (records["T1066"].status, records["T1066"].replaced_by) == (Status.REVOKED, "T1027.005")
    assert records["TA0006"].facts == TacticFacts("credential-access", 7)
    assert records["M1049"].kind == Kind.MITIGATION


def test_nothing_else_in_the_reference_data_is_claimed(shared: Path) -> None:
    others = [path for path in (shared / "data").glob("*/*.json*") if path.parent.name != "attack"]
    assert others
    assert not any(READER.claims(Input(path)) for path in others)
