"""Every view of every small queue, byte for byte. `VEDETTE_GOLDEN=write pytest tests/sinks` writes them anew."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest

from vedette.connect.sinks import FILES, VIEWS
from vedette.connect.sinks.table import render as table
from vedette.types import Queue

from .queues import QUEUES, many

GOLDEN = Path(__file__).parent / "golden"
OUTPUTS: dict[str, Callable[[Queue], str]] = {file: VIEWS.load(name) for name, file in FILES.items()} | {
    "table-80.txt": partial(table, width=80),
    "table-120.txt": partial(table, width=120),
    "table-80-colour.txt": partial(table, width=80, color=True),
}


@pytest.fixture(scope="module")
def ten_thousand() -> Queue:
    return many()


@pytest.mark.parametrize("file", OUTPUTS)
@pytest.mark.parametrize("name", QUEUES)
def test_small_queues(name: str, file: str) -> None:
    _compare(GOLDEN / name / file, OUTPUTS[file](QUEUES[name]()).encode())


@pytest.mark.parametrize("file", ["table-80.txt", "table-120.txt"])
def test_ten_thousand_cases_on_a_terminal(ten_thousand: Queue, file: str) -> None:
    _compare(GOLDEN / "many" / file, OUTPUTS[file](ten_thousand).encode())


def test_ten_thousand_cases_in_files(ten_thousand: Queue) -> None:
    """Their hashes only: the files are megabytes."""
    hashes = (f"{sha256(OUTPUTS[file](ten_thousand).encode()).hexdigest()}  {file}\n" for file in FILES.values())
    _compare(GOLDEN / "many" / "SHA256SUMS", "".join(hashes).encode())


def _compare(path: Path, content: bytes) -> None:
    if os.environ.get("VEDETTE_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    assert content.decode() == path.read_bytes().decode()
