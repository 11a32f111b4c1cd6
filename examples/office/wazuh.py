"""Alerts as Wazuh 4.x writes them to alerts.json: builders for syslog lines, Windows events and Wazuh's own."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from typing import NamedTuple

from .journal import Journal, Record
from .site import DOMAIN, Host, iso, syslog_time
from .wazuh_rules import MITRE, RULES

FILE_NAME = "wazuh-alerts.json"


_COMPLIANCE = {
    "pci_dss": ["10.2.4", "10.2.5"],
    "gdpr": ["IV_35.7.d", "IV_32.2"],
    "hipaa": ["164.312.b"],
    "nist_800_53": ["AU.14", "AC.7"],
    "tsc": ["CC6.1", "CC6.8", "CC7.2", "CC7.3"],
}


def _mitre_block(ids: list[str]) -> Record:
    tactics = [tactic for key in ids for tactic in MITRE[key][0].split(",")]
    return {"id": ids, "tactic": list(dict.fromkeys(tactics)), "technique": [MITRE[key][1] for key in ids]}


def _rule_block(number: str, fields: dict[str, str]) -> Record:
    rule = RULES[number]
    block: Record = {"level": rule.level, "description": rule.description.format(**fields), "id": number}
    if rule.mitre:
        block["mitre"] = _mitre_block(rule.mitre.split(","))
    block |= {"firedtimes": 0, "mail": rule.level >= 12, "groups": rule.groups.split(",")}
    return block | (_COMPLIANCE if rule.level < 12 and "sysmon" not in rule.groups else {})


def _frame(time: float, number: str, host: Host, fields: dict[str, str]) -> Record:
    agent = {"id": host.agent, "name": host.name}
    if host.agent != "000":
        agent["ip"] = host.address
    stamp = iso(time, "+0000")
    return {
        "timestamp": stamp,
        "rule": _rule_block(number, fields),
        "agent": agent,
        "manager": {"name": "siem01"},
        "id": "",
    }


def syslog_alert(
    time: float, number: str, host: Host, program: str, line: str, data: Record, location: str = "/var/log/auth.log"
) -> Record:
    """An alert on one line of a Linux log; `program` is written `name[pid]`."""
    name = program.partition("[")[0]
    return _frame(time, number, host, {}) | {
        "full_log": f"{syslog_time(time)} {host.name} {program}: {line}",
        "predecoder": {"program_name": name, "timestamp": syslog_time(time), "hostname": host.name},
        "decoder": {"parent": name, "name": name},
        "data": data,
        "location": location,
    }


def plain_alert(
    time: float,
    number: str,
    host: Host,
    decoder: str,
    location: str,
    *,
    full_log: str = "",
    fields: Record | None = None,
    **more: object,
) -> Record:
    """An alert that comes from Wazuh itself or from a log without a syslog header."""
    record = _frame(time, number, host, dict(fields or {}))
    if full_log:
        record["full_log"] = full_log
    return record | {"decoder": {"name": decoder}} | more | {"location": location}


class WindowsEvent(NamedTuple):
    """An event of the Windows event log."""

    event_id: str
    channel: str
    provider: str
    message: str
    severity: str = "INFORMATION"


LOGON = WindowsEvent(
    "4624", "Security", "Microsoft-Windows-Security-Auditing", "An account was logged on.", "AUDIT_SUCCESS"
)
LOGOFF = LOGON._replace(event_id="4634", message="An account was logged off.")
PRIVILEGES = LOGON._replace(event_id="4672", message="Privileges were assigned to a logon.")
LOGON_FAILURE = LOGON._replace(event_id="4625", message="A logon failed.", severity="AUDIT_FAILURE")
LOCKOUT = LOGON._replace(event_id="4740", message="An account was locked out.")
SYSMON = WindowsEvent("1", "Microsoft-Windows-Sysmon/Operational", "Microsoft-Windows-Sysmon", "Process Create:")
DEFENDER = WindowsEvent(
    "2000", "Microsoft-Windows-Windows Defender/Operational", "Microsoft-Windows-Windows Defender", ""
)
SYSTEM = WindowsEvent("7040", "System", "Service Control Manager", "")


def windows_alert(
    time: float,
    number: str,
    host: Host,
    event: WindowsEvent,
    eventdata: dict[str, str],
    fields: dict[str, str] | None = None,
) -> Record:
    """An alert on a Windows event; backslashes are doubled, as Wazuh's collector does."""
    system = {
        "providerName": event.provider,
        "eventID": event.event_id,
        "level": "4",
        "keywords": "0x8020000000000000",
        "systemTime": iso(time, "Z", 6),
        "eventRecordID": str(int(time * 7) % 9_000_000),
        "processID": "712",
        "channel": event.channel,
        "computer": f"{host.name}.{DOMAIN}",
        "severityValue": event.severity,
        "message": f'"{event.message}"',
    }
    doubled = {key: value.replace("\\", "\\\\") for key, value in eventdata.items()}
    return _frame(time, number, host, fields or {}) | {
        "decoder": {"name": "windows_eventchannel"},
        "data": {"win": {"system": system, "eventdata": doubled}},
        "location": "EventChannel",
    }


def logon_data(user: str, source: Host | str, kind: str = "3", package: str = "Kerberos") -> dict[str, str]:
    """The eventdata of a logon: `kind` 2 at the keyboard, 3 over the network, 5 as a service."""
    address = source.address if isinstance(source, Host) else source
    name = source.name.upper() if isinstance(source, Host) else "-"
    return {
        "subjectUserSid": "S-1-0-0",
        "targetUserName": user,
        "targetDomainName": "OFFICE",
        "logonType": kind,
        "logonProcessName": "NtLmSsp" if package == "NTLM" else "Kerberos",
        "authenticationPackageName": package,
        "workstationName": name,
        "ipAddress": address,
        "ipPort": str(49_152 + sum(address.encode()) * 7 % 16_000),
    }


def process_data(user: str, image: str, command: str, parent: str, parent_command: str = "") -> dict[str, str]:
    """The eventdata of Sysmon's event 1."""
    seed = sum(f"{user}{image}{command}".encode())
    return {
        "processGuid": f"{{5e1c{seed % 65_536:04x}-0b1d-69af-{seed * 7 % 65_536:04x}-000000001f00}}",
        "processId": str(1_000 + seed * 4 % 9_000),
        "image": image,
        "originalFileName": image.rpartition("\\")[2],
        "commandLine": command,
        "currentDirectory": "C:\\Windows\\system32\\",
        "user": f"OFFICE\\{user}",
        "integrityLevel": "Medium",
        "hashes": f"SHA256={sha256(image.lower().encode()).hexdigest().upper()}",
        "parentImage": parent,
        "parentCommandLine": parent_command or parent,
    }


def complete(journal: Journal) -> None:
    """Give the sorted alerts their ids (second and offset in the log) and the count of each rule so far."""
    fired: Counter[str] = Counter()
    offset = 1_048_576
    for time, record, _, _ in journal.entries:
        number = record["rule"]["id"]
        fired[number] += 1
        record["rule"]["firedtimes"] = fired[number]
        record["id"] = f"{int(time)}.{offset}"
        offset += 610 + len(record.get("full_log", "")) + 37 * len(number)
