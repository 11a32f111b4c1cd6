"""Write the facts that ship with Vedette: ids, names and links from the publishers' files, through the readers.

    python scripts/facts.py FOLDER --release attack=18.1 --release cwe=4.14

FOLDER is searched as `vedette knowledge import` does. No descriptions, no procedures, nobody's prose.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from vedette.knowledge import build, facts
from vedette.knowledge.record import Record, decode
from vedette.knowledge.spool import bodies, spool
from vedette.knowledge.unit import Unit

FOLDER = Path(facts.__file__).parent / "facts"
SOURCES = ("attack", "capec", "ctid", "cwe", "d3fend", "kev", "misp-galaxy")
VIEWS_IN_FULL = ("2000", "catalog")  # of CWE: the one that holds every weakness


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--release", action="append", default=[], help="what a file does not state, as attack=18.1")
    options = parser.parse_args()
    stated = dict(pair.split("=", 1) for pair in options.release)
    tasks = [t for t in build.find([options.folder], []) if t.source in SOURCES]
    tasks = [t for t in tasks if t.source != "cwe" or t.part in VIEWS_IN_FULL]
    with TemporaryDirectory() as work:
        units = [unit(task, Path(work) / f"{place}.jsonl", stated) for place, task in enumerate(tasks)]
    facts.write(options.out, units)
    print(f"{sum(f.stat().st_size for f in options.out.glob('*')):,} bytes in {options.out}")


def unit(task: build.Task, path: Path, stated: dict[str, str]) -> tuple[Unit, list[Record]]:
    spooled = spool(task, path)
    if spooled.error:
        raise SystemExit(str(spooled.error))
    made = build.unit_of(task, spooled, datetime.now(UTC))
    if not made.release and task.source in stated:
        made = msgspec.structs.replace(made, release=stated[task.source])
    return made, [decode(body) for body in bodies(path)]


if __name__ == "__main__":
    main()
