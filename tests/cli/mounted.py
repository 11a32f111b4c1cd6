"""`vedette forge format …`, whether or not `vedette forge` has it already."""

from __future__ import annotations

FORMAT = """
import sys, typer
from vedette.cli import app, forge_format, main
forge = next((group.typer_instance for group in app.registered_groups if group.name == "forge"), None)
if forge is None:
    forge = typer.Typer()
    app.add_typer(forge, name="forge")
if "format" not in {group.name for group in forge.registered_groups}:
    forge.add_typer(forge_format.app, name="format")
sys.argv[1:1] = ["forge", "format"]
main()
"""
