"""Opens the model that a user names: `gguf/FILE`, an address, a file of replies, or one that was added by name."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from vedette.engine.adapted import Adapted
from vedette.engine.protocol import Engine
from vedette.errors import ConfigError
from vedette.registry import Registry

KEY = "VEDETTE_ENGINE_KEY"
CONTEXT = 8_192


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a model is to be run; 0 and () leave it to the server."""

    context: int = 0  # tokens
    parallel: int = 0  # answers at once
    threads: int = 0
    adapters: tuple[Path, ...] = ()


Opener = Callable[[str, Wanted], AbstractAsyncContextManager[Engine]]
BACKENDS: Registry[Opener] = Registry(
    "kind of model",
    {
        "gguf": "vedette.engine.open:_gguf",
        "current": "vedette.engine.open:_current",
        "http": "vedette.engine.open:_address",
        "https": "vedette.engine.open:_address",
        "fake": "vedette.engine.open:_fake",
        "obedient": "vedette.engine.open:_obedient",
        "moody": "vedette.engine.open:_moody",
    },
)


def opened(spec: str, wanted: Wanted = Wanted()) -> AbstractAsyncContextManager[Engine]:
    """The engine while the context lasts.

    `spec`: `gguf/FILE`, `http://HOST:PORT/v1`, that with `#MODEL`, `fake/FILE`, the name of a model that was added, or
    `current`: what was promoted to triage, and `current/ROLE`.

    Raises ConfigError where nothing has that name, and what the model's own place raises.
    """
    kind, _, rest = spec.partition("/") if "://" not in spec else (spec.partition("://")[0], "", spec)
    if "/" not in spec and kind not in BACKENDS:
        kind, rest = "gguf", spec
    return BACKENDS.load(kind)(rest, wanted)


@asynccontextmanager
async def _gguf(file: str, wanted: Wanted) -> AsyncIterator[Engine]:
    from vedette.engine.backends.llamacpp import in_process
    from vedette.engine.models import path_of

    parallel = wanted.parallel or 1
    context = wanted.context or CONTEXT
    path = path_of(file)
    async with in_process(
        path, context=context, parallel=parallel, threads=wanted.threads, adapters=wanted.adapters
    ) as engine:
        yield engine


@asynccontextmanager
async def _current(role: str, wanted: Wanted) -> AsyncIterator[Engine]:
    from vedette.engine.roles import Role

    if wanted.adapters:
        raise ConfigError("what was promoted has its own adapter", remedy="leave --adapter out, or name the model")
    model, adapter = Role(role or "triage").files()
    with_its_own = replace(wanted, adapters=(adapter,) if adapter else ())
    async with _gguf(str(model), with_its_own) as engine:
        yield Adapted(engine, adapter.stem) if adapter else engine


@asynccontextmanager
async def _address(address: str, wanted: Wanted) -> AsyncIterator[Engine]:
    from vedette.engine.backends.openai import Served

    if wanted.adapters:
        raise ConfigError("adapters are the server's to load", where=address, remedy="start it with them")
    place, _, model = address.partition("#")
    engine = await Served.at(
        place, model=model, key=os.environ.get(KEY, ""), context=wanted.context, connections=wanted.parallel
    )
    try:
        yield engine
    finally:
        await engine.close()


@asynccontextmanager
async def _fake(file: str, _: Wanted) -> AsyncIterator[Engine]:
    from vedette.engine.backends.fake import Fake

    yield Fake.of(Path(file))


@asynccontextmanager
async def _obedient(_: str, __: Wanted) -> AsyncIterator[Engine]:
    from vedette.engine.backends.obedient import Obedient

    yield Obedient()


@asynccontextmanager
async def _moody(_: str, __: Wanted) -> AsyncIterator[Engine]:
    from vedette.engine.backends.moody import Moody

    yield Moody()


__all__: Sequence[str] = ("BACKENDS", "Wanted", "opened")
