"""MISP galaxy clusters of actors and tools: an archive, a folder, or one cluster's JSON.

MISP keeps ATT&CK's own ids: the uuid of a group there is the uuid in its STIX id. Where the input holds the `mitre-…`
cluster that names it, a link goes to the ATT&CK id; otherwise it goes to `misp:<uuid>`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import msgspec

from vedette.errors import InputError, RecordError
from vedette.knowledge.inputs import Input
from vedette.knowledge.readers import Reader, Tally, convert
from vedette.knowledge.record import ActorFacts, Kind, Link, Record, Rel, SoftwareFacts, Status, Text

KINDS = {
    **dict.fromkeys(("threat-actor", "microsoft-activity-group"), Kind.ACTOR),
    **dict.fromkeys(
        ("malpedia", "rat", "ransomware", "tool", "stealer", "banker", "backdoor", "botnet", "exploit-kit"), Kind.TOOL
    ),
    "mitre-intrusion-set": Kind.GROUP,
    "mitre-malware": Kind.SOFTWARE,
    "mitre-tool": Kind.SOFTWARE,
}
RELS = {"similar": Rel.SAME_AS, "uses": Rel.USES, "deploys": Rel.USES}  # any other: related, with a note

_INSIDE = re.compile(r"(?:[^/]+/)?clusters/[^/]+\.json")  # an archive may hold it all in one folder
_BELOW = re.compile(r"clusters/[^/]+\.json")
_TYPE = re.compile(rb'"type"\s*:\s*"([a-z0-9-]+)"')
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ATTACK = re.compile(r"[GSTC]\d{4}(?:\.\d{3})?")
_LIKELIHOOD = re.compile(r'estimative-language:likelihood-probability="([a-z-]+)"')


class _Cluster(msgspec.Struct):
    type: str
    uuid: str
    values: list[dict[str, Any]]
    version: int = 0


class _Related(msgspec.Struct, rename="kebab"):
    dest_uuid: str
    type: str = ""
    tags: list[str] = []


class _Meta(msgspec.Struct, rename={"victims": "cfr-target-category", "sectors": "targeted-sector"}):
    external_id: str = ""
    country: str = ""
    synonyms: list[str] = []
    victims: list[str] = []
    sectors: list[str] = []


class _Entry(msgspec.Struct):
    value: str
    uuid: str
    description: str = ""
    meta: _Meta = msgspec.field(default_factory=_Meta)
    related: list[_Related] = []
    revoked: bool = False


_decoder = msgspec.json.Decoder(_Cluster)


def claims(source: Input) -> bool:
    if source.container == "folder":
        if source.name != "clusters":
            return any(_BELOW.fullmatch(name) for name in source.names)
        return any(name.endswith(".json") and "/" not in name for name in source.names)
    if source.container:
        return any(_INSIDE.fullmatch(name) for name in source.names)
    head = source.head
    return head.lstrip()[:1] == b"{" and all(k in head for k in (b'"authors"', b'"type"', b'"uuid"', b'"values"'))


def part(source: Input) -> str:
    """One cluster stands for itself: its type, which comes before its values; an archive or a folder for all."""
    found = None if source.container else _TYPE.search(source.head.partition(b'"values"')[0])
    return found[1].decode() if found else ""


def read(source: Input, tally: Tally) -> Iterator[Record]:
    clusters = list(_clusters(source, tally))
    if len(clusters) == 1:
        tally.release = str(clusters[0].version)
    ids = _attack_ids(clusters)
    seen: set[str] = set()
    for cluster in clusters:
        for number, value in enumerate(cluster.values):
            tally.read += 1
            if cluster.type not in KINDS:
                tally.skip("cluster of another kind")
                continue
            try:
                record = _record(convert(value, _Entry, _place(cluster, number, value)), cluster.type, ids)
                if record.id in seen:
                    raise RecordError("an id that is given twice", where=f"{cluster.type}: {record.id}")
            except RecordError as error:
                tally.refuse(error)
                continue
            seen.add(record.id)
            yield record


def _clusters(source: Input, tally: Tally) -> Iterator[_Cluster]:
    """A single file that is no cluster is an error; one among many is refused."""
    for path, content in source.members(".json" if source.container else ""):
        folder = PurePosixPath(path).parent.name
        if source.container and folder != "clusters" and not (source.name == "clusters" and not folder):
            continue
        try:
            yield _decoder.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            if not source.container:
                raise InputError(f"not a MISP galaxy cluster: {exc}", where=source.name) from exc
            tally.read += 1
            tally.refuse(RecordError(f"not a MISP galaxy cluster: {exc}", where=path))


def _place(cluster: _Cluster, number: int, value: dict[str, Any]) -> str:
    return f"{cluster.type}: {str(value.get('value') or number)[:80]}"


def _attack_ids(clusters: list[_Cluster]) -> dict[str, str]:
    """uuid → ATT&CK id, as the `mitre-…` clusters of this input say."""
    ids = {}
    for cluster in (c for c in clusters if c.type.startswith("mitre-")):
        for value in cluster.values:
            meta, uuid = value.get("meta"), value.get("uuid")
            if isinstance(meta, dict) and isinstance(uuid, str) and _ATTACK.fullmatch(str(meta.get("external_id"))):
                ids[uuid.lower()] = str(meta["external_id"])
    return ids


def _record(entry: _Entry, type_: str, ids: dict[str, str]) -> Record:
    uuid, own = entry.uuid.lower(), type_.startswith("mitre-")
    if not _UUID.fullmatch(uuid):
        raise RecordError("field `uuid` is no UUID", where=f"{type_}: {entry.value[:60]}")
    if own and uuid not in ids:
        raise RecordError("field `external_id` is no ATT&CK id", where=f"{type_}: {entry.value[:60]}")
    id_ = ids[uuid] if own else f"misp:{uuid}"
    name = " ".join(entry.value.split()).removesuffix(f" - {id_}")
    text = "" if own else entry.description.strip()  # of the `mitre-…` clusters it is ATT&CK's own
    return Record(
        id_,
        KINDS[type_],
        name,
        status=Status.REVOKED if entry.revoked else Status.ACTIVE,
        replaced_by=_replacement(entry, ids) if entry.revoked else "",
        aliases=_aliases(entry, name),
        facts=_facts(entry.meta, type_),
        texts=(Text("description", text),) if text else (),
        links=tuple({(link.rel, link.to): link for link in _links(entry, id_, own, ids)}.values()),
    )


def _aliases(entry: _Entry, name: str) -> tuple[str, ...]:
    """Synonyms without ids, repetitions and stray commas, in their order."""
    found = {name.casefold(): ""}
    for synonym in entry.meta.synonyms:
        alias = " ".join(synonym.split()).strip(" ,;")
        if alias and not _ATTACK.fullmatch(alias) and not _UUID.search(alias.lower()):
            found.setdefault(alias.casefold(), alias)
    return tuple(alias for alias in found.values() if alias)


def _facts(meta: _Meta, type_: str) -> ActorFacts | SoftwareFacts:
    if KINDS[type_] in (Kind.TOOL, Kind.SOFTWARE):
        return SoftwareFacts(type_)
    sectors = {s.casefold(): s for s in reversed([*meta.victims, *meta.sectors])}
    return ActorFacts(meta.country.strip().upper(), sectors=tuple(reversed(sectors.values())))


def _links(entry: _Entry, id_: str, own: bool, ids: dict[str, str]) -> Iterator[Link]:
    for synonym in entry.meta.synonyms:
        if _ATTACK.fullmatch(synonym.strip()) and synonym.strip() != id_:
            yield Link(Rel.SAME_AS, synonym.strip())
    for other in entry.related:
        uuid, type_ = other.dest_uuid.lower(), other.type.strip()
        to = ids.get(uuid, f"misp:{uuid}")
        if to == id_ or not _UUID.fullmatch(uuid) or (own and type_ != "similar"):  # ATT&CK itself states the rest
            continue
        rel = RELS.get(type_, Rel.RELATED_TO)
        yield Link(rel, to, _likelihood(other.tags) if rel == Rel.SAME_AS else type_ if rel == Rel.RELATED_TO else "")


def _likelihood(tags: list[str]) -> str:
    """How sure MISP is: "likely", "almost-certain" …"""
    found = (_LIKELIHOOD.fullmatch(tag) for tag in tags)
    return next((f[1] for f in found if f), "")


def _replacement(entry: _Entry, ids: dict[str, str]) -> str:
    to = (ids.get(r.dest_uuid.lower(), "") for r in entry.related if r.type == "revoked-by")
    return next(to, "")


READER = Reader("misp-galaxy", claims, read, part)
