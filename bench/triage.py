"""Speed, memory and resumption of `vedette triage`, measured on the command itself in processes of its own.

`make bench-triage`, or `python bench/triage.py [--data ZIP] [--out build/bench] [--quick]`.

Five measurements: all AIT alerts; full Wazuh alerts on one core; the first case on screen; growth with the size of the
input; kill -9 at random points, each followed by a resumed run whose output has to equal an undisturbed one's, byte for
byte. Time is wall-clock time, with the processor time beside it: on a busy machine the first grows, the second hardly.
Memory is the peak resident set. The exit code is 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from zipfile import ZipFile

import msgspec

from vedette.connect.sinks import FILES
from vedette.knowledge.store import Knowledge
from vedette.manifest import atomic_write

ROOT = Path(__file__).resolve().parents[1]
VEDETTE = Path(sys.executable).with_name("vedette")
SAMPLE = ("wazuh-alerts.json", "suricata-eve.json", "ecs-alerts.ndjson")
OUT, LOG = "vedette-out", "stderr.txt"
SEED = 11
DAY_SECONDS = 86_400
FIRST_ROW = re.compile(rb"^ *1 +(?:escalate|investigate|undecided|likely)", re.MULTILINE)

AIT_SECONDS, PEAK_MB = 100.0, 600.0
WAZUH_ALERTS, WAZUH_A_SECOND = 200_000, 8_000.0
FIRST_CASE_SECONDS = 2.0
MEMORY_GROWTH = 1.5  # peak at the whole input over the peak at a quarter of it
SPEED_LOSS = 1.5  # processor time an alert at the whole input over that at a quarter of it


@dataclass(frozen=True)
class Run:
    """What one process took, itself alone."""

    wall: float  # seconds
    cpu: float  # seconds, user + system
    peak: float  # MB of the resident set
    first: float = 0.0  # seconds until the first case was on screen
    code: int = 0  # exit status, negative: the signal
    read: int = 0  # records that the summary accounts for
    cases: int = 0
    balanced: bool = False  # whether read = in cases + duplicates + rejected + context + ignored


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    what: str
    n: int
    value: float
    unit: str
    target: float | None = None
    at_least: bool = False  # the target is a floor, else a ceiling
    note: str = ""

    @property
    def state(self) -> str:
        if self.target is None:
            return ""
        return "ok" if (self.value >= self.target if self.at_least else self.value <= self.target) else "short"


@dataclass(frozen=True)
class Skipped:
    """A measurement that could not be made here."""

    what: str
    reason: str


Result = Figure | Skipped


# -- one run ------------------------------------------------------------------------------------------


def triage(folder: Path, inputs: Sequence[str], *options: str, core: int | None = None) -> Run:
    """Run the command in `folder` to its end, on one core where `core` is given. Raises SystemExit where it fails."""
    process, began = start(folder, inputs, *options, core=core), time.perf_counter()
    first = watch(process, began)
    run = replace(wait(process, began), first=first)
    if run.code:
        raise SystemExit(f"vedette triage ended with {run.code}: {(folder / LOG).read_text()}")
    summary = msgspec.json.decode((folder / OUT / FILES["summary"]).read_bytes())
    counts: dict[str, int] = summary["counts"]
    read = counts.pop("read")
    return replace(run, read=read, cases=summary["cases"], balanced=read == sum(counts.values()))


def start(folder: Path, inputs: Sequence[str], *options: str, core: int | None = None) -> subprocess.Popen[bytes]:
    """The command as a user starts it, its output into a pipe."""
    command = [str(VEDETTE), "triage", *inputs, "--out", OUT, *options]
    pin = None if core is None else lambda: os.sched_setaffinity(0, {core})
    with (folder / LOG).open("wb") as log:
        return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=log, preexec_fn=pin)


def watch(process: subprocess.Popen[bytes], began: float) -> float:
    """Read the output to its end; seconds until its first case came, 0 where none did."""
    first, seen = 0.0, b""
    pipe = process.stdout
    while pipe is not None and (piece := os.read(pipe.fileno(), 65_536)):
        seen += piece if not first else b""
        if not first and FIRST_ROW.search(seen):
            first = time.perf_counter() - began
    return first


def wait(process: subprocess.Popen[bytes], began: float) -> Run:
    """Wait for the end and read what the system measured of this one process."""
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.stdout is not None:
        process.stdout.close()
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 1e6, code=process.returncode)


# -- inputs -------------------------------------------------------------------------------------------


def make_sample(folder: Path, seed: int = 7) -> Path:
    """The sample day of `make demo`."""
    command = [sys.executable, str(ROOT / "examples/office_day.py"), "--out", str(folder), "--seed", str(seed)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder


def make_wazuh(folder: Path, alerts: int) -> Path:
    """`alerts` Wazuh alerts over days: the sample's Wazuh part under other seeds, with times and ids moved."""
    target = folder / "wazuh.json"
    written = 0
    with target.open("wb") as out:
        for day in range(alerts):  # far more than it takes
            lines = moved(make_sample(folder / "day", seed=100 + day) / SAMPLE[0], day)
            for line in islice(lines, alerts - written):
                out.write(line)
                written += 1
            if written == alerts:
                return target
    return target


