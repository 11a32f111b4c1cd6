"""Made-up configuration files with known weaknesses: find them, explain them, map them, repair them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from random import Random

from vedette.forge.example import Kind
from vedette.forge.scene import configs
from vedette.forge.scene.cast import counted
from vedette.forge.scene.configs import Config, Finding
from vedette.forge.task import Draft, Task
from vedette.forge.tasks.made import NO_EVIDENCE, as_json, scenes
from vedette.forge.world import World
from vedette.knowledge.record import Rel


def _slots(one: Config) -> dict[str, str]:
    return {"file": one.about.name, "config": one.text, "numbered": one.numbered}


def _lines(one: Config) -> str:
    return "\n".join(f"Line {f.line}: `{f.text.strip()}` – {f.part.why}." for f in one.findings)


def _sources(one: Config) -> tuple[str, ...]:
    return tuple(uid for f in one.findings for uid in (f.part.cwe, f.part.control))


def _one(rng: Random) -> tuple[Config, Finding]:
    found = configs.config(rng, 1)
    return found, found.findings[0]


def find(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "configuration"):
        one = configs.config(rng, rng.randint(1, 4))
        final = ", ".join(str(f.line) for f in one.findings)
        yield Draft((uid,), final, _slots(one) | {"lines": _lines(one)}, sources=_sources(one), difficulty=2)


def safe(world: World, rng: Random) -> Iterator[Draft]:
    """Half of the files have one weak line."""
    for number, uid in enumerate(scenes(rng, "configuration")):
        one = configs.config(rng, number % 2)
        told = (
            _lines(one)
            or "Each line is in order: nothing is more open than it has to be, and there is no secret in it."
        )
        yield Draft(
            (uid,), "Yes" if one.findings else "No", _slots(one) | {"told": told}, sources=_sources(one), difficulty=2
        )


def explain(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "configuration"):
        one, found = _one(rng)
        slots = _slots(one) | {
            "line": found.text.strip(),
            "why": found.part.why,
            "fix": found.part.fix,
            "weakness": world.label(found.part.cwe),
            "control": world.label(found.part.control),
        }
        yield Draft((uid,), "", slots, keep=(slots["why"], slots["weakness"]), sources=_sources(one))


def weakness(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "configuration"):
        one, found = _one(rng)
        if (entry := world.get(found.part.cwe)) is not None:
            wrong = tuple(rng.sample(_wrong(world, entry.id), 3))
            slots = _slots(one) | {"line": found.text.strip(), "why": found.part.why}
            yield Draft((uid,), entry.label, slots, wrong, keep=(found.part.why,), sources=(entry.id,), difficulty=2)


@lru_cache(maxsize=256)
def _wrong(world: World, uid: str) -> tuple[str, ...]:
    """The few weaknesses of the findings are asked about again and again."""
    near = world.near(uid, Random(uid), 24, besides=_relatives(world, uid))
    return tuple(other.label for other in near if other.id not in LOOSE)[:8]


# Wide enough that one could defend them for another finding: never a wrong option.
_LOOSE = (
    "16 200 250 266 268 269 272 276 284 285 287 311 522 668 693 732 862 863 1188 1391 255 264 256 257 259 "
    "260 312 313 321 798 1104 829 494 345 353 497 548 552 538 277 278 279 281 271 327 326 328 319 523 521 "
    "308 309 258 306 307 770 400 1357 1220 22 23 778 223 613 1021 282 267 270 273 274 280 1395 1329 923 922 "
    "1327 540 526 214 532 527 24 25 26 27 28 29 155 261 547 1392 1393 1394"
)
LOOSE = frozenset(f"CWE-{number}" for number in _LOOSE.split())


def _relatives(world: World, uid: str) -> list[str]:
    parents = [tie.other for tie in world.out(uid, Rel.CHILD_OF)]
    children = [tie.other for tie in world.into(uid, Rel.CHILD_OF)]
    return [*parents, *children, *(tie.other for parent in parents for tie in world.out(parent, Rel.CHILD_OF))]


def control(world: World, rng: Random) -> Iterator[Draft]:
    """Wrong options are controls that nothing in these files has to do with."""
    for uid in scenes(rng, "configuration"):
        one, found = _one(rng)
        right = found.part.control
        wrong = [world.label(c) for c in UNRELATED if world.get(c)]
        if world.get(right) is not None and len(wrong) > 2:
            slots = _slots(one) | {"line": found.text.strip(), "why": found.part.why}
            yield Draft((uid,), world.label(right), slots, tuple(rng.sample(wrong, 3)), sources=(right,), difficulty=2)


UNRELATED = (
    "CP-9",
    "CP-10",
    "CP-6",
    "CP-7",
    "CP-2",
    "MP-7",
    "AC-8",
    "SC-40",
    "AC-18",
    "AC-19",
    "SI-8",
    "SC-44",
    "SC-26",
    "SA-16",
    "SC-20",
    "SC-21",
    "SC-22",
    "IA-12",
    "RA-10",
    "AC-10",
    "SI-16",
)


def fix(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "configuration"):
        one, found = _one(rng)
        slots = _slots(one) | {
            "line": found.text.strip(),
            "why": found.part.why,
            "fix": found.part.fix,
            "repaired": found.repaired.strip(),
        }
        yield Draft((uid,), "", slots, keep=(found.part.fix, slots["repaired"]), sources=_sources(one))


def harden(world: World, rng: Random) -> Iterator[Draft]:
    """The whole file, repaired."""
    for uid in scenes(rng, "configuration"):
        one = configs.config(rng, rng.randint(1, 3))
        wanted = "\n".join(f"- line {f.line} becomes: {f.repaired.strip()}" for f in one.findings)
        yield Draft((uid,), one.repaired, _slots(one) | {"wanted": wanted}, sources=_sources(one), difficulty=2)


def extract(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "configuration"):
        one = configs.config(rng, rng.randint(0, 4))
        found = [{"line": f.line, "text": f.text.strip(), "cwe": f.part.cwe} for f in one.findings]
        known = ", ".join(world.label(f.part.cwe) for f in rng.sample(one.findings, len(one.findings)))
        hint = f" The weaknesses to assign are among: {known}." if len(found) > 1 else ""
        yield Draft((uid,), as_json(found), _slots(one) | {"hint": hint}, sources=_sources(one), difficulty=3)


def count(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "configuration"):
        one = configs.config(rng, rng.randint(0, 4))
        steps = _lines(one) or "No line weakens the system."
        told = counted(len(one.findings), "weak line")
        yield Draft(
            (uid,),
            str(len(one.findings)),
            _slots(one) | {"steps": steps, "count": told},
            sources=_sources(one),
            difficulty=2,
        )


def safer(world: World, rng: Random) -> Iterator[Draft]:
    """Two files of a kind; the safer one has fewer weak lines, all of which the other one's are more than."""
    for number, uid in enumerate(scenes(rng, "configuration")):
        kind = rng.choice(list(configs.kinds()))
        good, bad = configs.config(rng, 0, kind), configs.config(rng, rng.randint(1, 3), kind)
        first, second = (good, bad) if number % 2 else (bad, good)
        slots = {
            "file": good.about.name,
            "first": first.text,
            "second": second.text,
            "why": "\n".join(f"`{f.text.strip()}` – {f.part.why}." for f in bad.findings),
            "other": "second" if first is good else "first",
        }
        yield Draft((uid,), "The first" if first is good else "The second", slots, sources=_sources(bad), difficulty=2)


