"""CWE: CSV views and the XML catalog, in the publisher's format with descriptions of ours."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vedette.errors import InputError, VedetteError
from vedette.knowledge.inputs import Input
from vedette.knowledge.readers import Tally
from vedette.knowledge.readers.cwe import READER
from vedette.knowledge.record import Kind, Link, Record, Rel, Status, decode, encode

HEADER = (
    "CWE-ID,Name,Weakness Abstraction,Status,Description,Extended Description,Related Weaknesses,"
    "Weakness Ordinalities,Applicable Platforms,Background Details,Alternate Terms,Modes Of Introduction,"
    "Exploitation Factors,Likelihood of Exploit,Common Consequences,Detection Methods,Potential Mitigations,"
    "Observed Examples,Functional Areas,Affected Resources,Taxonomy Mappings,Related Attack Patterns,Notes"
)
COLUMNS = HEADER.split(",")
CELLS = {
    "CWE-ID": "79",
    "Name": "Unclean output (XSS)",
    "Weakness Abstraction": "Base",
    "Status": "Stable",
    "Description": 'Says "hello", and more',
    "Related Weaknesses": "::NATURE:ChildOf:CWE ID:74:VIEW ID:1000:ORDINAL:Primary"
    "::NATURE:ChildOf:CWE ID:74:VIEW ID:1003:ORDINAL:Primary::NATURE:ChildOf:CWE ID:20:VIEW ID:700:ORDINAL:Primary"
    "::NATURE:CanPrecede:CWE ID:494:VIEW ID:1000::NATURE:PeerOf:CWE ID:352:VIEW ID:1000"
    "::NATURE:StartsWith:CWE ID:20:VIEW ID:709:CHAIN ID:680::",
    "Applicable Platforms": "::LANGUAGE CLASS:Not Language-Specific:LANGUAGE PREVALENCE:Undetermined"
    "::TECHNOLOGY NAME:Fast HardwareTECHNOLOGY CLASS:Web Based:TECHNOLOGY PREVALENCE:Often::",
    "Alternate Terms": "::TERM:XSS:DESCRIPTION:short::TERM:HTML Injection::",
    "Likelihood of Exploit": "High",
    "Common Consequences": "::SCOPE:Integrity:SCOPE:Availability:IMPACT:Run Code:IMPACT:Crash:NOTE:it does"
    "::SCOPE:Other:IMPACT:Other::",
    "Detection Methods": "::METHOD:Fuzzing:DESCRIPTION:use C++ std::vector: wide:EFFECTIVENESS:High::",
    "Potential Mitigations": "::PHASE:Build:STRATEGY:Libraries:DESCRIPTION:do this::PHASE::DESCRIPTION:do that::",
    "Observed Examples": "::REFERENCE:CVE-2021-0001:DESCRIPTION:a page:LINK:https://example.org/?a=1"
    "::REFERENCE:[REF-7]:DESCRIPTION:a paper:LINK:https://example.org::REFERENCE:CVE-2021-0001:DESCRIPTION::LINK:x::",
    "Related Attack Patterns": "::209::063::",
}


def view(*rows: dict[str, str]) -> bytes:
    """A CSV of the publisher's: a comma more in each row than in the header."""
    lines = [HEADER]
    for row in rows:
        cells = {**CELLS, **row}
        lines.append(",".join('"' + cells.get(c, "").replace('"', '""') + '"' for c in COLUMNS) + ",")
    return ("\n".join(lines) + "\n").encode()


def run(path: Path, content: bytes) -> tuple[list[Record], Tally]:
    path.write_bytes(content)
    source, tally = Input(path), Tally()
    assert READER.claims(source)
    records = list(READER.read(source, tally))
    assert tally.read == len(records) + tally.skipped.total() + tally.refused.total()
    assert all(decode(encode(record)) == record for record in records)
    return records, tally


def texts(record: Record) -> dict[str, str]:
    return {text.field: text.body for text in record.texts}


def test_a_row_of_a_view_becomes_a_record(tmp_path: Path) -> None:
    (record,), tally = run(tmp_path / "1000.csv", view({}))
    assert (record.id, record.kind, record.name, record.status) == (
        "CWE-79", Kind.WEAKNESS, "Unclean output (XSS)", Status.ACTIVE,
    )  # fmt: skip
    assert record.aliases == ("XSS", "HTML Injection")
    assert record.facts is not None
    assert (record.facts.abstraction, record.facts.likelihood, record.facts.usage) == ("Base", "High", "")
    assert record.facts.platforms == ("Fast Hardware", "Web Based")
    assert record.facts.views == ("CWE-700", "CWE-709", "CWE-1000", "CWE-1003")
    assert (tally.release, tally.on) == ("", "")  # the CSV does not say


