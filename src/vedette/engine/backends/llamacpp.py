"""A GGUF file in this process, by llama.cpp (extra `vedette[slm]`), as an OpenAI-compatible address on the loopback."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

from msgspec.structs import replace

from vedette.engine.backends.openai import Served
from vedette.engine.protocol import Schema
from vedette.errors import ConfigError, InputError

MAGIC = b"GGUF"
NOBODY = "http://nobody.invalid"  # the only origin that a browser may ask for
QUIET = -1  # its log is not ours to print
COMPACT = {"whitespace_flexible": False, "item_separator": ",", "key_separator": ":"}  # no endless white space


@contextmanager
def served(  # noqa: PLR0913
    model: Path,
    *,
    context: int = 8_192,
    parallel: int = 1,
    threads: int = 0,
    adapters: Sequence[Path] = (),
    port: int = 0,
    key: str = "",
    exact: bool = False,
) -> Iterator[str]:
    """The address, up to `/v1`.

    `context`: tokens of each of the replies that run in parallel; `threads`: 0: all cores; `adapters`: LoRA files that
    are loaded and idle until a request asks for one; `port`: 0: any that is free; `key`: asked for with every request;
    `exact`: attention in 32 bits, slower, to compare a file with what it was made from.

    Raises InputError where a file is no model, ConfigError where the library is missing.
    """
    for file in (model, *adapters):
        _check(file)
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that spin lose most of the speed to what else runs
    try:
        import xllamacpp
    except ModuleNotFoundError as exc:
        raise ConfigError(f"a model in this process needs {exc.name}", remedy="pip install 'vedette[slm]'") from exc
    wanted = xllamacpp.CommonParams()
    wanted.model.path = str(model)
    wanted.n_ctx, wanted.n_parallel, wanted.verbosity = context * parallel, parallel, QUIET
    wanted.cache_ram_mib = 0  # else up to 8 GiB of prompts that were asked before; a slot keeps its own beginning
    wanted.cpuparams.n_threads = wanted.cpuparams_batch.n_threads = threads or os.cpu_count() or 1
    wanted.endpoint_slots, wanted.ui, wanted.cors_origins = False, False, NOBODY  # no web page reads prompts here
    wanted.api_keys = [key] if key else []
    if exact:
        wanted.cache_type_k = wanted.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        wanted.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    if port:
        wanted.port = port
    wanted.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(path), 0.0) for path in adapters]
    try:
        server = xllamacpp.Server(wanted)
    except RuntimeError as exc:
        remedy = "check the file and its chat template; `vedette model size` tells whether it fits the memory"
        raise InputError(f"llama.cpp cannot load it: {exc}", where=str(model), remedy=remedy) from exc
    try:
        yield f"{server.listening_address}/v1"
    finally:
        del server  # waits for its loop to end


@asynccontextmanager
async def in_process(
    model: Path, *, context: int = 8_192, parallel: int = 1, threads: int = 0, adapters: Sequence[Path] = ()
) -> AsyncIterator[Served]:
    """The same as an engine, held to a schema by llguidance."""
    key = token_hex(16)
    with served(model, context=context, parallel=parallel, threads=threads, adapters=adapters, key=key) as address:
        engine = await Served.at(address, connections=parallel, key=key)
        server = engine.server
        server.constraint = grammar
        server.identity = replace(server.identity, name=model.stem, sha256=_sha256(model))
        try:
            yield engine
        finally:
            await engine.close()


def grammar(schema: Schema) -> dict[str, Any]:
    import xllamacpp

    return {"grammar": xllamacpp.json_schema_to_grammar(json.dumps({**schema, "x-guidance": COMPACT}))}


def _check(file: Path) -> None:
    try:
        with file.open("rb") as opened:
            magic = opened.read(len(MAGIC))
    except OSError as exc:
        raise InputError(f"cannot be read: {exc.strerror}", where=str(file), remedy="give a GGUF file") from exc
    if magic != MAGIC:
        raise InputError("no GGUF file", where=str(file), remedy="give a model as llama.cpp reads it")


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
