"""Ray's workers give the rows of the default executor, whoever is killed, and ask for nothing twice."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest

pytest.importorskip("ray")

from tests.forge.conftest import NAMES, example

from vedette.engine.backends.moody import Moody
from vedette.errors import StateError
from vedette.forge.caller import Limits
from vedette.forge.example import Example
from vedette.forge.executor import Asked, Here, Job, Models
from vedette.forge.ledger import Ledger
from vedette.forge.ray_executor import Failure, Share, Worker
from vedette.forge.recipe import Refine
from vedette.forge.refine import Row, rows
from vedette.knowledge.store import Knowledge
from vedette.split import WHOLE

pytestmark = pytest.mark.forge
IN_FLIGHT = 8  # of two workers
NUMBER = 120

# The models of the workers: they note who asked what. Whoever drives a run puts the folder of this on the path.
TEACHERS = """
import asyncio, hashlib, os
from contextlib import asynccontextmanager
from vedette.engine.backends.moody import Moody

class Noting(Moody):
    def __init__(self, log):
        super().__init__()
        self.log = log

    async def generate(self, messages, **options):
        asked = hashlib.sha256(messages[-1].content.encode()).hexdigest()
        with open(self.log, "a") as file:
            file.write(f"{os.getpid()} {asked}\\n")
        await asyncio.sleep(0.03)
        return await super().generate(messages, **options)

@asynccontextmanager
async def opener(log, wanted):
    yield Noting(log)
"""
DRIVE = """
import asyncio, sys
from pathlib import Path
import msgspec
from vedette.errors import VedetteError
from vedette.forge.example import Example
from vedette.forge.executor import Asked, Job
from vedette.forge.ray_executor import Cluster, OnRay
from vedette.forge.recipe import Refine
from vedette.knowledge.store import Knowledge
import teachers

async def go(log, examples, store, ledger, tokens):
    examples = msgspec.json.decode(Path(examples).read_bytes(), type=list[Example])
    by = await OnRay.of(Asked(log, log, opener=teachers.opener), Cluster(workers=2))
    with Knowledge.open(Path(store)) as opened:
        wanted = Refine(in_flight=8, rounds=2, tokens=int(tokens))
        job = Job("r", examples, wanted, opened, Path(ledger))
        costs = await by.carry_out(job, lambda outcome: print("row:", outcome))
    print("asked", sum((costs["teacher"].calls + costs["teacher"].kept).values()), file=sys.stderr)

try:
    asyncio.run(go(*sys.argv[1:]))
except VedetteError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


def _numbered(n: int) -> Example:
    question = f"Which tactics of ATT&CK does it serve, question {n}, {NAMES[n % 5]}?"
    return example(n % 5, id=f"{n:016x}", question=question)


EXAMPLES = [_numbered(n) for n in range(NUMBER)]


class Run:
    """A folder with a ledger, and a log of what was asked."""

    def __init__(self, folder: Path, store: Path, scratch: str) -> None:
        self.log, self.ledger, self.store = folder / "asked.log", folder / "l.db", store
        (folder / "teachers.py").write_text(TEACHERS)
        (folder / "drive.py").write_text(DRIVE)
        (folder / "examples.json").write_bytes(msgspec.json.encode(EXAMPLES))
        self.folder, self.scratch = folder, scratch
        self.log.touch()

    def start(self, tokens: int = 0) -> subprocess.Popen[str]:
        files = (self.folder / "drive.py", self.log, self.folder / "examples.json", self.store, self.ledger, tokens)
        return subprocess.Popen(
            [sys.executable, *map(str, files)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": self.scratch},
        )

    def asked(self) -> list[tuple[int, str]]:
        lines = [line.split() for line in self.log.read_text().splitlines()]
        return [(int(pid), what) for pid, what in lines]

    def rows(self) -> list[Row]:
        with Ledger(self.ledger) as ledger:
            return list(rows(ledger, "r"))

    def repeated(self) -> int:
        what = [asked for _, asked in self.asked()]
        return len(what) - len(set(what))


@pytest.fixture
def ray_run(tmp_path: Path, place: Path) -> Iterator[Run]:
    with TemporaryDirectory(prefix="v-", ignore_cleanup_errors=True) as scratch:  # `tmp_path` is too long for a socket
        yield Run(tmp_path, place, scratch)


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory, place: Path) -> list[Row]:
    """The rows of the default executor."""
    path = tmp_path_factory.mktemp("here") / "l.db"
    here(path, place, Moody())
    with Ledger(path) as ledger:
        return list(rows(ledger, "r"))


