"""From a vulnerability's description to its root cause; labels are those on which all sources agree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random

from vedette.forge.example import Kind
from vedette.forge.task import Draft, Task
from vedette.forge.tasks.lineage import chain, kin, parents, strangers
from vedette.forge.tasks.shared import NOT_ENOUGH, first_sentences, joined, steps
from vedette.forge.tasks.vulnerable import cases, flaws, rooted
from vedette.forge.world import Entry, World
from vedette.knowledge.record import Rel, WeaknessFacts

READ = 2  # vulnerabilities that are read for one example that is wanted
_VAGUE = re.compile(r"^(Multiple )?[Uu]nspecified vulnerabilit(y|ies) in ", re.MULTILINE)
_HINT = re.compile(
    r"overflow|injection|traversal|script|race|pointer|free|bounds|privilege check|crypto", re.IGNORECASE
)
_SHORT = 700  # characters of each text where a question shows several


def _level(entry: Entry) -> str:
    return entry.facts.abstraction if isinstance(entry.facts, WeaknessFacts) and entry.facts.abstraction else "CWE"


def _slots(entry: Entry, text: str, root: Entry) -> dict[str, str]:
    meaning = first_sentences(root.text, 1)
    return {"cve": entry.id, "description": text, "weakness": root.label, "meaning": meaning, "level": _level(root)}


def choice(world: World, rng: Random) -> Iterator[Draft]:
    for entry, text, root in rooted(world, rng, CHOICES * READ):
        wrong = tuple(other.label for other in strangers(world, root.id, rng, 3))
        if wrong:
            yield Draft((entry.id,), root.label, _slots(entry, text, root), wrong, sources=(root.id,), difficulty=2)


def closed(world: World, rng: Random) -> Iterator[Draft]:
    for entry, text, root in rooted(world, rng, CLOSED * READ):
        yield Draft(
            (entry.id,), root.id, _slots(entry, text, root), keep=(root.label,), sources=(root.id,), difficulty=2
        )


def reasoned(world: World, rng: Random) -> Iterator[Draft]:
    """Read, compare with the definitions of it and of its nearest rival, decide."""
    for entry, text, root in rooted(world, rng, STEPS * READ):
        for rival in strangers(world, root.id, rng, 1):
            told = steps(
                f"What the text tells of the flaw: {first_sentences(text, 1)}",
                f"Candidate {root.label}: {first_sentences(root.text, 1)}",
                f"Rival {rival.label}: {first_sentences(rival.text, 1)}",
                f"The sources that classified {entry.id} chose the candidate, not the rival.",
                f"{root.id} is an entry of the level {_level(root)}.",
            )
            slots = _slots(entry, text, root) | {"steps": told, "rival": rival.label}
            options = [root.label, rival.label]
            rng.shuffle(options)
            slots |= {"one": options[0], "other": options[1]}
            yield Draft((entry.id,), root.id, slots, sources=(root.id, rival.id), difficulty=2)


def claim(world: World, rng: Random) -> Iterator[Draft]:
    """Half of the claims are true; a false one names a near weakness that no source ties to the right one."""
    yes = True
    for entry, text, root in rooted(world, rng, CLAIMS * READ):
        near = strangers(world, root.id, rng, 1)
        if not yes and not near:
            continue
        asked = root if yes else near[0]
        slots = _slots(entry, text, root) | {"asked": asked.label}
        yield Draft(
            (entry.id,), "Yes" if yes else "No", slots, keep=(root.id,), sources=(root.id, asked.id), difficulty=2
        )
        yes = not yes


def several(world: World, rng: Random) -> Iterator[Draft]:
    for entry, text, _ in cases(world, rng, 60_000, Rel.HAS_WEAKNESS):
        found = flaws(world, entry)
        if 1 < len(found) < 5:
            named = "; ".join(map(world.label, found))
            slots = {"cve": entry.id, "description": text, "named": named, "count": str(len(found))}
            yield Draft((entry.id,), joined(found), slots, sources=tuple(found), difficulty=3)


def rolled_up(world: World, rng: Random) -> Iterator[Draft]:
    """Root cause, and from there up to the Pillar."""
    for entry, text, root in rooted(world, rng, ROLLED * 3):
        line = chain(world, root.id)
        if len(line) < 2:
            continue
        ups = (
            f"{world.label(low)} is a child of {world.label(high)}." for low, high in zip(line, line[1:], strict=False)
        )
        told = steps(f"The root cause is {root.label}: {first_sentences(root.text, 1)}", *ups)
        slots = _slots(entry, text, root) | {"steps": told}
        yield Draft((entry.id,), line[-1], slots, keep=(root.id,), sources=tuple(line), difficulty=3)


def _groups(world: World, rng: Random, count: int) -> dict[str, list[tuple[Entry, str]]]:
    """Short descriptions by root cause."""
    found: dict[str, list[tuple[Entry, str]]] = {}
    for entry, text, root in rooted(world, rng, count):
        if len(text) < _SHORT:
            found.setdefault(root.id, []).append((entry, text))
    return found


def which(world: World, rng: Random) -> Iterator[Draft]:
    """Which of the descriptions shows a weakness; the others have root causes near to it."""
    groups = _groups(world, rng, 12_000)
    for uid, own in sorted(groups.items()):
        root = world.entries[uid]
        others = [one for near in strangers(world, uid, rng, 12) for one in groups.get(near.id, [])[:3]]
        for entry, text in own[:12]:
            if len(others) > 2:
                wrong = rng.sample(others, 3)
                slots = {"weakness": root.label, "meaning": first_sentences(root.text, 1)}
                objects = (entry.id, *(one.id for one, _ in wrong))
                yield Draft(objects, text, slots, tuple(told for _, told in wrong), sources=(uid,), difficulty=3)


def same_root(world: World, rng: Random) -> Iterator[Draft]:
    groups = {uid: own for uid, own in _groups(world, rng, 16_000).items() if len(own) > 1}
    uids, yes = sorted(groups), True
    for _ in range(SAME * 2 if uids else 0):
        uid = rng.choice(uids)
        near = [one.id for one in strangers(world, uid, rng, 8) if one.id in groups]
        if not yes and not near:
            continue
        (one, first), (mate, second) = rng.sample(groups[uid], 2)
        other = uid
        if not yes:
            other = near[0]
            mate, second = rng.choice(groups[other])
        slots = {"one": one.id, "first": first, "other": mate.id, "second": second,
                 "root": world.label(uid), "mate": world.label(other)}  # fmt: skip
        verdict = "share it" if yes else "differ"
        yield Draft((one.id, mate.id), "Yes" if yes else "No", slots | {"verdict": verdict}, keep=(uid, other),
                    sources=(uid, other), difficulty=3)  # fmt: skip
        yes = not yes


def odd_one_out(world: World, rng: Random) -> Iterator[Draft]:
    groups = {uid: own for uid, own in _groups(world, rng, 14_000).items() if len(own) > 2}
    uids = sorted(groups)
    for _ in range(ODD * 2 if uids else 0):
        uid = rng.choice(uids)
        far = [other for other in uids if other != uid and other not in kin(world, uid)
               and not {*parents(world, uid)} & {*parents(world, other)}]  # fmt: skip
        if far:
            other = rng.choice(far)
            odd, text = rng.choice(groups[other])
            rest = rng.sample(groups[uid], 3)
            slots = {"root": world.label(uid), "own": world.label(other), "odd": odd.id}
            objects = (odd.id, *(one.id for one, _ in rest))
            yield Draft(objects, f"{odd.id}: {text}", slots, tuple(f"{one.id}: {told}" for one, told in rest),
                        sources=(uid, other), difficulty=3)  # fmt: skip


def vague(world: World, rng: Random) -> Iterator[Draft]:
    """Descriptions that tell no cause, and to which no source gives a weakness."""
    for entry, text, _ in cases(world, rng, 150_000):
        if _VAGUE.search(text) and not flaws(world, entry) and not _HINT.search(text):
            yield Draft((entry.id,), NOT_ENOUGH, {"cve": entry.id, "description": text}, keep=(entry.id,))


CHOICES, CLOSED, STEPS, CLAIMS, ROLLED, SAME, ODD = 7_000, 7_000, 4_000, 6_000, 3_000, 3_000, 2_000

TASKS = (
    Task("choice", Kind.CHOICE, choice, CHOICES),
    Task("root-cause", Kind.CLOSED, closed, CLOSED),
    Task("claim", Kind.YES_NO, claim, CLAIMS),
    Task("several", Kind.MULTI, several, 2_500),
    Task("which-description", Kind.CHOICE, which),
    Task("same-root", Kind.YES_NO, same_root, SAME),
    Task("odd-one-out", Kind.CHOICE, odd_one_out, ODD),
    Task("reasoned", Kind.STEPS, reasoned, STEPS),
    Task("rolled-up", Kind.STEPS, rolled_up, ROLLED),
    Task("vague", Kind.ABSTAIN, vague, 1_500),
)
