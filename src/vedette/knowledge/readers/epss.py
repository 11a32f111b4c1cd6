"""EPSS scores of FIRST: CSV with a line about model and date, a header, and one row a CVE."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vedette.errors import InputError, RecordError
from vedette.knowledge.inputs import Input
from vedette.knowledge.readers import Reader, Tally, cve, day
from vedette.knowledge.record import Epss, Kind, Record, VulnerabilityFacts

_ABOUT = re.compile(rb"#\s*model_version:([^,\s]*)(?:,score_date:(\S*))?")
_HEADER = b"cve,epss,percentile"


def _claims(item: Input) -> bool:
    first, _, rest = item.head.partition(b"\n")
    return bool(first.strip() == _HEADER or (_ABOUT.match(first) and rest.startswith(_HEADER)))


def _read(item: Input, tally: Tally) -> Iterator[Record]:
    try:
        lines = item.read().decode("ascii").splitlines() or [""]
    except UnicodeDecodeError as exc:
        raise InputError("EPSS scores hold bytes that are not ASCII", where=item.name, remedy="fetch it again") from exc
    if match := _ABOUT.match(lines[0].encode()):
        tally.release, tally.on = match[1].decode(), day((match[2] or b"").decode())
    seen: set[str] = set()
    for number in range(2 if match else 1, len(lines)):
        tally.read += 1
        try:
            record = _record(lines[number], number, tally.on)
        except RecordError as exc:
            tally.refuse(exc)
            continue
        if record.id in seen:
            tally.skip(cve.SUPERSEDED)
            continue
        seen.add(record.id)
        yield record


def _record(line: str, number: int, on: str) -> Record:
    uid, *cells = line.split(",")
    if not cve.CVE.fullmatch(uid):
        raise RecordError("not a CVE id", where=f"line {number + 1}: '{uid[:40]}'")
    try:
        probability, percentile = map(float, cells)
    except ValueError:
        raise RecordError("epss and percentile are not two numbers", where=f"{uid}: '{line[:60]}'") from None
    if not (0 <= probability <= 1 and 0 <= percentile <= 1):
        raise RecordError("epss or percentile is not between 0 and 1", where=f"{uid}: '{line[:60]}'")
    return Record(uid, Kind.VULNERABILITY, facts=VulnerabilityFacts(epss=Epss(probability, percentile, on)))


READER = Reader("epss", _claims, _read)
