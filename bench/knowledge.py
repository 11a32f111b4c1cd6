"""Speed and memory of the knowledge store, and what is left of it when an import is killed.

`make bench-knowledge`, or `python bench/knowledge.py [FOLDER] [--only import,search] [--store FILE] [--whole]`.

Imports run through the command itself; what is asked of a store is measured by `knowledge_probes.py`, each part in a
process of its own on one core. Time is wall-clock time, with the processor time of all processes beside it: on a busy
machine the first grows, the second hardly. Memory is the sum of the proportional set sizes of all processes of an
import, every 50 ms. Linux only. The exit code is 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from statistics import fmean, median
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from vedette.bench.statistics import bootstrap
from vedette.errors import VedetteError
from vedette.knowledge.build import units
from vedette.knowledge.overview import examine
from vedette.knowledge.search import CANDIDATES
from vedette.knowledge.workplace import SUFFIX
from vedette.manifest import atomic_write

ROOT = Path(__file__).resolve().parents[1]
VEDETTE = Path(sys.executable).with_name("vedette")
PROBES = ROOT / "bench/knowledge_probes.py"
FILE = "knowledge.db"
SAMPLED = 0.05  # seconds between two looks at memory
SEED = 29
SMALL = ("attack", "cwe", "kev", "sigma")  # sources of the short imports that are killed
FIRST = "kev"  # the one of them that the store holds before
KEV = "kev/known_exploited_vulnerabilities.json"
ORPHANS = 5.0  # seconds that processes of a killed import may go on

IMPORT_SECONDS, IMPORT_MB, STORE_MB = 120.0, 700.0, 600.0
OPEN_MS, GET_MS, SEARCH_MS, PATH_MS, PAGE_MS = 50.0, 0.2, 25.0, 20.0, 1.0
FIRST_USE_SECONDS, RECALL = 2.0, 0.98


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    what: str
    n: int
    value: float
    unit: str = ""
    target: float | None = None
    at_least: bool = False  # the target is a floor, else a ceiling
    note: str = ""

    @property
    def short(self) -> bool:
        if self.target is None:
            return False
        return self.value < self.target if self.at_least else self.value > self.target


@dataclass(frozen=True)
class Skipped:
    """A measurement that could not be made here."""

    what: str
    reason: str


Result = Figure | Skipped


# -- one import ---------------------------------------------------------------------------------------


@dataclass
class Import:
    """The command at work, in a session of its own."""

    process: subprocess.Popen[bytes]
    began: float = field(default_factory=time.perf_counter)
    wall: float = 0.0  # seconds
    cpu: float = 0.0  # seconds of all its processes
    peak: float = 0.0  # MB of all its processes
    peak_at: float = 0.0  # seconds after its start
    parts: list[float] = field(default_factory=list)  # MB of each process then
    report: dict[str, Any] = field(default_factory=dict)  # what it prints with --json

    @property
    def records(self) -> int:
        return sum(source["unit"]["records"] for source in self.report["sources"])

    def changed(self, what: str) -> int:
        return sum(source["change"][what] for source in self.report["sources"])


def start(paths: Sequence[Path], store: Path) -> Import:
    command = [str(VEDETTE), "knowledge", "import", *map(str, paths), "--store", str(store), "--json"]
    log = store.with_name("stderr.txt")
    with store.with_name("report.json").open("wb") as out, log.open("wb") as errors:
        return Import(subprocess.Popen(command, stdout=out, stderr=errors, start_new_session=True))


def run(paths: Sequence[Path], store: Path) -> Import:
    """Import to the end. Raises SystemExit where it fails."""
    running = start(paths, store)
    watcher = threading.Thread(target=watch, args=(running,))
    watcher.start()
    _, status, usage = os.wait4(running.process.pid, 0)
    running.wall = time.perf_counter() - running.began
    running.process.returncode = os.waitstatus_to_exitcode(status)
    watcher.join()
    running.cpu = usage.ru_utime + usage.ru_stime
    if running.process.returncode:
        log = store.with_name("stderr.txt").read_text()
        raise SystemExit(f"the import ended with {running.process.returncode}: {log}")
    running.report = msgspec.json.decode(store.with_name("report.json").read_bytes())
    return running


def watch(running: Import) -> None:
    while members := session(running.process.pid):
        parts = [memory(pid) for pid in members]
        if sum(parts) > running.peak:
            running.peak, running.parts = sum(parts), parts
            running.peak_at = time.perf_counter() - running.began
        time.sleep(SAMPLED)


def session(leader: int) -> list[int]:
    """Living processes of a session."""
    found = []
    for place in Path("/proc").iterdir():
        with suppress(OSError):
            if place.name.isdigit() and os.getsid(int(place.name)) == leader:
                ended = (place / "stat").read_text().rpartition(")")[2][1] in "ZX"
                found += [] if ended else [int(place.name)]
    return found


def memory(pid: int) -> float:
    """Proportional set size in MB; 0 for what has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


