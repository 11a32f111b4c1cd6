"""Imports that are killed, that run out of disk, and two at once. The store that answers is the old or the new one."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import pytest

from vedette import __version__
from vedette.errors import OutputError, StateError
from vedette.knowledge import build
from vedette.knowledge.build import import_sources, locked, units
from vedette.knowledge.record import Kind
from vedette.knowledge.store import Knowledge

from . import samples
from .content import content, folder, kev

pytestmark = [
    pytest.mark.usefixtures("small_encoder"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and signals"),
]
KILLS = 24


def state(number: int) -> list[tuple[object, list[bytes]]]:
    """Two states that differ in nearly every record; one of them has a unit more."""
    text = f"In state {number} an account runs what it is told by {{0}}. " * 3
    records = [
        samples.record(f"CWE-{at}", Kind.WEAKNESS, f"Weakness {at}", texts=samples.description(text.format(at)))
        for at in range(1 + number, 150 + number)
    ]
    made = [samples.unit("cwe/1000", records)]
    return [*made, samples.unit("capec", samples.others()["capec"])] if number else made


def child(work: Callable[[], None]) -> int:
    """Its process id. It ends with 0, with the exit code of a VedetteError, or as it is killed."""
    pid = os.fork()
    if pid:
        return pid
    code = 99
    try:
        work()
        code = 0
    except (OutputError, StateError) as error:
        code = error.exit_code
    finally:
        os._exit(code)


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def toggle(store: Path) -> None:
    while True:
        for number in (1, 0):
            samples.put(store, *state(number))  # type: ignore[arg-type]


def test_killed_at_any_point_it_is_the_one_or_the_other(tmp_path: Path) -> None:
    store = tmp_path / "at" / "knowledge.db"
    samples.put(tmp_path / "one.db", *state(0), samples.unit("capec", samples.others()["capec"]))  # type: ignore[arg-type]
    samples.put(tmp_path / "two.db", *state(1))  # type: ignore[arg-type]
    either = [content(tmp_path / "one.db"), content(tmp_path / "two.db")]
    samples.put(store, *state(1))  # type: ignore[arg-type]
    chance, left = random.Random(5), 0
    for _ in range(KILLS):
        pid = child(lambda: toggle(store))
        time.sleep(chance.uniform(0.0, 0.25))
        os.kill(pid, signal.SIGKILL)
        assert ended(pid) == -signal.SIGKILL
        left += any("building" in name for name in folder(store))
        assert content(store) in either
        if store.with_name("knowledge.db.previous").exists():
            assert content(store.with_name("knowledge.db.previous")) in either
    assert left >= 3, "the kills came between the imports"
    samples.put(store, *state(0))  # type: ignore[arg-type]
    samples.put(store, *state(1))  # type: ignore[arg-type]
    assert folder(store) == ["knowledge.db", "knowledge.db.previous"]
    assert content(store) == either[1]


def test_only_one_import_at_a_time(tmp_path: Path) -> None:
    store = tmp_path / "knowledge.db"
    samples.put(store, *state(0))  # type: ignore[arg-type]
    with locked(store):
        pid = child(lambda: samples.put(store, *state(1)) and None)  # type: ignore[arg-type, func-returns-value]
        start = time.monotonic()
        assert ended(pid) == StateError.exit_code
        assert time.monotonic() - start < 5
        with pytest.raises(StateError, match="another import"):
            samples.put(store, *state(1))  # type: ignore[arg-type]
        with Knowledge.open(store) as knowledge:
            assert "CWE-1" in knowledge
    assert samples.put(store, *state(1)).swapped  # type: ignore[arg-type]


def test_the_lock_ends_with_its_holder(tmp_path: Path) -> None:
    store, ready = tmp_path / "knowledge.db", tmp_path / "ready"

    def hold() -> None:
        with locked(store):
            ready.touch()
            time.sleep(60)

    pid = child(hold)
    try:
        while not ready.exists():
            time.sleep(0.01)
        with pytest.raises(StateError), locked(store):
            pass
    finally:
        os.kill(pid, signal.SIGKILL)
        ended(pid)
    with locked(store):
        pass


@pytest.mark.parametrize("share", [0, 0.02, 0.6, 1, 1.2])
def test_a_limit_on_the_size_of_files(tmp_path: Path, share: float) -> None:
    """Of the copy, of what SQLite writes: as a full disk does, it ends the import and nothing else."""
    resource = pytest.importorskip("resource")
    store = tmp_path / "at" / "knowledge.db"
    samples.put(store, samples.unit("cwe/1000", [samples.record("CWE-1", Kind.WEAKNESS, "One")]))
    before = store.read_bytes()
    bytes_allowed = int(share * len(before))

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_allowed, bytes_allowed))
        samples.put(store, *state(1))  # type: ignore[arg-type]

    assert ended(child(limited)) == OutputError.exit_code
    assert store.read_bytes() == before
    assert folder(store) == ["knowledge.db"]
    assert samples.put(store, *state(1)).swapped  # type: ignore[arg-type]


SCRIPT = """
import sys, time
from pathlib import Path
from vedette.knowledge import build
from vedette.knowledge.readers import kev

if __name__ == "__main__":
    def slow(step, at, of):
        print(step, flush=True)
        time.sleep(60)
    build.import_sources(Path(sys.argv[1]), [Path(sys.argv[2])], slow)
"""


def _workers(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in tasks.read_text().split()] if tasks.exists() else []


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_no_process_of_a_killed_import_stays(tmp_path: Path) -> None:
    import subprocess

    store, file = tmp_path / "knowledge.db", kev(tmp_path / "kev.json", 1, 2)
    (tmp_path / "run.py").write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "run.py"), str(store), str(file)], stdout=subprocess.PIPE
    )
    assert process.stdout
    with process.stdout as out:
        assert out.readline().strip() == b"kev"
        while not (workers := _workers(process.pid)):
            time.sleep(0.05)
        process.kill()
        process.wait()
    end = time.monotonic() + 20
    while any(map(_alive, workers)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(_alive, workers))
    with locked(store):
        assert not store.exists()


def test_a_helping_process_that_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the kernel does where memory runs out. Here with the processes that a real import has."""
    store, file = tmp_path / "at" / "knowledge.db", kev(tmp_path / "kev.json", 1, 2)

    def end(step: str, *_: int) -> None:
        for process in get_context("spawn").active_children() if step == "kev" else ():
            process.kill()

    with pytest.raises(OutputError, match="ended from outside"):
        import_sources(store, [file], end)
    assert folder(store) == []


def test_an_import_with_all_its_processes_and_the_shipped_encoder(tmp_path: Path) -> None:
    import subprocess

    code = (
        "import sys\nfrom pathlib import Path\nfrom vedette.knowledge.build import import_sources\n"
        "if __name__ == '__main__':\n    assert import_sources(Path(sys.argv[1]), [Path(sys.argv[2])]).swapped\n"
    )
    (tmp_path / "run.py").write_text(code)
    store, file = tmp_path / "at" / "knowledge.db", kev(tmp_path / "kev.json", *range(1, 30))
    subprocess.run([sys.executable, str(tmp_path / "run.py"), str(store), str(file)], check=True, timeout=120)
    held = units(store)["kev"]
    assert (held.read, held.records, build.schema.meta(store)["vedette"]) == (29, 29, __version__)
    assert folder(store) == ["knowledge.db"]
    content(store)
