"""The settings file that says how the columns of a CSV, or the fields of JSON lines, make an alert."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from vedette.config import Settings, load_toml
from vedette.connect.clock import zone_named
from vedette.types import Kind, Role, Severity, TextKind


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as exc:
        raise ValueError(f"not a regular expression: {exc}") from exc
    return value


def _severity(value: object) -> object:
    if isinstance(value, str) and value.upper() in Severity.__members__:
        return Severity[value.upper()]
    raise ValueError(f"one of {', '.join(name.lower() for name in Severity.__members__)} is expected")


Column = Annotated[str, Field(min_length=1, description="CSV column, or dotted path of a JSON field")]
Regex = Annotated[str, AfterValidator(_pattern)]
Level = Annotated[Severity, BeforeValidator(_severity)]
Technique = Annotated[str, Field(pattern=r"^T\d{4}(\.\d{3})?$")]


class Time(Settings):
    field: Column
    format: str = Field(
        "auto", description="auto, iso, epoch_s (seconds), epoch_ms (milliseconds), or strptime pattern"
    )
    timezone: str = Field("UTC", description="IANA name; for times that do not say their zone")

    @model_validator(mode="after")
    def _known_zone(self) -> Time:
        try:
            zone_named(self.timezone)
        except Exception as exc:
            raise ValueError(str(exc)) from exc
        return self


class Prefix(Settings):
    prefix: str = Field(min_length=1, description="beginning of the rule name; it is cut off")
    product: str = Field(min_length=1)


class Product(Settings):
    constant: str = Field("", description="product of every record, or of those that nothing else names")
    field: str = Field("", description="column that names the product")
    prefixes: tuple[Prefix, ...] = Field((), description="products told apart by how the rule name begins")

    @model_validator(mode="after")
    def _says_something(self) -> Product:
        if not (self.constant or self.field or self.prefixes):
            raise ValueError("one of constant, field, prefixes is needed")
        return self


class Rule(Settings):
    name: Column
    uid: str = Field("", description="column of the rule's id; its name where the product has none")


class Match(Settings):
    """Text (`contains`) or pattern (`regex`) that is looked for in the rule name, for one product or for all."""

    contains: str = ""
    regex: Regex = ""
    product: str = ""

    @model_validator(mode="after")
    def _one(self) -> Match:
        if self.contains and self.regex:
            raise ValueError("either contains or regex, not both")
        return self


class SeverityMatch(Match):
    value: Level


class TechniqueMatch(Match):
    ids: tuple[Technique, ...] = Field(min_length=1)


class SeverityRules(Settings):
    field: str = Field(default="", description="column that holds the severity")
    table: dict[str, Level] = Field(default={}, description="value of that column → severity")
    patterns: tuple[SeverityMatch, ...] = Field(
        default=(), description="on the rule name; the first that matches counts"
    )
    default: Level = Severity.UNKNOWN


class ObservableField(Settings):
    role: Role
    kind: Kind
    field: Column


class TextField(Settings):
    kind: TextKind
    field: Column


class FieldMap(Settings):
    name: str = Field(min_length=1)
    recognise: tuple[str, ...] = Field((), description="exact header of the CSV files that this map is for")
    time: Time
    product: Product
    rule: Rule
    severity: SeverityRules = SeverityRules()
    observable: tuple[ObservableField, ...] = ()
    text: tuple[TextField, ...] = ()
    technique: tuple[TechniqueMatch, ...] = Field((), description="all that match count")
    uid: str = Field("", description="column of the sensor's own id of the alert")
    flow: str = Field("", description="column of the network flow's id")
    ignore: tuple[str, ...] = Field((), description="columns that must not be used, such as labels")

    @model_validator(mode="after")
    def _ignored_is_unused(self) -> FieldMap:
        if both := sorted(set(self.ignore) & self.used()):
            raise ValueError(f"'{both[0]}' is both used and ignored")
        return self

    def used(self) -> set[str]:
        """Every column that the map reads."""
        columns = {self.time.field, self.rule.name, self.rule.uid, self.product.field, self.severity.field}
        columns |= {self.uid, self.flow}
        columns |= {item.field for item in self.observable} | {item.field for item in self.text}
        return columns - {""}


def load_map(path: Path) -> FieldMap:
    """Raises ConfigError."""
    return load_toml(path, FieldMap)


@cache
def shipped_maps() -> tuple[FieldMap, ...]:
    folder = files("vedette.connect") / "maps"
    return tuple(load_map(Path(str(path))) for path in sorted(folder.iterdir(), key=str) if path.name.endswith(".toml"))
