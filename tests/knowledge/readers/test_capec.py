"""CAPEC bundles: a small one of our own in the publisher's format, damaged ones, and the real one where it lies."""

from __future__ import annotations

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
from vedette.knowledge.readers.capec import READER
from vedette.knowledge.readers.stix import KEPT, from_html
from vedette.knowledge.record import Kind, Link, PatternFacts, Record, Rel, Status, Text, decode, encode

Stix = dict[str, Any]
FLOW = (
    "<h2> Execution Flow </h2><div><h3>Explore</h3><ol><li> <p> <b>Look: </b>Find a door.</p></li><table><tbody>"
    "<tr><th>Techniques</th></tr><tr><td>Walk round</td></tr><tr><td>Ask</td></tr></tbody></table></ol></div>"
)


def _pattern(number: int, *refs: tuple[str, str], **fields: object) -> Stix:
    own = [{"source_name": "capec", "external_id": f"CAPEC-{number}"}]
    references = own + [{"source_name": source, "external_id": uid} for source, uid in refs]
    head = {"type": "attack-pattern", "id": f"attack-pattern--{number}", "name": f"Pattern {number}"}
    times = {"created": "2014-06-23T00:00:00.000Z", "modified": "2022-09-29T00:00:00.000Z"}
    version = {"spec_version": "2.1", "x_capec_version": "3.9", "x_capec_status": "Draft"}
    return {**head, **times, **version, "external_references": references, **fields}


def _advice(name: str, text: str, *patterns: int) -> list[Stix]:
    coa = {"type": "course-of-action", "id": f"course-of-action--{name}", "name": name, "description": text}
    ends = [(coa["id"], f"attack-pattern--{number}") for number in patterns]
    return [
        coa,
        *(
            {
                "type": "relationship",
                "id": f"r--{s}-{t}",
                "relationship_type": "mitigates",
                "source_ref": s,
                "target_ref": t,
            }
            for s, t in ends
        ),
    ]


def _objects() -> list[Stix]:
    texts = {
        "description": "Opens a door.",
        "x_capec_extended_description": "\n   <xhtml:p>And <xhtml:b>more</xhtml:b>.</xhtml:p>\n ",
        "x_capec_execution_flow": FLOW,
        "x_capec_prerequisites": ["A door", "\n  <xhtml:p>A\n  handle</xhtml:p>"],
        "x_capec_skills_required": {"Low": "To push"},
        "x_capec_resources_required": ["None"],
        "x_capec_consequences": {"Access_Control": ["Get in", "Stay"]},
        "x_capec_example_instances": ["Like <script>x</script> &#46;", "Or so"],
    }
    rated = {"x_capec_abstraction": "Meta", "x_capec_likelihood_of_attack": "High", "x_capec_typical_severity": "Low"}
    refs = {
        "x_capec_child_of_refs": ["attack-pattern--2", "attack-pattern--gone"],
        "x_capec_can_precede_refs": ["attack-pattern--3"],
        "x_capec_peer_of_refs": ["attack-pattern--2"],
    }
    taxonomy = [("cwe", "CWE-79"), ("cwe", "CWE-079"), ("ATTACK", "T1574.010"), ("ATTACK", "1110"), ("WASC", "34")]
    return [
        {"type": "identity", "id": "identity--1", "name": "Publisher", "modified": "2029-01-01T00:00:00Z"},
        {"type": "marking-definition", "id": "marking-definition--1"},
        _pattern(1, *taxonomy, x_capec_alternate_terms=["Push", "Push"], **texts, **rated, **refs),
        _pattern(2),
        _pattern(
            3, x_capec_status="Deprecated", description="Please refer to CAPEC-2 : Other, a duplicate of CAPEC-2."
        ),
        _pattern(4, x_capec_status="Obsolete", description="See CAPEC-1 and CAPEC-2."),
        _pattern(5, x_capec_status="Deprecated", description="Refer to CAPEC-118."),
        *_advice("coa-1-10", "Last of all.", 1),
        *_advice("coa-1-2", "<xhtml:p>Lock it.</xhtml:p>", 1),
        *_advice("coa-9-0", "For nothing."),
        *_advice("coa-8-0", "For something else.", 8),
    ]


