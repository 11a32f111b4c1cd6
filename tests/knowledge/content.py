"""What a store holds, without the numbers that depend on how it came about; and inputs in the publishers' formats."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from vedette.knowledge import index, schema, verify
from vedette.knowledge.build import units
from vedette.knowledge.postings import read_all


def content(store: Path) -> dict[str, Any]:
    """Checks the store thoroughly. Equal for two stores that hold the same, whichever way they were made."""
    db = schema.open_to_read(store)
    verify.check(db, thorough=True)
    owner = {
        number: (unit, uid)
        for number, unit, uid in db.execute(
            "SELECT r.number, u.name, r.id FROM record r JOIN unit u ON r.unit = u.number"
        )
    }
    rows = db.execute("SELECT number, record, field, start, stop, code FROM passage ORDER BY number").fetchall()
    matrix = index.load(db)
    assert matrix.numbers.tolist() == [row[0] for row in rows]
    keys = [(*owner[row[1]], *row[2:5]) for row in rows]
    codes = [row[5] for row in rows]
    if rows:
        vectors = index.unit_rows(b"".join(codes), len(matrix.mean))
        signs = index.sign_bits(vectors, matrix.mean, matrix.turn)
        assert np.bitwise_count(signs.T ^ matrix.signs).sum() <= signs.size // 16, "more than rounding"
    postings = read_all(db)
    return {
        "units": units(store),
        "records": sorted(db.execute(
            "SELECT u.name, r.id, r.kind, r.name, r.status, r.published, r.digest, r.body"
            " FROM record r JOIN unit u ON r.unit = u.number"
        ).fetchall()),
        "links": sorted((*owner[at], *row) for at, *row in db.execute("SELECT record, place, rel, target FROM link")),
        "names": sorted((*owner[at], *row) for at, *row in db.execute("SELECT record, folded, name FROM alias")),
        "passages": sorted(zip(keys, codes, strict=True)),
        "lengths": sorted(zip(keys, matrix.lengths.tolist(), strict=True)),
        "kinds": sorted(zip(keys, matrix.kinds.tolist(), matrix.days.tolist(), strict=True)),
        "owners": sorted((key, owner[number]) for key, number in zip(keys, matrix.records.tolist(), strict=True)),
        "postings": sorted((int(p) >> 32, keys[int(p) >> 8 & 0xFFFFFF], int(p) & 0xFF) for p in postings),
    }  # fmt: skip


def folder(store: Path) -> list[str]:
    """What lies beside the store, its lock left out."""
    return sorted(path.name for path in store.parent.iterdir() if path.suffix != ".lock")


def kev(path: Path, *numbers: int, **changes: object) -> Path:
    """A catalogue of CVE-2021-0001 for 1, and so on."""
    entries = [
        {
            "cveID": f"CVE-2021-{number:04}",
            "vendorProject": "Example",
            "product": f"Logger {number}",
            "vulnerabilityName": f"Example Logger {number} Injection",
            "dateAdded": "2021-12-10",
            "shortDescription": f"Logger {number} runs what it is told to write.",
            "requiredAction": "Apply updates.",
            "dueDate": "2021-12-24",
            "knownRansomwareCampaignUse": "Unknown",
            "notes": "",
            "cwes": ["CWE-20"],
        }
        for number in numbers
    ]
    whole = {"catalogVersion": "2026.03.09", "dateReleased": "2026-03-09T12:00:00Z", "vulnerabilities": entries}
    path.write_text(json.dumps({**whole, **changes}), encoding="utf-8")
    return path


def epss(path: Path, *numbers: int) -> Path:
    rows = "".join(f"CVE-2021-{number:04},0.{number},0.9\n" for number in numbers)
    path.write_text(f"#model_version:v1,score_date:2026-03-09T00:00:00+0000\ncve,epss,percentile\n{rows}")
    return path


def sigma(path: Path, names: Iterable[str]) -> Path:
    """A folder of rules, the first one with number 0."""
    path.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        rule = (
            f"title: {name}\nid: 00000000-0000-4000-8000-{number:012}\nstatus: test\nlevel: high\n"
            f"description: Sees {name} at work.\nlogsource:\n    product: windows\n"
            "detection:\n    selection:\n        Image: dump.exe\n    condition: selection\ntags:\n    - attack.t1003\n"
        )
        (path / f"rule_{number}.yml").write_text(rule)
    return path
