"""What a training measured, step by step: `curve.jsonl`, one JSON object a line.

A trainer measures before it saves a checkpoint: what a resumed run does not repeat is then in the file already.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import sqrt
from pathlib import Path
from statistics import fmean, median
from types import TracebackType
from typing import Annotated, BinaryIO, TypeVar

import msgspec
from msgspec import Meta

from vedette.errors import InputError
from vedette.manifest import atomic_write, output_error

NAME = "curve.jsonl"
RECENT = 20  # steps that speed is told of
_HALF = 1.959964  # of a 95 % interval, in standard errors

Count = Annotated[int, Meta(ge=0, le=2**53)]
Number = Annotated[float, Meta(ge=-1e100, le=1e100)]
T = TypeVar("T")


class Step(msgspec.Struct, frozen=True, kw_only=True, tag_field="at", tag="step"):
    """One step of the optimiser, over all processes. None: not measured, or not a number."""

    step: Count  # from 1
    steps: Count  # of the whole run, as planned
    epoch: Number
    loss: Number | None  # mean over the tokens that are learned from, nats
    rate: Number  # learning rate
    norm: Number | None  # L2 norm of the gradient, before it was clipped
    tokens: Count  # that this step computed
    answers: Count  # of them those that are learned from
    seconds: Annotated[float, Meta(ge=0, le=1e100)]
    tokens_per_second: Number
    mfu: Number | None = None  # model FLOPs utilisation: a share of the machine's peak
    memory: Count | None = None  # bytes, the most so far
    time: str = ""  # UTC


class Dev(msgspec.Struct, frozen=True, tag_field="at", tag="dev"):
    """Loss over `n` rows of the dev side, after that step."""

    step: Count
    loss: Number | None
    n: Count


class Probe(msgspec.Struct, frozen=True, tag_field="at", tag="probe"):
    """Questions of the dev side answered right, after that step."""

    step: Count
    right: Count
    n: Count
    tasks: Mapping[str, tuple[Count, Count]] = {}  # right, of how many

    def __post_init__(self) -> None:
        if any(right > n for right, n in [(self.right, self.n), *self.tasks.values()]):
            raise ValueError("more right answers than questions")


class Resume(msgspec.Struct, frozen=True, tag_field="at", tag="resume"):
    """The run went on from the checkpoint of that step: what was measured after it does not count."""

    step: Count


class Stop(msgspec.Struct, frozen=True, tag_field="at", tag="stop"):
    step: Count
    why: str


Event = Step | Dev | Probe | Resume | Stop
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


class Curve:
    """Writes the file, a whole line at a time.

    Started anew (`resumed_at` 0) the file is emptied. Resumed, it keeps what was measured up to that step, so that it
    becomes what a run without a break would have written, but for times and the `resume` lines.
    """

    def __init__(self, path: Path, resumed_at: int = 0) -> None:
        """Raises OutputError."""
        self._path = path
        kept = _kept(path, resumed_at) if resumed_at else ()
        atomic_write(path, b"".join(line + b"\n" for line in kept))
        try:
            self._file: BinaryIO = path.open("ab")
        except OSError as exc:
            raise output_error(path, exc) from exc
        if resumed_at:
            self.add(Resume(resumed_at))

    def add(self, event: Event) -> None:
        """A number that is none is written as null. Raises OutputError."""
        try:
            self._file.write(msgspec.json.encode(event) + b"\n")
            self._file.flush()
        except OSError as exc:
            raise output_error(self._path, exc) from exc

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Curve:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _kept(path: Path, step: int) -> Iterator[bytes]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    except OSError as exc:
        raise output_error(path, exc) from exc
    for line in data.split(b"\n"):
        event = _event(line)
        if event and event.step <= step and not isinstance(event, Stop):
            yield line


def _event(line: bytes) -> Event | None:
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class Run:
    """What a file says: the last line of a step counts."""

    def __init__(self) -> None:
        self.steps: dict[int, Step] = {}
        self.devs: dict[int, Dev] = {}
        self.probes: dict[int, Probe] = {}
        self.resumes: list[int] = []
        self.stop: Stop | None = None
        self.unread = 0  # lines
        self.torn = False  # the last line is not whole: the run was killed, or is writing it

    def add(self, event: Event) -> None:
        match event:
            case Step():
                self.steps[event.step] = event
            case Dev():
                self.devs[event.step] = event
            case Probe():
                self.probes[event.step] = event
            case Stop():
                self.stop = event
            case Resume():
                self._resumed(event.step)

    def _resumed(self, step: int) -> None:
        self.steps = _until(step, self.steps)
        self.devs = _until(step, self.devs)
        self.probes = _until(step, self.probes)
        self.resumes = [earlier for earlier in self.resumes if earlier <= step] + [step]
        self.stop = None

    def last(self) -> Step | None:
        return self.steps[max(self.steps)] if self.steps else None

    def series(self, value: Callable[[Step], float | None]) -> list[tuple[int, float]]:
        """(step, value) in the order of steps; those without a value are left out."""
        pairs = ((number, value(self.steps[number])) for number in sorted(self.steps))
        return [(number, found) for number, found in pairs if found is not None]

    def dev_losses(self) -> list[tuple[int, float]]:
        return [(step, dev.loss) for step, dev in sorted(self.devs.items()) if dev.loss is not None]


def _until(step: int, events: dict[int, T]) -> dict[int, T]:
    return {number: event for number, event in events.items() if number <= step}


def find(place: Path) -> Path:
    """The file of a run's folder; a file stands for itself."""
    return place / NAME if place.is_dir() else place


