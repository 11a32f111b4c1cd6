"""Names that stand for objects, loaded only when somebody asks for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Generic, TypeVar, cast

from vedette.errors import ConfigError

T = TypeVar("T")


def near(name: str, known: Iterable[str]) -> str:
    """The remedy for an unknown name: the nearest known one, or all of them where none is near."""
    names = sorted(known)
    folded = {known_name.casefold(): known_name for known_name in names}
    if close := get_close_matches(name.casefold(), folded, n=1, cutoff=0.6):
        return f"did you mean '{folded[close[0]]}'?"
    return f"known: {', '.join(names)}" if names else "none is known"


class Registry(Generic[T]):
    """Maps a name to `"module:attribute"`. Iterates over its names, sorted.

    `noun` is what the entries are called in messages: "source", "view", "skill".
    """

    def __init__(self, noun: str, entries: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        self.noun = noun
        self._targets: dict[str, str] = {}
        for name, target in entries.items() if isinstance(entries, Mapping) else entries:
            self.register(name, target)

    def register(self, name: str, target: str) -> None:
        module, colon, attribute = target.partition(":")
        if not (name and module and colon and attribute):
            raise ConfigError(
                f"{self.noun} '{name}' points to '{target}'", remedy="a name and 'module:attribute' are needed"
            )
        if name in self._targets:
            raise ConfigError(
                f"{self.noun} '{name}' is registered twice: '{self._targets[name]}' and '{target}'",
                remedy="give one of them another name",
            )
        self._targets[name] = target

    def target(self, name: str) -> str:
        """The `"module:attribute"` behind a name, without loading it."""
        try:
            return self._targets[name]
        except KeyError:
            raise ConfigError(f"unknown {self.noun} '{name}'", remedy=near(name, self._targets)) from None

    def load(self, name: str) -> T:
        """Import the module and return the attribute. Raises ConfigError where either is missing."""
        target = self.target(name)
        module, _, attribute = target.partition(":")
        try:
            return cast(T, getattr(import_module(module), attribute))
        except (ImportError, AttributeError) as exc:
            raise ConfigError(f"{self.noun} '{name}' cannot be loaded from '{target}': {exc}") from exc

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._targets))

    def __contains__(self, name: object) -> bool:
        return name in self._targets

    def __len__(self) -> int:
        return len(self._targets)
