"""CTI-Bench (Alam et al., NeurIPS 2024): multiple choice, root causes, vectors, techniques, actors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from vedette.bench.items import Item, Kind
from vedette.bench.suites.tables import AS_PUBLISHED, tsv
from vedette.errors import InputError

LETTERS = "ABCD"
_CVE = re.compile(r"CVE-(\d{4})-\d{4,}")
_WEAKNESS = re.compile(r"CWE-\d+")
_TECHNIQUE = re.compile(r"\bT\d{4}")
_SITES = {"attack.mitre.org": "ATT&CK", "cwe.mitre.org": "CWE", "capec.mitre.org": "CAPEC"}


def choices(content: bytes, where: str) -> Iterator[Item]:
    names = [f"Option {letter}" for letter in LETTERS]
    for number, (line, row) in enumerate(tsv(content, where, ("URL", "Question", "Prompt", "GT", *names)), 1):
        right = row["GT"].strip().upper()
        if right not in LETTERS or not right:
            raise InputError(f"the answer is '{right}'", where=f"{where}:{line}", remedy=AS_PUBLISHED)
        yield Item(
            id=str(number), kind=Kind.CHOICE, prompt=row["Prompt"], right=(right,), text=row["Question"],
            choices=tuple(row[name] for name in names), letters=LETTERS,
            slices={"about": _SITES.get(urlsplit(row["URL"]).hostname or "", "other")},
        )  # fmt: skip


def weaknesses(content: bytes, where: str) -> Iterator[Item]:
    for line, row in tsv(content, where, ("URL", "Description", "Prompt", "GT")):
        right = _WEAKNESS.findall(row["GT"].upper())
        if not right:
            raise InputError(f"no CWE in '{row['GT']}'", where=f"{where}:{line}", remedy=AS_PUBLISHED)
        slices = {"weakness": right[0], "year": _year(row["URL"])}
        yield Item(
            id=_id(row["URL"]), kind=Kind.WEAKNESS, prompt=row["Prompt"], right=tuple(right), text=row["Description"],
            slices=slices,
        )  # fmt: skip


def vectors(content: bytes, where: str) -> Iterator[Item]:
    for _, row in tsv(content, where, ("URL", "Description", "Prompt", "GT")):
        yield Item(
            id=_id(row["URL"]), kind=Kind.VECTOR, prompt=row["Prompt"], right=(row["GT"].strip().upper(),),
            text=row["Description"], slices={"year": _year(row["URL"])},
        )  # fmt: skip


def techniques(content: bytes, where: str) -> Iterator[Item]:
    for _, row in tsv(content, where, ("URL", "Platform", "Description", "Prompt", "GT")):
        domain = row["Platform"].strip().lower()
        yield Item(
            id=row["URL"], kind=Kind.TECHNIQUES, prompt=row["Prompt"], text=row["Description"], domain=domain,
            right=tuple(dict.fromkeys(_TECHNIQUE.findall(row["GT"].upper()))), slices={"domain": domain},
        )  # fmt: skip


def actors(contents: Sequence[tuple[bytes, str]]) -> Iterator[Item]:
    """Two files: the reports, and the key in the same order."""
    (content, where), (key, key_where) = contents
    reports = list(tsv(content, where, ("URL", "Text", "Prompt")))
    names = list(tsv(key, key_where, ("GT",)))
    if len(reports) != len(names):
        what = f"{len(names)} answers for {len(reports)} reports"
        raise InputError(what, where=key_where, remedy=AS_PUBLISHED)
    for (_, row), (_, said) in zip(reports, names, strict=True):
        yield Item(id=row["URL"], kind=Kind.ACTOR, prompt=row["Prompt"], right=(said["GT"].strip(),), text=row["Text"])


def _id(url: str) -> str:
    found = _CVE.search(url)
    return found[0] if found else url


def _year(url: str) -> str:
    found = _CVE.search(url)
    return found[1] if found else "unknown"
