"""A table of CVEs in Parquet: weaknesses, CVSS 3 vectors and SSVC by source, one row a CVE.

Its sources are snapshots ("nvd2020", "vulnrich2025"); what several of them say alike is kept once, with all names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any

from arro3.io import read_parquet

from vedette.errors import InputError, RecordError
from vedette.knowledge.inputs import Input
from vedette.knowledge.readers import Reader, Tally, cve
from vedette.knowledge.record import Cvss, Kind, Link, Record, Ssvc, Status, Text, VulnerabilityFacts

COLUMNS = (
    "cve",
    "description",
    "cwe_by_source",
    "cvss3_by_source",
    "ssvc_exploitation",
    "ssvc_automatable",
    "ssvc_technical_impact",
)
SSVC_BY = "CISA-ADP"
BATCH = 8192
_REJECTED = re.compile(r"\*\* REJECT \*\*|Rejected reason|This CVE(?: ID)? has been rejected", re.IGNORECASE)


def _claims(item: Input) -> bool:
    return item.head.startswith(b"PAR1") and set(COLUMNS) <= set(_names(_open(item)))


def _open(item: Input) -> Any:
    """None where it cannot be opened."""
    if not _is_whole(item):
        return None
    with suppress(InputError), _explained(item):
        return read_parquet(str(item.path), batch_size=BATCH)
    return None


def _is_whole(item: Input) -> bool:
    """Parquet ends with its footer, the footer's length and its magic; without them the library panics, loudly."""
    size = item.path.stat().st_size
    with item.path.open("rb") as file:
        file.seek(max(0, size - 8))
        end = file.read(8)
    return end[4:] == b"PAR1" and int.from_bytes(end[:4], "little") <= size - 12


@contextmanager
def _explained(item: Input) -> Iterator[None]:
    """Whatever the library makes of damaged content, its own panics included, which are no `Exception`."""
    try:
        yield
    except BaseException as exc:
        if not isinstance(exc, Exception) and type(exc).__name__ != "PanicException":
            raise
        raise InputError(f"damaged Parquet: {exc}", where=item.name, remedy="fetch it again") from exc


def _names(table: Any) -> list[str]:
    return list(table.schema.names) if table is not None else []


def _read(item: Input, tally: Tally) -> Iterator[Record]:
    seen: set[str] = set()
    for row in _rows(item):
        tally.read += 1
        try:
            record = _record(row)
        except RecordError as exc:
            tally.refuse(exc)
            continue
        if record.id in seen:
            tally.skip(cve.SUPERSEDED)
            continue
        seen.add(record.id)
        yield record


def _rows(item: Input) -> Iterator[tuple[Any, ...]]:
    table = _open(item)
    places = [_names(table).index(name) for name in COLUMNS if name in _names(table)]
    if len(places) < len(COLUMNS):
        raise InputError("not a CVE table", where=item.name, remedy="fetch it again")
    batches = iter(table)
    while True:
        with _explained(item):
            batch = next(batches, None)
            columns = [batch.column(place).to_pylist() for place in places] if batch is not None else []
        if not columns:
            return
        yield from zip(*columns, strict=True)


def _record(row: tuple[Any, ...]) -> Record:
    uid, description, cwes, vectors, *ssvc = row
    try:
        if not cve.CVE.fullmatch(uid or ""):
            raise RecordError("not a CVE id", where=f"cve: '{uid or ''}'"[:60])
        text = description.strip() if description else ""
        return Record(
            uid,
            Kind.VULNERABILITY,
            status=Status.REJECTED if _REJECTED.match(text) else Status.ACTIVE,
            facts=VulnerabilityFacts(cvss=_vectors(tuple(vectors or ())), ssvc=_ssvc(*ssvc)),
            texts=(Text("description", text),) if text else (),
            links=_weaknesses(tuple(cwes or ())),
        )
    except (AttributeError, TypeError) as exc:
        raise RecordError("a cell has another type than the table's schema", where=f"{uid}") from exc


@lru_cache(maxsize=65_536)  # few combinations cover most rows
def _weaknesses(stated: tuple[str, ...]) -> tuple[Link, ...]:
    return cve.weaknesses((cwe, by) for by, _, cwe in (one.partition(":") for one in stated))


@lru_cache(maxsize=65_536)
def _vectors(stated: tuple[str, ...]) -> tuple[Cvss, ...]:
    return cve.vectors((vector, None, by) for by, _, vector in (one.partition("|") for one in stated))


@lru_cache(maxsize=256)
def _ssvc(exploitation: str | None, automatable: str | None, impact: str | None) -> Ssvc | None:
    """The snapshots write the same value with small and capital letters."""
    if not (exploitation or automatable or impact):
        return None
    return Ssvc((exploitation or "").lower(), (automatable or "").lower(), (impact or "").lower(), SSVC_BY)


READER = Reader("cve-table", _claims, _read)
