"""Imports: the same again changes nothing, a change in one source touches that one, what was there before stays."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vedette.errors import ArtefactError, ConfigError, InputError, OutputError, RecordError, StateError
from vedette.knowledge import build, index, schema, search, spool
from vedette.knowledge.build import Batch, import_batches, import_sources, units
from vedette.knowledge.encoder import ENCODERS, StaticEncoder
from vedette.knowledge.postings import find_words
from vedette.knowledge.record import Kind, Link, ListFacts, Record, Rel, Text, digest, encode
from vedette.knowledge.store import Knowledge
from vedette.knowledge.unit import content_hash
from vedette.knowledge.write import Change

from . import samples
from .content import content, epss, folder, kev, sigma

pytestmark = pytest.mark.usefixtures("small_encoder")
UNITS = ("attack/enterprise", "cwe/1000", "misp-warninglists")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "at" / "knowledge.db"


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers run in this process."""
    real = build.executor
    monkeypatch.setattr(build, "executor", lambda _: real(0))


def rule(number: int, text: str = "a text") -> Record:
    return samples.record(f"CWE-{number}", Kind.WEAKNESS, f"Weakness {number}", texts=samples.description(text))


def put(store: Path, *numbers: int, text: str = "a text") -> build.Report:
    return samples.put(store, samples.unit("cwe/1000", [rule(number, text) for number in numbers]))


# -- the same again, and what differs


def test_the_first_import_makes_a_store_and_nothing_else(store: Path) -> None:
    report = put(store, 1, 2)
    assert report.swapped
    assert report.outcomes[0].change.added == 2
    assert folder(store) == ["knowledge.db"]
    assert len(content(store)["records"]) == 2


def test_the_same_records_again_change_no_byte(store: Path) -> None:
    put(store, 1, 2)
    before, moment = store.read_bytes(), store.stat().st_mtime_ns
    report = put(store, 1, 2)
    assert not report.swapped
    assert report.outcomes[0].change.unchanged == 2
    assert (store.read_bytes(), store.stat().st_mtime_ns) == (before, moment)
    assert folder(store) == ["knowledge.db"]


def test_the_same_records_of_another_release_are_a_new_store(store: Path) -> None:
    put(store, 1)
    report = samples.put(store, samples.unit("cwe/1000", [rule(1)], release="19"))
    assert report.swapped
    assert report.outcomes[0].change == Change(unchanged=1)
    assert units(store)["cwe/1000"].release == "19"
    assert units(store.with_name("knowledge.db.previous"))["cwe/1000"].release == "18.1"


def test_only_what_differs_is_touched(store: Path) -> None:
    samples.full(store)
    records = samples.attack()
    changed = [msgspec.structs.replace(records[1], name="Interpreter"), *records[3:], rule(99999)]
    report = samples.put(store, samples.unit("attack/enterprise", [records[0], *changed]))
    change = report.outcomes[0].change
    assert (change.added, change.changed, change.removed) == (1, 1, 1)
    assert change.unchanged == len(records) - 2
    assert set(units(store)) == {"attack/enterprise", *samples.others()}


def test_a_unit_without_records_is_empty_and_stays(store: Path) -> None:
    put(store, 1, 2)
    report = put(store)
    assert report.outcomes[0].change.removed == 2
    assert content(store)["records"] == content(store)["passages"] == content(store)["postings"] == []
    assert put(store, 3).outcomes[0].change.added == 1
    assert len(content(store)["passages"]) == 2


def test_records_without_any_word_can_be_imported(store: Path) -> None:
    """EPSS has neither names nor texts."""
    samples.put(store, samples.unit("epss", [samples.record("CVE-2021-44228", Kind.VULNERABILITY)]))
    with Knowledge.open(store) as knowledge:
        assert "CVE-2021-44228" in knowledge
        assert [hit.id for hit in knowledge.search("CVE-2021-44228")] == ["CVE-2021-44228"]
        assert knowledge.search("words") == []
        assert knowledge.search("words", mode="vectors", kinds=[Kind.GROUP]) == []


