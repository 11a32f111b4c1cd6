"""Noise that Wazuh sees on Windows and everywhere: logons, mistyped passwords, updates, file and policy checks."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from random import Random

from .journal import Journal
from .network_noise import any_time, office_hours
from .site import ADMIN, HOST, HOSTS, MISCONFIGURED, SERVICE_ACCOUNT, WINDOWS, WORKSTATIONS, at
from .wazuh import (
    DEFENDER,
    LOCKOUT,
    LOGOFF,
    LOGON,
    LOGON_FAILURE,
    PRIVILEGES,
    SYSMON,
    SYSTEM,
    logon_data,
    plain_alert,
    process_data,
    windows_alert,
)

CONTROLLER = HOST["dc01"]


def _controller_logons(journal: Journal, rng: Random) -> None:
    """Everything in the office asks the domain controller, all day."""
    for _ in range(2_300):
        source = rng.choice(WORKSTATIONS)
        time = office_hours(rng) if rng.random() < 0.8 else any_time(rng)
        user = source.user if rng.random() < 0.6 else f"{source.name.upper()}$"
        journal.add(time, windows_alert(time, "60106", CONTROLLER, LOGON, logon_data(user, source)))
        if rng.random() < 0.35:
            later = time + rng.uniform(1, 400)
            data = {"targetUserName": user, "targetDomainName": "OFFICE", "logonType": "3"}
            journal.add(later, windows_alert(later, "60137", CONTROLLER, LOGOFF, data))
    for _ in range(1_050):
        time, user = any_time(rng), rng.choice(("DC01$", SERVICE_ACCOUNT, "FILES01$", ADMIN))
        data = {
            "subjectUserName": user,
            "subjectDomainName": "OFFICE",
            "privilegeList": "SeBackupPrivilege SeDebugPrivilege",
        }
        journal.add(time, windows_alert(time, "67028", CONTROLLER, PRIVILEGES, data))


def _stored_password(journal: Journal, rng: Random) -> None:
    """One workstation tries an old password for a drive every 22 seconds, day and night."""
    time, count = at("00:00:09"), 0
    while time < at("23:59:30"):
        data = logon_data("i.costa-old", MISCONFIGURED, package="NTLM") | {
            "status": "0xc000006d",
            "subStatus": "0xc000006a",
        }
        journal.add(time, windows_alert(time, "60122", HOST["files01"], LOGON_FAILURE, data))
        count += 1
        if count % 80 == 0:
            journal.add(time + 0.1, windows_alert(time + 0.1, "60204", HOST["files01"], LOGON_FAILURE, data))
        if count % 400 == 0:
            journal.add(
                time + 0.3, windows_alert(time + 0.3, "60115", CONTROLLER, LOCKOUT, {"targetUserName": "i.costa-old"})
            )
        time += rng.uniform(19, 25)


def _people(journal: Journal, rng: Random) -> None:
    for _ in range(130):
        host, time = rng.choice(WORKSTATIONS), office_hours(rng)
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            time += rng.uniform(3, 12)
            data = logon_data(host.user, "127.0.0.1", kind="2") | {"status": "0xc000006d", "subStatus": "0xc000006a"}
            journal.add(time, windows_alert(time, "60122", host, LOGON_FAILURE, data))
    for host in WORKSTATIONS:
        for _ in range(14):
            time = office_hours(rng)
            journal.add(time, windows_alert(time, "60106", host, LOGON, logon_data(host.user, "127.0.0.1", kind="2")))
    for _ in range(40):  # the help desk looks at who is in a group
        host, time = rng.choice(WORKSTATIONS), office_hours(rng)
        net = "C:\\Windows\\System32\\net.exe"
        data = process_data(ADMIN, net, "net user /domain", "C:\\Windows\\explorer.exe")
        journal.add(time, windows_alert(time, "92031", host, SYSMON, data))
    for host in WORKSTATIONS[:9]:  # a logon script of the office starts powershell from powershell
        time = at("07:58") + rng.random() * 3_000
        shell = "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe"
        data = process_data(host.user, "C:\\Windows\\System32\\cmd.exe", "cmd.exe /c mapdrives.cmd", shell)
        journal.add(time, windows_alert(time, "92004", host, SYSMON, data))


def _machines(journal: Journal, rng: Random) -> None:
    for host in WINDOWS:
        for _ in range(9):
            time = any_time(rng)
            data = {
                "product Name": "Microsoft Defender Antivirus",
                "current security intelligence Version": f"1.425.{rng.randrange(900)}.0",
            }
            journal.add(time, windows_alert(time, "62130", host, DEFENDER, data))
        for _ in range(13):
            time = any_time(rng)
            event = SYSTEM._replace(event_id="16384", channel="Application", provider="Microsoft-Windows-Security-SPP")
            journal.add(time, windows_alert(time, "60642", host, event, {"data": "2126-02-14T08:12:00Z, RulesEngine"}))
        for _ in range(8):
            time = any_time(rng)
            data = {
                "param1": "Background Intelligent Transfer Service",
                "param2": "demand start",
                "param3": "auto start",
                "param4": "BITS",
            }
            journal.add(time, windows_alert(time, "61104", host, SYSTEM, data))
        time = at("12:30") + rng.random() * 3_600
        journal.add(
            time, windows_alert(time, "62108", host, DEFENDER._replace(event_id="1001"), {"scan Type": "Antimalware"})
        )
    for host in WINDOWS:  # the backup's agent logs on everywhere, at noon and at night
        for clock in ("12:00", "22:00"):
            time = at(clock) + rng.random() * 1_200
            data = logon_data(SERVICE_ACCOUNT, HOST["backup01"], package="NTLM")
            fields = {"user": f"OFFICE\\{SERVICE_ACCOUNT}"}
            journal.add(time, windows_alert(time, "92652", host, LOGON, data, fields))


def _nervous_rules(journal: Journal, rng: Random) -> None:
    """Installers, an inventory program and management scripts that trip rules of a high level."""
    shell = "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe"
    for _ in range(16):
        host, time = rng.choice(WORKSTATIONS), office_hours(rng)
        target = f"C:\\Users\\{host.user}\\AppData\\Local\\Temp\\is-{rng.randrange(9_999):04d}.tmp\\viewer-setup.exe"
        data = {
            "image": "C:\\Program Files\\Viewer\\updater.exe",
            "targetFilename": target,
            "user": f"OFFICE\\{host.user}",
        }
        event = SYSMON._replace(event_id="11", message="File created:")
        journal.add(time, windows_alert(time, "92213", host, event, data))
    for host in rng.sample(WORKSTATIONS, 4):
        time, image = at("12:40") + rng.random() * 1_500, "C:\\Tools\\Inventory\\collect.exe"
        data = {"sourceImage": image, "targetImage": "C:\\Windows\\system32\\lsass.exe", "grantedAccess": "0x1010"}
        event = SYSMON._replace(event_id="10", message="Process accessed:")
        fields = {"source": image.replace("\\", "\\\\")}
        journal.add(time, windows_alert(time, "92900", host, event, data, fields))
    for host in rng.sample(WINDOWS, 5):
        time = office_hours(rng)
        command = "powershell.exe -NonInteractive -EncodedCommand RwBlAHQALQBIAG8AdABGAGkAeAA="
        journal.add(time, windows_alert(time, "92057", host, SYSMON, process_data("SYSTEM", shell, command, shell)))
    for host in rng.sample(WORKSTATIONS, 6):
        time, event = office_hours(rng), SYSTEM._replace(event_id="7045")
        service = {"serviceName": "LabelTraySvc", "imagePath": "C:\\Program Files\\LabelTray\\svc.exe"}
        journal.add(time, windows_alert(time, "61138", host, event, service))


def _file_checks(journal: Journal, rng: Random) -> None:
    for _ in range(430):
        host, time = rng.choice(HOSTS), any_time(rng)
        folder = "/etc/" if host.system == "linux" else "c:\\windows\\system32\\drivers\\etc\\"
        path = f"{folder}{rng.choice(('hosts', 'services', 'ld.so.cache', 'printers', 'mailcap'))}"
        number, event = rng.choice((("550", "modified"), ("550", "modified"), ("554", "added"), ("553", "deleted")))
        checked = {
            "path": path,
            "mode": "scheduled",
            "size_after": str(rng.randrange(100, 90_000)),
            "uname_after": "root" if host.system == "linux" else "SYSTEM",
            "sha256_after": sha256(f"{path}{time}".encode()).hexdigest(),
            "event": event,
        }
        record = plain_alert(
            time,
            number,
            host,
            "syscheck_integrity_changed",
            "syscheck",
            full_log=f"File '{path}' {event}\nMode: scheduled\n",
            syscheck=checked,
        )
        journal.add(time, record)
    for _ in range(90):
        host, time = rng.choice([host for host in HOSTS if host.system == "linux"]), any_time(rng)
        file = f"/usr/bin/{rng.choice(('diff', 'chsh', 'passwd'))}"
        text = f"Trojaned version of file '{file}' detected. Signature used: 'bash|^/bin/sh' (Generic)."
        data = {"title": "Trojaned version of file detected.", "file": file}
        journal.add(time, plain_alert(time, "510", host, "rootcheck", "rootcheck", full_log=text, data=data))


_CHECKS = (
    "Ensure mounting of cramfs is disabled",
    "Ensure password history is kept",
    "Ensure audit logs are not deleted",
    "Ensure SSH root login is disabled",
    "Ensure the Guest account is disabled",
    "Ensure idle sessions end",
)


def _policy_checks(journal: Journal, rng: Random) -> None:
    for host in HOSTS:
        start = at("04:10") + rng.random() * 3_000
        for i in range(12):
            time, passed = start + i * 0.2, rng.random() < 0.6
            title = rng.choice(_CHECKS)
            check = {"id": str(28_500 + i), "title": title, "result": "passed" if passed else "failed"}
            data = {
                "sca": {
                    "type": "check",
                    "scan_id": str(rng.randrange(10**9)),
                    "policy": "CIS benchmark",
                    "check": check,
                }
            }
            number = "19008" if passed else "19007"
            journal.add(time, plain_alert(time, number, host, "sca", "sca", fields={"title": title}, data=data))
        fields = {"title": "CIS benchmark", "score": str(rng.randrange(31, 49))}
        data = {
            "sca": {
                "type": "summary",
                "policy": fields["title"],
                "score": fields["score"],
                "passed": "96",
                "failed": "131",
            }
        }
        journal.add(start + 4, plain_alert(start + 4, "19004", host, "sca", "sca", fields=fields, data=data))


def _agents(journal: Journal, rng: Random) -> None:
    for host in WORKSTATIONS:
        for number, word in (("506", "stopped"), ("503", "started")):
            time = (at("18:40") if number == "506" else at("07:20")) + rng.random() * 2_400
            text = f"ossec: Agent {word}: '{host.name}->{host.address}'."
            journal.add(time, plain_alert(time, number, host, "ossec", "wazuh-monitord", full_log=text))
    for _ in range(70):
        host, time = rng.choice(HOSTS), any_time(rng)
        text = "ossec: output: 'netstat listening ports':\ntcp 0.0.0.0:22 sshd"
        journal.add(time, plain_alert(time, "533", host, "ossec", "netstat listening ports", full_log=text))
    journal.add(
        at("00:00:03"),
        plain_alert(
            at("00:00:03"), "502", HOST["siem01"], "ossec", "wazuh-monitord", full_log="ossec: Manager started."
        ),
    )


def _frightening(journal: Journal, rng: Random) -> None:
    """The administrator uses PsExec in the maintenance window; a laptop's antivirus stops a download."""
    host = HOST["print01"]
    service = {
        "serviceName": "PSEXESVC",
        "imagePath": "%SystemRoot%\\PSEXESVC.exe",
        "serviceType": "user mode service",
        "startType": "demand start",
        "accountName": "LocalSystem",
    }
    event = SYSTEM._replace(event_id="7045")
    note = "PsExec by the administrator in the maintenance window"
    journal.add(at("01:20:31"), windows_alert(at("01:20:31"), "61138", host, event, service), note=note)
    data = logon_data(ADMIN, HOST["ws-101"], package="NTLM")
    record = windows_alert(at("01:20:30"), "92652", host, LOGON, data, {"user": f"OFFICE\\{ADMIN}"})
    journal.add(at("01:20:30"), record, note=note)
    laptop = HOST["lt-03"]
    found = {
        "threat Name": "Trojan:Win32/Example.A",
        "severity Name": "Severe",
        "path": f"C:\\Users\\{laptop.user}\\Downloads\\pdf-merge.exe",
        "process Name": "firefox.exe",
        "action Name": "Quarantine",
        "error Code": "0x00000000",
    }
    fields = {"severity": "Severe", "process": "firefox.exe"}
    for clock, number, event_id in (("11:17:05", "62123", "1116"), ("11:17:06", "62124", "1117")):
        record = windows_alert(at(clock), number, laptop, DEFENDER._replace(event_id=event_id), found, fields)
        journal.add(at(clock), record, note="malware download blocked on a laptop")
    for clock, member in (("09:05:12", "y.quinn"), ("14:20:44", "z.abara")):  # new colleague, announced
        data = {"targetUserName": member, "subjectUserName": ADMIN, "targetDomainName": "OFFICE"}
        event = LOGON._replace(event_id="4720", message="A user account was created.")
        journal.add(
            at(clock), windows_alert(at(clock), "60109", CONTROLLER, event, data), note="account for a new colleague"
        )


MAKERS: tuple[Callable[[Journal, Random], None], ...] = (
    _controller_logons,
    _stored_password,
    _people,
    _machines,
    _file_checks,
    _nervous_rules,
    _policy_checks,
    _agents,
    _frightening,
)
