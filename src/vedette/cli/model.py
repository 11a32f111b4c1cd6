"""`vedette model …`: language models on this machine: which, how large, how fast, and whether they do."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vedette.cli import model_gate, model_roles
from vedette.errors import ConfigError

if TYPE_CHECKING:
    from vedette.engine.check import Result
    from vedette.engine.machine import Speed
    from vedette.engine.models import Stored

Folder = Annotated[Path | None, typer.Option("--models", help="Folder of models; else $VEDETTE_MODELS, else your own.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")]
Context = Annotated[int, typer.Option(min=256, help="Tokens of prompt and answer together.")]
Parallel = Annotated[int, typer.Option(min=1, max=256, help="Answers at once.")]
Name = Annotated[str, typer.Option("--name", help="To keep it under; else the model's own.")]
Sha256 = Annotated[str, typer.Option("--sha256", help="What the file has to have.")]

app = typer.Typer(
    help="Language models that put answers into words. Only `pull` goes online. To run one: 'vedette[slm]'.",
    no_args_is_help=True,
)

app.command("gate")(model_gate.gate)
app.command("shadow")(model_gate.shadow)
app.command("promote")(model_roles.promote)
app.command("rollback")(model_roles.rollback)
app.command("history")(model_roles.history)


@app.command("list")
def listed(models: Folder = None, as_json: Json = False) -> None:
    """Models on this machine, and those that are recommended, with what others published about them."""
    from vedette.cli import model_views as views
    from vedette.cli.terminal import show, show_json
    from vedette.engine import models as here
    from vedette.engine.catalog import recommended

    place = models or here.default_folder()
    good, bad = here.stored(place)
    if as_json:
        show_json({
            "folder": str(place),
            "models": [found.manifest.model_dump(mode="json") for found in good],
            "damaged": [str(error) for error in bad],
            "recommended": {name: model.model_dump(mode="json") for name, model in recommended().items()},
        })  # fmt: skip
    else:
        show(lambda width: views.list_parts(place, good, bad, recommended(), width))


@app.command("pull")
def pull(
    name: Annotated[str, typer.Argument(help="A recommended model; with an address of a file: any name.")],
    quant: Annotated[str, typer.Option(help="Quantisation, as Q4_K_M or Q8_0; else the first that is usual.")] = "",
    source: Annotated[
        str, typer.Option("--from", envvar="VEDETTE_HUB", help="https address of a hub, or of one .gguf file.")
    ] = "",
    sha256: Sha256 = "",
    models: Folder = None,
    proxy: Annotated[str, typer.Option(help="http://host:port; else what the environment says.")] = "",
    ca: Annotated[Path | None, typer.Option(help="PEM file of the only authorities to trust.")] = None,
) -> None:
    """Fetch a model. What was interrupted goes on where it stopped.

    Its sha256 is checked: against the one given, or the one that Vedette knows, or the hub's own.
    """
    from vedette.cli.terminal import progress
    from vedette.engine import pull as pulling
    from vedette.fetch import FetchOptions

    what = pulling.wanted(name, quantisation=quant, source=source, sha256=sha256)
    options = FetchOptions(proxy=proxy, ca_file=str(ca or ""))
    with progress("MB") as bar:
        step: Callable[[int, int | None], None] = lambda done, total: bar(  # noqa: E731
            what.name, done // 1_000_000, (total or 0) // 1_000_000
        )
        _kept(pulling.pull(what, options, place=models, progress=step))


@app.command("add")
def add(
    path: Annotated[Path, typer.Argument(help="A .gguf file, a folder that holds one, or a bundle (zip, tar).")],
    name: Name = "",
    sha256: Sha256 = "",
    key: Annotated[
        list[Path] | None,
        typer.Option(help="Public key, or folder of such, of who may sign models; else those in vedette/keys of your "
                     "configuration folder."),
    ] = None,
    models: Folder = None,
) -> None:  # fmt: skip
    """Keep a model that is here already. A single file is linked, where the file system can, else copied.

    Where a manifest lies beside it, as `vedette train export` writes it, the file has to be what that says; where the
    manifest is signed, by a key that you trust.
    """
    from vedette.engine.add import add as adding

    _kept(adding(path, name=name, sha256=sha256, place=models, keys=key or ()))


@app.command("remove")
def remove(name: Annotated[str, typer.Argument(help="As `list` shows it.")], models: Folder = None) -> None:
    """Delete a model from the folder of models. The file that it was linked to stays."""
    from vedette.engine.models import remove as removing
    from vedette.engine.roles import ROLES, Role

    for role in (Role(known, models) for known in ROLES):
        if (now := role.now) and f"{now.model}-".casefold().startswith(f"{name}-".casefold()):
            remedy = f"`vedette model rollback --role {role.name}` first"
            raise ConfigError(f"'{name}' answers for {role.name}", remedy=remedy)
    print(f"removed {removing(name, models)}")


@app.command("size")
def size(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME|FILE]…", help="All recommended unless given.")
    ] = None,
    quant: Annotated[str, typer.Option(help="Quantisation, as Q4_0, Q4_K_M, Q8_0 or F16.")] = "",
    context: Context = 8_192,
    parallel: Parallel = 1,
    memory: Annotated[float, typer.Option(min=0, help="GB that it may take; 0: what is free on this machine.")] = 0,
    tokens_in: Annotated[int, typer.Option(min=1, help="Of the prompt that explains an alert.")] = 2_000,
    tokens_out: Annotated[int, typer.Option(min=1, help="Of the explanation.")] = 250,
    speed: Annotated[bool, typer.Option(help="Measure this machine for a few seconds, and tell the speed.")] = True,
    models: Folder = None,
    as_json: Json = False,
) -> None:
    """What fits this machine, and how fast it would be, before anything is downloaded.

    Memory and speed are computed from the model's shape; the machine's memory, bandwidth and matrix products are
    measured.
    """
    from vedette.cli import model_views as views
    from vedette.cli.terminal import show, show_json
    from vedette.engine import machine

    wanted = views.Wish(quant, context, parallel, (tokens_in, tokens_out))
    free = machine.memory()
    room = int(memory * 1e9) or free.free
    pace: Speed | None = machine.measured() if speed else None
    rows = [views.sized(name, wanted, pace, models) for name in names or views.everything()]
    if as_json:
        show_json(views.size_document(rows, wanted, room, free, pace))
    else:
        show(lambda width: views.size_parts(rows, wanted, room, free, pace))


@app.command("check")
def check(
    model: Annotated[str, typer.Argument(metavar="NAME|FILE|ADDRESS", help="Kept here, a .gguf file, or http://…/v1")],
    context: Context = 8_192,
    threads: Annotated[int, typer.Option(min=0, help="0: all cores.")] = 0,
    models: Folder = None,
    as_json: Json = False,
) -> None:
    """Does it do what Vedette needs? Template, schema, context, speed, and five questions with known answers.

    Exit code 1 where it fails one.
    """
    from vedette.cli.terminal import safe, show_json

    show: Callable[[Result], None] = lambda one: print(  # noqa: E731
        f"{'ok  ' if one.ok else 'FAIL'}  {one.name:<9} {safe(one.said)}", flush=True
    )
    results = asyncio.run(_checked(_spec(model, models), context, threads, (lambda _: None) if as_json else show))
    if as_json:
        show_json({"model": model, "results": results})
    if not all(result.ok for result in results):
        raise typer.Exit(1)


@app.command("serve")
def serve(
    model: Annotated[str, typer.Argument(metavar="NAME|FILE", help="Kept here, or a .gguf file.")],
    context: Context = 8_192,
    parallel: Parallel = 1,
    threads: Annotated[int, typer.Option(min=0, help="0: all cores.")] = 0,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: any that is free.")] = 0,
    models: Folder = None,
) -> None:
    """Serve a model on a port of this machine's own, OpenAI-compatible, until Ctrl-C. Nobody else can reach it."""
    import signal
    from threading import Event

    from vedette.engine.backends.llamacpp import served
    from vedette.engine.models import path_of

    file, over = path_of(model, models), Event()
    for number in (signal.SIGINT, signal.SIGTERM):  # also where whoever started us ignores Ctrl-C
        signal.signal(number, lambda *_: over.set())
    with served(file, context=context, parallel=parallel, threads=threads, port=port) as address:
        print(f"{address}\nvedette triage … --model {address}\nCtrl-C ends it.", flush=True)
        over.wait()
    print("stopped", file=sys.stderr)


