"""Each opinion decides where the others are silent or wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from vedette.bench.book import choice
from vedette.bench.book.choice import Chooser, telling
from vedette.bench.book.context import Context
from vedette.bench.book.entries import Entries
from vedette.bench.book.passages import Floats, Passages
from vedette.knowledge.encoder import Expert
from vedette.knowledge.store import Knowledge


class Reader:
    """Finds all texts that have one of its words alike."""

    name, dims, sha256 = "reader", 2, "reader"

    def __init__(self, *words: str) -> None:
        self.words, self.read = words, list[str]()

    def encode(self, texts: Sequence[str]) -> Floats:
        self.read += texts
        return np.array([[1, 0] if any(w in text for w in self.words) else [0, 1] for text in texts], dtype=np.float32)

    def named(self, _: str) -> Sequence[Sequence[tuple[str, float]]]:
        return []


def chooser(made: Knowledge, passages: Passages, entries: Entries, reader: Expert | None = None) -> Chooser:
    return Chooser(made.searcher, passages, entries, Context(reader or Reader()))


@pytest.fixture
def book(made: Knowledge, passages: Passages, entries: Entries) -> Chooser:
    return chooser(made, passages, entries)


def chosen(book: Chooser, question: str, *choices: str) -> str:
    return choices[int(book.loudness(question, choices).argmax())]


def test_what_the_question_names_comes_first(book: Chooser) -> None:
    options = ("Paint a number on it", "Chain it to a post")
    assert chosen(book, "What helps against CAPEC-1001?", *options) == options[1]
    assert chosen(book, "What helps against Object Exchange?", *options) == options[0]


def test_the_field_that_is_asked_for(book: Chooser) -> None:
    options = ("A chain at the post", "A walk into the ditch")
    assert chosen(book, "What prevents the Lantern Swap?", *options) == options[0]
    assert chosen(book, "What is a consequence of the Lantern Swap?", *options) == options[1]


def test_facts_by_their_name(book: Chooser) -> None:
    assert chosen(book, "What is the likelihood of CAPEC-1001?", "Low", "High") == "High"
    assert chosen(book, "What is the severity of CAPEC-1001?", "Low", "High") == "Low"
    assert chosen(book, "Which is the parent of CAPEC-1001?", "Rope", "Object Exchange") == "Object Exchange"


def test_links_between_question_and_option(book: Chooser, monkeypatch: pytest.MonkeyPatch) -> None:
    question, options = "Who was behind Salt Night?", ("Grey Otters", "Tin Foxes")
    assert chosen(book, question, *options) == "Tin Foxes"
    otters, foxes = book.loudness(question, options)
    monkeypatch.setattr(choice, "WEIGHTS", choice.WEIGHTS | {"linked": 0.0, "facts": 0.0})
    without_otters, without_foxes = book.loudness(question, options)
    assert otters == pytest.approx(without_otters)  # nothing is stated on them
    assert foxes > without_foxes + 1


def test_only_unsure_questions_are_read_in_context(made: Knowledge, passages: Passages, entries: Entries) -> None:
    reader = Reader("amber", "Otters")
    book = chooser(made, passages, entries, reader)
    assert chosen(book, "Who smuggles amber over the river?", "Zzz", "Grey Otters") == "Grey Otters"
    assert not reader.read
    book.loudness("What do they smuggle?", ("pepper", "mountains"))
    assert "What do they smuggle?" in reader.read
    read = [text for text in reader.read if ": " in text]
    assert len(read) == len(set(read)) > 0
    book.loudness("What do they smuggle?", ("pepper", "mountains"))
    assert [text for text in reader.read if ": " in text] == read  # remembered


@pytest.mark.parametrize(("word", "right"), [("Otters", "Grey Otters"), ("Foxes", "Tin Foxes")])
def test_the_reader_is_heard(
    made: Knowledge, passages: Passages, entries: Entries, monkeypatch: pytest.MonkeyPatch, word: str, right: str
) -> None:
    monkeypatch.setattr(choice, "WEIGHTS", dict.fromkeys(choice.WEIGHTS, 0.0) | {"context": 1.0})
    book = chooser(made, passages, entries, Reader(word, "Who"))
    assert chosen(book, "Who smuggles?", "Grey Otters", "Tin Foxes") == right


def test_nothing_known_nothing_said(book: Chooser) -> None:
    assert not book.loudness("qqqq wwww?", ("xxxx", "yyyy")).any()
    assert not book.loudness("Who dives below the bridge?", ("xxxx", "yyyy")).any()
    assert not book.loudness("qqqq wwww?", ("Nets", "Dogs")).any()
    assert book.best("qqqq wwww?", ("xxxx",)) == []


def test_the_best_passages_for_a_language_model(book: Chooser) -> None:
    found = book.best("Which barks at swimmers?", ("Dogs", "A barrel"))
    assert found[0].startswith("Dogs: ")
    assert len(found) == len(set(found)) <= 3


def test_words_that_say_something() -> None:
    assert telling("Which of the following techniques uses PowerShell?") == ["techniques", "uses", "powershell"]
    assert telling("PowerShell", ["powershell"]) == ["powershell"]
