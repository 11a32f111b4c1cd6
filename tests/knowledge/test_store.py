"""An open store: what it says about an id when sources disagree, and how it fails."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from vedette.errors import StateError, VedetteError
from vedette.knowledge import facts, schema
from vedette.knowledge.build import PREVIOUS, units
from vedette.knowledge.record import Kind, Link, Record, Rel, Status, VulnerabilityFacts
from vedette.knowledge.store import FILE, Knowledge, default_path
from vedette.knowledge.unit import Unit

from . import samples

pytestmark = pytest.mark.usefixtures("small_encoder")
CVE = "CVE-2021-44228"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, small_encoder: object) -> Path:
    return samples.full(tmp_path_factory.mktemp("store") / "full.db")


@pytest.fixture(scope="module")
def knowledge(store: Path) -> Knowledge:
    return Knowledge.open(store)


def opened(at: Path, **named: list[Record]) -> Knowledge:
    """`attack_enterprise` is the unit attack/enterprise."""
    samples.put(at / "k.db", *(samples.unit(name.replace("_", "/", 1), records) for name, records in named.items()))
    return Knowledge.open(at / "k.db")


# -- entries


def test_an_entry_has_every_sources_word_in_order(knowledge: Knowledge) -> None:
    entry = knowledge.get(CVE)
    assert entry
    assert [statement.unit.source for statement in entry.statements] == ["nvd", "kev", "epss", "ssvc"]
    assert (entry.kind, entry.status, entry.published) == (Kind.VULNERABILITY, Status.ACTIVE, "2021-12-10")
    assert entry.name == "Example Logger Remote Code Execution"
    assert entry.description.startswith("Lookups")
    assert knowledge.names([CVE, "T1059", "nothing"]) == {CVE: entry.name, "T1059": "Command and Scripting Interpreter"}


@pytest.mark.parametrize("uid", ["", "t1059", "CVE-2021-44228 ", "\ud800", "' OR 1=1 --", "\0", "x" * 100_000])
def test_what_is_no_id_is_not_there(knowledge: Knowledge, uid: str) -> None:
    assert knowledge.get(uid) is None
    assert uid not in knowledge
    assert knowledge.names([uid]) == {}
    assert knowledge.in_force(uid) is None
    assert knowledge.text(uid, "attack", "description") is None
    assert knowledge.resolve(uid) == []


def test_revoked_ids_are_followed_to_the_end(tmp_path: Path) -> None:
    def technique(uid: str, to: str = "") -> Record:
        return samples.record(uid, Kind.TECHNIQUE, uid, status=Status.REVOKED if to else Status.ACTIVE, replaced_by=to)

    chain = [technique("T1001", "T1002"), technique("T1002", "T1003"), technique("T1003")]
    odd = [
        technique("T1004", "T1005"),
        technique("T1005", "T1004"),
        technique("T1006", "T9999"),
        technique("T1007", "T1007"),
    ]
    with opened(tmp_path, attack_enterprise=[*chain, *odd]) as knowledge:
        ends = {uid: knowledge.in_force(uid) for uid in ("T1001", "T1003", "T1004", "T1006", "T1007")}
        assert {uid: entry and entry.id for uid, entry in ends.items()} == {
            "T1001": "T1003", "T1003": "T1003", "T1004": "T1005", "T1006": "T1006", "T1007": "T1007",
        }  # fmt: skip


def test_a_catalogue_that_only_links_an_id_decides_nothing(tmp_path: Path) -> None:
    """The mappings know nothing of a CVE but its name; KEV, which comes before them, names it."""
    linked = samples.record(CVE, Kind.VULNERABILITY, "A name of theirs", links=(Link(Rel.ENABLES, "T1059"),))
    rejected = samples.record(
        CVE,
        Kind.VULNERABILITY,
        "",
        VulnerabilityFacts(),
        status=Status.REJECTED,
        texts=samples.description("Withdrawn."),
    )
    scored = samples.record(CVE, Kind.VULNERABILITY, "A name of KEV", VulnerabilityFacts())
    with opened(tmp_path, ctid=[linked], cvelist=[rejected], kev=[scored]) as knowledge:
        entry = knowledge.get(CVE)
        assert entry
        assert (entry.status, entry.name) == (Status.REJECTED, "A name of KEV")
        assert [statement.unit.source for statement in entry.statements] == ["cvelist", "kev", "ctid"]


def test_of_two_that_describe_an_id_the_first_source_decides(tmp_path: Path) -> None:
    def said(status: Status) -> Record:
        return samples.record(CVE, Kind.VULNERABILITY, "", VulnerabilityFacts(), status=status)

    with opened(tmp_path, cvelist=[said(Status.ACTIVE)], nvd_2021=[said(Status.REJECTED)]) as knowledge:
        entry = knowledge.get(CVE)
        assert entry
        assert entry.status is Status.ACTIVE


def test_of_two_parts_of_a_source_the_newer_word_comes_first(tmp_path: Path) -> None:
    """NVD's recent changes are newer than the feed of the year, for as long as they are."""

    def said(modified: str, status: Status) -> Record:
        return samples.record(CVE, Kind.VULNERABILITY, "", VulnerabilityFacts(), modified=modified, status=status)

    year, recent = said("2025-01-01", Status.ACTIVE), said("2026-01-01", Status.REJECTED)
    with opened(tmp_path, nvd_2021=[year], nvd_recent=[recent]) as knowledge:
        entry = knowledge.get(CVE)
        assert entry
        assert entry.status is Status.REJECTED
    with opened(tmp_path, nvd_2021=[recent], nvd_recent=[year]) as knowledge:
        entry = knowledge.get(CVE)
        assert entry
        assert [statement.unit.part for statement in entry.statements] == ["2021", "recent"]


