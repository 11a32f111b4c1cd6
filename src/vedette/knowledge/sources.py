"""What `sources.toml` says about every source: publisher, licence, when it counts as stale, where it is fetched."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import as_file, files
from typing import Literal, Self

from pydantic import Field, model_validator

from vedette.config import Settings, load_toml


class Address(Settings):
    part: str = Field(default="", description="which part of the source this file is")
    url: str = Field(description="official address; https only")
    file: str = Field(default="", description="kept under this name; empty: the last part of the address")
    optional: bool = Field(default=False, description="large or of interest to few: fetched only when it is asked for")
    max_mb: int = Field(default=512, gt=0, description="a larger body is refused, MB")
    sha256: str = Field(
        default="", pattern=r"^([0-9a-f]{64})?$", description="where the file never changes: its sha256"
    )
    sha256_url: str = Field(default="", description="where the publisher states the file's sha256")
    sha256_of: Literal["file", "content"] = Field(default="file", description="content: of what is inside the gzip")

    @property
    def name(self) -> str:
        """Of the file on the disk."""
        return self.file or self.url.split("?")[0].split("#")[0].rsplit("/", 1)[-1]

    @model_validator(mode="after")
    def _has_a_plain_name(self) -> Self:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}", self.name):
            raise ValueError(f"'{self.name}' is no plain file name: set `file`")
        return self


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