def moved(path: Path, days: int) -> Iterator[bytes]:
    """The file's alerts, `days` later."""
    for line in path.open("rb"):
        alert = msgspec.json.decode(line)
        date, clock = alert["timestamp"].split("T")
        year, month, day = date.split("-")
        alert["timestamp"] = f"{year}-{month}-{int(day) + days:02}T{clock}"  # the sample's day is the 10th
        second, number = alert["id"].split(".")
        alert["id"] = f"{int(second) + days * DAY_SECONDS}.{number}"
        yield msgspec.json.encode(alert) + b"\n"


def cut(archive: Path, folder: Path, share: float) -> list[str]:
    """The first `share` of the lines of every file in the archive, under `folder`; their names there."""
    names = []
    with ZipFile(archive) as files:
        for info in files.infolist():
            names.append(Path(info.filename).name)
            with files.open(info) as lines, (folder / names[-1]).open("wb") as out:
                out.write(lines.readline())
                room = info.file_size * share
                while room > 0 and (line := lines.readline()):
                    room -= len(line)
                    out.write(line)
    return names


# -- measurements -------------------------------------------------------------------------------------


def all_ait(data: Path, work: Path) -> list[Result]:
    """Measurement a."""
    if not data.exists():
        return [Skipped("all AIT alerts", f"{data} is not here (README says where to get it)")]
    run = triage(fresh(work), [str(data)])
    note = f"{run.cpu:.1f} s of processor time, {run.read / run.wall:,.0f} alerts a second"
    return [
        Figure("all AIT alerts", run.read, run.wall, "s", AIT_SECONDS, note=note),
        Figure("  peak memory", run.read, run.peak, "MB", PEAK_MB),
        Figure("  counts that do not balance", run.read, float(not run.balanced), "runs", 0.0),
    ]


def one_core(wazuh: Path, work: Path) -> list[Result]:
    """Measurement b. Processor time counts: it is what one core needs, whoever else is at work."""
    core = max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    run = triage(fresh(work), [str(wazuh)], core=core)
    size = wazuh.stat().st_size / run.read
    note = f"{size:,.0f} bytes each; {run.wall:.1f} s wall, {run.cpu:.1f} s of processor time"
    if core is None:
        note += "; not pinned to a core: this system cannot"
    return [
        Figure("full Wazuh alerts, one core", run.read, run.read / run.cpu, "a second", WAZUH_A_SECOND, True, note),
        Figure("  peak memory", run.read, run.peak, "MB", PEAK_MB),
    ]


def first_case(sample: Path, work: Path, repeats: int) -> list[Result]:
    """Measurement c."""
    runs = [triage(fresh(work), *sample_command(sample)) for _ in range(repeats)]
    times = sorted(run.first or float("inf") for run in runs)
    cpu = median(run.cpu for run in runs)
    note = f"median of {repeats}, worst {times[-1]:.2f}; whole run {cpu:.2f} s of processor time"
    return [Figure("first case on screen, sample", runs[0].read, median(times), "s", FIRST_CASE_SECONDS, note=note)]


def sweep(what: str, shares: Sequence[float], flat: float | None, measure: Callable[[float], Run]) -> list[Result]:
    """Measurement d: the same command on growing parts of one input. `flat`: by what memory may grow from a quarter."""
    runs = [measure(share) for share in shares]
    rows: list[Result] = []
    for share, run in zip(shares, runs, strict=True):
        effort = f"{run.wall:.1f} s wall, {run.cpu:.1f} s of processor time, {run.cpu / run.read * 1e6:.1f} µs an alert"
        rows.append(
            Figure(f"{what}, {part(share)} of it", run.read, run.peak, "MB", note=f"{run.cases:,} cases; {effort}")
        )
    small, large = runs[-3], runs[-1]
    sizes = f"{part(shares[-1])} over {part(shares[-3])}"
    slower = (large.cpu / large.read) / (small.cpu / small.read)
    rows.append(Figure(f"  memory of {sizes}", large.read, large.peak / small.peak, "times", flat))
    rows.append(Figure("  effort an alert, the same", large.read, slower, "times", SPEED_LOSS))
    return rows


def part(share: float) -> str:
    return "all" if share == 1 else f"1/{round(1 / share)}"


def ait_part(data: Path, work: Path, share: float) -> Run:
    folder = fresh(work)
    return triage(folder, cut(data, folder, share))


def wazuh_part(wazuh: Path, work: Path, share: float) -> Run:
    folder = fresh(work)
    room = wazuh.stat().st_size * share
    with wazuh.open("rb") as lines, (folder / wazuh.name).open("wb") as out:
        while room > 0 and (line := lines.readline()):
            room -= len(line)
            out.write(line)
    return triage(folder, [wazuh.name])