def test_an_id_that_is_only_linked_is_what_the_link_says(tmp_path: Path) -> None:
    bare = samples.record("T1059", Kind.TECHNIQUE, "", links=(Link(Rel.TOUCHES, "d3f:Script"),))
    with opened(tmp_path, d3fend=[bare]) as knowledge:
        entry = knowledge.get("T1059")
        assert entry
        assert (entry.kind, entry.name, entry.status, entry.description) == (Kind.TECHNIQUE, "", Status.ACTIVE, "")


def test_facts_give_way_to_the_source_itself(tmp_path: Path) -> None:
    slim = samples.unit("cwe/1000", [samples.record("CWE-79", Kind.WEAKNESS, "Short")], facts_only=True)
    full = samples.unit(
        "cwe/catalog", [samples.record("CWE-79", Kind.WEAKNESS, "Whole", texts=samples.description("It."))]
    )
    samples.put(tmp_path / "k.db", slim, full)
    with Knowledge.open(tmp_path / "k.db") as knowledge:
        entry = knowledge.get("CWE-79")
        assert entry
        assert [statement.unit.name for statement in entry.statements] == ["cwe/catalog", "cwe/1000"]
        assert entry.name == knowledge.names(["CWE-79"])["CWE-79"] == "Whole"
        assert [unit.facts_only for unit in knowledge.units] == [False, True]


def test_names_in_any_spelling_with_their_sources(knowledge: Knowledge) -> None:
    for spelled in ("Cozy Bear", "COZY-BEAR", "cozybear", "ＣＯＺＹ　ＢＥＡＲ", " cozy_bear! "):
        assert [(name.id, name.source) for name in knowledge.resolve(spelled)] == [
            ("G0016", "attack"), (samples.BEAR, "misp-galaxy"),
        ]  # fmt: skip
    assert knowledge.resolve("") == knowledge.resolve("--- !") == knowledge.resolve("nobody") == []


def test_names_that_fold_to_the_same(tmp_path: Path) -> None:
    one = samples.record("G0001", Kind.GROUP, "Sand Worm", aliases=("SANDWORM", "sand-worm", "", "--"))
    two = samples.record("G0002", Kind.GROUP, "sandworm")
    with opened(tmp_path, attack_enterprise=[one, two], attack_ics=[one]) as knowledge:
        found = knowledge.resolve("Sandworm")
        assert [(name.id, name.name) for name in found] == [("G0001", "Sand Worm"), ("G0002", "sandworm")]


def test_many_names_at_once(knowledge: Knowledge) -> None:
    """More than SQLite takes as variables of one statement."""
    asked = [f"CVE-1999-{number}" for number in range(40_000)]
    assert knowledge.names(iter([*asked, "G0016", *asked])) == {"G0016": "APT29"}


def test_texts_by_source_and_unit(knowledge: Knowledge) -> None:
    whole = knowledge.text("CWE-79", "cwe", "description")
    assert whole == knowledge.text("CWE-79", "cwe/1000", "description") == "Input reaches a page unescaped."
    assert knowledge.text("CWE-79", "kev", "description") is None
    assert knowledge.text("CWE-79", "cwe", "link:CWE-20#x") is None
    assert knowledge.text("G0016", "attack", "link:S0154#1") == "Has used it for lateral movement."


# -- where it lies


