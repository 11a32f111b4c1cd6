"""Everything about one id on one page: what each source says, and every link with the names of what it leads to."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches

import msgspec

from vedette.errors import InputError
from vedette.knowledge.ids import canonical, fold
from vedette.knowledge.record import Facts, Kind, Link, Rel, Status, decode
from vedette.knowledge.sources import rank, sources
from vedette.knowledge.store import Entry, Knowledge, Name

SYMMETRIC = frozenset({Rel.SAME_AS, Rel.RELATED_TO})  # who states such a link makes no difference
NEAR = 5  # names that are offered for one that is unknown
SHORT = 3  # characters; for less no name is offered
RELATIONS: dict[Rel, tuple[str, str]] = {  # as the card's id sees it: from it, to it
    Rel.CHILD_OF: ("child of", "parent of"),
    Rel.MEMBER_OF: ("member of", "contains"),
    Rel.USES: ("uses", "used by"),
    Rel.ATTRIBUTED_TO: ("attributed to", "behind"),
    Rel.MITIGATES: ("mitigates", "mitigated by"),
    Rel.COUNTERS: ("counters", "countered by"),
    Rel.DETECTS: ("detects", "detected by"),
    Rel.OBSERVES: ("observes", "observed by"),
    Rel.TARGETS: ("targets", "targeted by"),
    Rel.MAPS_TO: ("maps to", "mapped from"),
    Rel.CAN_PRECEDE: ("can precede", "can follow"),
    Rel.RELATED_TO: ("related to", "related to"),
    Rel.HAS_WEAKNESS: ("has", "weakness of"),
    Rel.ENABLES: ("enables", "enabled by"),
    Rel.ABOUT: ("about", "subject of"),
    Rel.SAME_AS: ("same as", "same as"),
    Rel.TOUCHES: ("touches", "touched by"),
}
PLURALS = {
    Kind.DETECTION: "detection strategies",
    Kind.CATEGORY: "categories",
    Kind.SOFTWARE: "software",
    Kind.WEAKNESS: "weaknesses",
    Kind.VULNERABILITY: "vulnerabilities",
    Kind.ADVISORY: "advisories",
}
ORDER = {rel: place for place, rel in enumerate(Rel)}
KINDS = {kind: place for place, kind in enumerate(Kind)}


class _Part(msgspec.Struct, frozen=True):
    pass


class Source(_Part, frozen=True):
    """Who speaks on this card, and how old that is."""

    source: str  # unit
    release: str
    on: str
    licence: str
    facts_only: bool
    status: Status | None  # of this id, as it says; None: it only has links to it
    links: int  # on this card that it states


class Called(_Part, frozen=True):
    name: str
    sources: tuple[str, ...]


class StatedFacts(_Part, frozen=True):
    source: str
    facts: Facts


class StatedText(_Part, frozen=True):
    sources: tuple[str, ...]  # that say the very same
    field: str
    text: str


class Said(_Part, frozen=True):
    """By whom a link is stated, and in which words."""

    source: str
    note: str
    text: str


class Target(_Part, frozen=True):
    id: str
    name: str
    status: Status | None  # None: the store does not have it
    said: tuple[Said, ...]


class Group(_Part, frozen=True):
    """Links of one relation to one kind."""

    rel: Rel
    forward: bool  # from this id
    kind: Kind | None  # None: of what the store does not have
    title: str
    count: int
    targets: tuple[Target, ...]  # all of them, or the first ones where the card was asked for no more


class Card(_Part, frozen=True):
    asked: str  # what it was looked up by: another id than `id` where that one was replaced
    id: str
    kind: Kind
    name: str
    domain: str
    status: Status
    replaced_by: str
    published: str
    modified: str
    aliases: tuple[Called, ...]
    facts: tuple[StatedFacts, ...]
    texts: tuple[StatedText, ...]
    links: tuple[Group, ...]
    sources: tuple[Source, ...]


def find(knowledge: Knowledge, asked: str) -> str | list[Name]:
    """The id that is meant by an id or a name in any spelling; all who bear the name where they are several.

    Raises InputError that offers what is near.
    """
    uid = canonical(asked)
    if uid and (uid in knowledge or (uid := _cased(knowledge, uid)) in knowledge):
        return uid
    bearers = knowledge.resolve(asked)
    today = {bearer.id: _today(knowledge, bearer.id) for bearer in bearers}
    if len(set(today.values())) == 1:
        return today[bearers[0].id]
    if bearers:
        return [bearer for bearer in bearers if today[bearer.id] == bearer.id or today[bearer.id] not in today]
    if uid:
        raise InputError(f"'{uid}' is not in the store", remedy=_instead(knowledge, uid))
    raise InputError(f"no id and no name '{asked}' in the store", remedy=_instead(knowledge, asked))


def _cased(knowledge: Knowledge, uid: str) -> str:
    """D3FEND's artifacts have capitals within their names, which few remember."""
    if not uid.startswith("d3f:"):
        return uid
    sql = "SELECT id FROM record WHERE id BETWEEN 'd3f:' AND 'd3f:~' AND id = ? COLLATE NOCASE LIMIT 1"
    row = knowledge.db.execute(sql, (uid,)).fetchone()
    return row[0] if row else uid


