"""Made-up log lines and excerpts: read, explain, count, order, find the odd one, map to techniques."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from vedette.forge.example import Kind
from vedette.forge.scene import cast, excerpt, lines
from vedette.forge.scene.cast import counted
from vedette.forge.task import Draft, Task
from vedette.forge.tasks.made import NO_EVIDENCE, as_json, options, scenes
from vedette.forge.world import World


def parse(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "log"):
        line = lines.anything(rng, cast.moment(rng))
        names = ", ".join(line.fields)
        final = as_json(dict(line.fields))
        yield Draft((uid,), final, {"line": line.text, "names": names, "source": lines.SOURCES[line.source]})


def explain(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "log"):
        line = lines.anything(rng, cast.moment(rng))
        slots = {"line": line.text, "says": line.says, "why": line.why, "source": lines.SOURCES[line.source]}
        yield Draft((uid,), "", slots, keep=(line.says,), difficulty=2 if line.technique else 1)


def source(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "log"):
        line = lines.anything(rng, cast.moment(rng))
        wrong = rng.sample([name for key, name in lines.SOURCES.items() if key != line.source], 3)
        yield Draft((uid,), lines.SOURCES[line.source], {"line": line.text, "says": line.says}, tuple(wrong))


def technique(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "log"):
        line = lines.telling(rng, cast.moment(rng))
        if (entry := world.get(line.technique)) is not None:
            slots = {"line": line.text, "says": line.says, "why": line.why}
            yield Draft((uid,), entry.label, slots, options(world, rng, entry.id), sources=(entry.id,), difficulty=2)


def suspicious(world: World, rng: Random) -> Iterator[Draft]:
    for number, uid in enumerate(scenes(rng, "log")):
        line = lines.telling(rng, cast.moment(rng)) if number % 2 else lines.harmless(rng, cast.moment(rng))
        slots = {"line": line.text, "says": line.says, "why": line.why}
        yield Draft((uid,), "Yes" if line.technique else "No", slots, keep=(line.says,), difficulty=2)


def count_failures(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "log"):
        scene = excerpt.guessing(rng)
        address = rng.choice(list(scene.failures))
        hits = [line for line in scene.lines if line.family == "sshd-failed" and line.fields["source_ip"] == address]
        steps = [f"{n}. {line.fields['time']}, user {line.fields['user']}" for n, line in enumerate(hits, 1)]
        slots = {
            "lines": scene.text,
            "address": address,
            "host": scene.host,
            "steps": "\n".join(steps),
            "count": counted(len(hits), "refused password"),
        }
        yield Draft((uid,), str(len(hits)), slots, keep=(address,), difficulty=2)


def loudest(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "log"):
        scene = excerpt.guessing(rng)
        counts = "; ".join(f"{address}: {count}" for address, count in scene.failures.most_common())
        slots = {"lines": scene.text, "host": scene.host, "counts": counts}
        yield Draft((uid,), scene.attacker, slots, keep=(counts,), difficulty=2)


def entered(world: World, rng: Random) -> Iterator[Draft]:
    """Half of the series end with a login that works; others' logins stand in all of them."""
    for number, uid in enumerate(scenes(rng, "log")):
        scene = excerpt.guessing(rng, entered=bool(number % 2))
        failed = counted(scene.failures[scene.attacker], "refused password")
        if scene.entered:
            why = f"After {failed}, {scene.lines[-1].fields['time']} shows a login of {scene.entered} from there."
        else:
            why = f"There are {failed} from that address and no accepted login; accepted ones come from elsewhere."
        slots = {"lines": scene.text, "address": scene.attacker, "host": scene.host, "why": why}
        yield Draft((uid,), "Yes" if scene.entered else "No", slots, keep=(why,), difficulty=2)


def order(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "log"):
        scene = excerpt.sequence(rng)
        steps = [f"{scene.shown[n - 1].fields['time']} (line {n}): {scene.shown[n - 1].says}" for n in scene.order]
        final = ", ".join(map(str, scene.order))
        slots = {"lines": excerpt.numbered([line.text for line in scene.shown]), "steps": "\n".join(steps)}
        yield Draft((uid,), final, slots, difficulty=2)


