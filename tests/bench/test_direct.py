"""Embedded models, asked without Inspect; names of actors; the blind ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from vedette.bench import direct
from vedette.bench.actors import Actors
from vedette.bench.asked import Asked
from vedette.bench.items import Item, Kind
from vedette.bench.measured import read
from vedette.bench.models import MODELS, Chance, Constant, Shipped
from vedette.bench.protocol import PROTOCOLS
from vedette.bench.scoring import score
from vedette.cli import app
from vedette.errors import ConfigError
from vedette.knowledge.store import Knowledge

TEXT = "SQL injection in the search form lets remote attackers read the database"
VECTOR = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data/cti-bench"
    folder.mkdir(parents=True)
    head = "URL\tDescription\tPrompt\tGT\n"
    rows = "".join(
        f"https://nvd.nist.gov/vuln/detail/CVE-2024-1000{n}\t{TEXT}\tMap: {TEXT}\tCWE-89\n" for n in range(5)
    )
    (folder / "cti-rcm.tsv").write_text(head + rows)
    (folder / "cti-vsp.tsv").write_text(head + rows.replace("CWE-89", VECTOR))
    return tmp_path / "data"


def test_the_command(data: Path, tmp_path: Path) -> None:
    options = ["--data", str(data), "--out", str(tmp_path / "out"), "--any-version"]
    told = CliRunner().invoke(app, ["bench", "run", "all", "--model", "vedette/experts", *options])
    assert told.exit_code == 0, told.output
    assert "cti-rcm: accuracy 100.0 [100.0, 100.0], n = 5" in told.output
    measured = read(tmp_path / "out/cti-vsp.vedette-experts.zero-shot")
    assert measured.headline["name"] == "mean absolute deviation"
    assert measured.seconds > 0
    assert measured.calibration
    assert measured.calibration.n == 5
    assert "calibration error" in told.output
    wrong = CliRunner().invoke(app, ["bench", "run", "cti-rmc", "--model", "vedette/experts", *options])
    assert "cti-rcm" in str(wrong.exception)
    odd = CliRunner().invoke(app, ["bench", "run", "all", "--model", "vedette/constant", "-M", "x=1", *options])
    assert "no such argument" in str(odd.exception)
    nobody = CliRunner().invoke(app, ["bench", "run", "cti-rcm", "--model", "vedette/expert", *options])
    assert "experts" in str(nobody.exception)


def test_an_embedded_model_has_no_likelihoods(data: Path, tmp_path: Path) -> None:
    asked = Asked(model="vedette/constant", way=PROTOCOLS["likelihood"], data=data, any_version=True)
    with pytest.raises(ConfigError, match="one way, not by 'likelihood'"):
        list(direct.run(["cti-rcm"], asked, tmp_path))


@pytest.mark.parametrize(
    ("model", "address", "here"),
    [
        ("vedette/experts", "", True),
        ("openai-api/gguf/tiny", "http://127.0.0.1:8080/v1", True),
        ("openai-api/local/tiny", "http://localhost:8080/v1", True),
        ("openai-api/local/tiny", "http://127.0.0.1.example.org/v1", False),
        ("openai/gpt", "", False),
    ],
)
def test_whose_energy_it_is(model: str, address: str, here: bool) -> None:
    assert Asked(model=model, address=address, way=PROTOCOLS["zero-shot"], data=Path()).here is here


def item(kind: Kind, text: str = TEXT, right: str = "A") -> Item:
    return Item(id="1", kind=kind, prompt=text, text=text, right=(right,), letters="ABCD", choices=tuple("wxyz"))


def test_the_experts_answer_what_they_know() -> None:
    model = Shipped()
    assert score(item(Kind.WEAKNESS, right="CWE-89"), model.answer(item(Kind.WEAKNESS))).value == 1
    assert score(item(Kind.VECTOR, right=VECTOR), model.answer(item(Kind.VECTOR))).valid
    assert model.answer(item(Kind.SCORE, text=VECTOR)) == "7.5"
    dump = "The actor dumps credentials from the memory of lsass."
    assert model.answer(item(Kind.TECHNIQUE, dump)) == "T1003"
    assert "T1003" in model.answer(item(Kind.TECHNIQUES, dump))
    for kind in (Kind.CHOICE, Kind.ACTOR, Kind.PROSE):
        assert model.answer(item(kind)) == ""
    for kind in (Kind.WEAKNESS, Kind.VECTOR, Kind.SCORE, Kind.TECHNIQUE):
        assert model.answer(item(kind, text="")) == ""


@pytest.mark.parametrize("kind", list(Kind))
def test_blind_answers_are_valid(kind: Kind) -> None:
    right = {Kind.VECTOR: VECTOR, Kind.SCORE: "7.5"}.get(kind, "A")
    for model in (Constant(), Chance()):
        reply = model.answer(item(kind, right=right))
        assert score(item(kind, right=right), reply).valid, (model.name, reply)
        assert reply == model.answer(item(kind, right=right))


def test_every_model_can_be_loaded() -> None:
    assert set(MODELS) >= {"experts", "constant", "chance"}


@pytest.mark.facts
def test_names_of_one_actor() -> None:
    with Knowledge.open() as store:
        actors = Actors(store)
        assert actors.same("APT28", "Fancy Bear")
        assert actors.same("apt-28", "APT28")
        assert not actors.same("APT28", "APT29")
        assert not actors.same("nobody at all", "no one")
