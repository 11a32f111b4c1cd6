"""How many of the golden cases triage gets right: small days, written by us, of which an analyst says what comes first.

A line of `golden.jsonl` holds a name, events, the owner's files where they matter, and what is expected of the queue.
An event is an alert, or `n` of them `every` so many seconds; its refs are `id.0`, `id.1` ….
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from vedette.errors import ArtefactError
from vedette.skills.triage import model as weights
from vedette.skills.triage.model import Model
from vedette.skills.triage.owner import Owner
from vedette.skills.triage.signals import DAY_MS
from vedette.skills.triage.skill import Triage
from vedette.skills.triage.state import State
from vedette.types import (
    Alert,
    Case,
    Chunk,
    Kind,
    Observable,
    Position,
    Queue,
    Role,
    Severity,
    TextKind,
    UntrustedText,
    Verdict,
)

GOLDEN = Path(__file__).with_name("golden.jsonl")
FIRST_DAY = 20_522  # 2026-03-10, in days since 1970-01-01
CHUNK = 5_000


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One alert, or a series of the same. `hosts` repeats it on each of them, a second apart."""

    id: str
    at: str  # HH:MM or HH:MM:SS, UTC
    rule: str
    name: str
    sev: int = 3
    product: str = "Wazuh"
    day: int = 0  # after the first one
    hosts: tuple[str, ...] = ()
    ip: str = ""  # of the host
    src: str = ""
    dst: str = ""
    user: str = ""
    text: tuple[TextKind, str] | None = None
    techniques: tuple[str, ...] = ()
    tactics: tuple[str, ...] = ()
    uid: str = ""
    n: int = 1
    every: float = 60.0  # seconds


class Expect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is given has to hold. `first` is the case at the top of the queue, `shown` lists event ids."""

    first_shown: tuple[str, ...] = ()  # among the evidence of the first case
    first_hidden: tuple[str, ...] = ()  # not among it
    verdict: tuple[Verdict, ...] = ()  # of the first case, one of these
    hosts: tuple[str, ...] = ()  # of the first case
    tactics: tuple[str, ...] = ()  # of the first case
    verdict_of: dict[str, tuple[Verdict, ...]] = {}  # of the strongest case that shows an event
    together: tuple[tuple[str, ...], ...] = ()  # events that one case shows
    apart: tuple[tuple[str, ...], ...] = ()  # events of which no case shows two
    escalated: int | None = None  # how many cases
    excused: dict[str, str] = {}  # event -> exception that its case names
    duplicates: int | None = None
    noted: tuple[str, ...] = ()  # words in the notes


class Golden(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    alerts: tuple[Event, ...]
    expect: Expect
    assets: str = ""  # TOML
    exceptions: str = ""
    open: str = ""  # why it is not met yet: a known failure


class Result(msgspec.Struct, frozen=True):
    """Of one golden case; it is passed when nothing is `wrong`."""

    golden: Golden
    wrong: tuple[str, ...]


def score(path: Path = GOLDEN) -> float:
    """Share of the golden cases passed, 0 to 1."""
    results = check(path)
    return sum(not result.wrong for result in results) / len(results)


def check(path: Path = GOLDEN, model: Model | None = None) -> list[Result]:
    """Raises ArtefactError for a file that holds something else."""
    loaded = model or weights.load()
    return [Result(golden, tuple(faults(golden.expect, queue_of(golden, loaded)))) for golden in read(path)]


def read(path: Path = GOLDEN) -> list[Golden]:
    found = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        try:
            found.append(msgspec.json.decode(line, type=Golden))
        except msgspec.MsgspecError as error:
            raise ArtefactError(
                f"no golden case: {error}", where=f"{path}:{number}", remedy="see `Golden` for its fields"
            ) from error
    if not found:
        raise ArtefactError("no golden case in it", where=str(path), remedy="reinstall it")
    return found


def queue_of(golden: Golden, model: Model) -> Queue:
    """What triage makes of it, over a fresh state."""
    with TemporaryDirectory() as folder:
        state = State(Path(folder) / "state.db")
        try:
            skill = Triage(state, model, _owner(golden, Path(folder)))
            for _ in skill.ingest(_chunks(golden)):
                pass
            skill.build()
            return skill.queue()
        finally:
            state.close()


def _owner(golden: Golden, folder: Path) -> Owner:
    files = []
    for name, text in (("assets.toml", golden.assets), ("exceptions.toml", golden.exceptions)):
        (folder / name).write_text(text, encoding="utf-8")
        files.append(folder / name)
    return Owner.load(*files)


def _chunks(golden: Golden) -> Iterator[Chunk]:
    alerts = sorted((a for event in golden.alerts for a in _alerts(event)), key=lambda a: a.time)
    for i in range(0, len(alerts), CHUNK):
        part = alerts[i : i + CHUNK]
        yield Chunk(Position("golden", i + len(part), i + len(part)), "golden", alerts=part)


def _alerts(event: Event) -> Iterator[Alert]:
    hours, minutes, seconds = (*map(int, event.at.split(":")), 0)[:3]
    start = (FIRST_DAY + event.day) * DAY_MS + (hours * 3600 + minutes * 60 + seconds) * 1000
    hosts = event.hosts or ("",)
    for i in range(event.n):
        for j, host in enumerate(hosts):
            yield Alert(
                time=start + int(i * event.every * 1000) + j * 1000, product=event.product, rule_uid=event.rule,
                rule_name=event.name, ref=f"{event.id}.{i * len(hosts) + j}", severity=Severity(event.sev),
                observables=tuple(_observables(event, host)), techniques=event.techniques, tactics=event.tactics,
                texts=(UntrustedText(*event.text),) if event.text else (), uid=event.uid,
            )  # fmt: skip


def _observables(event: Event, host: str) -> Iterator[Observable]:
    for role, kind, value in (
        (Role.HOST, Kind.HOSTNAME, host),
        (Role.HOST, Kind.IP, event.ip),
        (Role.SRC, Kind.IP, event.src),
        (Role.DST, Kind.IP, event.dst),
        (Role.ACTOR, Kind.USER, event.user),
    ):
        if value:
            yield Observable(role, kind, value)


def shown(case: Case) -> set[str]:
    """Ids of the events among a case's evidence."""
    return {line.ref.rsplit(".", 1)[0] for line in case.evidence}


