"""The ATT&CK tactic of a signal: as the rule states it, else read from the rule's name."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from pathlib import Path

from pydantic import field_validator

from vedette.config import Settings, load_toml
from vedette.knowledge import attack
from vedette.skills.triage.signals import Signal


class Entry(Settings):
    tactic: str
    words: str

    @field_validator("tactic")
    @classmethod
    def _is_tactic(cls, value: str) -> str:
        if attack.tactic(value) is None:
            raise ValueError(f"{value!r} is no ATT&CK tactic")
        return value


class Lexicon(Settings):
    entry: tuple[Entry, ...]


@cache
def lexicon() -> tuple[tuple[re.Pattern[str], str], ...]:
    entries = load_toml(Path(__file__).with_name("lexicon.toml"), Lexicon).entry
    return tuple((re.compile(e.words, re.IGNORECASE), e.tactic) for e in entries)


@lru_cache(maxsize=20_000)
def read_from_name(rule_name: str) -> str:
    """The tactic that a rule's name suggests, "" where it suggests none."""
    return next((tactic for pattern, tactic in lexicon() if pattern.search(rule_name)), "")


@lru_cache(maxsize=20_000)
def _stated(tactics: tuple[str, ...], techniques: tuple[str, ...]) -> str:
    known = [t for t in (x.lower().replace(" ", "-") for x in tactics) if attack.tactic(t)]
    if not known:
        known = [t for uid in techniques if (found := attack.resolve(uid)) for t in found.tactics]
    return min(known, key=attack.tactic_order, default="")


def tactic_of(signal: Signal) -> str:
    """Short name of the earliest tactic stated (a technique can serve several), else what the name suggests, or ""."""
    return _stated(signal.tactics, signal.techniques) or read_from_name(signal.rule_name)
