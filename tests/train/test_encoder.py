"""What the encoder learns from holds no benchmark item; a small training finds what it was taught."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

pytest.importorskip("numpy")
pytest.importorskip("scipy")

import numpy as np

from vedette.config import load_toml
from vedette.errors import ConfigError
from vedette.knowledge.record import Kind, Link, Record, Rel, Status, Text
from vedette.manifest import verify
from vedette.overlap import Index
from vedette.train.decontaminate import check
from vedette.train.encoder_measure import Found, bm25
from vedette.train.encoder_texts import HELD_OUT, Builder, Corpus, Guard, plain

pytestmark = pytest.mark.train

ITEM = "the intruder left a small scheduled job behind that opened a channel to a far server each night"


@pytest.fixture(scope="module")
def benchmarks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    (folder / "items.tsv").write_text(f"question\tanswer\n{ITEM}\tScheduled Task\nabout CVE-2020-0001\tCWE-79\n")
    (folder / "cti-ate.tsv").write_text("URL\tText\nhttps://attack.mitre.org/software/S0001/\twhatever it was\n")
    return folder


@pytest.fixture(scope="module")
def guard(benchmarks: Path) -> Guard:
    return Guard(benchmarks)


def record(name: str, kind: Kind, body: str = "", **more: object) -> Record:
    return Record(name, kind, f"Name of {name}", texts=(Text("description", body),) if body else (), **more)  # type: ignore[arg-type]


def built(guard: Guard, *records: Record) -> Corpus:
    builder = Builder(guard, Random(1), cves=100)
    for item in records:
        builder.add(item)
    return builder.finish()


@pytest.mark.parametrize(
    "text", [ITEM, ITEM.upper() + "!", "Scheduled task.", "it is cve-2020-0001, we think", f"Well: {ITEM}"]
)
def test_a_text_that_touches_an_item_is_held_back(guard: Guard, text: str) -> None:
    assert guard.touches(text)
    assert guard.clean(text) == ""


@pytest.mark.parametrize(
    "text", ["the intruder left a small scheduled job behind", "Scheduled tasks run later", "CVE-2020-0002 in it"]
)
def test_other_texts_pass(guard: Guard, text: str) -> None:
    assert guard.clean(text) == text


def test_only_the_sentence_that_touches_an_item_is_lost(guard: Guard) -> None:
    assert guard.clean(f"First of three. {ITEM.capitalize()}. Third of them.") == "First of three. Third of them."


def test_markup_is_no_text() -> None:
    assert plain("See [APT0](https://example.org/x) <code>run</code>.(Citation: Some 2020)") == "See APT0 run ."


def test_what_is_learned_from_touches_no_item(guard: Guard, benchmarks: Path) -> None:
    corpus = built(
        guard,
        record("T1001", Kind.TECHNIQUE, f"A way to hide. {ITEM}. It is often seen."),
        record("G0002", Kind.GROUP, "A group of some note.", links=(Link(Rel.USES, "T1001", text=ITEM),)),
        record("CVE-2020-0001", Kind.VULNERABILITY, "A flaw in a server of some kind."),
        record("CVE-2020-0003", Kind.VULNERABILITY, "A flaw in a parser of some kind."),
    )
    assert corpus.documents.keys() == {"T1001", "G0002"}
    assert corpus.cves.keys() == {"CVE-2020-0003"}
    report = check(Index(corpus.texts(), corpus.cves), benchmarks)
    assert (report.items, report.touched) == (5, ())


def test_software_that_a_benchmark_rewrites_is_held_out(guard: Guard) -> None:
    use = (Link(Rel.USES, "T1001", text="It opens a hidden window on the screen."),)
    technique = record("T1001", Kind.TECHNIQUE, "A way to hide a window.")
    tainted = built(guard, technique, record("S0001", Kind.SOFTWARE, "A tool of that name.", links=use))
    clean = built(guard, technique, record("S0009", Kind.SOFTWARE, "A tool of that name.", links=use))
    assert tainted.software == 1
    assert not [text for text in tainted.texts() if "hidden window" in text]
    assert [text for text in clean.texts() if "hidden window" in text]


def test_withdrawn_records_teach_nothing(guard: Guard) -> None:
    assert not built(guard, record("T1002", Kind.TECHNIQUE, "An old way to do it.", status=Status.REVOKED)).documents


def test_a_source_is_learned_from_or_held_out_as_a_whole(guard: Guard) -> None:
    technique = record("T1001", Kind.TECHNIQUE, "A way to hide a window.")
    groups = [
        record(
            f"G{n:04}",
            Kind.GROUP,
            "A group of some note.",
            links=(Link(Rel.USES, "T1001", text=f"Seen number {n} of it."),),
        )
        for n in range(20 * HELD_OUT)
    ]
    corpus = built(guard, technique, *groups)
    held = {pair.query for pair in corpus.held_out if pair.kind == "group uses"}
    assert 5 < len(held) < 60
    assert not held & set(corpus.texts())


def test_the_figures_count_ranks() -> None:
    scores = np.array([[3, 2, 1], [1, 3, 2], [1, 1, 1]], dtype=np.float32)
    found = Found.of(scores, [{0}, {0}, {2}])
    assert (found.queries, found.documents, found.recall_1, found.recall_5) == (3, 3, 0.333, 1.0)
    assert found.mrr == pytest.approx((1 + 1 / 3 + 1 / 2) / 3, abs=1e-3)


def test_bm25_prefers_rare_words_and_short_documents() -> None:
    documents = ["dump lsass memory", "memory of a house", "memory memory and a very long list of other things"]
    scores = bm25(["lsass", "memory", "none of it"], documents)
    assert scores[0].argmax() == 0
    assert scores[0, 1:].tolist() == [0, 0]
    assert scores.shape == (3, 3)


def test_the_shipped_recipe_parses_and_an_unknown_key_is_named(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from vedette.train.encoder import Recipe

    shipped = root / "recipes" / "encoder.toml"
    recipe = load_toml(shipped, Recipe)
    made = verify(root / "src/vedette/knowledge/weights")
    assert made.seed == recipe.seed
    assert set(recipe.inputs) <= made.inputs.keys()
    assert not sum(n for name, n in made.counts.items() if name.startswith("benchmark_items_by"))
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(shipped.read_text(encoding="utf-8").replace("buckets", "bucket"))
    with pytest.raises(ConfigError, match="buckets"):
        load_toml(wrong, Recipe)


def test_a_small_training_learns_its_pairs_and_repeats_itself() -> None:
    pytest.importorskip("torch")
    from vedette.train.encoder import lesson
    from vedette.train.encoder_fit import Anchors, Student, tune

    names = ["red", "green", "blue", "black"]
    words = sorted([*names, *(f"{name}ish" for name in names)])

    def learned() -> np.ndarray:  # type: ignore[type-arg]
        start = np.random.default_rng(3).standard_normal((len(words), 8)).astype(np.float32)
        student = Student(words, [1] * len(words), start, buckets=16, seed=5)
        corpus = Corpus(
            documents={name: [f"{name} {name}", name] for name in names}, kinds=dict.fromkeys(names, Kind.TOOL)
        )
        from vedette.train.encoder_texts import Pair

        corpus.pairs = [Pair(f"{name}ish", name, "test") for name in names]
        bags = student.bags(names)
        target = student.encoder().encode(names)
        tune(student, lesson(student, corpus), Anchors(bags, target, 0.1), steps=150, rate=0.02, batch=16)
        made = student.encoder()
        return made.encode([f"{name}ish" for name in names]) @ made.encode(names).T

    first, second = learned(), learned()
    assert first.argmax(axis=1).tolist() == [0, 1, 2, 3]
    assert np.array_equal(first, second)