UNKNOWN = (
    (
        "Was the weak setting ever used by an attacker?",
        "the file shows what is possible; what was done, only logs can show",
    ),
    ("Who put this line in, and when?", "the file has no history; the version control system would know"),
    ("Is the system reachable from the internet?", "the file says nothing of the network around it"),
    ("Does the running system really use this file?", "only the system itself can show which settings are in force"),
    ("Which data would be lost in the worst case?", "the file does not say what the system holds"),
)


def unknown(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "configuration"):
        one, found = _one(rng)
        question, why = rng.choice(UNKNOWN)
        slots = _slots(one) | {"question": question, "why": why, "line": found.text.strip(), "weak": found.part.why}
        if one.kind != "terraform" or "internet" not in question:
            yield Draft((uid,), NO_EVIDENCE, slots, keep=(why,), sources=_sources(one))


TASKS = (
    Task("explain", Kind.OPEN, explain, 1_000),
    Task("fix", Kind.OPEN, fix, 1_000),
    Task("safe", Kind.YES_NO, safe, 1_500),
    Task("weakness", Kind.CHOICE, weakness, 1_200),
    Task("control", Kind.CHOICE, control, 1_000),
    Task("find", Kind.MULTI, find, 2_000),
    Task("count", Kind.STEPS, count, 1_000),
    Task("safer", Kind.CLOSED, safer, 1_000),
    Task("extract", Kind.EXTRACT, extract, 1_500),
    Task("harden", Kind.RULE, harden, 1_500),
    Task("unknown", Kind.ABSTAIN, unknown, 600),
)