def here(ledger: Path, place: Path, teacher: Moody) -> None:
    with Knowledge.open(place) as store:
        job = Job("r", EXAMPLES, Refine(in_flight=IN_FLIGHT, rounds=2), store, ledger)
        asyncio.run(Here(Models(teacher, teacher)).carry_out(job, lambda _: None))


def until(true: Callable[[], bool], run: subprocess.Popen[str]) -> None:
    ends = time.monotonic() + 60
    while not true():
        assert run.poll() is None, run.communicate()
        assert time.monotonic() < ends
        time.sleep(0.02)


def finished(run: subprocess.Popen[str]) -> tuple[Counter[str], str]:
    out, told = run.communicate(timeout=90)
    assert run.returncode == 0, told
    return outcomes(out), told


def outcomes(out: str) -> Counter[str]:
    """Ray tells of a worker's death on standard output, too."""
    return Counter(line.removeprefix("row: ") for line in out.splitlines() if line.startswith("row: "))


def test_who_is_killed_costs_what_it_had_in_flight(ray_run: Run, wanted: list[Row]) -> None:
    run = ray_run.start()
    workers: Counter[int] = Counter()

    def both_are_at_work() -> bool:
        workers.clear()
        workers.update(pid for pid, _ in ray_run.asked())
        return len(workers) == 2 and sum(workers.values()) > 100

    until(both_are_at_work, run)
    assert not exposed(run.pid)
    [keeper] = [one for one in _family(run.pid) if b"ray::Keeper" in Path(f"/proc/{one}/cmdline").read_bytes()]
    os.kill(keeper, signal.SIGKILL)
    before = len(ray_run.asked())
    until(lambda: len(ray_run.asked()) > before + 50, run)
    os.kill(min(workers), signal.SIGKILL)
    told, _ = finished(run)
    assert ray_run.rows() == wanted
    assert told.total() == NUMBER
    assert len({pid for pid, _ in ray_run.asked()}) >= 2
    assert ray_run.repeated() <= IN_FLIGHT // 2  # one call of each example that it had


def test_a_run_that_is_killed_goes_on(ray_run: Run, wanted: list[Row]) -> None:
    run = ray_run.start()
    until(lambda: len(ray_run.asked()) > 150, run)
    run.kill()
    run.communicate()
    _gone(ray_run.ledger)
    before = len(ray_run.asked())
    told, _ = finished(ray_run.start())
    assert ray_run.rows() == wanted
    assert told == Counter(row.outcome for row in wanted)
    assert len(ray_run.asked()) > before
    assert ray_run.repeated() <= IN_FLIGHT


def test_at_the_limit_of_tokens_it_stops_and_this_process_goes_on(ray_run: Run, wanted: list[Row], place: Path) -> None:
    out, told = ray_run.start(tokens=20_000).communicate(timeout=90)
    assert "Spent: " in told
    assert "tokens are used up" in told
    assert 0 < outcomes(out).total() < NUMBER
    before = {asked for _, asked in ray_run.asked()}
    teacher = Moody()
    here(ray_run.ledger, place, teacher)
    again = {sha256(messages[-1].content.encode()).hexdigest() for messages in teacher.asked} & before
    assert len(again) <= IN_FLIGHT
    assert ray_run.rows() == wanted


@pytest.mark.filterwarnings("default")  # what a worker opens it keeps until its process ends
def test_a_worker_refuses_other_knowledge(place: Path) -> None:
    share = Share("r", Refine(), Asked("moody"), Limits(), place, {"attack/enterprise": "of another day"}, WHOLE)
    worker = Worker(share, None)
    for _ in range(2):
        told = worker({"place": [0], "example": [msgspec.json.encode(EXAMPLES[0]).decode()]})
        failed = msgspec.json.decode(told["report"][0])["failed"]
        error = Failure(**failed).error()
        assert isinstance(error, StateError)
        assert "not the knowledge that the run began with" in str(error)


def _gone(ledger: Path) -> None:
    """Ray's processes end by themselves when the one that started them is gone."""
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        with suppress(Exception), Ledger(ledger):
            return
        time.sleep(0.1)
    pytest.fail("the ledger is still in use")


def exposed(pid: int) -> list[str]:
    """Addresses beyond loopback on which a process or one that it started listens."""
    sockets = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                sockets[f"socket:[{fields[9]}]"] = fields[1].partition(":")[0]
    own = [sockets[found] for one in _family(pid) for found in _open(one) if found in sockets]
    assert own
    return [address for address in own if not address.endswith("0100007F") and address != "0" * 24 + "01000000"]


def _family(pid: int) -> Iterator[int]:
    yield pid
    for child in Path(f"/proc/{pid}/task").glob("*/children"):
        for one in child.read_text().split():
            yield from _family(int(one))


def _open(pid: int) -> Iterator[str]:
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            yield str(file.readlink())
