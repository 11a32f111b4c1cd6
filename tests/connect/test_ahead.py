"""Reading in a second process gives what reading here gives, and its end is never mistaken for the input's."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import orjson
import pytest

from vedette.connect.ahead import Ahead, possible
from vedette.connect.read import Reader, read
from vedette.errors import InputError
from vedette.types import Position

pytestmark = pytest.mark.skipif(not possible(), reason="one core, or no fork on this system")


def wazuh(n: int) -> bytes:
    return orjson.dumps(
        {
            "timestamp": f"2026-03-10T09:{n // 60 % 60:02}:{n % 60:02}.000+0000",
            "rule": {"level": 5, "id": "5710", "description": "sshd: login failed"},
            "agent": {"id": "001", "name": "web", "ip": "10.0.0.1"},
            "id": f"{n}.1",
            "location": "/var/log/auth.log",
        }
    )


@pytest.fixture
def alerts(tmp_path: Path) -> Path:
    path = tmp_path / "alerts.json"
    path.write_bytes(b"\n".join([*(wazuh(n) for n in range(900)), b"{broken", b""]))
    return path


def reader(*inputs: Path, **options: object) -> Reader:
    return read([str(p) for p in inputs], chunk_records=100, **options)  # type: ignore[arg-type]


def test_the_same_chunks_in_the_same_order(alerts: Path) -> None:
    here = list(reader(alerts))
    there = list(Ahead(reader(alerts), {}, lambda: False))
    assert there == here
    assert sum(len(c.alerts) for c in there) == 900
    assert sum(len(c.rejected) for c in there) == 1


def test_notes_come_along(tmp_path: Path) -> None:
    path = tmp_path / "zoneless.json"
    path.write_bytes(wazuh(1).replace(b".000+0000", b"") + b"\n")
    plain = reader(path)
    here = list(plain)
    apart = Ahead(reader(path), {}, lambda: False)
    assert list(apart) == here
    assert apart.notes == plain.notes
    assert plain.notes


def test_a_file_given_twice_is_read_once(alerts: Path) -> None:
    positions: dict[str, Position] = {}
    chunks = list(Ahead(reader(alerts, alerts, resume=positions.get), positions, lambda: False))
    assert sum(len(c.alerts) for c in chunks) == 900


def test_errors_keep_their_class_and_words(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing could be read") as caught:
        list(Ahead(reader(tmp_path / "absent.json"), {}, lambda: False))
    assert caught.value.remedy


def test_a_reader_that_dies_is_an_error(alerts: Path) -> None:
    apart = Ahead(reader(alerts), {}, lambda: False)
    os.kill(apart._child, signal.SIGSTOP)  # before it has given all
    os.kill(apart._child, signal.SIGKILL)
    with pytest.raises(InputError, match="ended early"):
        list(apart)


def test_stopping_leaves_no_process(alerts: Path) -> None:
    apart = Ahead(reader(alerts), {}, lambda: True)
    assert len(list(apart)) == 1
    with pytest.raises(ChildProcessError):
        os.waitpid(apart._child, os.WNOHANG)


def test_closing_before_reading_leaves_no_process(alerts: Path) -> None:
    with Ahead(reader(alerts), {}, lambda: False) as apart:
        pass
    apart.close()
    with pytest.raises(ChildProcessError):
        os.waitpid(apart._child, os.WNOHANG)