# -- imports ------------------------------------------------------------------------------------------


def whole_import(data: Path, store: Path) -> Iterator[Result]:
    done = run([data], store)
    note = f"{done.cpu:.0f} s of processor time, {len(done.report['sources'])} sources"
    yield Figure("import of everything into a new store", done.records, done.wall, "s", IMPORT_SECONDS, note=note)
    parts = " + ".join(f"{part:.0f}" for part in sorted(done.parts, reverse=True))
    note = f"{parts} after {done.peak_at:.0f} s"
    yield Figure("peak memory of it, all processes", done.records, done.peak, "MB", IMPORT_MB, note=note)
    yield Figure("size of the store", done.records, store.stat().st_size / 1e6, "MB", STORE_MB)


def again(data: Path, store: Path) -> Iterator[Result]:
    """The same files, then one of them changed."""
    same = run([data], store)
    note = f"{same.cpu:.1f} s of processor time, " + (
        "a new store was made" if same.report["new_store"] else "no change"
    )
    yield Figure("the same import again", same.records, same.wall, "s", note=note)
    catalog = json.loads((data / KEV).read_bytes())
    for entry in catalog["vulnerabilities"][:10]:
        entry["shortDescription"] += " (changed)"
    place = store.with_name("changed") / Path(KEV).name
    place.parent.mkdir(exist_ok=True)
    place.write_text(json.dumps(catalog))
    other = run([place], store)
    what = f"import of one source with {other.changed('changed')} changed records"
    note = f"{other.cpu:.1f} s of processor time, {other.peak:.0f} MB at the peak"
    yield Figure(what, other.records, other.wall, "s", note=note)


# -- questions to a store -----------------------------------------------------------------------------


def probe(name: str, store: Path, **environment: str) -> dict[str, Any]:
    """One probe's result, on one core."""
    core = max(os.sched_getaffinity(0))
    single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, str(PROBES), name, str(store)]
    pin = partial(os.sched_setaffinity, 0, {core})
    done = subprocess.run(command, env=os.environ | single | environment, preexec_fn=pin, capture_output=True)
    if done.returncode:
        raise SystemExit(f"the probe '{name}' ended with {done.returncode}: {done.stderr.decode()}")
    found: dict[str, Any] = msgspec.json.decode(done.stdout)
    return found


def first_use(_: Path, store: Path) -> Iterator[Result]:
    """From the shipped facts, in an empty folder."""
    runs = []
    for number in range(3):
        place = store.with_name(f"empty{number}") / FILE
        place.parent.mkdir()
        runs.append(probe("first_use", place))
    note = f"median of 3, worst {max(r['seconds'] for r in runs):.2f}; the store has {runs[0]['bytes'] / 1e6:.1f} MB"
    seconds = median(r["seconds"] for r in runs)
    yield Figure("first use: store from the shipped facts", 3, seconds, "s", FIRST_USE_SECONDS, note=note)


def opening(_: Path, store: Path) -> Iterator[Result]:
    runs = [probe("opening", store) for _ in range(5)]
    loading = median(r["import"] for r in runs) * 1e3
    note = f"median of 5 processes; loading the code took {loading:.0f} ms before"
    yield Figure("open and first `get`", 5, median(r["open"] for r in runs) * 1e3, "ms", OPEN_MS, note=note)


def gets(_: Path, store: Path) -> Iterator[Result]:
    yield from quantiles("`get` of a random id, warm", probe("gets", store), GET_MS)


def searches(_: Path, store: Path) -> Iterator[Result]:
    first = [probe("first_search", store)["seconds"] * 1e3 for _ in range(3)]
    yield from quantiles("`search`, hybrid, one core", probe("searches", store), SEARCH_MS)
    yield Figure("first `search` of a process", 3, median(first), "ms", note="loads the encoder and the index")