def test_links_of_a_row_name_their_view(tmp_path: Path) -> None:
    (record,), _ = run(tmp_path / "1000.csv", view({}))
    assert record.links == (
        Link(Rel.CHILD_OF, "CWE-74", "views CWE-1000, CWE-1003"),
        Link(Rel.CAN_PRECEDE, "CWE-494", "view CWE-1000"),
        Link(Rel.RELATED_TO, "CWE-352", "peer of, view CWE-1000"),
        Link(Rel.CHILD_OF, "CWE-20", "view CWE-700"),
        Link(Rel.RELATED_TO, "CWE-20", "starts with, view CWE-709"),
        Link(Rel.RELATED_TO, "CAPEC-209", "attack pattern"),
        Link(Rel.RELATED_TO, "CAPEC-63", "attack pattern"),
        Link(Rel.RELATED_TO, "CVE-2021-0001", "observed example"),
    )


def test_texts_of_a_row(tmp_path: Path) -> None:
    (record,), _ = run(tmp_path / "1000.csv", view({}))
    assert texts(record) == {
        "description": 'Says "hello", and more',
        "consequences": "Integrity, Availability: Run Code, Crash. it does\nOther: Other",
        "mitigations": "Build, Libraries: do this\ndo that",
        "detection": "Fuzzing: use C++ std::vector: wide (effectiveness: High)",
        "examples": "CVE-2021-0001: a page\n[REF-7]: a paper",
    }


def test_a_deprecated_weakness_names_its_successor_only_where_there_is_one(tmp_path: Path) -> None:
    one = {"CWE-ID": "132", "Status": "Deprecated", "Description": "All content has been transferred to CWE-170."}
    two = {"CWE-ID": "217", "Status": "Deprecated", "Description": "It can be found at CWE-766 and CWE-767."}
    records, _ = run(tmp_path / "2000.csv", view(one, two))
    assert [(r.status, r.replaced_by) for r in records] == [(Status.DEPRECATED, "CWE-170"), (Status.DEPRECATED, "")]


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        ({"CWE-ID": "seven"}, "CWE-ID is not a number"),
        ({"Name": " "}, "'Name' is empty"),
        ({"Related Weaknesses": "child of 7"}, "'Related Weaknesses' is not a list"),
        ({"Related Weaknesses": "::NATURE:ChildOf:CWE ID:x:VIEW ID:1000::"}, "'Related Weaknesses' CWE ID"),
        ({"Observed Examples": "::WHAT:CVE-2021-0001::"}, "'Observed Examples' is not a list"),
        ({"Related Attack Patterns": "::CAPEC-7::"}, "'Related Attack Patterns' is not a number"),
        ({"CWE-ID": "78"}, "the same CWE-ID twice"),
    ],
)
def test_a_surprise_is_refused_with_its_place_and_the_rest_is_read(
    tmp_path: Path, bad: dict[str, str], what: str
) -> None:
    records, tally = run(tmp_path / "1000.csv", view({"CWE-ID": "78"}, bad, {"CWE-ID": "80"}))
    assert [r.id for r in records] == ["CWE-78", "CWE-80"]
    ((where, said),) = tally.examples
    assert said.startswith(what)
    assert where.startswith("1000.csv:3")


def test_a_row_of_another_width_is_refused(tmp_path: Path) -> None:
    records, tally = run(tmp_path / "1000.csv", view({}) + b"81,too short\n")
    assert len(records) == 1
    assert tally.refused == {"not a row of 23 columns": 1}


def test_a_missing_column_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column 'Observed Examples'"):
        run(tmp_path / "1000.csv", view({}).replace(b"Observed Examples", b"Seen"))


@pytest.mark.parametrize(
    "content", [view({}) + b'"7"x,', view({}).replace(b"Says", b"\xff"), view({}).partition(b"Says")[0]]
)
def test_a_broken_csv_is_an_error(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InputError, match="not a readable CSV"):
        run(tmp_path / "1000.csv", content)


