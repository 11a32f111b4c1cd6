"""What teachers and judges are asked, as files: `name.vN.md`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from vedette.engine.protocol import Message, Role
from vedette.prompts import Prompt, load

_FOLDER = Path(__file__).parent


@cache
def prompt(name: str) -> Prompt:
    return load(_FOLDER / f"{name}.v1.md")


def asked(name: str, **values: str) -> Message:
    """As a message of the user."""
    return Message(Role.USER, prompt(name).render(**values).strip())
