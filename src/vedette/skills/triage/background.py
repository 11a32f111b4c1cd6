"""What is publicly known about a case's techniques: names, mitigations, groups that use them, too.

It is looked up for cases that are decided, and changes nothing about them. Technique ids are those that rules state;
what the experts infer for other rules is named, and no more than named.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from heapq import nsmallest
from math import log
from types import TracebackType

import msgspec

from vedette.errors import VedetteError
from vedette.knowledge import attack
from vedette.knowledge.store import Knowledge
from vedette.skills.triage.inferred import Inferred
from vedette.skills.triage.lookup import Lookup, Studied
from vedette.types import Background, Helps, InferredTechnique, KnownGroup, KnownMitigation, KnownTactic

MITIGATIONS = 5
GROUPS = 3
ALIASES = 3
ENOUGH = 2  # techniques of the case that a group has to use; where the case has but one, that one


class Backgrounds:
    """Makes backgrounds. The store is opened for the first case that names a technique or a tactic.

    `trouble` says why nothing can be looked up, where that is so: triage goes on without. `release` names what was
    looked into, once something was.
    """

    def __init__(self, source: Callable[[], Knowledge]) -> None:
        self.trouble = ""
        self.release = ""
        self._source = source
        self._store: Knowledge | None = None
        self._lookup: Lookup | None = None
        self._made: dict[tuple[tuple[str, ...], tuple[str, ...]], Background] = {}
        self._inferred: dict[Inferred, InferredTechnique] = {}

    def __enter__(self) -> Backgrounds:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._store:
            self._store.close()
        self._store = self._lookup = None

    def of(
        self,
        techniques: tuple[str, ...],
        tactics: tuple[str, ...] = (),
        inferred: tuple[Inferred, ...] = (),
        by: str = "",
    ) -> Background | None:
        """`tactics`: short names of the case; `by`: who inferred.

        None where there is nothing to look up, or nothing to do it in.
        """
        key = techniques, tactics
        if self.trouble or not (any(key) or inferred):
            return None
        try:
            if key not in self._made:
                self._made[key] = _background(self._opened(), techniques, tactics, self.release)
            return self._with(self._made[key], inferred, by)
        except (VedetteError, sqlite3.Error, msgspec.MsgspecError) as error:
            self.trouble = str(error)
            return None

    def _with(self, known: Background, inferred: tuple[Inferred, ...], by: str) -> Background:
        if not inferred:
            return known
        lookup = self._opened()
        for one in inferred:
            if one not in self._inferred:
                told = lookup.technique(one.id).known
                self._inferred[one] = InferredTechnique(known=told, probability=one.probability, rule=one.rule)
        return msgspec.structs.replace(known, inferred=tuple(self._inferred[one] for one in inferred), inferred_by=by)

    def _opened(self) -> Lookup:
        if self._lookup is None:
            self._store = self._source()
            self._lookup = Lookup(self._store)
            self.release = self._lookup.release()
        return self._lookup


def _background(lookup: Lookup, uids: tuple[str, ...], tactics: tuple[str, ...], release: str) -> Background:
    studied = [lookup.technique(uid) for uid in uids]
    mitigations, other_mitigations = _mitigations(lookup, studied)
    groups, other_groups = _groups(lookup, studied)
    return Background(
        knowledge=release,
        tactics=_tactics(lookup, studied, tactics),
        techniques=tuple(one.known for one in studied),
        mitigations=mitigations,
        other_mitigations=other_mitigations,
        groups=groups,
        other_groups=other_groups,
    )


def _tactics(lookup: Lookup, studied: list[Studied], short_names: tuple[str, ...]) -> tuple[KnownTactic, ...]:
    """Those of the case and of its techniques, in the order of an attack; by shipped names where it has none."""
    shipped = [found for found in map(attack.tactic, short_names) if found]
    named = {t.short_name: KnownTactic(short_name=t.short_name, id=t.id, name=t.name) for t in shipped}
    for uid in dict.fromkeys([*(t.id for t in shipped), *(uid for one in studied for uid in one.tactics)]):
        if told := lookup.tactic(uid):
            named[told.short_name] = told
    return tuple(sorted(named.values(), key=lambda t: (attack.tactic_order(t.short_name), t.id)))


def _mitigations(lookup: Lookup, studied: list[Studied]) -> tuple[tuple[KnownMitigation, ...], int]:
    """Those listed, and how many others there are. Most helpful first, then stated before inferred."""
    helps: dict[str, list[Helps]] = {}
    against: dict[str, set[str]] = {}
    for one in studied:
        for uid, by in one.mitigations:
            helps.setdefault(uid, []).append(Helps(technique=one.known.id, by=by))
            against.setdefault(uid, set()).add(one.id)
    inferred = {uid: len([1 for one in found if one.by]) for uid, found in helps.items()}
    ranked = nsmallest(MITIGATIONS, helps, key=lambda uid: (-len(against[uid]), inferred[uid], uid))
    listed = tuple(KnownMitigation(id=uid, name=lookup.name(uid), helps=tuple(helps[uid])) for uid in ranked)
    return listed, len(helps) - len(listed)


def _groups(lookup: Lookup, studied: list[Studied]) -> tuple[tuple[KnownGroup, ...], int]:
    """Those listed, and how many others there are. A technique counts the more the fewer of these groups use it.

    Where a case has a sub-technique and its parent, only the first counts. A single technique names groups only
    where no more use it than can be listed.
    """
    broader = {one.parent for one in studied}
    distinct = {one.id: one.groups for one in studied if one.id and one.id not in broader}
    shared = Counter(group for users in distinct.values() for group in users)
    found = [group for group, number in shared.items() if number >= min(ENOUGH, len(distinct))]
    if len(distinct) < ENOUGH and len(found) > GROUPS:
        return (), len(found)
    overlap = dict.fromkeys(shared, 0.0)
    for users in distinct.values():
        weight = log(1 + len(shared) / len(users)) if users else 0.0
        for group in users:
            overlap[group] += weight
    best = nsmallest(GROUPS, found, key=lambda group: (-round(overlap[group], 6), -shared[group], group))
    listed = tuple(_group(lookup, group, studied) for group in best)
    return listed, len(found) - len(listed)


def _group(lookup: Lookup, uid: str, studied: list[Studied]) -> KnownGroup:
    uses = tuple(one.known.id for one in studied if uid in one.groups)
    return KnownGroup(id=uid, name=lookup.name(uid), aliases=lookup.aliases(uid)[:ALIASES], uses=uses)