CATALOG = """<?xml version="1.0" encoding="UTF-8"?>
<Weakness_Catalog Name="CWE" Version="4.99" Date="2031-02-03" xmlns="http://cwe.mitre.org/cwe-7"
    xmlns:xhtml="http://www.w3.org/1999/xhtml">
  <Weaknesses>
    <Weakness ID="79" Name="Unclean output" Abstraction="Base" Structure="Simple" Status="Stable">
      <Description>Says &amp; shows.</Description>
      <Extended_Description><xhtml:p>First
          line.</xhtml:p><xhtml:ul><xhtml:li>one</xhtml:li><xhtml:li>two <b>bold</b></xhtml:li></xhtml:ul>
      </Extended_Description>
      <Related_Weaknesses>
        <Related_Weakness Nature="ChildOf" CWE_ID="74" View_ID="1000" Ordinal="Primary"/>
        <Related_Weakness Nature="Novel" CWE_ID="75" View_ID="1000"/>
      </Related_Weaknesses>
      <Applicable_Platforms>
        <Language Class="Not Language-Specific" Prevalence="Undetermined"/><Technology Name="Web" Prevalence="Often"/>
      </Applicable_Platforms>
      <Alternate_Terms><Alternate_Term><Term>XSS</Term><Description>short</Description></Alternate_Term></Alternate_Terms>
      <Likelihood_Of_Exploit>High</Likelihood_Of_Exploit>
      <Common_Consequences><Consequence><Scope>Integrity</Scope><Impact>Crash</Impact><Note>often</Note></Consequence></Common_Consequences>
      <Detection_Methods><Detection_Method><Method>Fuzzing</Method><Description>try</Description></Detection_Method></Detection_Methods>
      <Potential_Mitigations><Mitigation><Phase>Build</Phase><Phase>Operation</Phase><Description>do</Description>
        <Effectiveness>High</Effectiveness></Mitigation></Potential_Mitigations>
      <Observed_Examples><Observed_Example><Reference>CVE-2021-0001</Reference><Description>seen</Description>
        <Link>https://example.org</Link></Observed_Example></Observed_Examples>
      <Related_Attack_Patterns><Related_Attack_Pattern CAPEC_ID="63"/></Related_Attack_Patterns>
      <Mapping_Notes><Usage>Allowed</Usage><Rationale>fine</Rationale></Mapping_Notes>
      <Content_History><Submission><Submission_Date>2006-07-19</Submission_Date></Submission>
        <Modification><Modification_Date>2030-01-02</Modification_Date></Modification>
        <Modification><Modification_Date>2031-01-02</Modification_Date></Modification></Content_History>
    </Weakness>
  </Weaknesses>
  <Categories>
    <Category ID="16" Name="Settings" Status="Obsolete"><Summary>A group.</Summary>
      <Relationships><Has_Member CWE_ID="79" View_ID="699"/></Relationships>
      <Mapping_Notes><Usage>Prohibited</Usage></Mapping_Notes></Category>
  </Categories>
  <Views>
    <View ID="699" Name="For developers" Type="Graph" Status="Draft"><Objective>A view.</Objective>
      <Members><Has_Member CWE_ID="16" View_ID="699"/></Members></View>
  </Views>
</Weakness_Catalog>
"""


def test_the_catalog_gives_weaknesses_categories_and_views(tmp_path: Path) -> None:
    (weakness, category, listing), tally = run(tmp_path / "cwec_v4.99.xml", CATALOG.encode())
    assert (tally.release, tally.on, tally.read) == ("4.99", "2031-02-03", 3)
    assert [(r.id, r.kind, r.status) for r in (weakness, category, listing)] == [
        ("CWE-79", Kind.WEAKNESS, Status.ACTIVE),
        ("CWE-16", Kind.CATEGORY, Status.DEPRECATED),
        ("CWE-699", Kind.CATEGORY, Status.ACTIVE),
    ]
    assert (weakness.published, weakness.modified, weakness.aliases) == ("2006-07-19", "2031-01-02", ("XSS",))
    assert weakness.facts is not None
    assert (weakness.facts.structure, weakness.facts.usage, weakness.facts.platforms) == ("Simple", "Allowed", ("Web",))
    assert weakness.facts.views == ("CWE-699", "CWE-1000")
    assert category.facts is not None
    assert category.facts.usage == "Prohibited"
    assert texts(category) == {"description": "A group."}
    assert texts(weakness) == {
        "description": "Says & shows.",
        "extended description": "First line.\none\ntwo bold",
        "consequences": "Integrity: Crash. often",
        "mitigations": "Build, Operation: do (effectiveness: High)",
        "detection": "Fuzzing: try",
        "examples": "CVE-2021-0001: seen",
    }


