"""Energy that this machine took while something ran, where it tells: RAPL counters of Linux, NVIDIA's own command.

It is the whole machine's, idle share included. Most systems let only root read the counters; nothing is told then.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

RAPL = Path("/sys/class/powercap")
ZONES = {"package": "cpu", "dram": "memory"}  # begin of a zone's name → what is told; psys and core would count twice
GPU = ("--query-gpu=power.draw", "--format=csv,noheader,nounits")
PERIOD = 5.0  # seconds between looks: far less than a counter takes to wrap around
Watts = Callable[[], float]
UNREADABLE = (OSError, ValueError, ZeroDivisionError, subprocess.SubprocessError)


class Counter:
    """Raises one of UNREADABLE."""

    def __init__(self, zone: Path) -> None:
        self._file = zone / "energy_uj"
        self._range = int((zone / "max_energy_range_uj").read_text())  # where it goes back to 0
        self._last, self._total = int(self._file.read_text()), 0

    def joules(self) -> float:
        """Since it was made. Has to be called before the counter comes round to where it was."""
        now = int(self._file.read_text())
        self._total += (now - self._last) % self._range
        self._last = now
        return self._total / 1e6


class Drawn:
    """Joules from watts that are told now and then: between two looks they are the mean of both."""

    def __init__(self, watts: Watts) -> None:
        self._watts, self._total = watts, 0.0
        self._last = (time.monotonic(), watts())

    def joules(self) -> float:
        now = (time.monotonic(), self._watts())
        self._total += (now[0] - self._last[0]) * (now[1] + self._last[1]) / 2
        self._last = now
        return self._total


class Meter:
    """`with Meter() as meter: …`, then `meter.joules`: part of the machine → joules; empty where nothing tells."""

    def __init__(self, rapl: Path = RAPL, watts: Watts | None = None, period: float = PERIOD) -> None:
        self.joules: dict[str, float] = {}
        self._rapl, self._watts, self._period = rapl, watts or gpu_watts, period
        self._read: list[tuple[str, Counter | Drawn]] = []
        self._done = threading.Event()
        self._watch = threading.Thread(target=self._look_again, daemon=True)

    def __enter__(self) -> Meter:
        self._read = [*counters(self._rapl)]
        with suppress(*UNREADABLE):
            self._read.append(("gpu", Drawn(self._watts)))
        if self._read:
            self._watch.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        self._done.set()
        if self._read:
            self._watch.join()
            self._look()

    def _look_again(self) -> None:
        while not self._done.wait(self._period):
            self._look()

    def _look(self) -> None:
        found: dict[str, float] = {}
        try:
            for part, one in self._read:
                found[part] = found.get(part, 0.0) + one.joules()
        except UNREADABLE:  # taken away meanwhile: half a figure is none
            self._read, found = [], {}
        self.joules = found


def counters(rapl: Path) -> list[tuple[str, Counter]]:
    """(part, counter) of each that can be read."""
    found = []
    for zone in sorted(rapl.glob("intel-rapl:*")):  # AMD's are called so, too
        with suppress(*UNREADABLE):
            name = (zone / "name").read_text().strip()
            found += [(part, Counter(zone)) for begin, part in ZONES.items() if name.startswith(begin)]
    return found


def gpu_watts() -> float:
    """Of all GPUs together. Raises one of UNREADABLE."""
    command = shutil.which("nvidia-smi")
    if not command:
        raise FileNotFoundError("nvidia-smi")
    told = subprocess.run([command, *GPU], capture_output=True, text=True, timeout=PERIOD, check=True).stdout  # noqa: S603
    return sum(float(line) for line in told.splitlines() or [""])
