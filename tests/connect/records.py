"""Whole records as the products write them, made up for the tests."""

from __future__ import annotations

from typing import Any

WAZUH: dict[str, Any] = {
    "timestamp": "2024-05-14T09:21:33.481+0200",
    "rule": {
        "level": 10,
        "description": "sshd: brute force trying to get access to the system. Non existent user.",
        "id": "5712",
        "mitre": {"id": ["T1110"], "tactic": ["Credential Access"], "technique": ["Brute Force"]},
        "frequency": 8,
        "firedtimes": 3,
        "mail": False,
        "groups": ["syslog", "sshd", "authentication_failures"],
        "gdpr": ["IV_35.7.d", "IV_32.2"],
    },
    "agent": {"id": "004", "name": "Web-01", "ip": "10.20.0.14"},
    "manager": {"name": "wazuh-manager"},
    "id": "1715671293.4811734",
    "full_log": "May 14 09:21:33 web-01 sshd[2211]: Invalid user oracle from 203.0.113.77 port 51622",
    "predecoder": {"program_name": "sshd", "timestamp": "May 14 09:21:33", "hostname": "web-01"},
    "decoder": {"parent": "sshd", "name": "sshd"},
    "data": {"srcip": "203.0.113.77", "srcport": "51622", "srcuser": "oracle"},
    "location": "/var/log/auth.log",
}
WAZUH_WINDOWS: dict[str, Any] = {
    "timestamp": "2024-05-14T07:40:02.120+0000",
    "rule": {
        "level": 12,
        "description": "Process C:\\Users\\Public\\a.exe started by explorer",
        "id": "92052",
        "groups": ["sysmon", "sysmon_eid1_detections", "windows"],
        "mitre": {"id": ["T1059.003"], "tactic": ["Execution"], "technique": ["Windows Command Shell"]},
    },
    "agent": {"id": "011", "name": "WS-7", "ip": "10.20.4.31"},
    "manager": {"name": "wazuh-manager"},
    "id": "1715672402.90021",
    "decoder": {"name": "windows_eventchannel"},
    "data": {
        "win": {
            "system": {"eventID": "1", "computer": "ws-7.corp.example", "severityValue": "INFORMATION"},
            "eventdata": {
                "image": "C:\\Users\\Public\\a.exe",
                "commandLine": "a.exe /c whoami",
                "user": "CORP\\mara",
                "hashes": "SHA1=DA39A3EE5E6B4B0D3255BFEF95601890AFD80709,MD5=D41D8CD98F00B204E9800998ECF8427E",
            },
        }
    },
    "location": "EventChannel",
}
SURICATA: dict[str, Any] = {
    "timestamp": "2024-05-14T07:21:34.118273+0000",
    "flow_id": 1783300125520734,
    "in_iface": "eth1",
    "event_type": "alert",
    "src_ip": "10.20.0.14",
    "src_port": 48122,
    "dest_ip": "198.51.100.9",
    "dest_port": 80,
    "proto": "TCP",
    "tx_id": 0,
    "alert": {
        "action": "allowed",
        "gid": 1,
        "signature_id": 2027865,
        "rev": 4,
        "signature": "ET INFO Observed DNS Query to .cloud TLD",
        "category": "Potentially Bad Traffic",
        "severity": 2,
        "metadata": {
            "mitre_tactic_id": ["TA0011"],
            "mitre_tactic_name": ["Command_And_Control"],
            "mitre_technique_id": ["T1071"],
            "signature_severity": ["Informational"],
        },
    },
    "http": {
        "hostname": "update.example.cloud",
        "url": "/gate.php?id=7",
        "http_user_agent": "Mozilla/4.0",
        "http_method": "GET",
        "status": 200,
        "length": 812,
    },
    "app_proto": "http",
    "host": "sensor-1",
}
SURICATA_FLOW: dict[str, Any] = {
    "timestamp": "2024-05-14T07:22:34.000001+0000",
    "flow_id": 1783300125520734,
    "event_type": "flow",
    "src_ip": "10.20.0.14",
    "dest_ip": "198.51.100.9",
    "proto": "TCP",
    "flow": {"pkts_toserver": 6, "bytes_toserver": 1200, "bytes_toclient": 90210, "state": "closed", "alerted": True},
}
SURICATA_STATS: dict[str, Any] = {
    "timestamp": "2024-05-14T07:22:40.000001+0000",
    "event_type": "stats",
    "stats": {"uptime": 4711, "decoder": {"pkts": 99120}},
}
WAZUH_SURICATA: dict[str, Any] = {
    "timestamp": "2024-05-14T07:21:35.002+0000",
    "rule": {
        "level": 3,
        "description": "Suricata: Alert - ET INFO Observed DNS Query to .cloud TLD",
        "id": "86601",
        "groups": ["ids", "suricata"],
    },
    "agent": {"id": "001", "name": "sensor-1", "ip": "10.20.0.2"},
    "manager": {"name": "wazuh-manager"},
    "id": "1715671295.5000001",
    "decoder": {"name": "json"},
    "data": {
        "timestamp": "2024-05-14T07:21:34.118273+0000",
        "flow_id": "1783300125520734",
        "event_type": "alert",
        "src_ip": "10.20.0.14",
        "dest_ip": "198.51.100.9",
        "tx_id": "0",
        "alert": {
            "signature_id": "2027865",
            "signature": "ET INFO Observed DNS Query to .cloud TLD",
            "severity": "2",
        },
        "http": {"hostname": "update.example.cloud", "url": "/gate.php?id=7"},
    },
    "location": "/var/log/suricata/eve.json",
}
KIBANA: dict[str, Any] = {
    "_index": ".internal.alerts-security.alerts-default-000001",
    "_id": "f8e3a0c1",
    "_source": {
        "@timestamp": "2024-05-14T07:30:00.000Z",
        "kibana.alert.original_time": "2024-05-14T07:26:11.502Z",
        "kibana.alert.uuid": "f8e3a0c1",
        "kibana.alert.severity": "high",
        "kibana.alert.risk_score": 73,
        "kibana.alert.rule.name": "Potential Credential Access via LSASS Memory Dump",
        "kibana.alert.rule.uuid": "0c1b9b5e-97a1",
        "kibana.alert.rule.rule_id": "9960432d-9b26-409f",
        "kibana.alert.rule.threat": [
            {
                "framework": "MITRE ATT&CK",
                "tactic": {"id": "TA0006", "name": "Credential Access"},
                "technique": [{"id": "T1003", "name": "x", "subtechnique": [{"id": "T1003.001", "name": "LSASS"}]}],
            }
        ],
        "host": {"name": "DC-1", "ip": ["10.20.1.5", "fe80::1"]},
        "user": {"name": "mara"},
        "process": {
            "executable": "C:\\Windows\\p.exe",
            "command_line": "p.exe -ma lsass",
            "hash": {"sha256": "AB" * 32},
        },
        "event": {"kind": "signal", "category": ["process"]},
    },
}
ECS_EVENT: dict[str, Any] = {
    "@timestamp": "2024-05-14T07:30:00.000Z",
    "ecs.version": "8.11.0",
    "event.kind": "event",
    "host.name": "dc-1",
}
OCSF: dict[str, Any] = {
    "class_uid": 2004,
    "category_uid": 2,
    "activity_id": 1,
    "time": 1715671294118,
    "severity_id": 4,
    "metadata": {"version": "1.1.0", "product": {"name": "GuardDuty", "vendor_name": "AWS"}, "uid": "m-1"},
    "finding_info": {
        "uid": "arn:finding/77",
        "title": "SSH brute force against i-0abc",
        "analytic": {"name": "SSH brute force", "uid": "UnauthorizedAccess:EC2/SSHBruteForce", "type_id": 1},
        "attacks": [
            {
                "tactic": {"name": "Credential Access", "uid": "TA0006"},
                "technique": {"uid": "T1110", "name": "Brute Force"},
                "sub_technique": {"uid": "T1110.001", "name": "Guessing"},
            }
        ],
    },
    "device": {"hostname": "i-0abc", "ip": "10.30.0.8"},
    "evidences": [
        {
            "src_endpoint": {"ip": "203.0.113.77"},
            "dst_endpoint": {"ip": "10.30.0.8"},
            "actor": {"process": {"file": {"path": "/usr/sbin/sshd"}, "cmd_line": "sshd -D"}, "user": {"name": "root"}},
        }
    ],
    "observables": [{"name": "src_endpoint.ip", "type_id": 2, "value": "203.0.113.77"}],
}
SPLUNK: dict[str, Any] = {
    "preview": False,
    "result": {
        "_time": "1715671294.118",
        "search_name": "Access - Brute Force Access Behavior Detected - Rule",
        "rule_name": "Brute Force Access Behavior Detected",
        "rule_title": "Brute Force Access Behavior Detected From 203.0.113.77",
        "urgency": "high",
        "src": "203.0.113.77",
        "dest": "Web-01",
        "user": "mara",
        "orig_host": "web-01",
        "event_id": "6A1F@@notable@@77",
        "annotations.mitre_attack": ["T1110", "T1110.001"],
    },
}
ALL = (WAZUH, WAZUH_WINDOWS, SURICATA, SURICATA_FLOW, SURICATA_STATS, WAZUH_SURICATA, KIBANA, ECS_EVENT, OCSF, SPLUNK)
