"""`vedette forge format` as users run it, without a browser: see tests/serve for that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Done, environment
from tests.cli.mounted import FORMAT

HOSTILE = "<b>bold</b> \x1b[31mred\x1b[0m [red]markup[/red] \u202eturned"


def vedette(folder: Path, *args: str, feed: str = "", columns: int = 80) -> Done:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORMAT, *args], cwd=folder, input=feed.encode(), capture_output=True,
        timeout=120, env={**environment(), "COLUMNS": str(columns)}, check=False,
    )  # fmt: skip
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.parametrize("columns", [80, 120])
def test_lists_and_texts_fit_the_terminal(tmp_path: Path, columns: int) -> None:
    for args in (("list",), ("show", "cve-weakness"), ("show", "sigma.v1")):
        done = vedette(tmp_path, *args, columns=columns)
        assert done.code == 0
        assert max(map(len, done.out.splitlines())) <= columns
    assert "1. State the behaviour" in done.out


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_trials_stand_side_by_side_and_hostile_answers_are_harmless(tmp_path: Path, columns: int) -> None:
    sample = {"question": f"Which? {HOSTILE}", "answer": "So.\n\nAnswer: CWE-79"}
    (tmp_path / "s.jsonl").write_text(json.dumps(sample) + "\nno\n", "utf-8")
    (tmp_path / "a.jsonl").write_text(json.dumps(f"1. {HOSTILE}\n\nAnswer: CWE-79"), "utf-8")
    done = vedette(tmp_path, "try", "cve-weakness", "--samples", "s.jsonl", "--model", "fake/a.jsonl", columns=columns)
    assert done.code == 0
    assert "1 of 1 answer would be kept" in done.out
    assert "1 line cannot be used" in done.err
    assert "\x1b" not in done.out
    assert "\u202e" not in done.out
    assert max(map(len, done.out.splitlines())) <= columns
    both = [line for line in done.out.splitlines() if "So." in line]
    assert ("<b>" in both[0]) is (columns >= 80)
    page = (tmp_path / "formats/trials/cve-weakness.v1.html").read_text("utf-8")
    assert "&lt;b&gt;bold" in page
    assert "<b>" not in page


def test_a_review_in_the_terminal_asks_until_it_can_keep_the_answer(tmp_path: Path) -> None:
    feed = "what\na 9\na 4\ngood\ne\n\n\ne\nA step.\nshorter\ns\nr\n\nq\n"
    done = vedette(tmp_path, "review", "capec", "--by", "Ann", feed=feed)
    assert done.code == 0
    assert done.out.count("1 to 5 behind it") == 2
    assert "it is empty" in done.out
    assert "3 of 19 items decided by Ann" in done.out
    rows = [json.loads(line) for line in (tmp_path / "formats/reviews/capec.v1.jsonl").read_text("utf-8").splitlines()]
    assert [row["opinion"]["verdict"] for row in rows] == ["accept", "edit", "reject"]
    assert rows[0]["opinion"]["rating"] == 4
    assert rows[1]["opinion"]["text"] == "A step."
    again = vedette(tmp_path, "review", "capec", "--by", "Ann")
    assert "4/19" in again.out
    assert "3 of 19 items decided" in again.out


def test_two_reviewers_in_the_terminal_and_how_they_agree(tmp_path: Path) -> None:
    vedette(tmp_path, "review", "cwe", "--by", "Ann", feed="a\n\n" * 19 + "r\n\n")
    vedette(tmp_path, "review", "cwe", "--by", "Bob", feed="a\n\nr\n\n" + "a\n\n" * 17 + "r\n\n")
    done = vedette(tmp_path, "agreement", "cwe")
    assert "Ann decided 20" in done.out
    assert "Cohen's kappa    0.64 [" in done.out
    assert "exact agreement  0.95 [" in done.out
    assert "n = 20" in done.out
    refused = vedette(tmp_path, "approve", "cwe", "--by", "Cleo")
    assert refused.code == 2
    assert "1 of 20 items are undecided" in refused.err
    assert vedette(tmp_path, "approve", "cwe", "--by", "Bob").code == 0
    assert vedette(tmp_path, "list").out.splitlines()[2].split()[:3] == ["cwe.v2", "approved", "yours"]


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        (("show", "cwee"), 2, "did you mean 'cwe'"),
        (("show", "../x"), 2, "no format '../x'"),
        (("approve", "cwe", "--by", " "), 2, "no name of a person"),
        (("approve", "cwe", "--by", "Ann"), 2, "20 of 20 items are undecided"),
        (("review", "cwe", "--by", "\x1b[2J"), 2, "no name of a person"),
        (("new", "No/Group", "--model", "fake/x"), 2, "no name of a group"),
        (("new", "cwe", "--model", "fake/x", "--samples", "none.jsonl"), 3, "none.jsonl: cannot be read"),
        (("new", "cwe", "--model", "fake/none", "--samples", "s.jsonl"), 3, "no script"),
        (("new", "cwe", "--model", "fake/bad.jsonl", "--samples", "s.jsonl"), 8, "cannot be used"),
        (("new", "cwe", "--model", "odd/x", "--samples", "s.jsonl"), 2, "unknown kind of model"),
        (("list", "--formats", "broken"), 6, "no front matter"),
        (("try", "x", "--model", "fake/bad.jsonl", "--formats", "broken"), 2, "x.v1.md:1: no front matter"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, args: tuple[str, ...], code: int, told: str) -> None:
    (tmp_path / "s.jsonl").write_text('{"question": "q", "answer": "a"}\n', "utf-8")
    (tmp_path / "bad.jsonl").write_text('"I cannot"\n{"steps": 1}\n', "utf-8")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/x.v1.md").write_text("no format", "utf-8")
    done = vedette(tmp_path, *args)
    assert done.code == code, done.err
    assert told in " ".join((done.out + done.err).split())
    assert "\x1b" not in done.err


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_told(tmp_path: Path) -> None:
    (tmp_path / "formats").mkdir(mode=0o500)
    done = vedette(tmp_path, "review", "cwe", "--by", "Ann", feed="a\n\n")
    assert done.code == 5
