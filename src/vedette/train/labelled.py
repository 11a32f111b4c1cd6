"""Labelled alerts for training and measuring: the AIT Alert Data Set's CSVs, through the shipped reader.

Labels are read here, beside the alerts, and nowhere else: the reader's map ignores those columns.
"""

from __future__ import annotations

import csv
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from vedette.connect.read import read
from vedette.errors import InputError
from vedette.skills.triage.baseline import load as load_baseline
from vedette.skills.triage.signals import Key
from vedette.skills.triage.state import State
from vedette.train.triage import Day, Site
from vedette.types import Alert

BENIGN = "-"
LABEL = "event_label"


def scenario_files(archive: Path, folder: Path) -> list[Path]:
    """Unpack the CSVs of a zip, one a scenario, into `folder`; sorted by name."""
    try:
        with zipfile.ZipFile(archive) as zipped:
            for info in zipped.infolist():
                if info.filename.endswith("_alerts.txt"):
                    (folder / Path(info.filename).name).write_bytes(zipped.read(info))
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"cannot be read: {error}", where=str(archive), remedy="see README for the data") from error
    return sorted(folder.glob("*_alerts.txt"))


def labels(path: Path) -> list[str]:
    """Label of each line; the first two entries stand for line 0 and the header."""
    with path.open(encoding="utf-8", newline="") as lines:
        rows = csv.reader(lines)
        at = next(rows).index(LABEL)
        return [BENIGN, BENIGN, *(row[at] for row in rows)]


def label_of(ref: str, known: list[str]) -> str:
    """Label of the alert that a ref (file:line) points to."""
    return known[int(ref.rsplit(":", 1)[1])]


def site(path: Path) -> Site:
    """One scenario: its signals by day, as triage sees them, with the labels of the alerts behind each."""
    known = labels(path)
    with TemporaryDirectory() as folder, State(Path(folder) / "state.db") as state:
        counts: dict[Key, Counter[str]] = {}
        fold = state.folder()
        for chunk in read([str(path)]):
            copies, fresh = state.new(chunk.alerts)
            pairs = list(zip(chunk.alerts, copies, strict=True))
            state.commit(chunk, fold.fold(pairs), fresh)
            for alert in _new(pairs):
                counts.setdefault(fold.key(alert), Counter())[label_of(alert.ref, known)] += 1
        found = Site(path.name.removesuffix("_alerts.txt"))
        days = state.days()
        for day in days:
            state.measure(day)
        for day in days:
            signals = [s for s in state.signals(day) if s.count]
            tallies = [counts[s.slot, s.product, s.rule_uid, s.device, s.entities] for s in signals]
            samples = state.samples(signals)
            shown = [label_of(samples[s.rowid].ref, known) for s in signals]
            found.days.append(Day(signals, load_baseline(state.db, day), tallies, shown))
    return found


def _new(pairs: list[tuple[Alert, bool]]) -> Iterator[Alert]:
    return (alert for alert, copy in pairs if not copy)
