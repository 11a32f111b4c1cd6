"""Words and their weights, against a plain way to compute the same."""

from __future__ import annotations

import math
import sqlite3
import threading
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.knowledge import schema
from vedette.knowledge.postings import (
    EVERYWHERE,
    K1,
    MOST,
    PLACES,
    TITLE,
    B,
    Ranker,
    Stemmer,
    find_words,
    moved,
    read_all,
    stemmer,
    terms_of,
    write_all,
)

WORDS = [
    "dump",
    "dumps",
    "dumping",
    "lsass",
    "memory",
    "account",
    "accounts",
    "café",
    "cafe",
    "漢字",
    "t1059",
    "x²",
    "ǆ",
]
TEXT = st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join)
CORPUS = st.lists(st.tuples(TEXT, TEXT), max_size=9)


@pytest.fixture
def db() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.create(connection)
    return connection


def reference(corpus: list[tuple[str, str]], question: list[str]) -> list[float]:
    """bm25 as in the paper, with words in nearly every passage left out."""
    stems = stemmer()

    def split(text: str) -> list[int]:
        words = find_words(text.lower())
        stems.learn(words)
        return stems.terms(words)

    passages = [split(title) * TITLE + split(text) for title, text in corpus]
    counts = [Counter(passage) for passage in passages]
    mean = sum(map(len, passages)) / len(passages)
    within = {term: sum(term in count for count in counts) for term in dict.fromkeys(split(" ".join(question)))}
    known = [term for term, often in within.items() if often]
    telling = [term for term in known if within[term] <= EVERYWHERE * len(passages)] or known
    scores = []
    for passage, count in zip(passages, counts, strict=True):
        norm = K1 * (1 - B + B * len(passage) / mean) if mean else 0
        score = 0.0
        for term in telling:
            idf = math.log1p((len(passages) - within[term] + 0.5) / (within[term] + 0.5))
            score += idf * (K1 + 1) * count[term] / (count[term] + norm) if count[term] else 0
        scores.append(score)
    return scores


@given(CORPUS.filter(bool), st.lists(st.sampled_from([*WORDS, "nowhere"]), max_size=4))
def test_scores_are_those_of_the_formula(corpus: list[tuple[str, str]], question: list[str]) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.create(connection)
    terms = terms_of(corpus)
    write_all(connection, terms.postings)
    if not terms.lengths.any():
        return
    scores = Ranker(connection, terms.lengths).scores([word for text in question for word in find_words(text.lower())])
    assert scores.tolist() == pytest.approx(reference(corpus, question), rel=1e-4, abs=1e-5)
    connection.close()


@given(CORPUS)
def test_what_is_written_is_read(corpus: list[tuple[str, str]]) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.create(connection)
    terms = terms_of(corpus)
    write_all(connection, terms.postings.copy())
    assert sorted(read_all(connection).tolist()) == sorted(terms.postings.tolist())
    write_all(connection, read_all(connection)[:0])
    assert len(read_all(connection)) == 0
    connection.close()


@given(CORPUS, st.randoms(use_true_random=False))
def test_places_may_move_or_go(corpus: list[tuple[str, str]], random: object) -> None:
    kept = [number for number in range(len(corpus)) if random.random() < 0.6]  # type: ignore[attr-defined]
    places = np.full(len(corpus), -1, np.int64)
    places[kept] = np.arange(len(kept))
    terms = terms_of(corpus)
    after = moved(terms.postings, places)
    assert sorted(after.tolist()) == sorted(terms_of([corpus[number] for number in kept]).postings.tolist())


def test_extreme_places_counts_and_checksums_survive(db: sqlite3.Connection) -> None:
    pack = [
        (term << 32 | place << 8 | often)
        for term in (0, 1, 0xFFFFFFFF)
        for place in (0, PLACES - 1)
        for often in (1, MOST)
    ]
    postings = np.array(pack, np.uint64)
    write_all(db, postings.copy())
    assert sorted(read_all(db).tolist()) == sorted(pack)
    there = np.zeros(PLACES, np.int64)
    there[-1] = PLACES - 1
    assert sorted(moved(postings, there).tolist()) == sorted(pack)


def test_no_words_at_all(db: sqlite3.Connection) -> None:
    for corpus in ([], [("", ""), ("--", "…")]):
        terms = terms_of(corpus)
        assert terms.lengths.tolist() == [0] * len(corpus)
        write_all(db, terms.postings)
        ranker = Ranker(db, terms.lengths)
        assert ranker.scores([]).tolist() == ranker.scores(["word"]).tolist() == [0.0] * len(corpus)


def test_a_word_many_times_and_a_passage_of_many_words() -> None:
    terms = terms_of([("", "word " * 1000), ("", " ".join(f"w{n}" for n in range(70_000)))])
    assert int(terms.postings[0]) & 0xFF in (1, MOST)
    assert max(int(posting) & 0xFF for posting in terms.postings) == MOST
    assert terms.lengths.tolist() == [1000, 65_535]


def test_stems_do_not_depend_on_what_was_learnt_together() -> None:
    words = ["dumping", "x²", "a\u0301b", "漢字", "I" * 40_000, "word"]
    together, alone = Stemmer(), Stemmer()
    together.learn(words)
    for word in words:
        alone.learn([word])
    assert together.terms(words) == alone.terms(words)
    assert together.terms(words[:1]) == together.terms(words[:1])


def test_the_memory_of_stems_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vedette.knowledge.postings.REMEMBERED", 10)
    stems = Stemmer()
    for number in range(5):
        words = [f"word{number}x{n}" for n in range(9)]
        stems.learn(words)
        assert len(stems.terms(words)) == 9
    assert len(stems._known) < 30


def test_threads_do_not_disturb_each_other() -> None:
    corpus = [[(f"title {n}", f"accounts{n} dumping{k} words") for n in range(40)] for k in range(4)]
    expected = [terms_of(part).postings.tolist() for part in corpus]
    found: dict[int, list[list[int]]] = {k: [] for k in range(4)}
    errors: list[BaseException] = []

    def work(k: int) -> None:
        try:
            for _ in range(8):
                found[k].append(terms_of(corpus[k]).postings.tolist())
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert all(one == expected[k] for k in range(4) for one in found[k])
