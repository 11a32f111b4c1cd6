from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from vedette.connect.sinks.markdown import code, render, safe
from vedette.types import Queue

from .queues import HOSTILE, QUEUES, case, many, queue

RENDERER = MarkdownIt("commonmark").enable("table").enable("strikethrough")
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=80)
MARKUP = st.text("`|<>[]()!*_~#\\/:.@w -+=&;h1\n\t\"'", max_size=40)


def _tokens(text: str) -> list[Token]:
    return [leaf for token in RENDERER.parse(text) for leaf in (token, *(token.children or ()))]


@pytest.mark.parametrize("name", QUEUES)
def test_nothing_in_the_report_is_active(name: str) -> None:
    kinds = {token.type for token in _tokens(render(QUEUES[name]()))}
    assert not kinds & {"link_open", "image", "html_inline", "html_block", "fence", "code_block", "em_open", "s_open"}


@pytest.mark.parametrize("name", QUEUES)
def test_links_and_mentions_stand_in_code_only(name: str) -> None:
    words = [token.content for token in _tokens(render(QUEUES[name]())) if token.type == "text"]
    assert not [text for text in words if "://" in text or "www." in text or "@" in text]


@given(ANY_TEXT | MARKUP)
def test_a_code_span_cannot_be_left(text: str) -> None:
    for line in (code(text), safe(text)):
        kinds = {token.type for token in _tokens(f"before {line} after")}
        assert kinds <= {"paragraph_open", "inline", "text", "code_inline", "paragraph_close"}
        assert "|" not in line


@given(ANY_TEXT | MARKUP)
@settings(max_examples=60, deadline=None)
def test_the_rows_of_the_table_keep_their_cells(text: str) -> None:
    shape, usual = (_shape(queue((case(title=words, hosts=(words,)),))) for words in (text, "plain"))
    assert shape == usual


def _shape(wanted: Queue) -> list[str]:
    return [
        t.type for t in RENDERER.parse(render(wanted)) if t.type in {"tr_open", "td_open", "th_open", "heading_open"}
    ]


def test_plain_words_need_no_code() -> None:
    assert safe("Outbound SMB from a workstation") == "Outbound SMB from a workstation"
    assert safe("") == "–"
    assert all(safe(text).startswith("`") for text in HOSTILE[:-1] if text != "javascript:alert(4)")  # no link, no harm


def test_what_was_cut_is_said() -> None:
    report = render(many())
    assert "The first 500 of 10,000; all are in `cases.jsonl`." in report
    assert "Details of the first 50 of 2,000; all are in `cases.jsonl`." in report