def test_an_id_twice_in_a_unit_is_refused(store: Path) -> None:
    put(store, 1)
    before = store.read_bytes()
    with pytest.raises(InputError, match="twice"):
        samples.put(store, samples.unit("cwe/1000", [rule(1), rule(2), rule(2, "another")]))
    with pytest.raises(InputError, match="twice"):
        samples.put(store.with_name("new.db"), samples.unit("cwe/1000", [rule(2), rule(2, "another")]))
    assert store.read_bytes() == before
    assert folder(store) == ["knowledge.db"]


def test_records_that_are_not_those_of_the_unit_are_refused(store: Path) -> None:
    put(store, 1)
    unit, bodies = samples.unit("cwe/1000", [rule(2), rule(3)])
    with pytest.raises(Exception, match="not the 2"):
        samples.put(store, (unit, bodies[:1]))
    with pytest.raises(RecordError):
        samples.put(store, (unit, [b'{"id":"CWE-2","kind":"weak\xffness"}']))
    with Knowledge.open(store) as knowledge:
        assert "CWE-1" in knowledge
        assert "CWE-2" not in knowledge


def test_a_unit_may_come_twice_in_one_import(store: Path) -> None:
    first, second = samples.unit("cwe/1000", [rule(1), rule(2)]), samples.unit("cwe/1000", [rule(2, "b"), rule(3)])
    samples.put(store, first, second)
    samples.put(store.with_name("plain.db"), second)
    assert content(store) == content(store.with_name("plain.db"))


def test_dates_that_are_none_do_no_harm(store: Path) -> None:
    odd = ("2021-12-1x", "99999999999", "abcd-ef-gh", "٢٠٢١-١٢-١٠")
    records = [msgspec.structs.replace(rule(number), published=day) for number, day in enumerate(odd, 1)]
    samples.put(store, samples.unit("cwe/1000", records))
    with Knowledge.open(store) as knowledge:
        assert len(knowledge.search("weakness text")) == len(odd)


# -- one source of many, in any order: as if made anew

WORDS = st.sampled_from(
    ["dump", "lsass", "memory", "shell", "script", "a", "page", "overflow", "ünïcode", "漢字", "x86", "--"]
)
TEXT = st.lists(WORDS, max_size=12).map(" ".join)
NAME = st.sampled_from(["", "Shell", "SHELL", "Cozy Bear", "cozybear", "Dump it", "漢字"])
LINKS = st.lists(
    st.builds(Link, st.sampled_from([Rel.USES, Rel.CHILD_OF]), st.sampled_from(["CWE-1", "CWE-2"]), text=TEXT),
    max_size=3,
)
RECORD = st.builds(
    lambda number, kind, name, aliases, text, links, day, values: Record(
        f"CWE-{number}", kind, name, published=day, aliases=tuple(aliases), links=tuple(links),
        texts=(Text("description", text),) if text else (),
        facts=ListFacts("string", (), tuple(values)) if values else None,
    ),
    st.integers(1, 8), st.sampled_from([Kind.WEAKNESS, Kind.GROUP, Kind.VULNERABILITY]), NAME,
    st.lists(NAME, max_size=3), TEXT, LINKS, st.sampled_from(["", "2020-01-02", "2024-05-06"]),
    st.lists(st.sampled_from(["example.com", "Example.COM", "192.0.2.1"]), max_size=3),
)  # fmt: skip
IMPORT = st.dictionaries(
    st.sampled_from(UNITS), st.lists(RECORD, max_size=8, unique_by=lambda record: record.id), min_size=1, max_size=3
)


@given(st.lists(IMPORT, min_size=1, max_size=5), st.booleans())
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_sequence_of_imports_is_as_one(
    tmp_path_factory: pytest.TempPathFactory, imports: list[dict[str, list[Record]]], other_format: bool
) -> None:
    at = tmp_path_factory.mktemp("any")
    for number, one in enumerate(imports):
        if number and other_format:
            _set(at / "step.db", "passages", "0")
        samples.put(at / "step.db", *(samples.unit(name, records) for name, records in one.items()))
    last: dict[str, list[Record]] = {}
    for one in imports:
        last |= one
    samples.put(at / "anew.db", *(samples.unit(name, records) for name, records in last.items()))
    assert content(at / "step.db") == content(at / "anew.db")
    assert _answers(at / "step.db") == _answers(at / "anew.db")
    shutil.rmtree(at)


