"""Malware and tools: what they do, on what they run, who uses them, and how they are told apart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random

from vedette.forge.example import Kind
from vedette.forge.task import Draft, Task
from vedette.forge.tasks import users
from vedette.forge.tasks.procedures import gist, labels, names_group, used
from vedette.forge.tasks.shared import first_sentences, joined
from vedette.forge.world import Entry, World
from vedette.knowledge.record import Kind as Entity
from vedette.knowledge.record import Rel, SoftwareFacts

MOST = 10  # groups that an answer lists
SOFTWARE = Entity.SOFTWARE


def _software(world: World, rng: Random) -> Iterator[tuple[Entry, SoftwareFacts]]:
    for entry in users.shuffled_users(world, rng, SOFTWARE):
        if isinstance(entry.facts, SoftwareFacts):
            yield entry, entry.facts


def _groups(world: World, entry: Entry) -> list[Entry]:
    return [world.entries[tie.other] for tie in world.into(entry.id, Rel.USES, Entity.GROUP)]


def type_(world: World, rng: Random) -> Iterator[Draft]:
    for entry, known in _software(world, rng):
        if known.type in ("malware", "tool"):
            what = "a tool" if known.type == "tool" else "malware"
            yield Draft((entry.id,), known.type, {"software": entry.label, "gist": gist(entry), "what": what})


def platform(world: World, rng: Random) -> Iterator[Draft]:
    for entry, known in _software(world, rng):
        if known.platforms:
            yield Draft((entry.id,), joined(known.platforms), {"software": entry.label, "gist": gist(entry)})


def used_by(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _ in _software(world, rng):
        groups = _groups(world, entry)
        if 1 <= len(groups) <= MOST:
            slots = {"software": entry.label, "count": str(len(groups)), "plural": "" if len(groups) == 1 else "s"}
            sources = tuple(one.id for one in groups)
            yield Draft((entry.id,), labels(groups), slots, sources=sources, difficulty=min(2, len(groups)))


def user_choice(world: World, rng: Random) -> Iterator[Draft]:
    """Wrong options: near groups that no source links to the software."""
    for entry, _ in _software(world, rng):
        groups = _groups(world, entry)
        for group in groups[:MOST]:
            besides = [*(one.id for one in groups), *_linked(world, entry)]
            wrong = [one for one in world.near(group.id, rng, 8, besides) if one.units[0].startswith("attack/")][:3]
            if len(wrong) == 3:
                slots = {"software": entry.label, "gist": gist(entry), "others": labels(groups[:MOST])}
                options = tuple(one.label for one in wrong)
                yield Draft((entry.id, group.id), group.label, slots, options, difficulty=2)


def _linked(world: World, entry: Entry) -> list[str]:
    """Groups whose campaigns used it."""
    campaigns = world.into(entry.id, Rel.USES, Entity.CAMPAIGN)
    return [tie.other for campaign in campaigns for tie in world.out(campaign.other, Rel.ATTRIBUTED_TO)]


def no_attribution(world: World, rng: Random) -> Iterator[Draft]:
    """Software that several groups use names none of them."""
    for entry, known in _software(world, rng):
        groups = _groups(world, entry)
        if len(groups) >= 2:
            some = groups[:4]
            slots = {
                "software": entry.label, "count": str(len(groups)), "groups": labels(some), "type": known.type,
                "some": ", among them" if len(groups) > len(some) else ":",
            }  # fmt: skip
            for place in range(3):  # as often as there are ways to ask
                yield Draft(
                    (entry.id,),
                    "Not enough evidence",
                    slots,
                    keep=(entry.id, str(len(groups))),
                    difficulty=2 + (place > 1),
                )


def no_users(world: World, rng: Random) -> Iterator[Draft]:
    for entry, _ in _software(world, rng):
        if not world.into(entry.id, Rel.USES) and not names_group(world, entry.text):
            yield Draft((entry.id,), "Not enough evidence", {"software": entry.label, "gist": gist(entry)})


def card(world: World, rng: Random) -> Iterator[Draft]:
    """A passage that tells of software becomes JSON; what the passage lacks is an empty list."""
    for entry, known in _software(world, rng):
        told = first_sentences(entry.text, 3)
        if not told or not known.platforms:
            continue
        own = used(world, entry.id)
        techniques = sorted(one.id for one in rng.sample(own, min(5, len(own))))
        final = {
            "id": entry.id, "name": entry.name, "type": known.type, "aliases": list(entry.aliases),
            "platforms": list(known.platforms), "techniques": techniques,
        }  # fmt: skip
        slots = {
            "told": told, "software": entry.label, "type": known.type, "platforms": joined(known.platforms),
            "aliases": joined(entry.aliases) or "none", "techniques": joined(techniques) or "none",
        }  # fmt: skip
        yield Draft((entry.id,), json.dumps(final, ensure_ascii=False), slots, sources=tuple(techniques), difficulty=2)


TASKS = (
    Task("type", Kind.CLOSED, type_),
    Task("platform", Kind.MULTI, platform),
    Task("define", Kind.OPEN, users.define(SOFTWARE)),
    Task("alias", Kind.CLOSED, users.named(SOFTWARE)),
    Task("other-names", Kind.MULTI, users.other_names(SOFTWARE)),
    Task("from-description", Kind.CHOICE, users.from_description(SOFTWARE)),
    Task("from-behaviour", Kind.CHOICE, users.who(SOFTWARE), 3_000),
    Task("how", Kind.OPEN, users.how(SOFTWARE), 8_000),
    Task("uses", Kind.YES_NO, users.uses(SOFTWARE, 8), 5_000),
    Task("left-out", Kind.CHOICE, users.left_out(SOFTWARE, 5), 4_000),
    Task("odd-one-out", Kind.CHOICE, users.odd_one(SOFTWARE, 4), 3_000),
    Task("overlap", Kind.MULTI, users.overlap(SOFTWARE, 4), 2_000),
    Task("summary", Kind.SUMMARISE, users.summarise(SOFTWARE), 2_000),
    Task("used-by", Kind.MULTI, used_by),
    Task("user-choice", Kind.CHOICE, user_choice),
    Task("card", Kind.EXTRACT, card),
    Task("no-attribution", Kind.ABSTAIN, no_attribution, 800),
    Task("no-users", Kind.ABSTAIN, no_users, 300),
)
