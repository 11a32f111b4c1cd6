"""`vedette bench …`: measure models on public benchmarks, side by side with what others published."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vedette.bench.protocol import PROTOCOLS, USUAL
from vedette.bench.protocol import protocol as named
from vedette.cli import bench_injection
from vedette.errors import ConfigError, VedetteError

if TYPE_CHECKING:
    from vedette.bench.asked import Asked
    from vedette.bench.measured import Measured

GGUF = "gguf/"
_DATA, _OUT = Path("../shared/data"), Path("build/bench")
DataFolder = Annotated[Path, typer.Option("--data", help="Folder that holds the benchmarks' files, or `bench` in it.")]
OutFolder = Annotated[Path, typer.Option("--out", help="Folder of runs.")]

app = typer.Typer(
    help="Measure models on public benchmarks. Others than vedette/… need 'vedette[bench]'.", no_args_is_help=True
)


@app.command("list")
def listed(data: DataFolder = _DATA) -> None:
    """The benchmarks, their items and licences, and which of them lie in the data folder; scripts; the protocols."""
    from vedette.bench.catalog import benchmarks, found, scripts

    rows = [("benchmark", "items", "files", "licence", "what it asks")]
    for name, one in benchmarks().items():
        here = "here" if found(one, data) else "-"
        rows.append((name, f"{one.items:,}" if one.items else "?", here, one.licence, one.title))
    print(_columns(rows))
    print(f"{bench_injection.NAME}: attack strings and where they can be written; ships with Vedette")
    measured = [("script", "files", "command", "figures", "what it measures")]
    for script in scripts().values():
        here = "here" if (data / script.data).exists() else "-"
        measured.append((script.name, here if script.data else "none", script.command, script.figures, script.title))
    print(f"\n{_columns(measured)}")
    print(f"\n{_columns([('protocol', 'how a model is asked'), *((n, way.about) for n, way in PROTOCOLS.items())])}")


def _columns(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in padded)


@app.command("run")
def run(
    names: Annotated[
        list[str], typer.Argument(help="Benchmarks, 'all' of those whose files are there, or 'injection'.")
    ],
    model: Annotated[
        str,
        typer.Option(
            help="vedette/experts, gguf/FILE, or as Inspect names it: openai-api/NAME/MODEL, hf/…; "
            "of injection: none, obedient, gguf/FILE, http://…"
        ),
    ],
    data: DataFolder = _DATA,
    out: OutFolder = _OUT,
    protocol: Annotated[str, typer.Option(help="How to ask: see `vedette bench list`.")] = USUAL,
    limit: Annotated[int, typer.Option(min=0, help="The first items of each, for a quick look; 0: all.")] = 0,
    connections: Annotated[int, typer.Option(min=1, help="Replies that are waited for at once.")] = 8,
    context: Annotated[int, typer.Option(min=512, help="Tokens that a model of gguf/FILE may see at once.")] = 8_192,
    address: Annotated[str, typer.Option(help="Of an OpenAI-compatible server: http://127.0.0.1:8080/v1")] = "",
    retries: Annotated[int, typer.Option(min=0, help="Of a request that fails.")] = 3,
    patience: Annotated[int, typer.Option(min=1, help="Seconds that a reply may take, retries included.")] = 600,
    model_arg: Annotated[list[str] | None, typer.Option("-M", help="name=value for the model's provider.")] = None,
    any_version: Annotated[bool, typer.Option(help="Also on files that are not the published ones.")] = False,
    progress: Annotated[bool, typer.Option(help="Show how far it is.")] = True,
    places: Annotated[int, typer.Option(min=0, help="Of injection: fields of each format, in turn; 0: all.")] = 0,
    redact: Annotated[bool, typer.Option(help="Of injection: hide names from the model.")] = True,
    jobs: Annotated[int, typer.Option(min=1, help="Of injection with none or obedient: processes.")] = 1,
    store: Annotated[Path | None, typer.Option(help="Of injection: the knowledge store.")] = None,
) -> None:
    """Ask a model. What has been answered is kept: the same command goes on where it was stopped.

    `injection` tries attack strings in every field of every format; it exits with 1 where one of them succeeds.
    """
    if bench_injection.NAME in names:
        from vedette.bench.injection.run import Wish

        if len(names) > 1:
            raise ConfigError("injection runs alone", remedy="name the other benchmarks in another command")
        wish = Wish(spec=model, places=places, redact=redact, store=store, context=context)
        if bench_injection.run(wish, out, limit=limit, jobs=jobs):
            raise typer.Exit(1)
        return
    from vedette.bench.asked import Asked
    from vedette.bench.catalog import benchmarks, found

    chosen = [name for name, one in benchmarks().items() if one.files and found(one, data)]
    chosen = chosen if names == ["all"] else names
    asked = Asked(
        model=model, way=named(protocol), data=data, limit=limit, any_version=any_version, address=address,
        connections=connections, retries=retries, patience=patience, model_args=_pairs(model_arg or []),
    )  # fmt: skip
    if model.startswith("vedette/"):
        from vedette.bench import direct
        from vedette.cli.progress import Progress

        with Progress() if progress else nullcontext() as shown:
            _tell(direct.run(chosen, asked, out, shown.tell) if shown else direct.run(chosen, asked, out))
    else:
        try:
            from vedette.bench import run as running
        except ModuleNotFoundError as error:
            raise ConfigError(f"asking '{model}' needs {error.name}", remedy="pip install 'vedette[bench]'") from error
        asking = _in_process(asked, context) if model.startswith(GGUF) else nullcontext(asked)
        with asking as whom:
            _tell(running.run(chosen, whom, out, display="plain" if progress else "none"))


def _tell(runs: Iterator[tuple[Measured, Path]]) -> None:
    from vedette.bench.report import value_of

    for measured, place in runs:
        print(f"{measured.benchmark}: {measured.headline['name']} {value_of(measured.headline)}, n = {measured.n:,}")
        if sure := measured.calibration:
            error, low, high = (100 * share for share in (sure.error, sure.low, sure.high))
            print(f"  calibration error {error:.1f} [{low:.1f}, {high:.1f}], n = {sure.n:,}")
        print(f"  {place}", file=sys.stderr)


@contextmanager
def _in_process(asked: Asked, context: int) -> Iterator[Asked]:
    """A GGUF file, served on the loopback while it is asked."""
    from msgspec.structs import replace

    from vedette.engine.backends.llamacpp import served

    file = Path(asked.model.removeprefix(GGUF))
    os.environ.setdefault("GGUF_API_KEY", "none")
    with served(file, context=context, parallel=asked.connections) as address:
        yield replace(asked, model=f"openai-api/gguf/{file.stem}", name=f"{GGUF}{file.stem}", address=address)


def _pairs(given: list[str]) -> dict[str, Any]:
    pairs = [one.partition("=") for one in given]
    if wrong := [name for name, equals, _ in pairs if not equals]:
        raise ConfigError(f"'{wrong[0]}' is no name=value", remedy="-M name=value")
    return {name: value for name, _, value in pairs}


@app.command("compare")
def compare(
    first: Annotated[Path, typer.Argument(help="Folder of a run.")],
    second: Annotated[Path, typer.Argument(help="Folder of another run of the same benchmark and protocol.")],
    ci: Annotated[
        bool, typer.Option("--ci", help="Exit with 1 where the second is worse beyond its interval.")
    ] = False,
) -> None:
    """Two models on the same items: the difference with its paired 95 % interval, and p."""
    from vedette.bench import measured
    from vedette.bench.scoring import lower_is_better

    told = measured.compared(first, second)
    a, b = measured.read(first), measured.read(second)
    print(f"{b.model} less {a.model}, {a.benchmark}, mean over items, n = {told.n:,}:")
    print(f"{told.value:+.4f} [{told.low:+.4f}, {told.high:+.4f}], p = {told.p:.4f}", end="")
    print(f"; better on {told.better:,} items, worse on {told.worse:,}")
    worse = told.low > 0 if lower_is_better(a.kind) else told.high < 0
    if ci and worse:
        raise typer.Exit(1)


@app.command("report")
def report(
    runs: Annotated[Path, typer.Argument(help="Folder of runs.")] = _OUT,
    html: Annotated[Path | None, typer.Option(help="Page to write; else report.html in the folder.")] = None,
) -> None:
    """All runs of a folder: a Markdown table here, and a page with a plot for each benchmark."""
    from vedette.bench import measured
    from vedette.bench import report as reporting
    from vedette.manifest import atomic_write

    known = measured.every(runs)
    if not known:
        raise VedetteError("no run", where=str(runs), remedy="vedette bench run writes some")
    print(reporting.markdown(known))
    place = html or runs / "report.html"
    atomic_write(place, reporting.html(known))
    print(place, file=sys.stderr)


@app.command("contamination")
def contamination(
    names: Annotated[list[str], typer.Argument(help="Benchmarks.")],
    train: Annotated[list[Path], typer.Option(help="Files that a model learned from: JSON, JSONL, CSV, TSV, Parquet.")],
    data: DataFolder = _DATA,
    runs: Annotated[Path | None, typer.Option(help="Folder of runs, to tell scores without them.")] = None,
    any_version: Annotated[bool, typer.Option(help="Also on files that are not the published ones.")] = False,
) -> None:
    """Items that training files hold: by CVE id, by text, by 13-grams of words, by likeness."""
    from vedette.bench import contamination as finding
    from vedette.bench import measured
    from vedette.bench.catalog import benchmark, items
    from vedette.bench.report import value_of

    for name in names:
        which = benchmark(name)
        every = items(which, data, any_version=any_version)
        touches = finding.touched(every, finding.training_texts(train))
        counts = {way: sum(touch.how == way for touch in touches.values()) for way in finding.WAYS}
        told = ", ".join(f"{count:,} by {way}" for way, count in counts.items())
        print(f"{which.name}: {len(touches):,} of {len(every):,} items touched ({told})")
        for one in measured.every(runs) if runs else []:
            if one.benchmark == which.name:
                parts = finding.apart(one, (runs or Path()) / one.name, touches)
                unit = {"name": one.headline["name"]}  # a mean of deviations is told in points
                shown = "; ".join(f"{p['name']} {value_of({**p, **unit})}, n = {p['n']:,}" for p in parts)
                print(f"  {one.model}, {one.protocol}: {shown}")
