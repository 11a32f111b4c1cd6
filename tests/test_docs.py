"""The documents say what is there: folders, commands, options, errors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from vedette import errors
from vedette.cli import app
from vedette.connect.sources import SOURCES

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8") if (ROOT / "README.md").exists() else ""
DOCS = README + "".join(p.read_text("utf-8") for p in sorted((ROOT / "docs").glob("*.md")))


def folders_in_map() -> list[str]:
    section = README.split("## Map", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^\| `([^`]+)/`", section, re.MULTILINE)


@pytest.mark.parametrize("folder", folders_in_map())
def test_every_folder_of_the_map_exists(folder: str) -> None:
    assert (ROOT / folder).is_dir()


def test_the_map_leaves_no_folder_out() -> None:
    named = set(folders_in_map())
    top = {p.name for p in ROOT.iterdir() if p.is_dir() and not p.name.startswith(".")} - {
        "build",
        "dist",
        "src",
        "vedette-out",
    }
    packages = {f"src/vedette/{p.parent.name}" for p in (ROOT / "src/vedette").glob("*/__init__.py")} - {
        "src/vedette/skills"
    }
    assert top <= named
    assert packages <= named


def test_links_between_documents_lead_somewhere() -> None:
    for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text("utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_command_is_documented() -> None:
    group = typer.main.get_command(app)
    for name in group.commands:  # type: ignore[attr-defined]
        assert f"vedette {name}" in DOCS, name


def test_every_exit_code_is_documented() -> None:
    codes = {c.exit_code for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.VedetteError)}
    table = README.split("## Exit codes", 1)[1].split("\n## ", 1)[0]
    assert codes <= {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_every_source_is_in_the_readme(source: str) -> None:
    assert source in README.lower()


def test_every_environment_variable_is_documented() -> None:
    used = set()
    for path in [*(ROOT / "src").rglob("*.py"), *(ROOT / "bench").glob("*.py")]:
        used |= set(re.findall(r"VEDETTE_[A-Z_]+", path.read_text("utf-8")))
    known = DOCS + (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert {name for name in used if name not in known} == set()
