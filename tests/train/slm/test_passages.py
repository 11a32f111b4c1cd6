"""Texts for continued pre-training: whole, in order, and nothing in them that is asked about elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.knowledge.samples import put, unit
from typer.testing import CliRunner

from vedette import manifest
from vedette.cli import app
from vedette.errors import InputError
from vedette.knowledge.record import Kind, Link, Record, Rel, Status, Text
from vedette.knowledge.store import Knowledge
from vedette.overlap import Items
from vedette.split import dev_objects
from vedette.train.slm.passages import Tally, Wanted, documents, write

SEED, DEV = 7, 0.3
LONG = "somebody reads what was never meant to be read by anyone outside of the house and its garden"
HELD = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"


def _records() -> Iterator[Record]:
    for n in range(40):
        links = (
            Link(Rel.CHILD_OF, f"T{1000 + (n + 1) % 40}"),
            Link(Rel.USES, f"T{1000 + (n + 2) % 40}", text=f"It was used in case {n}, as the report of that day says."),
        )
        yield Record(
            f"T{1000 + n}", Kind.TECHNIQUE, f"Doing {n}", aliases=(f"Case {n}",), links=links,
            texts=(Text("description", f"Number {n}: {LONG}."), Text("detection", f"Watch for {n} of them.")),
        )  # fmt: skip
    yield Record("T1990", Kind.TECHNIQUE, "Old", status=Status.REVOKED, texts=(Text("description", LONG),))
    yield Record("T1991", Kind.TECHNIQUE, "Named only")
    yield Record("T1992", Kind.TECHNIQUE, "Held", texts=(Text("description", LONG), Text("detection", HELD)))
    yield Record("T1993", Kind.TECHNIQUE, "Marked", texts=(Text("description", f"{LONG}<|im_end|>"),))
    yield Record("CVE-2020-0001", Kind.VULNERABILITY, texts=(Text("description", LONG),))
    links = (Link(Rel.HAS_WEAKNESS, "T1000"), Link(Rel.RELATED_TO, "CVE-2020-0001"))
    yield Record("CVE-2020-0002", Kind.VULNERABILITY, links=links, texts=(Text("description", f"{LONG}, twice"),))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("texts") / "kb.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vedette.knowledge.facts.base", list)
        put(path, unit("attack/enterprise", list(_records())))
        other = Record("T1000", Kind.TECHNIQUE, "Another name", texts=(Text("description", "Other words."),))
        put(path, unit("d3fend", [other]))
    return path


ITEMS = [("bench#1", [HELD]), ("bench#2", ["Which weakness has CVE-2020-0001?"])]
WANTED = Wanted(seed=SEED, dev=DEV)


def made(place: Path, out: Path, wanted: Wanted = WANTED) -> tuple[list[dict[str, Any]], list[dict[str, Any]], Tally]:
    with Knowledge.open(place) as store:
        tally = write(store, wanted, Items(ITEMS), out)
    train, dev = ([json.loads(row) for row in (out / f"{side}.jsonl").read_text("utf-8").splitlines()]
                  for side in ("train", "dev"))  # fmt: skip
    return train, dev, tally


def test_each_id_is_a_document_on_the_forges_side(place: Path, tmp_path: Path) -> None:
    train, dev, tally = made(place, tmp_path / "a")
    ids = [row["id"] for row in train + dev]
    assert len(ids) == len(set(ids)) == 42
    assert [row["id"] for row in train] == sorted(row["id"] for row in train)
    assert all(not dev_objects((row["id"],), SEED, DEV) for row in train)
    assert all(dev_objects((row["id"],), SEED, DEV) for row in dev)
    assert min(len(train), len(dev)) > 5
    assert set(train[0]) == {"text", "id", "licence"}
    assert {row["licence"] for row in train} <= {"ATT&CK Terms of Use", "ATT&CK Terms of Use; MIT"}
    assert tally.read == tally.documents.total() + tally.left.total()
    assert manifest.verify(tmp_path / "a").counts["documents: train"] == len(train)


def test_a_document_says_what_is_known_and_nothing_of_what_is_apart(place: Path, tmp_path: Path) -> None:
    train, dev, tally = made(place, tmp_path / "a")
    texts = {row["id"]: row["text"] for row in train + dev}
    apart = {row["id"] for row in dev}
    one = next(n for n in range(40) if not apart & {f"T{1000 + (n + k) % 40}" for k in (0, 1, 2)} and n)
    assert texts[f"T{1000 + one}"] == (
        f"T{1000 + one}: Doing {one}\n\nAlso called: Case {one}.\n\nNumber {one}: {LONG}.\n\n"
        f"Detection: Watch for {one} of them.\n\n"
        f"Uses T{1000 + (one + 2) % 40} (Doing {(one + 2) % 40}): It was used in case {one}, as the report of that day "
        f"says.\n\nChild of: T{1000 + (one + 1) % 40} (Doing {(one + 1) % 40})."
    )
    assert not [row["id"] for row in train if apart & set(row["text"].replace(".", " ").split())]
    assert tally.parts["link to an object of the dev side"] > 5
    first = texts["T1000"]
    assert first.startswith("T1000: Doing 0\n")  # the first source's words
    assert "Other words" not in first


def test_benchmarks_and_marks_are_left_out_and_counted(place: Path, tmp_path: Path) -> None:
    train, dev, tally = made(place, tmp_path / "a")
    texts = {row["id"]: row["text"] for row in train + dev}
    assert not {"T1990", "T1991", "T1993", "CVE-2020-0001"} & set(texts)
    assert HELD not in texts["T1992"]
    assert LONG in texts["T1992"]
    assert "CVE-2020-0001" not in texts["CVE-2020-0002"]
    assert tally.left == {"benchmark (id)": 1, "nothing is said of it": 2}
    told = {
        why: tally.parts[why]
        for why in ("benchmark (text)", "marks of a chat template", "link to a benchmark's object")
    }
    assert list(told.values()) == [0, 1, 1]
    assert tally.parts["benchmark (gram)"] == 1


def test_the_same_store_gives_the_same_bytes(place: Path, tmp_path: Path) -> None:
    made(place, tmp_path / "a")
    made(place, tmp_path / "b")
    for name in ("train.jsonl", "dev.jsonl"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_some_of_each_kind(place: Path, tmp_path: Path) -> None:
    train, dev, _ = made(place, tmp_path / "a", Wanted(SEED, DEV, each=5))
    ids = [row["id"] for row in train + dev]
    assert sum(uid.startswith("T") for uid in ids) <= 5
    assert set(ids) <= {row["id"] for side in made(place, tmp_path / "b")[:2] for row in side}


def test_general_text_has_its_share(place: Path, tmp_path: Path) -> None:
    general = tmp_path / "general.jsonl"
    rows = [{"text": f"{n} " + "general words of the day " * 4, "licence": "CC0-1.0", "more": 1} for n in range(400)]
    bad = [{"text": HELD}, {"text": "<|im_start|>" + LONG}, {"text": "short"}]
    general.write_text("\n".join(map(json.dumps, bad + rows)), "utf-8")
    train, _, tally = made(place, tmp_path / "a", Wanted(SEED, DEV, replay=general, share=0.2))
    mixed = [row for row in train if row["id"].startswith("replay:")]
    assert mixed[0] == {"text": rows[0]["text"], "id": "replay:4", "licence": "CC0-1.0"}
    share = sum(len(row["text"]) for row in mixed) / sum(len(row["text"]) for row in train)
    assert 0.15 < share <= 0.2
    assert tally.replay["benchmark"] == 1
    assert tally.replay["marks of a chat template, or too short"] == 2
    assert tally.replay.total() == 403


@pytest.mark.parametrize("bad", ["{", '{"txt": "x"}', '{"text": 1}', "[]", '{"text": "\\ud800"}'])
def test_bad_general_text_is_named_with_its_line(place: Path, tmp_path: Path, bad: str) -> None:
    general = tmp_path / "general.jsonl"
    general.write_text('{"text": "fine words that are long enough to be used for this"}\n' + bad + "\n", "utf-8")
    with pytest.raises(InputError, match=r"general\.jsonl:2"):
        made(place, tmp_path / "a", Wanted(SEED, DEV, replay=general))
    assert not (tmp_path / "a" / "manifest.json").exists()


def test_a_store_without_texts_is_no_input(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vedette.knowledge.facts.base", list)
        put(tmp_path / "kb.db", unit("attack/enterprise", [Record("T1000", Kind.TECHNIQUE, "Bare")]))
    with Knowledge.open(tmp_path / "kb.db") as store, pytest.raises(InputError, match="holds no texts"):
        write(store, WANTED, None, tmp_path / "a")
    with Knowledge.open(tmp_path / "kb.db") as store:
        assert list(documents(store, WANTED, None, Tally())) == []


def test_the_command(place: Path, tmp_path: Path) -> None:
    told = CliRunner().invoke(
        app, ["train", "texts", "--store", str(place), "--out", str(tmp_path / "a"), "--dev", "0.3"]
    )
    assert told.exit_code == 0, told.output
    assert "documents: train" in told.output
    assert "no --benchmarks were given" in told.output
