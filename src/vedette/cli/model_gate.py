"""`vedette model gate | shadow`: what a candidate has to show before it may answer."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vedette.cli.contender import CURRENT, Seat, chosen, contender
from vedette.errors import ConfigError, InputError

if TYPE_CHECKING:
    from vedette.bench.gate.plan import Given
    from vedette.engine.gate import Data, Gate
    from vedette.knowledge.store import Knowledge
    from vedette.types import Case

Candidate = Annotated[
    str, typer.Argument(metavar="NAME|FILE|FOLDER", help="A model or an adapter: kept here, a .gguf, a folder of one.")
]
Base = Annotated[str, typer.Option("--base", help="Whom it is compared with; current: what is in force.")]
On = Annotated[str, typer.Option("--on", help="Of an adapter: the model it was made for; else the base's.")]
RoleName = Annotated[str, typer.Option("--role", help="triage or ask.")]
Models = Annotated[Path | None, typer.Option("--models", help="Folder of models; else $VEDETTE_MODELS, else your own.")]
Store = Annotated[Path | None, typer.Option(help="The knowledge store; else $VEDETTE_KNOWLEDGE, else yours.")]
Context = Annotated[int, typer.Option(min=0, help="Tokens of prompt and answer together; 0: as usual.")]
REFUSED = 1  # exit code


def gate(
    candidate: Candidate,
    held_out: Annotated[list[Path], typer.Option(help="Rows that it was not trained on: the forge's dev.jsonl.")],
    own: Annotated[Path | None, typer.Option(help="Folder of `vedette forge ingest`: what it was trained on.")] = None,
    base: Base = CURRENT,
    on: On = "",
    corrections: Annotated[Path | None, typer.Option(help="The corrections among that.")] = None,
    case_state: Annotated[Path | None, typer.Option(help="The folder of triage whose labels are among that.")] = None,
    benchmark: Annotated[list[str] | None, typer.Option(help="A public benchmark, too: see docs/bench.md.")] = None,
    data: Annotated[Path, typer.Option(help="Folder of the benchmarks' files.")] = Path("../shared/data"),
    rules: Annotated[Path | None, typer.Option(help="TOML: what has to be shown; else the usual.")] = None,
    scenes: Annotated[Path | None, typer.Option(help="TOML: scenes of your own instead of those that ship.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for gate.json and gate.md.")] = Path("build/gate"),
    work: Annotated[
        Path | None, typer.Option(help="Answers are kept there: the same command goes on; else in --out.")
    ] = None,
    sign: Annotated[Path | None, typer.Option(help="Your private key, made by `vedette knowledge keygen`.")] = None,
    role: RoleName = "triage",
    models: Models = None,
    store: Store = None,
    context: Context = 0,
) -> None:
    """Ask a candidate and the model in force the same, and say whether it may take its place.

    No loss on held-out questions, better on your own, nothing more for attackers, the same answers for other names, no
    attack called harmless, no secret told, nothing odd in what it learned. Exit code 1 where it is refused.
    """
    from vedette.bench.gate import scenes as shown
    from vedette.bench.gate.rules import Rules
    from vedette.bench.gate.run import Setting
    from vedette.bench.gate.run import gate as judged
    from vedette.cli.terminal import progress
    from vedette.config import load_toml
    from vedette.engine import gate as document
    from vedette.knowledge.store import Knowledge
    from vedette.signing import private_key

    key = private_key(sign) if sign else None
    wanted = load_toml(rules, Rules) if rules else Rules()
    seat = Seat(context, role, models)
    sides = contender(base, seat), contender(candidate, seat, on or _under(base, seat))
    places = scenes or shown.SHIPPED
    put = shown.load(places)
    given, inputs = _given(held_out, own, corrections, case_state, (benchmark or [], data))
    inputs = [_data("scenes", places), *inputs]
    _folder(out)
    with Knowledge.open(store) as known, progress("questions") as told:
        setting = Setting(wanted, put, known, work or out / "work", told)
        found = asyncio.run(judged(*sides, given, setting, inputs))
    _told(found, out)
    document.write(out / document.NAME, found, key)
    if key is None:
        print("vedette: it is not signed: `promote` takes it with --force alone; see --sign", file=sys.stderr)
    if not found.passed:
        raise typer.Exit(REFUSED)


def shadow(
    candidate: Candidate,
    out: Annotated[Path, typer.Option(help="The folder that `vedette triage` wrote.")] = Path("vedette-out"),
    base: Base = CURRENT,
    on: On = "",
    alone: Annotated[bool, typer.Option("--alone", help="Nothing is in force: run the candidate alone.")] = False,
    day: Annotated[str, typer.Option(help="Of the cases, as 2026-03-10; else the last one.")] = "",
    cases: Annotated[int, typer.Option(min=1, help="How many, the gravest first.")] = 20,
    report: Annotated[Path | None, typer.Option(help="The JSON file; else shadow.json in --out.")] = None,
    role: RoleName = "triage",
    models: Models = None,
    store: Store = None,
    context: Context = 0,
) -> None:
    """Let a candidate explain the last day's cases beside the model in force. Nobody is shown what it says."""
    from vedette.bench.gate import shadow as document
    from vedette.cli.terminal import listing, progress, show
    from vedette.knowledge.store import Knowledge

    seat = Seat(context, role, models)
    before = None if alone else contender(base, seat)
    now = contender(candidate, seat, on or ("" if alone else _under(base, seat)))
    place = report or out / "shadow.json"
    with Knowledge.open(store) as known, progress("cases") as told:
        chosen_cases = _cases(out, known, day, cases)
        found = asyncio.run(document.shadow(before, now, chosen_cases, known, told))
    document.write(place, found)
    table = listing()
    for title in ("", "before", "now"):
        table.add_column(title, overflow="fold", justify="right" if title else "left")
    for row in document.rows(found):
        table.add_row(*row)
    show(lambda _: [table])
    print(f"{found.summary}\n{place}, {place.with_suffix('.md')}")


