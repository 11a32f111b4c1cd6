"""One process at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vedette.errors import VedetteError
from vedette.manifest import output_error


@contextmanager
def locked(path: Path, busy: VedetteError) -> Iterator[None]:
    """`path` is made where it is not there. The lock ends with the process, however it ends. Raises `busy` at once."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as exc:
        raise output_error(path, exc) from exc
    try:
        try:
            _lock(descriptor)
        except BlockingIOError:
            raise busy from None
        except OSError as exc:
            raise output_error(path, exc) from exc
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
