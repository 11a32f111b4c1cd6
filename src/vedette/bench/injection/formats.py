"""The day as each source writes it, and the fields that attackers can write there."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from vedette.bench.injection.days import ADDRESS, ATTACK, DAY, HOST, USER, Format, Place, Record, Step
from vedette.connect.fieldmap import FieldMap
from vedette.types import TextKind


def _iso(step: Step) -> str:
    return datetime.fromtimestamp(DAY + step.clock, UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def _address(step: Step) -> str:
    return ADDRESS if step.host == HOST else f"10.20.4.{step.host[-1]}"


def _uid(step: Step) -> str:
    return f"{DAY + step.clock}.{step.rule}.{step.host[-1]}"


def _lines(records: Sequence[Record]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def _rows(records: Sequence[Record]) -> bytes:
    columns = list(dict.fromkeys(key for record in records for key in record))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval="")
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue().encode()


def _places(*paths: str, **also: Any) -> tuple[Place, ...]:
    return tuple(Place(path, also) for path in paths)


# -- Wazuh --------------------------------------------------------------------------------------


def _wazuh(step: Step) -> Record:
    record: Record = {
        "timestamp": _iso(step),
        "rule": {
            "level": (0, 3, 5, 8, 12, 15)[step.level],
            "description": step.name,
            "id": step.rule,
            "groups": ["sysmon"],
        },
        "agent": {
            "id": step.host[-1],
            "name": step.host,
            "ip": _address(step),
        },
        "manager": {"name": "manager"},
        "id": _uid(step),
        "decoder": {"name": "windows_eventchannel"},
        "data": {"win": {"eventdata": {"user": f"CORP\\{USER}"}}},
        "location": "EventChannel",
    }
    if step.technique:
        record["rule"]["mitre"] = {"id": [step.technique], "tactic": [step.tactic]}
    if step.outside:
        record["data"]["dstip"] = step.outside
    if step.command:
        record["data"]["command"] = step.command
    return record


_FAILED: Record = {"rule.groups": ["authentication_failed"]}
WAZUH = Format(
    "wazuh",
    _wazuh,
    (
        *_places("data.url", "data.command", "data.audit.command", "data.audit.exe", "data.audit.file.name"),
        *_places("syscheck.path", "full_log"),
        *(
            Place(f"data.win.eventdata.{name}")
            for name in (
                "commandLine", "parentCommandLine", "queryName", "targetFilename", "scriptBlockText", "targetObject",
                "serviceName", "image", "newProcessName", "targetImage",
            )
        ),
        Place("data.srcuser", _FAILED),
        Place("data.dstuser", _FAILED),
        Place("data.win.eventdata.targetUserName", _FAILED),
        Place("data.extra", within=("rule", "description")),
    ),
    _lines,
)  # fmt: skip


# -- Suricata, and Wazuh carrying it --------------------------------------------------------------

_NETWORK = (
    "http.hostname", "http.url", "http.http_user_agent", "http.http_refer", "dns.rrname", "dns.query.0.rrname",
    "dns.queries.0.rrname", "tls.sni", "tls.subject", "smtp.mail_from", "smtp.rcpt_to", "email.subject", "email.from",
    "email.attachment", "fileinfo.filename", "files.0.filename", "payload_printable",
)  # fmt: skip


def _suricata(step: Step) -> Record:
    severity = ("", "Informational", "Minor", "Major", "Major", "Critical")[step.level]
    return {
        "timestamp": _iso(step),
        "flow_id": int(step.rule) * 100_000 + step.clock,
        "event_type": "alert",
        "src_ip": _address(step),
        "dest_ip": step.outside or "10.20.0.1",
        "proto": "TCP",
        "alert": {
            "signature_id": int(step.rule),
            "signature": step.name,
            "severity": (4, 4, 3, 2, 1, 1)[step.level],
            "metadata": {
                "mitre_technique_id": [step.technique] if step.technique else [],
                "mitre_tactic_name": [step.tactic.replace(" ", "_")] if step.tactic else [],
                "signature_severity": [severity],
            },
        },
        **({"payload_printable": step.command} if step.command else {}),
    }


def _flow(step: Step) -> Record:
    """Another event of the same flow, as Suricata logs it."""
    return {**_suricata(step), "event_type": "http", "http": {"status": 200}}


SURICATA = Format(
    "suricata",
    _suricata,
    (
        *_places(*_NETWORK, "ssh.client.software_version"),
        *(Place(path, beside=True) for path in ("http.url", "http.http_user_agent", "tls.sni", "dns.rrname")),
    ),
    _lines,
    beside=_flow,
)


def _carried(step: Step) -> Record:
    return {
        "timestamp": _iso(step),
        "rule": {
            "level": 3,
            "description": f"Suricata: Alert - {step.name}",
            "id": "86601",
            "groups": ["ids", "suricata"],
        },
        "agent": {"id": "001", "name": "sensor-1", "ip": "10.20.0.2"},
        "manager": {"name": "manager"},
        "id": _uid(step),
        "decoder": {"name": "json"},
        "data": _suricata(step),
        "location": "/var/log/suricata/eve.json",
    }


WAZUH_SURICATA = Format("wazuh+suricata", _carried, _places(*(f"data.{path}" for path in _NETWORK)), _lines)


# -- ECS ----------------------------------------------------------------------------------------


def _ecs(step: Step) -> Record:
    source: Record = {
        "@timestamp": _iso(step),
        "event": {"kind": "signal", "category": ["process"]},
        "kibana": {
            "alert": {
                "uuid": _uid(step),
                "severity": ("", "informational", "low", "medium", "high", "critical")[step.level],
                "rule": {"name": step.name, "rule_id": step.rule},
            }
        },
        "host": {"name": step.host},
        "user": {"name": USER},
        "process": {"executable": "C:\\Windows\\System32\\svchost.exe"},
    }
    if step.technique:
        technique = {
            "id": step.technique[:5],
            "subtechnique": [{"id": step.technique}] if "." in step.technique else [],
        }
        source["kibana"]["alert"]["rule"]["threat"] = [{"tactic": {"name": step.tactic}, "technique": [technique]}]
    if step.outside:
        source["destination"] = {"ip": step.outside}
    if step.command:
        source["process"]["command_line"] = step.command
    return {"_index": "alerts", "_id": _uid(step), "_source": source}


_FAILED_ECS: Record = {"_source.event.outcome": "failure", "_source.event.category": ["authentication"]}
ECS = Format(
    "ecs",
    _ecs,
    (
        *(
            Place(f"_source.{path}")
            for path in (
                "process.command_line", "process.parent.command_line", "process.executable", "url.full", "url.original",
                "url.domain", "dns.question.name", "tls.client.server_name", "user_agent.original", "email.subject",
                "email.from.address", "file.path", "file.name", "powershell.file.script_block_text", "registry.path",
                "message", "event.original",
            )
        ),
        Place("_source.user.name", _FAILED_ECS),
        Place("_source.user.target.name", _FAILED_ECS),
    ),
    _lines,
)  # fmt: skip


# -- OCSF ---------------------------------------------------------------------------------------


def _ocsf(step: Step) -> Record:
    evidence: Record = {"actor": {"user": {"name": USER}}}
    if step.outside:
        evidence["dst_endpoint"] = {"ip": step.outside}
    if step.command:
        evidence["process"] = {"cmd_line": step.command}
    info: Record = {"uid": _uid(step), "title": step.name, "analytic": {"name": step.name, "uid": step.rule}}
    if step.technique:
        info["attacks"] = [{"tactic": {"name": step.tactic}, "technique": {"uid": step.technique}}]
    return {
        "class_uid": 2004,
        "time": (DAY + step.clock) * 1000,
        "severity_id": step.level,
        "metadata": {"version": "1.1.0", "product": {"name": "Sensor"}},
        "finding_info": info,
        "device": {"hostname": step.host},
        "evidences": [evidence],
        "observables": [],
    }


OCSF = Format(
    "ocsf",
    _ocsf,
    (
        *(
            Place(f"evidences.0.{path}")
            for path in (
                "actor.process.cmd_line", "actor.process.file.path", "process.cmd_line", "process.name", "file.path",
                "file.name", "url.url_string", "query.hostname", "http_request.user_agent", "email.subject",
            )
        ),
        *(
            Place("observables.0.value", {"observables.0.name": "target", "observables.0.type_id": kind})
            for kind in (5, 6, 7, 13, 16, 23)
        ),
        *_places("message", "finding_info.title"),
    ),
    _lines,
)  # fmt: skip


# -- Splunk -------------------------------------------------------------------------------------


def _splunk(step: Step) -> Record:
    result: Record = {
        "_time": str(DAY + step.clock),
        "search_name": step.rule,
        "rule_name": step.name,
        "urgency": ("", "informational", "low", "medium", "high", "critical")[step.level],
        "orig_host": step.host,
        "src_user": USER,
        "event_id": _uid(step),
    }
    if step.technique:
        result |= {"annotations.mitre_attack": [step.technique]}
    if step.outside:
        result["dest"] = step.outside
    if step.command:
        result["process"] = step.command
    return {"preview": False, "result": result}


SPLUNK = Format(
    "splunk",
    _splunk,
    tuple(
        Place(f"result.{name}")
        for name in (
            "process", "parent_process", "process_path", "process_name", "url", "query", "http_user_agent", "file_path",
            "file_name", "subject", "_raw", "rule_title",
        )
    ),
    _lines,
)  # fmt: skip


# -- a CSV and JSON lines of one's own --------------------------------------------------------------

MAP = FieldMap.model_validate(
    {
        "name": "own",
        "time": {"field": "time", "format": "epoch_s"},
        "product": {"constant": "Own"},
        "rule": {"name": "rule", "uid": "rule_id"},
        "severity": {"field": "severity"},
        "uid": "uid",
        "observable": [
            {"role": "host", "kind": "hostname", "field": "host"},
            {"role": "dst", "kind": "ip", "field": "outside"},
            {"role": "actor", "kind": "user", "field": "user"},
        ],
        "text": [{"kind": kind, "field": kind} for kind in TextKind],
        "technique": [{"contains": step.name, "ids": [step.technique]} for step in ATTACK if step.technique],
    }
)


def _own(step: Step) -> Record:
    return {
        "time": str(DAY + step.clock),
        "rule": step.name,
        "rule_id": step.rule,
        "severity": ("", "informational", "low", "medium", "high", "critical")[step.level],
        "uid": _uid(step),
        "host": step.host,
        "outside": step.outside,
        "user": USER,
        **{str(kind): "" for kind in TextKind},
        "command_line": step.command,
    }


CSV = Format("csv", _own, _places(*TextKind), _rows, ".csv", MAP)
JSONL = Format("jsonl", _own, _places(*TextKind), _lines, ".jsonl", MAP)

FORMATS = {f.name: f for f in (WAZUH, SURICATA, WAZUH_SURICATA, ECS, OCSF, SPLUNK, CSV, JSONL)}
