"""Incident response: what is done in which phase, what is kept, who is told, and what makes it worse."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from vedette.forge.example import Kind
from vedette.forge.scene import incidents
from vedette.forge.scene.cast import listed
from vedette.forge.scene.excerpt import numbered
from vedette.forge.scene.incidents import NAMES, PHASES, Incident
from vedette.forge.task import Draft, Task
from vedette.forge.tasks.made import NO_EVIDENCE, as_json, scenes
from vedette.forge.world import World


def _slots(one: Incident) -> dict[str, str]:
    return {"report": one.report, "kind": one.about.name, **one.slots}


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def phase(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "response"):
        one, asked = incidents.incident(rng), rng.choice(PHASES)
        step = rng.choice(one.steps(asked))
        wrong = tuple(NAMES[p] for p in PHASES if p != asked)
        yield Draft((uid,), NAMES[asked], _slots(one) | {"step": step, "why": AIMS[asked]}, wrong)


AIMS = {
    "identify": "finds out what happened and how far it went",
    "contain": "keeps the harm from growing",
    "eradicate": "removes what the attacker left and the way that was used",
    "recover": "brings normal work back and watches that it stays so",
}


def order(world: World, rng: Random) -> Iterator[Draft]:
    """One step of each phase, so that there is one order."""
    for uid in scenes(rng, "response"):
        one = incidents.incident(rng)
        steps = [(p, rng.choice(one.steps(p))) for p in PHASES]
        shown = rng.sample(steps, len(steps))
        places = [shown.index(step) + 1 for step in steps]
        why = "\n".join(f"{NAMES[p]}: {step} ({place})." for (p, step), place in zip(steps, places, strict=True))
        slots = _slots(one) | {"steps": numbered([_capital(step) for _, step in shown]), "why": why}
        yield Draft((uid,), ", ".join(map(str, places)), slots, difficulty=2)


def plan(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "response"):
        one = incidents.incident(rng)
        rows = [f"{NAMES[p]}: {'; '.join(one.steps(p))}." for p in PHASES]
        rows.append(f"Keep as evidence: {'; '.join(one.told(e) for e in one.about.evidence)}.")
        rows.append(f"Tell: {listed([one.told(t) for t in one.about.tell])}.")
        yield Draft((uid,), "", _slots(one) | {"plan": "\n".join(rows)}, keep=tuple(one.steps("contain")), difficulty=2)


def steps(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "response"):
        one, asked = incidents.incident(rng), rng.choice(PHASES)
        told = "; ".join(one.steps(asked))
        slots = _slots(one) | {"phase": NAMES[asked].lower(), "told": told, "why": AIMS[asked]}
        yield Draft((uid,), "", slots, keep=(told,))


def evidence(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "response"):
        one = incidents.incident(rng)
        told = "; ".join(one.told(e) for e in one.about.evidence)
        what, why = rng.choice(one.about.mistakes)
        yield Draft((uid,), "", _slots(one) | {"told": told, "what": one.told(what), "why": why}, keep=(told,))


def tell(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "response"):
        one = incidents.incident(rng)
        told = listed([one.told(t) for t in one.about.tell])
        yield Draft((uid,), "", _slots(one) | {"told": told}, keep=(told,))


def proposal(world: World, rng: Random) -> Iterator[Draft]:
    """Half of the proposals make it worse."""
    for number, uid in enumerate(scenes(rng, "response")):
        one = incidents.incident(rng)
        if number % 2:
            what, why = rng.choice(one.about.mistakes)
            told = f"Not like that: {why}. What contains it: {'; '.join(one.steps('contain'))}."
        else:
            what = one.told(rng.choice(one.about.contain))
            others = [step for step in one.steps("contain") if step != what]
            told = (
                f"It belongs to containment, which keeps the harm from growing. Together with it: {'; '.join(others)}."
            )
        slots = _slots(one) | {"what": one.told(what), "told": told}
        yield Draft((uid,), "No" if number % 2 else "Yes", slots, keep=(told,), difficulty=2)


def first(world: World, rng: Random) -> Iterator[Draft]:
    """Wrong options are of later phases or make it worse."""
    for uid in scenes(rng, "response"):
        one = incidents.incident(rng)
        right = _capital(rng.choice(one.steps("contain")))
        wrong = [
            rng.choice(one.steps("eradicate")),
            rng.choice(one.steps("recover")),
            one.told(rng.choice(one.about.mistakes)[0]),
        ]
        yield Draft((uid,), right, _slots(one), tuple(_capital(w) for w in wrong), difficulty=2)


def strike(world: World, rng: Random) -> Iterator[Draft]:
    """A plan with one step that makes it worse."""
    for uid in scenes(rng, "response"):
        one = incidents.incident(rng)
        what, why = rng.choice(one.about.mistakes)
        good = [rng.choice(one.steps(p)) for p in PHASES]
        place = rng.randint(1, len(good) + 1)
        told = [*good[: place - 1], one.told(what), *good[place - 1 :]]
        slots = _slots(one) | {"steps": numbered([_capital(t) for t in told]), "what": one.told(what), "why": why}
        yield Draft((uid,), str(place), slots, keep=(why,), difficulty=2)


def kind(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "response"):
        one = incidents.incident(rng)
        others = [
            k.name for name, k in incidents.kinds().items() if name != one.kind and name not in ALIKE.get(one.kind, "")
        ]
        told = "; ".join(one.steps("identify"))
        yield Draft((uid,), one.about.name, _slots(one) | {"told": told}, tuple(rng.sample(others, 3)))


ALIKE = {  # kinds whose signs could also be meant
    "malware": "ransomware phishing crypto-miner web-shell domain-admin ot supply-chain", "ransomware": "malware",
    "phishing": "mail-fraud insider malware", "mail-fraud": "phishing", "insider": "phishing malware",
    "web-shell": "malware crypto-miner database-exposed", "crypto-miner": "malware cloud-key web-shell",
    "cloud-key": "crypto-miner supply-chain insider", "domain-admin": "malware ransomware", "ot": "malware",
    "supply-chain": "malware cloud-key", "database-exposed": "insider web-shell", "stolen-laptop": "insider",
}  # fmt: skip


def as_record(world: World, rng: Random) -> Iterator[Draft]:
    """The plan as JSON by phase: steps that were given in disorder, each put where it belongs."""
    for uid in scenes(rng, "response"):
        one = incidents.incident(rng)
        chosen = [(p, step) for p in PHASES for step in rng.sample(one.steps(p), rng.randint(1, 2))]
        rng.shuffle(chosen)
        found = {NAMES[p]: [step for q, step in chosen if q == p] for p in PHASES}
        slots = _slots(one) | {"steps": "\n".join(f"- {step}" for _, step in chosen), "keys": ", ".join(NAMES.values())}
        yield Draft((uid,), as_json(found), slots, difficulty=2)


UNKNOWN = (
    ("Who is the attacker?", "the report has no trace that leads to a person or group"),
    ("Was personal data taken?", "nothing in the report shows what was read or sent out"),
    ("How much will it cost?", "neither the extent nor the length of the outage is known"),
    ("Since when has the attacker been inside?", "the report has the time of the discovery only"),
    ("Is any other system concerned?", "only what is named here was looked at so far"),
    ("Will our insurance pay?", "that depends on the contract, of which nothing is said"),
)


def unknown(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "response"):
        one = incidents.incident(rng)
        question, why = rng.choice(
            UNKNOWN[:1] + UNKNOWN[2:] if one.kind in ("database-exposed", "insider", "stolen-laptop") else UNKNOWN
        )
        if one.kind in ("insider", "mail-fraud", "stolen-laptop") and question == UNKNOWN[0][0]:
            continue
        slots = _slots(one) | {"question": question, "why": why, "told": "; ".join(one.steps("identify"))}
        yield Draft((uid,), NO_EVIDENCE, slots, keep=(why,))


TASKS = (
    Task("kind", Kind.CHOICE, kind, 800),
    Task("phase", Kind.CHOICE, phase, 600),
    Task("steps", Kind.OPEN, steps, 1_000),
    Task("evidence", Kind.OPEN, evidence, 800),
    Task("tell", Kind.OPEN, tell, 300),
    Task("plan", Kind.OPEN, plan, 1_000),
    Task("first", Kind.CHOICE, first, 1_000),
    Task("proposal", Kind.YES_NO, proposal, 1_200),
    Task("strike", Kind.CLOSED, strike, 1_000),
    Task("order", Kind.MULTI, order, 1_200),
    Task("record", Kind.EXTRACT, as_record, 800),
    Task("unknown", Kind.ABSTAIN, unknown, 600),
)
