"""Passages cover what a record says, in order, and their spans are those of the texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.knowledge.chunk import LENGTH, NAME, field_text, passages, spans
from vedette.knowledge.record import Kind, Link, Record, Rel, Text

BODY = st.lists(
    st.one_of(
        st.text(max_size=40),
        st.sampled_from(
            [" ", "\n", "\n\n", "\n \t\n", ". ", "! ", "; ", "\u00a0", "\u2028", "\x1c", "x" * 50, "y" * 950]
        ),
        st.integers(0, 60).map(lambda n: "Words and more. " * n),
    ),
    max_size=12,
).map("".join)


@given(BODY, st.sampled_from([3, 10, 57, LENGTH]))
def test_spans_cover_all_but_white_space_in_order(text: str, length: int) -> None:
    at = 0
    for start, end in spans(text, length):
        assert at <= start < end <= len(text)
        assert not text[at:start].strip()
        assert end - start <= length
        assert text[start:end] == text[start:end].strip()
        at = end
    assert not text[at:].strip()


@given(BODY)
def test_the_same_text_is_always_cut_alike(text: str) -> None:
    assert list(spans(text)) == list(spans(text))


@given(
    st.text(max_size=30),
    st.lists(st.text(max_size=10), max_size=15),
    st.dictionaries(st.sampled_from(["description", "detection", "name!"]), BODY, max_size=3),
    st.lists(
        st.builds(Link, st.just(Rel.USES), st.sampled_from(["T1059", "d3f:A#1", "sigma:x"]), text=BODY), max_size=4
    ),
)
def test_every_passage_quotes_its_field(
    name: str, aliases: list[str], texts: dict[str, str], links: list[Link]
) -> None:
    record = Record(
        "G0016", Kind.GROUP, name, aliases=tuple(aliases), links=tuple(links),
        texts=tuple(Text(field, body) for field, body in texts.items()),
    )  # fmt: skip
    found = list(passages(record))
    for passage in found:
        text = field_text(record, passage.field)
        assert text is not None
        assert text[passage.start : passage.end] == passage.text
        assert passage.text
        assert passage.whole.endswith(passage.text)
    told = sum(bool(text.strip()) for text in [*texts.values(), *(link.text for link in links)])
    assert len({passage.field for passage in found}) == told + bool(name)


def test_it_is_cut_where_paragraphs_and_sentences_end() -> None:
    text = "First one. " * 50 + "\n\n" + "Second one; and more? " * 30
    parts = [text[start:end] for start, end in spans(text)]
    assert all(part.endswith((".", ";", "?")) for part in parts)


def test_what_has_no_place_to_cut_is_cut_at_the_limit() -> None:
    assert list(spans("x" * (2 * LENGTH + 1))) == [(0, LENGTH), (LENGTH, 2 * LENGTH), (2 * LENGTH, 2 * LENGTH + 1)]
    word = "z" * (LENGTH - 3)
    assert [end - start for start, end in spans(f"a {word} b")] == [LENGTH - 1, 1]


@pytest.mark.parametrize("text", ["", " ", "\n\t \n", "\u00a0\u2003"])
def test_nothing_has_no_spans(text: str) -> None:
    assert list(spans(text)) == []


def test_a_record_that_says_nothing_has_no_passages() -> None:
    assert list(passages(Record("CVE-2021-44228", Kind.VULNERABILITY, links=(Link(Rel.USES, "T1059"),)))) == []


@pytest.mark.parametrize(
    "field", ["", "nothing", "link:", "link:T1059", "link:T1059#", "link:T1059#x", "link:T1059#-1", "link:T1059#7",
              "link:T1060#0", "link:T1059#00", "link:T1059#\u0660"],
)  # fmt: skip
def test_fields_that_a_record_does_not_have(field: str) -> None:
    record = Record("G0016", Kind.GROUP, links=(Link(Rel.USES, "T1059", text="Runs it."),))
    assert field_text(record, field) is None
    assert field_text(record, "link:T1059#0") == "Runs it."
    assert field_text(record, NAME) == ""


def test_a_very_long_text_takes_no_time_to_speak_of() -> None:
    text = "A sentence of a few words that goes on. " * 100_000
    assert sum(1 for _ in spans(text)) > 4_000
