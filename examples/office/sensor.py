"""The Suricata part: real output, committed compressed. Here it is unpacked and joined with the ground truth."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

from .journal import Marked, Record

FILE_NAME = "suricata-eve.json"
_FOLDER = Path(__file__).resolve().parent.parent / "suricata"
_LAPTOP_STRANGER = "203.0.113.92"  # where the blocked download came from
_SCANNER = "10.20.0.90"


def unpack(folder: Path) -> bytes:
    """Write the committed result into `folder`; returns its bytes."""
    data = gzip.decompress((_FOLDER / "eve.json.gz").read_bytes())
    (folder / FILE_NAME).write_bytes(data)
    return data


def _stages() -> dict[tuple[str, str, int, str, int], str]:
    """Stage of every flow of the intruder's, by protocol and both ends, in both directions."""
    known = {}
    with (_FOLDER / "intrusion-flows.csv").open(newline="") as rows:
        for row in csv.DictReader(rows):
            client = (row["client"], int(row["client_port"]))
            server = (row["server"], int(row["server_port"]))
            known[row["protocol"], *client, *server] = row["stage"]
            known[row["protocol"], *server, *client] = row["stage"]
    return known


def _note(record: Record) -> str:
    ends = {record["src_ip"], record["dest_ip"]}
    if _LAPTOP_STRANGER in ends:
        return "malware download blocked on a laptop"
    number = record["alert"]["signature_id"]
    if number == 9_000_010 and _SCANNER in ends:
        return "nmap from the vulnerability scanner"
    if number == 9_000_016 and "10.20.10.101" in ends:
        return "PsExec by the administrator in the maintenance window"
    return ""


def marks(data: bytes) -> tuple[int, int, list[Marked]]:
    """Lines, alerts, and the marked alerts of the sensor's file."""
    stages, found, alerts, line = _stages(), [], 0, 0
    for line, record in _records(data):
        if record["event_type"] != "alert":
            continue
        alerts += 1
        key = (record["proto"], record["src_ip"], record["src_port"], record["dest_ip"], record["dest_port"])
        stage, note = stages.get(key, ""), _note(record)
        if stage or note:
            uid = f"{record['flow_id']}/{record['alert']['signature_id']}"
            found.append(Marked(f"{FILE_NAME}:{line}", uid, stage, "" if stage else note))
    return line, alerts, found


def _records(data: bytes) -> Iterator[tuple[int, Record]]:
    for line, text in enumerate(data.splitlines(), start=1):
        yield line, json.loads(text)