def test_members_of_the_catalog_link_to_their_category(tmp_path: Path) -> None:
    (weakness, category, _), _ = run(tmp_path / "c.xml", CATALOG.encode())
    assert category.links == (Link(Rel.MEMBER_OF, "CWE-699", "view CWE-699"),)
    assert weakness.links == (
        Link(Rel.CHILD_OF, "CWE-74", "view CWE-1000"),
        Link(Rel.RELATED_TO, "CWE-75", "Novel, view CWE-1000"),
        Link(Rel.MEMBER_OF, "CWE-16", "view CWE-699"),
        Link(Rel.RELATED_TO, "CAPEC-63", "attack pattern"),
        Link(Rel.RELATED_TO, "CVE-2021-0001", "observed example"),
    )


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('ID="79"', 'ID="x"', "'ID' is not a number"),
        ('Name="Unclean output"', "", "'Name' is empty"),
        ('Nature="ChildOf"', "", "a 'Related_Weakness' has no 'Nature'"),
        ('CAPEC_ID="63"', "", "'CAPEC_ID' is not a number"),
        ('ID="16"', 'ID="79"', "the same ID twice"),
    ],
)
def test_a_surprise_in_the_catalog_is_refused(tmp_path: Path, old: str, new: str, what: str) -> None:
    records, tally = run(tmp_path / "c.xml", CATALOG.replace(old, new, 1).encode())
    assert len(records) == 2
    assert [said.startswith(what) for _, said in tally.examples] == [True]


@pytest.mark.parametrize(
    "declared",
    [
        '<!DOCTYPE x [<!ENTITY a "b">]>',
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE x SYSTEM "http://example.org/x.dtd">',
    ],
)
def test_entities_and_document_types_are_refused(tmp_path: Path, declared: str) -> None:
    with pytest.raises(InputError, match="declares entities or a document type"):
        run(tmp_path / "c.xml", CATALOG.replace("<Weakness_Catalog", f"{declared}<Weakness_Catalog", 1).encode())


def test_a_truncated_catalog_gives_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not readable XML"):
        run(tmp_path / "c.xml", CATALOG.encode()[:-30])


def test_nesting_does_not_exhaust_the_stack(tmp_path: Path) -> None:
    deep = "<p>" * 50_000 + "x" + "</p>" * 50_000
    (weakness, *_), _ = run(tmp_path / "c.xml", CATALOG.replace("Says &amp; shows.", deep).encode())
    assert texts(weakness)["description"] == "x"


def zipped(path: Path, **members: bytes) -> Input:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return Input(path)


def test_parts_and_zips(tmp_path: Path) -> None:
    catalog = zipped(tmp_path / "cwec_latest.xml.zip", **{"cwec_v4.99.xml": CATALOG.encode()})
    csv = zipped(tmp_path / "1003.csv.zip", **{"1003.csv": view({})})
    assert READER.claims(catalog)
    assert READER.claims(csv)
    assert (READER.part(catalog), READER.part(csv)) == ("catalog", "1003")
    assert [r.id for r in READER.read(csv, Tally())] == ["CWE-79"]
    (tmp_path / "weaknesses.csv").write_bytes(b"\xef\xbb\xbf" + view({}))
    plain = Input(tmp_path / "weaknesses.csv")
    assert READER.claims(plain)
    assert READER.part(plain) == ""
    assert [r.id for r in READER.read(plain, Tally())] == ["CWE-79"]


def test_what_only_looks_alike_is_not_claimed(tmp_path: Path) -> None:
    (tmp_path / "1000.csv").write_bytes(b"CWE-ID;Name\n1;x\n")
    assert not READER.claims(Input(tmp_path / "1000.csv"))
    assert not READER.claims(zipped(tmp_path / "a.zip", **{"1000.csv": b"time,name\n"}))
    assert not READER.claims(zipped(tmp_path / "b.zip", **{"1000.csv": view({}), "699.csv": view({})}))
    assert not READER.claims(Input(tmp_path))


WHOLES = {"1000.csv": view({}, {"CWE-ID": "80"}), "c.xml": CATALOG.encode()}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(WHOLES)),
    at=st.floats(0, 1),
    size=st.integers(0, 40),
    new=st.one_of(st.binary(max_size=12), st.sampled_from([b"::", b'"', b",", b"<p>", b"&x;", b"\n", b"99999999"])),
    cut=st.booleans(),
)
def test_damage_is_told_never_thrown(tmp_path: Path, name: str, at: float, size: int, new: bytes, cut: bool) -> None:
    whole = WHOLES[name]
    place = int(at * len(whole))
    path = tmp_path / name
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


@pytest.mark.parametrize(("name", "count"), [("1000", 938), ("699", 399), ("1003", 130), ("2000", 963)])
def test_the_publishers_views_are_read_whole(shared: Path, name: str, count: int) -> None:
    source, tally = Input(shared / f"data/cwe/{name}.csv"), Tally()
    assert READER.claims(source)
    assert READER.part(source) == name
    records = {record.id: record for record in READER.read(source, tally)}
    assert (tally.read, len(records), tally.refused, tally.skipped) == (count, count, {}, {})
    if name == "1000":
        assert Link(Rel.CHILD_OF, "CWE-74", "views CWE-1000, CWE-1003") in records["CWE-79"].links
        assert (
            sum(link.rel is Rel.CHILD_OF and "CWE-1000" in link.note for r in records.values() for link in r.links)
            == 1076
        )
