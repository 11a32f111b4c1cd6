"""What `sources.toml` says about every source: publisher, licence, when it counts as stale, where it is fetched."""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files

from pydantic import Field

from vedette.config import Settings, load_toml
from vedette.partial import Address as Fetchable


class Address(Fetchable):
    part: str = Field(default="", description="which part of the source this file is")
    optional: bool = Field(default=False, description="large or of interest to few: fetched only when it is asked for")


class Source(Settings):
    title: str
    publisher: str
    licence: str
    homepage: str
    stale_days: int = Field(description="older than this, `status` warns; days")
    sync: tuple[Address, ...] = ()


class Sources(Settings):
    """In order of precedence: where two sources name the same thing, the first one's word is shown first."""

    source: dict[str, Source]


@cache
def sources() -> dict[str, Source]:
    with as_file(files("vedette.knowledge") / "sources.toml") as path:
        return load_toml(path, Sources).source


@cache
def rank(name: str) -> int:
    """0 for the first source in sources.toml; unknown ones come last."""
    return {known: place for place, known in enumerate(sources())}.get(name, len(sources()))
