"""From a vulnerability's description to its root cause; labels are those on which all sources agree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from random import Random

from vedette.forge.example import Kind
from vedette.forge.task import Draft, Task
from vedette.forge.tasks.lineage import chain, kin, parents, strangers
from vedette.forge.tasks.shared import NOT_ENOUGH, first_sentences, joined, steps
from vedette.forge.tasks.vulnerable import cases, flaws, rooted
from vedette.forge.world import Entry, World
from vedette.knowledge.record import Kind as Entity
from vedette.knowledge.record import Rel, WeaknessFacts

USED = 20  # statements that give a weakness to a vulnerability, for it to count as used
COUNTS = {2: "two", 3: "three", 4: "four"}
READ = 2  # vulnerabilities that are read for one example that is wanted
_VAGUE = re.compile(r"^(Multiple )?[Uu]nspecified vulnerabilit(y|ies) in ", re.MULTILINE)
_HINT = re.compile(
    r"overflow|injection|traversal|script|race|pointer|free|bounds|crypto|redirect|password|NOTE:", re.IGNORECASE
)
_WORD = re.compile(r"[A-Za-z][A-Za-z-]{3,}")
_BREAK = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_COMMON = frozenset(
    ("with", "this", "that", "from", "into", "used", "using", "during", "product", "software", "input", "data",
     "improper", "incorrect", "missing", "resource", "element", "elements", "special", "output", "page", "generation",
     "access", "application", "system", "information", "actor", "exposure")
)  # fmt: skip
_SHORT = 700  # characters of each text where a question shows several


def level(entry: Entry) -> str:
    return entry.facts.abstraction if isinstance(entry.facts, WeaknessFacts) and entry.facts.abstraction else "CWE"


def _slots(entry: Entry, text: str, root: Entry) -> dict[str, str]:
    meaning = first_sentences(root.text, 1)
    return {"cve": entry.id, "description": text, "weakness": root.label, "meaning": meaning, "level": level(root)}


def _rivals(world: World, uid: str, rng: Random, count: int) -> list[Entry]:
    """Near weaknesses that are in use for vulnerabilities; any that are in use, where there are too few near ones."""
    near = [one for one in strangers(world, uid, rng, 10) if world.mapped.get(one.id, 0) >= USED]
    if len(near) < count:
        refused = {uid, *kin(world, uid), *(one.id for one in near)}
        often = [one for one in sorted(world.mapped) if world.mapped[one] >= USED and one not in refused]
        rest = [entry for one in often if (entry := world.get(one)) and entry.kind is Entity.WEAKNESS]
        near += rng.sample(rest, min(count - len(near), len(rest)))
    return near[:count]


def choice(world: World, rng: Random) -> Iterator[Draft]:
    for entry, text, root in rooted(world, rng, CHOICES * READ):
        wrong = tuple(other.label for other in _rivals(world, root.id, rng, 3))
        if wrong:
            yield Draft((entry.id,), root.label, _slots(entry, text, root), wrong, sources=(root.id,), difficulty=2)


def closed(world: World, rng: Random) -> Iterator[Draft]:
    for entry, text, root in rooted(world, rng, CLOSED * READ * 5):
        yield Draft(
            (entry.id,), root.id, _slots(entry, text, root), keep=(root.label,), sources=(root.id,), difficulty=2
        )


def reasoned(world: World, rng: Random) -> Iterator[Draft]:
    """Compare with two definitions, find the words that decide; only where there are such words."""
    for entry, text, root in rooted(world, rng, STEPS * 4):
        for rival in _rivals(world, root.id, rng, 1):
            decisive = _telling(text, root, rival)
            if not decisive:
                continue
            options = [root, rival]
            rng.shuffle(options)
            quoted = ", ".join(f'"{word}"' for word in decisive)
            told = steps(
                *(f"{one.label}: {first_sentences(one.text, 1)}" for one in options),
                f"The description says: {_sentence(text, decisive)}",
                f"{quoted} {'belongs' if len(decisive) == 1 else 'belong'} to {root.id} and not to {rival.id}.",
            )
            slots = {"cve": entry.id, "description": text, "steps": told,
                     "one": options[0].label, "other": options[1].label}  # fmt: skip
            yield Draft((entry.id,), root.id, slots, sources=(root.id, rival.id), difficulty=2)


def _telling(text: str, root: Entry, rival: Entry) -> list[str]:
    """Words that the description shares with the name of its root cause, and not with its rival, at most three."""
    own, other = ({word.lower() for word in _WORD.findall(f"{one.name} {one.text}")} for one in (root, rival))
    named = {word.lower() for word in _WORD.findall(root.name)} - other - _COMMON
    found = [word for word in _WORD.findall(text) if word.lower() in named & own]
    return list({word.lower(): word for word in found}.values())[:3]


def _sentence(text: str, words: list[str]) -> str:
    """The first one that holds most of the words."""
    parts = _BREAK.split(text)
    return max(parts, key=lambda part: sum(word in part for word in words))


def claim(world: World, rng: Random) -> Iterator[Draft]:
    """Half of the claims are true; a false one names a near weakness that no source ties to the right one."""
    yes = True
    for entry, text, root in rooted(world, rng, CLAIMS * READ):
        near = _rivals(world, root.id, rng, 1)
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
            slots = {"cve": entry.id, "description": text, "named": named, "count": COUNTS[len(found)]}
            yield Draft((entry.id,), joined(found), slots, sources=tuple(found), difficulty=3)


def rolled_up(world: World, rng: Random) -> Iterator[Draft]:
    """Root cause, and from there up to the Pillar."""
    for entry, text, root in rooted(world, rng, ROLLED * 3):
        line = chain(world, root.id)
        if len(line) < 2:
            continue
        ups = (f"{world.label(low)} is a child of {world.label(high)}." for low, high in pairwise(line))
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
        others = [one for near in _rivals(world, uid, rng, 8) for one in groups.get(near.id, [])[:3]]
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
        near = [one.id for one in _rivals(world, uid, rng, 5) if one.id in groups]
        if not yes and not near:
            continue
        (one, first), (mate, second) = rng.sample(groups[uid], 2)
        other = uid
        if not yes:
            other = near[0]
            mate, second = rng.choice(groups[other])
        slots = {"one": one.id, "first": first, "other": mate.id, "second": second,
                 "root": world.label(uid), "mate": world.label(other)}  # fmt: skip
        verdict = "the same root cause" if yes else "different root causes"
        yield Draft((one.id, mate.id), "Yes" if yes else "No", slots | {"verdict": verdict}, keep=(uid, other),
                    sources=(uid, other), difficulty=3)  # fmt: skip
        yes = not yes


def odd_one_out(world: World, rng: Random) -> Iterator[Draft]:
    groups = {uid: own for uid, own in _groups(world, rng, 14_000).items() if len(own) > 2}
    uids = sorted(groups)
    away: dict[str, list[str]] = {}  # weaknesses that have nothing to do with one
    for _ in range(ODD * 2 if uids else 0):
        uid = rng.choice(uids)
        far = away.setdefault(uid, []) or [other for other in uids if other != uid and other not in kin(world, uid)
               and not {*parents(world, uid)} & {*parents(world, other)}]  # fmt: skip
        away[uid] = far
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
    Task("vague", Kind.ABSTAIN, vague, 1_000),
)
