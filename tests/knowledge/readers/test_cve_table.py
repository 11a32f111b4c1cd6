"""The table of CVEs: what several snapshots say alike is kept once, with all their names."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate, chain
from pathlib import Path
from typing import Any

import pytest
from arro3.core import Array, DataType, Table, list_array
from arro3.io import write_parquet
from hypothesis import given, settings

from vedette.errors import InputError
from vedette.knowledge.inputs import Input
from vedette.knowledge.readers import Tally, cve_table
from vedette.knowledge.readers.cve_table import READER
from vedette.knowledge.record import Cvss, Ssvc, Status

from .cve_inputs import damaged, facts, got, links, read_damaged, texts, written

VECTOR = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
OTHER = "CVSS:3.0/AV:L/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
ROWS: list[dict[str, Any]] = [
    {
        "cve": "CVE-2030-0001",
        "description": " A kettle boils. ",
        "cwe_by_source": ["nvd2020:CWE-79", "vulnrich2025:CWE-020", "nvd2021:CWE-79", "redhat2024:CWE-noinfo"],
        "cvss3_by_source": [f"nvd2020|{VECTOR}", f"nvd2021|{VECTOR}", f"redhat2024|{OTHER}"],
        "ssvc_exploitation": "PoC",
        "ssvc_automatable": "No",
        "ssvc_technical_impact": "total",
    },
    {"cve": "CVE-2030-0002", "description": "This CVE ID has been rejected by nobody in particular."},
    {"cve": "CVE-2030-0003", "description": None, "cwe_by_source": [], "cvss3_by_source": []},
]


def _parquet(path: Path, rows: list[dict[str, Any]], leave_out: str = "") -> Path:
    names = [name for name in cve_table.COLUMNS if name != leave_out]
    columns = [_lists(rows, name) if name.endswith("by_source") else _strings(rows, name) for name in names]
    write_parquet(Table.from_arrays(columns, names=names), str(path))
    return path


def _strings(rows: list[dict[str, Any]], name: str) -> Array:
    return Array([row.get(name) for row in rows], type=DataType.utf8())


def _lists(rows: list[dict[str, Any]], name: str) -> Array:
    values = [row.get(name, []) for row in rows]
    ends = Array(list(accumulate(map(len, values), initial=0)), type=DataType.int32())
    return list_array(ends, Array(list(chain.from_iterable(values)), type=DataType.utf8()))


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return _parquet(tmp_path_factory.mktemp("table") / "cves.parquet", ROWS).read_bytes()


def test_what_snapshots_say_alike_is_kept_once_with_their_names(tmp_path: Path) -> None:
    path = _parquet(tmp_path / "cves.parquet", ROWS)
    assert READER.claims(Input(path))
    records, _ = got(READER, path)
    first = records["CVE-2030-0001"]
    assert links(first) == [
        ("has-weakness", "CWE-79", "nvd2020, nvd2021"),
        ("has-weakness", "CWE-20", "vulnrich2025"),
    ]
    assert facts(first).cvss == (Cvss(VECTOR, None, "nvd2020, nvd2021"), Cvss(OTHER, None, "redhat2024"))
    assert facts(first).ssvc == Ssvc("poc", "no", "total", "CISA-ADP")
    assert texts(first) == {"description": "A kettle boils."}


def test_rejected_ids_stay_and_empty_cells_give_nothing(tmp_path: Path) -> None:
    records, _ = got(READER, _parquet(tmp_path / "cves.parquet", ROWS))
    assert [record.status for record in records.values()] == [Status.ACTIVE, Status.REJECTED, Status.ACTIVE]
    assert texts(records["CVE-2030-0002"])
    empty = records["CVE-2030-0003"]
    assert (empty.texts, empty.links, facts(empty).ssvc) == ((), (), None)


def test_a_bad_row_is_refused_and_an_id_counts_once(tmp_path: Path) -> None:
    rows = [{"cve": "CVE-30-1", "description": "x"}, {"cve": None}, *ROWS, {"cve": "CVE-2030-0001"}]
    records, tally = got(READER, _parquet(tmp_path / "cves.parquet", rows))
    assert len(records) == 3
    assert tally.refused == {"not a CVE id": 2}
    assert tally.skipped == {"superseded in the same input": 1}


def test_other_tables_are_not_claimed(tmp_path: Path) -> None:
    path = _parquet(tmp_path / "other.parquet", ROWS, leave_out="cwe_by_source")
    assert not READER.claims(Input(path))
    with pytest.raises(InputError, match="not a CVE table"):
        got(READER, path)
    assert not READER.claims(Input(written(tmp_path / "cves.parquet", b"PAR1 nothing else PAR1")))


def test_the_published_table(shared: Path) -> None:
    path = shared / "data/cve/cve-records.parquet"
    assert READER.claims(Input(path))
    counts: Counter[str] = Counter()
    tally = Tally()
    for record in READER.read(Input(path), tally):
        told = facts(record)
        counts.update(record=1, cwe=bool(record.links), cvss=bool(told.cvss), ssvc=told.ssvc is not None)
    assert tally.read == 277_575
    assert counts == {"record": 277_575, "cwe": 201_330, "cvss": 136_898, "ssvc": 61_459}


def test_no_file_does_harm(sample: bytes) -> None:
    @settings(max_examples=40, deadline=None)  # a process each
    @given(damaged(sample))
    def check(body: bytes) -> None:
        read_damaged(READER, "cves.parquet", body)

    check()