async def _checked(spec: str, context: int, threads: int, told: Callable[[Result], None]) -> list[Result]:
    from vedette.engine.check import check as checking
    from vedette.engine.open import Wanted, opened

    results = []
    async with opened(spec, Wanted(context=context, threads=threads)) as engine:
        async for result in checking(engine):
            told(result)
            results.append(result)
    return results


def _spec(model: str, place: Path | None) -> str:
    """As `engine.open` takes it."""
    from vedette.engine.models import path_of
    from vedette.engine.open import BACKENDS

    if "://" in model or model.partition("/")[0] in set(BACKENDS) - {"gguf"}:
        return model
    return f"gguf/{path_of(model.removeprefix('gguf/'), place)}"


def _kept(found: Stored) -> None:
    from vedette.cli.terminal import safe

    said = found.manifest
    licence = safe(said.licence or "?")
    print(f"{said.name}: {safe(said.architecture)}, {said.quantisation}, {said.bytes:,} bytes, licence {licence}")
    print(f"sha256 {said.sha256}")
    if said.verified:
        print(f"It is what {said.verified} states." if said.verified != "given" else "It is what was given.")
    else:
        print("Unverified: nobody stated a sha256 for it. Compare it with one that you trust.")
    if not said.template:
        print("It has no chat template: a base model completes text, and does not answer.", file=sys.stderr)
    print(found.path, file=sys.stderr)
