"""Texts come from lines, CSV, JSON Lines and CVE records; what cannot be used is counted."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.connect import texts as module
from vedette.connect.texts import Texts
from vedette.errors import ConfigError, InputError


def _read(path: Path, **options: object) -> tuple[list[tuple[str, str]], Texts]:
    texts = Texts()
    return [(item.id, item.text) for item in texts.of(path, **options)], texts  # type: ignore[arg-type]


def test_lines(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("first one\n\nsecond one\r\n")
    found, texts = _read(path)
    assert found == [("list.txt:1", "first one"), ("list.txt:3", "second one")]
    assert (texts.read, texts.given, texts.rejected) == (2, 2, 0)
    assert _read(path, whole=True)[0] == [("list.txt", "first one\n\nsecond one\r\n")]


def test_a_csv_with_an_id_and_a_short_row(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text('cve,severity,Description\nCVE-2030-1,high,"two\nlines"\nCVE-2030-2,low\n,low,third\n')
    found, texts = _read(path)
    assert found == [("CVE-2030-1", "two\nlines"), ("list.csv:5", "third")]
    assert texts.examples == [("list.csv:4", "2 columns, the text is in column 3")]
    assert texts.read == texts.given + texts.rejected == 3


def test_a_csv_without_the_column_says_which_there_are(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ConfigError, match=r"no column 'description'.*a, b"):
        _read(path)
    assert _read(path, column="b")[0] == [("list.csv:2", "2")]


def test_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"
    path.write_text('{"id": "x", "text": "one"}\nnonsense\n{"text": 7}\n"two"\n' + "[" * 3000 + "\n")
    found, texts = _read(path)
    assert found == [("x", "one"), ("list.jsonl:4", "two")]
    assert texts.rejected == 3


def test_a_cve_record(tmp_path: Path) -> None:
    record = {
        "dataType": "CVE_RECORD", "dataVersion": "5.1",
        "cveMetadata": {"cveId": "CVE-2030-0001", "state": "PUBLISHED", "assignerOrgId": "0"},
        "containers": {
            "cna": {"descriptions": [{"lang": "en", "value": "A made-up flaw."}], "providerMetadata": {"orgId": "0"}}
        },
    }  # fmt: skip
    path = tmp_path / "CVE-2030-0001.json"
    path.write_text(json.dumps(record))
    assert _read(path)[0] == [("CVE-2030-0001", "A made-up flaw.")]


def test_what_nobody_reads_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("{}")
    with pytest.raises(InputError, match="no reader knows this"):
        _read(path)
    with pytest.raises(InputError, match="cannot be read"):
        _read(tmp_path / "missing.txt")


@given(st.binary(max_size=400), st.sampled_from([".txt", ".csv", ".jsonl"]))
def test_any_bytes_are_given_or_rejected(content: bytes, suffix: str) -> None:
    texts = Texts()
    try:
        given = list(texts._stream(io.BytesIO(content), "x", "", False, suffix))
    except ConfigError:
        return
    assert len(given) == texts.given
    assert texts.read == texts.given + texts.rejected


def test_examples_are_bounded() -> None:
    texts = Texts()
    for number in range(100):
        texts.reject(str(number), "why")
    assert (len(texts.examples), texts.rejected) == (module.EXAMPLES, 100)
