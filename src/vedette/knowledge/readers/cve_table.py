"""A table of CVEs in Parquet: weaknesses, CVSS 3 vectors and SSVC by source, one row a CVE.

Its sources are snapshots ("nvd2020", "vulnrich2025"); what several of them say alike is kept once, with all names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any

from vedette.errors import InputError, RecordError
from vedette.knowledge import parquet
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
_REJECTED = re.compile(r"\*\* REJECT \*\*|Rejected reason|This CVE(?: ID)? has been rejected", re.IGNORECASE)


def _claims(item: Input) -> bool:
    return item.head.startswith(b"PAR1") and set(COLUMNS) <= set(_names(item))


def _names(item: Input) -> list[str]:
    """None where it cannot be opened."""
    with suppress(InputError):
        return parquet.names(item.path)
    return []


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
    known = _names(item)
    places = [known.index(name) for name in COLUMNS if name in known]
    if len(places) < len(COLUMNS):
        raise InputError("not a CVE table", where=item.name, remedy="fetch it again")
    for batch in parquet.batches(item.path):
        with parquet.explained(item.name):
            columns = [batch.column(place).to_pylist() for place in places]
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
