"""Events that are made for a rule of ours, to match it or to miss it closely."""

from __future__ import annotations

from random import Random

from vedette.forge.scene import cast
from vedette.forge.scene.rules import Match, Rule


def hit(rng: Random, made: Rule) -> dict[str, str]:
    """An event that the rule fires on."""
    event = _everyday(rng, made)
    for one in made.selection:
        event[one.field] = _value(rng, one, event.get(one.field, ""))
        if one.field == "CommandLine":
            event[one.field] = _command(event.get("Image", "tool"), event[one.field])
    return event


def miss(rng: Random, made: Rule) -> tuple[dict[str, str], str]:
    """An event that is close, and why the rule does not fire."""
    while True:
        event, excepted = hit(rng, made), made.filter is not None and rng.random() < 0.4
        if made.filter and excepted:
            event[made.filter.field] = _filtered(rng, made.filter, event.get(made.filter.field, ""))
        else:
            _break(rng, made, event)
        failed = [m for m in made.selection if not m.holds(event)]
        if failed and not excepted:
            return event, f"this does not hold: {failed[0].says}"
        if made.filter and not failed and made.filter.holds(event):
            return event, f"the exception applies: {made.filter.says}"


def _break(rng: Random, made: Rule, event: dict[str, str]) -> None:
    one = rng.choice(made.selection)
    event[one.field] = _other(rng, one, made)
    if one.field == "CommandLine":
        event[one.field] = _command(event.get("Image", "tool"), event[one.field])


def _filtered(rng: Random, one: Match, before: str) -> str:
    return f"{before} {one.values[0]}" if one.how == "contains" else _value(rng, one, "")


def _value(rng: Random, one: Match, before: str) -> str:
    value = rng.choice(one.values)
    inner = " ".join(v.strip() for v in one.values) if one.every else value
    if one.how == "contains":
        return f"{_START.get(one.field, '')}{_padded(rng, inner)}"
    if one.how == "endswith":
        return f"{before or _path(rng, value)}{value}"
    return f"{value}{before}" if one.how == "startswith" else value


_START = {
    "TargetFilename": "C:\\Users\\Default",
    "TargetObject": "HKLM\\SOFTWARE\\Microsoft\\Windows",
    "ImagePath": "C:",
    "Details": "C:",
    "cs-uri-stem": "/shop",
}


def _padded(rng: Random, inner: str) -> str:
    word = rng.choice(cast.WORDS)
    return f"{inner}{word}" if inner[-1:] in "\\/.=: " else f"{inner} {word}"


def _command(image: str, rest: str) -> str:
    """A command line that begins with the program's name."""
    program = image.replace("\\", "/").rpartition("/")[2]
    start = "C:" if rest.startswith("\\") else ""
    return f"{program}{'' if rest.startswith(' ') else ' '}{start}{rest}"


def _path(rng: Random, value: str) -> str:
    if value.startswith("\\"):
        return rng.choice(["C:\\Windows\\System32", "C:\\Program Files\\Tools", "C:\\Windows\\SysWOW64"])
    if value.startswith("/"):
        return (
            rng.choice(["/usr/bin", "/bin", "/usr/local/bin"]) if value.count("/") == 1 else f"/home/{cast.person(rng)}"
        )
    return cast.random_label(rng, 12)


def _other(rng: Random, one: Match, made: Rule) -> str:
    """Looks alike, and does not hold."""
    word = rng.choice(cast.WORDS)
    if one.every:  # all values but one
        left = [v.strip() for v in one.values]
        left.pop(rng.randrange(len(left)))
        return " ".join([*left, word])
    strange = "\\" if made.about.source[0] == "linux" else "/usr/"
    values = [v.replace("{word}", word) for v in _OTHERS.get(one.field, ("{word}",)) if strange not in v]
    left = [v for v in values if not one.holds({one.field: v})]
    return rng.choice(left or [word])


_OTHERS = {
    "Image": (
        "C:\\Windows\\explorer.exe",
        "C:\\Windows\\System32\\notepad.exe",
        "C:\\Windows\\System32\\svchost.exe",
        "/usr/bin/vim",
        "/usr/bin/python3",
        "/usr/bin/ls",
    ),
    "cs-user-agent": ("Mozilla/5.0 (X11; Linux x86_64)", "curl/8.5.0"),
    "c-ip": ("203.0.113.7", "198.51.100.20"),
    "ServiceName": ("{word}-updater", "{word}-sync"),
    "SubjectUserName": ("{word}.admin", "adm_{word}"),
    "ParentImage": (
        "C:\\Windows\\explorer.exe",
        "C:\\Windows\\System32\\services.exe",
        "/usr/bin/bash",
        "/usr/sbin/cron",
    ),
    "CommandLine": ("--version", "-f {word}.dat", "--config {word}.conf --quiet"),
    "TargetObject": ("HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Explorer\\{word}", "HKLM\\SYSTEM\\{word}"),
    "Details": ("C:\\Program Files\\{word}\\{word}.exe", "DWORD (0x00000001)"),
    "TargetFilename": (
        "C:\\Users\\Default\\Documents\\{word}.docx",
        "/usr/local/etc/{word}.conf",
        "/usr/share/{word}.txt",
    ),
    "EventID": ("4624", "4688", "7036", "4634"),
    "ImagePath": ("C:\\Program Files\\{word}\\{word}.exe", "C:\\Windows\\System32\\svchost.exe -k netsvcs"),
    "TargetUserName": ("Remote Desktop Users", "Backup Operators", "Users"),
    "TicketEncryptionType": ("0x12", "0x11"),
    "TicketOptions": ("0x50800000", "0x60810010"),
    "cs-uri-stem": ("/shop/{word}", "/index.html", "/css/{word}.css"),
    "cs-method": ("HEAD", "PUT", "OPTIONS"),
    "cs-uri-query": ("page=2", "q={word}", "lang=en"),
    "eventSource": ("s3.amazonaws.com", "ec2.amazonaws.com", "sts.amazonaws.com"),
    "eventName": ("DescribeTrails", "ListUsers", "GetObject", "DescribeInstances"),
    "query": ("www.{word}.example", "mail.{word}.example"),
    "record_type": ("A", "AAAA", "MX"),
}


def _everyday(rng: Random, made: Rule) -> dict[str, str]:
    """The fields that such events have besides; the filter's field is among them and does not hold."""
    product = made.about.source[0]
    event: dict[str, str] = {}
    if product in ("windows", "linux"):
        event["Computer"] = cast.desk(rng) if product == "windows" else cast.server(rng)
        event["User"] = cast.person(rng)
    elif product == "aws":
        event |= {"awsRegion": rng.choice(["eu-central-1", "us-east-1"]), "userIdentity.userName": cast.person(rng)}
    else:
        event["c-ip"] = cast.different(rng, 1, ["192.0.2.10"])[0]
    if made.filter and made.filter.field not in event and made.filter.field not in [m.field for m in made.selection]:
        event[made.filter.field] = _other(rng, made.filter, made)
    return event
