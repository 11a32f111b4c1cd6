"""Labelled CVEs: who called each one what. Nothing that touches a benchmark item gets in."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from zlib import crc32

from arro3.io import read_parquet

from vedette.experts.labels import METRICS, SSVC, Convention
from vedette.overlap import Items

_WEAKNESS = re.compile(r"CWE-\d+")
_METRIC = re.compile(r"([A-Z]{1,2}):([A-Z])")
_REJECTED = re.compile(r"^\s*(\*\* ?)?(rejected|reserved)\b", re.IGNORECASE)
RECENT = 2019  # first year of NVD's present habits with weaknesses
RATED = 2016  # first year whose vectors NVD made in number; its habits with them have not changed since
COMMON = 8_000  # CVEs of a weakness that a model has seen enough of: cross-site scripting, SQL injection
COLUMNS = ("cve", "description", "cwe_by_source", "cvss3_by_source", "year")
PARTIES = {
    "vulnrich": Convention.CNA,
    "trickest": Convention.CNA,
    "redhat": Convention.REDHAT,
    "top25": Convention.MITRE,
}


@dataclass(slots=True)
class Cve:
    id: str
    text: str
    year: int
    weaknesses: dict[Convention, dict[str, float]]  # shares that add up to 1
    vectors: dict[Convention, tuple[int, ...]]  # a value's place for each of METRICS
    ssvc: tuple[int, ...]  # the same for SSVC, -1 where nobody says
    fresh: bool = True  # no near duplicate of it is trained on


@dataclass(slots=True)
class Cves:
    train: list[Cve] = field(default_factory=list)
    dev: list[Cve] = field(default_factory=list)
    later: list[Cve] = field(default_factory=list)  # of the years after the first stage
    counts: Counter[str] = field(default_factory=Counter)


def collect(table: Path, benchmarks: Items, *, last: int, dev: int, first: int = 1999) -> Cves:
    """`dev`: one CVE of so many is held out; `last`: year that the first stage ends with."""
    result = Cves()
    for cve in read(table):
        result.counts["cve: read"] += 1
        why = _unfit(cve) or benchmarks.touched(cve.text, cve.id)[0]
        if why:
            result.counts[f"cve: {why}"] += 1
        elif cve.year >= RECENT and crc32(cve.id.encode()) % dev == 0:
            result.dev.append(cve)
        elif cve.year >= first:
            (result.later if cve.year > last else result.train).append(cve)
    _mark(result)
    return result


def _unfit(cve: Cve) -> str:
    if _REJECTED.match(cve.text) or len(cve.text.split()) < 4:
        return "no description"
    return "" if cve.weaknesses or cve.vectors else "no label"


def _mark(cves: Cves) -> None:
    """Say which held-out CVEs have a near duplicate among those that are learned from."""
    held = Items((cve.id, [cve.text]) for cve in cves.dev)
    held.ids.clear()
    siblings = set()
    for cve in (*cves.train, *cves.later):
        why, name = held.touched(cve.text)
        if why:
            siblings.add(name)
    for cve in cves.dev:
        cve.fresh = cve.id not in siblings


def read(table: Path) -> Iterator[Cve]:
    rows = read_parquet(table).read_all()
    names = (*COLUMNS, *(f"ssvc_{name}" for name in SSVC))
    for row in zip(*(rows[name].to_pylist() for name in names), strict=True):
        cve, text, weaknesses, vectors, year, *ssvc = row
        text = " ".join((text or "").split())
        points = tuple(
            values.index(said.lower()) if said else -1
            for said, values in zip(ssvc, SSVC.values(), strict=True)
        )  # fmt: skip
        yield Cve(cve, text, year, weaknesses_of(weaknesses or [], year), vectors_of(vectors or [], year), points)


def convention(source: str, year: int, since: int = RECENT) -> Convention:
    for start, party in PARTIES.items():
        if source.startswith(start):
            return party
    return Convention.NVD if year >= since else Convention.NVD_2018


def weaknesses_of(said: Sequence[str], year: int) -> dict[Convention, dict[str, float]]:
    """`source:CWE-n` → shares of each convention; ANY is the mean of the others."""
    by: dict[Convention, set[str]] = {}
    for entry in said:
        source, _, weakness = entry.partition(":")
        if _WEAKNESS.fullmatch(weakness):
            by.setdefault(convention(source, year), set()).add(weakness)
    shares = {party: dict.fromkeys(sorted(found), 1 / len(found)) for party, found in by.items()}
    if shares and year >= RECENT:
        together: dict[str, float] = {}
        for share in shares.values():
            for weakness, part in share.items():
                together[weakness] = together.get(weakness, 0.0) + part / len(shares)
        shares[Convention.ANY] = together
    return shares


def vectors_of(said: Sequence[str], year: int) -> dict[Convention, tuple[int, ...]]:
    """`source|vector` → the places of its values; the last of one convention counts."""
    found: dict[Convention, tuple[int, ...]] = {}
    for entry in said:
        source, _, vector = entry.partition("|")
        values = dict(_METRIC.findall(vector))
        try:
            places = tuple(order.index(values[name]) for name, order in METRICS.items())
        except (KeyError, ValueError):
            continue
        found[convention(source, year, RATED)] = places
    return found


def chosen(cves: Sequence[Cve], rng: Random, *, older: float, rated: float, common: float) -> list[Cve]:
    """Those that are learned from: a share of the CVEs before RECENT, a greater one of those of RATED and later years
    with a vector, and a share of those with a COMMON weakness."""
    counts = Counter(w for cve in cves for w in _all(cve))
    kept = []
    for cve in cves:
        usual = min((counts[w] for w in _all(cve)), default=0) >= COMMON
        early = rated if cve.year >= RATED and cve.vectors else older
        if rng.random() < (early if cve.year < RECENT else 1.0) * (common if usual else 1.0):
            kept.append(cve)
    return kept


def _all(cve: Cve) -> set[str]:
    return {weakness for share in cve.weaknesses.values() for weakness in share}
