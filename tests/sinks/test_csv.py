from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.connect.sinks.csv import COLUMNS, harmless, render

from .queues import QUEUES, case, queue

FORMULA = re.compile(r"""[\s"']*?(?<!')[=+\-@＝＋－＠\t\r]""")


def _rows(text: str, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


@given(st.text(st.characters(exclude_categories=())))
def test_no_cell_is_a_formula_whatever_separates_cells(text: str) -> None:
    written = render(queue((case(title=text, hosts=(text, text), continues=text),)))
    for delimiter in ",;|":
        assert not [cell for row in _rows(written, delimiter) for cell in row if FORMULA.match(cell)]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("x;=cmd", "x;'=cmd"),
        ('x;"=cmd', "x;\"'=cmd"),
        (" +1", " '+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("a-b, c = d", "a-b, c = d"),
        ("2025-11-20", "2025-11-20"),
    ],
)
def test_examples(text: str, shown: str) -> None:
    assert harmless(text) == shown


@pytest.mark.parametrize("name", QUEUES)
def test_a_row_a_case_and_all_of_one_length(name: str) -> None:
    rows = _rows(render(QUEUES[name]()))
    assert rows[0] == list(COLUMNS)
    assert len(rows) == len(QUEUES[name]().cases) + 1
    assert {len(row) for row in rows} == {len(COLUMNS)}
