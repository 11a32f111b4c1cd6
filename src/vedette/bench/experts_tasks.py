"""The benchmarks of the experts: items as their authors publish them, and what a right answer is."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import orjson
from arro3.io import read_parquet
from cvss import CVSS3

from vedette.errors import InputError
from vedette.knowledge.inputs import Input
from vedette.knowledge.record import Rel
from vedette.knowledge.store import Knowledge

HELD_OUT = 5  # of TRAM's reports one of so many never trains: crc32 of its title
_CVE = re.compile(r"CVE-\d{4}-\d{4,}")
_WEAKNESS = re.compile(r"CWE-\d+")
_TECHNIQUE = re.compile(r"\bT\d{4}")
_VIEW = "view CWE-1000"


@dataclass(frozen=True, slots=True)
class Item:
    id: str
    text: str
    right: frozenset[str]  # answers that count
    vector: str = ""  # CVSS v3


def _rows(path: Path) -> Iterator[dict[str, str]]:
    csv.field_size_limit(sys.maxsize)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t")
            if missing := {"Description" if "ate" not in path.name else "GT", "GT"} - set(reader.fieldnames or ()):
                raise InputError(f"no column '{min(missing)}'", where=str(path), remedy="give the file as published")
            yield from reader
    except (OSError, UnicodeError) as exc:
        raise InputError(f"cannot be read: {exc}", where=str(path), remedy="give the benchmarks' folder") from exc


def weaknesses(path: Path) -> list[Item]:
    """CTI-RCM: a description, one CWE."""
    return [Item(_id(row["URL"]), row["Description"], frozenset(_WEAKNESS.findall(row["GT"]))) for row in _rows(path)]


def vectors(path: Path) -> list[Item]:
    """CTI-VSP: a description, one CVSS v3 vector."""
    return [Item(_id(row["URL"]), row["Description"], frozenset(), row["GT"].strip()) for row in _rows(path)]


def extraction(path: Path) -> list[Item]:
    """CTI-ATE: a text on a software, its main techniques."""
    return [Item(row["URL"], _text(row), frozenset(_TECHNIQUE.findall(row["GT"]))) for row in _rows(path)]


def _text(row: Mapping[str, str]) -> str:
    return row.get("Description") or row.get("Text") or ""


def _id(url: str) -> str:
    found = _CVE.search(url)
    return found[0] if found else url


def tram(path: Path) -> tuple[list[Item], list[str]]:
    """(sentences of reports that never train, the fifty techniques). A sentence of a training report is left out."""
    content = next(c for name, c in Input(path).members("/single_label.json") if name.startswith("data/tram2-data/"))
    rows = [(" ".join(row["text"].split()), row["label"], row["doc_title"]) for row in orjson.loads(content)]
    trained = {text for text, _, title in rows if crc32(title.encode()) % HELD_OUT}
    items = [
        Item(title, text, frozenset([label]))
        for text, label, title in rows
        if crc32(title.encode()) % HELD_OUT == 0 and text not in trained
    ]
    return items, sorted({label for _, label, _ in rows})


def later(path: Path, benchmarks: Iterable[Item], first: int, most: int) -> list[Item]:
    """CVEs of `first` and later years with a CWE; any source's counts. `most` of them, by a hash of the id."""
    taken = {item.id for item in benchmarks}
    table = read_parquet(path).read_all()
    columns = (table[name].to_pylist() for name in ("cve", "description", "cwe_by_source", "cvss3_by_source", "year"))
    found = []
    for cve, text, said, vector, year in zip(*columns, strict=True):
        right = frozenset(w for entry in said or () for w in _WEAKNESS.findall(entry))
        if year >= first and right and text and cve not in taken:
            found.append(Item(cve, text, right, (vector or [""])[-1].partition("|")[2]))
    return sorted(found, key=lambda item: crc32(item.id.encode()))[:most]


def base_score(vector: str) -> float:
    """Of a CVSS v3 vector, with or without its prefix."""
    return float(CVSS3(vector if vector.startswith("CVSS:") else f"CVSS:3.1/{vector}").scores()[0])


class Hierarchy:
    """ChildOf in the research view (CWE-1000)."""

    def __init__(self, parents: Mapping[str, frozenset[str]]) -> None:
        self._parents = parents

    @classmethod
    def of(cls, store: Knowledge, weaknesses: Iterable[str]) -> Hierarchy:
        parents: dict[str, frozenset[str]] = {}
        waiting = list(weaknesses)
        while waiting:
            uid = waiting.pop()
            if uid in parents:
                continue
            entry = store.get(uid)
            links = (link for s in entry.statements for link in s.record.links) if entry else ()
            parents[uid] = frozenset(k.to for k in links if k.rel is Rel.CHILD_OF and _VIEW in k.note)
            waiting += parents[uid]
        return cls(parents)

    def above(self, uid: str) -> set[str]:
        found: set[str] = set()
        waiting = [uid]
        while waiting:
            new = self._parents.get(waiting.pop(), frozenset()) - found
            found |= new
            waiting += new
        return found

    def near(self, said: str, right: Iterable[str]) -> bool:
        """The same, or one is the other's parent."""
        return any(
            said == r or said in self._parents.get(r, ()) or r in self._parents.get(said, ()) for r in right
        )  # fmt: skip

    def related(self, said: str, right: Iterable[str]) -> bool:
        """The same, or one lies anywhere above the other."""
        return any(said == r or said in self.above(r) or r in self.above(said) for r in right)


def micro(pairs: Sequence[tuple[frozenset[str], frozenset[str]]]) -> tuple[float, float, float]:
    """F1, precision, recall over (said, right), all answers counted together."""
    hits = sum(len(said & right) for said, right in pairs)
    said = sum(len(said) for said, _ in pairs)
    right = sum(len(right) for _, right in pairs)
    return 2 * hits / max(1, said + right), hits / max(1, said), hits / max(1, right)


def macro_f1(pairs: Sequence[tuple[str, frozenset[str]]]) -> float:
    """Mean F1 over the classes that are right somewhere; an item counts for the class it was said to be, if right."""
    classes: dict[str, list[int]] = {}
    for said, right in pairs:
        truth = said if said in right else min(right)
        classes.setdefault(truth, [0, 0, 0])[1] += 1
        classes.setdefault(said, [0, 0, 0])[2] += 1
        classes[truth][0] += said == truth
    scores = [2 * hit / (true + found) for hit, true, found in classes.values() if true]
    return sum(scores) / max(1, len(scores))