def _instead(knowledge: Knowledge, asked: str) -> str:
    if names := near_names(knowledge, asked):
        return f"did you mean {', '.join(repr(name) for name in names)}?"
    return "`vedette knowledge status` lists what it holds, `vedette knowledge search` finds text"


def _today(knowledge: Knowledge, uid: str) -> str:
    entry = knowledge.in_force(uid)
    return entry.id if entry else uid


def near_names(knowledge: Knowledge, asked: str) -> list[str]:
    """Names that are spelled much the same, and begin or end alike."""
    folded = fold(asked)
    if len(folded) < SHORT:
        return []
    more = max(2, len(folded) // 3)
    rows = knowledge.db.execute(
        "SELECT folded, name FROM alias WHERE length(folded) BETWEEN ? AND ? AND (folded LIKE ? OR folded LIKE ?)",
        (len(folded) - more, len(folded) + more, f"{folded[:2]}%", f"%{folded[-2:]}"),
    )
    spelled: dict[str, str] = {}
    for known, name in rows:
        spelled.setdefault(known, name)
    return [spelled[known] for known in get_close_matches(folded, spelled, n=NEAR, cutoff=0.75)]


def card(knowledge: Knowledge, uid: str, most: int | None = None) -> Card:
    """Of what stands for `uid` today; at most so many links of each group. Raises InputError for an unknown id."""
    entry = knowledge.in_force(uid)
    if entry is None:
        raise InputError(f"'{uid}' is not in the store", remedy=_instead(knowledge, uid))
    records = [statement.record for statement in entry.statements]
    rows, ends = _rows(knowledge, entry)
    return Card(
        asked=uid,
        id=entry.id,
        kind=entry.kind,
        name=entry.name,
        domain=next((r.domain for r in records if r.domain), ""),
        status=entry.status,
        replaced_by=entry.replaced_by,
        published=entry.published,
        modified=max(r.modified for r in records),
        aliases=tuple(_called(entry)),
        facts=tuple(StatedFacts(s.unit.name, s.record.facts) for s in entry.statements if s.record.facts),
        texts=tuple(_texts(entry)),
        links=tuple(_groups(knowledge, rows, ends, most)),
        sources=tuple(_sources(knowledge, entry, rows)),
    )


def _texts(entry: Entry) -> Iterator[StatedText]:
    by: dict[tuple[str, str], list[str]] = defaultdict(list)
    for statement in entry.statements:
        for text in statement.record.texts:
            by[text.field, text.body].append(statement.unit.name)
    return (StatedText(tuple(units), field, body) for (field, body), units in by.items())


def _sources(knowledge: Knowledge, entry: Entry, rows: _Rows) -> Iterator[Source]:
    """Those that have the id, then those that only have links to it."""
    counts = Counter(statement.source for statements in rows.values() for statement in statements)
    status = {statement.unit.name: statement.record.status for statement in entry.statements}
    units = {unit.name: unit for unit in knowledge.units}
    for name in (*status, *(name for name in units if name in counts and name not in status)):
        unit = units[name]
        known = sources().get(unit.source)
        licence = known.licence if known else ""
        yield Source(name, unit.release, unit.on, licence, unit.facts_only, status.get(name), counts[name])


def _called(entry: Entry) -> Iterator[Called]:
    """Every other name, once for all spellings of it."""
    spelled: dict[str, str] = {}
    by: dict[str, dict[str, None]] = defaultdict(dict)
    for statement in entry.statements:
        for name in (statement.record.name, *statement.record.aliases):
            key = fold(name) or name
            if name and key != fold(entry.name):
                spelled.setdefault(key, name)
                by[key][statement.unit.name] = None
    return (Called(name, tuple(by[key])) for key, name in spelled.items())


@dataclass(frozen=True, slots=True)
class _Statement:
    """That a source states a link; where it comes from another record, its words are still to be read there."""

    source: str
    link: Link | None
    record: int = 0
    place: int = 0


_Rows = dict[tuple[Rel, bool, str], list[_Statement]]  # relation, forward, id at the other end


_End = tuple[Kind, Status]


def _rows(knowledge: Knowledge, entry: Entry) -> tuple[_Rows, dict[str, _End]]:
    """Every link, and what is at their other ends, where the store has it."""
    rows: _Rows = defaultdict(list)
    for statement in entry.statements:
        for link in statement.record.links:
            rows[link.rel, True, link.to].append(_Statement(statement.unit.name, link))
    ends: dict[str, _End] = {}
    names = {number: unit.name for number, unit in knowledge.unit_numbers.items()}
    incoming = knowledge.db.execute(
        "SELECT l.rel, s.id, s.kind, s.status, s.unit, s.number, l.place"
        " FROM link l CROSS JOIN record s ON s.number = l.record WHERE l.target = ?",
        (entry.id,),
    )
    for rel, uid, kind, status, unit, record, place in incoming:
        ends.setdefault(uid, (Kind(kind), Status(status)))
        rows[Rel(rel), rel in SYMMETRIC, uid].append(_Statement(names[unit], None, record, place))
    outgoing = about(knowledge, (uid for _, _, uid in rows if uid not in ends))
    return rows, ends | {uid: (kind, status) for uid, (kind, _, status) in outgoing.items()}


def _groups(knowledge: Knowledge, rows: _Rows, ends: dict[str, _End], most: int | None) -> Iterator[Group]:
    groups: dict[tuple[Rel, bool, Kind | None], list[str]] = defaultdict(list)
    for rel, forward, uid in rows:
        groups[rel, forward, ends[uid][0] if uid in ends else None].append(uid)
    words = _Words(knowledge)
    for (rel, forward, kind), uids in sorted(groups.items(), key=lambda item: _place(*item[0])):
        uids.sort(key=_number, reverse=kind is Kind.VULNERABILITY)
        uids.sort(key=lambda uid: uid in ends and ends[uid][1] is not Status.ACTIVE)  # those last
        shown = uids[:most]
        known = about(knowledge, shown)
        targets = []
        for uid in shown:
            _, name, status = known.get(uid, (None, "", None))
            targets.append(Target(uid, name, status, tuple(words.said(rows[rel, forward, uid]))))
        yield Group(rel, forward, kind, title(rel, forward, kind, len(uids)), len(uids), tuple(targets))


class _Words:
    """What is said with links, each record read once."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._db, self._read = knowledge.db, dict[int, tuple[Link, ...]]()

    def said(self, statements: Iterable[_Statement]) -> dict[Said, None]:
        """The first source's words first, the same words once."""
        ordered = sorted(statements, key=lambda s: (rank(s.source.partition("/")[0]), s.source))
        links = ((one.source, one.link or self._links(one.record)[one.place]) for one in ordered)
        return {Said(source, link.note, link.text): None for source, link in links}

    def _links(self, record: int) -> tuple[Link, ...]:
        if record not in self._read:
            row = self._db.execute("SELECT body FROM record WHERE number = ?", (record,)).fetchone()
            self._read[record] = decode(row[0]).links
        return self._read[record]


def _place(rel: Rel, forward: bool, kind: Kind | None) -> tuple[int, bool, int]:
    return ORDER[rel], not forward, KINDS[kind] if kind else len(KINDS)


def title(rel: Rel, forward: bool, kind: Kind | None, number: int) -> str:
    """ "used by groups"."""
    return f"{RELATIONS[rel][not forward]} {noun(kind, number) if kind else ''}".strip()


def noun(kind: Kind, number: int = 1) -> str:
    """ "detection strategy", "detection strategies"."""
    words = kind.replace("-", " ")
    return words if number == 1 else PLURALS.get(kind, f"{words}s")


def _number(uid: str) -> list[tuple[int, str]]:
    """Ids in the order in which people count."""
    parts = uid.replace("-", " ").replace(".", " ").replace("(", " ").replace(")", " ").split()
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def about(knowledge: Knowledge, uids: Iterable[str]) -> dict[str, tuple[Kind, str, Status]]:
    """id → (kind, name, status) of those that the store has; the first source's word, or the first that names it."""
    ranks = {number: rank(unit.source) for number, unit in knowledge.unit_numbers.items()}
    rows = knowledge.db.execute(
        "SELECT r.id, r.kind, r.name, r.status, r.unit FROM json_each(?) j CROSS JOIN record r ON r.id = j.value",
        (json.dumps(list(dict.fromkeys(uids))),),
    ).fetchall()
    found: dict[str, tuple[Kind, str, Status]] = {}
    for uid, kind, name, status, _ in sorted(rows, key=lambda row: ranks[row[4]]):
        before = found.get(uid)
        if before is None:
            found[uid] = (Kind(kind), name, Status(status))
        elif not before[1] and name:
            found[uid] = (before[0], name, before[2])
    return found
