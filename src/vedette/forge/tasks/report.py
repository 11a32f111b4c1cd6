"""Paragraphs of threat reports: procedures of the store, invented indicators, actors and victims."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from vedette.forge.example import Kind
from vedette.forge.scene import cast, reports
from vedette.forge.scene.cast import counted, listed
from vedette.forge.task import Draft, Task
from vedette.forge.tasks.made import NO_EVIDENCE, as_json, scenes
from vedette.forge.tasks.shared import flat, joined
from vedette.forge.world import Entry, World
from vedette.knowledge.record import Kind as Entity
from vedette.knowledge.record import Rel, SoftwareFacts

WHO = {Entity.GROUP: "group", Entity.SOFTWARE: "software", Entity.CAMPAIGN: "campaign"}


@dataclass(frozen=True, slots=True)
class Paragraph:
    about: Entry
    sentences: tuple[str, ...]
    techniques: tuple[Entry, ...]  # one a sentence, each once

    @property
    def text(self) -> str:
        return " ".join(self.sentences)

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(technique.id for technique in self.techniques)


def _paragraphs(world: World, rng: Random, least: int = 2, most: int = 5, rounds: int = 4) -> Iterator[Paragraph]:
    """Procedures of one group, software or campaign. Every entity comes before any of them comes again."""
    about = [entry for kind in WHO for entry in world.of(kind)]
    left: dict[str, list[tuple[str, str]]] = {}
    for entry in about:
        told = [
            (tie.other, flat(tie.text)) for tie in world.out(entry.id, Rel.USES, Entity.TECHNIQUE) if _fit(tie.text)
        ]
        often = Counter(text for _, text in told)
        rng.shuffle(told)
        left[entry.id] = [(uid, text) for uid, text in told if often[text] == 1]  # else two techniques rest on it
    for _ in range(rounds):
        rng.shuffle(about)
        for entry in about:
            count = rng.randint(least, most)
            taken, left[entry.id] = left[entry.id][:count], left[entry.id][count:]
            if len(taken) >= least:
                yield Paragraph(entry, tuple(text for _, text in taken), tuple(world.entries[uid] for uid, _ in taken))


def _fit(text: str) -> bool:
    return 30 < len(text) < 500 and text.rstrip()[-1] in ".\"')"


def techniques(world: World, rng: Random) -> Iterator[Draft]:
    for one in _paragraphs(world, rng):
        final = joined(t.label for t in one.techniques)
        steps = "\n".join(
            f"{n}. {t.label}: {s}" for n, (t, s) in enumerate(zip(one.techniques, one.sentences, strict=True), 1)
        )
        yield Draft(
            (one.about.id,),
            final,
            {"text": one.text, "steps": steps, "name": one.about.name},
            sources=one.ids,
            difficulty=3,
        )


def sentence(world: World, rng: Random) -> Iterator[Draft]:
    """Which sentence describes a technique: its number."""
    for one in _paragraphs(world, rng, 3):
        place = rng.randrange(len(one.sentences))
        told = "\n".join(f"[{n}] {text}" for n, text in enumerate(one.sentences, 1))
        asked = one.techniques[place]
        slots = {"text": told, "technique": asked.label, "quote": one.sentences[place], "number": str(place + 1)}
        others = [text for text in one.sentences if text is not one.sentences[place]]
        if not _kin(asked, [t for t in one.techniques if t is not asked]) and not _hinted(asked.name, others):
            yield Draft(
                (one.about.id,), str(place + 1), slots, keep=(one.sentences[place],), sources=(asked.id,), difficulty=2
            )


def _hinted(name: str, sentences: Sequence[str]) -> bool:
    """A word of the technique's name stands in one of the sentences, so that it might be meant as well."""
    told = " ".join(sentences).casefold()
    return any(word[:5] in told for word in re.findall(r"[a-z]{4,}", name.casefold()))


def _kin(one: Entry, others: Sequence[Entry]) -> bool:
    root = one.id.partition(".")[0]
    return any(other.id.partition(".")[0] == root for other in others)


def absent(world: World, rng: Random) -> Iterator[Draft]:
    """The right option is near one that is described, but of none of their families, and not used by the entity."""
    for one in _paragraphs(world, rng, 3, 3):
        used = {tie.other for tie in world.out(one.about.id, Rel.USES)}
        near = world.near(rng.choice(one.techniques).id, rng, 12, besides=tuple(used))
        fit = [entry for entry in near if not _kin(entry, [world.entries[uid] for uid in used if uid in world.entries])]
        if fit:
            wrong = tuple(t.label for t in one.techniques)
            yield Draft(
                (one.about.id,),
                fit[0].label,
                {"text": one.text, "described": listed(wrong)},
                wrong,
                sources=(*one.ids, fit[0].id),
                difficulty=3,
            )


