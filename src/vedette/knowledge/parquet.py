"""Parquet files of others: damaged ones are named, whatever the library makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from arro3.io import read_parquet

from vedette.errors import InputError

BATCH = 8192  # rows


def opened(path: Path) -> Any:
    """The table, not yet read. Raises InputError."""
    if not _is_whole(path):
        raise InputError("no whole Parquet file", where=path.name, remedy="fetch it again")
    with explained(path.name):
        return read_parquet(str(path), batch_size=BATCH)


def batches(path: Path) -> Iterator[Any]:
    """Of at most BATCH rows. Raises InputError, also half-way."""
    left = iter(opened(path))
    while True:
        with explained(path.name):
            batch = next(left, None)
        if batch is None:
            return
        yield batch


def _is_whole(path: Path) -> bool:
    """Parquet ends with its footer, the footer's length and its magic; without them the library panics, loudly."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(max(0, size - 8))
            end = file.read(8)
    except OSError as exc:
        raise InputError(f"cannot be read: {exc.strerror}", where=str(path), remedy="check the path") from exc
    return end[4:] == b"PAR1" and int.from_bytes(end[:4], "little") <= size - 12


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Whatever the library makes of damaged content, its own panics included, which are no `Exception`."""
    try:
        yield
    except BaseException as exc:
        if not isinstance(exc, Exception) and type(exc).__name__ != "PanicException":
            raise
        raise InputError(f"damaged Parquet: {exc}", where=name, remedy="fetch it again") from exc
