"""Controls of NIST SP 800-53 and the ATT&CK techniques that they mitigate, by the mappings of CTID."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from vedette.forge.example import Kind
from vedette.forge.task import Draft, Task
from vedette.forge.tasks.lineage import ancestors, descendants
from vedette.forge.tasks.shared import NOT_ENOUGH, first_sentences, joined, steps
from vedette.forge.world import Entry, World
from vedette.knowledge.record import Kind as Entity
from vedette.knowledge.record import Rel

FAMILIES = {
    "AC": "Access Control", "AT": "Awareness and Training", "AU": "Audit and Accountability",
    "CA": "Assessment, Authorization, and Monitoring", "CM": "Configuration Management", "CP": "Contingency Planning",
    "IA": "Identification and Authentication", "IR": "Incident Response", "MA": "Maintenance", "MP": "Media Protection",
    "PE": "Physical and Environmental Protection", "PL": "Planning", "PM": "Program Management",
    "PS": "Personnel Security", "PT": "Personally Identifiable Information Processing and Transparency",
    "RA": "Risk Assessment", "SA": "System and Services Acquisition", "SC": "System and Communications Protection",
    "SI": "System and Information Integrity", "SR": "Supply Chain Risk Management",
}  # fmt: skip
MOST = 12


def _of(world: World, technique: str) -> list[str]:
    return [tie.other for tie in world.into(technique, Rel.MITIGATES, Entity.CONTROL)]


def _on(world: World, control: str) -> list[str]:
    return [tie.other for tie in world.out(control, Rel.MITIGATES, Entity.TECHNIQUE)]


def _family(world: World, technique: str) -> set[str]:
    return {technique, *ancestors(world, technique), *descendants(world, technique)}


def _refused(world: World, technique: str) -> list[str]:
    """Controls that are mapped to the technique or to one above or below it: no wrong options."""
    return sorted({one for uid in _family(world, technique) for one in _of(world, uid)})


def _links(world: World, rng: Random) -> list[tuple[Entry, str]]:
    found = [(control, uid) for control in world.of(Entity.CONTROL) for uid in _on(world, control.id)]
    rng.shuffle(found)
    return found


def _controls(world: World) -> list[Entry]:
    return world.of(Entity.CONTROL)


def _mapped(world: World, rng: Random) -> list[Entry]:
    return [entry for entry in world.shuffled(Entity.TECHNIQUE, rng) if _of(world, entry.id)]


def name(world: World, rng: Random) -> Iterator[Draft]:
    for entry in world.shuffled(Entity.CONTROL, rng):
        family = FAMILIES.get(entry.id[:2], "")
        if family:
            slots = {"id": entry.id, "family": family, "short": entry.id[:2], "count": str(len(_on(world, entry.id)))}
            yield Draft((entry.id,), entry.name, slots)


def family(world: World, rng: Random) -> Iterator[Draft]:
    for entry in world.shuffled(Entity.CONTROL, rng):
        if entry.id[:2] in FAMILIES:
            yield Draft((entry.id,), FAMILIES[entry.id[:2]], {"control": entry.label, "short": entry.id[:2]})


def controls(world: World, rng: Random) -> Iterator[Draft]:
    for entry in _mapped(world, rng):
        found = _of(world, entry.id)
        if len(found) <= MOST:
            slots = {"technique": entry.label, "named": "; ".join(map(world.label, found))}
            yield Draft((entry.id,), joined(found), slots, sources=tuple(found), difficulty=2)


def in_family(world: World, rng: Random) -> Iterator[Draft]:
    """Controls of one family, for techniques that have too many for one list, too."""
    for entry in _mapped(world, rng):
        found = _of(world, entry.id)
        for short in sorted({uid[:2] for uid in found}):
            own = [uid for uid in found if uid[:2] == short]
            if short in FAMILIES and len(own) > 1:
                slots = {"technique": entry.label, "family": f"{FAMILIES[short]} ({short})",
                         "named": "; ".join(map(world.label, own))}  # fmt: skip
                yield Draft((entry.id,), joined(own), slots, sources=tuple(own), difficulty=2)


def mitigates(world: World, rng: Random) -> Iterator[Draft]:
    """Half of the claims are true; false ones name a near control without a mapping to the technique's family."""
    yes = True
    for control, uid in _links(world, rng):
        near = [] if yes else world.near(control.id, rng, 1, besides=_refused(world, uid))
        if not yes and not near:
            continue
        asked = control if yes else near[0]
        found = _of(world, uid)
        shown = [asked.id, *found] if yes else found
        shown = list(dict.fromkeys(shown))[:8]
        told = joined(sorted(shown)) + (f" and {len(found) - 8} more" if len(found) > 8 else "")
        slots = {"control": asked.label, "technique": world.label(uid), "told": told,
                 "verdict": "is mapped to" if yes else "is not mapped to"}  # fmt: skip
        yield Draft((uid,), "Yes" if yes else "No", slots, sources=(asked.id,), difficulty=2)
        yes = not yes


