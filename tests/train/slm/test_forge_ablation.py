"""The forge's ablation at toy size: four models, one table, nothing done twice."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("accelerate")

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
BENCH = Path(__file__).parents[3] / "bench"
RECIPE = """
name = "toy"
seed = 7

[base.shape]
layers = 1
width = 32
heads = 2
kv_heads = 2
head = 16
ffn = 64
vocab = 300
context = 1_024

[data]
curriculum = false
tasks = ["of another recipe"]

[sft]
epochs = 1
rate = 1e-3
batch = 1_024
micro = 1_024

[probe]
every = 1
"""
COLOURS = ("red", "green", "blue")


@pytest.fixture
def ablation(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCH))
    return import_module("forge_ablation")


def _row(number: int, steps: bool) -> dict[str, Any]:
    colour = COLOURS[number % 3]
    if number % 4 == 0:
        answer = final = json.dumps({"colour": colour})
        task, kind = "advisory/extract", "json-extraction"
    else:
        task, kind, final = "cve-weakness/root-cause", "closed-book", f"CWE-{number % 3}"
        answer = f"{'1. It is so. ' if steps else ''}It is {colour}.\n\nAnswer: {final}"
    said = [
        {"role": "user", "content": f"Which colour has {number} {colour}?"},
        {"role": "assistant", "content": answer},
    ]
    return {
        "messages": said,
        "id": str(number),
        "task": task,
        "kind": kind,
        "final": final,
        "difficulty": 1,
        "licence": "MIT",
    }


def _folders(at: Path) -> Path:
    for arm in ("structure", "formats", "grounding", "judge"):
        (at / arm).mkdir(parents=True)
        for side, numbers in {"train": range(60), "dev": range(60, 72)}.items():
            rows = [json.dumps(_row(number, arm != "structure")) for number in numbers]
            (at / arm / f"{side}.jsonl").write_text("\n".join(rows))
    unknown = {**_row(73, False), "final": "CWE-9"}
    unknown["messages"][1]["content"] = "Answer: CWE-9"
    with (at / "structure" / "dev.jsonl").open("a") as file:
        file.write("\n" + json.dumps(unknown))
    return at


def test_four_models_and_one_table(ablation: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe, data, out = tmp_path / "toy.toml", _folders(tmp_path / "data"), tmp_path / "out"
    recipe.write_text(RECIPE)
    told = ["--data", str(data), "--out", str(out), "--recipe", str(recipe), "--batch", "2048"]
    ablation.main(told)
    made = {path: path.stat().st_mtime_ns for path in out.glob("*/manifest.json")}
    bases = {
        json.loads((out / f"{arm}-7/manifest.json").read_text())["inputs"].get("base/manifest.json")
        for arm in ablation.ARMS
    }
    ablation.main(told)

    assert len(made) == 4
    assert made == {path: path.stat().st_mtime_ns for path in out.glob("*/manifest.json")}
    assert len(bases - {None}) == 1  # all start where the first one did
    table = (out / "table.md").read_text()
    assert all(f"| {name} |" in table for name in ablation.ARMS.values())
    assert "| root cause, CWE id | 9 |" in table
    assert "| JSON, valid | 3 |" in table
    assert "scripts" in table
    assert "batch = 2048" in (out / "judge-7.toml").read_text()
    assert table.strip() in capsys.readouterr().out


def _answers(ablation: Any, right: int, of: int) -> list[list[Any]]:
    return [[ablation.Answered(str(n), "", {"weakness": n < right}) for n in range(of)]]


def test_a_difference_has_an_interval(ablation: Any) -> None:
    found = {
        "structure": _answers(ablation, 20, 100),
        "formats": _answers(ablation, 60, 100),
        "judge": _answers(ablation, 20, 100),
    }
    lines = {line.split(" | ")[0]: line for line in ablation.table(found, 1).splitlines()}
    assert "+40.0 points (+3" in lines["| + formats"]  # the whole interval lies above none
    assert "+0.0 points (+0.0 to +0.0)" in lines["| + judge"]
    assert "20.0% (12.7% to 29.2%)" in lines["| structure only"]


@pytest.mark.parametrize(("said", "valid", "known"), [
    ("It is so.\n\nAnswer: CWE-1", None, True),
    ("It is so.\n\nAnswer: CWE-77", None, False),
    ("CWE-1", None, False),
    ('{"colour": "red"}', True, None),
    ('```json\n{"colour": "red"}\n```', False, None),
])  # fmt: skip
def test_what_counts(ablation: Any, said: str, valid: bool | None, known: bool | None) -> None:
    row = ablation.Row(messages=(), task="advisory/extract" if known is None else "cve-weakness/root-cause",
                       kind="json-extraction" if known is None else "closed-book")  # fmt: skip
    found = ablation._right(row, said, False, frozenset({"CWE-1"}))
    assert (found.get("valid"), found.get("id")) == (valid, known)
