"""Sigma rules: an archive or a folder of them, or one .yml file, which may hold several documents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

import msgspec

from vedette.errors import RecordError
from vedette.knowledge.inputs import Input
from vedette.knowledge.plain_yaml import Node, documents
from vedette.knowledge.readers import Reader, Tally, convert, day
from vedette.knowledge.record import Kind, Link, Record, Rel, RuleFacts, Status, Text

SAMPLE = 20  # files of an archive that are looked at to know whether it holds Sigma rules
DETECTION = 1500  # characters of a rendered detection
MAX_RULE = 4 * 1024**2  # bytes of one file

_LOOKS_LIKE = re.compile(rb"^title:.*^(?:detection|correlation):", re.M | re.S)
_ID = re.compile(rb"^id:[ '\"]*([0-9A-Fa-f-]{36})", re.M)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TECHNIQUE = re.compile(r"attack\.(t\d{4}(?:\.\d{3})?)")
_ATTACK = re.compile(r"attack\.([gsc]\d{4}|ds\d{4})")
_CVE = re.compile(r"cve[.-](\d{4})[.-](\d{4,})")


class _Related(msgspec.Struct):
    id: str
    type: str = ""


class _Rule(msgspec.Struct):
    title: str
    id: str
    status: str = ""
    description: str = ""
    level: str = ""
    date: str = ""
    modified: str = ""
    tags: list[str] = []
    related: list[_Related] = []
    falsepositives: list[str] | str = ""
    logsource: dict[str, Any] = {}  # of Node
    detection: dict[str, Any] = {}
    correlation: dict[str, Any] = {}


def claims(source: Input) -> bool:
    if source.container == "folder":
        return _claims_folder(source)
    if source.container:
        return _is_rules(source)
    return _LOOKS_LIKE.search(source.head) is not None


def part(source: Input) -> str:
    """A single file stands for itself; an archive or a folder for all rules."""
    if source.container:
        return ""
    found = _ID.search(source.head)
    return found[1].decode().lower() if found else source.name


def read(source: Input, tally: Tally) -> Iterator[Record]:
    seen: set[str] = set()
    for name, content in source.members(".yml"):
        where = PurePosixPath(name).name
        try:
            if len(content) > MAX_RULE:
                raise RecordError("a rule of more than 4 MiB", where=where)
            for document in documents(content, where):
                tally.read += 1
                if record := _take(document, where, seen, tally):
                    tally.on = max(tally.on, record.modified, record.published)
                    yield record
        except RecordError as error:  # what follows in this file is lost
            tally.read += 1
            tally.refuse(error)


def _claims_folder(source: Input) -> bool:
    """A clone has a folder `rules`; otherwise each subfolder has to hold rules, so that no neighbour is swallowed."""
    if not source.names:
        return False
    below = sorted(p for p in source.path.iterdir() if p.is_dir() and not p.name.startswith((".", "_")))
    clone = [p for p in below if p.name == "rules"]
    return all(_is_rules(Input(p)) for p in clone or below) if below else _is_rules(source)


def _is_rules(source: Input) -> bool:
    if not any(name.endswith(".yml") for name in source.names):
        return False
    return any(_LOOKS_LIKE.search(content) for _, content in islice(source.members(".yml"), SAMPLE))


def _take(document: Node, where: str, seen: set[str], tally: Tally) -> Record | None:
    if not isinstance(document, dict) or not ("detection" in document or "correlation" in document):
        tally.skip("not a rule")
        return None
    try:
        record = _record(convert({k: v for k, v in document.items() if v != ""}, _Rule, where), where)
        if record.id in seen:
            raise RecordError("an id that is given twice", where=f"{where}: {record.id}")
    except RecordError as error:
        tally.refuse(error)
        return None
    seen.add(record.id)
    return record


def _record(rule: _Rule, where: str) -> Record:
    if not _UUID.fullmatch(uuid := rule.id.lower()):
        raise RecordError("field `id` is no UUID", where=f"{where}: '{rule.id[:60]}'")
    source = {key: str(rule.logsource.get(key, "")) for key in ("product", "category", "service")}
    return Record(
        f"sigma:{uuid}",
        Kind.RULE,
        " ".join(rule.title.split()),
        status=Status.DEPRECATED if rule.status == "deprecated" else Status.ACTIVE,
        published=day(rule.date.replace("/", "-")),
        modified=day(rule.modified.replace("/", "-")),
        facts=RuleFacts(rule.level, rule.status, **source),
        texts=tuple(_texts(rule)),
        links=tuple(dict.fromkeys([*_tagged(rule.tags), *_relatives(rule, uuid)])),
    )


def _texts(rule: _Rule) -> Iterator[Text]:
    if rule.description:
        yield Text("description", rule.description.strip())
    yield Text("detection", _rendered(rule.detection or rule.correlation))
    exceptions = rule.falsepositives if isinstance(rule.falsepositives, list) else [rule.falsepositives]
    body = "; ".join(" ".join(e.split()) for e in exceptions if e)
    if body and body.casefold() not in ("unknown", "none"):
        yield Text("falsepositives", body)


def _rendered(detection: dict[str, Node]) -> str:
    """Condition, fields and values on a few lines. What the rule filters out is left out: it names harmless things."""
    lines = [f"condition: {', '.join(_leaves(detection['condition']))}"] if "condition" in detection else []
    for name, section in detection.items():
        if name != "condition" and not name.startswith("filter"):
            lines.append(f"{name}: " + ", ".join(_leaves(section)))
    whole = "\n".join(lines)
    return whole if len(whole) <= DETECTION else whole[: DETECTION - 1] + "…"


def _leaves(node: Node) -> Iterator[str]:
    """`CommandLine|contains: -enc, -ec` …, in the rule's order."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, list):
        for item in node:
            yield from _leaves(item)
    else:
        for field, value in node.items():
            yield f"{field}: " + ", ".join(_leaves(value))


def _tagged(tags: list[str]) -> Iterator[Link]:
    """Tactics are left out: they follow from the technique, and their names change between releases of ATT&CK."""
    for tag in (t.lower() for t in tags):
        if found := _TECHNIQUE.fullmatch(tag):
            yield Link(Rel.DETECTS, found[1].upper())
        elif found := _ATTACK.fullmatch(tag):
            yield Link(Rel.RELATED_TO, found[1].upper())
        elif found := _CVE.fullmatch(tag):
            yield Link(Rel.ABOUT, f"CVE-{found[1]}-{found[2]}")


def _relatives(rule: _Rule, uuid: str) -> Iterator[Link]:
    for other in rule.related:
        if _UUID.fullmatch(to := other.id.lower()) and to != uuid:
            yield Link(Rel.RELATED_TO, f"sigma:{to}", other.type)


READER = Reader("sigma", claims, read, part)
