from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from vedette.connect import follow as following
from vedette.connect import read
from vedette.types import Position

from .records import WAZUH

AIT = b"time,name,ip,host,short,time_label,event_label\n"


def line(number: int) -> bytes:
    return orjson.dumps(WAZUH | {"id": str(number)}) + b"\n"


def append(path: Path, raw: bytes) -> None:
    with path.open("ab") as file:
        file.write(raw)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "POLL", 0.001)
    monkeypatch.setattr(following, "GRACE", 0.05)


def followed(path: Path, steps: list[Callable[[], Any]], **options: Any) -> tuple[list[str], list[str]]:
    """Ids of the alerts and reasons of the rejects while `steps` happen, each after the file was read to its end."""
    todo: Iterator[Callable[[], Any]] = iter(steps)
    idle = 0

    def stop() -> bool:
        nonlocal idle
        idle += 1
        if idle < 8:
            return False
        idle = 0
        step = next(todo, None)
        if step is not None:
            step()
        return step is None

    chunks = list(read([str(path)], follow=True, stop=stop, **options))
    ids = [alert.uid or str(alert.time) for chunk in chunks for alert in chunk.alerts]
    return ids, [rejected.reason for chunk in chunks for rejected in chunk.rejected]


def test_a_growing_file(tmp_path: Path) -> None:
    path = tmp_path / "alerts.json"
    path.write_bytes(b"")
    half = line(2)
    steps = [lambda: append(path, line(1)), lambda: append(path, half[:50]), lambda: append(path, half[50:])]
    assert followed(path, steps) == (["1", "2"], [])


def test_a_line_without_its_end_is_left_for_the_next_time(tmp_path: Path) -> None:
    path = tmp_path / "alerts.json"
    path.write_bytes(line(1) + line(2)[:-1])
    assert followed(path, [lambda: None]) == (["1"], [])


def test_a_growing_csv(tmp_path: Path) -> None:
    path = tmp_path / "alerts.csv"
    path.write_bytes(AIT)
    row = b"%d,Wazuh: a,10.0.0.1,h,s,-,-\n"
    steps = [lambda: append(path, row % 1642213952), lambda: append(path, row % 1642213953)]
    assert followed(path, steps) == (["1642213952000", "1642213953000"], [])


@pytest.mark.parametrize("late", [False, True])
def test_renamed_away(tmp_path: Path, late: bool) -> None:
    path, old = tmp_path / "alerts.json", tmp_path / "alerts.json.1"
    path.write_bytes(line(1))
    steps: list[Callable[[], Any]] = [
        lambda: append(path, line(2)),
        lambda: (append(path, line(3)), path.rename(old)),
        lambda: append(path, line(5)),
    ]
    if late:
        steps.append(lambda: append(old, line(4)))
    ids, reasons = followed(path, steps)
    assert sorted(ids) == ["1", "2", "3", *(["4"] if late else []), "5"]
    assert reasons == []


@pytest.mark.parametrize("fresh", [b"", line(8), line(8) * 9])
def test_copied_and_truncated(tmp_path: Path, fresh: bytes) -> None:
    path = tmp_path / "alerts.json"
    path.write_bytes(line(1) + line(2))
    steps = [lambda: None, lambda: path.write_bytes(fresh), lambda: append(path, line(9))]
    ids, reasons = followed(path, steps)
    assert ids == ["1", "2", *["8"] * fresh.count(b"\n"), "9"]
    assert reasons == []


def test_following_resumes(tmp_path: Path) -> None:
    path = tmp_path / "alerts.json"
    path.write_bytes(line(1) + line(2))
    kept: dict[str, Position] = {}
    for chunk in read([str(path)]):
        kept[chunk.end.stream] = chunk.end
    assert followed(path, [lambda: append(path, line(3))], resume=kept.get) == (["3"], [])
