"""Runs through Inspect: the embedded models, a server that behaves, and one that does not."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from math import log
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inspect_ai")
pytest.importorskip("openai")

from inspect_ai.log import read_eval_log
from typer.testing import CliRunner

from vedette.bench import direct
from vedette.bench.asked import Asked
from vedette.bench.measured import compared, every, read
from vedette.bench.protocol import PROTOCOLS, Protocol
from vedette.bench.run import LOGS, run
from vedette.cli import app
from vedette.errors import InputError

from .server import Server, said

pytestmark = [pytest.mark.bench, pytest.mark.filterwarnings("default")]

TEXT = "SQL injection in the search form lets remote attackers read the database"
XSS = "Stored cross-site scripting in the comment form lets users run script in the browser of others"
ROWS = [(f"CVE-2024-1000{n}", TEXT if n % 2 else XSS, "CWE-89" if n % 2 else "CWE-79") for n in range(6)]


@pytest.fixture(autouse=True)
def streams() -> Iterator[None]:
    """Inspect leaves some open: they are complained of here, where that is no error, not when pytest ends."""
    yield
    gc.collect()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Own files in the shape of the published ones."""
    folder = tmp_path / "data/cti-bench"
    folder.mkdir(parents=True)
    lines = ["URL\tDescription\tPrompt\tGT"]
    lines += [f"https://nvd.nist.gov/vuln/detail/{cve}\t{text}\tMap to a CWE: {text}\t{cwe}" for cve, text, cwe in ROWS]
    (folder / "cti-rcm.tsv").write_text("\n".join(lines) + "\n")
    head = "URL\tQuestion\tOption A\tOption B\tOption C\tOption D\tPrompt\tGT\n"
    rows = "".join(f"https://cwe.mitre.org/{n}\tQuestion {n}?\tw\tx\ty\tz\tQuestion {n}?\tB\n" for n in range(4))
    (folder / "cti-mcq.tsv").write_text(head + rows)
    return tmp_path / "data"


def asked(data: Path, model: str, way: Protocol = PROTOCOLS["zero-shot"], **more: Any) -> Asked:
    return Asked(model=model, data=data, way=way, any_version=True, **more)


def test_the_experts_through_inspect(data: Path, tmp_path: Path) -> None:
    ((told, place),) = run(["cti-rcm"], asked(data, "vedette/experts"), tmp_path / "out")
    assert (told.n, told.headline["value"], told.tokens) == (6, 1.0, {"in": 0, "out": 0})
    assert told.exact_model.startswith("experts ")
    assert told.calibration
    assert told.calibration.n == 6
    assert read(place) == told
    logs = list((tmp_path / "out" / LOGS).rglob("*.eval"))
    found = read_eval_log(str(logs[0]))
    assert found.eval.task == "cti_rcm"
    assert found.results
    assert {name: one.value for name, one in found.results.scores[0].metrics.items()} == {
        "accuracy": 1.0, "low": 1.0, "high": 1.0,
    }  # fmt: skip


def test_baselines_answer_everything(data: Path, tmp_path: Path) -> None:
    for model in ("vedette/constant", "vedette/chance"):
        found = list(run(["cti-rcm", "cti-mcq"], asked(data, model), tmp_path / "out"))
        assert [told.rows[-1]["value"] for told, _ in found] == [0.0, 0.0]
    assert len(every(tmp_path / "out")) == 4


def test_trials_and_limits(data: Path, tmp_path: Path) -> None:
    ((told, _),) = run(["cti-mcq"], asked(data, "vedette/constant", way=PROTOCOLS["five-trials"], limit=2), tmp_path)
    assert (told.n, told.protocol) == (2, "five-trials")
    assert told.name == "cti-mcq.vedette-constant.five-trials.first-2"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("LOCAL_API_KEY", "none")
    made = Server(lambda prompt: (200, said("It injects.\nCWE-89" if "SQL" in prompt else "CWE-20")))
    yield made
    made.close()