def walks(_: Path, store: Path) -> Iterator[Result]:
    done = probe("walks", store)
    note = f"for {done['found']} there is a way"
    yield from quantiles("`path` CVE of KEV → mitigation", done, PATH_MS, note)


def pages(_: Path, store: Path) -> Iterator[Result]:
    done = probe("pages", store)
    note = f"{done['found']} ids on it"
    yield from quantiles("`verify_ids` of a page of 3,000 characters", done, PAGE_MS, note)


def quantiles(what: str, times: dict[str, Any], target: float, note: str = "") -> Iterator[Figure]:
    """The 95th percentile of the wall-clock times has the target."""
    wall, cpu = (sorted(seconds * 1e3 for seconds in times[name]) for name in ("wall", "cpu"))
    spread = f"p50 {amount(at(wall, 0.5))}, p99 {amount(at(wall, 0.99))}; of processor time: "
    spread += f"p50 {amount(at(cpu, 0.5))}, p95 {amount(at(cpu, 0.95))}"
    yield Figure(f"{what}, p95", len(wall), at(wall, 0.95), "ms", target, note=f"{spread}; {note}" if note else spread)


def at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def vectors(_: Path, store: Path) -> Iterator[Result]:
    """The number of candidates that the product uses has the target."""
    done = probe("vectors", store)
    for tried, values in done["recalls"].items():
        low, high = bootstrap(values, fmean)
        note = f"[{low:.4f}, {high:.4f}] over questions; about {int(tried) * done['wanted']:,} of "
        note += f"{done['passages']:,} vectors compared exactly"
        target = RECALL if int(tried) == CANDIDATES else None
        what = f"vectors: recall@10 with {tried} candidates a passage"
        yield Figure(what, len(values), fmean(values), "", target, True, note)


# -- killed imports -----------------------------------------------------------------------------------


Contents = dict[str, str] | None  # each source's content hash; None: there is no store


def kills(data: Path, store: Path, times: int, whole: bool) -> Iterator[Result]:
    """Every other one begins without a store. An import that ends before its kill comes is drawn again."""
    paths = [data] if whole else [data / name for name in SMALL]
    work = store.with_name("kills")
    before = fresh(work / "before") / FILE
    run([data / FIRST], before)
    held, place = contents(before), work / "killed" / FILE
    after, duration = undisturbed(paths, before, work / "after")
    rng, points, states, left, survived = Random(SEED), list[float](), list[str](), 0, 0
    while len(points) < times:
        fresh(place.parent)
        if len(points) % 2:
            shutil.copyfile(before, place)
        point = rng.uniform(0.0, duration)
        orphans = killed(paths, place, point)
        if orphans is None:
            survived += 1
            continue
        states.append(state(contents(place), held if len(points) % 2 else None, after))
        points.append(point)
        left += orphans
    note = f"at {min(points):.2f} to {max(points):.2f} s of {duration:.1f} s; {states.count('before')} as before, "
    note += f"{states.count('after')} as after it; {survived} ended before their kill"
    what = (
        f"`kill -9` of an import of {'everything' if whole else ' + '.join(SMALL)}: stores that fail `verify` or differ"
    )
    yield Figure(what, times, states.count("neither"), "", 0.0, note=note)
    yield Figure(f"processes left {ORPHANS:.0f} s after the kills", times, left, "", 0.0)
    yield from repaired(paths, place, after)


def state(found: Contents, before: Contents, after: Contents) -> str:
    return "after" if found == after else "before" if found == before else "neither"


def repaired(paths: Sequence[Path], place: Path, after: Contents) -> Iterator[Result]:
    """The killed import once more, to its end."""
    run(paths, place)
    good = contents(place) == after and not list(place.parent.glob(f"{FILE}{SUFFIX}*"))
    yield Figure("the import after the last kill: differs, or leaves something behind", 1, float(not good), "", 0.0)


def undisturbed(paths: Sequence[Path], before: Path, folder: Path) -> tuple[Contents, float]:
    """What the import makes of the store `before`, and how long it takes."""
    place = fresh(folder) / FILE
    shutil.copyfile(before, place)
    wall = run(paths, place).wall
    return contents(place), wall


