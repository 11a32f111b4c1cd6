"""Which passages are looked into, and how they are ranked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.bench.book.samples import RULES, batch

from vedette.bench.book.passages import Passages
from vedette.knowledge.build import import_batches
from vedette.knowledge.store import Knowledge


def test_each_once_and_no_vulnerability_and_no_rule(passages: Passages) -> None:
    owners = [passages.owner_of(place) for place in range(len(passages))]
    assert owners.count("T1901") == 2  # name and description, though two domains state them
    assert not {"sigma:1", "CVE-2026-0001"} & set(owners)


def test_about_an_entry_are_its_own_passages_and_those_on_links_to_it(passages: Passages) -> None:
    texts = [passages.text(place) for place in passages.about("T1901").tolist()]
    assert "Nets: Hang mesh from pillars so that nobody passes." in texts
    assert "Moat Diving: Swimmers cross below the bridge." in texts
    assert len(texts) == 3
    assert not len(passages.about("T9999"))


def test_of_a_field_are_also_records_that_say_the_same(passages: Passages) -> None:
    owners = {passages.owner_of(place) for place in passages.of_field("mitigations").tolist()}
    assert owners == {"CAPEC-1001", "CAPEC-1002", "M1901", "M1902"}
    assert {passages.owner_of(place) for place in passages.of_field("consequences").tolist()} == {"CAPEC-1001"}


def test_bm25_and_the_share_of_words_that_a_passage_has(passages: Passages) -> None:
    loud, covered = passages.scores(["barrel", "swimmer", "zzz"]), passages.covered(["barrel", "swimmer", "zzz"])
    best = int(loud.argmax())
    assert passages.text(best) == "Moat Diving By Barrel: A barrel hides the swimmer."
    assert covered[best] == pytest.approx(1)
    half = passages.covered(["swimmer", "barrel"])[passages.about("T1901")]
    assert 0 < half.max() < 0.5  # "swimmers" alone, which more passages have
    assert not passages.scores(["zzz"]).any()
    assert not passages.covered(["zzz"]).any()


def test_vectors_have_length_one(passages: Passages) -> None:
    lengths = np.linalg.norm(passages.vectors(np.arange(3)), axis=1)
    assert lengths == pytest.approx(np.ones(3), abs=1e-5)


def test_a_store_without_passages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vedette.knowledge.facts.base", list)
    import_batches(tmp_path / "k.db", [batch("sigma", "", RULES)], inline=True)
    with Knowledge.open(tmp_path / "k.db") as store:
        empty = Passages(store)
        assert len(empty) == 0
        assert len(empty.scores(["moat"])) == 0
