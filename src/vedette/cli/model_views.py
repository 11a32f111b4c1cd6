"""What `vedette model list` and `vedette model size` show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from vedette.cli.terminal import listing, safe
from vedette.engine import gguf, models, sizing
from vedette.engine.catalog import Recommended, named, recommended
from vedette.engine.machine import Memory, Speed
from vedette.errors import ArtefactError, ConfigError

WIDE = 110
FULL = 0.9  # of the free memory: above it is "tight"


@dataclass(frozen=True, slots=True)
class Wish:
    quantisation: str
    context: int
    parallel: int
    tokens: tuple[int, int]  # in and out of one explanation


@dataclass(frozen=True, slots=True)
class Sized:
    name: str
    quantisation: str
    known: bool  # the file's bytes; else they are computed, too
    need: sizing.Need
    pace: sizing.Pace | None


# -- list ---------------------------------------------------------------------------------------


def list_parts(
    place: Path,
    good: Sequence[models.Stored],
    bad: Sequence[ArtefactError],
    known: Mapping[str, Recommended],
    width: int,
) -> Iterator[RenderableType]:
    yield Text.assemble(("on this machine ", "bold"), (safe(str(place)), "dim"))
    yield _stored(good) if good else Text("none: `vedette model pull` or `add` brings one")
    yield from (Text(f"warning: {safe(str(error))}", style="yellow") for error in bad)
    yield ""
    yield Text("recommended", style="bold")
    yield _recommended(known, width >= WIDE)
    if width < WIDE:
        yield from (Text(f"{name}: {model.about}", style="dim") for name, model in known.items())
    yield ""
    yield Text("published by others, not measured by us (see docs/bench.md for the sources):", style="dim")
    yield from (Text(f"{name}: {scores}", style="dim") for name in known if (scores := _scores(name)))


def _stored(good: Sequence[models.Stored]) -> Table:
    table = listing()
    for title in ("name", "quantisation", "GB", "context", "licence", "checked against"):
        table.add_column(title, overflow="fold", justify="right" if title in ("GB", "context") else "left")
    for found in good:
        said = found.manifest
        size, context, licence = f"{said.bytes / 1e9:.2f}", f"{said.context:,}", safe(said.licence or "?")
        table.add_row(said.name, said.quantisation, size, context, licence, said.verified or "nothing")
    return table


def _recommended(known: Mapping[str, Recommended], wide: bool) -> Table:
    table = listing()
    titles = ("name", "B", "files, GB", "context", "licence", *(("for",) if wide else ()))
    for title in titles:
        table.add_column(title, overflow="fold", justify="right" if title in ("B", "context") else "left")
    for name, model in known.items():
        sizes = ", ".join(f"{f.quantisation} {f.bytes / 1e9:.1f}" if f.bytes else f.quantisation for f in model.file)
        row = [name, f"{model.parameters:g}", sizes, f"{model.context:,}", model.licence or "see publisher"]
        table.add_row(*row, *((model.about,) if wide else ()))
    return table


def _scores(name: str) -> str:
    from vedette.bench.report import peers

    return ", ".join(
        f"{peer.benchmark} {peer.value:g} ({peer.protocol}, n = {peer.n:,})"
        for peer in peers()
        if peer.name.casefold() == name.casefold()
    )


# -- size ---------------------------------------------------------------------------------------


def everything() -> list[str]:
    return list(recommended())


def sized(name: str, wish: Wish, speed: Speed | None, place: Path | None) -> Sized:
    """Of a recommended model, one that is kept here, or a file. Raises ConfigError, InputError."""
    known = named(name)
    if known and (wish.quantisation or not _is_here(name, place)):
        return _of_catalog(known[0], known[1], wish, speed)
    header = gguf.read(models.path_of(name, place))
    weights, shape = sizing.of_header(header), header.shape
    need = sizing.need(weights, shape, wish.context, wish.parallel)
    shown = Path(name).name if name.endswith(".gguf") else name
    return Sized(shown, header.quantisation, True, need, _pace(weights, shape, speed, wish))


def _is_here(name: str, place: Path | None) -> bool:
    try:
        return models.path_of(name, place).is_file()
    except (ConfigError, ArtefactError):
        return False


def _of_catalog(name: str, model: Recommended, wish: Wish, speed: Speed | None) -> Sized:
    try:
        file = model.published(wish.quantisation)
        quantisation, size = file.quantisation, file.bytes
    except ConfigError:  # not published, and still of a known size
        quantisation, size = wish.quantisation.upper(), 0
    weights = sizing.of_shape(model.shape, quantisation, size)
    need = sizing.need(weights, model.shape, wish.context, wish.parallel)
    return Sized(name, quantisation, bool(size), need, _pace(weights, model.shape, speed, wish))


def _pace(weights: sizing.Weights, shape: gguf.Shape, speed: Speed | None, wish: Wish) -> sizing.Pace | None:
    if speed is None:
        return None
    return sizing.pace(weights, shape, speed, parallel=wish.parallel, tokens=wish.tokens)


def verdict(need: sizing.Need, room: int) -> str:
    if not room:
        return "?"
    if need.least > room:
        return "no"
    return "yes" if need.resident <= FULL * room else "tight"


def size_parts(
    rows: Sequence[Sized], wish: Wish, room: int, memory: Memory, speed: Speed | None
) -> Iterator[RenderableType]:
    yield Text(_machine(room, memory, speed))
    at_once = f", {wish.parallel} at once" if wish.parallel > 1 else ""
    into, out = wish.tokens
    yield Text(
        f"computed: context {wish.context:,} tokens{at_once}, cache f16; an alert {into:,} tokens in, {out:,} out"
    )
    yield ""
    table = listing()
    titles = ["model", "", "fits", "GB", "weights", "packed", "cache", "rest", "card"]
    titles += ["in/s", "out/s", "alerts/h"] if speed else []
    for title in titles:
        table.add_column(title, no_wrap=True, justify="left" if title in ("model", "", "fits") else "right")
    for row in rows:
        need = row.need
        sizes = (
            need.resident, need.weights, need.rewritten, need.cache, need.compute + need.program, need.card
        )  # fmt: skip
        cells = [row.name, row.quantisation, verdict(need, room), *(f"{size / 1e9:.1f}" for size in sizes)]
        if row.pace:
            cells += [f"{row.pace.prompt:.0f}", f"{row.pace.answer:.1f}", f"{row.pace.together:,.0f}"]
        table.add_row(*cells)
    yield table
    yield ""
    yield Text(
        "GB: of memory in all; packed: weights that the processor's kernels want in another order, whose pages of the"
        " file can go; card: on a graphics card. Memory was within 10 % of what three shapes took; speed is a guess"
        " from two numbers: `vedette model check` measures it.",
        style="dim",
    )


def _machine(room: int, memory: Memory, speed: Speed | None) -> str:
    parts = [f"{memory.total / 1e9:.1f} GB of memory, {memory.free / 1e9:.1f} free"] if memory.total else []
    parts += [f"{room / 1e9:.1f} GB to be used"] if room != memory.free else []
    if speed:
        parts.append(
            f"{speed.threads} threads, {speed.bandwidth / 1e9:.1f} GB/s copied, {speed.flops / 1e9:.0f} GFLOP/s"
        )
    return f"measured: {'; '.join(parts) or 'nothing'}"


def size_document(rows: Sequence[Sized], wish: Wish, room: int, memory: Memory, speed: Speed | None) -> dict[str, Any]:
    return {
        "measured": {"memory": asdict(memory), "speed": asdict(speed) if speed else None},
        "wish": asdict(wish) | {"room": room},
        "computed": [
            {
                "model": row.name,
                "quantisation": row.quantisation,
                "file_known": row.known,
                "fits": verdict(row.need, room),
                "bytes": asdict(row.need) | {part: getattr(row.need, part) for part in ("resident", "least", "card")},
                "pace": asdict(row.pace) if row.pace else None,
            }
            for row in rows
        ],
    }  # fmt: skip