def kills(sample: Path, work: Path, times: int) -> list[Result]:
    """Measurement e. A run that ends before its kill comes is drawn again."""
    inputs = sample_command(sample)
    folder = fresh(work)
    duration = triage(folder, *inputs).wall
    expected = results(folder)
    random = Random(SEED)
    differing = survived = 0
    points: list[float] = []
    while len(points) < times:
        folder = fresh(work)
        point = random.uniform(0.0, duration)
        if not killed(folder, inputs, point):
            survived += 1
            continue
        points.append(point)
        triage(folder, *inputs)
        differing += results(folder) != expected
    note = f"at {min(points):.2f} to {max(points):.2f} s of {duration:.2f} s; {survived} runs ended before their kill"
    return [Figure("kill -9 and resume: outputs that differ", times, float(differing), "runs", 0.0, note=note)]


def killed(folder: Path, inputs: tuple[list[str], str, str, str, str], after: float) -> bool:
    """Whether the kill came before the end."""
    process, began = start(folder, *inputs), time.perf_counter()
    with suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=after)
        return False
    process.kill()
    return wait(process, began).code == -signal.SIGKILL


def results(folder: Path) -> dict[str, bytes]:
    """What a run left for people and programs to read."""
    return {name: (folder / OUT / name).read_bytes() for name in FILES.values()}


def sample_command(sample: Path) -> tuple[list[str], str, str, str, str]:
    files = [str(sample / name) for name in SAMPLE]
    return files, "--assets", str(sample / "assets.toml"), "--exceptions", str(sample / "exceptions.toml")


def fresh(work: Path) -> Path:
    """An empty folder; what was in it before is gone."""
    subprocess.run(["rm", "-rf", str(work)], check=True)
    work.mkdir(parents=True)
    return work


# -- report -------------------------------------------------------------------------------------------


def table(results: Sequence[Result]) -> str:
    lines = [f"{'':44}{'n':>11}  {'measured':>18}  {'target':>9}"]
    for r in results:
        if isinstance(r, Skipped):
            lines.append(f"{r.what:44}skipped: {r.reason}")
            continue
        target = "" if r.target is None else f"{'≥' if r.at_least else '≤'} {amount(r.target)}"
        measured = f"{amount(r.value)} {r.unit}"
        lines.append(f"{r.what:44}{r.n:>11,}  {measured:>18}  {target:>9}  {r.state}".rstrip())
        lines += [f"    {r.note}"] if r.note else []
    return "\n".join(lines)


def amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"


def as_data(results: Sequence[Result]) -> bytes:
    machine = {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}
    rows = [msgspec.to_builtins(r) | ({"state": r.state} if isinstance(r, Figure) else {}) for r in results]
    return msgspec.json.format(msgspec.json.encode({"machine": machine, "results": rows}), indent=1) + b"\n"


def measure(options: argparse.Namespace, folder: Path) -> Iterator[Result]:
    """All five, each as soon as it is there."""
    work, quick = folder / "work", options.quick
    sample = make_sample(folder / "sample")
    wazuh = make_wazuh(folder, WAZUH_ALERTS // 4 if quick else WAZUH_ALERTS)
    shares = [1 / 16, 1 / 8, 1 / 4] if quick else [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0]
    yield from first_case(sample, work, 3 if quick else 5)
    yield from one_core(wazuh, work)
    if not quick:
        yield from all_ait(options.data, work)
    if options.data.exists():
        yield from sweep("AIT alerts", shares, MEMORY_GROWTH, lambda share: ait_part(options.data, work, share))
    # No target: days and cases grow with these alerts, and the queue and its views are held whole.
    yield from sweep("Wazuh alerts", shares, None, lambda share: wazuh_part(wazuh, work, share))
    yield from kills(sample, work, options.kills or (5 if quick else 20))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    shared = Path(os.environ.get("VEDETTE_SHARED", ROOT.parent / "shared"))
    parser.add_argument("--data", type=Path, default=shared / "data/alerts/ait-ads-alerts-csv.zip")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    parser.add_argument("--quick", action="store_true", help="less of everything; not for figures that are quoted")
    parser.add_argument("--kills", type=int, help="how often a run is killed (20)")
    options = parser.parse_args()
    options.data = options.data.resolve()
    found: list[Result] = []
    with TemporaryDirectory() as name:
        os.environ["VEDETTE_KNOWLEDGE"] = str(Path(name) / "knowledge.db")
        Knowledge.open().close()  # made once a machine, not once a run
        for result in measure(options, Path(name)):
            found.append(result)
            print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print(table(found))
    options.out.mkdir(parents=True, exist_ok=True)
    atomic_write(options.out / "triage.json", as_data(found))
    short = [r.what.strip() for r in found if isinstance(r, Figure) and r.state == "short"]
    print("\nall targets hold" if not short else "\nshort of target: " + "; ".join(short))
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