def test_the_default_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("VEDETTE_KNOWLEDGE", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert default_path() == tmp_path / "vedette" / FILE
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert default_path() == tmp_path / "local" / "vedette" / FILE
    monkeypatch.setenv("VEDETTE_KNOWLEDGE", str(tmp_path / "mine.db"))
    assert default_path() == tmp_path / "mine.db"


def test_the_environment_names_the_store(monkeypatch: pytest.MonkeyPatch, store: Path) -> None:
    monkeypatch.setenv("VEDETTE_KNOWLEDGE", str(store))
    with Knowledge.open() as knowledge:
        assert knowledge.path == store
        assert "G0016" in knowledge


def test_a_place_that_cannot_be_looked_at(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="cannot be opened"):
        Knowledge.open(tmp_path / ("x" * 300))


def test_closing_twice_and_asking_after(store: Path) -> None:
    knowledge = Knowledge.open(store)
    knowledge.close()
    knowledge.close()
    with pytest.raises(sqlite3.ProgrammingError):
        knowledge.get("G0016")


def test_nothing_is_written_where_a_store_is_read(store: Path) -> None:
    before, names = store.read_bytes(), sorted(store.parent.iterdir())
    with Knowledge.open(store) as knowledge:
        knowledge.search("shell")
        with pytest.raises(StateError):
            knowledge.db.execute("DELETE FROM record")
    assert store.read_bytes() == before
    assert sorted(store.parent.iterdir()) == names


# -- damage


def _ask_everything(knowledge: Knowledge) -> None:
    for uid in ("T1059.001", "G0016", CVE, "CWE-79", samples.RULE, "AC-2"):
        if (entry := knowledge.get(uid)) is not None:
            assert entry.kind in Kind
        knowledge.neighbours(uid)
    assert all(isinstance(unit, Unit) for unit in knowledge.units)
    knowledge.search("shell script registry", platform="Windows")
    knowledge.search("cozy bear", mode="words", kinds=[Kind.GROUP], since="2000-01-01")
    knowledge.resolve("Cozy Bear")
    knowledge.verify_ids(f"T1059.001 and {CVE} and G0016, T1086 too")
    knowledge.paths(CVE, "mitigation")


def _flip(body: bytearray, chance: random.Random) -> None:
    body[chance.randrange(100, len(body))] ^= 1 << chance.randrange(8)


def _zero(body: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(body))
    body[start : start + 4096] = bytes(len(body[start : start + 4096]))


def _cut(body: bytearray, chance: random.Random) -> None:
    del body[chance.randrange(len(body)) :]


def _noise(body: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(body) - 2000)
    body[start : start + 2000] = chance.randbytes(2000)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numbers that are none, in arithmetic
@pytest.mark.parametrize("how", [_flip, _zero, _cut, _noise])
def test_a_damaged_store_raises_nothing_but_our_errors(
    store: Path, tmp_path: Path, how: Callable[[bytearray, random.Random], None]
) -> None:
    chance = random.Random(7)
    for number in range(25):
        body = bytearray(store.read_bytes())
        how(body, chance)
        damaged = tmp_path / f"{number}.db"
        damaged.write_bytes(body)
        with suppress(VedetteError), Knowledge.open(damaged) as knowledge:
            _ask_everything(knowledge)
        with suppress(StateError):
            units(damaged)


@pytest.mark.parametrize("body", [b"", b"SQLite format 3\0", b"\0" * 8192, b"not a database" * 1000])
def test_what_is_no_store(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "knowledge.db"
    path.write_bytes(body)
    with pytest.raises(StateError, match="not a knowledge store") as caught:
        Knowledge.open(path)
    assert caught.value.remedy
    assert str(path) in str(caught.value)
    assert path.read_bytes() == body


def test_a_database_of_somebody_else(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE meta (key TEXT, value TEXT)")
    db.commit()
    db.close()
    with pytest.raises(StateError, match="not a knowledge store"):
        Knowledge.open(path)


def test_a_record_that_makes_no_sense_is_the_stores_fault(tmp_path: Path) -> None:
    samples.full(tmp_path / "k.db")
    db = sqlite3.connect(tmp_path / "k.db")
    db.execute("UPDATE record SET body = x'ff' WHERE id = 'G0016'")
    db.commit()
    db.close()
    with Knowledge.open(tmp_path / "k.db") as knowledge:
        with pytest.raises(StateError, match="damaged"):
            knowledge.get("G0016")
        assert knowledge.get("T1059")


def test_a_store_that_is_gone_while_it_is_open(tmp_path: Path) -> None:
    path = samples.full(tmp_path / "k.db")
    with Knowledge.open(path) as knowledge:
        path.unlink()
        assert knowledge.get("G0016")
        assert knowledge.search("registry")


def test_the_previous_store_is_one_too(tmp_path: Path) -> None:
    samples.put(tmp_path / "k.db", samples.unit("kev", []))
    samples.full(tmp_path / "k.db")
    with Knowledge.open(tmp_path / f"k.db{PREVIOUS}") as knowledge:
        assert [unit.name for unit in knowledge.units] == ["kev"]


def test_meta_says_what_it_was_made_by(store: Path) -> None:
    made = schema.meta(store)
    assert made["format"] == str(schema.FORMAT)
    assert made["encoder"] == "small"
    assert set(made) == {"format", "passages", "encoder", "encoder_name", "vedette"}


def test_facts_that_are_damaged_are_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "records", lambda *_: (facts.from_row("one\ttwo", "x:2") for _ in range(1)))
    with pytest.raises(VedetteError, match="shipped facts are damaged"):
        Knowledge.open(tmp_path / "k.db")
    assert not (tmp_path / "k.db").exists()
