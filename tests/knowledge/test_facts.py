"""What a bare installation knows, and how its store comes to be."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import ArtefactError
from vedette.knowledge import facts
from vedette.knowledge.build import Batch, import_batches, import_sources, locked, units
from vedette.knowledge.record import (
    ActorFacts,
    AnalyticFacts,
    Kev,
    Kind,
    Link,
    LogSource,
    Record,
    Rel,
    Status,
    TechniqueFacts,
    Text,
    VulnerabilityFacts,
    digest,
    encode,
)
from vedette.knowledge.store import Knowledge
from vedette.knowledge.unit import content_hash

from . import samples
from .content import content, folder

pytestmark = pytest.mark.usefixtures("small_encoder")
PLAIN = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="|\t"), min_size=1, max_size=12
)
UID = st.sampled_from(["T1059", "T1059.001", "CWE-79", "d3f:Process", "AC-2(1)", "misp:1"])
RELS = st.sampled_from(sorted(facts.LINKS)).map(Rel)
KEV = Kev("2021-12-10")
RECORD = st.builds(
    Record, UID, st.sampled_from(Kind), PLAIN | st.just(""), st.sampled_from(["", "ics"]), st.sampled_from(Status),
    UID | st.just(""), st.sampled_from(["", "2020-01-02"]), aliases=st.lists(PLAIN, max_size=3).map(tuple),
    facts=st.sampled_from([None, TechniqueFacts(("execution",), ("A\tB|C;D>E\n",)), VulnerabilityFacts(kev=KEV)]),
    links=st.lists(st.builds(Link, RELS, UID, st.sampled_from(["", "role", "a (b)", "x, y"])), max_size=4).map(tuple),
)  # fmt: skip


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of all that is shipped."""
    unit, bodies = samples.unit("attack/enterprise", samples.attack(), facts_only=True)
    monkeypatch.setattr(facts, "batches", lambda: [Batch(unit, lambda: iter(bodies), Path("facts"))])


@given(RECORD)
def test_a_row_is_the_record(record: Record) -> None:
    back = facts.from_row(facts.to_row(record), "x:1")
    assert msgspec.structs.replace(back, links=()) == msgspec.structs.replace(record, links=())
    assert sorted(map(repr, back.links)) == sorted(map(repr, record.links))
    assert facts.to_row(back) == facts.to_row(record)


@given(st.text(max_size=60) | st.lists(st.text(max_size=5), min_size=10, max_size=10).map("\t".join))
def test_any_other_row_is_refused_or_read(row: str) -> None:
    with suppress(ArtefactError):
        assert isinstance(facts.from_row(row, "x:1"), Record)


def test_a_damaged_row_is_named() -> None:
    with pytest.raises(ArtefactError, match="x:7: the shipped facts are damaged"):
        facts.from_row("T1059\tnothing", "x:7")


def test_texts_and_weak_links_are_left_out(tmp_path: Path) -> None:
    links = (Link(Rel.USES, "T1059", "a;b>c", "A sentence of theirs."), Link(Rel.RELATED_TO, "T1001"))
    full = [
        Record("G0016", Kind.GROUP, "APT29", texts=(Text("description", "Prose."),), links=links,
               facts=ActorFacts("RU", "2008", "", ("Health",)), modified="2020-01-02"),
        Record("AN0001", Kind.ANALYTIC, "One", facts=AnalyticFacts(("Windows",), (LogSource("DC0001", "x"),))),
        Record("misp:1", Kind.TOOL, "Nobody's"),
    ]  # fmt: skip
    unit, _ = samples.unit("attack/enterprise", full)
    facts.write(tmp_path, [(unit, full)])
    text = (tmp_path / "attack.enterprise.tsv").read_text()
    assert "Prose" not in text
    assert "sentence" not in text
    assert "T1001" not in text
    assert "misp:1" not in text
    (kept,) = msgspec.json.decode((tmp_path / facts.UNITS).read_bytes())
    assert kept["facts_only"] is True
    assert kept["records"] == 2
    assert "uses(a,b,c)>T1059" in text


def test_the_shipped_files_are_what_their_list_says(root: Path) -> None:
    shipped = facts.shipped()
    assert {unit.source for unit in shipped} >= {"attack", "cwe", "capec", "d3fend", "kev", "ctid", "misp-galaxy"}
    for unit in shipped:
        records = list(facts.records(unit.name))
        assert unit.facts_only
        assert unit.inputs
        assert len(records) == unit.records == len({record.id for record in records})
        assert content_hash(digest(encode(record)) for record in records) == unit.content
        assert not any(record.texts or any(link.text for link in record.links) for record in records)
    at = root / "src/vedette/knowledge/facts"
    assert sum(path.stat().st_size for path in at.iterdir()) <= 3 * 1024**2
    assert {path.name for path in at.iterdir()} == {
        "README.md", facts.UNITS, *(facts.file_name(unit.name) for unit in shipped)
    }  # fmt: skip


def test_shipped_facts_of_some_kinds() -> None:
    tactics = list(facts.records("attack/enterprise", {Kind.TACTIC}))
    assert "TA0002" in {record.id for record in tactics}
    assert {record.kind for record in tactics} == {Kind.TACTIC}
    assert list(facts.records("no/such")) == []
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d|", record.published) for record in facts.records("kev"))


