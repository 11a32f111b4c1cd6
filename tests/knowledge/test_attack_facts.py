"""The script that makes the shipped TSVs, on a bundle of its own."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "attack_facts.py"


def _item(kind: str, uid: str, **fields: object) -> dict[str, object]:
    refs = [{"source_name": "mitre-attack", "external_id": uid}]
    return {"type": kind, "id": f"{kind}--{uid}", "external_references": refs, "name": f"Name of {uid}", **fields}


OBJECTS = [
    _item("x-mitre-tactic", "TA1", x_mitre_shortname="first"),
    _item("x-mitre-tactic", "TA2", x_mitre_shortname="second"),
    {"type": "x-mitre-matrix", "tactic_refs": ["x-mitre-tactic--TA1", "x-mitre-tactic--TA2"]},
    _item("attack-pattern", "T1", kill_chain_phases=[{"phase_name": "second"}, {"phase_name": "first"}]),
    _item("attack-pattern", "T1.001", x_mitre_is_subtechnique=True, x_mitre_deprecated=True),
    _item("attack-pattern", "T0", revoked=True),
    {
        "type": "relationship",
        "relationship_type": "revoked-by",
        "source_ref": "attack-pattern--T0",
        "target_ref": "attack-pattern--T1",
    },
]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    for domain in ("enterprise", "mobile", "ics"):
        content = gzip.compress(json.dumps({"objects": OBJECTS}).encode(), mtime=0)
        (tmp_path / f"{domain}-attack.json.gz").write_bytes(content)
    options = ["--release", "0.1", "--out", str(tmp_path)]
    subprocess.run([sys.executable, str(SCRIPT), str(tmp_path), *options], check=True, capture_output=True)
    return tmp_path


def test_ids_names_and_links_are_written(written: Path) -> None:
    rows = [line for line in (written / "attack_techniques.tsv").read_text("utf-8").splitlines() if line[0] != "#"]
    assert rows == [
        "id\tname\tdomain\ttactics\tparent\treplaced_by\tdeprecated",
        "T0\tName of T0\tenterprise\t\t\tT1\t",
        "T1\tName of T1\tenterprise\tfirst,second\t\t\t",
        "T1.001\tName of T1.001\tenterprise\t\tT1\t\t1",
    ]


def test_no_path_of_this_machine_is_written(written: Path) -> None:
    for name in ("attack_techniques.tsv", "attack_tactics.tsv"):
        assert str(written) not in (written / name).read_text("utf-8")
