"""May this base and these rows be trained on for what the recipe is for? Asked before the first step.

`licences.toml` says what each licence allows. What it does not know is refused, until the recipe says under `accept`
that somebody read it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Literal

from pydantic import Field

from vedette import manifest
from vedette.config import Settings, load_toml
from vedette.errors import ConfigError
from vedette.registry import near
from vedette.train.slm.recipe import Recipe

Purpose = Literal["any", "internal", "research"]
Verdict = Literal["yes", "accept", "no"]
NONE = "none stated"
TOLD = 5  # faults that a message names
_HEADING, _ROW = "## Licences", re.compile(r"^\| (?!licence \||---)(.+?) \| [\d,]+ \|$")


class Licence(Settings):
    names: tuple[str, ...] = Field(default=(), description="other spellings")
    any: Verdict
    internal: Verdict
    research: Verdict
    why: str
    notice: str = ""

    def allows(self, purpose: Purpose) -> Verdict:
        verdict: Verdict = getattr(self, purpose)
        return verdict


class _Catalog(Settings):
    licence: dict[str, Licence]


@dataclass(frozen=True, slots=True)
class Judged:
    """`notices`: what the card of the model has to say. `accepted`: what the recipe vouched for."""

    licences: Mapping[str, int]  # as the table names them → rows that rest on them
    notices: tuple[str, ...]
    accepted: tuple[str, ...]


def known() -> dict[str, Licence]:
    return dict(_known())


@cache
def _known() -> dict[str, Licence]:
    with as_file(files("vedette.train.slm") / "licences.toml") as path:
        return load_toml(path, _Catalog).licence


def named(name: str) -> tuple[str, Licence] | None:
    """The licence as the table names it; None for one that it does not know."""
    own = _spellings().get(_plain(name))
    return (own, _known()[own]) if own else None


def parts(joined: str) -> list[str]:
    """Of a row's `licence`: all of them apply. A row without one has `none stated`."""
    found = [part.strip() for part in joined.split(";") if part.strip()]
    return list(dict.fromkeys(found)) or [NONE]


def check_base(recipe: Recipe) -> Judged:
    """Of a published model; one from random values has none. Raises ConfigError."""
    base = recipe.base
    found = {base.licence: 1} if base.model else {}
    return _judged(found, recipe.purpose, base.accept, f"the base '{base.model}'", "[base]")


def check_rows(recipe: Recipe, rows: Mapping[str, int]) -> Judged:
    """`rows`: `licence` of rows as they say it → how many. Raises ConfigError."""
    found: Counter[str] = Counter()
    for joined, number in rows.items():
        found.update(dict.fromkeys(parts(joined), number))
    return _judged(found, recipe.purpose, recipe.data.accept, "the data", "[data]")


def of_card(folder: Path) -> dict[str, int]:
    """What the card of a forge's folder counts, each at least once; {} where there is no card.

    Raises ArtefactError where there is no manifest: the forge did not finish.
    """
    manifest.read(folder)
    card = folder / "card.md"
    if not card.is_file():
        return {}
    section = card.read_text("utf-8", errors="replace").partition(_HEADING)[2].partition("\n## ")[0]
    rows = (_ROW.match(line) for line in section.splitlines())
    return {row[1]: 1 for row in rows if row}


def notices(judged: Iterable[Judged]) -> tuple[str, ...]:
    """Each once, in order."""
    return tuple(dict.fromkeys(text for one in judged for text in one.notices))


def _judged(
    found: Mapping[str, int], purpose: Purpose, accept: Sequence[str], what: str, table: str
) -> Judged:  # fmt: skip
    vouched = {_plain(name) for name in accept}
    kept: Counter[str] = Counter()
    faults: list[str] = []
    accepted: list[str] = []
    for name, number in sorted(found.items()):
        own, licence = _looked_up(name)
        verdict: Verdict = licence.allows(purpose) if licence else "accept"
        if verdict == "accept" and vouched & {_plain(name), _plain(own)}:
            accepted.append(name)
        elif verdict != "yes":
            faults.append(_fault(name, number, licence, purpose, verdict))
        kept[own] += number
    if faults:
        raise _refused(faults, found, purpose, what, table)
    said = [one.notice for name in kept if (one := _looked_up(name)[1])]
    return Judged(dict(kept), tuple(text for text in dict.fromkeys(said) if text), tuple(accepted))


def _looked_up(name: str) -> tuple[str, Licence | None]:
    return named(name) or (name, None)


def _fault(name: str, number: int, licence: Licence | None, purpose: Purpose, verdict: Verdict) -> str:
    rows = f" ({number:,} rows)" if number > 1 else ""
    if licence is None:
        hint = near(name, _known())
        return f"'{name}'{rows} is not known here" + (f" ({hint})" if hint.startswith("did you mean") else "")
    if verdict == "no":
        return f"'{name}'{rows} forbids purpose = \"{purpose}\": {licence.why}"
    return f"'{name}'{rows} sets conditions for purpose = \"{purpose}\": {licence.why}"


def _refused(faults: Sequence[str], found: Mapping[str, int], purpose: Purpose, what: str, table: str) -> ConfigError:
    names = [name for name in sorted(found) if _open(name, purpose)]
    spelled = ", ".join(f'"{name}"' for name in names)
    ways = [f"once you read them and keep to them, set accept = [{spelled}] under {table}"] if names else []
    if len(names) < len(faults):
        ways.append("for what is forbidden: leave it out, or set another `purpose`")
    more = f"; and {len(faults) - TOLD} more" if len(faults) > TOLD else ""
    text = "; ".join(faults[:TOLD])
    return ConfigError(f"{what} may not be trained on: {text}{more}", where=table, remedy="; ".join(ways))


def _open(name: str, purpose: Purpose) -> bool:
    """Can a recipe vouch for it?"""
    licence = named(name)
    return licence is None or licence[1].allows(purpose) == "accept"


@cache
def _spellings() -> dict[str, str]:
    return {_plain(name): own for own, one in _known().items() for name in (own, *one.names)}


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "-", name.strip().casefold())
