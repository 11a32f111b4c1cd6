"""Makes the next store out of the present one and what is imported, and puts it in its place when it is whole.

The next store is written beside the present one. Until it verifies and is renamed, the present one answers; a crash at
any point leaves it as it was. What the present one was before stays as `….previous`, for `diff`.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import msgspec

from vedette import __version__
from vedette.errors import InputError, OutputError, RecordError, StateError, VedetteError
from vedette.knowledge import index, schema, verify
from vedette.knowledge.chunk import Passage
from vedette.knowledge.encoder import ENCODERS, USUAL
from vedette.knowledge.inputs import Input, entries
from vedette.knowledge.readers import READERS
from vedette.knowledge.sources import rank
from vedette.knowledge.spool import Encoded, Spooled, Task, bodies, encode_passages, encoder, printed, spool
from vedette.knowledge.unit import Unit
from vedette.knowledge.workplace import Inline, executor, locked, workplace
from vedette.knowledge.write import Change, Writer
from vedette.manifest import output_error

PREVIOUS = ".previous"
PAGE = 8192
LOOK = 100  # files that are looked at before a folder is taken as a whole


@dataclass(slots=True)
class Outcome:
    """What became of one (source, part)."""

    unit: Unit
    path: Path
    change: Change = field(default_factory=Change)
    same_file: bool = False  # the very file that the store was made from: not read again
    error: VedetteError | None = None
    examples: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    outcomes: list[Outcome] = field(default_factory=list)
    unclaimed: list[Path] = field(default_factory=list)  # files that are no knowledge as far as we can tell
    notes: list[str] = field(default_factory=list)
    swapped: bool = False  # there is a new store


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that come ready: of the shipped facts, of a bundle."""

    unit: Unit
    bodies: Callable[[], Iterator[bytes]]
    path: Path


Progress = Callable[[str, int, int], None]  # what is being done, how many of how many units


@dataclass(frozen=True, slots=True)
class Work:
    """Where the next store is made, and by whose encoder."""

    folder: Path
    encoders: Executor
    encoder: str  # name of one of ENCODERS
    progress: Progress = lambda *_: None

    def encode(self, passages: list[Passage]) -> Future[Encoded]:
        return self.encoders.submit(encode_passages, passages, self.encoder)


def find(paths: Sequence[Path], unclaimed: list[Path]) -> list[Task]:
    """The sources in files, archives and folders. A folder that no reader claims as a whole is searched."""
    tasks: list[Task] = []
    for path in paths:
        if not path.exists():
            raise InputError("no such file or folder", where=str(path), remedy="check the path")
        tasks += _found(path, unclaimed)
    return tasks


def _found(path: Path, unclaimed: list[Path]) -> Iterator[Task]:
    folder = path.is_dir()
    if (folder or path.is_file()) and (task := _claimed(path)) and not (folder and _mixed(path, task)):
        yield task
    elif folder:
        for inside in entries(path):
            yield from _found(inside, unclaimed)
    else:
        unclaimed.append(path)


def _mixed(folder: Path, task: Task) -> bool:
    """Does a file of another source lie beside what `task` is about? Then each is read by itself."""
    beside = islice((path for path in entries(folder) if path.is_file()), LOOK)
    return any(other.source != task.source for path in beside if (other := _claimed(path)))


def _claimed(path: Path) -> Task | None:
    item = Input(path)
    try:
        for name in READERS:
            reader = READERS.load(name)
            if reader.claims(item):
                return Task(name, path, _plain(reader.part(item)))
    except InputError:
        return None  # damaged or not an archive that we read: listed among the unclaimed
    return None


def _fault(path: Path) -> InputError | None:
    """Why a file that the user names says nothing: it may be damaged."""
    try:
        item = Input(path)
        _ = item.head, item.names
        if item.container:
            next(item.members(), None)
    except InputError as error:
        return error
    return None


def _plain(part: str) -> str:
    """Some are made from a file's name: without what a unit's name must not hold."""
    return "".join(c if c.isprintable() else "?" for c in part)[:200]


def import_sources(
    store: Path, paths: Sequence[Path], progress: Progress = lambda *_: None, *, encode_with: str = ""
) -> Report:
    """Read the publishers' files under `paths` into the store. Raises InputError, OutputError, StateError.

    `encode_with`: an encoder's name; the store's own unless given. Another one than before encodes everything anew.
    """
    from vedette.knowledge import facts

    report = Report()
    tasks = _unambiguous(find(paths, report.unclaimed), report)
    faults = [fault for path in paths if path in report.unclaimed and (fault := _fault(path))]
    report.notes += map(str, faults)
    if not tasks:
        raise faults[0] if faults else InputError(
            "holds nothing that Vedette knows to read", where=", ".join(map(str, paths)),
            remedy="`vedette knowledge status` lists the sources",
        )  # fmt: skip
    apart = max(1, min(3, (os.cpu_count() or 1) - 1))
    with locked(store), workplace(store) as work, executor(1) as readers, executor(apart) as encoders:
        installed, chosen = units(store), _encoder_for(store, encode_with)
        report.notes += _clock(installed)
        version = schema.meta(store).get("vedette", "") if store.exists() else ""
        jobs = [
            (task, _spooled(task, readers, work / f"{place}.jsonl", installed.get(task.unit), version))
            for place, task in enumerate(tasks)
        ]
        readers.shutdown(wait=False)  # ends, and gives its memory back, when all are read
        batches = _batches(jobs, report, installed, progress)
        _build(store, Work(work, encoders, chosen, progress), batches, report, facts.base())
    return report


