"""How far a run is: lines where stderr is no terminal."""

from __future__ import annotations

import pytest

from vedette.cli.progress import EVERY, Progress


def test_a_line_now_and_then_with_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    clock = 0.0
    with Progress(lambda: clock) as shown:
        shown.tell("cti-mcq", 500, 2_500)  # of a run before
        for done in range(501, 601):
            clock += EVERY / 40
            shown.tell("cti-mcq", done, 2_500)
        shown.tell("cti-taa", 0, 50)
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.strip() for line in err.splitlines()] == [
        "cti-mcq: 540 of 2,500, about 490 s left",
        "cti-mcq: 580 of 2,500, about 480 s left",
    ]


def test_what_is_short_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(lambda: 0.0) as shown:
        for done in range(50):
            shown.tell("cti-taa", done, 50)
    assert capsys.readouterr().err == ""
