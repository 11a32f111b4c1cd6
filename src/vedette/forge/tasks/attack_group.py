"""Groups: names, what they use, how they work, and when that is not enough to name them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random

from vedette.forge.example import Kind
from vedette.forge.task import Draft, Task
from vedette.forge.tasks import users
from vedette.forge.tasks.procedures import (
    Procedure,
    gist,
    kin,
    labels,
    names_group,
    procedures,
    tactics,
    tellable,
    unnamed,
    used,
)
from vedette.forge.tasks.procedures import users as users_of
from vedette.forge.tasks.shared import first_sentences, flat, joined
from vedette.forge.world import Entry, World
from vedette.knowledge.record import Kind as Entity
from vedette.knowledge.record import Rel

GROUP = Entity.GROUP
MOST = 15  # entries that an answer lists
COMMON = 10  # users of a technique that is called common


def _tools(world: World, uid: str) -> list[Entry]:
    return [world.entries[tie.other] for tie in world.out(uid, Rel.USES, Entity.SOFTWARE)]


def software(world: World, rng: Random) -> Iterator[Draft]:
    for group in users.shuffled_users(world, rng, GROUP):
        tools = _tools(world, group.id)
        if 1 <= len(tools) <= MOST:
            sources = tuple(one.id for one in tools)
            yield Draft(
                (group.id,), labels(tools), {"user": group.label}, sources=sources, difficulty=min(2, len(tools))
            )


def software_choice(world: World, rng: Random) -> Iterator[Draft]:
    """Wrong options: near software that neither the group nor its campaigns use."""
    for group in users.shuffled_users(world, rng, GROUP):
        tools = _tools(world, group.id)
        campaigns = world.into(group.id, Rel.ATTRIBUTED_TO, Entity.CAMPAIGN)
        besides = [one.id for one in (*tools, *(t for c in campaigns for t in _tools(world, c.other)))]
        for tool in tools:
            wrong = world.near(tool.id, rng, 3, besides)
            if len(wrong) == 3:
                slots = {"user": group.label, "gist": gist(tool)}
                yield Draft((group.id, tool.id), tool.label, slots, tuple(one.label for one in wrong), difficulty=2)


def software_use(world: World, rng: Random) -> Iterator[Draft]:
    """What a group did with a piece of software, where ATT&CK says so."""
    for group in users.shuffled_users(world, rng, GROUP):
        for tie in world.out(group.id, Rel.USES, Entity.SOFTWARE):
            if text := flat(tie.text):
                slots = {"user": group.label, "software": world.label(tie.other), "text": text}
                yield Draft((group.id, tie.other), "", slots, keep=(text, tie.other))


def campaigns(world: World, rng: Random) -> Iterator[Draft]:
    for group in users.shuffled_users(world, rng, GROUP):
        found = [world.entries[tie.other] for tie in world.into(group.id, Rel.ATTRIBUTED_TO, Entity.CAMPAIGN)]
        if found:
            yield Draft((group.id,), labels(found), {"user": group.label}, sources=tuple(one.id for one in found))


def _plain(world: World, one: Procedure) -> bool:
    """Whether the sentence, without the group's name, says nothing that is its own: software, other groups, CVEs."""
    told = unnamed(one.text, one.user)
    names = {name.lower() for tool in _tools(world, one.user.id) for name in (tool.name, *tool.aliases)}
    if not tellable(one.user) or names_group(world, told) or "CVE-" in told:
        return False
    return not any(name in told.lower() for name in names)


def no_attribution(world: World, rng: Random) -> Iterator[Draft]:
    """Two common techniques, told in sentences without names: every group that uses both is possible."""
    holders: dict[str, set[str]] = {}
    for group in users_of(world, GROUP):
        for one in used(world, group.id):
            holders.setdefault(one.id, set()).add(group.id)
    often = [one for one in procedures(world, rng, (GROUP,)) if len(holders.get(one.technique.id, ())) >= COMMON]
    common = [one for one in often if _plain(world, one)]
    for first, second in zip(common[::2], common[1::2], strict=False):
        both = sorted(holders[first.technique.id] & holders[second.technique.id])
        same = first.technique.id == second.technique.id or second.technique.id in kin(world, first.technique.id)
        if len(both) >= 3 and not same:
            told = f"{unnamed(first.text, first.user)} {unnamed(second.text, second.user)}"
            slots = {
                "told": told.replace("The group", "The attacker").replace("the group", "the attacker"),
                "one": first.technique.label, "other": second.technique.label, "count": str(len(both)),
                "some": labels(world.entries[uid] for uid in rng.sample(both, 3)),
            }  # fmt: skip
            keep = (first.technique.id, second.technique.id, str(len(both)))
            objects = tuple(dict.fromkeys((first.user.id, second.user.id)))
            yield Draft(objects, "Not enough evidence", slots, keep=keep, difficulty=3)


