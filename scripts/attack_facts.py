"""Write ATT&CK's ids, names and links as the two TSVs that ship with Vedette.

    python scripts/attack_facts.py FOLDER --release 18.1

FOLDER holds {enterprise,mobile,ics}-attack.json.gz: one STIX bundle each, which does not name its release.
Facts only: no descriptions, no procedures.
"""

from __future__ import annotations

import argparse
import gzip
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

DOMAINS = ("enterprise", "mobile", "ics")
FACTS = Path(__file__).resolve().parent.parent / "src/vedette/knowledge/facts"
NOTICE = (
    "© The MITRE Corporation. This work is reproduced and distributed with the permission of The MITRE Corporation."
)
Stix = dict[str, Any]
Row = tuple[str, ...]
Tactic = tuple[str, str, str, str, int]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--release", required=True, help="of ATT&CK, for example 18.1")
    parser.add_argument("--out", type=Path, default=FACTS)
    options = parser.parse_args()
    header = [f"# MITRE ATT&CK {options.release}: ids, names and links. {NOTICE}"]
    tactics: list[Tactic] = []
    techniques: dict[str, Row] = {}
    for domain in DOMAINS:
        source = options.folder / f"{domain}-attack.json.gz"
        raw = source.read_bytes()
        header.append(f"# {source.name} sha256 {sha256(raw).hexdigest()}")
        objects = orjson.loads(gzip.decompress(raw))["objects"]
        order = tactic_rows(objects, domain)
        tactics += order
        for row in technique_rows(objects, domain, [short for _, short, *_ in order]):
            techniques.setdefault(row[0], row)
    columns = "short_name id name domain order"
    rows: list[Row] = [(short, uid, name, domain, str(order)) for uid, short, name, domain, order in tactics]
    write(options.out / "attack_tactics.tsv", header, columns, rows)
    columns = "id name domain tactics parent replaced_by deprecated"
    write(options.out / "attack_techniques.tsv", header, columns, sorted(techniques.values()))


def tactic_rows(objects: list[Stix], domain: str) -> list[Tactic]:
    """In the order of the domain's matrices, the main one first."""
    by_id = {o["id"]: o for o in objects if o["type"] == "x-mitre-tactic"}
    matrices = sorted((o for o in objects if o["type"] == "x-mitre-matrix"), key=lambda o: -len(o["tactic_refs"]))
    refs = [ref for matrix in matrices for ref in matrix["tactic_refs"]]
    return [
        (attack_id(by_id[ref]), by_id[ref]["x_mitre_shortname"], by_id[ref]["name"], domain, order)
        for order, ref in enumerate(refs)
    ]


def technique_rows(objects: list[Stix], domain: str, order: list[str]) -> list[Row]:
    patterns = {o["id"]: o for o in objects if o["type"] == "attack-pattern"}
    replaced = {
        o["source_ref"]: attack_id(patterns[o["target_ref"]])
        for o in objects
        if o["type"] == "relationship" and o["relationship_type"] == "revoked-by" and o["source_ref"] in patterns
    }
    rows: list[Row] = []
    for stix_id, pattern in patterns.items():
        uid = attack_id(pattern)
        phases = {phase["phase_name"] for phase in pattern.get("kill_chain_phases", ())}
        tactics = ",".join(sorted(phases, key=order.index))
        parent = uid.partition(".")[0] if pattern.get("x_mitre_is_subtechnique") else ""
        deprecated = "1" if pattern.get("x_mitre_deprecated") else ""
        revoked_to = replaced.get(stix_id, "") if pattern.get("revoked") else ""
        rows.append((uid, pattern["name"], domain, tactics, parent, revoked_to, deprecated))
    return rows


def attack_id(item: Stix) -> str:
    sources = {"mitre-attack", "mitre-mobile-attack", "mitre-ics-attack"}
    return next(str(ref["external_id"]) for ref in item["external_references"] if ref["source_name"] in sources)


def write(path: Path, header: list[str], columns: str, rows: list[Row]) -> None:
    lines = [*header, "\t".join(columns.split()), *("\t".join(row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
