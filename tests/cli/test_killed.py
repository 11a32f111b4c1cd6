"""kill -9 at random points, while reading and while building; resumed, the result is that of an undisturbed run."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from random import Random

import pytest

from .conftest import INPUTS, OWNER, Done, Vedette, kill_after

KILLS = int(os.environ.get("VEDETTE_KILLS", "5"))
FILES = ("cases.jsonl", "summary.json", "cases.csv", "report.md", "report.html", "rejected.jsonl")
ARGS = ("triage", INPUTS[0] + ".gz", *INPUTS[1:], *OWNER, "--out", "out", "--explain", "1")


def left_by(folder: Path) -> dict[str, bytes]:
    return {name: (folder / "out" / name).read_bytes() for name in FILES}


@pytest.fixture
def place(small: Path, tmp_path: Path) -> Path:
    shutil.copytree(small, tmp_path / "data")
    return tmp_path / "data"


def undisturbed(vedette: Vedette, place: Path) -> tuple[Done, dict[str, bytes], float]:
    began = time.monotonic()
    done = vedette(*ARGS, cwd=place)
    assert done.code == 0, done.err
    return done, left_by(place), time.monotonic() - began


def test_killed_anywhere_and_resumed(vedette: Vedette, place: Path) -> None:
    whole, expected, seconds = undisturbed(vedette, place)
    assert b"truncated" in expected["rejected.jsonl"] or expected["rejected.jsonl"]
    assert vedette(*ARGS, cwd=place).out == whole.out, "a second run changes nothing"
    assert left_by(place) == expected
    random, killed = Random(KILLS), 0
    shutil.rmtree(place / "out")
    while killed < KILLS:
        if kill_after(place, random.uniform(0.25, 1.0) * seconds, *ARGS):
            killed += 1
        else:
            assert left_by(place) == expected
            shutil.rmtree(place / "out")
    done = vedette(*ARGS, cwd=place)
    assert (done.code, done.out) == (0, whole.out)
    assert left_by(place) == expected


def test_another_input_gives_another_result(vedette: Vedette, place: Path) -> None:
    """So that equality above means something."""
    _, expected, _ = undisturbed(vedette, place)
    with (place / INPUTS[2]).open("ab") as file:
        file.write((place / INPUTS[2]).read_bytes().splitlines(keepends=True)[0].replace(b"ws-", b"wx-"))
        file.write(b"{broken\n")
    assert vedette(*ARGS, cwd=place).code == 0
    assert left_by(place) != expected
