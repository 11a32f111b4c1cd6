"""A Parquet file that ends its reader is named, and nothing else ends."""

from __future__ import annotations

import subprocess
from base64 import b64decode
from pathlib import Path

import pytest
from arro3.core import Array, DataType, Table
from arro3.io import write_parquet

from vedette.errors import InputError
from vedette.knowledge import parquet


def table(path: Path, rows: int) -> Path:
    column = Array([f"row {n}" for n in range(rows)], type=DataType.utf8())
    write_parquet(Table.from_arrays([column], names=["a"]), str(path))
    return path


def rows(path: Path) -> list[str]:
    return [value for batch in parquet.batches(path) for value in batch.column(0).to_pylist()]


@pytest.mark.parametrize("count", [0, 1, parquet.BATCH, 3 * parquet.BATCH + 1])
def test_all_rows_come_over(tmp_path: Path, count: int) -> None:
    path = table(tmp_path / "a.parquet", count)
    assert parquet.names(path) == ["a"]
    assert rows(path) == [f"row {n}" for n in range(count)]


def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> Path:
    """A reader that does something else after it has written what the true one writes."""
    true = parquet.CHILD.read_text().split("if __name__")[0]
    made = tmp_path / "child.py"
    made.write_text(f"{true}\nimport signal\n{body}\n")
    monkeypatch.setattr(parquet, "CHILD", made)
    return table(tmp_path / "a.parquet", 100)


ABORTS = (
    "UEFSMRUEFRQVGEwVBBUAEgAACiQBAAAAeAEAAAB5FQAVEhUWLBUEFRAVBhUGAAAJIAIAAAAEAVx1ZDgwMAIZGAF4GRgBeRUCGRYAKSYABAAZHBY8FTgW"
    "AAAZFgQAFQIZLEgMYXJyb3dfc2NoZW1hFQIAFQwlAhgBYSUATBwAAAAWBBkcGRwmABwVDBk1AAYQGRgBYRUCFgQWZBZsJjwmCBw2ACgBeRgBeBERABks"
    "FQAVEBUCABUEFQAVAgA8FgQpJgAEAAAWngEVGhZ0FSoAFmQWBCYIFmwUAAAoGXBhcnF1ZXQtcnMgdmVyc2lvbiA1OS4wLjAZHBwAAACeAAAAUEFSMQ=="
)  # two rows; five bytes of a page's statistics were replaced, and arro3 0.9.1 aborts


def test_a_file_that_aborts_its_reader(tmp_path: Path) -> None:
    path = tmp_path / "aborts.parquet"
    path.write_bytes(b64decode(ABORTS))
    with pytest.raises(InputError, match=r"aborts\.parquet: damaged Parquet"):
        rows(path)


def test_a_file_that_asks_for_more_memory_than_there_is(tmp_path: Path) -> None:
    good = table(tmp_path / "a.parquet", 2).read_bytes()
    path = tmp_path / "b.parquet"
    path.write_bytes(good[:7] + b"\xfe\xff\xff\xff\x0f" + good[8:])
    with pytest.raises(InputError, match=r"b\.parquet: damaged Parquet"):
        rows(path)


KILL = "os.kill(os.getpid(), signal.SIGABRT)"


@pytest.mark.parametrize(
    ("body", "match"),
    [
        (KILL, "a.parquet: damaged Parquet: its reader was ended by SIGABRT"),
        (f"main(sys.argv[1], 10)\n{KILL}", "ended by SIGABRT"),
        (
            "sys.stdout.write('nonsense, and long enough'); sys.exit('thread panicked\\nwhy it did')",
            "Parquet: why it did",
        ),
        ("sys.exit(1)", "no reason told"),
        ("sys.stdout.write('nonsense, and long enough')", "damaged Parquet"),
        ("", "damaged Parquet"),
    ],
)
def test_a_reader_that_dies_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, match: str
) -> None:  # fmt: skip
    path = child(tmp_path, monkeypatch, body)
    with pytest.raises(InputError, match=match):
        rows(path)


def test_no_reader_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def noted(*args: object, **more: object) -> subprocess.Popen[bytes]:
        begun.append(popen(*args, **more))  # type: ignore[call-overload]
        return begun[-1]

    monkeypatch.setattr(subprocess, "Popen", noted)
    path = table(tmp_path / "a.parquet", 400_000)
    each = parquet.batches(path)
    next(each)
    each.close()
    parquet.names(path)
    assert [process.poll() is None for process in begun] == [False, False]


def test_what_is_no_parquet_starts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)
    (tmp_path / "a.parquet").write_bytes(b"PAR1 nothing else")
    with pytest.raises(InputError, match="no whole Parquet"):
        parquet.names(tmp_path / "a.parquet")
    with pytest.raises(InputError, match="cannot be read"):
        parquet.names(tmp_path / "b.parquet")