def import_batches(
    store: Path,
    batches: Sequence[Batch],
    *,
    inline: bool = False,
    only_new: bool = False,
    base: Sequence[Batch] = (),
    encode_with: str = "",
) -> Report:
    """Put records that are ready into the store: units that it holds are replaced, others stay.

    `base`: facts for units that the store would lack. `encode_with`: as for `import_sources`.
    `only_new`: where somebody else has made a store by now, it stays as it is.
    """
    report = Report()
    with locked(store), workplace(store) as work, executor(0 if inline else 1) as pool:
        if only_new and store.exists():
            return report
        chosen = _encoder_for(store, encode_with)
        ready = [(Outcome(batch.unit, batch.path), batch.bodies) for batch in batches]
        report.outcomes = [outcome for outcome, _ in ready]
        _build(store, Work(work, pool, chosen), iter(ready), report, base)
    return report


def _unambiguous(tasks: list[Task], report: Report) -> list[Task]:
    """Sources in order of precedence; of two files with the same part, the one with the later name."""
    chosen: dict[str, Task] = {}
    for task in sorted(tasks, key=lambda t: (rank(t.source), t.part, t.path)):
        if (before := chosen.get(task.unit)) and before.path != task.path:
            report.notes.append(f"{task.unit}: '{before.path}' gives way to '{task.path}'")
        chosen[task.unit] = task
    return list(chosen.values())


def _spooled(task: Task, pool: Executor, path: Path, unit: Unit | None, version: str) -> Future[Spooled] | Unit:
    """The unit itself where the store was made from this very file by this version of Vedette."""
    if unit and not unit.facts_only and version == __version__:
        with suppress(VedetteError):
            if unit.inputs.get(printed(task.path)) == Input(task.path).sha256:
                return unit
    return pool.submit(spool, task, path)


Ready = tuple[Outcome, Callable[[], Iterator[bytes]]]


def _batches(
    jobs: list[tuple[Task, Future[Spooled] | Unit]], report: Report, installed: dict[str, Unit], progress: Progress
) -> Iterator[Ready]:
    for place, (task, job) in enumerate(jobs):
        progress(task.unit, place, len(jobs))
        if isinstance(job, Unit):
            report.outcomes.append(Outcome(job, task.path, Change(unchanged=job.records), same_file=True))
            continue
        spooled = job.result()
        unit = unit_of(task, spooled, datetime.now(UTC))
        outcome = Outcome(unit, task.path, error=spooled.error, examples=spooled.tally.examples)
        report.outcomes.append(outcome)
        if spooled.error is None:
            yield outcome, lambda path=spooled.path: bodies(path)  # type: ignore[misc]
        spooled.path.unlink(missing_ok=True)
    progress("index", len(jobs), len(jobs))


def unit_of(task: Task, spooled: Spooled, now: datetime) -> Unit:
    tally = spooled.tally
    return Unit(
        source=task.source,
        part=task.part,
        release=tally.release,
        on=tally.on,
        imported=now.isoformat(timespec="seconds"),
        inputs={printed(task.path): spooled.sha256} if spooled.sha256 else {},
        read=tally.read,
        records=spooled.records,
        skipped=dict(sorted(tally.skipped.items())),
        refused=dict(sorted(tally.refused.items())),
        content=spooled.content,
    )