def _answers(store: Path) -> object:
    with Knowledge.open(store) as knowledge:
        hits = [knowledge.search(text, limit=99) for text in ("dump lsass", "cozy bear shell", "CWE-1 漢字")]
        return (
            [sorted(hit.id for hit in found) for found in hits],
            knowledge.names(f"CWE-{number}" for number in range(10)),
            [knowledge.resolve(name) for name in ("shell", "Cozy-Bear", "漢字", "")],
            [knowledge.get(f"CWE-{number}") for number in range(10)],
        )


def _set(store: Path, key: str, value: str) -> None:
    """As if made by another version."""
    with sqlite3.connect(store) as db:
        db.execute("UPDATE meta SET value = ? WHERE key = ?", (value, key))
    db.close()
    schema.seal(store)


# -- stores of other versions


@pytest.mark.parametrize(("key", "value"), [("passages", "0"), ("encoder", "older"), ("format", "0")])
def test_a_store_made_in_another_way_is_made_anew_with_all_records(store: Path, key: str, value: str) -> None:
    samples.full(store)
    whole = content(store)
    _set(store, key, value)
    report = samples.put(store, samples.unit("cwe/1000", samples.others()["cwe/1000"]))
    assert report.swapped
    assert content(store) == {**whole, "units": units(store)}
    assert schema.meta(store)[key] == schema.made_by("small")[key]


@pytest.fixture
def two_encoders(small_encoder: StaticEncoder, monkeypatch: pytest.MonkeyPatch) -> dict[str, StaticEncoder]:
    """One by each name that there is; vectors of the second lie elsewhere and have other lengths."""
    rows = np.ascontiguousarray(small_encoder.vectors[:, ::-1][:, :32])
    found = {"static": small_encoder, "experts": StaticEncoder([], rows, small_encoder.scales, "other")}
    for module in (build, search, spool):
        monkeypatch.setattr(module, "encoder", found.__getitem__)
    return found


def _codes(store: Path) -> tuple[str, str, set[int]]:
    """Encoder's name and sha256, and how long its vectors are."""
    made = schema.meta(store)
    with Knowledge.open(store) as knowledge:
        lengths = {length for (length,) in knowledge.db.execute("SELECT length(code) FROM passage")}
    return made["encoder_name"], made["encoder"], lengths


def test_a_store_keeps_its_encoder_until_another_one_is_asked_for(
    store: Path, tmp_path: Path, inline: None, two_encoders: dict[str, StaticEncoder]
) -> None:
    file, another = kev(tmp_path / "kev.json", 1, 2), kev(tmp_path / "more.json", 1, 2, 3)
    import_sources(store, [file])
    assert _codes(store) == ("static", "small", {64})
    records = content(store)["records"]
    report = import_sources(store, [file], encode_with="experts")
    assert report.swapped
    assert report.outcomes[0].same_file, "not read again, encoded again"
    assert _codes(store) == ("experts", "other", {32})
    assert content(store)["records"] == records
    with Knowledge.open(store) as knowledge:
        assert "vectors" in knowledge.search("vulnerability of a vendor")[0].ranks
    assert not import_sources(store, [file]).swapped, "the store's own is no change"
    assert not import_sources(store, [file], encode_with="experts").swapped
    import_sources(store, [another])
    assert _codes(store) == ("experts", "other", {32})
    import_sources(store, [another], encode_with="static")
    assert _codes(store) == ("static", "small", {64})


