"""runs/full.sh: every command of it is one that vedette has, with the options that it has."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from vedette.cli import app

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "runs" / "full.sh"
PROGRAM = Path(sys.executable).with_name("vedette")
# Commands that other parts of the same release bring: until all are there, the dry run has to say so.
NEEDED = {
    "train": ("plan", "texts", "pretrain", "sft", "pairs", "dpo", "grpo", "merge", "export"),
    "model": ("gate", "promote", "history"),
}


def missing() -> list[str]:
    groups: Any = typer.main.get_command(app)
    here = {group: groups.commands[group].commands for group in NEEDED}
    return [f"{group} {name}" for group, names in NEEDED.items() for name in names if name not in here[group]]


@pytest.fixture(scope="module")
def parser() -> Any:
    spec = importlib.util.spec_from_file_location("parsed", ROOT / "scripts" / "parsed.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(script: Path, *given: str) -> subprocess.CompletedProcess[str]:
    own = {"PYTHON": sys.executable, "VEDETTE": str(PROGRAM), "COLUMNS": "100", "OMP_NUM_THREADS": "1"}
    environment = {**os.environ, **own, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = ["bash", str(script), *given]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )  # fmt: skip


needs_bash = pytest.mark.skipif(not shutil.which("bash") or not PROGRAM.exists(), reason="bash or vedette is not there")


@needs_bash
@pytest.mark.xfail(bool(missing()), reason=f"not there yet: {', '.join(missing())}", strict=True)
def test_every_command_parses_and_every_recipe_is_planned() -> None:
    done = run(SCRIPT, "--dry-run")
    assert done.returncode == 0, done.stderr[-2_000:]
    for name in (
        "train sft",
        "train pretrain",
        "train dpo",
        "train grpo",
        "train merge",
        "train export",
        "bench run",
        "model gate",
    ):
        assert f"parsed: vedette {name}\n" in done.stdout
    for path in (ROOT / "recipes").glob("*.toml"):
        if "\n[sft]" in path.read_text("utf-8"):
            assert f"recipes/{path.name}\nstage " in done.stdout


@needs_bash
def test_a_misspelt_option_ends_the_dry_run(tmp_path: Path) -> None:
    for name in ("runs", "recipes"):
        (tmp_path / name).mkdir()
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    broken = tmp_path / "runs" / "full.sh"
    broken.write_text(SCRIPT.read_text("utf-8").replace("--recipe recipes/forge-full.toml", "--recpie X", 1), "utf-8")
    done = run(broken, "--dry-run")
    assert done.returncode == 2
    assert "vedette forge run --recpie X" in done.stderr
    assert "No such option" in done.stderr


@needs_bash
def test_a_run_needs_the_base() -> None:
    done = run(SCRIPT, "--run")
    assert done.returncode == 2
    assert "give the folder of Qwen3-4B-Base" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["forge", "bulid"], "No such command 'bulid'"),
        (["forge", "build", "--benchmark", "x"], "No such option"),
        (["train", "plan"], "Missing option '--recipe'"),
        (["train", "plan", "--recipe", "x", "--gpus", "many"], "Invalid value for '--gpus'"),
        (["knowledge", "import"], "Missing argument"),
    ],
)
def test_what_cannot_be_parsed_is_said(parser: Any, words: list[str], message: str, capsys: Any) -> None:
    assert parser.main(words) == 2
    assert message in capsys.readouterr().err


def test_what_can_be_parsed_is_not_run(parser: Any, capsys: Any) -> None:
    assert parser.main(["forge", "build", "--recipe", "/absent.toml", "--out", "/absent"]) == 0
    assert capsys.readouterr().out == "parsed: vedette forge build\n"
