"""The intrusion as Wazuh's agents saw it."""

from __future__ import annotations

from . import story
from .journal import Journal
from .site import HOST, SERVICE_ACCOUNT, at
from .wazuh import LOGON, PRIVILEGES, SYSMON, logon_data, plain_alert, process_data, syslog_alert, windows_alert

VICTIM = HOST[story.VICTIM]
FILES = HOST[story.FILE_SERVER]
CONTROLLER = HOST[story.DOMAIN_CONTROLLER]
SHELL = "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe"
CMD = "C:\\Windows\\System32\\cmd.exe"
_ENCODED = f"powershell.exe -NoP -W Hidden -EncodedCommand {story.ENCODED_COMMAND}"


def _first_steps(journal: Journal) -> None:
    time = at("09:38:06")
    text = (
        f"warning: header Subject: {story.FORMULA_SUBJECT} from unknown[{story.MAIL_RELAY}]; "
        f"from=<{story.MAIL_SENDER}> to=<{story.VICTIM_USER}@office.test>: "
        "hostname mail.billing-desk.example.org does not resolve to address"
    )
    data = {
        "srcip": story.MAIL_RELAY,
        "srcuser": story.MAIL_SENDER,
        "dstuser": f"{story.VICTIM_USER}@office.test",
        "subject": story.FORMULA_SUBJECT,
    }
    record = syslog_alert(time, "3398", HOST["mail01"], "postfix/cleanup[2231]", text, data, "/var/log/mail.log")
    journal.add(time, record, "phishing")
    time = at("09:41:13.410")
    data = process_data(
        story.VICTIM_USER,
        SHELL,
        _ENCODED,
        SHELL,
        "powershell.exe -File C:\\Users\\m.keller\\AppData\\Local\\Temp\\inv.ps1",
    )
    journal.add(time, windows_alert(time, "92057", VICTIM, SYSMON, data), "execution")
    time = at("09:41:21.907")
    data = {
        "image": SHELL,
        "targetFilename": story.IMPLANT,
        "user": f"OFFICE\\{story.VICTIM_USER}",
        "processId": "6644",
    }
    event = SYSMON._replace(event_id="11", message="File created:")
    journal.add(time, windows_alert(time, "92213", VICTIM, event, data), "execution")


def _look_around(journal: Journal) -> None:
    commands = (
        (
            "10:12:31",
            "92032",
            "C:\\Windows\\System32\\net.exe",
            'net group "Domain Admins" /domain',
            story.INJECTION_COMMAND,
        ),
        ("10:13:02", "92031", "C:\\Windows\\System32\\net1.exe", "net1 user /domain", "cmd.exe"),
        ("10:14:40", "92031", "C:\\Windows\\System32\\net.exe", "net view /all /domain", "cmd.exe"),
    )
    for clock, number, image, command, parent in commands:
        data = process_data(story.VICTIM_USER, image, command, CMD, parent)
        journal.add(at(clock), windows_alert(at(clock), number, VICTIM, SYSMON, data), "discovery")
    time = at("11:04:17.220")
    data = {
        "sourceImage": story.IMPLANT,
        "targetImage": "C:\\Windows\\system32\\lsass.exe",
        "grantedAccess": "0x1010",
        "sourceUser": f"OFFICE\\{story.VICTIM_USER}",
        "targetUser": "NT AUTHORITY\\SYSTEM",
        "callTrace": "C:\\Windows\\SYSTEM32\\ntdll.dll+9d4e4|C:\\Windows\\System32\\KERNELBASE.dll+2c13e",
    }
    event = SYSMON._replace(event_id="10", message="Process accessed:")
    record = windows_alert(time, "92900", VICTIM, event, data, {"source": story.IMPLANT.replace("\\", "\\\\")})
    journal.add(time, record, "credentials")


def _move(journal: Journal) -> None:
    for clock, host, source in (("12:31:09.118", FILES, VICTIM), ("13:44:51.700", CONTROLLER, FILES)):
        data = logon_data(SERVICE_ACCOUNT, source, package="NTLM")
        fields = {"user": f"OFFICE\\{SERVICE_ACCOUNT}"}
        journal.add(at(clock), windows_alert(at(clock), "92652", host, LOGON, data, fields), "lateral")
    time = at("13:45:04.030")
    data = {
        "serviceName": "hpprintsvc",
        "imagePath": "C:\\Windows\\hpprint.exe",
        "serviceType": "user mode service",
        "startType": "auto start",
        "accountName": "LocalSystem",
    }
    event = SYSMON._replace(
        event_id="7045", channel="System", provider="Service Control Manager", message="A service was installed."
    )
    journal.add(time, windows_alert(time, "61138", CONTROLLER, event, data), "lateral")
    time = at("13:48:22.500")
    data = {"targetUserName": story.NEW_ACCOUNT, "targetDomainName": "OFFICE", "subjectUserName": SERVICE_ACCOUNT}
    event = LOGON._replace(event_id="4720", message="A user account was created.")
    journal.add(time, windows_alert(time, "60109", CONTROLLER, event, data), "escalation")
    time = at("13:49:10.020")
    data = {
        "memberName": f"CN={story.NEW_ACCOUNT},CN=Users,DC=office,DC=test",
        "targetUserName": "Domain Admins",
        "subjectUserName": SERVICE_ACCOUNT,
    }
    event = LOGON._replace(event_id="4728", message="A member was added to a global group.")
    journal.add(time, windows_alert(time, "60154", CONTROLLER, event, data), "escalation")
    time = at("13:50:48.300")
    data = {
        "subjectUserName": story.NEW_ACCOUNT,
        "subjectDomainName": "OFFICE",
        "privilegeList": "SeDebugPrivilege SeTakeOwnershipPrivilege",
    }
    journal.add(time, windows_alert(time, "67028", CONTROLLER, PRIVILEGES, data), "escalation")


def _take_and_hide(journal: Journal) -> None:
    time = at("14:59:20")
    path = story.ARCHIVE.lower()
    checked = {
        "path": path,
        "mode": "realtime",
        "size_after": "2301884",
        "uname_after": SERVICE_ACCOUNT,
        "event": "added",
    }
    full_log = f"File '{path}' added\nMode: realtime\n"
    record = plain_alert(time, "554", FILES, "syscheck_new_entry", "syscheck", full_log=full_log, syscheck=checked)
    journal.add(time, record, "collection")
    time = at("16:20:58")
    data = process_data(SERVICE_ACCOUNT, CMD, story.ESCAPE_COMMAND, SHELL)
    journal.add(time, windows_alert(time, "92004", FILES, SYSMON, data), "clean-up")
    event = LOGON._replace(
        event_id="1102",
        provider="Microsoft-Windows-Eventlog",
        message="The audit log was cleared.",
        severity="INFORMATION",
    )
    for clock, host, user in (("16:21:33", FILES, SERVICE_ACCOUNT), ("16:23:10", VICTIM, story.VICTIM_USER)):
        record = windows_alert(at(clock), "63103", host, event, {})
        record["data"]["win"]["logFileCleared"] = {"subjectUserName": user, "subjectDomainName": "OFFICE"}
        journal.add(at(clock), record, "clean-up")


def add_intrusion(journal: Journal) -> None:
    _first_steps(journal)
    _look_around(journal)
    _move(journal)
    _take_and_hide(journal)
