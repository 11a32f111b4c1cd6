"""A near duplicate of a test item is found by half of the item's 13-grams, whatever else surrounds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from vedette.overlap import Items

ITEM = (
    "the web form of the imaginary parcel tracker prints the visitor's name without escaping it so that a link "
    "can carry a script into the session of a clerk who opens it"
)


@pytest.fixture
def items() -> Items:
    return Items([("items.tsv#0", [ITEM, "about CVE-2020-0001"]), ("items.tsv#1", ["short text"])])


def test_an_id_a_text_and_a_gram(items: Items) -> None:
    assert items.touched("anything", "CVE-2020-0001") == ("id", "CVE-2020-0001")
    assert items.touched("as in cve-2020-0001 before")[0] == "id"
    assert items.touched("Short, text!") == ("text", "items.tsv#1")
    assert items.touched(ITEM.upper())[0] == "text"
    words = ITEM.split()
    assert items.touched(" ".join(["yesterday", *words[:24]])) == ("gram", "items.tsv#0")


def test_boilerplate_alone_is_no_duplicate(items: Items) -> None:
    words = ITEM.split()
    assert items.touched(" ".join([*words[:14], "and then something else happened that nobody knew"])) == ("", "")
    assert items.touched("an unrelated text") == ("", "")
    assert items.count == 2


def test_halves_of_two_items_do_not_add_up() -> None:
    words = ITEM.split()
    other = [f"word{i}" for i in range(len(words))]
    apart = Items([("a", [" ".join(words)]), ("b", [" ".join(other)])])
    mixed = " ".join([*words[:17], *other[:17]])
    assert apart.touched(mixed) == ("", "")


def test_items_come_from_the_benchmarks(tmp_path: Path) -> None:
    (tmp_path / "items.tsv").write_text(f"question\tanswer\n{ITEM}\tCWE-79\n")
    assert Items.of(tmp_path).touched(ITEM)[0] == "text"
