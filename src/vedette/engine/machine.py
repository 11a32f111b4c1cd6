"""What this machine has: memory, and how fast it reads it and multiplies. `python -m vedette.engine.machine` measures.

Measured in a process of its own, so that the number of threads is what llama.cpp would use and its memory is given
back.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from vedette.errors import VedetteError

GIB = 1024**3
PATIENCE = 120.0  # seconds, where it takes about three
REPEATS = 3  # the best counts: another process can only slow it down
SIDE = 2_048  # rows and columns of the matrices that are multiplied


@dataclass(frozen=True, slots=True)
class Memory:
    total: int  # bytes; 0 where the system does not say
    free: int  # what a program could take without swapping


@dataclass(frozen=True, slots=True)
class Speed:
    threads: int
    bandwidth: float  # bytes read and written in a second, by copying
    flops: float  # of float32 matrix products


def memory() -> Memory:
    """Of the machine, or of the control group that this process is held in."""
    known = _meminfo()
    total, free = known.get("MemTotal", 0), known.get("MemAvailable", 0)
    if not total:
        total = free = _pages()
    limit = _number(Path("/sys/fs/cgroup/memory.max"))
    if limit and limit < total:
        return Memory(limit, min(free, limit - (_number(Path("/sys/fs/cgroup/memory.current")) or 0)))
    return Memory(total, free)


def threads() -> int:
    """As many as llama.cpp is given."""
    return os.cpu_count() or 1


def measured() -> Speed:
    """Takes a few seconds of all cores."""
    count = str(threads())
    environment = {**os.environ, "OMP_NUM_THREADS": count, "OPENBLAS_NUM_THREADS": count}
    command = [sys.executable, "-m", "vedette.engine.machine"]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=PATIENCE, check=True)  # noqa: S603
        return Speed(**json.loads(done.stdout))
    except (subprocess.SubprocessError, OSError, ValueError, TypeError) as exc:
        remedy = "try again when the machine is less busy, or leave the speed out with --no-speed"
        raise VedetteError(f"the machine's speed cannot be measured: {exc}", remedy=remedy) from exc


def _measure() -> Speed:
    count = threads()
    return Speed(count, _bandwidth(count), _flops())


def _bandwidth(count: int) -> float:
    import numpy as np

    size = int(min(GIB, memory().free // 8 or GIB // 4)) // count  # more than the caches hold, where there is room
    pairs = [(np.ones(size, np.uint8), np.ones(size, np.uint8)) for _ in range(count)]
    with ThreadPoolExecutor(count) as pool:
        seconds = _best(lambda: list(pool.map(lambda pair: np.copyto(*pair), pairs)))
    return 2 * size * count / seconds


def _flops() -> float:
    import numpy as np

    matrix = np.ones((SIDE, SIDE), np.float32)
    return 2 * SIDE**3 / _best(lambda: matrix @ matrix)


def _best(work: Callable[[], object]) -> float:
    """Seconds."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def _meminfo() -> dict[str, int]:
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        return {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.endswith(" kB")}
    except (OSError, ValueError, IndexError):
        return {}


def _pages() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 0


def _number(path: Path) -> int:
    try:
        return int(path.read_text("ascii"))
    except (OSError, ValueError):
        return 0


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(_measure())))
