"""Answers from the knowledge store alone; here it holds the shipped names and links."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from vedette.bench.items import Item, Kind
from vedette.bench.open_book import OpenBook, Together

pytestmark = pytest.mark.facts


@pytest.fixture(scope="module")
def book() -> Iterator[OpenBook]:
    made = OpenBook()
    yield made
    made.close()


def asked(question: str, *choices: str) -> Item:
    return Item(id="1", kind=Kind.CHOICE, prompt=question, text=question, right=("A",), letters="ABCD", choices=choices)


def test_the_passage_that_speaks_for_question_and_option(book: OpenBook) -> None:
    question = "Which sub-technique of OS Credential Dumping reads LSASS?"
    item = asked(question, "Scheduled Task", "Junk Data", "LSASS Memory", "Steganography")
    assert book.answer(item) == "C"
    assert book.answer(item) == book.answer(item)


@pytest.mark.parametrize(
    ("question", "right"),
    [
        ("Which of these is NOT about LSASS memory?", "B"),
        ("Which of these is not about LSASS memory?", "B"),
        ("Which is least likely about LSASS memory?", "B"),
        ("Which of these is about LSASS memory, if it is not protected?", "A"),
        ("Which is about LSASS memory with least privilege?", "A"),
    ],
)
def test_a_question_that_is_turned_round_gets_the_quietest(book: OpenBook, question: str, right: str) -> None:
    assert book.answer(asked(question, "LSASS Memory", "wjxqk zqvkx")) == right


def test_nothing_known_nothing_said(book: OpenBook) -> None:
    assert book.answer(asked("vkqzj?", "wjxqk", "zqvkx")) == ""
    assert book.answer(asked("", "")) == ""
    assert book.answer(asked("LSASS?")) == ""
    other = Item(id="1", kind=Kind.WEAKNESS, prompt="?", text="SQL injection", right=("CWE-89",))
    assert book.answer(other) == ""
    report = Item(id="1", kind=Kind.ACTOR, prompt="?", text="wjxqk", right=("APT28",))
    assert book.answer(report) == ""


def test_a_report_full_of_an_actors_name_is_theirs(book: OpenBook) -> None:
    report = Item(id="1", kind=Kind.ACTOR, prompt="?", text="The work of Fancy Bear, Sofacy, Sednit", right=("APT28",))
    assert book.answer(report) == "APT28"


def test_threads_have_stores_of_their_own(book: OpenBook) -> None:
    items = [asked("Which one reads LSASS?", "LSASS Memory", "Junk Data")] * 8
    with ThreadPoolExecutor(3) as pool:
        assert set(pool.map(book.answer, items)) == {"A"}
    assert "passages" in book.name


def test_passages_for_a_language_model(book: OpenBook) -> None:
    told = book.passages(asked("Which one reads LSASS?", "LSASS Memory", "Junk Data"))
    assert any(passage.startswith("LSASS Memory: ") for passage in told)
    assert len(told) == len(set(told)) <= 3
    assert book.reads_on(Kind.CHOICE)
    assert not book.reads_on(Kind.WEAKNESS)


def test_experts_and_book_together() -> None:
    model = Together()
    weakness = Item(id="1", kind=Kind.WEAKNESS, prompt="?", text="SQL injection in the search form", right=("CWE-89",))
    assert model.answer(weakness) == "CWE-89"
    assert model.answer(asked("Which one reads LSASS?", "Junk Data", "LSASS Memory")) == "B"
    assert "experts" in model.name
    assert "open book" in model.name
    model.close()
