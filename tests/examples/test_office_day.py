"""The sample day keeps its promises: same bytes, true counts, invented addresses, one intrusion that can be found."""

from __future__ import annotations

import importlib
import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from datetime import date
from ipaddress import ip_address, ip_network
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ALERT_FILES = ("wazuh-alerts.json", "ecs-alerts.ndjson", "suricata-eve.json")
ALLOWED = [
    ip_network(net)
    for net in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "192.0.2.0/24",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "127.0.0.0/8",
        "0.0.0.0/32",
    )
]


class Day(NamedTuple):
    """What one run of the generator left."""

    folder: Path
    truth: dict[str, Any]
    lines: dict[str, list[str]]


@pytest.fixture(scope="module")
def generator() -> Iterator[ModuleType]:
    sys.path.insert(0, str(EXAMPLES))
    yield importlib.import_module("office_day")
    sys.path.remove(str(EXAMPLES))


@pytest.fixture(scope="module")
def day(generator: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Day:
    folder = tmp_path_factory.mktemp("day")
    truth = generator.generate(folder, 7)
    return Day(folder, truth, {name: (folder / name).read_text("utf-8").splitlines() for name in ALERT_FILES})


def _record(day: Day, ref: str) -> dict[str, Any]:
    name, line = ref.rsplit(":", 1)
    record: dict[str, Any] = json.loads(day.lines[name][int(line) - 1])
    return record


def test_same_seed_gives_the_same_bytes_and_another_does_not(generator: ModuleType, day: Day, tmp_path: Path) -> None:
    generator.generate(tmp_path / "again", 7)
    for path in sorted(day.folder.iterdir()):
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name
    other = generator.build_ecs(8)
    other.write(tmp_path)
    assert (tmp_path / other.name).read_bytes() != (day.folder / other.name).read_bytes()


def test_every_line_parses_and_the_counts_are_true(day: Day) -> None:
    for name, lines in day.lines.items():
        records = [json.loads(line) for line in lines]
        alerts = [r for r in records if r.get("event_type", "alert") == "alert"]
        marked = [ref for ref in day.truth["intrusion"]["refs"] if ref.startswith(name)]
        expected = {"lines": len(records), "alerts": len(alerts), "attack": len(marked)}
        assert day.truth["counts"][name] == expected | {"noise": len(alerts) - len(marked)}
    total = day.truth["counts"]["total"]
    for key, value in total.items():
        assert value == sum(day.truth["counts"][name][key] for name in ALERT_FILES)
    assert total["noise"] >= 20_000
    assert 25 <= total["attack"] <= 60
    assert day.truth == json.loads((day.folder / "truth.json").read_text("utf-8"))


def test_truth_points_at_the_alerts_that_it_names(day: Day) -> None:
    uid_of: dict[str, Callable[[dict[str, Any]], str]] = {
        "wazuh-alerts.json": lambda r: r["id"],
        "ecs-alerts.ndjson": lambda r: r["event"]["id"],
        "suricata-eve.json": lambda r: f"{r['flow_id']}/{r['alert']['signature_id']}",
    }
    for ref, uid in day.truth["intrusion"]["uids"].items():
        assert uid_of[ref.rsplit(":", 1)[0]](_record(day, ref)) == uid
    for harmless in day.truth["frightening_but_harmless"]:
        assert harmless["refs"]
        assert not set(harmless["refs"]) & set(day.truth["intrusion"]["refs"])
        for ref in harmless["refs"]:
            _record(day, ref)


def test_the_intrusion_has_every_stage_and_every_product_sees_it(day: Day) -> None:
    stages = day.truth["intrusion"]["stages"]
    assert [stage["name"] for stage in stages if not stage["refs"]] == []
    assert sorted(ref for stage in stages for ref in stage["refs"]) == sorted(day.truth["intrusion"]["refs"])
    for name in ALERT_FILES:
        assert sum(ref.startswith(name) for ref in day.truth["intrusion"]["refs"]) >= 10


def test_alerts_lie_within_their_stage(day: Day) -> None:
    for stage in day.truth["intrusion"]["stages"]:
        for ref in stage["refs"]:
            record = _record(day, ref)
            clock = str(record.get("timestamp") or record["@timestamp"])[11:16]
            assert stage["start"] <= clock <= stage["end"], (stage["name"], ref)


def test_records_are_of_the_day(day: Day) -> None:
    for name, key in zip(ALERT_FILES, ("timestamp", "@timestamp", "timestamp"), strict=True):
        assert {json.loads(line)[key][:10] for line in day.lines[name]} == {"2026-03-10"}


@pytest.mark.parametrize("name", ALERT_FILES[:2])  # Suricata's alerts have no id of their own
def test_ids_are_unique(day: Day, name: str) -> None:
    records = [json.loads(line) for line in day.lines[name]]
    ids = [record["id"] if name.startswith("wazuh") else record["event"]["id"] for record in records]
    assert len(set(ids)) == len(ids)


def test_no_address_or_name_of_the_real_world(day: Day) -> None:
    files = [day.folder / name for name in (*ALERT_FILES, "assets.toml", "exceptions.toml", "truth.json")]
    files += [path for path in EXAMPLES.rglob("*") if path.suffix in {".py", ".rules", ".csv", ".yaml", ".sh"}]
    text = "\n".join(path.read_text("utf-8") for path in files)
    for found in set(re.findall(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])", text)):
        if all(int(part) < 256 for part in found.split(".")):
            assert any(ip_address(found) in net for net in ALLOWED), found
    names = set(re.findall(r"[\w-]+\.(?:com|org|net|io|de|eu|info|biz|cloud|dev)\b(?!\w*[(\\])", text))
    assert names <= {"example.com", "example.org", "example.net"}


def test_attacker_text_is_there_and_only_in_the_intrusion(day: Day) -> None:
    marked = {name: {int(ref.rsplit(":", 1)[1]) for ref in day.truth["intrusion"]["refs"] if ref.startswith(name)}
              for name in ALERT_FILES}  # fmt: skip
    for bait in ("gnore previous instructions", "\\u001b[2J", "<script>", "=cmd|"):
        seen = 0
        for name, lines in day.lines.items():
            for number, line in enumerate(lines, start=1):
                if bait in line and json.loads(line).get("event_type", "alert") == "alert":
                    assert number in marked[name], (name, number)
                    seen += 1
        assert seen, bait


def _facts(name: str, record: dict[str, Any]) -> tuple[str, str, set[str], str]:
    """Rule, host, sources and time of an alert, as an exception may match them."""
    if name.startswith("wazuh"):
        data = record.get("data", {})
        source = data.get("srcip") or data.get("win", {}).get("eventdata", {}).get("ipAddress", "")
        return record["rule"]["id"], record["agent"]["name"], {source}, record["timestamp"][:19]
    if name.startswith("ecs"):
        source = record.get("source", {}).get("ip", "")
        return record["rule"]["name"], record["host"]["name"], {source}, record["@timestamp"][:19]
    return str(record["alert"]["signature_id"]), "", {record["src_ip"]}, record["timestamp"][:19]


def _excused(exception: dict[str, Any], rule: str, host: str, sources: set[str], time: str) -> bool:
    nets = [ip_network(source) for source in exception.get("sources", [])]
    return (
        exception["expires"] >= date(2026, 3, 10)
        and rule in exception.get("rules", [rule])
        and host in exception.get("hosts", [host])
        and (not nets or any(s and ip_address(s) in net for s in sources for net in nets))
        and ("from" not in exception or f"{exception['from']:%FT%T}" <= time <= f"{exception['until']:%FT%T}")
    )


def test_exceptions_excuse_much_noise_and_nothing_of_the_intrusion(day: Day) -> None:
    exceptions = tomllib.loads((day.folder / "exceptions.toml").read_text("utf-8"))["exception"]
    refs = set(day.truth["intrusion"]["refs"])
    hits = dict.fromkeys((exception["id"] for exception in exceptions), 0)
    for name, lines in day.lines.items():
        for number, line in enumerate(lines, start=1):
            record = json.loads(line)
            if record.get("event_type", "alert") != "alert":
                continue
            for exception in exceptions:
                if _excused(exception, *_facts(name, record)):
                    assert f"{name}:{number}" not in refs, exception["id"]
                    hits[exception["id"]] += 1
    assert hits.pop("EX-6") == 0, "it has expired"
    assert min(hits.values()) >= 2, hits


def test_owner_files_have_only_known_keys() -> None:
    assets = tomllib.loads((EXAMPLES / "assets.toml").read_text("utf-8"))
    allowed = {"name", "hostnames", "addresses", "criticality", "role", "hub"}
    for asset in assets["asset"]:
        assert set(asset) <= allowed
        assert asset["criticality"] in {"low", "medium", "high", "critical"}
    allowed = {"id", "reason", "expires", "owner", "kind", "rules", "products", "hosts", "sources", "from", "until"}
    exceptions = tomllib.loads((EXAMPLES / "exceptions.toml").read_text("utf-8"))["exception"]
    assert all(set(exception) <= allowed for exception in exceptions)
    assert len({exception["id"] for exception in exceptions}) == len(exceptions)


def test_readme_states_the_counts(day: Day) -> None:
    readme = (EXAMPLES / "README.md").read_text("utf-8")
    for name in ALERT_FILES:
        row = day.truth["counts"][name]
        assert re.search(
            rf"`{re.escape(name)}`.*\| {row['alerts']:,} \| {row['attack']} \| {row['lines']:,} \|", readme
        )
