"""Noise in the Elastic file: nervous detection rules, spam, blocked web pages, unwanted programs."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from .ecs import Detection, detection_alert, endpoint_alert, gateway_alert, process_block
from .journal import Journal, Record
from .network_noise import BROWSER, any_time, office_hours
from .site import ADMIN, HOST, LINUX, SERVICE_ACCOUNT, SPAMMERS, WINDOWS, WORKSTATIONS, Host, at

SHELL = "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe"
SYSTEM32 = "C:\\Windows\\System32\\"
SUBJECTS = (
    "You won a gift card",
    "Your parcel is waiting",
    "RE: meeting notes",
    "Cheap toner for your printers",
    "Unpaid invoice",
    "Newsletter March",
)

_SERVICE = Detection("Service Command Lateral Movement", "low", "T1543.003", "Windows Service", "TA0003", "Persistence")
_TASK = Detection("A scheduled task was created", "low", "T1053.005", "Scheduled Task", "TA0003", "Persistence")
_WHOAMI = Detection("Whoami Process Activity", "low", "T1033", "System Owner/User Discovery", "TA0007", "Discovery")
_SCRIPT = Detection(
    "PowerShell Script with Archive Compression Capabilities",
    "low",
    "T1560",
    "Archive Collected Data",
    "TA0009",
    "Collection",
)
_UNUSUAL = Detection(
    "Unusual Process Network Connection",
    "low",
    "T1127",
    "Trusted Developer Utilities Proxy Execution",
    "TA0005",
    "Defense Evasion",
)
_LOGONS = Detection(
    "Multiple Logon Failure Followed by Logon Success", "medium", "T1110", "Brute Force", "TA0006", "Credential Access"
)
_SUDO = Detection(
    "Potential Sudo Hijacking", "medium", "T1548.003", "Sudo and Sudo Caching", "TA0004", "Privilege Escalation"
)
_TEMP = Detection(
    "Process Execution from an Unusual Directory",
    "medium",
    "T1036.005",
    "Match Legitimate Name or Location",
    "TA0005",
    "Defense Evasion",
)
_WMI = Detection(
    "Enumeration Command Spawned via WMIPrvSE",
    "low",
    "T1047",
    "Windows Management Instrumentation",
    "TA0002",
    "Execution",
)
_SPAM = Detection("Spam message put into quarantine", "low")
_SPOOF = Detection("Sender domain fails DMARC", "medium", "T1566", "Phishing", "TA0001", "Initial Access")
_PAGE = Detection("Blocked web category requested", "low")
_UNWANTED = Detection("Unwanted Program Prevention Alert", "low", "T1204.002", "Malicious File", "TA0002", "Execution")
_MALWARE = Detection("Malware Prevention Alert", "high", "T1204.002", "Malicious File", "TA0002", "Execution")
_ENCODED = Detection(
    "Suspicious Windows Powershell Arguments", "high", "T1059.001", "PowerShell", "TA0002", "Execution"
)
_LSASS = Detection(
    "LSASS Process Access via Windows API", "medium", "T1003.001", "LSASS Memory", "TA0006", "Credential Access"
)
_ARCHIVE = Detection(
    "Encrypting Files with WinRar or 7z", "medium", "T1560.001", "Archive via Utility", "TA0009", "Collection"
)
_WMI_MOVE = Detection(
    "WMI Incoming Lateral Movement",
    "medium",
    "T1047",
    "Windows Management Instrumentation",
    "TA0008",
    "Lateral Movement",
)
_SUSPECT = Detection("Malware Detection Alert", "high", "T1204.002", "Malicious File", "TA0002", "Execution")
_PSEXEC = Detection("PsExec Network Connection", "low", "T1569.002", "Service Execution", "TA0002", "Execution")


def _habits(journal: Journal, rng: Random) -> None:
    """Programs and people that trip the same low rules every day."""
    habits: tuple[tuple[Detection, int, str, str, str], ...] = (
        (_TASK, 190, "schtasks.exe", "schtasks.exe /create /tn AgentUpdate /tr update.cmd /sc daily", "services.exe"),
        (_WHOAMI, 130, "whoami.exe", "whoami /groups", "cmd.exe"),
        (_UNUSUAL, 210, "msbuild.exe", "msbuild.exe /restore build.proj", "explorer.exe"),
        (
            _SCRIPT,
            120,
            "WindowsPowerShell\\v1.0\\powershell.exe",
            "powershell.exe -File C:\\Tools\\zip-reports.ps1",
            "svchost.exe",
        ),
        (_WMI, 150, "ipconfig.exe", "ipconfig /all", "wbem\\WmiPrvSE.exe"),
        (_TEMP, 140, "..\\Temp\\updater.exe", "updater.exe --silent", "services.exe"),
        (_SERVICE, 110, "sc.exe", "sc.exe query state= all", "cmd.exe"),
    )
    for rule, count, image, command, parent in habits:
        for _ in range(count):
            host = rng.choice(WINDOWS)
            time = office_hours(rng) if host.user else any_time(rng)
            user = host.user or rng.choice((ADMIN, SERVICE_ACCOUNT, "SYSTEM"))
            block = process_block(SYSTEM32 + image, command, SYSTEM32 + parent)
            journal.add(time, detection_alert(time, rule, host, user, process=block))


def _logons(journal: Journal, rng: Random) -> None:
    for _ in range(70):
        host, time = rng.choice(WORKSTATIONS), office_hours(rng)
        source = {"ip": host.address}
        event = {"category": ["authentication"], "outcome": "success", "code": "4624"}
        journal.add(time, detection_alert(time, _LOGONS, HOST["dc01"], host.user, source=source, event=event))
    for _ in range(60):
        host, time = rng.choice(LINUX), any_time(rng)
        block = process_block("/usr/bin/sudo", "sudo -n /usr/lib/nagios/plugins/check_disk", "/usr/sbin/nrpe")
        journal.add(time, detection_alert(time, _SUDO, host, "monitor", process=block))


def _message(rng: Random, sender: str, subject: str) -> Record:
    return {
        "direction": "inbound",
        "from": {"address": [sender]},
        "to": {"address": [f"{rng.choice(WORKSTATIONS).user}@office.test"]},
        "subject": subject,
        "message_id": f"<{rng.getrandbits(48):x}@mx.example.org>",
    }


def _mail(journal: Journal, rng: Random) -> None:
    for _ in range(760):
        time, source = any_time(rng), rng.choice(SPAMMERS)
        rule = _SPOOF if rng.random() < 0.2 else _SPAM
        mail = _message(rng, f"promo{rng.randrange(999)}@deals.example.org", rng.choice(SUBJECTS))
        event = {"action": "quarantined", "outcome": "success"}
        record = gateway_alert(
            time, rule, HOST["mail01"], "mail_gateway", "email", email=mail, source={"ip": source}, event=event
        )
        journal.add(time, record)


def _pages(journal: Journal, rng: Random) -> None:
    for _ in range(640):
        host, time = rng.choice(WORKSTATIONS), office_hours(rng)
        name = f"{rng.choice(('games', 'stream', 'bets', 'ads', 'chat'))}{rng.randrange(60)}.example.net"
        url = {"full": f"http://{name}/index.html?ref={rng.randrange(9_999)}", "domain": name, "scheme": "http"}
        more: dict[str, Record] = {
            "url": url,
            "source": {"ip": host.address},
            "user": {"name": host.user},
            "user_agent": {"original": BROWSER},
            "event": {"action": "blocked", "outcome": "failure"},
        }
        journal.add(time, gateway_alert(time, _PAGE, HOST["proxy01"], "web_proxy", "web", **more))


def _file(path: str, rng: Random) -> Record:
    return {
        "path": path,
        "name": path.rpartition("\\")[2],
        "size": rng.randrange(90_000, 4_000_000),
        "hash": {"sha256": rng.randbytes(32).hex()},
    }


def _programs(journal: Journal, rng: Random) -> None:
    for _ in range(34):
        host, time = rng.choice(WORKSTATIONS), office_hours(rng)
        path = f"C:\\Users\\{host.user}\\Downloads\\{rng.choice(('toolbar', 'coupon', 'driver-booster'))}-setup.exe"
        event = {"action": "blocked", "outcome": "failure", "category": ["malware"]}
        journal.add(
            time, endpoint_alert(time, _UNWANTED, host, host.user, "malicious_file", file=_file(path, rng), event=event)
        )


def _nervous_rules(journal: Journal, rng: Random) -> None:
    """Management scripts, an inventory program, installers and backups that trip rules of a high severity."""
    collect = process_block("C:\\Tools\\Inventory\\collect.exe", "collect.exe --full", SYSTEM32 + "services.exe")
    command = "powershell.exe -NonInteractive -EncodedCommand RwBlAHQALQBIAG8AdABGAGkAeAA="
    encoded = process_block(SHELL, command, "C:\\Tools\\Inventory\\collect.exe")
    archive = process_block("C:\\Program Files\\7-Zip\\7z.exe", "7z.exe a -p D:\\Reports\\week10.7z", SHELL)
    remote = process_block(SYSTEM32 + "gpupdate.exe", "gpupdate /force", SYSTEM32 + "wbem\\WmiPrvSE.exe")
    cases = ((_ENCODED, 6, encoded), (_LSASS, 4, collect), (_ARCHIVE, 7, archive), (_WMI_MOVE, 9, remote))
    for rule, count, block in cases:
        for host in rng.sample(WINDOWS, count):
            time = office_hours(rng)
            journal.add(time, detection_alert(time, rule, host, ADMIN, process=block))
    for host in rng.sample(WORKSTATIONS, 6):
        time = office_hours(rng)
        block = _file(f"C:\\Users\\{host.user}\\AppData\\Local\\Temp\\viewer-setup.exe", rng)
        record = endpoint_alert(time, _SUSPECT, host, host.user, "malicious_file", file=block)
        journal.add(time, record)


def _frightening(journal: Journal, rng: Random) -> None:
    laptop: Host = HOST["lt-03"]
    event = {
        "action": "blocked",
        "outcome": "failure",
        "category": ["malware", "intrusion_detection"],
        "type": ["info", "denied"],
    }
    block = _file(f"C:\\Users\\{laptop.user}\\Downloads\\pdf-merge.exe", rng)
    record = endpoint_alert(at("11:17:04"), _MALWARE, laptop, laptop.user, "malicious_file", file=block, event=event)
    journal.add(at("11:17:04"), record, note="malware download blocked on a laptop")
    block = process_block(
        "C:\\Tools\\PsExec64.exe", "PsExec64.exe \\\\print01 -s cmd /c net stop spooler", SYSTEM32 + "cmd.exe"
    )
    record = detection_alert(
        at("01:20:32"), _PSEXEC, HOST["print01"], ADMIN, process=block, source={"ip": HOST["ws-101"].address}
    )
    journal.add(at("01:20:32"), record, note="PsExec by the administrator in the maintenance window")


MAKERS: tuple[Callable[[Journal, Random], None], ...] = (
    _habits,
    _logons,
    _mail,
    _pages,
    _programs,
    _nervous_rules,
    _frightening,
)
