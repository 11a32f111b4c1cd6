"""Where one import works: alone, in a folder beside the store, with processes that end when it ends."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from glob import escape
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import ParamSpec, TypeVar

from vedette.errors import OutputError, StateError
from vedette.lock import locked as one_at_a_time
from vedette.manifest import output_error

SUFFIX = ".building"  # of the folder that the next store is made in

P = ParamSpec("P")
T = TypeVar("T")


def locked(store: Path) -> AbstractContextManager[None]:
    """One import at a time. Raises StateError at once where another one is at work."""
    busy = StateError("another import is at work", where=str(store), remedy="wait for its end")
    return one_at_a_time(store.with_name(store.name + ".lock"), busy)


@contextmanager
def workplace(store: Path) -> Iterator[Path]:
    """A folder beside the store. What killed imports left is removed: nobody else is at work here."""
    for left in store.parent.glob(f"{escape(store.name + SUFFIX)}*"):
        shutil.rmtree(left, ignore_errors=True)
    try:
        work = Path(tempfile.mkdtemp(prefix=f"{store.name}{SUFFIX}", dir=store.parent))
    except OSError as exc:
        raise output_error(store.parent, exc) from exc
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


class Inline(Executor):
    """Does the work at once, in this process: for little of it."""

    def submit(self, function: Callable[P, T], /, *args: P.args, **options: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(function(*args, **options))
        except Exception as exc:  # as a process of a pool does
            future.set_exception(exc)
        return future


@contextmanager
def executor(processes: int) -> Iterator[Executor]:
    """0: in this process. What was not begun when the import fails is not begun any more."""
    if not processes:
        yield Inline()
        return
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _end_with_the_import)
    try:
        yield pool
    except BrokenExecutor as exc:
        remedy = "free some memory, or import fewer files at once; the last good store still answers"
        raise OutputError("a process that reads or encodes was ended from outside", remedy=remedy) from exc
    finally:
        pool.shutdown(cancel_futures=True)


def _end_with_the_import() -> None:
    """A process of the pool does not outlive the import, however that ends; Ctrl-C is the import's to answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_outlive_nobody, daemon=True).start()


def _outlive_nobody() -> None:
    if parent := parent_process():
        parent.join()
        os._exit(1)