Read = Callable[[list[Stix]], tuple[dict[str, Record], Tally]]


def _input(folder: Path, objects: list[Stix]) -> Input:
    path = folder / "capec.json"
    path.write_text(json.dumps({"type": "bundle", "id": "bundle--1", "objects": objects}))
    return Input(path)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def call(objects: list[Stix]) -> tuple[dict[str, Record], Tally]:
        source, tally = _input(tmp_path, objects), Tally()
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


def test_pattern(read: Read) -> None:
    records, tally = read(_objects())
    assert not tally.refused
    assert records["CAPEC-1"] == Record(
        id="CAPEC-1",
        kind=Kind.PATTERN,
        name="Pattern 1",
        published="2014-06-23",
        modified="2022-09-29",
        aliases=("Push",),
        facts=PatternFacts("Meta", "High", "Low"),
        texts=(
            Text("description", "Opens a door.\n\nAnd more."),
            Text("execution flow", "Explore\n\n- Look: Find a door.\n\nTechniques\n* Walk round\n* Ask"),
            Text("prerequisites", "A door\nA\nhandle"),
            Text("skills", "Low: To push"),
            Text("resources", "None"),
            Text("consequences", "Access Control: Get in, Stay"),
            Text("mitigations", "Lock it.\nLast of all."),
            Text("examples", "Like <script>x</script> .\n\nOr so"),
        ),
        links=(
            Link(Rel.CHILD_OF, "CAPEC-2"),
            Link(Rel.CAN_PRECEDE, "CAPEC-3"),
            Link(Rel.RELATED_TO, "CAPEC-2"),
            Link(Rel.TARGETS, "CWE-79"),
            Link(Rel.MAPS_TO, "T1574.010"),
            Link(Rel.MAPS_TO, "T1110"),
        ),
    )


def test_deprecated_patterns_name_what_they_refer_to(read: Read) -> None:
    records, _ = read(_objects())
    assert (records["CAPEC-2"].status, records["CAPEC-2"].replaced_by) == (Status.ACTIVE, "")
    assert (records["CAPEC-3"].status, records["CAPEC-3"].replaced_by) == (Status.DEPRECATED, "CAPEC-2")
    assert (records["CAPEC-4"].status, records["CAPEC-4"].replaced_by) == (Status.DEPRECATED, "")  # two are named
    assert (records["CAPEC-5"].status, records["CAPEC-5"].replaced_by) == (Status.DEPRECATED, "")  # not a pattern here


def test_every_skipped_object_has_a_reason(read: Read) -> None:
    _, tally = read(_objects())
    assert tally.skipped == {
        "identity": 1,
        "marking definition": 1,
        "relationship with an end that is not here": 1,
        "mitigation of no pattern": 2,
        KEPT + "a text's place": 2,
        KEPT + "a pattern's text": 2,
    }


def test_release(read: Read) -> None:
    _, tally = read(_objects())
    assert (tally.release, tally.on) == ("3.9", "2022-09-29")
    _, tally = read([*_objects(), _pattern(7, x_capec_version="3.10")])
    assert tally.release == "3.10"


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"x_capec_prerequisites": "one"}, "Expected `array`, got `str` - at `$.x_capec_prerequisites`"),
        ({"x_capec_consequences": ["x"]}, "Expected `object`, got `array` - at `$.x_capec_consequences`"),
        ({"external_references": []}, "no id of CAPEC in external_references"),
        ({"id": "attack-pattern--again"}, "the id CAPEC-1 is given twice"),
        ({"type": "x-capec-riddle"}, "unknown object type 'x-capec-riddle'"),
    ],
)
def test_a_surprise_names_record_and_field_and_the_rest_is_read(read: Read, changes: Stix, what: str) -> None:
    good = _objects()
    odd = {**_pattern(1), "id": "attack-pattern--odd", **changes}
    records, tally = read([*good, odd])
    assert records == read(good)[0]
    assert tally.examples == [(odd["id"], what)]


