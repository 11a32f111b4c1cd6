"""Noise that Wazuh sees on the Linux servers: strangers at the door, web scans, mail, files, packages."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from .journal import Journal, Record
from .network_noise import PROBES, any_time, office_hours
from .site import ADMIN, HOST, LINUX, SPAMMERS, STRANGERS, VISITORS, Host, at, iso
from .wazuh import plain_alert, syslog_alert

GUESSED = ("admin", "test", "oracle", "ubuntu", "git", "deploy", "postgres", "user", "ftp", "minecraft", "guest", "pi")
ACCESS_LOG = "/var/log/nginx/access.log"


def _failed_login(time: float, host: Host, source: str, user: str, port: int, known: bool) -> Record:
    text = f"Failed password for {'' if known else 'invalid user '}{user} from {source} port {port} ssh2"
    data = {"srcip": source, "srcport": str(port), "dstuser" if known else "srcuser": user}
    return syslog_alert(time, "5760" if known else "5710", host, f"sshd[{port % 9000 + 700}]", text, data)


def _ssh_guessing(journal: Journal, rng: Random) -> None:
    """Waves from the internet against the web server, each with a summary alert at the end."""
    for _ in range(64):
        source, time = rng.choice(STRANGERS), any_time(rng)
        for _ in range(rng.randrange(18, 42)):
            time += rng.uniform(1.5, 9)
            port = rng.randrange(32_768, 60_000)
            known = rng.random() < 0.3
            user = rng.choice(("root", "www-data")) if known else rng.choice(GUESSED)
            journal.add(time, _failed_login(time, HOST["web01"], source, user, port, known))
        text = f"Failed password for invalid user {rng.choice(GUESSED)} from {source} port {port} ssh2"
        data = {"srcip": source, "srcport": str(port), "srcuser": rng.choice(GUESSED)}
        journal.add(time + 0.2, syslog_alert(time + 0.2, "5712", HOST["web01"], "sshd[4711]", text, data))


def _admin_work(journal: Journal, rng: Random) -> None:
    """Sessions, sudo and scheduled jobs of the administrator and of the monitoring."""
    commands = (
        "/usr/bin/apt update",
        "/usr/bin/systemctl restart nginx",
        "/usr/bin/journalctl -n 200",
        "/usr/bin/less /var/log/syslog",
    )
    for _ in range(270):
        host, time = rng.choice(LINUX), office_hours(rng)
        user = ADMIN if rng.random() < 0.8 else "monitor"
        text = f"{user} : TTY=pts/0 ; PWD=/home/{user} ; USER=root ; COMMAND={rng.choice(commands)}"
        data = {
            "srcuser": user,
            "dstuser": "root",
            "tty": "pts/0",
            "pwd": f"/home/{user}",
            "command": text.split("COMMAND=")[1],
        }
        journal.add(time, syslog_alert(time, "5402", host, "sudo", text, data))
    for _ in range(430):
        host, time = rng.choice(LINUX), any_time(rng)
        user = rng.choice(("root", "monitor", ADMIN))
        for number, word, delay in (("5501", "opened", 0.0), ("5502", "closed", rng.uniform(1, 90))):
            text = f"pam_unix(cron:session): session {word} for user {user}(uid=0)"
            record = syslog_alert(time + delay, number, host, "CRON[8123]", text, {"dstuser": user, "uid": "0"})
            journal.add(time + delay, record)
    for _ in range(120):
        host, time = rng.choice(LINUX), any_time(rng)
        text = f"Accepted publickey for monitor from {HOST['mon01'].address} port 50122 ssh2"
        data = {"srcip": HOST["mon01"].address, "srcport": "50122", "dstuser": "monitor"}
        journal.add(time, syslog_alert(time, "5715", host, "sshd[5150]", text, data))


def web_alert(time: float, number: str, host: Host, source: str, request: str, status: int, agent: str) -> Record:
    stamp = iso(time)[11:19]
    line = f'{source} - - [10/Mar/2026:{stamp} +0000] "{request}" {status} 162 "-" "{agent}"'
    method, _, rest = request.partition(" ")
    data = {"protocol": method, "srcip": source, "id": str(status), "url": rest.rpartition(" ")[0]}
    return plain_alert(time, number, host, "web-accesslog", ACCESS_LOG, full_log=line, data=data)


def _web_noise(journal: Journal, rng: Random) -> None:
    web = HOST["web01"]
    for _ in range(210):
        source, time = rng.choice(STRANGERS), any_time(rng)
        for path in rng.sample(PROBES, rng.randrange(2, 6)):
            time += rng.uniform(0.3, 2)
            journal.add(
                time, web_alert(time, "31101", web, source, f"GET {path} HTTP/1.1", 404, "Mozilla/5.0 zgrab/0.x")
            )
        if rng.random() < 0.12:
            record = web_alert(time, "31151", web, source, "GET /wp-login.php HTTP/1.1", 404, "Mozilla/5.0 zgrab/0.x")
            journal.add(time + 0.1, record)
    for _ in range(260):
        time = any_time(rng)
        path = rng.choice(("/favicon.png", "/old/prices.pdf", "/apple-touch-icon.png", "/team/foto.jpg"))
        journal.add(
            time, web_alert(time, "31101", web, rng.choice(VISITORS), f"GET {path} HTTP/1.1", 404, "Mozilla/5.0")
        )
    for _ in range(44):
        time, path = any_time(rng), f"/products?id={rng.randrange(90)}%27%20UNION%20SELECT%201,2--"
        journal.add(
            time, web_alert(time, "31103", web, rng.choice(STRANGERS), f"GET {path} HTTP/1.1", 403, "sqlmap/1.8.4")
        )
    for _ in range(38):
        time = office_hours(rng)
        source = f"10.20.10.{rng.randrange(101, 119)}"
        journal.add(
            time, web_alert(time, "31120", HOST["intra01"], source, "POST /timesheet HTTP/1.1", 500, "Mozilla/5.0")
        )


def _scanner_night(journal: Journal, rng: Random) -> None:
    """The vulnerability scanner between 02:05 and 03:35; the owner has an exception for it."""
    source, agent = HOST["scan01"].address, "Mozilla/5.0 [en] (X11, U; OpenVAS-VT 22.7)"
    time = at("02:08")
    checks = ("/manager/html", "/server-status", "/.env", "/owa/", "/phpinfo.php", "/console/")
    for host in (HOST["web01"], HOST["intra01"], HOST["proxy01"], HOST["mon01"]):
        for _ in range(120):
            time += rng.uniform(0.4, 3)
            journal.add(time, web_alert(time, "31101", host, source, f"GET {rng.choice(checks)} HTTP/1.1", 404, agent))
        for number, path in (("31103", "/?id=1%27%20OR%20%271%27=%271"), ("31104", "/cgi-bin/../../etc/passwd")) * 9:
            time += rng.uniform(0.4, 3)
            journal.add(time, web_alert(time, number, host, source, f"GET {path} HTTP/1.1", 400, agent))
    for host in LINUX:
        for _ in range(12):
            time += rng.uniform(0.5, 5)
            port = rng.randrange(33_000, 60_000)
            journal.add(time, _failed_login(time, host, source, rng.choice(GUESSED), port, known=False))
    text = f"Did not receive identification string from {source} port 40112"
    record = syslog_alert(
        at("02:06:30"), "5706", HOST["fw01"], "sshd[990]", text, {"srcip": source, "srcport": "40112"}
    )
    journal.add(at("02:06:30"), record, note="nmap from the vulnerability scanner")


def _mail(journal: Journal, rng: Random) -> None:
    reasons = (
        ("3301", "554 5.7.1 <{name}>: Client host rejected: Access denied"),
        ("3306", "554 5.7.1 Service unavailable; Client host [{ip}] blocked using zen.rbl.test"),
        ("3303", "450 4.1.8 <{sender}>: Sender address rejected: Domain not found"),
    )
    for _ in range(820):
        time, source = any_time(rng), rng.choice(SPAMMERS)
        number, reason = rng.choice(reasons)
        sender = f"promo{rng.randrange(999)}@deals{rng.randrange(40)}.example.org"
        reply = reason.format(name="unknown", ip=source, sender=sender)
        text = (
            f"NOQUEUE: reject: RCPT from unknown[{source}]: {reply}; from=<{sender}> to=<info@office.test> proto=ESMTP"
        )
        data = {"srcip": source, "id": reply[:3], "srcuser": sender}
        record = syslog_alert(time, number, HOST["mail01"], "postfix/smtpd[2210]", text, data, "/var/log/mail.log")
        journal.add(time, record)
    for _ in range(230):
        time, source = any_time(rng), rng.choice(SPAMMERS)
        text = f"warning: unknown[{source}]: SASL LOGIN authentication failed: UGFzc3dvcmQ6"
        record = syslog_alert(
            time, "3332", HOST["mail01"], "postfix/smtpd[2210]", text, {"srcip": source}, "/var/log/mail.log"
        )
        journal.add(time, record)


def _firewall(journal: Journal, rng: Random) -> None:
    for _ in range(1_250):
        time, source = any_time(rng), rng.choice((*STRANGERS, *SPAMMERS))
        port = rng.choice((23, 445, 3389, 5060, 6379, 8080, 2375, 1433))
        text = f"DROP IN=wan0 OUT= SRC={source} DST=198.51.100.2 LEN=40 TTL=241 PROTO=TCP SPT=54021 DPT={port} SYN"
        data = {
            "action": "DROP",
            "srcip": source,
            "dstip": "198.51.100.2",
            "protocol": "TCP",
            "srcport": "54021",
            "dstport": str(port),
        }
        number = "4151" if rng.random() < 0.03 else "4101"
        journal.add(time, syslog_alert(time, number, HOST["fw01"], "kernel", text, data, "/var/log/kern.log"))
    for _ in range(180):
        time, source = any_time(rng), rng.choice(STRANGERS)
        client = f"@0x7f2c {source}#{rng.randrange(1024, 65000)}"
        text = f"client {client} (example.com): query (cache) 'example.com/A/IN' denied"
        record = syslog_alert(
            time,
            "12108",
            HOST[rng.choice(("dns01", "dns02"))],
            "named[811]",
            text,
            {"srcip": source},
            "/var/log/syslog",
        )
        journal.add(time, record)


def _packages(journal: Journal, rng: Random) -> None:
    for host in LINUX:
        time = at("06:15") + rng.random() * 1_800
        for name in rng.sample(
            ("openssl", "libssl3", "curl", "tzdata", "vim", "base-files", "python3", "rsync", "sudo", "bash", "perl"), 9
        ):
            time += rng.uniform(0.5, 4)
            line = f"{iso(time)[:19].replace('T', ' ')} status installed {name}:amd64 3.0.{rng.randrange(20)}-1"
            data = {"package": name, "arch": "amd64", "dpkg_status": "status installed"}
            record = plain_alert(time, "2902", host, "dpkg-decoder", "/var/log/dpkg.log", full_log=line, data=data)
            journal.add(time, record)
        for hour in range(0, 24, 4):
            moment = at(f"{hour:02d}:07") + rng.random() * 60
            text = "ClamAV update process started"
            journal.add(moment, syslog_alert(moment, "52507", host, "freshclam[655]", text, {}, "/var/log/syslog"))


MAKERS: tuple[Callable[[Journal, Random], None], ...] = (
    _ssh_guessing,
    _admin_work,
    _web_noise,
    _scanner_night,
    _mail,
    _firewall,
    _packages,
)
