"""The model card, byte for byte. `VEDETTE_GOLDEN=write pytest tests/train/slm` writes it anew."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from vedette import manifest
from vedette.errors import ArtefactError
from vedette.train.slm import card, card_facts
from vedette.train.slm.card_facts import Data, Facts, Measured, Origin, Score, data, manifest_counts, stage
from vedette.train.slm.curve import Run

from .runs import events, run

GOLDEN = Path(__file__).parent / "golden"
SHAPE = "8 layers of width 256, 4 heads of 64 (2 for keys and values), inner layers of 768, 8,192 tokens"
FORGED = Data(
    "structure", "ab" * 32, 461_000, {"too long": 500, "no answer": 70}, 63_000_000,
    {"ATT&CK Terms of Use": 260_000, "CWE Terms of Use": 90_000, "public domain; CC0-1.0": 111_000, "": 36},
    "held against 14,511 items of the benchmarks by id, text and 13-grams; left out: benchmark (gram) 74,985",
)  # fmt: skip
SMALL = Facts(
    name="quick", licence="Apache-2.0", origin=Origin(12_345_678, 12_345_678, shape=SHAPE), recipe="quick",
    recipe_sha256="cd" * 32, seed=7, data=[FORGED], stages=[stage("sft", run(events(40)))], machine="2 cores, 8 GB",
    versions={"vedette": "0.1.0", "torch": "2.13.0"}, use="Shows that the path works; no use otherwise.",
)  # fmt: skip
FULL = replace(
    SMALL, name="vedette-4b",
    origin=Origin(4_022_468_096, 33_030_144, "Qwen/Qwen3-4B", "Apache-2.0", "ef" * 32, method="LoRA, rank 16"),
    recipe="qwen3-4b", data=[FORGED, Data("own", "", 900, {}, 120_000, {"internal": 900})],
    stages=[stage("pretrain", run(events(20, why="time"))), stage("sft", run(events(40, why="no better dev loss")))],
    limits="Texts that are not English; plants (ICS).",
    scores=[
        Score("CTI-RCM", 1_000, Measured(0.612, 0.581, 0.642), Measured(0.5, 0.469, 0.531), 0.001),
        Score("CTI-VSP, deviation", 1_000, Measured(1.05, 0.99, 1.12), None, None, points=True),
    ],
    serve=["llama-server -m vedette-4b-Q4_K_M.gguf --port 8080", "ollama create vedette-4b -f Modelfile"],
    remake=["vedette train sft --recipe recipes/qwen3-4b.toml --data structure --out vedette-4b"],
    repeatable="Killed and resumed, the losses of 40 steps were the same.",
    notices=["Built with Qwen."], joules=7_200_000.0, signed="0123456789abcdef",
)  # fmt: skip
EMPTY = replace(SMALL, data=[], stages=[stage("sft", Run())], versions={})
CASES = {"small": SMALL, "full": FULL, "empty": EMPTY}


@pytest.mark.parametrize("name", CASES)
def test_cards(name: str) -> None:
    path, content = GOLDEN / f"card-{name}.md", card.render(CASES[name])
    if os.environ.get("VEDETTE_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    assert content == path.read_text("utf-8")


def test_what_the_manifest_counts() -> None:
    assert manifest_counts(FULL) == {
        "parameters": 4_022_468_096, "parameters learned": 33_030_144, "rows": 461_900, "rows left out": 570,
        "rows left out: too long": 500, "rows left out: no answer": 70, "tokens of the rows": 63_120_000,
        "pretrain: steps": 20, "pretrain: tokens": 81_920, "sft: steps": 40, "sft: tokens": 163_840,
    }  # fmt: skip


@pytest.mark.parametrize(
    "attack", ["[x](javascript:1)", "<img src=x>", "a | b", "**loud**", "`code", "see https://evil.example/", "a\n# b"]
)
def test_what_came_with_the_data_is_no_markup(attack: str) -> None:
    hostile = replace(FORGED, name=attack, left={attack: 3}, licences={attack: 4}, contamination=attack)
    plain = replace(FORGED, name="x", left={"x": 3}, licences={"x": 4}, contamination="x")
    lines, usual = (card.render(replace(SMALL, data=[one])).splitlines() for one in (hostile, plain))
    assert len(lines) == len(usual)
    for line, other in zip(lines, usual, strict=True):
        outside = "".join(line.split("`")[::2]) if "https" in line else line.replace("\\`", "")
        bare = outside.replace("\\|", "").replace("\\[", "").replace("\\]", "").replace("\\<", "").replace("\\*", "")
        assert bare.count("|") == other.count("|")
        assert "](" not in bare
        assert "<img" not in bare
        assert "**loud" not in bare
        assert "https:" not in bare


# -- of a folder --------------------------------------------------------------------------------


@pytest.fixture
def forged(tmp_path: Path) -> Path:
    folder = tmp_path / "structure"
    folder.mkdir()
    (folder / "card.md").write_text("# structure\n\n- seed: 7\n- contamination: held against 3 items; none\n")
    manifest.write(folder / manifest.FILE_NAME, outputs=[folder / "card.md"])
    return folder


def test_the_card_of_the_data_is_believed_with_its_manifest(forged: Path) -> None:
    found = data(forged, 5, {"too long": 1}, 100, {"MIT": 5})
    assert found.name == "structure"
    assert found.sha256 == manifest.sha256_file(forged / manifest.FILE_NAME)
    assert found.contamination == "held against 3 items; none"


def test_a_card_that_was_changed_is_refused(forged: Path) -> None:
    with (forged / "card.md").open("a") as file:
        file.write("- contamination: none at all\n")
    with pytest.raises(ArtefactError, match=r"does not match its manifest.*copy it whole"):
        data(forged, 5, {}, 100, {})
    (forged / "card.md").unlink()
    with pytest.raises(ArtefactError, match="cannot be read"):
        data(forged, 5, {}, 100, {})


def test_data_without_a_manifest_or_card_is_said_to_be_unknown(tmp_path: Path, forged: Path) -> None:
    (tmp_path / "card.md").write_text("- contamination: none, believe me\n")
    found = data(tmp_path, 5, {}, 100, {})
    assert (found.sha256, found.contamination) == ("", card_facts.UNKNOWN)
    (forged / manifest.FILE_NAME).unlink()
    manifest.write(forged / manifest.FILE_NAME)
    assert data(forged, 5, {}, 100, {}).contamination == card_facts.UNKNOWN


@pytest.mark.parametrize(
    ("licences", "said"),
    [
        (["ATT&CK Terms of Use", "MIT"], ["ATT&CK®"]),
        (["CWE Terms of Use", "CAPEC Terms of Use"], ["CWE™", "CAPEC™"]),
        (["public domain; CC0-1.0; MIT; CC-BY-4.0"], ["NIST", "CC BY"]),
        (["DRL-1.1", "CVE Terms of Use; DRL-1.1"], ["Sigma", "CVE®"]),
        (["MIT", "CC0-1.0", "unheard of", ""], []),
    ],
)
def test_what_publishers_want_said(licences: list[str], said: list[str]) -> None:
    found = card_facts.notices(licences)
    assert len(found) == len(said)
    assert all(part in notice for part, notice in zip(said, found, strict=True))