def test_a_mitigation_is_given_once(read: Read) -> None:
    records, tally = read([*_objects(), _advice("coa-1-2", "Again.")[0]])
    assert records == read(_objects())[0]
    assert tally.examples == [("course-of-action--coa-1-2", "the mitigation is given twice")]


def test_an_unknown_relationship_is_refused(read: Read) -> None:
    odd = {**_advice("coa-1-0", "", 1)[1], "relationship_type": "admires"}
    assert read([*_objects(), odd])[1].refused == {"unknown relationship_type 'admires'": 1}


def test_other_files_are_not_claimed(tmp_path: Path) -> None:
    assert not READER.claims(_input(tmp_path, [_pattern(1)]))  # a bundle of one object, as the publisher has, too
    for number, text in enumerate(("", "[]", '{"objects": []}', '{"objects": [{"x_mitre_version": "1"}]}', "a,b\n1,2")):
        path = tmp_path / f"other{number}"
        path.write_text(text)
        assert not READER.claims(Input(path))


def test_no_pattern_is_an_error(tmp_path: Path) -> None:
    source = _input(tmp_path, [o for o in _objects() if o["type"] != "attack-pattern"])
    with pytest.raises(InputError, match="no attack pattern"):
        list(READER.read(source, Tally()))


@pytest.mark.parametrize(
    ("markup", "bare", "plain"),
    [
        ("\n  <xhtml:p>One\n  two</xhtml:p>\n  <xhtml:p>three</xhtml:p>", False, "One\ntwo\n\nthree"),
        ('<xhtml:div style="margin:1em">&lol; a &lt; b</xhtml:div>', False, "&lol; a < b"),
        ("<p>kept <b>as</b> is</p>", False, "<p>kept <b>as</b> is</p>"),
        ("<p>not <b>as</b> is</p><ul><li>x</li><li>y</li></ul>", True, "not as is\n\n- x\n- y"),
        ("", True, ""),
    ],
)
def test_html_to_plain_text(markup: str, bare: bool, plain: str) -> None:
    assert from_html(markup, bare=bare) == plain


@given(st.text("<>/&;#0lixhtml:pbd \n", max_size=200), st.booleans())
def test_any_text_gives_plain_text(text: str, bare: bool) -> None:
    assert "<xhtml:p>" not in from_html(text + "<xhtml:p>", bare=bare)


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


def test_the_release_in_the_reference_data(shared: Path) -> None:
    source, tally = Input(shared / "data/capec/stix-capec.json.gz"), Tally()
    assert READER.claims(source)
    records = _balanced(list(READER.read(source, tally)), tally)
    assert (tally.read, len(records), tally.release, tally.on) == (2_683, 615, "3.9", "2023-01-24")
    assert not tally.refused
    links = Counter(link.rel for record in records.values() for link in record.links)
    assert links == {
        Rel.CHILD_OF: 533,
        Rel.CAN_PRECEDE: 162,
        Rel.RELATED_TO: 19,
        Rel.TARGETS: 1_212,
        Rel.MAPS_TO: 271,
    }
    assert Link(Rel.TARGETS, "CWE-89") in records["CAPEC-66"].links
    assert "Vishing" in records["CAPEC-656"].aliases
    assert not any("xhtml:" in text.body for record in records.values() for text in record.texts)
    assert all(record.replaced_by in records for record in records.values() if record.replaced_by)


def test_nothing_else_in_the_reference_data_is_claimed(shared: Path) -> None:
    others = [path for path in (shared / "data").glob("*/*.json*") if path.parent.name != "capec"]
    assert others
    assert not any(READER.claims(Input(path)) for path in others)
