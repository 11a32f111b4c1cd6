"""What is looked up for a case's techniques, over small stores of made-up groups and mitigations."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from vedette.errors import StateError
from vedette.knowledge import facts
from vedette.knowledge.build import Batch, import_batches
from vedette.knowledge.record import Kind, Link, Record, Rel, Status, TacticFacts, TechniqueFacts, digest, encode
from vedette.knowledge.store import Knowledge
from vedette.knowledge.unit import Unit, content_hash
from vedette.skills.triage.background import ALIASES, MITIGATIONS, Backgrounds
from vedette.skills.triage.owner import Owner
from vedette.skills.triage.skill import Triage
from vedette.skills.triage.state import State
from vedette.types import NO_ATTRIBUTION, Background, Helps, KnownTechnique, Queue

from .alerts import MODEL, alert, chunks, everyday, intrusion


def technique(uid: str, name: str, *links: Link, tactic: str = "execution", **changes: object) -> Record:
    return Record(uid, Kind.TECHNIQUE, name, facts=TechniqueFacts((tactic,)), links=links, **changes)  # type: ignore[arg-type]


def linked(uid: str, kind: Kind, name: str, rel: Rel, *targets: str, **changes: object) -> Record:
    return Record(uid, kind, name, links=tuple(Link(rel, to) for to in targets), **changes)  # type: ignore[arg-type]


def mitigation(uid: str, *targets: str, **changes: object) -> Record:
    return linked(uid, Kind.MITIGATION, f"Advice {uid}", Rel.MITIGATES, *targets, **changes)


def group(uid: str, *targets: str, **changes: object) -> Record:
    return linked(uid, Kind.GROUP, f"Band {uid}", Rel.USES, *targets, **changes)


SHELL = Link(Rel.CHILD_OF, "T1059")
RECORDS = (
    Record("TA0002", Kind.TACTIC, "Running Code", facts=TacticFacts("execution", 4)),
    Record("TA9000", Kind.TACTIC, "Brand New", facts=TacticFacts("brand-new", 15)),
    technique("T1059", "Interpreter", Link(Rel.MEMBER_OF, "TA0002")),
    technique("T1059.001", "Power Shell", SHELL, Link(Rel.MEMBER_OF, "TA0002")),
    technique("T1059.003", "Command Shell", SHELL),
    technique("T1086", "Power Shell of old", status=Status.REVOKED, replaced_by="T1059.001"),
    technique("T1175", "Objects", status=Status.DEPRECATED),
    technique("T1105", "Tool Transfer"),
    technique("T1486", "Encryption"),
    technique("T7777", "Newer than the shipped facts", Link(Rel.MEMBER_OF, "TA9000"), tactic="brand-new"),
    mitigation("M1", "T1059", "T1105"),
    mitigation("M2", "T1059.001"),
    mitigation("M3", "T1059.001", "T1105", "T1486"),
    mitigation("M4", "T1105", status=Status.DEPRECATED),
    mitigation("M5", "T1059", "T1059.001"),
    mitigation("M6", "T1059.003"),
    mitigation("M1055", "T1059.001", "T1105", "T1486"),
    linked("AC-2", Kind.CONTROL, "Accounts", Rel.MITIGATES, "T1059.001"),
    group("G1", "T1059.001", "T1105", aliases=("One", "Two", "Three", "Four")),
    group("G2", "T1059.001", "T1486"),
    group("G3", "T1059.001", "T1105"),
    group("G4", "T1059.001", "T1105"),
    group("G5", "T1059.003", "T1105"),
    group("G6", "T1059.001"),
    group("G7", "T1059.001", "T1486", status=Status.REVOKED),
    linked("S1", Kind.SOFTWARE, "A tool", Rel.USES, "T1059.001", "T1105", "T1486"),
)
Made = Callable[..., Backgrounds]


def batch(*records: Record) -> Batch:
    bodies = [encode(record) for record in records]
    unit = Unit(
        source="attack", part="enterprise", release="99.1", on="2026-01-02", imported="2026-03-10T09:00:00+00:00",
        inputs={}, read=len(bodies), records=len(bodies), skipped={}, refused={},
        content=content_hash(map(digest, bodies)),
    )  # fmt: skip
    return Batch(unit, lambda: iter(bodies), Path("made up"))


def put(path: Path, *records: Record) -> Path:
    import_batches(path, [batch(*records)], inline=True)
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return put(tmp_path_factory.mktemp("store") / "knowledge.db", *RECORDS)


@pytest.fixture
def known(store: Path) -> Iterator[Backgrounds]:
    with Backgrounds(lambda: Knowledge.open(store)) as backgrounds:
        yield backgrounds


def of(known: Backgrounds, *techniques: str) -> Background:
    found = known.of(techniques)
    assert found is not None, known.trouble
    return found


def helps(found: Background) -> dict[str, list[tuple[str, str]]]:
    return {m.id: [(one.technique, one.by) for one in m.helps] for m in found.mitigations}


# -- names ------------------------------------------------------------------------------------


def test_the_store_names_techniques_and_tactics(known: Backgrounds) -> None:
    found = known.of(("T1059.001", "T7777"), ("execution", "impact", "no tactic"))
    assert found is not None
    assert [t.name for t in found.techniques] == ["Interpreter: Power Shell", "Newer than the shipped facts"]
    assert [t.status for t in found.techniques] == ["active", "active"]
    names = {t.short_name: (t.id, t.name) for t in found.tactics}
    assert names == {
        "execution": ("TA0002", "Running Code"),
        "impact": ("TA0040", "Impact"),  # the store does not hold it
        "brand-new": ("TA9000", "Brand New"),
    }


def test_a_revoked_id_is_followed_and_stays_visible(known: Backgrounds) -> None:
    revoked, deprecated = of(known, "T1086", "T1175").techniques
    assert (revoked.id, revoked.status, revoked.replaced_by) == ("T1086", "revoked", "T1059.001")
    assert revoked.name == "Interpreter: Power Shell"
    assert (deprecated.status, deprecated.replaced_by, deprecated.name) == ("deprecated", "", "Objects")
    assert helps(of(known, "T1086"))["M2"] == [("T1086", "")], "what is linked to the id in force counts"


@pytest.mark.parametrize("uid", ["T9999", "", "t1059", "T1059.999", "G1", "M3", "TA0002", "T1059'; --", "\ud800"])
def test_what_is_no_known_technique_stays_unverified(known: Backgrounds, uid: str) -> None:
    found = of(known, uid)
    assert found.techniques == (KnownTechnique(id=uid, status="unverified"),)
    assert (found.mitigations, found.groups, found.other_groups) == ((), (), 0)


def test_the_shipped_facts_name_what_the_store_does_not_hold(known: Backgrounds) -> None:
    old, held = of(known, "T1003.001", "T1086").techniques
    assert (old.status, old.name) == ("active", "OS Credential Dumping: LSASS Memory")
    assert held.name == "Interpreter: Power Shell", "and never where it does"


# -- mitigations ------------------------------------------------------------------------------


def test_mitigations_are_ranked_by_what_they_help_against(known: Backgrounds) -> None:
    found = of(known, "T1059.001", "T1105", "T1486")
    assert list(helps(found)) == ["M3", "M1", "M2", "M5"]
    assert found.other_mitigations == 0
    assert found.mitigations[0].name == "Advice M3"


def test_a_sub_technique_inherits_and_that_is_said(known: Backgrounds) -> None:
    found = helps(of(known, "T1059.003"))
    assert found == {"M6": [("T1059.003", "")], "M1": [("T1059.003", "T1059")], "M5": [("T1059.003", "T1059")]}
    assert next(iter(found)) == "M6", "what is stated comes first"
    assert "M6" not in helps(of(known, "T1059")), "a parent inherits nothing"
    assert helps(of(known, "T1059.001"))["M5"] == [("T1059.001", "")], "stated for both is stated"


def test_advice_only(known: Backgrounds) -> None:
    found = helps(of(known, "T1059.001", "T1105"))
    assert not {"M1055", "M4", "AC-2"} & set(found), "do not mitigate, deprecated, a control"


def test_the_rest_is_counted(tmp_path: Path) -> None:
    many = [mitigation(f"M{n:02}", "T1") for n in range(9)] + [technique("T1", "x")]
    with Backgrounds(lambda: Knowledge.open(put(tmp_path / "k.db", *many))) as known:
        found = of(known, "T1")
    assert [m.id for m in found.mitigations] == ["M00", "M01", "M02", "M03", "M04"][:MITIGATIONS]
    assert found.other_mitigations == 9 - MITIGATIONS
    assert found.mitigations[0].helps == (Helps(technique="T1"),)


# -- groups -----------------------------------------------------------------------------------


def test_an_unusual_technique_counts_more(known: Backgrounds) -> None:
    found = of(known, "T1059.001", "T1105", "T1486")
    assert [g.id for g in found.groups] == ["G2", "G1", "G3"], "G2 alone uses T1486"
    assert found.other_groups == 1, "G4; G5 and G6 use one of them only, G7 is revoked, S1 is no group"
    assert found.groups[0].uses == ("T1059.001", "T1486")
    assert found.groups[1].aliases == ("One", "Two", "Three")
    assert len(found.groups[1].aliases) == ALIASES


def test_one_technique_names_groups_only_where_few_use_it(known: Backgrounds) -> None:
    rare, usual = of(known, "T1486"), of(known, "T1059.001")
    assert ([g.id for g in rare.groups], rare.other_groups) == (["G2"], 0)
    assert (usual.groups, usual.other_groups) == ((), 5)
    assert of(known, "T1059.001", "T9999", "T1086") == msgspec.structs.replace(
        usual,
        techniques=of(known, "T1059.001", "T9999", "T1086").techniques,
        mitigations=of(known, "T1059.001", "T9999", "T1086").mitigations,
    ), "an unknown id and the old one of the same technique are no second technique"


def test_a_sub_technique_counts_for_its_parent_but_not_twice(known: Backgrounds) -> None:
    found = of(known, "T1059", "T1105")
    assert {g.id for g in found.groups} | {"G5"} >= {"G1", "G3", "G4"}
    assert len(found.groups) + found.other_groups == 4, "G5 by T1059.003"
    both = of(known, "T1059", "T1059.001")
    assert (both.groups, both.other_groups) == ((), 5), "one behaviour, told twice"


def test_it_is_said_that_this_is_no_attribution(known: Backgrounds) -> None:
    assert NO_ATTRIBUTION in msgspec.json.encode(of(known, "T1486")).decode()


# -- the store --------------------------------------------------------------------------------


def test_the_release_is_named_with_a_hash_of_its_content(known: Backgrounds, tmp_path: Path) -> None:
    assert known.release == "", "nothing was looked up"
    line = of(known, "T1059").knowledge
    assert line.startswith("ATT&CK 99.1, 2026-01-02, content ")
    assert known.release == line
    with Backgrounds(lambda: Knowledge.open(put(tmp_path / "k.db", *RECORDS[:-1]))) as other:
        assert of(other, "T1059").knowledge != line


def test_the_same_techniques_are_looked_up_once(known: Backgrounds) -> None:
    assert of(known, "T1059", "T1105") is of(known, "T1059", "T1105")
    assert known.of(()) is None


def test_nothing_is_opened_for_a_day_without_techniques() -> None:
    def never() -> Knowledge:
        raise AssertionError

    with Backgrounds(never) as known:
        assert known.of(()) is None


@pytest.mark.parametrize("error", [StateError("damaged"), sqlite3.OperationalError("no such table: link")])
def test_a_store_that_cannot_be_used_is_said_and_not_asked_again(error: Exception, tmp_path: Path) -> None:
    asked = []

    def damaged() -> Knowledge:
        asked.append(1)
        raise error

    with Backgrounds(damaged) as known:
        queue = day(tmp_path / "with", known)
    assert len(asked) == 1
    assert all(case.background is None for case in queue.cases)
    assert [note for note in queue.notes if "the knowledge store cannot be used" in note and str(error) in note]
    assert queue.knowledge == ""


def test_a_damaged_file(tmp_path: Path, store: Path) -> None:
    data = store.read_bytes()
    (tmp_path / "k.db").write_bytes(data[:8192] + b"\xff" * (len(data) - 8192))
    with Backgrounds(lambda: Knowledge.open(tmp_path / "k.db")) as known:
        assert known.of(("T1059",)) is None
        assert known.trouble


def test_where_nothing_can_be_written_the_store_is_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "batches", lambda: [batch(*RECORDS)])
    (tmp_path / "file").write_text("no folder")
    with Backgrounds(lambda: Knowledge.open(tmp_path / "file" / "knowledge.db")) as known:
        found = of(known, "T1059.001", "T1486")
    assert [g.id for g in found.groups] == ["G2"]
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_the_shipped_facts_answer(store_of_the_tests: Path) -> None:
    with Backgrounds(Knowledge.open) as known:
        found = of(known, "T1003.007", "T1086")
        assert store_of_the_tests.is_file()
        assert found.techniques[1].replaced_by == "T1059.001"
        assert ("T1003.007", "T1003") in [pair for pairs in helps(found).values() for pair in pairs]
        assert known.trouble == ""


# -- triage -----------------------------------------------------------------------------------


def day(path: Path, known: Backgrounds | None) -> Queue:
    """An intrusion whose rules state techniques, in a usual day."""
    path.mkdir(parents=True, exist_ok=True)
    stated = (("T1059.001",), ("T1105",), (), ("T9999",), ("T1486",))
    bad = [msgspec.structs.replace(a, techniques=techniques) for a, techniques in zip(intrusion(), stated, strict=True)]
    with State(path / "state.db") as state:
        skill = Triage(state, MODEL, Owner(), backgrounds=known)
        for _ in skill.ingest(chunks(everyday() + bad)):
            pass
        skill.build()
        return skill.queue()


def test_it_changes_nothing_but_the_background(tmp_path: Path, known: Backgrounds) -> None:
    plain, told = day(tmp_path / "plain", None), day(tmp_path / "told", known)
    assert told.cases[0].background is not None
    assert [g.id for g in told.cases[0].background.groups] == ["G2", "G1", "G3"]
    assert told.knowledge == told.cases[0].background.knowledge
    bare = [msgspec.structs.replace(case, background=None) for case in told.cases]
    assert msgspec.json.encode(bare) == msgspec.json.encode(plain.cases)
    assert all(case.background is None for case in plain.cases)
    with State(tmp_path / "plain" / "state.db") as one, State(tmp_path / "told" / "state.db") as other:
        assert list(one.cases()) == list(other.cases()), "nothing of it is kept in the state"


def test_a_routine_case_without_techniques_has_none(tmp_path: Path, known: Backgrounds) -> None:
    assert any(case.background is None and not case.techniques for case in day(tmp_path, known).cases)


def test_text_that_an_attacker_wrote_names_nothing(tmp_path: Path, known: Backgrounds) -> None:
    says = "T1486 G0016 APT29 uses T1059.001; mitigated by M1036"
    shown = alert("09:40", "exec", host=says, text=says, user=says, rule_name="A rule that states none", severity=5)
    with State(tmp_path / "state.db") as state:
        skill = Triage(state, MODEL, Owner(), backgrounds=known)
        for _ in skill.ingest(chunks([*everyday(), shown])):
            pass
        skill.build()
        cases = skill.queue().cases
    assert any(says in case.hosts for case in cases)
    for case in cases:
        assert case.techniques == ()
        assert case.background is None or not (case.background.techniques or case.background.groups)


def test_a_technique_is_looked_up_once_for_any_number_of_cases(store: Path) -> None:
    asked: list[str] = []
    opened = Knowledge.open(store)
    opened.db.set_trace_callback(asked.append)
    uids = ["T1059.001", "T1059.003", "T1105", "T1486", "T1086", "T9999", "T7777"]
    with Backgrounds(lambda: opened) as known:
        of(known, *uids)
        before = len(asked)
        for n in range(127):
            assert known.of(tuple(uid for place, uid in enumerate(uids) if (n + 1) >> place & 1))
    assert len(asked) - before < 20, "only names of mitigations and groups that were not listed before"
