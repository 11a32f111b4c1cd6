"""`vedette triage`: raw alerts in, a short, ranked queue of cases out."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import date
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from vedette.cli.engine import Adapter, Colleague, Context, Model, Redact, Seed, Wish
from vedette.errors import ConfigError, InputError, OutputError

if TYPE_CHECKING:
    from vedette.connect.ahead import Ahead
    from vedette.connect.read import Reader
    from vedette.experts import Experts
    from vedette.skills.triage.background import Backgrounds
    from vedette.skills.triage.owner import Owner
    from vedette.skills.triage.skill import Triage
    from vedette.skills.triage.state import State
    from vedette.types import Case, Queue

STATE, REJECTS = "state.db", "rejected.jsonl"
INTERRUPTED = 130
FORMATS = ("table", "jsonl", "markdown", "csv")


def triage(
    inputs: Annotated[
        list[str], typer.Argument(help="Files (plain, .gz, .zst, .zip), folders, or - for standard input.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for state, cases and reports; the memory of one site.")] = Path(
        "vedette-out"
    ),
    source: Annotated[str, typer.Option(help="Format of the input; found by content unless given.")] = "auto",
    field_map: Annotated[
        Path | None, typer.Option("--map", help="TOML field map for a CSV or JSONL of your own.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Zone of times that do not say theirs, as Europe/Vienna; else UTC.")
    ] = None,
    assets: Annotated[
        Path | None, typer.Option(help="TOML of your devices: names, addresses, criticality, role.")
    ] = None,
    exceptions: Annotated[
        Path | None, typer.Option(help="TOML of what you expect: known scanners, windows, each with reason and expiry.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Folder of other weights of triage than those that ship.")
    ] = None,
    miss_bound: Annotated[
        float | None,
        typer.Option(
            help="Close likely benign cases whose labelled history keeps misses under this share, as 0.01. "
            "Default: nothing is closed."
        ),
    ] = None,
    day: Annotated[str | None, typer.Option(help="Show one day only, as 2026-03-10.")] = None,
    top: Annotated[int, typer.Option(min=0, help="How many cases are listed; 0 lists all.")] = 20,
    explain: Annotated[int, typer.Option(min=0, help="How many of them are explained on the terminal.")] = 3,
    view: Annotated[str, typer.Option("--format", help="What is printed: table, jsonl, markdown or csv.")] = "table",
    width: Annotated[
        int | None, typer.Option(min=60, help="Columns of the table; those of the terminal unless given.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on with files that grow, through rotation, until Ctrl-C.")
    ] = False,
    every: Annotated[float, typer.Option(min=0.5, help="With --follow: seconds between two looks at the queue.")] = 5.0,
    experts: Annotated[
        bool,
        typer.Option(
            "--experts/--no-experts",
            help="Infer techniques of rules that state none, from the rules' own names; shown, never counted.",
        ),
    ] = True,
    model: Model = "",
    worded: Annotated[int, typer.Option(min=0, help="With --model: how many cases it explains, the first ones.")] = 5,
    context: Context = 0,
    adapter: Adapter = None,
    seed: Seed = 0,
    redact: Redact = None,
) -> None:
    """Turn raw alerts into a ranked queue of cases with reasons that can be checked.

    Formats are found by content: Wazuh alerts.json, Suricata eve.json, Elastic/OpenSearch ECS, OCSF findings,
    Splunk notables, and any CSV or JSONL through --map. Advice only: nothing is closed unless --miss-bound is set.

    A language model (--model) adds words that were checked against the evidence; queue, verdicts and evidence are the
    same without it.

    Running again over the same input changes nothing; a run that was killed goes on where it stopped.
    """
    if view not in FORMATS:
        raise ConfigError(f"unknown format '{view}'", remedy="use one of " + ", ".join(FORMATS))
    if miss_bound is not None and not 0 < miss_bound < 0.5:
        raise ConfigError(f"miss bound {miss_bound} is not a share between 0 and 0.5", remedy="use a value as 0.01")
    if day is not None and not _is_day(day):
        raise ConfigError(f"'{day}' is no day", remedy="write it as 2026-03-10")
    from vedette.connect.ahead import Ahead, possible
    from vedette.connect.open import STDIN
    from vedette.connect.read import read
    from vedette.knowledge.store import Knowledge
    from vedette.skills.triage.background import Backgrounds
    from vedette.skills.triage.inferred import RuleReader
    from vedette.skills.triage.owner import Owner
    from vedette.skills.triage.state import State, explained

    owner = Owner.load(assets, exceptions)
    _make(out)
    with (
        explained(out / STATE),
        State(out / STATE) as state,
        Backgrounds(Knowledge.open) as backgrounds,
        _stoppable() as stopped,
        Colleague(Wish(model, context, tuple(adapter or ()), seed, redact)) if model else nullcontext() as colleague,
    ):
        apart = possible() and not follow and STDIN not in inputs
        positions = state.positions()
        reader = read(
            inputs,
            source=source,
            field_map=field_map,
            timezone=timezone,
            resume=positions.get if apart else state.position,
            follow=follow,
            stop=lambda: stopped() or (follow and desk.look()),
        )
        _collect_seldom()
        with Ahead(reader, positions, stopped) if apart else nullcontext(reader) as chunks:
            skill = _skill(state, owner, weights, miss_bound, backgrounds)  # while the reader is at work
            skill.reader = RuleReader(_experts) if experts else None
            desk = _Desk(skill, out, lambda queue: _show(queue, view, width, top, explain), day, every)
            if colleague:
                desk.words = lambda cases: colleague.put_into_words(skill, cases[:worded], stopped)
            _take_in(skill, chunks)
        desk.finish()
        counts = state.counts()
    if stopped() and not follow:
        print("vedette: stopped early; run the same command again to go on", file=sys.stderr)
        raise typer.Exit(INTERRUPTED)
    if counts.read and counts.read == counts.rejected:
        raise typer.Exit(InputError.exit_code)
    if colleague and colleague.trouble:
        raise colleague.trouble


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _make(out: Path) -> None:
    from vedette.connect.open import OWN_OUTPUT

    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / OWN_OUTPUT).touch()
    except OSError as error:
        remedy = "choose another --out"
        raise OutputError(f"cannot write to the folder: {error.strerror}", where=str(out), remedy=remedy) from error


def _skill(
    state: State, owner: Owner, weights: Path | None, miss_bound: float | None, backgrounds: Backgrounds
) -> Triage:
    from vedette.skills.triage import model
    from vedette.skills.triage.skill import Triage

    loaded = model.load(weights) if weights else model.load()
    return Triage(state, loaded, owner, miss_bound=miss_bound, backgrounds=backgrounds)


def _experts() -> Experts:
    from vedette.experts import Experts

    return Experts.load()


def _collect_seldom() -> None:
    """Alerts make millions of containers and hardly any cycle: looking for cycles took a fifth of the time."""
    gc.freeze()
    gc.set_threshold(200_000, 50, 100)


class _Desk:
    """Builds cases when it is time, writes the files of the out folder, and shows the queue."""

    def __init__(self, skill: Triage, out: Path, show: Callable[[Queue], None], day: str | None, every: float) -> None:
        self.skill, self.out, self.show, self.day, self.every = skill, out, show, day, every
        self.words: Callable[[Sequence[Case]], None] | None = None  # asks a language model about cases
        self.last = time.monotonic()

    def look(self) -> bool:
        """While following: show the queue anew when there is something new. Never asks to stop."""
        if time.monotonic() - self.last >= self.every and self.skill.state.dirty_days():
            self.finish()
            self.last = time.monotonic()
        return False

    def finish(self) -> None:
        from vedette.connect.sinks import FILES, rejects, write
        from vedette.connect.sinks.wording import NEEDS_A_LOOK

        self.skill.build()
        rejected = self.out / REJECTS
        if self.skill.state.counts().rejected:
            rejects.write(self.skill.state.rejects(), rejected)
        queue = self.skill.queue(reject_file=str(rejected))
        if self.words:
            for name, file in FILES.items():
                write(name, queue, self.out / file)  # a model takes its time, and may fail
            self.words([c for c in queue.cases if self.day in (None, c.day) and c.verdict in NEEDS_A_LOOK])
            queue = self.skill.queue(reject_file=str(rejected))
        self.show(self.skill.queue(reject_file=str(rejected), day=self.day) if self.day else queue)
        for name, file in FILES.items():
            write(name, queue, self.out / file)
        print(f"Report: {(self.out / FILES['html']).resolve()}", file=sys.stderr)


def _show(queue: Queue, view: str, width: int | None, top: int, explain: int) -> None:
    try:
        sys.stdout.write(_rendered(queue, view, width, top, explain))
        sys.stdout.flush()
    except BrokenPipeError:  # who reads has seen enough; the files are still written
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _rendered(queue: Queue, view: str, width: int | None, top: int, explain: int) -> str:
    from vedette.connect.sinks import VIEWS, table

    if view != "table":
        return VIEWS.load(view)(queue)
    tty = sys.stdout.isatty()
    columns = width or (shutil.get_terminal_size((100, 24)).columns if tty else 100)
    return table.render(queue, width=columns, color=tty, top=explain, rows=top)


def _take_in(skill: Triage, reader: Reader | Ahead) -> None:
    """Read to the end, with a progress bar on a terminal once it takes longer than a second."""
    taken = skill.ingest(reader, reader.notes)
    if not sys.stderr.isatty():
        for _ in taken:
            pass
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("reading {task.fields[name]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("alerts"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, name="")
        for chunk in taken:
            bar.update(task, advance=len(chunk.alerts), name=Path(chunk.name).name[:40])


@contextmanager
def _stoppable() -> Iterator[Callable[[], bool]]:
    """A question that turns true at Ctrl-C or SIGTERM, so that what was read is kept and shown."""
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