def _under(base: str, seat: Seat) -> str:
    """The model that an adapter stands on, unless it is said."""
    choice = chosen(base, seat)
    return str(choice.model) if choice else ""


def _given(
    held_out: Sequence[Path],
    own: Path | None,
    corrections: Path | None,
    case_state: Path | None,
    benchmarks: tuple[Sequence[str], Path],
) -> tuple[Given, list[Data]]:
    from vedette import manifest
    from vedette.bench.catalog import benchmark, items
    from vedette.bench.gate import own as ours
    from vedette.bench.gate.plan import Given
    from vedette.bench.gate.questions import of_items, rows
    from vedette.cli.triage import STATE

    state = case_state / STATE if case_state else None
    if state and not state.is_file():
        raise InputError("no triage state here", where=str(case_state), remedy="give the folder that triage wrote")
    if own:
        manifest.verify(own)
    cases = ours.labelled(state) if state else []
    given = Given(
        held_out=[row for path in held_out for row in rows(path)],
        learned=rows(own / "train.jsonl") if own else [], own=rows(own / "dev.jsonl") if own else [], cases=cases,
        statements=[*ours.statements(corrections), *(one for one, _ in cases)],
        items=[one for name in benchmarks[0] for one in of_items(name, items(benchmark(name), benchmarks[1]))],
    )  # fmt: skip
    return given, _inputs(given, held_out, own, corrections)


def _inputs(given: Given, held_out: Sequence[Path], own: Path | None, corrections: Path | None) -> list[Data]:
    from hashlib import sha256

    from vedette.engine.gate import Data

    found = [_data(f"held out: {path.name}", path) for path in held_out]
    found += [_data(f"own: {side}", own / f"{side}.jsonl") for side in ("train", "dev")] if own else []
    found += [_data("corrections", corrections)] if corrections else []
    if given.cases:
        told = "\n".join(f"{one.place} {one.right[0]} {one.who}" for one, _ in given.cases)
        found.append(Data(name="labels", sha256=sha256(told.encode()).hexdigest(), n=len(given.cases)))
    if given.items:
        told = "\n".join(f"{one.id} {one.asked.key}" for one in given.items)
        found.append(Data(name="benchmarks", sha256=sha256(told.encode()).hexdigest(), n=len(given.items)))
    return found


def _data(name: str, path: Path) -> Data:
    """`n`: lines."""
    from vedette.engine.gate import Data
    from vedette.manifest import sha256_file

    with path.open("rb") as file:
        return Data(name=name, sha256=sha256_file(path), n=sum(1 for _ in file))


def _told(found: Gate, out: Path) -> None:
    from vedette.bench.gate import report
    from vedette.cli.terminal import listing, safe, show
    from vedette.manifest import atomic_write

    table = listing()
    for title in report.HEAD:
        table.add_column(title, overflow="fold", justify="right" if title in ("n", "value", "95 %") else "left")
    for row in report.rows(found):
        table.add_row(*map(safe, row))
    show(lambda _: [table])
    for check in found.failed:
        print(f"{check.name}: {safe(check.todo)}")
        for detail in check.details:
            print(f"  {safe(detail)}")
    atomic_write(out / "gate.md", report.markdown(found))
    print(f"{report.verdict(found)} {out / 'gate.md'}")


def _folder(out: Path) -> None:
    from vedette.manifest import output_error

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise output_error(out, exc) from exc


def _cases(out: Path, store: Knowledge, day: str, most: int) -> list[Case]:
    from msgspec.structs import replace

    from vedette.cli.triage import STATE
    from vedette.connect.sinks.wording import NEEDS_A_LOOK
    from vedette.skills.triage.background import Backgrounds
    from vedette.skills.triage.engine import GRAVER
    from vedette.skills.triage.state import State, explained

    if not (out / STATE).is_file():
        raise InputError("no triage state here", where=str(out), remedy="run `vedette triage` first, or give its --out")
    with explained(out / STATE), State(out / STATE) as state:
        every = list(state.cases())
    days = sorted({case.day for case in every})
    if day and day not in days:
        raise ConfigError(f"no case of '{day}'", remedy=f"there are cases of {days[0]} to {days[-1]}" if days else "")
    found = [case for case in every if case.day == (day or days[-1]) and case.verdict in NEEDS_A_LOOK]
    if not found:
        remedy = "name another --day" if days else "run `vedette triage` over alerts first"
        raise InputError("no case needs a look there", where=str(out), remedy=remedy)
    found.sort(key=lambda case: (-GRAVER.index(case.verdict), -case.probability, case.id))
    backgrounds = Backgrounds(lambda: store)
    return [replace(case, background=backgrounds.of(case.techniques, case.tactics)) for case in found[:most]]
