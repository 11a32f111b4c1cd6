"""What the experts are measured on beside public benchmarks: reports and CVEs that never train."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from zlib import crc32

import orjson
from arro3.io import read_parquet

from vedette.bench.items import Item, Kind
from vedette.knowledge.inputs import Input

HELD_OUT = 5  # of TRAM's reports one of so many never trains: crc32 of its title
_WEAKNESS = re.compile(r"CWE-\d+")


def tram(path: Path) -> tuple[list[Item], list[str]]:
    """(sentences of reports that never train, the fifty techniques). A sentence of a training report is left out."""
    content = next(c for name, c in Input(path).members("/single_label.json") if name.startswith("data/tram2-data/"))
    rows = [(" ".join(row["text"].split()), row["label"], row["doc_title"]) for row in orjson.loads(content)]
    trained = {text for text, _, title in rows if crc32(title.encode()) % HELD_OUT}
    items = [
        Item(id=title, kind=Kind.TECHNIQUE, prompt="", text=text, right=(label,))
        for text, label, title in rows
        if crc32(title.encode()) % HELD_OUT == 0 and text not in trained
    ]
    return items, sorted({label for _, label, _ in rows})


def later(path: Path, benchmarks: Iterable[Item], first: int, most: int) -> list[Item]:
    """CVEs of `first` and later years with a CWE; any source's counts. `most` of them, by a hash of the id."""
    taken = {item.id for item in benchmarks}
    table = read_parquet(path).read_all()
    columns = (table[name].to_pylist() for name in ("cve", "description", "cwe_by_source", "year"))
    found = []
    for cve, text, said, year in zip(*columns, strict=True):
        right = tuple(dict.fromkeys(w for entry in said or () for w in _WEAKNESS.findall(entry)))
        if year >= first and right and text and cve not in taken:
            found.append(Item(id=cve, kind=Kind.WEAKNESS, prompt="", text=text, right=right))
    return sorted(found, key=lambda item: crc32(item.id.encode()))[:most]
