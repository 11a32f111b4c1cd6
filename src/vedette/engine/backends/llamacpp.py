"""A GGUF file in this process, by llama.cpp (extra `vedette[slm]`), as an OpenAI-compatible address on the loopback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vedette.errors import ConfigError, InputError

MAGIC = b"GGUF"
QUIET = -1  # its log is not ours to print


@contextmanager
def served(model: Path, *, context: int = 8_192, parallel: int = 1, threads: int = 0) -> Iterator[str]:
    """The address, up to `/v1`. `context`: tokens of each of the replies that run in parallel; `threads`: 0: all cores.

    Raises InputError where the file is no model, ConfigError where the library is missing.
    """
    try:
        with model.open("rb") as file:
            magic = file.read(len(MAGIC))
    except OSError as exc:
        raise InputError(f"cannot be read: {exc.strerror}", where=str(model), remedy="give a GGUF file") from exc
    if magic != MAGIC:
        raise InputError("no GGUF file", where=str(model), remedy="give a model as llama.cpp reads it")
    try:
        import xllamacpp
    except ModuleNotFoundError as exc:
        raise ConfigError(f"a model in this process needs {exc.name}", remedy="pip install 'vedette[slm]'") from exc
    wanted = xllamacpp.CommonParams()
    wanted.model.path = str(model)
    wanted.n_ctx, wanted.n_parallel, wanted.verbosity = context * parallel, parallel, QUIET
    wanted.cpuparams.n_threads = wanted.cpuparams_batch.n_threads = threads or os.cpu_count() or 1
    try:
        server = xllamacpp.Server(wanted)
    except RuntimeError as exc:
        raise InputError(f"llama.cpp cannot load it: {exc}", where=str(model), remedy="check the file") from exc
    try:
        yield f"{server.listening_address}/v1"
    finally:
        del server  # waits for its loop to end
