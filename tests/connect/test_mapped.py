from __future__ import annotations

import json
from pathlib import Path

import pytest

from vedette.connect import read
from vedette.connect.fieldmap import load_map, shipped_maps
from vedette.errors import ConfigError
from vedette.types import Kind, Observable, Role, Severity, TextKind, UntrustedText

from .readings import Got

MAP = """
name = "gateway"
ignore = ["label"]
uid = "id"
[time]
field = "when"
format = "%d.%m.%Y %H:%M:%S"
timezone = "Europe/Vienna"
[product]
constant = "Gateway"
[rule]
name = "event"
uid = "code"
[severity]
field = "level"
table = { "1" = "critical", "2" = "low" }
patterns = [{ regex = "^Malware", value = "high" }]
default = "informational"
[[observable]]
role = "src"
kind = "ip"
field = "peer.ip"
[[text]]
kind = "url"
field = "address"
[[technique]]
contains = "Malware"
ids = ["T1204.002"]
"""
HEADER = ["when", "event", "code", "level", "peer.ip", "address", "id", "label", "extra"]
ROW = ["14.05.2024 09:21:33", "Malware blocked", "77", "1", "2001:DB8::0001", "http://a/", "u1", "attack", "x"]


@pytest.fixture
def gateway(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(MAP)
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv(tmp_path: Path, gateway: Path, separator: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(separator.join(HEADER) + "\n" + separator.join(ROW) + "\n")
    got = Got([path], field_map=gateway)
    (alert,) = got.alerts
    assert (alert.time, alert.product, alert.rule_uid, alert.uid) == (1715671293000, "Gateway", "77", "u1")
    assert (alert.severity, alert.techniques) == (Severity.CRITICAL, ("T1204.002",))
    assert alert.observables == (Observable(Role.SRC, Kind.IP, "2001:db8::1"),)
    assert alert.texts == (UntrustedText(TextKind.URL, "http://a/"),)
    assert "attack" not in repr(alert)
    assert "columns neither used nor ignored: extra" in got.notes[0]


def test_json_lines_give_the_same_alert(tmp_path: Path, gateway: Path) -> None:
    record = dict(zip(HEADER, ROW, strict=True))
    nested = {key: value for key, value in record.items() if key != "peer.ip"} | {"peer": {"ip": record["peer.ip"]}}
    path = tmp_path / "a.json"
    path.write_text("".join(json.dumps(one) + "\n" for one in (record, nested)))
    table = tmp_path / "a.csv"
    table.write_text(",".join(HEADER) + "\n" + ",".join(ROW) + "\n")
    first, second = Got([path], field_map=gateway).alerts
    assert first.fingerprint() == second.fingerprint() == Got([table], field_map=gateway).alerts[0].fingerprint()


@pytest.mark.parametrize(
    ("level", "event", "severity"),
    [("1", "Malware", 5), ("9", "Malware", 4), ("9", "Port scan", 1), ("high", "Port scan", 4)],
)
def test_severity(tmp_path: Path, gateway: Path, level: str, event: str, severity: int) -> None:
    path = tmp_path / "a.csv"
    row = [ROW[0], event, ROW[2], level, *ROW[4:]]
    path.write_text(",".join(HEADER) + "\n" + ",".join(row) + "\n")
    assert Got([path], field_map=gateway).alerts[0].severity == severity


def test_a_missing_column_rejects_the_file_and_not_the_others(tmp_path: Path, gateway: Path) -> None:
    good, bad = tmp_path / "a.csv", tmp_path / "b.csv"
    good.write_text(",".join(HEADER) + "\n" + ",".join(ROW) + "\n")
    bad.write_text(",".join(HEADER[1:]) + "\n" + ",".join(ROW[1:]) + "\n")
    got = Got([bad, good], field_map=gateway)
    assert (len(got.alerts), got.reasons) == (1, ["no column 'when', which map 'gateway' needs"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('ignore = ["label"]', 'ignored = ["label"]', "did you mean 'ignore'"),
        ('role = "src"', 'role = "source"', "role"),
        ("^Malware", "(", "regular expression"),
        ("Europe/Vienna", "Mars/Olympus", "Mars/Olympus"),
        ('default = "informational"', 'default = "mild"', "informational"),
        ('ignore = ["label"]', 'ignore = ["event"]', "both used and ignored"),
        ('constant = "Gateway"', "", "one of constant, field, prefixes"),
        ("T1204.002", "T12", "ids"),
    ],
)
def test_a_wrong_map_is_refused_before_anything_is_read(gateway: Path, old: str, new: str, message: str) -> None:
    assert old in MAP
    gateway.write_text(MAP.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        read(["x"], field_map=gateway)


def test_shipped_maps_are_valid_and_told_apart() -> None:
    maps = shipped_maps()
    assert "ait-ads" in [one.name for one in maps]
    headers = [one.recognise for one in maps]
    assert len(set(headers)) == len(headers)
    assert all(set(one.recognise) == one.used() | set(one.ignore) for one in maps if one.recognise)


def test_the_test_map_loads(gateway: Path) -> None:
    assert load_map(gateway).time.timezone == "Europe/Vienna"
