"""What runs/quick.sh made, as a table: `python scripts/quick_table.py build/quick`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from vedette.train.slm import curve

TRIAGE = "cases.jsonl"


def main(work: Path) -> None:
    for line in (*stages(work), "", *scores(work), "", *benchmarks(work), *explained(work)):
        print(line)


def stages(work: Path) -> Iterator[str]:
    """What took how long; a stage that was broken off and done again stands there once for each time."""
    rows = [line.split("\t") for line in (work / "stages.tsv").read_text().splitlines()]
    yield f"{'stage':<12}{'minutes':>8}"
    for name, seconds in rows:
        yield f"{name:<12}{int(seconds) / 60:>8.1f}"
    yield f"{'together':<12}{sum(int(seconds) for _, seconds in rows) / 60:>8.1f}"


def scores(work: Path) -> Iterator[str]:
    run = curve.read(work / "model")
    if not run.probes:
        return
    first, last = run.probes[min(run.probes)], run.probes[max(run.probes)]
    yield f"{'dev side, exact answers':<46}{'untrained':>16}{'trained':>24}"
    for task, found in sorted(last.tasks.items()):
        yield f"{task:<46}{told(*first.tasks.get(task, (0, found[1]))):>16}{told(*found):>24}"


def told(right: int, n: int) -> str:
    low, high = curve.wilson(right, n)
    return f"{right}/{n} {100 * right / n:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"


def benchmarks(work: Path) -> Iterator[str]:
    for path in sorted(work.glob("bench/*/scores.json")):
        found = json.loads(path.read_bytes())
        row = found["rows"][0]
        told = f"{row['name']} {row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}], n {row['n']}"
        yield f"{found['benchmark']}, {found['model']}: {told}"


def explained(work: Path) -> Iterator[str]:
    path = work / "site" / TRIAGE
    cases = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    told_of = [case["explanation"] for case in cases if case.get("explanation")]
    kept = sum(len(one.get("claims", ())) for one in told_of)
    dropped = sum(count for one in told_of for _, count in one.get("dropped", ()))
    asked = f"{len(cases)} cases, {len(told_of)} put to the model"
    yield f"triage: {asked}, {kept} of its claims verified, {dropped} dropped"


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/quick"))
