"""Alerts in the Elastic Common Schema: endpoint protection, detection engine, mail gateway and web proxy."""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from .journal import Journal, Record
from .site import DOMAIN, Host, iso

FILE_NAME = "ecs-alerts.ndjson"
RISK = {"low": 21, "medium": 47, "high": 73, "critical": 99}


class Detection(NamedTuple):
    """A rule: its name, its severity and the ATT&CK technique and tactic that it states."""

    name: str
    severity: str
    technique: str = ""
    technique_name: str = ""
    tactic: str = ""
    tactic_name: str = ""


def _digest(*parts: object) -> str:
    return sha256("\0".join(map(str, parts)).encode()).hexdigest()


def _uuid(*parts: object) -> str:
    text = _digest(*parts)
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-9{text[17:20]}-{text[20:32]}"


def _threat(rule: Detection) -> list[Record]:
    if not rule.technique:
        return []
    parent, _, sub = rule.technique.partition(".")
    technique: Record = {"id": parent, "name": rule.technique_name}
    if sub:
        technique["subtechnique"] = [{"id": rule.technique, "name": rule.technique_name}]
    tactic = {"id": rule.tactic, "name": rule.tactic_name}
    return [{"framework": "MITRE ATT&CK", "tactic": tactic, "technique": [technique]}]


def _document(time: float, rule: Detection, host: Host, module: str, dataset: str, kind: str) -> Record:
    family = "windows" if host.system == "windows" else "debian"
    name = "Windows" if host.system == "windows" else "Debian GNU/Linux"
    document: Record = {
        "@timestamp": iso(time),
        "message": rule.name,
        "ecs": {"version": "8.11.0"},
        "agent": {"id": _uuid("agent", host.name), "name": host.name, "type": "endpoint", "version": "8.17.2"},
        "data_stream": {"type": "logs", "dataset": dataset, "namespace": "default"},
        "event": {
            "kind": kind,
            "module": module,
            "dataset": dataset,
            "category": ["intrusion_detection"],
            "type": ["info"],
            "severity": RISK[rule.severity],
            "risk_score": RISK[rule.severity],
            "created": iso(time + 1.4),
            "ingested": iso(time + 3.1),
        },
        "host": {
            "id": _uuid("host", host.name),
            "name": host.name,
            "hostname": f"{host.name}.{DOMAIN}",
            "ip": [host.address],
            "os": {"family": family, "name": name, "platform": host.system, "type": host.system},
        },
        "rule": {"id": _uuid("rule", rule.name), "name": rule.name, "ruleset": module},
    }
    if rule.technique:
        document["threat"] = _threat(rule)
    return document


def process_block(image: str, command: str, parent: str = "C:\\Windows\\explorer.exe") -> Record:
    seed = int(_digest(image, command)[:6], 16)
    return {
        "pid": 1_000 + seed % 9_000,
        "entity_id": _digest("process", image, command)[:20],
        "executable": image,
        "name": image.replace("/", "\\").rpartition("\\")[2],
        "command_line": command,
        "hash": {"sha256": _digest("image", image)},
        "parent": {
            "executable": parent,
            "name": parent.replace("/", "\\").rpartition("\\")[2],
            "pid": 900 + seed % 700,
        },
    }


def endpoint_alert(time: float, rule: Detection, host: Host, user: str, code: str, **fields: Record) -> Record:
    """An alert of the endpoint agent: `code` is behavior, malicious_file, memory_signature …"""
    document = _document(time, rule, host, "endpoint", "endpoint.alerts", "alert")
    document["event"] |= {"code": code, "action": "rule_detection", "outcome": "success"}
    document["user"] = {"name": user, "domain": "OFFICE"}
    return _merge(document, fields)


def detection_alert(time: float, rule: Detection, host: Host, user: str, **fields: Record) -> Record:
    """An alert of the detection engine over the agents' events."""
    document = _document(time, rule, host, "endpoint", "endpoint.events.process", "signal")
    document["event"]["category"] = ["process"]
    document["kibana"] = {
        "alert": {
            "uuid": "",
            "severity": rule.severity,
            "risk_score": RISK[rule.severity],
            "workflow_status": "open",
            "rule": {
                "uuid": document["rule"]["id"],
                "name": rule.name,
                "rule_id": document["rule"]["id"],
                "type": "eql",
            },
        }
    }
    if user:
        document["user"] = {"name": user, "domain": "OFFICE"}
    return _merge(document, fields)


def gateway_alert(time: float, rule: Detection, host: Host, module: str, category: str, **fields: Record) -> Record:
    """An alert of the mail gateway or the web proxy."""
    document = _document(time, rule, host, module, f"{module}.alert", "alert")
    document["event"]["category"] = [category]
    return _merge(document, fields)


def complete(journal: Journal) -> None:
    """Give the sorted alerts their ids."""
    for line, (time, record, _, _) in enumerate(journal.entries, start=1):
        record["event"]["id"] = _uuid("event", time, line)
        if "kibana" in record:
            record["kibana"]["alert"]["uuid"] = record["event"]["id"]


def _merge(document: Record, fields: dict[str, Record]) -> Record:
    for key, value in fields.items():
        document[key] = document.get(key, {}) | value
    return document
