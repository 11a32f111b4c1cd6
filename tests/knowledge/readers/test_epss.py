"""EPSS scores: what is taken from a row, what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given

from vedette.errors import InputError
from vedette.knowledge.inputs import Input
from vedette.knowledge.readers.epss import READER
from vedette.knowledge.record import Epss

from .cve_inputs import damaged, facts, got, read_damaged, written

SAMPLE = """\
#model_version:v2030.01.02,score_date:2030-05-06T12:55:00Z
cve,epss,percentile
CVE-2030-0001,0.00043,0.08
CVE-2030-12345,0.97,1.0
"""


@pytest.mark.parametrize("packed", [False, True])
def test_scores_have_the_date_of_their_file(tmp_path: Path, packed: bool) -> None:
    path = written(tmp_path / "scores.csv", gzip.compress(SAMPLE.encode()) if packed else SAMPLE)
    assert READER.claims(Input(path))
    records, tally = got(READER, path)
    assert (tally.release, tally.on, tally.read) == ("v2030.01.02", "2030-05-06", 2)
    assert facts(records["CVE-2030-12345"]).epss == Epss(0.97, 1.0, "2030-05-06")


def test_a_file_without_the_first_line_has_no_date(tmp_path: Path) -> None:
    path = written(tmp_path / "scores.csv", SAMPLE.partition("\n")[2].replace("\n", "\r\n"))
    assert READER.claims(Input(path))
    records, tally = got(READER, path)
    assert (len(records), tally.on) == (2, "")


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("CVE-2030-0002,high,0.5", "epss and percentile are not two numbers"),
        ("CVE-2030-0002,0.5", "epss and percentile are not two numbers"),
        ("CVE-2030-0002,0.5,0.5,0.5", "epss and percentile are not two numbers"),
        ("CVE-2030-0002,1.5,0.5", "epss or percentile is not between 0 and 1"),
        ("CVE-2030-0002,nan,0.5", "epss or percentile is not between 0 and 1"),
        ("2030-0002,0.5,0.5", "not a CVE id"),
    ],
)
def test_a_row_that_is_no_score_is_refused_and_the_others_are_read(tmp_path: Path, row: str, what: str) -> None:
    records, tally = got(READER, written(tmp_path / "scores.csv", f"{SAMPLE}{row}\nCVE-2030-0003,0.1,0.2\n"))
    assert len(records) == 3
    assert dict(tally.refused) == {what: 1}
    assert "2030-0002" in tally.examples[0][0]


def test_an_id_counts_once(tmp_path: Path) -> None:
    records, tally = got(READER, written(tmp_path / "scores.csv", SAMPLE + "CVE-2030-0001,0.9,0.9\n"))
    assert len(records) == 2
    assert dict(tally.skipped) == {"superseded in the same input": 1}


def test_a_damaged_archive_is_an_error_and_other_tables_are_not_claimed(tmp_path: Path) -> None:
    cut = written(tmp_path / "scores.csv.gz", gzip.compress(SAMPLE.encode() * 100)[:-20])
    with pytest.raises(InputError, match="damaged"):
        got(READER, cut)
    assert not READER.claims(Input(written(tmp_path / "other.csv", "cve,score\nCVE-2030-0001,1\n")))


@given(damaged(SAMPLE.encode()))
def test_no_file_does_harm(body: bytes) -> None:
    read_damaged(READER, "scores.csv", body)
