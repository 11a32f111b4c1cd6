"""What a run leaves behind, how two compare, and the page of all."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import orjson
import pytest
from arro3.io import read_parquet
from defusedxml.ElementTree import fromstring
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from vedette.bench import report
from vedette.bench.calibration import calibration
from vedette.bench.catalog import benchmarks
from vedette.bench.items import Item, Kind
from vedette.bench.measured import (
    RECORDS,
    SCORES,
    Measured,
    Record,
    compared,
    difference,
    every,
    item_set,
    mcnemar,
    read,
    values,
    write,
)
from vedette.bench.protocol import PROTOCOLS
from vedette.bench.scoring import rows, score
from vedette.cli import app
from vedette.errors import ConfigError, InputError

VECTOR = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"


def made(folder: Path, model: str, rights: list[bool], **more: object) -> Path:
    """A run on items of which these were answered rightly."""
    items = [
        Item(id=f"CVE-2024-{n}", kind=Kind.WEAKNESS, prompt=f"Question {n}", right=("CWE-79",), slices={"year": "2024"})
        for n in range(len(rights))
    ]
    replies = ["CWE-79" if right else "CWE-89" for right in rights]
    outcomes = [score(item, reply) for item, reply in zip(items, replies, strict=True)]
    measured = Measured(
        benchmark="cti-rcm", kind=Kind.WEAKNESS, protocol="zero-shot", model=model, exact_model=f"{model} 1",
        item_set=item_set((item.id, item.prompt) for item in items), n=len(items), rows=rows(Kind.WEAKNESS, outcomes),
        slices={}, seconds=1.5, tokens={"in": 10, "out": 2}, versions={"vedette": "0"}, files={"a.tsv": "0" * 64},
        made="2026-11-26T00:00:00+00:00",
    )  # fmt: skip
    records = [
        Record(trial=1, outcome=o, reply=r, seconds=0.1, error="")
        for o, r in zip(outcomes, replies, strict=True)
    ]  # fmt: skip
    return write(folder, msgspec.structs.replace(measured, **more), records)


def test_it_is_written_and_read_back(tmp_path: Path) -> None:
    place = made(tmp_path, "vedette/experts", [True, False, True, True])
    told = read(place)
    assert (told.model, told.n, told.headline["value"], place.name) == (
        "vedette/experts", 4, 0.75, "cti-rcm.vedette-experts.zero-shot",
    )  # fmt: skip
    assert values(place, Kind.WEAKNESS) == {f"CVE-2024-{n}": float(n != 1) for n in range(4)}
    table = read_parquet(place / RECORDS).read_all()
    assert table["said"].to_pylist()[1] == '["CWE-89"]'
    assert set(table["protocol"].to_pylist()) == {"zero-shot"}
    assert [m.model for m in every(tmp_path)] == ["vedette/experts"]


def test_what_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"scores\.json.*vedette bench run"):
        read(tmp_path)
    (tmp_path / "scores.json").write_text("{}")
    with pytest.raises(InputError, match="no scores"):
        read(tmp_path)


def test_runs_that_were_asked_otherwise_are_not_compared(tmp_path: Path) -> None:
    a = made(tmp_path, "a", [True, False])
    for what, other in (
        ("protocol", made(tmp_path, "b", [True, False], protocol="five-shot")),
        ("benchmark", made(tmp_path, "c", [True, False], benchmark="cti-rcm-2021")),
        ("items", made(tmp_path, "d", [True, False, True])),
    ):
        with pytest.raises(ConfigError, match=rf"cannot be compared: .*{what}"):
            compared(a, other)


def test_a_paired_difference(tmp_path: Path) -> None:
    a = made(tmp_path, "a", [True] * 60 + [False] * 40)
    b = made(tmp_path, "b", [True] * 80 + [False] * 20)
    told = compared(a, b)
    assert told.value == pytest.approx(0.2)
    assert told.low > 0.1
    assert told.high < 0.3
    assert told.p < 1e-4
    assert (told.better, told.worse, told.n) == (20, 0, 100)
    back = compared(b, a)
    assert (back.value, back.better, back.worse, back.p) == (pytest.approx(-0.2), 0, 20, told.p)


def test_the_same_is_no_difference() -> None:
    same = difference([0.0, 1.0, 1.0], [0.0, 1.0, 1.0])
    assert (same.value, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_of_deviations_the_lower_is_the_better() -> None:
    rng = np.random.default_rng(1)
    first = rng.gamma(2, 1, 300)
    told = difference(first.tolist(), (first * 0.7).tolist(), lower=True)
    assert told.value < told.high < 0
    assert (told.better, told.worse) == (300, 0)
    assert told.p < 0.01


@pytest.mark.parametrize(("up", "down", "p"), [(0, 0, 1.0), (5, 5, 1.0), (10, 0, 2 / 1024), (9, 1, 22 / 1024)])
def test_mcnemar_by_hand(up: int, down: int, p: float) -> None:
    assert mcnemar(up, down) == mcnemar(down, up) == pytest.approx(p)


@given(st.integers(0, 1_500), st.integers(0, 1_500))
def test_mcnemar_is_a_probability(up: int, down: int) -> None:
    assert 0 <= mcnemar(up, down) <= 1


def test_a_false_alarm_in_twenty() -> None:
    rng = np.random.default_rng(3)
    ps = []
    for _ in range(200):
        a, b = (rng.random((2, 120)) < 0.6).astype(float)
        ps.append(difference(a.tolist(), b.tolist()).p)
    assert sum(p < 0.05 for p in ps) <= 20


def test_peers_name_what_they_were_measured_on() -> None:
    assert len(report.peers()) > 20
    for peer in report.peers():
        which = benchmarks()[peer.benchmark]
        assert peer.protocol in PROTOCOLS
        assert peer.source
        assert peer.date
        assert peer.n == which.items, f"{peer.name}: {peer.benchmark} has {which.items} items"


def test_nobody_is_ranked_across_protocols(tmp_path: Path) -> None:
    run = read(made(tmp_path, "a", [True, False], n=1000))
    told = {peer.name for peer in report.comparable(run)}
    assert "MiST-32B" in told
    assert "CyberSecQwen-4B" not in told  # five trials
    assert "CyberSecQwen-4B" in {peer.name for peer in report.others(run)}
    assert not report.comparable(read(made(tmp_path, "b", [True, False], n=2000)))


def test_the_page_and_the_table(tmp_path: Path) -> None:
    made(tmp_path, "<b>model</b>", [True] * 700 + [False] * 300)
    made(tmp_path, "vedette/constant", [False] * 800 + [True] * 200)
    runs = every(tmp_path)
    table = report.markdown(runs)
    assert "| cti-rcm | zero-shot | 1,000 | <b>model</b> | accuracy | 70.0 [67." in table
    assert "MiST-32B 76.4" in table
    page = report.html(runs)
    assert "<b>model" not in page
    assert "default-src 'none'" in page
    drawn = page[page.index("<svg") : page.index("</svg>") + 6]
    dots = fromstring(drawn).iter("circle")
    assert sum(dot.get("class") == "own" for dot in dots) == 2
    assert "not comparable" in page
    assert page.count('<svg class="broad"') == page.count('<svg class="narrow"') == 1
    assert "Calibration of" not in page
    assert "<summary>By year" not in page
    assert "No run yet" in report.html([])


def test_the_page_tells_slices_calibration_and_joules(tmp_path: Path) -> None:
    found = calibration([(0.9, True)] * 30 + [(0.9, False)] * 10)
    sliced = {"year": [{"name": "2024", "measure": "accuracy", "value": 0.75, "n": 40, "low": 0.6, "high": 0.9}]}
    made(tmp_path, "a", [True] * 30 + [False] * 10, calibration=found, slices=sliced, joules={"cpu": 1234.5})
    page = report.html(every(tmp_path))
    assert "Calibration of a: error 15.0 [" in page
    assert "<td>90–100<td>90.0<td>75.0<td>40</tr>" in page
    assert "<td>2024<td>a<td>75.0 [60.0, 90.0]<td>40</tr>" in page
    assert "cpu 1,234 J;" in page


def test_runs_of_before_calibration_are_read(tmp_path: Path) -> None:
    place = made(tmp_path, "a", [True])
    told = orjson.loads((place / SCORES).read_bytes())
    del told["calibration"], told["joules"]
    (place / SCORES).write_bytes(orjson.dumps(told))
    assert (read(place).calibration, read(place).joules) == (None, {})


def test_the_commands(tmp_path: Path) -> None:
    a, b = made(tmp_path, "a", [True] * 90 + [False] * 10), made(tmp_path, "b", [True] * 50 + [False] * 50)
    runner = CliRunner()
    listed = runner.invoke(app, ["bench", "list", "--data", str(tmp_path)])
    assert listed.exit_code == 0
    assert "cti-rcm-2021" in listed.output
    assert "zero-shot" in listed.output
    told = runner.invoke(app, ["bench", "compare", str(a), str(b)])
    assert (told.exit_code, "-0.4000 [-0." in told.output) == (0, True)
    assert runner.invoke(app, ["bench", "compare", str(a), str(b), "--ci"]).exit_code == 1
    assert runner.invoke(app, ["bench", "compare", str(b), str(a), "--ci"]).exit_code == 0
    made_page = runner.invoke(app, ["bench", "report", str(tmp_path)])
    assert made_page.exit_code == 0
    assert (tmp_path / "report.html").exists()
    assert runner.invoke(app, ["bench", "report", str(tmp_path / "none")]).exit_code != 0