def _build(store: Path, work: Work, batches: Iterator[Ready], report: Report, base: Sequence[Batch] = ()) -> None:
    """Write the next store; swap it in if it differs from the present one. Ends the processes that encode.

    `base`: facts for units that the store would lack.
    """
    target = work.folder / "store.db"
    try:
        if store.exists() and not schema.sealed(store):
            raise StateError("the store is damaged", where=str(store), remedy=schema.REMEDY)
        anew = _outdated(store, work.encoder)
        if store.exists() and not anew:
            shutil.copyfile(store, target)
        with _connected(target) as connection:
            writer = Writer(connection, work.encode)
            if anew:
                _carry_over(store, writer, work.progress)
                writer.touched = True
            for outcome, content in batches:
                outcome.change = writer.put(outcome.unit, content())
            for batch in _lacking(connection, base if writer.touched else ()):
                writer.put(batch.unit, batch.bodies())
            writer.finish()
            work.encoders.shutdown()  # their memory is needed now
            if not writer.touched:
                return
            _finish(connection, writer, work.encoder)
        schema.seal(target)
        _swap(target, store)
        report.swapped = True
    except OSError as exc:
        raise output_error(store, exc) from exc
    except sqlite3.IntegrityError as exc:
        raise InputError(f"an id occurs twice in a unit: {exc}", remedy="nothing was imported; make it again") from exc
    except sqlite3.Error as exc:
        remedy = "free some space; the last good store still answers"
        raise OutputError(f"the next store cannot be written: {exc}", where=str(store), remedy=remedy) from exc


def _lacking(connection: sqlite3.Connection, base: Sequence[Batch]) -> Iterator[Batch]:
    """Those whose unit the store does not hold, or holds as other facts: of an older version of Vedette."""
    held = dict(connection.execute("SELECT name, body FROM unit").fetchall())
    for batch in base:
        body = held.get(batch.unit.name)
        unit = msgspec.json.decode(body, type=Unit) if body else None
        if unit is None or (unit.facts_only and unit.content != batch.unit.content):
            yield batch


def _finish(connection: sqlite3.Connection, writer: Writer, name: str) -> None:
    index.rebuild(connection, writer.terms)
    made = {**schema.made_by(encoder(name).sha256), schema.ENCODER_NAME: name, "vedette": __version__}
    connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", made.items())
    verify.check(connection)
    connection.execute("COMMIT")


def fill_in_memory(connection: sqlite3.Connection, batches: Sequence[Batch]) -> None:
    """A store that lies nowhere, for little that is to be known."""
    schema.create(connection)
    connection.execute("BEGIN")
    writer = Writer(connection, lambda passages: Inline().submit(encode_passages, passages, USUAL))
    for batch in batches:
        writer.put(batch.unit, batch.bodies())
    writer.finish()
    _finish(connection, writer, USUAL)


def _carry_over(store: Path, writer: Writer, progress: Progress) -> None:
    """Records of a store whose index is made in another way than today."""
    connection = schema.open_to_read(store)
    try:
        held = units(store).values()
        for place, unit in enumerate(held):
            progress(f"{unit.name}, encoded anew", place, len(held))
            rows = connection.execute(
                "SELECT r.body FROM record r JOIN unit u ON r.unit = u.number WHERE u.name = ?", (unit.name,)
            )
            writer.put(unit, (body for (body,) in rows))
    except RecordError as exc:
        raise schema.damaged(exc) from exc
    finally:
        connection.close()


@contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    fresh = not path.exists()
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for pragma in (f"page_size = {PAGE}", "journal_mode = OFF", "synchronous = OFF", "cache_size = -65536"):
            connection.execute(f"PRAGMA {pragma}")
        if fresh:
            schema.create(connection)
        connection.execute("BEGIN")
        yield connection
    finally:
        connection.close()


def _swap(target: Path, store: Path) -> None:
    with target.open("rb+") as file:
        os.fsync(file.fileno())
    previous = store.with_name(store.name + PREVIOUS)
    if store.exists():
        shutil.copymode(store, target)
        kept = target.with_name("previous")
        with suppress(OSError):  # a file system without links keeps none
            os.link(store, kept)
            kept.replace(previous)
    target.replace(store)
    with suppress(OSError):
        descriptor = os.open(store.parent, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def units(store: Path) -> dict[str, Unit]:
    """What the store holds, by name; nothing where there is no store."""
    if not store.exists():
        return {}
    connection = schema.open_to_read(store)
    try:
        rows = connection.execute("SELECT name, body FROM unit").fetchall()
        return {name: msgspec.json.decode(body, type=Unit) for name, body in rows}
    except schema.NONSENSE as exc:
        raise schema.damaged(exc) from exc
    finally:
        connection.close()


def _encoder_for(store: Path, wanted: str) -> str:
    """The encoder that is asked for, else the store's. One that cannot be used is an error before anything is read."""
    held = schema.meta(store).get(schema.ENCODER_NAME) if store.exists() else None
    name = wanted or (held if held and held in ENCODERS else USUAL)
    encoder(name)
    return name


def _outdated(store: Path, name: str) -> bool:
    """Made in another way than today, or with another encoder: it is made anew from what is imported."""
    if not store.exists():
        return False
    made = schema.meta(store)
    return any(made.get(key) != value for key, value in schema.made_by(encoder(name).sha256).items())


def _clock(installed: dict[str, Unit]) -> list[str]:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    last = max((unit.imported for unit in installed.values()), default="")
    return [f"this machine's clock ({now}) is before the last import ({last}): check it"] if last > now else []
