"""D3FEND: countermeasures, artifacts and what is stated about the ids of others."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vedette.errors import InputError, VedetteError
from vedette.knowledge.inputs import Input
from vedette.knowledge.readers import Tally
from vedette.knowledge.readers.d3fend import READER
from vedette.knowledge.record import CountermeasureFacts, Kind, Link, Record, Rel, Status, decode, encode

ONTOLOGY = """@prefix : <http://d3fend.mitre.org/ontologies/d3fend.owl#> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
<http://d3fend.mitre.org/ontologies/d3fend.owl> a owl:Ontology ;
    owl:versionIRI <http://d3fend.mitre.org/ontologies/d3fend/9.8.7/d3fend.owl> ;
    :release-date "2031-02-03T00:00:00"^^xsd:dateTime .
:analyzes a owl:ObjectProperty ; rdfs:label "analyzes" .
:Artifact a owl:Class ; rdfs:label "Artifact" .
:DigitalArtifact a owl:Class ; rdfs:label "Digital Artifact" ; rdfs:subClassOf :Artifact .
:Process a owl:Class ; rdfs:label "Process" ; rdfs:subClassOf :DigitalArtifact ; :definition "A running thing." ;
    skos:altLabel "Task" .
:AMD64Process a :Process, owl:NamedIndividual ; rdfs:label "AMD64 Process" .
:Person a owl:Class ; rdfs:label "Person" .
:DefensiveTechnique a owl:Class ; rdfs:label "Defensive Technique" .
:Detect a :DefensiveTactic, owl:Class ; rdfs:label "Detect" .
:ProcessAnalysis a owl:Class, :ProcessAnalysis ; rdfs:label "Process Analysis" ; :d3fend-id "D3-PA" ;
    rdfs:subClassOf :DefensiveTechnique,
        [ a owl:Restriction ; owl:onProperty :enables ; owl:someValuesFrom :Detect ],
        [ a owl:Restriction ; owl:onProperty :analyzes ; owl:someValuesFrom :Process ] .
:SpawnAnalysis a owl:Class ; rdfs:label "Spawn Analysis" ; :d3fend-id "D3-SA" ; rdfs:subClassOf :ProcessAnalysis,
        [ a owl:Restriction ; owl:onProperty :authenticates ; owl:someValuesFrom :Person ],
        [ a owl:Restriction ; owl:onProperty :restricts ; owl:someValuesFrom :T1055 ] ;
    :analyzes :Process ; rdfs:seeAlso :CWE-798, <https://example.org> ; :synonym "Start  Analysis" ;
    :definition "Look at starts." ; :kb-article "## How\\nLike this." .
:Mean a owl:Class ; rdfs:label "Mean" ; :d3fend-id "D3A-MEA" .
:T1055 a owl:Class ; rdfs:label "Process Injection" ; :attack-id "T1055" ; rdfs:subClassOf
        [ a owl:Restriction ; owl:onProperty :modifies ; owl:someValuesFrom :Process ],
        [ a owl:Restriction ; owl:onProperty :may-modify ; owl:someValuesFrom :SpawnAnalysis ],
        [ a owl:Restriction ; owl:onProperty :enables ; owl:someValuesFrom :TA0004 ] .
:T1002 a owl:Class ; rdfs:label "Old" ; :attack-id "T1002" ; owl:deprecated true ; :accesses :Process .
:T1003 a owl:Class ; rdfs:label "Without" ; :attack-id "T1003" .
:CWE-119 a owl:Class ; rdfs:label "Bounds" ; :cwe-id "CWE-119" ; rdfs:subClassOf
        [ a owl:Restriction ; owl:onProperty :weakness-of ; owl:someValuesFrom :Process ] .
