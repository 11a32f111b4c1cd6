"""Test sets never train: by id, by normalised text, by 13-grams; and the shipped weights keep to it."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from vedette.errors import InputError
from vedette.manifest import read as read_manifest
from vedette.overlap import Index, benchmark_items, words
from vedette.skills.triage.model import WEIGHTS
from vedette.train.decontaminate import check

LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"


def test_an_id_touches_in_any_case_and_place() -> None:
    index = Index([], ids=["cve-2021-44228"])
    assert index.touches("See https://example.test/CVE-2021-44228 for it") == "id"
    assert index.touches("See CVE-2021-44229") == ""


def test_the_same_words_touch_whatever_stands_between_them() -> None:
    index = Index(["Web server: 400 error-code."])
    assert index.touches("web SERVER 400 (error) code") == "text"
    assert index.touches("web server 400 error") == ""


@pytest.mark.parametrize(("item", "hit"), [(LONG + " and so on", "gram"), ("zero " + LONG, "gram"), (LONG[:40], "")])
def test_half_of_the_13_grams_touches(item: str, hit: str) -> None:
    assert Index([LONG + " a tail that is not in it"]).touches(item) == hit


def test_less_than_half_of_the_13_grams_is_clean() -> None:
    item = LONG + " " + " ".join(f"other{i}" for i in range(30))
    assert Index([LONG]).touches(item) == ""


def test_every_form_of_benchmark_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("URL\tDescription\nu\tthe first item\n", encoding="utf-8")
    (tmp_path / "b.json").write_text(json.dumps({"questions": [{"question": "the second item", "n": 1}]}), "utf-8")
    (tmp_path / "c.jsonl").write_text('{"text": "the third item"}\n', encoding="utf-8")
    with tarfile.open(tmp_path / "d.tar.gz", "w:gz") as archive:
        data = b"q\tthe fourth item\n"
        info = tarfile.TarInfo("folder/d.tsv")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    fields = [text for _, texts in benchmark_items(tmp_path) for text in texts]
    assert {"the first item", "the second item", "the third item", "the fourth item"} <= set(fields)
    report = check(Index(["The third item!", "the fourth item"]), tmp_path)
    assert (report.by_text, report.by_id, report.by_gram) == (2, 0, 0)
    assert len(report.touched) == 2


def test_a_folder_without_benchmarks_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no benchmark item"):
        check(Index([]), tmp_path)


def test_words_are_lower_case_and_nothing_else() -> None:
    assert words("Ünder-score_d 1.2!") == ["ünder", "score_d", "1", "2"]


def test_the_shipped_weights_carry_a_clean_report() -> None:
    counts = read_manifest(WEIGHTS).counts
    assert counts["benchmark_items"] > 10_000
    assert counts["benchmark_items_by_id"] == counts["benchmark_items_by_text"] == 0
    assert counts["benchmark_items_by_13_gram"] == 0
