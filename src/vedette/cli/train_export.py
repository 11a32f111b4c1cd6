"""`vedette train merge` and `vedette train export`: from what was trained to files that serve."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from vedette.errors import ConfigError

USUAL = ("F16", "Q8_0", "Q4_0")
PROMPTS = 20

AssumeBase = Annotated[
    bool, typer.Option("--assume-base", help="This is the adapter's base, though nothing here can tell.")
]


def merge(
    adapter: Annotated[Path, typer.Argument(help="Folder of the adapter, as training or PEFT saved it.")],
    base: Annotated[Path, typer.Option(help="Folder of the model that it was trained on.")],
    out: Annotated[Path, typer.Option(help="Folder for the merged model; there must not be one yet.")],
    assume_base: AssumeBase = False,
) -> None:
    """An adapter and its base become one model.

    In safetensors and the base's precision. An adapter of another base is refused.
    """
    _needs("merging", "torch", "transformers", "safetensors")
    from vedette.train.slm.merge import merge as merging

    done = merging(adapter, base, out, assume_base=assume_base)
    ways = {"sha256": "its files' sha256", "configuration": "its configuration alone", "name": "its name alone"}
    known = ways.get(done.known, "your word")
    print(f"{done.folder}: {done.changed:,} of {done.tensors:,} tensors changed; the base is known by {known}")


def export(
    folder: Annotated[Path, typer.Argument(help="Folder of a model in safetensors; with --adapter: of its base.")],
    out: Annotated[Path, typer.Option(help="Folder for the files; there must not be one yet.")],
    quant: Annotated[
        list[str] | None,
        typer.Option(help="F32, F16, BF16, Q8_0, Q4_0, or a K-quant, as Q4_K_M, by llama.cpp's llama-quantize; "
                     "else F16, Q8_0 and Q4_0, and none beside an adapter."),
    ] = None,
    adapter: Annotated[Path | None, typer.Option(help="Folder of an adapter that becomes a file of its own.")] = None,
    assume_base: AssumeBase = False,
    name: Annotated[str, typer.Option(help="Of the model, and of its files; else the recipe's, or the folder's.")] = "",
    licence: Annotated[str, typer.Option(help="Of the model; else as its recipe or its card has it.")] = "",
    check: Annotated[
        int | None,
        typer.Option(min=0, max=PROMPTS, help="Prompts that are compared with transformers; 0: none; else 20 where "
                     "'vedette[slm]' is installed."),
    ] = None,
    sign: Annotated[Path | None, typer.Option(help="Your private key, made by `vedette knowledge keygen`.")] = None,
    threads: Annotated[int, typer.Option(min=0, help="Of the comparison. 0: all cores.")] = 0,
    llama_quantize: Annotated[Path | None, typer.Option(help="llama-quantize, where it is not on the PATH.")] = None,
    llama_cpp: Annotated[
        Path | None, typer.Option(help="Folder of llama.cpp, whose converter is run for architectures not known here.")
    ] = None,
) -> None:  # fmt: skip
    """A model becomes GGUF files that serve.

    Beside them: how to serve them, a comparison with transformers, and a manifest of all. A file that does not say
    what transformers says is not kept.
    """
    _needs("exporting", "torch", "transformers", "safetensors", "gguf")
    from vedette import signing
    from vedette.train.slm.export import Wanted
    from vedette.train.slm.export import export as exporting

    if check is None:
        check = PROMPTS if all(map(importlib.util.find_spec, ("xllamacpp", "openai"))) else 0
    wanted = Wanted(
        folder, out, quant or (() if adapter else USUAL), adapter, assume_base, name, licence,
        signing.private_key(sign) if sign else None, check, threads, llama_quantize, llama_cpp,
    )  # fmt: skip
    files = exporting(wanted, lambda line: print(line, flush=True))
    if files.models and not check:
        print("Not compared with transformers: pip install 'vedette[slm]', and give --check 20.")
    if not files.licence:
        print("Nobody says what licence it has: give --licence, so that those who get it know.")
    print(out)


def _needs(what: str, *modules: str) -> None:
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise ConfigError(f"{what} needs {module}", remedy="pip install 'vedette[train]'")