:CWE-798 a owl:Class ; rdfs:label "Fixed secret" ; :cwe-id "CWE-798" .
:M1047 a :ATTACKEnterpriseMitigation ; rdfs:label "Audit" ; :related :SpawnAnalysis, :ProcessAnalysis .
:M1013 a :ATTACKEnterpriseMitigation ; rdfs:label "Guidance" .
:DS0009 a :ATTACKEnterpriseDataSource ; rdfs:label "Process (ATT&CK DS)" ; :exactly :Process .
:C5 a :NISTControl ; rdfs:label "AC-2(1)" ; :control-name "Accounts" ; :member-of :NIST_SP_800-53_R5 ;
    :narrower :SpawnAnalysis .
:C4 a :NISTControl ; rdfs:label "AC-2" ; :control-name "Accounts" ; :member-of :NIST_SP_800-53_R4 .
"""


def run(path: Path, text: str = ONTOLOGY) -> tuple[dict[str, Record], Tally]:
    path.write_text(text, encoding="utf-8")
    return read(path)


def read(path: Path) -> tuple[dict[str, Record], Tally]:
    source, tally = Input(path), Tally()
    assert READER.claims(source)
    records = list(READER.read(source, tally))
    assert tally.read == len(records) + tally.skipped.total() + tally.refused.total()
    assert len({record.id for record in records}) == len(records)
    assert all(decode(encode(record)) == record for record in records)
    return {record.id: record for record in records}, tally


def test_a_countermeasure(tmp_path: Path) -> None:
    records, tally = run(tmp_path / "d3fend.ttl")
    record = records["D3-SA"]
    assert (record.kind, record.name, record.facts) == (
        Kind.COUNTERMEASURE, "Spawn Analysis", CountermeasureFacts("Detect"),
    )  # fmt: skip
    assert record.aliases == ("d3f:SpawnAnalysis", "Start Analysis")
    assert [(t.field, t.body) for t in record.texts] == [
        ("description", "Look at starts."),
        ("article", "## How\nLike this."),
    ]
    assert record.links == (
        Link(Rel.CHILD_OF, "D3-PA"),
        Link(Rel.TOUCHES, "d3f:Process", "analyzes"),
        Link(Rel.TOUCHES, "d3f:Person", "authenticates"),
        Link(Rel.COUNTERS, "T1055", "restricts"),
        Link(Rel.RELATED_TO, "CWE-798", "see also"),
    )
    assert (tally.release, tally.on) == ("9.8.7", "2031-02-03")


def test_artifacts_are_classes_and_have_their_parents(tmp_path: Path) -> None:
    records, _ = run(tmp_path / "d3fend.ttl")
    artifacts = {ident for ident, record in records.items() if record.kind is Kind.ARTIFACT}
    assert artifacts == {"d3f:Artifact", "d3f:DigitalArtifact", "d3f:Process", "d3f:Person"}
    process = records["d3f:Process"]
    assert (process.name, process.aliases, process.links) == (
        "Process", ("Task",), (Link(Rel.CHILD_OF, "d3f:DigitalArtifact"),),
    )  # fmt: skip


def test_ids_of_others_carry_links_only(tmp_path: Path) -> None:
    records, _ = run(tmp_path / "d3fend.ttl")
    assert {ident: records[ident].links for ident in ("T1055", "T1002", "CWE-119", "M1047", "DS0009", "AC-2(1)")} == {
        "T1055": (Link(Rel.RELATED_TO, "D3-SA", "may-modify"), Link(Rel.TOUCHES, "d3f:Process", "modifies")),
        "T1002": (Link(Rel.TOUCHES, "d3f:Process", "accesses"),),
        "CWE-119": (Link(Rel.TOUCHES, "d3f:Process", "weakness-of"),),
        "M1047": (Link(Rel.MAPS_TO, "D3-PA", "related"), Link(Rel.MAPS_TO, "D3-SA", "related")),
        "DS0009": (Link(Rel.MAPS_TO, "d3f:Process", "exactly"),),
        "AC-2(1)": (Link(Rel.MAPS_TO, "D3-SA", "narrower"),),
    }
    assert records["T1002"].status is Status.DEPRECATED
    assert (records["AC-2(1)"].kind, records["AC-2(1)"].name) == (Kind.CONTROL, "Accounts")
    assert records["DS0009"].name == "Process"
    assert not records["T1055"].texts


def test_what_is_not_used_is_counted(tmp_path: Path) -> None:
    _, tally = run(tmp_path / "d3fend.ttl")
    assert tally.skipped == {
        "an analytic technique, no countermeasure": 1,
        "a technique that D3FEND links to nothing": 1,
        "a weakness that D3FEND links to nothing": 1,
        "a mitigation that D3FEND links to nothing": 1,
        "a control of another revision than 800-53 r5": 1,
    }
    assert not tally.refused


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('"D3-SA"', '"D3SA"', "no id of a countermeasure: 'D3SA'"),
        ('"D3-SA"', '"D3-PA"', "a second countermeasure with the same id"),
        ('rdfs:label "Spawn Analysis" ; ', "", "no rdfs:label"),
    ],
)
def test_a_surprise_is_refused_with_its_name(tmp_path: Path, old: str, new: str, what: str) -> None:
    records, tally = run(tmp_path / "d3fend.ttl", ONTOLOGY.replace(old, new))
    assert tally.examples == [("d3f:SpawnAnalysis", what)]
    assert "D3-PA" in records


def test_a_circle_of_superclasses_ends(tmp_path: Path) -> None:
    circle = ONTOLOGY + ":Artifact rdfs:subClassOf :Process . :ProcessAnalysis rdfs:subClassOf :SpawnAnalysis .\n"
    records, _ = run(tmp_path / "d3fend.ttl", circle)
    assert records["D3-SA"].facts == CountermeasureFacts("Detect")


def test_the_edited_file_has_no_release_and_may_be_compressed(tmp_path: Path) -> None:
    bare = ONTOLOGY.replace("owl:versionIRI", "rdfs:seeAlso").replace(":release-date", ":created")
    (tmp_path / "d.ttl.gz").write_bytes(gzip.compress(bare.encode()))
    records, tally = read(tmp_path / "d.ttl.gz")
    assert "D3-SA" in records
    assert (tally.release, tally.on) == ("", "")


def test_broken_turtle_is_an_error_and_other_turtle_is_not_claimed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"d\.ttl: not readable Turtle"):
        run(tmp_path / "d.ttl", ONTOLOGY + ":a :b")
    (tmp_path / "other.ttl").write_text("@prefix : <http://example.org/> . :a :b :c .", encoding="utf-8")
    assert not READER.claims(Input(tmp_path / "other.ttl"))
    assert not READER.claims(Input(tmp_path))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.floats(0, 1),
    size=st.integers(0, 40),
    new=st.one_of(
        st.binary(max_size=8),
        st.sampled_from([b'"', b" . ", b"[]", b"<<", b":Process", b'""@en', b"true", b"_:x", b";"]),
    ),
    cut=st.booleans(),
)
def test_damage_is_told_never_thrown(tmp_path: Path, at: float, size: int, new: bytes, cut: bool) -> None:
    whole = ONTOLOGY.encode()
    place = int(at * len(whole))
    path = tmp_path / "d.ttl"
    path.write_bytes(whole[:place] + new + (b"" if cut else whole[place + size :]))
    try:
        if READER.claims(Input(path)):
            read(path)
    except VedetteError:
        return


def test_the_publishers_ontology_is_read_whole(shared: Path) -> None:
    records, tally = read(shared / "data/d3fend/d3fend-protege.ttl.gz")
    kinds = [record.kind for record in records.values()]
    assert (kinds.count(Kind.COUNTERMEASURE), kinds.count(Kind.ARTIFACT), not tally.refused) == (249, 844, True)
    assert {r.facts.tactic for r in records.values() if isinstance(r.facts, CountermeasureFacts)} == {
        "Model", "Harden", "Detect", "Isolate", "Deceive", "Evict", "Restore",
    }  # fmt: skip
    assert Link(Rel.TOUCHES, "d3f:CreateProcess", "analyzes") in records["D3-PSA"].links
    own = {link.to for r in records.values() for link in r.links if link.to.startswith(("d3f:", "D3"))}
    assert own <= records.keys()