def summarise(world: World, rng: Random) -> Iterator[Draft]:
    for one in _paragraphs(world, rng, 3):
        tactics = joined(
            world.entries[tie.other].name
            for t in one.techniques
            for tie in world.out(t.id, Rel.MEMBER_OF, Entity.TACTIC)
        )
        labels = listed([t.label for t in one.techniques])
        slots = {
            "text": one.text,
            "name": one.about.label,
            "who": WHO[one.about.kind],
            "techniques": labels,
            "tactics": tactics,
            "count": counted(len(one.techniques), "technique"),
        }
        yield Draft((one.about.id,), "", slots, keep=(labels,), sources=one.ids, difficulty=2)


MANY = 8  # groups that share a technique, so that it tells nothing about who it was


def nobody(world: World, rng: Random) -> Iterator[Draft]:
    """Two common techniques do not say who it was."""
    for one in _paragraphs(world, rng, 2, 2, rounds=20):
        if one.about.kind is not Entity.GROUP:
            continue
        counts = [len(world.into(uid, Rel.USES, Entity.GROUP)) for uid in one.ids]
        texts = [_unnamed(text, one.about) for text in one.sentences]
        if min(counts) >= MANY and all(texts):
            told = listed([f"{count} groups for {t.label}" for count, t in zip(counts, one.techniques, strict=True)])
            yield Draft(
                (one.about.id,),
                NO_EVIDENCE,
                {"text": " ".join(texts), "counts": told},
                keep=(told,),
                sources=one.ids,
                difficulty=3,
            )


COMMON = re.compile(
    r"(?:Windows|Power[Ss]hell|HTTPS?|Registry|C2|RDP|SMB|Microsoft|Office|VBA|Excel|Word|Linux|DNS|USB|DLLs?|"
    r"Outlook|Active|Directory|WMI|Base64|Run|Startup|VPNs?|SSH|FTP|RAR|ZIP|LSASS|Task|Scheduled|PDF|LNK|XOR|"
    r"AES|Visual|Basic|Exchange|API|JavaScript|VBScript|Python|PsExec|Net|Cobalt|Strike|Mimikatz|7-?[Zz]ip|"
    r"Remote|Desktop|Protocol|Internet|Explorer|Chrome|Google|IP)\W*"
)


def _unnamed(text: str, entry: Entry) -> str:
    """ "" where something else may still give the group away: an uncommon name, in capitals or with a digit."""
    told = text.replace(f"{entry.name}'s", "the attackers'").replace(entry.name, "the attackers")
    told = told.replace("the attackers has ", "the attackers have ").replace(
        "the attackers was ", "the attackers were "
    )
    strange = [word for word in told.split()[1:] if word[0].isupper() or any(c.isdigit() for c in word)]
    if told == text or not all(COMMON.fullmatch(word) for word in strange):
        return ""
    return f"{told[0].upper()}{told[1:]}"


def indicators(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "report"):
        found = reports.indicators(rng)
        yield Draft((uid,), as_json(found.lists()), {"text": reports.told(rng, found, cast.inside(rng))}, difficulty=2)


def refang(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "report"):
        found = [value for values in reports.indicators(rng).lists().values() for value in values]
        rng.shuffle(found)
        yield Draft((uid,), as_json(found), {"list": "\n".join(reports.defanged(rng, value) for value in found)})


def pattern(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "report"):
        found = [(key, value) for key, values in reports.indicators(rng).lists().items() for value in values]
        key, value = rng.choice(found)
        slots = {"value": reports.defanged(rng, value), "kind": KINDS[key][0], "plain": value}
        yield Draft((uid,), _pattern(key, value), slots)


KINDS = {
    "ipv4": ("IPv4 address", "ipv4-addr:value"),
    "domains": ("domain", "domain-name:value"),
    "urls": ("URL", "url:value"),
    "emails": ("sender address", "email-addr:value"),
    "sha256": ("SHA-256 of a file", "file:hashes.'SHA-256'"),
}


def _pattern(key: str, value: str) -> str:
    return f"[{KINDS[key][1]} = '{value}']"


def stix(world: World, rng: Random) -> Iterator[Draft]:
    """Ids and times are given, since nobody can guess them; the order is given, too."""
    software = [
        e
        for e in world.of(Entity.SOFTWARE, "enterprise")
        if isinstance(e.facts, SoftwareFacts) and e.facts.type == "malware"
    ]
    for uid in scenes(rng, "report") if software else ():
        malware, actor, found = rng.choice(software), reports.cluster(rng), reports.indicators(rng)
        values = [(key, value) for key, texts in found.lists().items() for value in texts][:3]
        ids, when = (
            [reports.uuid(rng) for _ in range(len(values) + 3)],
            cast.iso(cast.moment(rng)).replace("Z", ".000Z"),
        )
        told = " ".join(
            f"The {KINDS[key][0]} {reports.defanged(rng, value)} shows that it is there." for key, value in values
        )
        slots = {"text": f"{actor} was seen with {malware.name}. {told}", "ids": "\n".join(ids), "when": when}
        yield Draft((uid, malware.id), as_json(_objects(actor, malware.name, values, ids, when)), slots, difficulty=3)


