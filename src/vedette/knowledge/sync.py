"""Fetch the publishers' files and import them: the only thing that goes online, and only when it is asked to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vedette.errors import ConfigError, FetchError
from vedette.knowledge import build
from vedette.knowledge.sources import Address, Source, sources
from vedette.registry import near

if TYPE_CHECKING:
    from vedette.fetch import Fetched, FetchOptions

FETCHED = ".fetched"  # of the folder beside the store that keeps what was fetched

Progress = Callable[[str, int, int], None]  # what is being done, how many of how many


@dataclass(frozen=True, slots=True)
class Wanted:
    source: str
    address: Address

    @property
    def name(self) -> str:
        return f"{self.source}/{self.address.part}" if self.address.part else self.source


@dataclass(slots=True)
class Download:
    wanted: Wanted
    file: Fetched | None = None
    error: FetchError | None = None


@dataclass(slots=True)
class Synced:
    downloads: list[Download] = field(default_factory=list)
    report: build.Report = field(default_factory=build.Report)


def folder(store: Path) -> Path:
    return store.with_name(store.name + FETCHED)


def wanted(names: Sequence[str], known: dict[str, Source] | None = None) -> list[Wanted]:
    """What is fetched for "nvd" or "nvd/2003"; for no name, all that is not optional. Raises ConfigError."""
    known = sources() if known is None else known
    every = [Wanted(name, address) for name, source in known.items() for address in source.sync]
    if not names:
        return [one for one in every if not one.address.optional]
    for name in names:
        if not any(name in (one.source, one.name) for one in every):
            raise ConfigError(f"no address to fetch '{name}' from", remedy=near(name, {one.source for one in every}))
    return [one for one in every if one.source in names or one.name in names]


def sync(store: Path, chosen: Sequence[Wanted], options: FetchOptions, progress: Progress = lambda *_: None) -> Synced:
    """A source that fails stops no other one. Raises ConfigError and OutputError, which would stop them all."""
    result = Synced([_download(one, folder(store), options, progress) for one in chosen])
    for download in result.downloads:
        if download.file and not build.find([download.file.path], []):
            what, remedy = "not what Vedette knows to read", "the publisher changed the format: report it"
            download.error = FetchError(what, where=download.wanted.address.url, remedy=remedy)
    if paths := [download.file.path for download in result.downloads if download.file and not download.error]:
        result.report = build.import_sources(store, paths, progress)
    return result


def _download(one: Wanted, into: Path, options: FetchOptions, progress: Progress) -> Download:
    from vedette.fetch import fetch

    try:
        file = fetch(
            one.address,
            into / one.source,
            options,
            progress=lambda done, total: progress(one.name, done // 1024, (total or 0) // 1024),
        )
    except FetchError as error:
        return Download(one, error=error)
    return Download(one, file)