@pytest.mark.usefixtures("few")
def test_the_first_look_makes_a_store(tmp_path: Path) -> None:
    place = tmp_path / "new" / "folder" / "knowledge.db"
    with Knowledge.open(place) as knowledge:
        assert knowledge.path == place
        assert knowledge.get("T1059.001")
        assert knowledge.units[0].facts_only
        assert [hit.id for hit in knowledge.search("interpreter", mode="words")] == ["T1059"]
    assert folder(place) == ["knowledge.db"]
    content(place)
    before = place.read_bytes()
    Knowledge.open(place).close()
    assert place.read_bytes() == before


@pytest.mark.usefixtures("few")
def test_an_import_replaces_the_facts_of_its_unit(tmp_path: Path) -> None:
    place = tmp_path / "k.db"
    Knowledge.open(place).close()
    samples.put(place, samples.unit("attack/enterprise", samples.attack()))
    assert not units(place)["attack/enterprise"].facts_only


@pytest.mark.usefixtures("few")
def test_where_nothing_can_be_written_it_is_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with Knowledge.open(tmp_path / "file" / "knowledge.db") as knowledge:
        assert knowledge.path is None
        assert knowledge.get("T1059.001")
        assert knowledge.search("interpreter")
        assert knowledge.units[0].name == "attack/enterprise"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.usefixtures("few")
def test_while_an_import_is_at_work_it_is_in_memory(tmp_path: Path) -> None:
    with locked(tmp_path / "k.db"), Knowledge.open(tmp_path / "k.db") as knowledge:
        assert knowledge.path is None
        assert "T1059" in knowledge
    assert not (tmp_path / "k.db").exists()


@pytest.mark.usefixtures("few")
def test_a_store_that_somebody_made_meanwhile_is_taken(tmp_path: Path) -> None:
    samples.full(tmp_path / "k.db")
    before = (tmp_path / "k.db").read_bytes()
    assert facts.install(tmp_path / "k.db")
    assert (tmp_path / "k.db").read_bytes() == before


@pytest.mark.usefixtures("few")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_first_looks_at_once(tmp_path: Path) -> None:
    store = tmp_path / "new" / "knowledge.db"
    pids = []
    for _ in range(4):
        if pid := os.fork():
            pids.append(pid)
            continue
        code = 1
        try:
            with Knowledge.open(store) as knowledge:
                code = 0 if knowledge.get("T1059.001") else 2
        finally:
            os._exit(code)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * 4
    assert folder(store) == ["knowledge.db"]
    content(store)


def test_all_that_is_shipped(tmp_path: Path) -> None:
    with Knowledge.open(tmp_path / "k.db") as knowledge:
        assert sum(unit.records for unit in knowledge.units) == sum(unit.records for unit in facts.shipped())
        for uid in ("T1059.001", "TA0002", "G0016", "M1049", "CWE-79", "CAPEC-66", "AC-2", "CVE-2021-44228", "D3-PSA"):
            assert knowledge.get(uid), uid
        assert knowledge.resolve("Cozy Bear")[0].id == "G0016"
        old = knowledge.in_force("T1086")
        assert old
        assert old.id == "T1059.001"


def test_hits_can_be_compared(tmp_path: Path) -> None:
    """`replace` works on what search gives: it is plain data."""
    with Knowledge.open(samples.full(tmp_path / "k.db")) as knowledge:
        hit = knowledge.search("registry")[0]
        assert replace(hit, score=0) != hit


KEV_FILE = """{"catalogVersion": "2026.03.09", "dateReleased": "2026-03-09T00:00:00Z", "vulnerabilities": [
{"cveID": "CVE-2020-0001", "vendorProject": "Example", "product": "Logger", "vulnerabilityName": "Example flaw",
"dateAdded": "2026-03-01", "shortDescription": "It fails.", "cwes": []}]}"""


@pytest.mark.facts
def test_whatever_is_imported_first_the_ids_stay_known(tmp_path: Path) -> None:
    (tmp_path / "kev.json").write_text(KEV_FILE, encoding="utf-8")
    import_sources(tmp_path / "k.db", [tmp_path / "kev.json"])
    with Knowledge.open(tmp_path / "k.db") as knowledge:
        units = {unit.name: unit for unit in knowledge.units}
        assert "T1059.001" in knowledge
        assert units["attack/enterprise"].facts_only
        assert not units["kev"].facts_only
        assert units["kev"].records == 1


@pytest.mark.facts
def test_facts_of_an_older_version_give_way(tmp_path: Path) -> None:
    old = next(batch for batch in facts.batches() if batch.unit.name == "capec")
    short = [encode(record) for record in list(facts.records("capec"))[:3]]
    unit = msgspec.structs.replace(old.unit, records=3, content=content_hash(map(digest, short)))
    import_batches(tmp_path / "k.db", [Batch(unit, lambda: iter(short), Path("facts"))], inline=True)
    (tmp_path / "kev.json").write_text(KEV_FILE, encoding="utf-8")
    import_sources(tmp_path / "k.db", [tmp_path / "kev.json"])
    with Knowledge.open(tmp_path / "k.db") as knowledge:
        assert "CAPEC-66" in knowledge
        assert {u.name: u.content for u in knowledge.units}["capec"] == old.unit.content
