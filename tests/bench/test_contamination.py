"""Items that were learned from are found, and scores without them are told."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from arro3.core import Array, DataType, Table
from arro3.io import write_parquet
from typer.testing import CliRunner

from vedette.bench.contamination import touched, training_texts
from vedette.bench.items import Item, Kind
from vedette.cli import app
from vedette.errors import InputError

LONG = "a flaw in the parser of the imaginary tracker lets remote attackers read the memory of the service by a request"
OTHER = "another flaw in the lexer of the real planner makes local users write the files of the owner with a link"
SHORT = "a stack overflow in the login form lets attackers run code"


def item(name: str, text: str) -> Item:
    return Item(id=name, kind=Kind.WEAKNESS, prompt=f"Map: {text}", right=("CWE-79",), text=text)


ITEMS = [item("CVE-2024-0001", LONG), item("CVE-2024-0002", OTHER), item("CVE-2024-0003", SHORT)]


@pytest.mark.parametrize(
    ("text", "how"),
    [
        ("see CVE-2024-0001", "id"),
        (LONG.upper() + "!", "text"),
        (f"Before it: {LONG} and after it", "gram"),
        ("nothing of it", ""),
    ],
)
def test_each_way(text: str, how: str) -> None:
    found = touched(ITEMS, [text])
    assert {name: touch.how for name, touch in found.items()} == ({"CVE-2024-0001": how} if how else {})


def test_likeness_of_short_texts() -> None:
    found = touched(ITEMS, [SHORT.replace("run code", "run programs")])
    assert found["CVE-2024-0003"].how == "alike"
    assert 0.5 <= found["CVE-2024-0003"].share < 1


def test_files_of_every_kind(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(orjson.dumps({"text": LONG, "more": ["x"]}) + b"\n")
    (tmp_path / "b.csv").write_text("id,text\n1,words of it\n")
    columns = {"text": Array([OTHER, None], type=DataType.string()), "n": Array([1, 2], type=DataType.int64())}
    table = Table.from_pydict(columns)
    write_parquet(table, str(tmp_path / "c.parquet"))
    texts = list(training_texts([tmp_path / "a.jsonl", tmp_path / "b.csv", tmp_path / "c.parquet"]))
    assert {LONG, "words of it", OTHER} <= set(texts)
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(InputError, match=r"empty\.jsonl"):
        list(training_texts([tmp_path / "empty.jsonl"]))
    (tmp_path / "broken.jsonl").write_text("{")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 nothing else PAR1")
    for name in ("broken.jsonl", "broken.parquet"):
        with pytest.raises(InputError, match=name.replace(".", r"\.")):
            list(training_texts([tmp_path / name]))
    with pytest.raises(InputError, match="cannot be read"):
        list(training_texts([tmp_path / "none.jsonl"]))


def test_the_command_tells_scores_apart(tmp_path: Path) -> None:
    folder = tmp_path / "data/cti-bench"
    folder.mkdir(parents=True)
    lines = ["URL\tDescription\tPrompt\tGT"]
    lines += [f"https://nvd.nist.gov/vuln/detail/{one.id}\t{one.text}\t{one.prompt}\tCWE-79" for one in ITEMS]
    (folder / "cti-rcm.tsv").write_text("\n".join(lines) + "\n")
    (tmp_path / "train.jsonl").write_bytes(orjson.dumps({"text": LONG}))
    data = ["--data", str(tmp_path / "data"), "--any-version"]
    out = str(tmp_path / "out")
    CliRunner().invoke(app, ["bench", "run", "cti-rcm", "--model", "vedette/constant", "--out", out, *data])
    told = CliRunner().invoke(
        app, ["bench", "contamination", "cti-rcm", "--train", str(tmp_path / "train.jsonl"), "--runs", out, *data]
    )
    assert told.exit_code == 0, told.output
    assert "cti-rcm: 1 of 3 items touched (0 by id, 1 by text, 0 by gram, 0 by alike)" in told.output
    assert "all 100.0 [100.0, 100.0], n = 3; clean 100.0 [100.0, 100.0], n = 2" in told.output