def read(place: Path) -> Run:
    """Of a folder or file. Lines that cannot be read are counted. Raises InputError where there is no file."""
    path = find(place)
    try:
        *lines, rest = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        remedy = "give the folder of a run: --work or --out of `vedette train sft`"
        raise InputError("no curve of a training", where=str(path), remedy=remedy) from None
    except OSError as exc:
        raise InputError(f"cannot be read: {exc.strerror}", where=str(path), remedy="check its permissions") from exc
    run = Run()
    _added(run, lines)
    if rest and (event := _event(rest)):
        run.add(event)
    run.torn = bool(rest) and event is None
    return run


def _added(run: Run, lines: Sequence[bytes]) -> list[Event]:
    found = []
    for line in lines:
        if event := _event(line):
            run.add(event)
            found.append(event)
        else:
            run.unread += bool(line.strip())
    return found


class Tail:
    """Follows a file that grows. One that was replaced, as when a run is resumed, is read from its start."""

    def __init__(self, path: Path) -> None:
        self.run = Run()
        self.anew = False  # the last look found a file that was not followed before
        self._path = path
        self._file = (0, 0)  # device and inode
        self._at = 0

    def read(self) -> list[Event]:
        """What was added; of a new file all. No file yet: nothing. Raises InputError."""
        try:
            with self._path.open("rb") as file:
                about = os.fstat(file.fileno())
                self.anew = (about.st_dev, about.st_ino) != self._file or about.st_size < self._at
                if self.anew:
                    self._file, self._at, self.run = (about.st_dev, about.st_ino), 0, Run()
                file.seek(self._at)
                whole, end, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise InputError(f"cannot be read: {exc.strerror}", where=str(self._path)) from exc
        self._at += len(whole) + len(end)
        return _added(self.run, whole.split(b"\n"))


@dataclass(frozen=True, slots=True)
class Summary:
    step: int
    steps: int  # planned
    loss: float | None  # smoothed
    dev: Dev | None  # the last one
    best: Dev | None
    probe: Probe | None
    tokens: int
    answers: int
    seconds: float  # of steps, without measuring and saving
    left: float | None  # seconds that the planned steps will take
    speed: float | None  # tokens/s, median of recent steps
    typical: float | None  # tokens/s, median of all steps
    mfu: float | None  # median of all steps
    memory: int | None  # bytes, the most


def summary(run: Run) -> Summary:
    steps = [run.steps[number] for number in sorted(run.steps)]
    losses = [value for _, value in run.series(lambda step: step.loss)]
    devs = [dev for _, dev in sorted(run.devs.items())]
    last = run.last()
    recent = steps[-RECENT:]
    to_do = max(0, last.steps - last.step) if last else 0
    return Summary(
        step=last.step if last else 0,
        steps=last.steps if last else 0,
        loss=smoothed(losses, span(len(losses)))[-1] if losses else None,
        dev=devs[-1] if devs else None,
        best=min((dev for dev in devs if dev.loss is not None), key=lambda dev: dev.loss or 0.0, default=None),
        probe=run.probes[max(run.probes)] if run.probes else None,
        tokens=sum(step.tokens for step in steps),
        answers=sum(step.answers for step in steps),
        seconds=sum(step.seconds for step in steps),
        left=to_do * fmean(step.seconds for step in recent) if recent and not run.stop else None,
        speed=_median([step.tokens_per_second for step in recent]),
        typical=_median([step.tokens_per_second for step in steps]),
        mfu=_median([step.mfu for step in steps if step.mfu is not None]),
        memory=max((step.memory for step in steps if step.memory is not None), default=None),
    )


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None


def span(count: int) -> int:
    """Values that are smoothed over, of so many."""
    return max(5, count // 100)


def smoothed(values: Sequence[float], over: int) -> list[float]:
    """Exponential moving average, for display only; its start is not drawn towards 0 (as in Adam, Kingma & Ba 2015)."""
    keep = 1 - 1 / over
    sums = accumulate(values, lambda mean, value: keep * mean + (1 - keep) * value, initial=0.0)
    next(sums)
    return [mean / (1 - keep**place) for place, mean in enumerate(sums, start=1)]


def took(seconds: float) -> str:
    """In words: `45 s`, `23 min`, `1 h 12 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours:,} h {minutes} min" if hours else f"{minutes} min"


def wilson(right: int, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, JASA 22, 1927); 0 to 1 where nothing was asked."""
    if not n:
        return 0.0, 1.0
    share, square = right / n, _HALF**2 / n
    centre = share + square / 2
    half = _HALF * sqrt(share * (1 - share) / n + square / (4 * n))
    return max(0.0, (centre - half) / (1 + square)), min(1.0, (centre + half) / (1 + square))
