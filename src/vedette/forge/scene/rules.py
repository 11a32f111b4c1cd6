"""Detection rules of ours: as Sigma, as words, and evaluated on events.

The part of Sigma that is used: selections as maps (all entries have to hold) of values (one is enough, or `|all`), the
modifiers contains, startswith, endswith; conditions `selection` and `selection and not filter`; case is ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from pydantic import RootModel

from vedette.config import Settings, load_toml
from vedette.forge.scene import cast

Event = Mapping[str, str]
WORDS = {"": "is", "contains": "contains", "startswith": "starts with", "endswith": "ends with"}


class Detection(Settings):
    title: str
    source: tuple[str, str, str]  # product, category, service
    technique: str
    level: str
    match: tuple[tuple[str, ...], ...]
    filter: tuple[str, ...]
    false_positives: tuple[str, ...]


class _Detections(RootModel[dict[str, Detection]]):
    pass


@cache
def detections() -> Mapping[str, Detection]:
    return load_toml(Path(__file__).with_name("detections.toml"), _Detections).root


@dataclass(frozen=True, slots=True)
class Match:
    field: str
    how: str  # "", "contains", "startswith", "endswith"
    values: tuple[str, ...]
    every: bool = False  # all values instead of one

    def holds(self, event: Event) -> bool:
        found = event.get(self.field, "").lower()
        told = [_one(self.how, found, value.lower()) for value in self.values]
        return self.field in event and (all(told) if self.every else any(told))

    @property
    def key(self) -> str:
        return "|".join(part for part in (self.field, self.how, "all" if self.every else "") if part)

    @property
    def says(self) -> str:
        """ "`Image` ends with `\\cmd.exe` or `\\pwsh.exe`"."""
        values = [f"`{value}`" for value in self.values]
        last = " and " if self.every else " or "
        told = last.join([", ".join(values[:-1]), values[-1]] if len(values) > 1 else values)
        return f"`{self.field}` {WORDS[self.how]} {told}"


def _one(how: str, found: str, value: str) -> bool:
    match how:
        case "contains":
            return value in found
        case "startswith":
            return found.startswith(value)
        case "endswith":
            return found.endswith(value)
    return found == value


@dataclass(frozen=True, slots=True)
class Rule:
    kind: str  # of `detections`
    uuid: str
    selection: tuple[Match, ...]
    filter: Match | None

    @property
    def about(self) -> Detection:
        return detections()[self.kind]

    @property
    def condition(self) -> str:
        return "selection and not filter" if self.filter else "selection"

    @property
    def source(self) -> str:
        """ "windows, category process_creation"."""
        product, category, service = self.about.source
        named = [product, f"category {category}" if category else "", f"service {service}" if service else ""]
        return ", ".join(part for part in named if part)

    def holds(self, event: Event) -> bool:
        return all(m.holds(event) for m in self.selection) and not (self.filter and self.filter.holds(event))

    @property
    def says(self) -> str:
        told = "; and ".join(m.says for m in self.selection)
        return f"{told}; except where {self.filter.says}" if self.filter else told


def rule(rng: Random, kind: str = "", filtered: bool | None = None) -> Rule:
    kind = kind or rng.choice(list(detections()))
    about = detections()[kind]
    filtered = rng.random() < 0.5 if filtered is None else filtered
    number = cast.digest(rng, 32)
    uuid = f"{number[:8]}-{number[8:12]}-4{number[13:16]}-a{number[17:20]}-{number[20:]}"
    return Rule(
        kind, uuid, tuple(_match(rng, entry) for entry in about.match), _match(rng, about.filter) if filtered else None
    )


def _match(rng: Random, entry: tuple[str, ...]) -> Match:
    field, how, *values = entry
    every = how.endswith("|all")
    taken = values if every else sorted(rng.sample(values, rng.randint(1, min(4, len(values)))))
    return Match(field, how.removesuffix("|all"), tuple(dict.fromkeys(_told(rng, value) for value in taken)), every)


def _told(rng: Random, text: str) -> str:
    while "{word}" in text:
        text = text.replace("{word}", rng.choice(cast.WORDS), 1)
    return text.replace("{domain}", cast.domain(rng))


def detection_block(made: Rule) -> str:
    lines = ["detection:", "    selection:", *_entries(made.selection)]
    if made.filter:
        lines += ["    filter:", *_entries((made.filter,))]
    return "\n".join([*lines, f"    condition: {made.condition}"])


def _entries(matches: tuple[Match, ...]) -> list[str]:
    lines = []
    for one in matches:
        if len(one.values) == 1:
            lines.append(f"        {one.key}: {quoted(one.values[0])}")
        else:
            lines += [f"        {one.key}:", *(f"            - {quoted(value)}" for value in one.values)]
    return lines


def quoted(value: str) -> str:
    """A YAML scalar in single quotes."""
    return "'" + value.replace("'", "''") + "'"


def sigma(made: Rule) -> str:
    product, category, service = made.about.source
    source = [
        f"    {key}: {value}"
        for key, value in (("product", product), ("category", category), ("service", service))
        if value
    ]
    return "\n".join(
        [
            f"title: {made.about.title}",
            f"id: {made.uuid}",
            "status: test",
            "logsource:",
            *source,
            detection_block(made),
            f"level: {made.about.level}",
        ]
    )