def odd(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "log"):
        scene = excerpt.odd(rng)
        slots = {"lines": scene.text, "says": scene.line.says, "why": scene.line.why, "number": str(scene.place)}
        yield Draft((uid,), str(scene.place), slots, keep=(scene.line.says,), difficulty=2)


def summarise(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "log"):
        scene = excerpt.guessing(rng)
        first, last = scene.lines[0].fields["time"], scene.lines[-1].fields["time"]
        counts = "; ".join(f"{address}: {count}" for address, count in scene.failures.most_common())
        if scene.entered:
            end = (
                f"At {last}, {scene.entered} logged in from {scene.attacker}: the account has to be treated as"
                " compromised until its owner confirms the login."
            )
        else:
            end = f"No login from {scene.attacker} was accepted in these lines."
        total = sum(scene.failures.values())
        slots = {
            "lines": scene.text,
            "host": scene.host,
            "first": str(first),
            "last": str(last),
            "end": end,
            "counts": counts,
            "total": counted(total, "password"),
            "attacker": scene.attacker,
        }
        yield Draft((uid,), "", slots, keep=(counts, end), difficulty=2)


UNKNOWN = (
    ("sshd-failed", "Which password did the client try?", "OpenSSH never writes the password to its log"),
    ("sshd-failed", "Which person sat behind this attempt?", "the line has an account name and an address, no person"),
    ("sshd-accepted", "Which files did the user read after this login?", "the line ends with the login"),
    ("sudo", "What did the command print?", "sudo's line holds the command, not its output"),
    ("firewall", "Which file was sent over this connection?", "the line is about one packet's header, not content"),
    ("mail", "What was the subject of the message?", "Postfix's line has sender, recipient, size and status"),
    ("mail", "Did the recipient open the attachment?", "the line is about delivery, not about what is done later"),
    ("dns", "Which address did the server answer with?", "the query log has the question, not the answer"),
    ("dns", "Which process on the client asked for this name?", "the query log knows the client's address only"),
    ("web", "Which data did the server send back?", "the access log has a status and a size, not the content"),
    ("vpn", "Which internal servers did the user reach?", "the line is about authentication at the VPN only"),
    ("cloud", "Did the caller use a stolen credential?", "the event names the account and the address, not the person"),
    ("windows-4624", "Which documents were opened in this session?", "a logon event does not follow the session"),
    ("windows-4625", "What password was typed?", "event 4625 has a status code, not the password"),
    ("auditd", "What did the program write to its output?", "an EXECVE record has the arguments, not the output"),
)


def unknown(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "log"):
        line = lines.anything(rng, cast.moment(rng))
        asked = [(question, why) for family, question, why in UNKNOWN if family == line.family]
        if asked:
            question, why = rng.choice(asked)
            slots = {"line": line.text, "question": question, "why": why, "says": line.says}
            yield Draft((uid,), NO_EVIDENCE, slots, keep=(why,))


TASKS = (
    Task("parse", Kind.EXTRACT, parse, 2_500),
    Task("source", Kind.CHOICE, source, 800),
    Task("explain", Kind.OPEN, explain, 2_500),
    Task("technique", Kind.CHOICE, technique, 2_000),
    Task("suspicious", Kind.YES_NO, suspicious, 2_000),
    Task("count-failures", Kind.STEPS, count_failures, 1_200),
    Task("loudest", Kind.CLOSED, loudest, 1_000),
    Task("entered", Kind.YES_NO, entered, 1_200),
    Task("order", Kind.MULTI, order, 1_000),
    Task("odd", Kind.CLOSED, odd, 1_500),
    Task("summarise", Kind.SUMMARISE, summarise, 1_200),
    Task("unknown", Kind.ABSTAIN, unknown, 1_000),
)
