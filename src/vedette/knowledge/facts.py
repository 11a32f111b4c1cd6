"""What a bare installation knows: ids, names, tactics, parents, links, KEV dates; no publisher's prose.

One TSV a unit in `facts/`, made by `scripts/facts.py` from what the readers gave. A store is made from them where there
is none; importing a source replaces its facts.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Container, Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from vedette.errors import ArtefactError, VedetteError
from vedette.knowledge.record import (
    ActorFacts,
    AnalyticFacts,
    Facts,
    Kind,
    Link,
    Record,
    Rel,
    Status,
    VulnerabilityFacts,
    digest,
    encode,
)
from vedette.knowledge.unit import Unit, content_hash

if TYPE_CHECKING:
    from vedette.knowledge.build import Batch

UNITS = "units.json"
COLUMNS = ("id", "kind", "name", "domain", "status", "replaced_by", "published", "aliases", "facts", "links")
LINKS = frozenset(Rel) - {Rel.RELATED_TO, Rel.OBSERVES, Rel.SAME_AS}
_facts = msgspec.json.Decoder(Facts | None)


def to_row(record: Record) -> str:
    """A record without its prose as one line."""
    facts = msgspec.json.encode(record.facts).decode() if record.facts else ""
    plain = (record.name, record.domain, _unless(record.status, Status.ACTIVE), record.replaced_by, record.published)
    return "\t".join((record.id, record.kind, *plain, "|".join(record.aliases), facts, _links_text(record.links)))


def from_row(row: str, where: str) -> Record:
    """Raises ArtefactError: the files are ours."""
    try:
        uid, kind, name, domain, status, replaced_by, published, aliases, facts, links = row.split("\t")
        return Record(
            id=uid,
            kind=Kind(kind),
            name=name,
            domain=domain,  # type: ignore[arg-type]
            status=Status(status or Status.ACTIVE),
            replaced_by=replaced_by,
            published=published,
            aliases=tuple(filter(None, aliases.split("|"))),
            facts=_facts.decode(facts) if facts else None,
            links=tuple(_links(links)),
        )
    except (ValueError, msgspec.DecodeError) as exc:
        raise ArtefactError(f"the shipped facts are damaged: {exc}", where=where, remedy="reinstall Vedette") from exc


def _links_text(links: tuple[Link, ...]) -> str:
    """`uses>T1001,T1002;enables(primary_impact)>T1003`: links of the same kind together."""
    grouped: dict[tuple[Rel, str], list[str]] = {}
    for link in links:
        grouped.setdefault((link.rel, link.note), []).append(link.to)
    return ";".join(f"{rel}{f'({note})' if note else ''}>{','.join(to)}" for (rel, note), to in grouped.items())


_RESERVED = str.maketrans(";>", ",,")


def _links(text: str) -> Iterator[Link]:
    for group in filter(None, text.split(";")):
        head, _, targets = group.partition(">")
        rel, _, note = head.partition("(")
        for target in targets.split(","):
            yield Link(Rel(rel), target, note.removesuffix(")"))


def _unless(value: str, usual: str) -> str:
    return "" if value == usual else value


def shipped() -> tuple[Unit, ...]:
    """Releases and sha256 of what the facts were made from. `records`, `content` and counts are those of the facts."""
    return msgspec.json.decode((files("vedette.knowledge") / "facts" / UNITS).read_bytes(), type=tuple[Unit, ...])


def records(unit: str, kinds: Container[str] = frozenset(Kind)) -> Iterator[Record]:
    """The facts of a unit ("attack/enterprise"); nothing where none are shipped."""
    path = files("vedette.knowledge") / "facts" / file_name(unit)
    if path.is_file():
        for number, line in enumerate(path.read_text("utf-8").split("\n"), 1):
            if number > 1 and line and line.split("\t", 2)[1] in kinds:
                yield from_row(line, f"{path.name}:{number}")


def file_name(unit: str) -> str:
    return f"{unit.replace('/', '.')}.tsv"


def batches() -> list[Batch]:
    from vedette.knowledge.build import Batch

    path = Path("facts")
    return [Batch(unit, lambda name=unit.name: map(encode, records(name)), path) for unit in shipped()]  # type: ignore[misc]


def base() -> list[Batch]:
    """What an import puts into a store that lacks it, so that ids stay known whatever was imported first."""
    return batches()


def install(place: Path) -> bool:
    """Make the store from the facts. False where the place cannot be written or somebody else is making it."""
    from vedette.knowledge.build import import_batches

    try:
        import_batches(place, batches(), inline=True, only_new=True)
    except VedetteError:
        return place.exists()
    return True


def in_memory() -> sqlite3.Connection:
    from vedette.knowledge import build

    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    build.fill_in_memory(connection, batches())
    return connection


def write(folder: Path, units: list[tuple[Unit, list[Record]]]) -> None:
    """Write the TSVs and `units.json`. Records keep no texts, weaker links and lists."""
    kept: list[Unit] = []
    for unit, full in units:
        wanted = (
            r for r in full if r.kind is not Kind.TOOL or r.aliases
        )  # a tool without a link or an alias is a name
        slim = [from_row(to_row(_slim(record)), record.id) for record in wanted]
        rows = ["\t".join(COLUMNS), *(to_row(record) for record in sorted(slim, key=lambda r: r.id))]
        (folder / file_name(unit.name)).write_text("\n".join(rows) + "\n", encoding="utf-8", newline="\n")
        content = content_hash(digest(encode(record)) for record in slim)
        kept.append(msgspec.structs.replace(unit, records=len(slim), content=content, facts_only=True))
    body = msgspec.json.format(msgspec.json.encode(sorted(kept, key=lambda u: u.name)), indent=1)
    (folder / UNITS).write_bytes(body + b"\n")


def _slim(record: Record) -> Record:
    """Without texts, weaker links and what only matters beside texts."""
    facts = record.facts
    if isinstance(facts, VulnerabilityFacts):
        facts = VulnerabilityFacts(kev=facts.kev)
    if isinstance(facts, AnalyticFacts):
        facts = AnalyticFacts(platforms=facts.platforms)
    if isinstance(facts, ActorFacts):
        facts = ActorFacts(facts.country, facts.first_seen, facts.last_seen)
    links = tuple(Link(link.rel, link.to, link.note.translate(_RESERVED)) for link in record.links if link.rel in LINKS)
    return msgspec.structs.replace(record, facts=facts, texts=(), links=links, modified="")
