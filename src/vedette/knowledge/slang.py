"""Analysts' shorthand: a question is searched with what publishers write instead."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import as_file, files

from pydantic import Field

from vedette.config import Settings, load_toml

LONGEST = 3  # words of a phrase
_WORD = re.compile(r"[\w/-]+")


class Slang(Settings):
    says: dict[str, str] = Field(description="what analysts say, in lower case → what publishers write")


@cache
def _says() -> dict[str, str]:
    with as_file(files("vedette.knowledge") / "slang.toml") as path:
        return load_toml(path, Slang).says


def spell_out(question: str) -> str:
    """The question, followed by what its shorthand stands for."""
    words = _WORD.findall(question.lower())
    parts = (" ".join(words[at : at + n]) for n in range(1, LONGEST + 1) for at in range(len(words) - n + 1))
    return " ".join([question, *dict.fromkeys(_says()[part] for part in parts if part in _says())])
