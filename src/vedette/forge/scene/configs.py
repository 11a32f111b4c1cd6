"""Configuration files put together of parts in good and bad forms. `findings.toml` holds the parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from pydantic import RootModel

from vedette.config import Settings, load_toml
from vedette.forge.scene import cast


class Part(Settings):
    good: str
    always: bool = False
    id: str = ""  # "" of filler
    bad: str = ""
    cwe: str = ""
    control: str = ""
    why: str = ""  # a clause
    fix: str = ""  # a sentence


class FileKind(Settings):
    name: str
    part: tuple[Part, ...]
    head: tuple[str, ...] = ()
    tail: tuple[str, ...] = ()
    ordered: bool = False  # parts keep their order
    join: str = ""  # at the end of every part but the last


class _Kinds(RootModel[dict[str, FileKind]]):
    pass


@cache
def kinds() -> Mapping[str, FileKind]:
    return load_toml(Path(__file__).with_name("findings.toml"), _Kinds).root


@dataclass(frozen=True, slots=True)
class Finding:
    part: Part
    line: int  # from 1
    text: str  # of that line
    repaired: str


@dataclass(frozen=True, slots=True)
class Config:
    kind: str
    lines: tuple[str, ...]
    findings: tuple[Finding, ...]  # in the order of lines

    @property
    def about(self) -> FileKind:
        return kinds()[self.kind]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def numbered(self) -> str:
        return "\n".join(f"{number:2}: {line}" for number, line in enumerate(self.lines, 1))

    @property
    def repaired(self) -> str:
        lines = list(self.lines)
        for one in self.findings:
            lines[one.line - 1] = one.repaired
        return "\n".join(lines)


def config(rng: Random, bad: int, kind: str = "") -> Config:
    """With so many findings."""
    kind = kind or rng.choice(list(kinds()))
    about = kinds()[kind]
    weak = {part.id for part in rng.sample([p for p in about.part if p.id], bad)}
    rest = [p for p in about.part if p.always or p.id in weak or rng.random() < 0.6]
    if not about.ordered:
        rng.shuffle(rest)
    lines = [_told(rng, line) for line in about.head]
    findings = []
    for number, part in enumerate(rest, 1):
        good, worse = _forms(rng, part)
        chosen = worse if part.id in weak else good
        end = about.join if number < len(rest) else ""
        if part.id in weak:
            place = next(n for n, (a, b) in enumerate(zip(worse, good, strict=True)) if a != b)
            findings.append(Finding(part, len(lines) + place + 1, worse[place] + end, good[place] + end))
        lines += [*chosen[:-1], chosen[-1] + end]
    return Config(kind, (*lines, *(_told(rng, line) for line in about.tail)), tuple(findings))


def _forms(rng: Random, part: Part) -> tuple[list[str], list[str]]:
    """Both with the same invented names, line by line."""
    seed = rng.getrandbits(32)
    return _told(Random(seed), part.good).split("\n"), _told(Random(seed), part.bad).split("\n")


def _told(rng: Random, text: str) -> str:
    for slot, value in (
        ("{word}", rng.choice(cast.WORDS)),
        ("{user}", cast.person(rng)),
        ("{n}", str(rng.randint(2, 90))),
    ):
        text = text.replace(slot, value)
    return text