def killed(paths: Sequence[Path], store: Path, after: float) -> int | None:
    """How many processes go on for long; None where the import had ended by then."""
    running = start(paths, store)
    try:
        with suppress(subprocess.TimeoutExpired):
            running.process.wait(timeout=after)
            return None
        running.process.kill()
        if running.process.wait() != -signal.SIGKILL:
            return None
        end = time.monotonic() + ORPHANS
        while (left := session(running.process.pid)) and time.monotonic() < end:
            time.sleep(SAMPLED)
        return len(left)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.process.pid, signal.SIGKILL)


def contents(store: Path) -> Contents:
    """After every record and index was checked."""
    if not store.exists():
        return None
    try:
        examine(store)
        return {name: unit.content for name, unit in units(store).items()}
    except VedetteError as error:
        print(f"\n{error}", file=sys.stderr)
        return {"damaged": str(error)}


def fresh(folder: Path) -> Path:
    """An empty folder; what was in it before is gone."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


# -- report -------------------------------------------------------------------------------------------


def table(results: Sequence[Result]) -> str:
    lines = ["| | n | measured | wanted |", "|---|---|---|---|"]
    for r in results:
        if isinstance(r, Skipped):
            lines.append(f"| {r.what} | | skipped: {r.reason} | |")
            continue
        wanted = "" if r.target is None else f"{'≥' if r.at_least else '≤'} {amount(r.target)} {r.unit}".rstrip()
        measured = f"{'**short:** ' if r.short else ''}{amount(r.value)} {r.unit}".rstrip()
        lines.append(f"| {r.what} | {r.n:,} | {measured}{f' ({r.note})' if r.note else ''} | {wanted} |")
    return "\n".join(lines)


def amount(value: float) -> str:
    if value == int(value) or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3f}".rstrip("0")


def as_data(results: Sequence[Result]) -> bytes:
    machine = {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}
    body = msgspec.json.encode({"machine": machine, "load": os.getloadavg(), "results": results})
    return msgspec.json.format(body, indent=1) + b"\n"


Step = Callable[[Path, Path], Iterator[Result]]
STEPS: dict[str, Step] = {
    "import": whole_import,
    "open": opening,
    "get": gets,
    "search": searches,
    "path": walks,
    "ids": pages,
    "vectors": vectors,
    "again": again,
    "facts": first_use,
}
NEEDLESS = {"import", "facts", "kills"}  # steps that need no store to begin with


def measure(options: argparse.Namespace, folder: Path) -> Iterator[Result]:
    """Every step that is wanted, each result as soon as it is there."""
    store = options.store or folder / FILE
    chosen = options.only or [*STEPS, "kills"]
    if "import" not in chosen and not options.store and set(chosen) - NEEDLESS:
        run([options.data], store)
    for name in chosen:
        if name == "kills":
            yield from kills(options.data, folder / FILE, options.kills, options.whole)
        elif name in ("import", "again") and options.store:
            yield Skipped(name, "a store was given")
        else:
            yield from STEPS[name](options.data, folder / FILE if name == "facts" else store)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    shared = Path(os.environ.get("VEDETTE_SHARED", ROOT.parent / "shared"))
    parser.add_argument("data", type=Path, nargs="?", default=shared / "data", help="folder of sources")
    parser.add_argument("--only", type=lambda text: text.split(","), help=f"of {','.join([*STEPS, 'kills'])}")
    parser.add_argument("--store", type=Path, help="ask this store instead of importing one")
    parser.add_argument("--kills", type=int, default=20, help="how often an import is killed (20)")
    parser.add_argument("--whole", action="store_true", help="kill imports of everything")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    options = parser.parse_args()
    if unknown := set(options.only or ()) - {*STEPS, "kills"}:
        parser.error(f"no step is called {', '.join(sorted(unknown))}")
    return options


def main() -> int:
    options = arguments()
    if not Path("/proc/self/smaps_rollup").exists():
        print("skipped: memory is measured on Linux only", file=sys.stderr)
        return 0
    if not options.data.is_dir():
        print(f"skipped: {options.data} is not here (see README, data)", file=sys.stderr)
        return 0
    options.data, found = options.data.resolve(), list[Result]()
    with TemporaryDirectory() as name:
        for result in measure(options, Path(name)):
            found.append(result)
            print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print(table(found))
    options.out.mkdir(parents=True, exist_ok=True)
    atomic_write(options.out / "knowledge.json", as_data(found))
    short = [r.what for r in found if isinstance(r, Figure) and r.short]
    print("\nall targets hold" if not short else "\nshort of target: " + "; ".join(short))
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
