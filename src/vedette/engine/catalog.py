"""The models that `models.toml` recommends, and where their publishers keep them."""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files
from typing import Self

from pydantic import Field, model_validator

from vedette.config import Settings, load_toml
from vedette.engine.gguf import Shape
from vedette.errors import ConfigError
from vedette.registry import near

PREFERRED = ("Q4_K_M", "MXFP4", "Q8_0")  # the first that a model has is taken where none is asked for


class Published(Settings):
    """One file of a model."""

    quantisation: str
    repository: str = Field(pattern=r"^[\w.-]+/[\w.-]+$", description="OWNER/NAME on a hub")
    file: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}\.gguf$")
    bytes: int = Field(default=0, ge=0, description="0: not known")
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")


class Recommended(Settings):
    origin: str = Field(pattern=r"^[\w.-]+/[\w.-]+$", description="the publisher's OWNER/NAME on a hub")
    licence: str = Field(default="", description="empty: not sure, see the publisher's page")
    base: str = Field(default="", description="what it was made from")
    parameters: float = Field(description="thousand million")
    context: int = Field(description="tokens it was made for")
    template: str = Field(description="family of its chat template")
    about: str
    shape: Shape
    file: tuple[Published, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_each_quantisation_once(self) -> Self:
        names = [one.quantisation for one in self.file]
        if len(set(names)) < len(names):
            raise ValueError("a quantisation is there twice")
        return self

    def published(self, quantisation: str = "") -> Published:
        """Raises ConfigError where it has none of that name."""
        known = {one.quantisation.casefold(): one for one in self.file}
        wanted = (quantisation,) if quantisation else PREFERRED
        for name in wanted:
            if name.casefold() in known:
                return known[name.casefold()]
        names = [one.quantisation for one in self.file]
        raise ConfigError(f"'{self.origin}' has no '{quantisation}' here", remedy=near(quantisation, names))


class Catalog(Settings):
    model: dict[str, Recommended]


@cache
def recommended() -> dict[str, Recommended]:
    with as_file(files("vedette.engine") / "models.toml") as path:
        return load_toml(path, Catalog).model


def named(name: str) -> tuple[str, Recommended] | None:
    """The name as the catalog spells it, and the model."""
    folded = {known.casefold(): known for known in recommended()}
    known = folded.get(name.casefold())
    return (known, recommended()[known]) if known else None
