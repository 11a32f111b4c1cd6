"""Detection rules of ours: as Sigma, as a query, as words, and evaluated on events that are made to match or to miss.

The part of Sigma that is used: selections as maps (all entries have to hold) of values (one is enough, or `|all`), the
modifiers contains, startswith, endswith; conditions `selection` and `selection and not filter`; no upper and lower case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from pydantic import RootModel

from vedette.config import Settings, load_toml
from vedette.forge.scene import cast

Event = Mapping[str, str]
WORDS = {"": "is", "contains": "contains", "startswith": "starts with", "endswith": "ends with"}


class Detection(Settings):
    title: str
    source: tuple[str, str, str]  # product, category, service
    technique: str
    level: str
    match: tuple[tuple[str, ...], ...]
    filter: tuple[str, ...]
    false_positives: tuple[str, ...]


class _Detections(RootModel[dict[str, Detection]]):
    pass


@cache
def detections() -> Mapping[str, Detection]:
    return load_toml(Path(__file__).with_name("detections.toml"), _Detections).root


@dataclass(frozen=True, slots=True)
class Match:
    field: str
    how: str  # "", "contains", "startswith", "endswith"
    values: tuple[str, ...]
    every: bool = False  # all values instead of one

    def holds(self, event: Event) -> bool:
        found = event.get(self.field, "").lower()
        told = [_one(self.how, found, value.lower()) for value in self.values]
        return self.field in event and (all(told) if self.every else any(told))

    @property
    def key(self) -> str:
        return "|".join(part for part in (self.field, self.how, "all" if self.every else "") if part)

    @property
    def says(self) -> str:
        """ "`Image` ends with `\\cmd.exe` or `\\pwsh.exe`"."""
        values = [f"`{value}`" for value in self.values]
        last = " and " if self.every else " or "
        told = last.join([", ".join(values[:-1]), values[-1]] if len(values) > 1 else values)
        return f"`{self.field}` {WORDS[self.how]} {told}"


def _one(how: str, found: str, value: str) -> bool:
    match how:
        case "contains":
            return value in found
        case "startswith":
            return found.startswith(value)
        case "endswith":
            return found.endswith(value)
    return found == value


@dataclass(frozen=True, slots=True)
class Rule:
    kind: str  # of `detections`
    uuid: str
    selection: tuple[Match, ...]
    filter: Match | None

    @property
    def about(self) -> Detection:
        return detections()[self.kind]

    @property
    def condition(self) -> str:
        return "selection and not filter" if self.filter else "selection"

    @property
    def source(self) -> str:
        """ "windows, category process_creation"."""
        product, category, service = self.about.source
        named = [product, f"category {category}" if category else "", f"service {service}" if service else ""]
        return ", ".join(part for part in named if part)

    def holds(self, event: Event) -> bool:
        return all(m.holds(event) for m in self.selection) and not (self.filter and self.filter.holds(event))

    @property
    def says(self) -> str:
        told = "; and ".join(m.says for m in self.selection)
        return f"{told}; except where {self.filter.says}" if self.filter else told


def rule(rng: Random, kind: str = "", filtered: bool | None = None) -> Rule:
    kind = kind or rng.choice(list(detections()))
    about = detections()[kind]
    filtered = rng.random() < 0.5 if filtered is None else filtered
    number = cast.digest(rng, 32)
    uuid = f"{number[:8]}-{number[8:12]}-4{number[13:16]}-a{number[17:20]}-{number[20:]}"
    return Rule(kind, uuid, tuple(_match(rng, entry) for entry in about.match), _match(rng, about.filter) if filtered else None)


def _match(rng: Random, entry: tuple[str, ...]) -> Match:
    field, how, *values = entry
    every = how.endswith("|all")
    taken = values if every else sorted(rng.sample(values, rng.randint(1, min(4, len(values)))))
    return Match(field, how.removesuffix("|all"), tuple(dict.fromkeys(_told(rng, value) for value in taken)), every)


def _told(rng: Random, text: str) -> str:
    while "{word}" in text:
        text = text.replace("{word}", rng.choice(cast.WORDS), 1)
    return text.replace("{domain}", cast.domain(rng))


# Sigma


def detection_block(made: Rule) -> str:
    lines = ["detection:", "    selection:", *_entries(made.selection)]
    if made.filter:
        lines += ["    filter:", *_entries((made.filter,))]
    return "\n".join([*lines, f"    condition: {made.condition}"])


def _entries(matches: tuple[Match, ...]) -> list[str]:
    lines = []
    for one in matches:
        if len(one.values) == 1:
            lines.append(f"        {one.key}: {quoted(one.values[0])}")
        else:
            lines += [f"        {one.key}:", *(f"            - {quoted(value)}" for value in one.values)]
    return lines


def quoted(value: str) -> str:
    """A YAML scalar in single quotes."""
    return "'" + value.replace("'", "''") + "'"


def sigma(made: Rule) -> str:
    product, category, service = made.about.source
    source = [f"    {key}: {value}" for key, value in
              (("product", product), ("category", category), ("service", service)) if value]  # fmt: skip
    return "\n".join([f"title: {made.about.title}", f"id: {made.uuid}", "status: test", "logsource:", *source,
                      detection_block(made), f"level: {made.about.level}"])  # fmt: skip


# Queries


@dataclass(frozen=True, slots=True)
class Dialect:
    """A small query language, defined by `text` for whoever has to write it."""

    name: str
    text: str
    forms: Mapping[str, str]  # by how; {f} field, {v} value
    words: tuple[str, str, str]  # and, or, not


_COMMON = (
    "Conditions stand in the order of the rule. Alternatives are joined by {o} inside parentheses, values that all have to"
    " be there by {a} without parentheses; a condition with one value has no parentheses. Conditions are joined by {a}."
    " What is left out comes last, as {n} ( … ). Values stand in double quotes; a backslash in them is doubled."
)


def _dialect(name: str, start: str, forms: dict[str, str], words: tuple[str, str, str]) -> Dialect:
    a, o, n = words
    return Dialect(name, f"{start} {_COMMON.format(a=a, o=o, n=n)}", forms, words)


DIALECTS = (
    _dialect("symbols", 'Comparisons: field = "v" (equal), field ~ "v" (contains), field ^ "v" (starts with), field $ "v" (ends'
             ' with).', {"": '{f} = "{v}"', "contains": '{f} ~ "{v}"', "startswith": '{f} ^ "{v}"', "endswith": '{f} $ "{v}"'},
             ("&", "|", "!")),
    _dialect("words", 'Comparisons: field IS "v", field CONTAINS "v", field BEGINS "v", field ENDS "v".',
             {"": '{f} IS "{v}"', "contains": '{f} CONTAINS "{v}"', "startswith": '{f} BEGINS "{v}"', "endswith": '{f} ENDS "{v}"'},
             ("AND", "OR", "NOT")),
    _dialect("wildcards", 'A comparison is field:"v", where * stands for any characters: "*v*" contains, "v*" starts with, "*v" ends'
             ' with.', {"": '{f}:"{v}"', "contains": '{f}:"*{v}*"', "startswith": '{f}:"{v}*"', "endswith": '{f}:"*{v}"'},
             ("and", "or", "not")),
    _dialect("functions", 'Comparisons: eq(field, "v"), has(field, "v"), starts(field, "v"), ends(field, "v").',
             {"": 'eq({f}, "{v}")', "contains": 'has({f}, "{v}")', "startswith": 'starts({f}, "{v}")', "endswith": 'ends({f}, "{v}")'},
             ("and", "or", "not")),
)  # fmt: skip


def query(made: Rule, dialect: Dialect) -> str:
    both, _, neither = dialect.words
    told = f" {both} ".join(_condition(m, dialect) for m in made.selection)
    if made.filter is None:
        return told
    inner = _condition(made.filter, dialect)
    return f"{told} {both} {neither} ({inner.removeprefix('(').removesuffix(')') if inner.startswith('(') else inner})"


def _condition(one: Match, dialect: Dialect) -> str:
    both, either, _ = dialect.words
    parts = [_comparison(one, value, dialect) for value in one.values]
    if one.every:
        return f" {both} ".join(parts)
    return f"({f' {either} '.join(parts)})" if len(parts) > 1 else parts[0]


def _comparison(one: Match, value: str, dialect: Dialect) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return dialect.forms[one.how].replace("{f}", one.field).replace("{v}", escaped)


# Events


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


_START = {"TargetFilename": "C:\\Users\\Default", "TargetObject": "HKLM\\SOFTWARE\\Microsoft\\Windows", "ImagePath": "C:",
          "Details": "C:", "cs-uri-stem": "/shop"}  # fmt: skip


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
        return rng.choice(["/usr/bin", "/bin", "/usr/local/bin"]) if value.count("/") == 1 else f"/home/{cast.person(rng)}"
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
    "Image": ("C:\\Windows\\explorer.exe", "C:\\Windows\\System32\\notepad.exe", "C:\\Windows\\System32\\svchost.exe",
              "/usr/bin/vim", "/usr/bin/python3", "/usr/bin/ls"),
    "cs-user-agent": ("Mozilla/5.0 (X11; Linux x86_64)", "curl/8.5.0"), "c-ip": ("203.0.113.7", "198.51.100.20"),
    "ServiceName": ("{word}-updater", "{word}-sync"), "SubjectUserName": ("{word}.admin", "adm_{word}"),
    "ParentImage": ("C:\\Windows\\explorer.exe", "C:\\Windows\\System32\\services.exe", "/usr/bin/bash", "/usr/sbin/cron"),
    "CommandLine": ("--version", "-f {word}.dat", "--config {word}.conf --quiet"),
    "TargetObject": ("HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Explorer\\{word}", "HKLM\\SYSTEM\\{word}"),
    "Details": ("C:\\Program Files\\{word}\\{word}.exe", "DWORD (0x00000001)"),
    "TargetFilename": ("C:\\Users\\Default\\Documents\\{word}.docx", "/usr/local/etc/{word}.conf", "/usr/share/{word}.txt"),
    "EventID": ("4624", "4688", "7036", "4634"),
    "ImagePath": ("C:\\Program Files\\{word}\\{word}.exe", "C:\\Windows\\System32\\svchost.exe -k netsvcs"),
    "TargetUserName": ("Remote Desktop Users", "Backup Operators", "Users"),
    "TicketEncryptionType": ("0x12", "0x11"), "TicketOptions": ("0x50800000", "0x60810010"),
    "cs-uri-stem": ("/shop/{word}", "/index.html", "/css/{word}.css"), "cs-method": ("HEAD", "PUT", "OPTIONS"),
    "cs-uri-query": ("page=2", "q={word}", "lang=en"),
    "eventSource": ("s3.amazonaws.com", "ec2.amazonaws.com", "sts.amazonaws.com"),
    "eventName": ("DescribeTrails", "ListUsers", "GetObject", "DescribeInstances"),
    "query": ("www.{word}.example", "mail.{word}.example"), "record_type": ("A", "AAAA", "MX"),
}  # fmt: skip


def _everyday(rng: Random, made: Rule) -> dict[str, str]:
    """The fields that such events have besides; the filter's field is among them and does not hold."""
    product, category, service = made.about.source
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
