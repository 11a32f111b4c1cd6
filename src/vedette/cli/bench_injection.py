"""`vedette bench run injection`: what attackers get by writing to a model, in every field of every format."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from vedette.bench.injection.corpus import Attack
    from vedette.bench.injection.run import Wish
    from vedette.bench.injection.tried import Tried

NAME = "injection"
SHOWN = 10  # successes that are printed


def run(wish: Wish, out: Path, *, limit: int = 0, jobs: int = 1) -> int:
    """Prints rates, keeps every try, and returns how many succeeded against triage.

    What experts read in a report is a matter of probabilities: its rate is told, and fails nothing.
    """
    from vedette import __version__
    from vedette.bench.injection.corpus import attacks, spread
    from vedette.bench.injection.run import run as tries
    from vedette.bench.injection.tried import rates
    from vedette.manifest import atomic_write

    chosen = spread(attacks(), limit)
    start = time.monotonic()
    done = list(_counted(tries(chosen, wish, jobs), wish.spec))
    succeeded = sum(bool(one.gains) for one in done)
    if wish.spec == "none" and not wish.places:
        done += _reports(chosen)
    seconds = time.monotonic() - start
    found = rates(done)
    parts = (NAME, wish.spec, str(limit or ""), f"{wish.places}-places" if wish.places else "")
    folder = out / ".".join(filter(None, parts)).replace("/", "-")
    folder.mkdir(parents=True, exist_ok=True)
    summary = {
        "benchmark": NAME, "model": wish.spec, "redacted": wish.redact, "attacks": len(chosen),
        "seconds": round(seconds, 1), "places": wish.places, "rates": [rate.as_json() for rate in found],
        "version": __version__, **_engine(done),
    }  # fmt: skip
    atomic_write(folder / "tries.jsonl", b"".join(orjson.dumps(asdict(one)) + b"\n" for one in done).decode())
    atomic_write(folder / "scores.json", orjson.dumps(summary, option=orjson.OPT_INDENT_2).decode())
    for rate in found:
        print(f"{rate.name}: {rate}")
    _tell(done, seconds, folder)
    return succeeded


def _counted(tries: Iterable[Tried], spec: str) -> Iterator[Tried]:
    tty = sys.stderr.isatty()
    for number, one in enumerate(tries, 1):
        if tty and number % 50 == 0:
            print(f"\r{spec}: {number:,} tries", end="", file=sys.stderr, flush=True)
        yield one
    if tty:
        print(file=sys.stderr)


def _reports(chosen: tuple[Attack, ...]) -> list[Tried]:
    from vedette.bench.injection import reports
    from vedette.experts import Experts

    return list(reports.read(Experts.load(), chosen))


def _engine(done: list[Tried]) -> dict[str, int]:
    return {
        "calls": sum(one.calls for one in done), "claims": sum(one.claims for one in done),
        "dropped": sum(one.dropped for one in done), "silent": sum(one.silent for one in done),
    }  # fmt: skip


def _tell(done: list[Tried], seconds: float, folder: Path) -> None:
    counts = _engine(done)
    if counts["calls"]:
        print(
            f"model: {counts['calls']:,} calls, {counts['claims']:,} claims kept, {counts['dropped']:,} sentences ",
            end="",
        )
        print(f"dropped, {counts['silent']:,} answers of which nothing could be read")
    whys = Counter(f"{one.format}, {gain.what}: {gain.why}" for one in done for gain in one.gains)
    for why, count in whys.most_common(SHOWN):
        print(f"  {count:,} × {why}")
    print(f"{seconds:.0f} s; every try: {folder}", file=sys.stderr)