def test_an_encoder_that_cannot_be_used_stops_an_import_before_anything_is_read(
    store: Path, tmp_path: Path, inline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = kev(tmp_path / "kev.json", 1)
    import_sources(store, [file])
    before = store.read_bytes()
    monkeypatch.setattr(build, "encoder", _fails(ArtefactError("no manifest", where="weights")))
    monkeypatch.setattr(build, "spool", _fails(AssertionError()))
    with pytest.raises(ArtefactError, match="no manifest"):
        import_sources(store, [kev(tmp_path / "kev.json", 1, 2)], encode_with="experts")
    assert store.read_bytes() == before


def test_an_unknown_encoder_is_refused_with_the_near_name(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "encoder", ENCODERS.load)
    with pytest.raises(ConfigError, match="experts"):
        import_sources(store, [kev(tmp_path / "kev.json", 1)], encode_with="expert")
    assert not store.exists()


def test_a_store_of_an_encoder_that_is_not_known_here_is_made_anew(store: Path, tmp_path: Path, inline: None) -> None:
    file = kev(tmp_path / "kev.json", 1)
    import_sources(store, [file])
    _set(store, "encoder_name", "of tomorrow")
    with Knowledge.open(store) as knowledge:
        found = knowledge.search("what a logger is told to write")
        assert found
        assert not any("vectors" in hit.ranks for hit in found)
    _set(store, "encoder", "another")
    assert import_sources(store, [file]).swapped
    assert _codes(store)[:2] == ("static", "small")


def test_it_is_made_anew_even_where_every_file_is_the_same(store: Path, tmp_path: Path, inline: None) -> None:
    file = kev(tmp_path / "kev.json", 1, 2)
    import_sources(store, [file])
    whole = content(store)
    _set(store, "encoder", "older")
    report = import_sources(store, [file])
    assert report.swapped
    assert content(store) == whole


def test_records_that_change_while_they_are_carried_over(store: Path) -> None:
    put(store, 1, 2, 3)
    _set(store, "passages", "0")
    put(store, 2, 4, text="another")
    put(store.with_name("plain.db"), 2, 4, text="another")
    assert content(store) == content(store.with_name("plain.db"))


def test_a_newer_format_is_left_alone(store: Path) -> None:
    put(store, 1)
    _set(store, "format", "999")
    before = store.read_bytes()
    for attempt in (lambda: put(store, 2), lambda: Knowledge.open(store), lambda: units(store)):
        with pytest.raises(StateError, match="newer version"):
            attempt()
    assert store.read_bytes() == before


def test_a_damaged_store_is_not_built_upon(store: Path) -> None:
    put(store, 1)
    body = bytearray(store.read_bytes())
    body[len(body) // 2] ^= 1
    store.write_bytes(body)
    with pytest.raises(StateError, match="damaged"):
        put(store, 2)
    assert store.read_bytes() == body


@pytest.mark.parametrize("what", [b"", b"no database" * 500, b"SQLite format 3\0"])
def test_what_is_no_store_is_not_overwritten(store: Path, what: bytes) -> None:
    store.parent.mkdir()
    store.write_bytes(what)
    with pytest.raises(StateError):
        put(store, 1)
    assert store.read_bytes() == what


def test_a_folder_in_the_place_of_the_store(store: Path) -> None:
    store.mkdir(parents=True)
    with pytest.raises((StateError, OutputError)):
        put(store, 1)
    with pytest.raises(StateError):
        Knowledge.open(store)
    assert list(store.iterdir()) == []


# -- places


@pytest.mark.parametrize("name", ["a[1].db", "a b#c?.db", "ünï%41.db", "*.db"])
def test_a_store_may_have_any_name(tmp_path: Path, name: str) -> None:
    store = tmp_path / name
    (tmp_path / f"{name}.building123").mkdir()
    put(store, 1)
    put(store, 2)
    assert len(content(store)["records"]) == 1
    assert folder(store) == sorted([name, f"{name}.previous"])


def test_the_mode_of_the_file_stays(store: Path) -> None:
    put(store, 1)
    store.chmod(0o640)
    put(store, 2)
    assert store.stat().st_mode & 0o777 == 0o640


def test_left_over_folders_are_removed_and_those_of_others_are_not(store: Path) -> None:
    store.parent.mkdir()
    left = store.parent / "knowledge.db.building_old"
    left.mkdir()
    (left / "store.db").write_bytes(b"x")
    other = store.parent / "other.db.building_now"
    other.mkdir()
    put(store, 1)
    assert folder(store) == ["knowledge.db", "other.db.building_now"]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written") as caught:
        put(tmp_path / "file" / "knowledge.db", 1)
    assert caught.value.remedy


# -- files


def test_sources_in_files_and_folders(store: Path, tmp_path: Path, inline: None) -> None:
    at = tmp_path / "in"
    at.mkdir()
    kev(at / "kev.json", 1, 2)
    sigma(at / "rules", ["Dumper", "Reader"])
    (at / "notes.txt").write_text("nothing")
    (at / ".hidden.json").write_text((at / "kev.json").read_text())
    (at / "empty.json").write_bytes(b"")
    (at / "link").symlink_to(at / "kev.json")
    (at / "loop").symlink_to(at)
    if hasattr(os, "mkfifo"):
        os.mkfifo(at / "pipe")
    steps: list[tuple[str, int, int]] = []
    report = import_sources(store, [at], lambda *step: steps.append(step))
    assert sorted(outcome.unit.name for outcome in report.outcomes) == ["kev", "sigma"]
    assert {path.name for path in report.unclaimed} >= {"notes.txt", "empty.json"}
    assert report.swapped
    assert steps == [("kev", 0, 2), ("sigma", 1, 2), ("index", 2, 2)]
    assert units(store)["kev"].on == "2026-03-09"
    assert folder(store) == ["knowledge.db"]


def test_the_same_files_are_not_read_again(store: Path, tmp_path: Path, inline: None) -> None:
    files = [kev(tmp_path / "kev.json", 1, 2), epss(tmp_path / "epss.csv", 1, 2)]
    import_sources(store, files)
    before = store.read_bytes()
    report = import_sources(store, files)
    assert [outcome.same_file for outcome in report.outcomes] == [True, True]
    assert not report.swapped
    assert store.read_bytes() == before
    kev(files[0], 1, 2, 3)
    report = import_sources(store, files)
    assert {outcome.unit.name: outcome.same_file for outcome in report.outcomes} == {"kev": False, "epss": True}
    assert [outcome.change.added for outcome in report.outcomes if outcome.unit.name == "kev"] == [1]


def test_files_are_read_by_a_newer_version(
    store: Path, tmp_path: Path, inline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = kev(tmp_path / "kev.json", 1)
    import_sources(store, [file])
    monkeypatch.setattr(build, "__version__", "999")
    assert not import_sources(store, [file]).outcomes[0].same_file


def test_a_source_whose_schema_changed_keeps_its_last_good_records(store: Path, tmp_path: Path, inline: None) -> None:
    good, changed = kev(tmp_path / "kev.json", *range(1, 20)), tmp_path / "changed.json"
    import_sources(store, [good])
    changed.write_text(good.read_text().replace("vulnerabilityName", "title").replace("2026.03.09", "2026.03.10"))
    report = import_sources(store, [changed, epss(tmp_path / "epss.csv", 1)])
    outcome = {outcome.unit.name: outcome for outcome in report.outcomes}
    assert isinstance(outcome["kev"].error, InputError)
    assert "CVE-2021-0001" in str(outcome["kev"].error)
    assert "19 of 19 records" in str(outcome["kev"].error)
    assert outcome["epss"].error is None
    held = units(store)
    assert (held["kev"].release, held["kev"].records, held["epss"].records) == ("2026.03.09", 19, 1)


def test_a_few_refused_records_fail_no_source(store: Path, tmp_path: Path, inline: None) -> None:
    file = kev(tmp_path / "kev.json", 1, 2, 3)
    file.write_text(file.read_text().replace('"CVE-2021-0002"', '"CVE-x"'))
    report = import_sources(store, [file])
    (outcome,) = report.outcomes
    assert outcome.error is None
    assert (outcome.unit.read, outcome.unit.records, sum(outcome.unit.refused.values())) == (3, 2, 1)
    assert len(outcome.examples) == 1


def test_nothing_usable_makes_no_store(store: Path, tmp_path: Path, inline: None) -> None:
    report = import_sources(store, [epss(tmp_path / "epss.csv")])
    assert report.outcomes[0].error
    assert not report.swapped
    assert not store.exists()
    assert folder(store) == []


def test_what_cannot_be_found_or_read(store: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("hello")
    with pytest.raises(InputError, match="no such file"):
        import_sources(store, [tmp_path / "missing"])
    with pytest.raises(InputError, match="nothing that Vedette knows"):
        import_sources(store, [tmp_path / "text.txt", tmp_path / "empty"])
    assert not store.parent.exists()


def test_of_two_files_for_one_unit_the_later_name_wins(store: Path, tmp_path: Path, inline: None) -> None:
    old, new = kev(tmp_path / "kev-1.json", 1), kev(tmp_path / "kev-2.json", 2)
    report = import_sources(store, [new, old, new, tmp_path / "kev-2.json"])
    assert len(report.notes) == 1
    assert "kev-1.json' gives way" in report.notes[0]
    with Knowledge.open(store) as knowledge:
        assert "CVE-2021-0002" in knowledge
        assert "CVE-2021-0001" not in knowledge


def test_a_file_that_vanishes(store: Path, tmp_path: Path, inline: None, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, there = kev(tmp_path / "kev.json", 1), epss(tmp_path / "epss.csv", 1)
    real = build.spool

    def vanish(task: spool.Task, path: Path) -> spool.Spooled:
        gone.unlink(missing_ok=True)
        return real(task, path)

    monkeypatch.setattr(build, "spool", vanish)
    report = import_sources(store, [gone, there])
    assert [bool(outcome.error) for outcome in report.outcomes] == [True, False]
    assert list(units(store)) == ["epss"]


def test_names_that_are_no_unicode(store: Path, tmp_path: Path, inline: None) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/k\xffev.json"))
    try:
        kev(odd, 1)
    except OSError:
        pytest.skip("this file system knows no such names")
    import_sources(store, [odd])
    assert import_sources(store, [odd]).outcomes[0].same_file
    rules = sigma(tmp_path / os.fsdecode(b"r\xffules"), ["Dumper"])
    (rules / "rule_0.yml").rename(rules / os.fsdecode(b"r\xff\n.yml"))
    assert import_sources(store, [rules]).outcomes[0].error is None
    assert import_sources(store, [rules]).outcomes[0].same_file


def test_a_part_that_is_made_of_a_files_name(store: Path, tmp_path: Path, inline: None) -> None:
    file = sigma(tmp_path / "rules", ["Dumper"]) / "rule_0.yml"
    file = file.rename(tmp_path / ("a\tb" + "x" * 240 + ".yml"))
    file.write_text(file.read_text().replace("id: ", "# "))
    report = import_sources(store, [file, kev(tmp_path / "kev.json", 1)])
    assert "kev" in units(store)
    assert all(len(outcome.unit.part) <= 200 for outcome in report.outcomes)


def test_a_release_as_a_publisher_never_wrote_it(store: Path, tmp_path: Path, inline: None) -> None:
    file = kev(tmp_path / "kev.json", 1, catalogVersion="9" * 5000, dateReleased="abcd-ef-ghT")
    import_sources(store, [file])
    assert units(store)["kev"].records == 1


@pytest.mark.parametrize("how", ["truncated gzip", "bomb", "truncated zip", "encrypted", "nested"])
def test_archives_that_are_not_whole(store: Path, tmp_path: Path, inline: None, how: str) -> None:
    import_sources(store, [kev(tmp_path / "kev.json", 1, 2)])
    before = store.read_bytes()
    file = _archive(tmp_path, how)
    try:
        report = import_sources(store, [file, tmp_path / "kev.json"])
    except InputError:
        pass
    else:
        assert not report.swapped
        assert file in report.unclaimed or any(outcome.error for outcome in report.outcomes)
        said = {"truncated zip": "damaged archive", "encrypted": "the archive is encrypted"}
        assert said.get(how, "") in " ".join(report.notes)
    assert store.read_bytes() == before
    assert folder(store) == ["knowledge.db"]


def test_why_the_only_file_cannot_be_read(store: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="damaged archive"):
        import_sources(store, [_archive(tmp_path, "truncated zip")])


def _archive(at: Path, how: str) -> Path:
    import gzip
    import random

    noise = bytes(random.Random(1).randbytes(200_000))
    if how == "truncated gzip":
        (at / "epss.csv.gz").write_bytes(gzip.compress(epss(at / "e.csv", *range(1, 9)).read_bytes() + noise)[:-2000])
        return at / "epss.csv.gz"
    if how == "bomb":
        with gzip.open(at / "epss.csv.gz", "wb") as file:
            file.write(epss(at / "e.csv", *range(1, 9)).read_bytes())
            for _ in range(70):
                file.write(bytes(1 << 20))
        return at / "epss.csv.gz"
    with zipfile.ZipFile(at / "rules.zip", "w") as archive:
        for rule_file in sorted(sigma(at / "rules", ["One", "Two"]).iterdir()):
            archive.write(rule_file, rule_file.name)
    body = bytearray((at / "rules.zip").read_bytes())
    if how == "truncated zip":
        del body[-30:]
    elif how == "encrypted":
        for magic, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            place = -1
            while (place := body.find(magic, place + 1)) >= 0:
                body[place + flags] |= 1
    else:
        with tarfile.open(at / "outer.tar.gz", "w:gz") as outer:
            outer.add(at / "rules.zip", "rules.zip")
        return at / "outer.tar.gz"
    (at / "rules.zip").write_bytes(body)
    return at / "rules.zip"


def test_the_clock_is_before_the_last_import(store: Path, tmp_path: Path, inline: None) -> None:
    samples.put(store, samples.unit("cwe/1000", [rule(1)], imported="2999-01-01T00:00:00+00:00"))
    report = import_sources(store, [kev(tmp_path / "kev.json", 1)])
    assert any("clock" in note for note in report.notes)
    assert report.swapped


# -- what others notice


def test_who_has_the_store_open_sees_what_it_was(store: Path) -> None:
    put(store, 1, 2, text="the old words")
    with Knowledge.open(store) as before:
        put(store, 2, 3, text="some new words")
        assert "CWE-1" in before
        assert before.search("old words")
        with Knowledge.open(store) as after:
            assert "CWE-1" not in after
            assert not after.search("old", mode="words")
            assert after.search("new", mode="words")
        put(store, 9)
        assert [hit.id for hit in before.search("old words", mode="words")] == ["CWE-1", "CWE-2"]
        assert before.get("CWE-2") is not None


def test_only_new_leaves_a_store_alone(store: Path) -> None:
    put(store, 1)
    unit, bodies = samples.unit("cwe/1000", [rule(2)])
    report = import_batches(store, [Batch(unit, lambda: iter(bodies), Path("x"))], inline=True, only_new=True)
    assert (report.swapped, report.outcomes) == (False, [])
    assert [record[1] for record in content(store)["records"]] == ["CWE-1"]


# -- faults of the disk, of the memory


def _fails(error: Exception) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise error

    return fail


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("module", "name", "error"),
    [
        (build.Writer, "finish", sqlite3.OperationalError("database or disk is full")),
        (build.Writer, "put", FULL),
        (build, "spool", FULL),
        (build, "encode_passages", FULL),
        (build.shutil, "copyfile", FULL),
        (build.os, "fsync", OSError(errno.EIO, os.strerror(errno.EIO))),
        (build.schema, "seal", FULL),
        (index, "rebuild", sqlite3.OperationalError("database or disk is full")),
        (tempfile, "mkdtemp", OSError(errno.EROFS, os.strerror(errno.EROFS))),
        (build.shutil, "copymode", OSError(errno.EACCES, os.strerror(errno.EACCES))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_disk_that_fills(
    store: Path, tmp_path: Path, inline: None, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, error: Exception
) -> None:
    import_sources(store, [kev(tmp_path / "kev.json", 1)])
    before = store.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(module, name, _fails(error))
        with pytest.raises(OutputError, match=r"cannot be written") as caught:
            import_sources(store, [kev(tmp_path / "kev.json", 1, 2)])
    assert caught.value.remedy
    assert store.read_bytes() == before
    assert folder(store) == ["knowledge.db"]
    with Knowledge.open(store) as knowledge:
        assert "CVE-2021-0001" in knowledge
    assert import_sources(store, [tmp_path / "kev.json"]).swapped


def test_unit_content_stands_for_the_bodies() -> None:
    bodies = [encode(rule(number)) for number in (1, 2)]
    marks = [digest(body) for body in bodies]
    assert content_hash(marks) == content_hash(reversed(marks)) != content_hash(marks[:1])
    assert find_words("weakness")
