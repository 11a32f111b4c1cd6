"""Templates of ours, several for each task: `wording/<group>.v1.toml`, never edited after a card cites its sha256.

    [tactic]
    ask = ["Which tactics of ATT&CK does {technique} serve?", "…"]
    say = ["{technique} serves {final}."]

`ask` and `say` take the draft's slots, and `final`; what they put in is not expanded again. Of a choice, `ask` gets the
options below it; of what ends in an exact answer, `say` gets the last line `Answer: …`.
"""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import RootModel

from vedette.config import Settings, load_toml
from vedette.errors import ConfigError

FOLDER = Path(__file__).with_name("wording")
_SLOT = re.compile(r"[a-z][a-z0-9_]*")


class Words(Settings):
    ask: tuple[str, ...]
    say: tuple[str, ...] = ("{final}",)


class _File(RootModel[dict[str, Words]]):
    pass


@dataclass(frozen=True, slots=True)
class Wording:
    """A group's templates. `name` is file and version: "attack-technique.v1"."""

    name: str
    sha256: str
    tasks: Mapping[str, Words]

    def of(self, task: str) -> Words:
        if task not in self.tasks:
            raise ConfigError(f"no templates for the task '{task}'", where=self.name, remedy="add a table of that name")
        return self.tasks[task]


@cache
def load(group: str, folder: Path = FOLDER) -> Wording:
    """The newest version for a group, as "attack-technique". Raises ConfigError for one that is not well-formed."""
    found = sorted(folder.glob(f"{group}.v*.toml"), key=lambda path: int(path.suffixes[-2][2:]))
    if not found:
        raise ConfigError(f"no templates for the group '{group}'", where=str(folder), remedy=f"write {group}.v1.toml")
    path = found[-1]
    words = load_toml(path, _File).root
    for task, one in words.items():
        for template in (*one.ask, *one.say):
            _check(template, f"{path}: [{task}]")
    digest = hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
    return Wording(path.name.removesuffix(".toml"), digest, words)


def filled(template: str, slots: Mapping[str, str]) -> str:
    """Raises ConfigError where a slot is missing."""
    try:
        return template.format_map(slots)
    except KeyError as exc:
        raise ConfigError(
            f"no slot {exc}", where=template[:80], remedy=f"there are {', '.join(sorted(slots))}"
        ) from exc


def fitting(templates: Iterable[str], slots: Mapping[str, str]) -> tuple[str, ...]:
    """Those whose slots are all there."""
    return tuple(one for one in templates if {part[1] for part in string.Formatter().parse(one)} - {None} <= {*slots})


def _check(template: str, where: str) -> None:
    """Plain slots only: no attribute, index or format of one."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as exc:
        raise ConfigError(f"'{template[:60]}': {exc}", where=where, remedy="write {{ for a brace") from exc
    for _, slot, form, conversion in parts:
        if slot is not None and (not _SLOT.fullmatch(slot) or form or conversion):
            raise ConfigError(
                f"'{{{slot}}}' in '{template[:60]}'", where=where, remedy="use plain names as {technique}"
            )