def which_control(world: World, rng: Random) -> Iterator[Draft]:
    for control, uid in _links(world, rng):
        wrong = tuple(one.label for one in world.near(control.id, rng, 3, besides=_refused(world, uid)))
        if len(wrong) == 3:
            slots = {"technique": world.label(uid), "description": first_sentences(world.entries[uid].text, 1)}
            yield Draft((uid,), control.label, slots, wrong, sources=(control.id,), difficulty=2)


def which_technique(world: World, rng: Random) -> Iterator[Draft]:
    for control, uid in _links(world, rng):
        own = _on(world, control.id)
        refused = sorted({one for other in own for one in _family(world, other)})
        wrong = tuple(one.label for one in world.near(uid, rng, 3, besides=refused))
        if len(wrong) == 3:
            slots = {"control": control.label, "count": str(len(own))}
            yield Draft((uid,), world.label(uid), slots, wrong, sources=(control.id,), difficulty=2)


def odd_one_out(world: World, rng: Random) -> Iterator[Draft]:
    """Three techniques that a control is mapped to, and a near one that it is not."""
    for control in [one for _ in range(25) for one in _controls(world)]:
        own = _on(world, control.id)
        if len(own) < 3:
            continue
        some = rng.sample(own, 3)
        refused = sorted({one for other in own for one in _family(world, other)})
        for odd in world.near(some[0], rng, 1, besides=refused):
            yield Draft((odd.id, *some), odd.label, {"control": control.label}, tuple(map(world.label, some)),
                        sources=(control.id,), difficulty=3)  # fmt: skip


def common(world: World, rng: Random) -> Iterator[Draft]:
    """One control for two techniques; the wrong ones are mapped to one of them only."""
    mapped = _mapped(world, rng)
    for entry in [one for _ in range(6) for one in mapped]:
        for other in world.near(entry.id, rng, 1, besides=sorted(_family(world, entry.id))):
            mine, theirs = set(_of(world, entry.id)), set(_of(world, other.id))
            both = sorted(mine & theirs)
            half = sorted(mine ^ theirs)
            if both and len(half) > 2:
                right = rng.choice(both)
                wrong = tuple(map(world.label, rng.sample(half, 3)))
                slots = {"one": entry.label, "other": other.label}
                yield Draft((entry.id, other.id), world.label(right), slots, wrong, sources=(right,), difficulty=3)


def gap(world: World, rng: Random) -> Iterator[Draft]:
    """Some controls are in place: which of the techniques does none of them reach? Just one is left open."""
    mapped = _mapped(world, rng)
    for _ in range(6_000 if len(mapped) > 3 else 0):
        some = rng.sample(mapped, 3)
        ways = {one.id: set(_of(world, one.id)) for one in some}
        bare = some[0]
        chosen: list[str] = []
        for one in some[1:]:
            free = sorted(ways[one.id] - ways[bare.id])
            chosen += [rng.choice(free)] if free else []
        if len(chosen) < 2 or len(set(chosen)) < 2:
            continue
        rng.shuffle(some)
        told = steps(*(
            f"{one.label}: mapped to {joined(c for c in chosen if c in ways[one.id])}."
            if one.id != bare.id else f"{one.label}: none of the controls in place is mapped to it."
            for one in some
        ))  # fmt: skip
        slots = {"controls": "; ".join(map(world.label, chosen)), "techniques": "; ".join(one.label for one in some),
                 "steps": told}  # fmt: skip
        yield Draft(tuple(one.id for one in some), bare.id, slots, sources=tuple(chosen), difficulty=3)


def works(world: World, rng: Random) -> Iterator[Draft]:
    """A mapping is no proof that a control is in place and works."""
    for control, uid in _links(world, rng):
        yield Draft((uid,), NOT_ENOUGH, {"control": control.label, "technique": world.label(uid)}, keep=(control.id,),
                    sources=(control.id,), difficulty=2)  # fmt: skip


TASKS = (
    Task("name", Kind.CLOSED, name),
    Task("family", Kind.CLOSED, family),
    Task("controls", Kind.MULTI, controls),
    Task("in-family", Kind.MULTI, in_family, 2_000),
    Task("mitigates", Kind.YES_NO, mitigates, 4_000),
    Task("which-control", Kind.CHOICE, which_control, 3_000),
    Task("which-technique", Kind.CHOICE, which_technique, 3_000),
    Task("odd-one-out", Kind.CHOICE, odd_one_out, 1_500),
    Task("common", Kind.CHOICE, common, 1_500),
    Task("gap", Kind.STEPS, gap),
    Task("works", Kind.ABSTAIN, works, 500),
)
