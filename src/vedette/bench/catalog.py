"""The benchmarks that are known, and their files, checked: nothing is measured on a file that was changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path

from pydantic import Field

from vedette.bench.items import Item, Kind
from vedette.bench.suites import own
from vedette.config import Settings, load_toml
from vedette.errors import ConfigError, InputError
from vedette.knowledge.inputs import Input
from vedette.knowledge.store import Knowledge
from vedette.registry import Registry, near

FILE = Path(__file__).with_name("catalog.toml")
SUITES = "vedette.bench.suites"
MEMBER = "#"  # between an archive and the end of a member's path


class Benchmark(Settings):
    """`files`: path below the data folder → sha256 of the file (of a whole archive); empty where none is known.

    None: the questions are made from the knowledge store (`bench.suites.own`), `reader` names the task.
    """

    name: str
    title: str
    reader: str = Field(description="module of `bench.suites` and function")
    kind: Kind
    files: dict[str, str] = {}
    together: bool = Field(default=False, description="the reader takes all files at once; else one after the other")
    items: int = Field(default=0, ge=0, description="0: not known")
    licence: str
    source: str
    chance: float = Field(default=0.0, ge=0, le=1, description="of a blind answer")


class Script(Settings):
    """Measures something else than answers to items."""

    name: str
    title: str
    command: str = Field(description="from the source tree's root")
    data: str = Field(default="", description="path below the data folder; empty: it needs none")
    figures: str = Field(description="the document, and the heading in it, that tells what came out")


class Catalog(Settings):
    benchmark: list[Benchmark]
    script: list[Script]


@cache
def _catalog() -> Catalog:
    return load_toml(FILE, Catalog)


@cache
def benchmarks() -> dict[str, Benchmark]:
    return {benchmark.name: benchmark for benchmark in _catalog().benchmark}


@cache
def scripts() -> dict[str, Script]:
    return {script.name: script for script in _catalog().script}


def benchmark(name: str) -> Benchmark:
    """Also by its name in Inspect, with underscores. Raises ConfigError."""
    known, wanted = benchmarks(), name.replace("_", "-")
    if wanted in known:
        return known[wanted]
    if script := scripts().get(wanted):
        what = f"'{wanted}' asks no model; a script of the source tree measures it"
        raise ConfigError(what, remedy=f"run `{script.command}`; figures: {script.figures}")
    raise ConfigError(f"unknown benchmark '{name}'", remedy=near(name, [*known, *scripts()]))


def found(which: Benchmark, data: Path) -> bool:
    """Whether its files lie in the data folder or in `bench` below it. What is made from the store always does."""
    return all(_place(name, data) for name in which.files)


def items(which: Benchmark, data: Path, *, any_version: bool = False) -> list[Item]:
    """In the order of the files. Raises InputError where a file is missing, changed, or holds another number of items.

    `any_version`: take the file as it is, for one's own sets of the same shape.
    """
    if not which.files:
        return _own(which)
    contents = [_content(which, name, digest, data, any_version) for name, digest in which.files.items()]
    read = _loaded(which)
    parts: list[Iterator[Item]] = [read(contents)] if which.together else [read(*content) for content in contents]
    made = [item for part in parts for item in part]
    if which.items and len(made) != which.items and not any_version:
        where = next(iter(which.files))
        raise InputError(f"{len(made):,} items, wanted {which.items:,}", where=where, remedy=_remedy(which))
    return made


def _own(which: Benchmark) -> list[Item]:
    with Knowledge.open() as store:
        made = list(own.items(store, which.reader.partition(":")[2]))
    if not made:
        raise InputError(
            "the knowledge store holds nothing to ask", where=which.name, remedy="vedette knowledge import"
        )
    return made


def _loaded(which: Benchmark) -> Callable[..., Iterator[Item]]:
    return Registry[Callable[..., Iterator[Item]]]("reader", {which.name: f"{SUITES}.{which.reader}"}).load(which.name)


def _content(which: Benchmark, name: str, digest: str, data: Path, any_version: bool) -> tuple[bytes, str]:
    path = _place(name, data)
    if path is None:
        raise InputError(f"no '{name.partition(MEMBER)[0]}'", where=str(data), remedy=_remedy(which))
    if digest and not any_version and sha256(path.read_bytes()).hexdigest() != digest:
        raise InputError("not the published version of the file", where=str(path), remedy=_remedy(which))
    member = name.partition(MEMBER)[2]
    if not member:
        return Input(path).read(), str(path)
    for inside, content in Input(path).members(member):
        return content, f"{path}:{inside}"
    raise InputError(f"no '{member}' in it", where=str(path), remedy=_remedy(which))


def _place(name: str, data: Path) -> Path | None:
    file = name.partition(MEMBER)[0]
    return next((path for path in (data / file, data / "bench" / file) if path.is_file()), None)


def _remedy(which: Benchmark) -> str:
    return f"take it from {which.source} ({which.licence}); --any-version measures on another file of that shape"
