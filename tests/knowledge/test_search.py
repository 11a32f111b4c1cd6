"""Search: every hit quotes a source; filters hold for the entry; any question is a question."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.errors import ArtefactError, ConfigError, StateError
from vedette.knowledge import schema, search
from vedette.knowledge.record import Kind, Link, Record, Rel, Status, TechniqueFacts
from vedette.knowledge.search import MODES, STOP, STOP_WORDS, Hit
from vedette.knowledge.store import Knowledge

from . import samples

pytestmark = pytest.mark.usefixtures("small_encoder")
_opened: list[Knowledge] = []


@pytest.fixture(scope="module", autouse=True)
def knowledge(tmp_path_factory: pytest.TempPathFactory, small_encoder: object) -> Knowledge:
    _opened[:] = [Knowledge.open(samples.full(tmp_path_factory.mktemp("search") / "full.db"))]
    return _opened[0]


def ids(hits: list[Hit]) -> list[str]:
    return [hit.id for hit in hits]


def assert_quotes(knowledge: Knowledge, hits: list[Hit]) -> None:
    for hit in hits:
        text = knowledge.text(hit.record, hit.source, hit.field)
        assert text is not None
        assert text[hit.start : hit.end] == hit.text
        entry = knowledge.get(hit.id)
        assert entry
        assert (entry.kind, entry.name) == (hit.kind, hit.name)
    assert len(set(ids(hits))) == len(hits)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


QUESTION = st.one_of(
    st.text(max_size=80),
    st.lists(
        st.sampled_from([
            "T1059.001", "cozy", "bear", "registry", "the", "CVE-2021-44228", "shell", "'", '"', "*", "NEAR(", "--",
            "\x00", "\ud800", "漢字", "APT29", "a" * 3000, "passage MATCH", "%", "(", "x:y", "\u202e",
        ]),
        max_size=12,
    ).map(" ".join),
)  # fmt: skip


@given(
    QUESTION, st.lists(st.sampled_from(Kind), max_size=3), st.sampled_from(["", "2020-03-09", "2030-01-01"]),
    st.sampled_from(["", "Windows", "windows", "PDP-11"]), st.integers(0, 40), st.sampled_from(MODES),
)  # fmt: skip
@settings(deadline=None)
def test_any_question_has_an_answer_that_quotes(
    text: str, kinds: list[Kind], since: str, platform: str, limit: int, mode: str
) -> None:
    knowledge = _opened[0]
    hits = knowledge.search(text, kinds=kinds, since=since, platform=platform, limit=limit, mode=mode)
    assert_quotes(knowledge, hits)
    assert len(hits) <= limit
    assert hits == knowledge.search(text, kinds=kinds, since=since, platform=platform, limit=limit, mode=mode)
    for hit in hits:
        entry = knowledge.get(hit.id)
        assert entry
        assert not kinds or hit.kind in kinds
        assert entry.published >= since
        if platform:
            assert platform.casefold() == "windows"


@pytest.mark.parametrize("text", ["", " ", "\n", "--", "'\"", "\0", "\ud800", "🙂"])
@pytest.mark.parametrize("mode", MODES)
def test_nothing_asked_nothing_found(knowledge: Knowledge, text: str, mode: str) -> None:
    assert knowledge.search(text, mode=mode) == []


def test_only_stop_words_are_words(knowledge: Knowledge) -> None:
    assert {"the", "is", "what"} <= STOP
    found = knowledge.search("it has the", mode="words")
    assert "has" in STOP_WORDS.split()
    assert any("has" in hit.text.lower() or "it" in hit.text.lower() for hit in found)


def test_words_stems_and_titles(knowledge: Knowledge) -> None:
    assert ids(knowledge.search("quarantining script", mode="words"))[0] in ("T1059.001", "M1049")
    assert set(ids(knowledge.search("mitigate antivirus", mode="words"))) >= {"M1049"}


def test_ids_and_names_in_the_question_come_first(knowledge: Knowledge) -> None:
    assert ids(knowledge.search("what is t1059.001?"))[0] == "T1059.001"
    assert ids(knowledge.search("T1086"))[0] == "T1059.001", "what replaced it"
    assert "G0016" in ids(knowledge.search("who is Cozy Bear"))[:2]
    assert knowledge.search("midnight blizzard")[0].ranks["names"] == 1
    assert ids(knowledge.search("CVE-2021-44228"))[0] == "CVE-2021-44228"


def test_a_procedure_speaks_for_group_and_technique(knowledge: Knowledge) -> None:
    hits = {hit.id: hit for hit in knowledge.search("encoded scripts from the registry", mode="words")}
    assert {"T1059.001", "G0016"} <= hits.keys()
    assert hits["T1059.001"].record == "G0016"
    assert hits["T1059.001"].field == "link:T1059.001#0"
    assert hits["T1059.001"].source == "attack/enterprise"
    assert hits["T1059.001"].release == "18.1"


def test_kinds(knowledge: Knowledge) -> None:
    for kind in Kind:
        assert {hit.kind for hit in knowledge.search("scripts shell input group lists", kinds=[kind], limit=99)} <= {
            kind
        }
    assert (
        ids(knowledge.search("encoded scripts from the registry", kinds=[Kind.TECHNIQUE], mode="words"))[0]
        == "T1059.001"
    )
    assert ids(knowledge.search("G0016 or T1059", kinds=[Kind.GROUP]))[0] == "G0016"


def test_since_is_the_date_of_the_entry(tmp_path: Path) -> None:
    """A new group that uses an old technique makes the technique no newer; one without a date is left out."""
    records = [
        Record("T1059", Kind.TECHNIQUE, "Scripting", published="2017-05-31"),
        Record("T1060", Kind.TECHNIQUE, "Scripting, new", published="2024-05-31"),
        Record("T1061", Kind.TECHNIQUE, "Scripting, undated"),
        Record(
            "G0001", Kind.GROUP, "New", published="2025-01-01", links=(Link(Rel.USES, "T1059", text="Ran scripting."),)
        ),
    ]
    samples.put(tmp_path / "k.db", samples.unit("attack/enterprise", records))
    with Knowledge.open(tmp_path / "k.db") as knowledge:
        assert set(ids(knowledge.search("scripting", mode="words"))) == {"T1059", "T1060", "T1061", "G0001"}
        for mode in MODES:
            assert set(ids(knowledge.search("scripting", since="2020-01-01", mode=mode))) == {"T1060", "G0001"}


def test_platforms_as_published_in_any_case(knowledge: Knowledge) -> None:
    assert ids(knowledge.search("powershell interpreter", platform="macos"))[0] == "T1059"
    assert "T1059.001" not in ids(knowledge.search("powershell interpreter", platform="macOS"))
    assert knowledge.search("powershell", platform="Amiga") == []


@pytest.mark.parametrize("since", ["2021", "yesterday", "2021-1-1", "10.03.2026"])
def test_a_date_that_is_none(knowledge: Knowledge, since: str) -> None:
    with pytest.raises(ConfigError, match="no date"):
        knowledge.search("shell", since=since)


def test_an_unknown_mode(knowledge: Knowledge) -> None:
    with pytest.raises(ConfigError, match="hybrid"):
        knowledge.search("shell", mode="hybird")


def test_limits(knowledge: Knowledge) -> None:
    assert knowledge.search("shell", limit=0) == knowledge.search("shell", limit=-3) == []
    assert len(knowledge.search("group", limit=3)) == 3


def test_a_very_long_question_is_answered(knowledge: Knowledge) -> None:
    assert knowledge.search("powershell " * 3 + "of a story that does not end " * 50_000)


def test_modes_say_where_a_hit_stood(knowledge: Knowledge) -> None:
    assert all(set(hit.ranks) == {"words"} for hit in knowledge.search("encoded scripts", mode="words"))
    assert all(set(hit.ranks) == {"vectors"} for hit in knowledge.search("encoded scripts", mode="vectors"))
    both = knowledge.search("encoded scripts", mode="hybrid")
    assert {"words", "vectors"} <= set(both[0].ranks)
    assert min(hit.ranks.get("words", 99) for hit in both) == 1


def test_the_experts_name_what_the_question_tells_of(knowledge: Knowledge) -> None:
    found = {hit.id: hit for hit in knowledge.search("shell script", mode="experts")}
    assert found["CWE-79"].ranks["experts"] < found["T1059.001"].ranks["experts"], (
        "the first of its kind before the second of another"
    )
    assert not {"T9998", "CWE-99999"} & found.keys(), "the store does not hold them"
    assert_quotes(knowledge, list(found.values()))
    assert not any({"experts", "alike"} & hit.ranks.keys() for hit in knowledge.search("shell script"))
    assert {h.kind for h in knowledge.search("shell script", mode="experts", kinds=[Kind.GROUP])} <= {Kind.GROUP}


def test_the_experts_read_the_best_hits_again(knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = knowledge.search("encoded scripts from the registry", mode="experts", limit=99)
    assert sorted(hit.ranks["alike"] for hit in usual if "alike" in hit.ranks) == list(range(1, len(usual) + 1))[:20]
    assert [hit.score for hit in usual] == sorted((hit.score for hit in usual), reverse=True)
    monkeypatch.setattr(search, "READ_AGAIN", 3)
    again = knowledge.search("encoded scripts from the registry", mode="experts", limit=99)
    assert sum("alike" in hit.ranks for hit in again) == 3
    assert knowledge.search("encoded scripts from the registry", mode="experts", limit=2) == again[:2]
    monkeypatch.setattr(search, "ALIKE", 1000.0)
    loudest = knowledge.search("encoded scripts from the registry", mode="experts")
    assert [hit.ranks["alike"] for hit in loudest[:3]] == [1, 2, 3]


def test_experts_without_weights_are_an_error_in_their_mode_only(
    knowledge: Knowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise ArtefactError("no manifest", where="weights", remedy="reinstall them")

    monkeypatch.setattr(knowledge.searcher, "expert", missing)
    assert knowledge.search("shell")
    with pytest.raises(ArtefactError, match="no manifest"):
        knowledge.search("shell", mode="experts")


def test_equal_ones_come_in_the_same_order(tmp_path: Path) -> None:
    records = [Record(f"CWE-{n}", Kind.WEAKNESS, "The same words") for n in (3, 1, 2)]
    samples.put(tmp_path / "k.db", samples.unit("cwe/1000", records))
    with Knowledge.open(tmp_path / "k.db") as knowledge:
        found = [ids(knowledge.search("same words", mode=mode)) for mode in MODES]
        assert found == [ids(knowledge.search("same words", mode=mode)) for mode in MODES]
        assert sorted(found[0]) == ["CWE-1", "CWE-2", "CWE-3"]


def test_the_nearest_vectors_are_found_among_many(tmp_path: Path) -> None:
    """More passages than candidates: the one that is the question itself comes first."""
    words = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "haven", "inlet", "joule", "karst", "lodge"]
    records = [
        Record(f"CWE-{n}", Kind.WEAKNESS, f"{words[n % 12]} {words[n // 12 % 12]} {words[n // 144]} {n}x")
        for n in range(1, 1728)
    ]
    samples.put(tmp_path / "k.db", samples.unit("cwe/1000", records))
    with Knowledge.open(tmp_path / "k.db") as knowledge:
        for n in (5, 700, 1727):
            assert ids(knowledge.search(records[n - 1].name, mode="vectors"))[0] == f"CWE-{n}"
            near = knowledge.search(records[n - 1].name, mode="vectors", kinds=[Kind.WEAKNESS], limit=3)
            assert near[0].id == f"CWE-{n}"
        assert knowledge.search("amber", mode="vectors", kinds=[Kind.GROUP]) == []


def test_vectors_of_another_encoder_are_not_compared(tmp_path: Path) -> None:
    import sqlite3

    path = samples.full(tmp_path / "k.db")
    db = sqlite3.connect(path)
    db.execute("UPDATE meta SET value = 'older' WHERE key = 'encoder'")
    db.commit()
    db.close()
    schema.seal(path)
    with Knowledge.open(path) as knowledge:
        hits = knowledge.search("encoded scripts from the registry")
        assert hits
        assert not any("vectors" in hit.ranks for hit in hits)
        with pytest.raises(StateError, match="another encoder"):
            knowledge.search("encoded scripts", mode="vectors")


def test_a_name_of_a_source_that_comes_later(knowledge: Knowledge) -> None:
    """NVD gives no name: the hit quotes the one of KEV."""
    hit = knowledge.search("CVE-2021-44228")[0]
    assert hit.name == "Example Logger Remote Code Execution"
    assert_quotes(knowledge, [hit])


def test_a_link_to_what_is_not_there_is_no_hit(tmp_path: Path) -> None:
    records = [Record("G0001", Kind.GROUP, "One", links=(Link(Rel.USES, "T9998", text="Ran a rare tool."),))]
    samples.put(tmp_path / "k.db", samples.unit("attack/enterprise", records))
    with Knowledge.open(tmp_path / "k.db") as knowledge:
        assert ids(knowledge.search("rare tool")) == ["G0001"]
        assert knowledge.search("rare tool", kinds=[Kind.TECHNIQUE]) == []


def test_a_kind_that_sources_disagree_about(tmp_path: Path) -> None:
    """Filters go by what the entry is, as it is shown."""
    samples.put(
        tmp_path / "k.db",
        samples.unit("ctid", [Record("T1059", Kind.CONTROL, "Odd word")]),
        samples.unit("d3fend", [Record("T1059", Kind.TECHNIQUE, "Odd word", facts=TechniqueFacts())]),
    )
    with Knowledge.open(tmp_path / "k.db") as knowledge:
        assert [hit.kind for hit in knowledge.search("odd word", kinds=[Kind.TECHNIQUE])] == [Kind.TECHNIQUE]
        assert knowledge.search("odd word", kinds=[Kind.CONTROL]) == []


def test_an_id_in_the_question_comes_first_and_speaks_for_itself(tmp_path: Path) -> None:
    old = samples.record("T1086", Kind.TECHNIQUE, "PowerShell", status=Status.REVOKED, replaced_by="T1059.001")
    new = samples.record("T1059.001", Kind.TECHNIQUE, "PowerShell", texts=samples.description("Scripts are run."))
    loud = [
        samples.record(f"T12{n:02}", Kind.TECHNIQUE, "T1086", texts=samples.description("T1086 T1086 T1086."))
        for n in range(12)
    ]
    samples.put(tmp_path / "k.db", samples.unit("attack/enterprise", [old, new, *loud]))
    with Knowledge.open(tmp_path / "k.db") as knowledge:
        hit = knowledge.search("what is T1086?")[0]
        assert (hit.id, hit.field, hit.text) == ("T1059.001", "description", "Scripts are run.")
