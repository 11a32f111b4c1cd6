"""One log line: its text, what stands in it, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from random import Random

Value = str | int
Maker = Callable[[Random, datetime], "Line"]


@dataclass(frozen=True, slots=True)
class Line:
    source: str  # "sshd"
    text: str
    fields: Mapping[str, Value]  # in a stable order; each value stands in the text
    says: str  # a sentence
    technique: str = ""  # ATT&CK id, where the line alone is a sign of one; "" for everyday business
    why: str = ""  # a sentence: what points to it, or what makes it harmless
    family: str = ""  # lines of the same family are told apart by values alone