def faults(expect: Expect, queue: Queue) -> Iterator[str]:
    """What is not as expected, in words."""
    if not queue.cases:
        yield "the queue is empty"
        return
    yield from _first_faults(expect, queue.cases[0])
    yield from _case_faults(expect, queue.cases)
    escalated = sum(case.verdict is Verdict.ESCALATE for case in queue.cases)
    if expect.escalated not in (None, escalated):
        yield f"{escalated} cases escalated, not {expect.escalated}"
    if expect.duplicates not in (None, queue.counts.duplicates):
        yield f"{queue.counts.duplicates} duplicates, not {expect.duplicates}"
    for words in expect.noted:
        if not any(words in note for note in queue.notes):
            yield f"no note says '{words}'"


def _first_faults(expect: Expect, first: Case) -> Iterator[str]:
    if expect.verdict and first.verdict not in expect.verdict:
        yield f"the first case is {first.verdict} ({first.probability:.0%}), not {' or '.join(expect.verdict)}"
    for name, wanted, found in (
        ("evidence", expect.first_shown, shown(first)),
        ("devices", expect.hosts, set(first.hosts)),
        ("tactics", expect.tactics, set(first.tactics)),
    ):
        if missing := set(wanted) - found:
            yield f"the first case lacks the {name} {', '.join(sorted(missing))}"
    if unwanted := set(expect.first_hidden) & shown(first):
        yield f"the first case shows {', '.join(sorted(unwanted))}"


def _case_faults(expect: Expect, cases: tuple[Case, ...]) -> Iterator[str]:
    for event, verdicts in expect.verdict_of.items():
        case = _of(event, cases)
        if case is None or case.verdict not in verdicts:
            yield f"{event} is {case.verdict if case else 'nowhere shown'}, not {' or '.join(verdicts)}"
    for events in expect.together:
        if not any(set(events) <= shown(case) for case in cases):
            yield f"no case shows {' and '.join(events)}"
    for events in expect.apart:
        if any(len(set(events) & shown(case)) > 1 for case in cases):
            yield f"a case shows more than one of {', '.join(events)}"
    for event, exception in expect.excused.items():
        case = _of(event, cases)
        if case is None or not any(words.startswith(exception + " ") for words in case.excused):
            yield f"{event} is not excused by {exception}"


def _of(event: str, cases: tuple[Case, ...]) -> Case | None:
    return next((case for case in cases if event in shown(case)), None)
