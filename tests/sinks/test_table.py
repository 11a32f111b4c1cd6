from __future__ import annotations

import re
import unicodedata

import pytest
from rich.cells import cell_len

from vedette.connect.sinks.table import render
from vedette.types import Counts, Queue

from .queues import QUEUES, case, many, queue

ANSI = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
@pytest.mark.parametrize("name", QUEUES)
def test_no_line_is_wider_than_the_terminal(name: str, width: int) -> None:
    assert max(map(cell_len, render(QUEUES[name](), width).splitlines())) <= width


@pytest.mark.parametrize("color", [False, True])
def test_no_control_reaches_the_terminal(color: bool) -> None:
    shown = render(QUEUES["hostile"](), 120, color, top=50, rows=0)
    plain = ANSI.sub("", shown) if color else shown
    assert not [c for c in plain.replace("\n", "") if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]
    assert "[bold red]rich[/]" in shown.replace("\n", "")
    assert "\x1b]" not in shown  # no hyperlink either


def test_colour_only_repeats_the_words() -> None:
    coloured, plain = render(QUEUES["busy"](), 80, color=True), render(QUEUES["busy"](), 80)
    assert "\x1b[" in coloured
    assert [line.rstrip() for line in ANSI.sub("", coloured).splitlines()] == plain.splitlines()


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        (Counts(), "No records were read."),
        (Counts(read=2, rejected=2), "None of the 2 records read could be used"),
        (Counts(read=1, ignored=1), "None of the 1 record read became part of a case"),
    ],
)
def test_an_empty_queue_says_why(counts: Counts, said: str) -> None:
    empty = Queue(cases=(), counts=counts, days=(), rejects=(), reject_file="", model="m")
    assert said in render(empty, 120)


def test_a_balance_that_does_not_hold_is_said() -> None:
    wrong = queue((case(),), counts=Counts(read=10, in_cases=7))
    assert "read 10 = in cases 7 + duplicates 0 + rejected 0 + context 0 + ignored 0: 3 unaccounted for" in render(
        wrong, 120
    )


def test_rows_and_explained_cases_can_be_chosen() -> None:
    shown = render(many(100), 120, top=1, rows=10)
    assert "… and 90 more cases; all are in cases.jsonl" in shown
    assert shown.count("\n  why\n") == 1
    assert "more case" not in render(many(100), 120, rows=0)
    assert "… and 1 more case;" in render(many(100), 120, rows=99)


def test_wide_terminals_get_the_time_span_and_the_tactics() -> None:
    assert "time span (UTC)" not in render(QUEUES["one"](), 80)
    assert "11-20 09:00–11:32" in render(QUEUES["one"](), 120)
