"""The capture behind the Suricata part: right checksums, the same bytes each time, ground truth for every flow."""

from __future__ import annotations

import csv
import importlib
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def office() -> Iterator[dict[str, ModuleType]]:
    sys.path.insert(0, str(EXAMPLES))
    names = ("packets", "network_noise", "network_attack")
    yield {name: importlib.import_module(f"office.{name}") for name in names}
    sys.path.remove(str(EXAMPLES))


def _intrusion(office: dict[str, ModuleType], path: Path) -> list[tuple[str, ...]]:
    """The intruder's packets alone, written as `make_captures.py` would."""
    cap = office["packets"].Capture(7)
    intruder = office["network_attack"].Intruder(cap, Random("7/intrusion"))
    for step in office["network_attack"].STEPS:
        step(intruder)
    cap.write(path)
    return [tuple(map(str, flow)) for flow in intruder.flows]


def _packets(path: Path) -> Iterator[bytes]:
    data, place = path.read_bytes(), 24
    while place < len(data):
        size = struct.unpack_from("<I", data, place + 8)[0]
        yield data[place + 16 : place + 16 + size]
        place += 16 + size


def test_capture_repeats_and_every_checksum_is_right(office: dict[str, ModuleType], tmp_path: Path) -> None:
    first, second = tmp_path / "1.pcap", tmp_path / "2.pcap"
    assert _intrusion(office, first) == _intrusion(office, second)
    assert first.read_bytes() == second.read_bytes()
    checksum, count = office["packets"].checksum, 0
    for frame in _packets(first):
        header, body = frame[14:34], frame[34:]
        assert checksum(header) == 0
        assert checksum(header[12:20] + struct.pack("!BBH", 0, header[9], len(body)) + body) == 0
        count += 1
    assert count > 2_000


def test_checksum_sees_a_changed_byte(office: dict[str, ModuleType], tmp_path: Path) -> None:
    _intrusion(office, tmp_path / "1.pcap")
    header = bytearray(next(_packets(tmp_path / "1.pcap"))[14:34])
    header[8] ^= 1
    assert office["packets"].checksum(bytes(header)) != 0


def test_committed_flows_have_distinct_keys() -> None:
    with (EXAMPLES / "suricata" / "intrusion-flows.csv").open(newline="") as rows:
        keys = [tuple(row.values())[1:] for row in csv.DictReader(rows)]
    assert len(keys) == len(set(keys)) > 200


def test_rules_have_their_own_numbers() -> None:
    lines = (EXAMPLES / "suricata" / "office.rules").read_text("utf-8").splitlines()
    sids = [line.partition("sid:")[2].partition(";")[0] for line in lines if line.startswith("alert ")]
    assert len(sids) == len(set(sids)) >= 20
    assert all(9_000_001 <= int(sid) <= 9_000_999 for sid in sids)