def _objects(
    actor: str, malware: str, values: Sequence[tuple[str, str]], ids: Sequence[str], when: str
) -> list[dict[str, Any]]:
    def made(kind: str, number: int, **more: object) -> dict[str, Any]:
        return {
            "type": kind,
            "spec_version": "2.1",
            "id": f"{kind}--{ids[number]}",
            "created": when,
            "modified": when,
            **more,
        }

    objects = [made("intrusion-set", 0, name=actor), made("malware", 1, name=malware, is_family=True)]
    objects.append(
        made("relationship", 2, relationship_type="uses", source_ref=objects[0]["id"], target_ref=objects[1]["id"])
    )
    for number, (key, value) in enumerate(values, 3):
        objects.append(made("indicator", number, pattern=_pattern(key, value), pattern_type="stix", valid_from=when))
    return objects


def entities(world: World, rng: Random) -> Iterator[Draft]:
    software = [e for e in world.of(Entity.SOFTWARE, "enterprise") if isinstance(e.facts, SoftwareFacts)]
    kinds = {
        kind: [e for e in software if isinstance(e.facts, SoftwareFacts) and e.facts.type == kind]
        for kind in ("malware", "tool")
    }
    for uid in scenes(rng, "report") if all(kinds.values()) else ():
        actor, victims = reports.cluster(rng), rng.sample(list(reports.SECTORS), rng.randint(1, 3))
        malware = rng.sample(kinds["malware"], min(rng.randint(1, 2), len(kinds["malware"])))
        tools = rng.sample(kinds["tool"], min(rng.randint(0, 2), len(kinds["tool"])))
        found = {
            "actor": actor,
            "victims": victims,
            "sectors": list(dict.fromkeys(reports.SECTORS[v] for v in victims)),
            "malware": [e.name for e in malware],
            "tools": [e.name for e in tools],
        }
        yield Draft(
            (uid, *(e.id for e in (*malware, *tools))), as_json(found), {"text": _told(rng, found)}, difficulty=2
        )


NAMED = ("We attribute the activity to", "The cluster is tracked as", "The actor is called")
PUT = ("deployed", "installed", "left behind")


def _told(rng: Random, found: dict[str, Any]) -> str:
    who = listed([f"{victim} ({reports.SECTORS[victim]})" for victim in found["victims"]])
    told = [
        f"{rng.choice(NAMED)} {found['actor']}.",
        f"{'Victims were' if len(found['victims']) > 1 else 'The victim was'} {who}.",
        f"{found['actor']} {rng.choice(PUT)} the malware {listed(found['malware'])}.",
    ]
    if found["tools"]:
        told.append(
            f"{rng.choice(['It also used the public', 'Besides, it relied on the publicly known'])}"
            f" {'tool' if len(found['tools']) == 1 else 'tools'} {listed(found['tools'])}."
        )
    told.append(
        rng.choice(["The work began in spring.", "The report was shared with partners.", "The investigation goes on."])
    )
    return " ".join(told)


def timeline(world: World, rng: Random) -> Iterator[Draft]:
    for uid in scenes(rng, "report"):
        found = reports.dated_events(rng)
        mixed = rng.sample(found, len(found))
        told = " ".join(f"On {reports.spelt(rng, day)}, {event}." for day, event in mixed)
        yield Draft(
            (uid,),
            as_json([{"date": day.isoformat(), "event": event} for day, event in found]),
            {"text": told, "victim": rng.choice(list(reports.SECTORS))},
            difficulty=2,
        )


def between(world: World, rng: Random) -> Iterator[Draft]:
    """Days between two events."""
    for uid in scenes(rng, "report"):
        found = reports.dated_events(rng)
        (start, first), (end, second) = sorted(rng.sample(found, 2))
        told = " ".join(f"On {reports.spelt(rng, day)}, {event}." for day, event in rng.sample(found, len(found)))
        days = str((end - start).days)
        slots = {
            "text": told,
            "first": first,
            "second": second,
            "start": start.isoformat(),
            "end": end.isoformat(),
            "days": days,
        }
        yield Draft((uid,), days, slots, difficulty=2)


TASKS = (
    Task("refang", Kind.EXTRACT, refang, 1_000),
    Task("indicators", Kind.EXTRACT, indicators, 2_500),
    Task("pattern", Kind.CLOSED, pattern, 1_000),
    Task("entities", Kind.EXTRACT, entities, 2_000),
    Task("timeline", Kind.EXTRACT, timeline, 1_200),
    Task("between", Kind.STEPS, between, 800),
    Task("techniques", Kind.MULTI, techniques, 4_000),
    Task("sentence", Kind.CLOSED, sentence, 2_000),
    Task("absent", Kind.CHOICE, absent, 2_000),
    Task("summarise", Kind.SUMMARISE, summarise, 2_000),
    Task("stix", Kind.EXTRACT, stix, 1_500),
    Task("nobody", Kind.ABSTAIN, nobody, 800),
)
