"""What a text names, and what the sources state about it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vedette.bench.book.entries import Entries
from vedette.knowledge.postings import stemmer


def stems(*words: str) -> set[int]:
    stemmer().learn(words)
    return set(stemmer().terms(words))


def test_ids_and_names_the_longest_only(entries: Entries) -> None:
    assert entries.named("Who uses moat diving by barrel?") == ["T1902"]
    assert entries.named("Who uses moat diving, and not T1902?") == ["T1902", "T1901"]
    assert entries.named("What do the wet-paws want?") == ["G1901"]
    assert entries.named("Nothing of this") == []


def test_one_word_is_a_name_where_it_is_written_so(entries: Entries) -> None:
    assert entries.named("Is Rope used?") == ["S1902"]
    assert entries.named("Is a rope used?") == []


def test_only_so_many_words_are_looked_at(entries: Entries) -> None:
    assert entries.named("many many words and ReedPipe", 4) == []
    assert entries.named("many many words and ReedPipe", 5) == ["S1901"]


def test_what_an_option_is(entries: Entries) -> None:
    assert entries.meant("Nets") == entries.meant("M1901") == entries.meant("nets (under water)") == ["M1901"]
    assert entries.meant("Nets and more") == []
    assert entries.meant("...") == []


def test_links_in_both_directions_and_none_of_vulnerabilities(entries: Entries) -> None:
    assert set(entries.linked("T1901")) == {"T1902", "M1901"}
    assert set(entries.linked("M1901")) == {"T1901"}
    assert entries.linked("T9999") == {}


def test_facts_by_what_they_are(entries: Entries) -> None:
    facts = entries.facts("CAPEC-1001")
    assert facts["likelihood"] == stems("high")
    assert facts["severity"] == stems("low")
    assert stems("object", "exchange") <= facts["parent"]
    assert stems("lantern", "swap") <= entries.facts("CAPEC-1002")["child"]
    assert stems("castles", "ships") == entries.facts("T1901")["platforms"]
    assert entries.facts("T9999") == {}


@given(st.text(max_size=200))
def test_any_text_can_be_looked_through(entries: Entries, text: str) -> None:
    assert set(entries.named(text)) >= set(entries.named(text, 3))
    entries.meant(text)
