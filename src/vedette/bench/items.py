"""What a benchmark asks: its items, whatever file they came from."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """What an answer looks like."""

    CHOICE = "choice"  # one letter
    CHOICES = "choices"  # every right letter and no other
    WEAKNESS = "weakness"  # a CWE
    VECTOR = "vector"  # CVSS v3 base metrics
    SCORE = "score"  # a CVSS base score
    TECHNIQUE = "technique"  # one ATT&CK technique, sub-techniques count as theirs
    TECHNIQUES = "techniques"  # the main techniques of a text
    MITIGATIONS = "mitigations"  # of ATT&CK, M-numbers
    ACTOR = "actor"  # the name of a group
    PROSE = "prose"  # a sentence


class Item(msgspec.Struct, frozen=True, kw_only=True):
    id: str  # within its benchmark
    kind: Kind
    prompt: str  # as the benchmark words it
    right: tuple[str, ...]  # answers that count; of sets, all of them together
    text: str = ""  # what is asked about, without the instruction
    choices: tuple[str, ...] = ()
    letters: str = ""  # of the choices, and of "I do not know" where the benchmark has it
    domain: str = ""  # of ATT&CK, where the question names it
    slices: dict[str, str] = {}  # name → value: what scores are also shown by
