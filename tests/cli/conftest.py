"""The command line as users run it: a process of its own, in a folder of its own."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

START = "from vedette.cli import main; main()"
# An audit hook cannot be taken off again, and sees what a library does below Python.
NO_SOCKETS = """
import sys
def refuse(event, args):
    if event.startswith("socket."):
        raise RuntimeError("a socket was asked for: " + event)
sys.addaudithook(refuse)
"""


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


Vedette = Callable[..., Done]


def command(*args: object, before: str = "") -> list[str]:
    return [sys.executable, "-W", "error", "-c", before + START, *map(str, args)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONUTF8": "1", "COLUMNS": "100", "TERM": "xterm-256color"}


@pytest.fixture
def vedette(tmp_path: Path) -> Vedette:
    """Runs a command in the test's folder; `feed` is its standard input, `before` Python that runs first."""

    def run(*args: object, feed: bytes = b"", before: str = "", cwd: Path = tmp_path) -> Done:
        done = subprocess.run(
            command(*args, before=before), cwd=cwd, input=feed, capture_output=True, timeout=120, env=environment(),
            check=False,
        )  # fmt: skip
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


def start(cwd: Path, *args: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(*args), cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), bufsize=0
    )


def kill_after(cwd: Path, seconds: float, *args: object) -> bool:
    """Start a command and kill it without mercy; whether it was still running."""
    process = subprocess.Popen(command(*args), cwd=cwd, stdout=-3, stderr=-3, env=environment())
    try:
        return process.wait(seconds) == -signal.SIGKILL
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True


def wazuh(n: int, **changes: Any) -> dict[str, Any]:
    """A record as Wazuh writes it."""
    record: dict[str, Any] = {
        "timestamp": f"2026-03-10T09:{n // 60 % 60:02}:{n % 60:02}.000+0000",
        "rule": {"level": 3, "description": "sshd: authentication success.", "id": "5715", "groups": ["sshd"]},
        "agent": {"id": "004", "name": f"ws-{n % 8}", "ip": f"10.20.0.{n % 8 + 1}"},
        "manager": {"name": "siem"},
        "id": f"1773133200.{n}",
        "full_log": "Mar 10 09:00:00 sshd[1]: Accepted password",
        "decoder": {"name": "sshd"},
        "location": "/var/log/auth.log",
    }
    return {**record, **changes}


def lines(*records: dict[str, Any] | bytes) -> bytes:
    return b"".join((r if isinstance(r, bytes) else json.dumps(r).encode()) + b"\n" for r in records)


@dataclass(frozen=True)
class Office:
    """The sample day, and what one run over it left in `out`."""

    folder: Path
    truth: dict[str, Any]
    run: Done
    out: Path


INPUTS = ("wazuh-alerts.json", "suricata-eve.json", "ecs-alerts.ndjson")
OWNER = ("--assets", "assets.toml", "--exceptions", "exceptions.toml")


@pytest.fixture(scope="session")
def office(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Office:
    """Generated and triaged by processes that cannot open a socket."""
    folder = tmp_path_factory.mktemp("office")
    generator = root / "examples" / "office_day.py"
    path = f"sys.path.insert(0, {str(generator.parent)!r}); sys.argv = ['x', '--out', '.']\n"
    code = f"{NO_SOCKETS}{path}import office_day; office_day.main()"
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, capture_output=True, timeout=60)
    done = subprocess.run(
        command("triage", *INPUTS, *OWNER, "--out", "out", before=NO_SOCKETS), cwd=folder, capture_output=True,
        timeout=120, env=environment(), check=False,
    )  # fmt: skip
    run = Done(done.returncode, done.stdout.decode(), done.stderr.decode())
    return Office(folder, json.loads((folder / "truth.json").read_text("utf-8")), run, folder / "out")


@pytest.fixture(scope="session")
def small(office: Office, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a part of the sample day, copies and broken lines in it, that takes about a second."""
    folder = tmp_path_factory.mktemp("small")
    for name, keep in zip(INPUTS, (6_000, 3_000, 600), strict=True):
        found = (office.folder / name).read_bytes().splitlines(keepends=True)[-keep:]
        for at in (10, 300, 500):
            found.insert(at, b'{"timestamp": "2026-03-10T1\n')
        found += found[200:400]
        (folder / name).write_bytes(b"".join(found))
    packed = folder / (INPUTS[0] + ".gz")
    packed.write_bytes(gzip.compress((folder / INPUTS[0]).read_bytes(), 1, mtime=0))
    for name in ("assets.toml", "exceptions.toml"):
        (folder / name).write_bytes((office.folder / name).read_bytes())
    return folder
