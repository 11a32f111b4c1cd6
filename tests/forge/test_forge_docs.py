"""docs/forge*.md name every command, recipe key and field."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer.main

from vedette.cli.forge import app
from vedette.forge.mix import Line
from vedette.forge.recipe import Recipe
from vedette.forge.turn import Turn

DOCS = Path(__file__).resolve().parents[2] / "docs"
TEXT = "".join(path.read_text("utf-8") for path in sorted(DOCS.glob("forge*.md")))


def keys() -> list[str]:
    tables = {name: field.annotation for name, field in Recipe.model_fields.items()}
    inner = [key for table in tables.values() for key in getattr(table, "model_fields", ())]
    return [*(name for name, table in tables.items() if not hasattr(table, "model_fields")), *inner]


@pytest.mark.parametrize("name", sorted({*keys(), *Line.__struct_fields__, *map(str, Turn)}))
def test_it_is_named(name: str) -> None:
    assert f"`{name}`" in TEXT or f" {name}`" in TEXT


def test_every_command_is_named() -> None:
    for name in typer.main.get_command(app).commands:  # type: ignore[attr-defined]
        assert f"vedette forge {name}" in TEXT