def test_a_server_that_behaves(data: Path, tmp_path: Path, server: Server) -> None:
    settings = asked(data, "openai-api/local/tiny", address=server.address)
    ((told, _),) = run(["cti-rcm"], settings, tmp_path)
    assert (told.headline["value"], told.n, told.exact_model) == (0.5, 6, "tiny")
    assert told.tokens == {"in": 42, "out": 18}
    assert server.asked == 6
    ((again, _),) = run(["cti-rcm"], settings, tmp_path)
    assert again.headline == told.headline
    assert server.asked == 6, "finished items are not asked again"


@pytest.mark.parametrize(
    "content",
    [b"<html>502 Bad Gateway</html>", b'{"choices": []}', b'{"id": "1", "choi', b"{}"],
)
def test_a_server_that_talks_nonsense(data: Path, tmp_path: Path, server: Server, content: bytes) -> None:
    good = server.reply
    server.reply = lambda prompt: (200, content) if "cross-site" in prompt else good(prompt)
    settings = asked(data, "openai-api/local/tiny", address=server.address, connections=1, retries=0, patience=20)
    with pytest.raises(InputError, match="run the same command again"):
        list(run(["cti-rcm"], settings, tmp_path))
    before = server.asked
    server.reply = good
    ((told, _),) = run(["cti-rcm"], settings, tmp_path)
    assert (told.n, told.headline["value"]) == (6, 0.5)
    assert server.asked - before == 3, "only what had no answer is asked again"


def test_the_command_asks_a_server(data: Path, tmp_path: Path, server: Server) -> None:
    options = ["--data", str(data), "--out", str(tmp_path / "out"), "--any-version", "--no-progress"]
    where = ["--model", "openai-api/local/tiny", "--address", server.address]
    told = CliRunner().invoke(app, ["bench", "run", "cti-rcm", *where, *options])
    assert told.exit_code == 0, told.output
    assert "cti-rcm: accuracy 50.0" in told.output


def test_with_and_without_inspect_an_embedded_model_is_measured_alike(data: Path, tmp_path: Path) -> None:
    settings = asked(data, "vedette/experts")
    ((slow, place),) = run(["cti-rcm"], settings, tmp_path / "inspect")
    ((quick, other),) = direct.run(["cti-rcm"], settings, tmp_path / "direct")
    assert (slow.rows, slow.item_set, slow.exact_model) == (quick.rows, quick.item_set, quick.exact_model)
    assert slow.calibration == quick.calibration
    told = compared(place, other)
    assert (told.value, told.p) == (0, 1)


def likely(**shares: float) -> bytes:
    """A first token, with the logarithm of each letter's share."""
    told = [{"token": name, "logprob": log(share), "bytes": None} for name, share in shares.items()]
    body = json.loads(said(max(shares, key=lambda name: shares[name])))
    body["choices"][0]["logprobs"] = {"content": [{**told[0], "top_logprobs": told}], "refusal": None}
    return json.dumps(body).encode()


@pytest.mark.parametrize(("sure", "gap"), [(0.25, 0.0), (0.85, 0.6)])
def test_likelihoods_are_calibrated_or_not(
    data: Path, tmp_path: Path, server: Server, sure: float, gap: float
) -> None:  # fmt: skip
    """Right on one question of four; the answer is always B, and other words share what no letter has."""

    def reply(prompt: str) -> tuple[int, bytes]:
        best, rest = "B" if "Question 1?" in prompt else "C", (1 - sure) / 3
        return 200, likely(**({"A": rest, "B": rest, "C": rest, "D": rest} | {best: sure + 1e-9}), The=0.5)

    server.reply = reply
    settings = asked(data, "openai-api/local/tiny", PROTOCOLS["likelihood"], address=server.address)
    ((told, place),) = run(["cti-mcq"], settings, tmp_path)
    assert told.headline["value"] == 0.25
    assert told.calibration
    assert told.calibration.error == pytest.approx(gap, abs=1e-6)
    assert [one.probability for one in told.calibration.bins] == [pytest.approx(sure, abs=1e-6)]
    assert read(place).calibration == told.calibration


def test_a_server_that_tells_no_likelihoods(data: Path, tmp_path: Path, server: Server) -> None:
    settings = asked(data, "openai-api/local/tiny", PROTOCOLS["likelihood"], address=server.address)
    ((told, _),) = run(["cti-mcq"], settings, tmp_path)
    assert (told.headline["value"], told.rows[-1]["value"], told.calibration) == (0, 1, None)
