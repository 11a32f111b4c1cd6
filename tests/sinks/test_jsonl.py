from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.connect.sinks.jsonl import read, render, summary
from vedette.types import Case

from .queues import QUEUES, case, queue


@pytest.mark.parametrize("name", QUEUES)
def test_what_is_read_is_what_was_written(name: str) -> None:
    cases = QUEUES[name]().cases
    assert read(render(queue(cases))) == cases


@given(st.text(st.characters(exclude_categories=())))
def test_text_is_kept_whole_and_cannot_act(text: str) -> None:
    written = render(queue((case(title=text, hosts=(text,)),)))
    assert read(written)[0].title == text
    assert written.endswith("\n")
    assert written[:-1].isprintable()
    written.encode("utf-8")


def test_keys_are_those_of_the_type_in_its_order() -> None:
    assert tuple(json.loads(render(QUEUES["one"]()))) == Case.__struct_fields__


@pytest.mark.parametrize("name", QUEUES)
def test_the_summary_holds_the_rest(name: str) -> None:
    wanted = QUEUES[name]()
    found = json.loads(summary(wanted))
    assert found["counts"]["read"] == wanted.counts.read
    assert (found["cases"], found["unaccounted"]) == (len(wanted.cases), 0)
    assert found["notes"] == list(wanted.notes)
    assert sum(found["verdicts"].values()) == len(wanted.cases)
    assert all(line.isprintable() for line in summary(wanted).splitlines())