def narrow(world: World, rng: Random) -> Iterator[Draft]:
    """Step by step: candidates by each of three pieces of software; one group is left."""
    for group in users.shuffled_users(world, rng, GROUP):
        tools = _tools(world, group.id)
        for _ in range(6 if len(tools) >= 3 else 0):
            three = rng.sample(tools, 3)
            having = [[world.entries[t.other] for t in world.into(one.id, Rel.USES, GROUP)] for one in three]
            order = sorted(range(3), key=lambda n: -len(having[n]))
            left = set.intersection(*({one.id for one in groups} for groups in having))
            if left == {group.id} and len(having[order[0]]) > 1 and len(having[order[-1]]) <= 6:
                yield _narrowed(group, [three[n] for n in order], [having[n] for n in order])


def _narrowed(group: Entry, tools: list[Entry], having: list[list[Entry]]) -> Draft:
    slots = {"told": labels(tools), "group": group.label}
    left = {one.id for one in having[0]}
    for place, (tool, groups) in enumerate(zip(tools, having, strict=True), 1):
        left &= {one.id for one in groups}
        some = labels(groups) if len(groups) <= 6 else f"{len(groups)} groups, {group.label} among them"
        slots |= {f"tool{place}": tool.label, f"groups{place}": some, f"left{place}": str(len(left))}
    return Draft((group.id,), group.label, slots, sources=tuple(one.id for one in tools), difficulty=3)


def card(world: World, rng: Random) -> Iterator[Draft]:
    for group in users.shuffled_users(world, rng, GROUP):
        told, tools = first_sentences(group.text, 3), _tools(world, group.id)[:6]
        own = used(world, group.id)
        techniques = sorted(one.id for one in rng.sample(own, min(6, len(own))))
        if not told or not techniques:
            continue
        final = {
            "id": group.id, "name": group.name, "aliases": list(group.aliases),
            "software": [one.id for one in tools], "techniques": techniques,
        }  # fmt: skip
        slots = {
            "told": told, "user": group.label, "aliases": joined(group.aliases) or "none",
            "software": labels(tools) or "none", "techniques": joined(world.label(uid) for uid in techniques),
        }  # fmt: skip
        yield Draft((group.id,), json.dumps(final, ensure_ascii=False), slots, sources=tuple(techniques), difficulty=2)


def under_tactic(world: World, rng: Random) -> Iterator[Draft]:
    """What a group uses for one purpose."""
    for group in users.shuffled_users(world, rng, GROUP):
        found: dict[str, list[Entry]] = {}
        for one in used(world, group.id):
            for tactic in tactics(world, one):
                found.setdefault(tactic, []).append(one)
        for tactic, own in found.items():
            if 1 <= len(own) <= 8:
                slots = {"user": group.label, "tactic": tactic}
                sources = tuple(one.id for one in own)
                yield Draft((group.id,), labels(own), slots, keep=(tactic,), sources=sources, difficulty=2)


TASKS = (
    Task("define", Kind.OPEN, users.define(GROUP)),
    Task("alias", Kind.CLOSED, users.named(GROUP)),
    Task("other-names", Kind.MULTI, users.other_names(GROUP)),
    Task("software", Kind.MULTI, software),
    Task("software-choice", Kind.CHOICE, software_choice),
    Task("software-use", Kind.OPEN, software_use),
    Task("campaigns", Kind.MULTI, campaigns),
    Task("under-tactic", Kind.MULTI, under_tactic),
    Task("from-description", Kind.CHOICE, users.from_description(GROUP)),
    Task("from-behaviour", Kind.CHOICE, users.who(GROUP), 2_000),
    Task("how", Kind.OPEN, users.how(GROUP), 5_000),
    Task("uses", Kind.YES_NO, users.uses(GROUP, 20), 4_000),
    Task("left-out", Kind.CHOICE, users.left_out(GROUP, 12), 3_000),
    Task("odd-one-out", Kind.CHOICE, users.odd_one(GROUP, 10), 2_000),
    Task("overlap", Kind.MULTI, users.overlap(GROUP, 10), 1_500),
    Task("summary", Kind.SUMMARISE, users.summarise(GROUP), 1_500),
    Task("narrow", Kind.STEPS, narrow, 600),
    Task("card", Kind.EXTRACT, card),
    Task("no-attribution", Kind.ABSTAIN, no_attribution, 1_000),
)
