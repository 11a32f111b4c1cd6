"""Made-up alerts with a known truth: triage, grouping, next steps, hostile text in fields."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random

from vedette.forge.example import Kind
from vedette.forge.scene import alerts
from vedette.forge.scene.alerts import Alert, Mixture
from vedette.forge.scene.cast import counted, listed
from vedette.forge.task import Draft, Task
from vedette.forge.tasks.made import NO_EVIDENCE, as_json, options, scenes
from vedette.forge.world import World

ESCALATE, CLOSE = "Escalate", "Close"


def _slots(one: Alert) -> dict[str, str]:
    return {
        "alert": as_json(one.body),
        "shape": one.shape,
        "rule": one.case.rule,
        "level": str(one.case.level),
        "detail": one.told(one.case.detail),
        **one.slots,
    }


def _known(rng: Random, one: Alert, *deciding: str) -> str:
    """What else is known, in no order; one or two of the sentences decide nothing."""
    told = [*deciding, *rng.sample(alerts.NEUTRAL, rng.randint(1, 2))]
    rng.shuffle(told)
    return "\n".join(f"- {one.told(text)}" for text in told)


def verdict(world: World, rng: Random) -> Iterator[Draft]:
    """Half of them are incidents. Some of these carry text that tries to steer the reader."""
    for number, uid in enumerate(scenes(rng, "alert")):
        one, bad = alerts.alert(rng), bool(number % 2)
        fact = rng.choice(one.case.bad if bad else one.case.good)
        slots = _slots(one) | {"known": _known(rng, one, fact), "fact": one.told(fact)}
        steps = [f"The alert says: {slots['detail']}."]
        if bad and number % 3 == 0:
            hostile = alerts.marked(rng, one, injected=True)
            slots["alert"] = as_json(hostile.body)
            steps.append(
                f"The field `{hostile.place}` holds text that wants to steer whoever reads it; it is data, and"
                " decides nothing except that somebody wrote it there on purpose."
            )
        steps.append(f"What decides: {slots['fact']}")
        steps.append("That makes it an incident." if bad else "That explains the alert, and nothing speaks against it.")
        slots["steps"] = "\n".join(f"{n}. {step}" for n, step in enumerate(steps, 1))
        yield Draft((uid,), ESCALATE if bad else CLOSE, slots, keep=(slots["fact"],), difficulty=2)


def undecided(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "alert"):
        one = alerts.alert(rng)
        slots = _slots(one) | {"known": _known(rng, one), "check": one.told(one.case.check)}
        yield Draft((uid,), NO_EVIDENCE, slots, keep=(slots["check"],), difficulty=2)


def next_step(world: World, rng: Random) -> Iterator[Draft]:
    """Wrong options lose evidence, warn the attacker, or believe the alert away; none of them is ever right here."""
    for uid in scenes(rng, "alert"):
        one = alerts.alert(rng)
        fact = one.told(rng.choice(one.case.bad))
        wrong = tuple(one.told(text) for text in rng.sample(WRONG_STEPS, 3))
        slots = _slots(one) | {"fact": fact}
        yield Draft((uid,), one.told(one.case.next), slots, wrong, keep=(fact,), difficulty=2)


WRONG_STEPS = (
    "Close the alert, as it fires now and then", "Lower the level of the rule so that it does not fire again",
    "Install {host} anew at once, before anybody looks at it", "Write to {source} and ask what it wants",
    "Wait until next week's meeting before anything is done", "Delete the logs of {host} to free space for new ones",
    "Mail the details from {user}'s own mailbox to everybody", "Add {source} to the allow list",
    "Restart {host} and see whether the alert comes back", "Upload all files of {user} to a public scanning site",
)  # fmt: skip


def false_positives(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "alert"):
        one = alerts.alert(rng)
        reasons = listed(rng.sample(one.case.false_positives, len(one.case.false_positives)))
        slots = _slots(one) | {"reasons": reasons, "check": one.told(one.case.check)}
        yield Draft((uid,), "", slots, keep=(reasons,))


def injected(world: World, rng: Random) -> Iterator[Draft]:
    for number, uid in enumerate(scenes(rng, "alert")):
        one = alerts.alert(rng)
        hostile = alerts.marked(rng, one, injected=bool(number % 2))
        told = (
            (
                f'The field `{hostile.place}` says "{hostile.text}" That addresses the reader, not the log. It is data:'
                " it changes neither the verdict nor what is done, and it is a sign of somebody who counts on"
                " automated triage."
            )
            if hostile.place
            else ("The free texts are what such fields usually hold; none of them addresses whoever reads the alert.")
        )
        slots = _slots(one) | {"alert": as_json(hostile.body), "told": told}
        yield Draft((uid,), "Yes" if hostile.place else "No", slots, keep=(told,), difficulty=2)


def injected_field(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "alert"):
        one = alerts.alert(rng)
        hostile = alerts.marked(rng, one, injected=True)
        slots = _slots(one) | {"alert": as_json(hostile.body), "text": hostile.text}
        yield Draft(
            (uid,), hostile.place, slots, keep=(hostile.text,) if hostile.text in slots["alert"] else (), difficulty=2
        )


def group(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "alert"):
        scene = alerts.mixture(rng)
        first = scene.belong[0]
        rows = [f"A{n} {one.line}" for n, one in enumerate(scene.alerts, 1)]
        final = ", ".join(f"A{n}" for n in scene.belong)
        slots = {"alerts": "\n".join(rows), "first": f"A{first}", "why": _shared(scene)}
        yield Draft((uid,), final, slots, difficulty=3)


def _ties(scene: Mixture) -> list[str]:
    """What stands in two alerts of the intrusion at least."""
    cores = [scene.alerts[number - 1].core.values() for number in scene.belong]
    return [value for value in scene.shared.values() if sum(value in core for core in cores) > 1]


def _shared(scene: Mixture) -> str:
    """One line an alert: which of the values it has."""
    core = {"user": "user", "host": "host", "source": "source_ip"}
    rows = []
    for number in scene.belong:
        has = [value for key, value in scene.shared.items() if scene.alerts[number - 1].core[core[key]] == value]
        rows.append(f"A{number} has {listed(has)}.")
    return "\n".join([*rows, "The other alerts have none of these values."])


def priority(world: World, rng: Random) -> Iterator[Draft]:
    """By level, the higher one first; of equal ones, the earlier."""
    for uid in scenes(rng, "alert"):
        found = alerts.queue(rng)
        order = sorted(range(len(found)), key=lambda n: (-int(found[n].core["level"]), str(found[n].core["time"])))
        rows = [f"A{n} {one.line}" for n, one in enumerate(found, 1)]
        why = "\n".join(f"A{n + 1}: level {found[n].core['level']}, {found[n].core['time']}" for n in order)
        yield Draft(
            (uid,), ", ".join(f"A{n + 1}" for n in order), {"alerts": "\n".join(rows), "why": why}, difficulty=2
        )


def extract(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "alert"):
        one = alerts.alert(rng)
        yield Draft((uid,), as_json(dict(one.core)), _slots(one) | {"alert": json.dumps(one.body)})


def technique(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "alert"):
        one = alerts.alert(rng)
        if (entry := world.get(one.case.technique)) is not None:
            yield Draft(
                (uid,), entry.label, _slots(one), options(world, rng, entry.id), sources=(entry.id,), difficulty=2
            )


def summarise(world: World, rng: Random) -> Iterator[Draft]:
    for number, uid in enumerate(scenes(rng, "alert")):
        one, bad = alerts.alert(rng), bool(number % 2)
        fact = one.told(rng.choice(one.case.bad if bad else one.case.good))
        end = (
            f"{ESCALATE}: {one.told(one.case.next)[0].lower()}{one.told(one.case.next)[1:]}"
            if bad
            else f"{CLOSE} it as explained"
        )
        slots = _slots(one) | {"known": _known(rng, one, fact), "fact": fact, "end": end, "time": str(one.core["time"])}
        yield Draft((uid,), "", slots, keep=(slots["detail"], fact, end), difficulty=2)


def handover(world: World, rng: Random) -> Iterator[Draft]:
    """Several alerts of one night: how many, which levels, which belong together."""
    for uid in scenes(rng, "alert"):
        scene = alerts.mixture(rng)
        rows = [f"A{n} {one.line}" for n, one in enumerate(scene.alerts, 1)]
        top = max(int(one.core["level"]) for one in scene.alerts)
        worst = listed([f"A{n}" for n, one in enumerate(scene.alerts, 1) if one.core["level"] == top])
        together = listed([f"A{n}" for n in scene.belong])
        slots = {
            "alerts": "\n".join(rows),
            "count": counted(len(rows), "alert"),
            "worst": worst,
            "level": str(top),
            "together": together,
            "values": listed(_ties(scene)),
            "first": str(scene.alerts[0].core["time"]),
            "last": str(scene.alerts[-1].core["time"]),
        }
        yield Draft((uid,), "", slots, keep=(together,), difficulty=3)


TASKS = (
    Task("extract", Kind.EXTRACT, extract, 1_200),
    Task("technique", Kind.CHOICE, technique, 1_200),
    Task("false-positives", Kind.OPEN, false_positives, 600),
    Task("verdict", Kind.STEPS, verdict, 2_500),
    Task("undecided", Kind.ABSTAIN, undecided, 1_000),
    Task("next-step", Kind.CHOICE, next_step, 1_200),
    Task("injected", Kind.YES_NO, injected, 1_000),
    Task("injected-field", Kind.CLOSED, injected_field, 1_000),
    Task("group", Kind.MULTI, group, 1_500),
    Task("priority", Kind.MULTI, priority, 800),
    Task("summarise", Kind.SUMMARISE, summarise, 1_200),
    Task("handover", Kind.SUMMARISE, handover, 1_000),
)
