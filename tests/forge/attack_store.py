"""A small ATT&CK: fifty techniques, those who use them, what helps and what shows them. All texts are made up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.knowledge import samples

from vedette.forge.world import World
from vedette.knowledge.record import (
    ActorFacts,
    AnalyticFacts,
    CountermeasureFacts,
    Kind,
    Link,
    LogSource,
    Record,
    Rel,
    SoftwareFacts,
    TacticFacts,
    TechniqueFacts,
)
from vedette.knowledge.store import Knowledge

TACTICS = ("Entry", "Running", "Staying", "Leaving")
AREAS = ("Kernel", "Mailbox", "Printer", "Browser", "Router", "Camera", "Database", "Firmware", "Container", "Ledger")
WAYS = ("", "Swap", "Spray", "Relay", "Flood")  # "" is the parent
EVENTS = ("EventCode=1", "EventCode=2", "EventCode=3")


def technique_id(place: int) -> str:
    area, way = divmod(place, len(WAYS))
    return f"T10{area:02}" + (f".00{way}" if way else "")


COMMON = ("T1009", "T1008.002")  # of every group
ALL = tuple(technique_id(place) for place in range(len(AREAS) * len(WAYS)))


def _links(first: int, count: int, name: str) -> Iterator[Link]:
    """To every third technique from a place on."""
    for turn in range(count):
        place = (first + turn * 3) % len(ALL)
        way = WAYS[place % len(WAYS)].lower()
        text = f"{name} has run step {first}-{turn} on hosts" + (f" by {way}." if way and turn else ".")
        yield Link(Rel.USES, ALL[place], text=text)


def _techniques() -> Iterator[Record]:
    for place, uid in enumerate(ALL):
        area, way = divmod(place, len(WAYS))
        name = f"{AREAS[area]} {WAYS[way]}" if way else f"{AREAS[area]} Abuse"
        own = {area % 4, (area + way) % 4} if way % 2 == 0 else {area % 4}
        platforms = ("Linux", "Windows") if not way else ("Linux",) if way % 2 else ("Windows",)
        yield samples.record(
            uid,
            Kind.TECHNIQUE,
            name,
            TechniqueFacts((), platforms),
            domain="enterprise",
            texts=samples.description(f"Adversaries may use {name.lower()} to reach goal {place}. It hides."),
            links=(
                *((Link(Rel.CHILD_OF, ALL[area * len(WAYS)]),) if way else ()),
                *(Link(Rel.MEMBER_OF, f"TA000{n}") for n in sorted(own)),
                Link(Rel.TOUCHES, "d3f:Script", "modifies"),
            ),
        )


def _users() -> Iterator[Record]:
    for n in range(12):
        name = f"Quiet Heron {n}"
        tools = tuple(
            Link(Rel.USES, f"S000{tool}", text=f"{name} has used tool {tool}.") for tool in {n % 4, (n + n // 4) % 4, 4}
        )
        common = (Link(Rel.USES, uid, text=f"{name} has met {uid[-3:]} often.") for uid in COMMON)
        yield samples.record(
            f"G00{n:02}",
            Kind.GROUP,
            name,
            domain="enterprise",
            aliases=(f"Team {n}{n}",),
            texts=samples.description(f"{name} is a patient threat group, known for long winters since 20{10 + n}."),
            links=(*_links(n * 2, 8, name), *common, *tools),
        )
    for n in range(9):
        name, kind = f"Rusty Kettle {n}", "tool" if n % 3 == 0 else "malware"
        yield samples.record(
            f"S000{n}",
            Kind.SOFTWARE,
            name,
            SoftwareFacts(kind, ("Windows",) if n % 2 else ("Linux", "Windows")),
            domain="enterprise",
            aliases=(f"Kettle-{n}{n}",),
            texts=samples.description(f"{name} is a small {kind} sold on forums since 20{10 + n}. It boils."),
            links=tuple(_links(40 + n * 2, 4, name)),
        )
    for n in range(6):
        name, year = f"Operation Lamp {n}", n * 5 % 6
        yield samples.record(
            f"C000{n}",
            Kind.CAMPAIGN,
            name,
            ActorFacts(first_seen=f"201{year}-01-01", last_seen=f"201{year + 1}-06-01"),
            domain="enterprise",
            texts=samples.description(f"{name} was a campaign against lighthouses and harbours in 201{year}."),
            links=(
                *_links(n * 2 + 12, 7, name),
                Link(Rel.USES, "S0004"),
                *((Link(Rel.ATTRIBUTED_TO, f"G00{n:02}"),) if n % 2 else ()),
            ),
        )


def _mitigations() -> Iterator[Record]:
    for n in range(7):
        helped = [
            uid
            for place, uid in enumerate(ALL[:-5])
            if (place % 7 != 3 if n == 6 else place % 7 == n or place % 5 == n)
        ]
        yield samples.record(
            f"M100{n}",
            Kind.MITIGATION,
            f"Shutter {n}",
            domain="enterprise",
            texts=samples.description(f"Shutter {n} is a measure that closes part {n} of the house. Try it."),
            links=(
                *(Link(Rel.MITIGATES, uid, text=f"Close part {n} before {uid} can happen.") for uid in helped),
                Link(Rel.MAPS_TO, "D3-SEA"),
            ),
        )
    yield samples.record(
        "M1055",
        Kind.MITIGATION,
        "Do Not Mitigate",
        domain="enterprise",
        texts=samples.description("Nothing helps."),
        links=(Link(Rel.MITIGATES, ALL[-1], text="Nothing helps."),),
    )


def _detections() -> Iterator[Record]:
    for n in range(9):
        yield samples.record(
            f"DC000{n}",
            Kind.DATA_COMPONENT,
            f"Gauge {n}",
            domain="enterprise",
            texts=samples.description(f"Readings of gauge {n}, taken each minute in room {n}."),
        )
    for place, uid in enumerate(ALL):
        yield samples.record(
            f"DET{place:04}", Kind.DETECTION, f"Watch {place}", domain="enterprise", links=(Link(Rel.DETECTS, uid),)
        )
        for turn, platform in enumerate(("Linux", "Windows") if place % 3 else ("Linux",)):
            first, second = (place + turn) % 6, (place + turn + 3 + place % 3) % 6
            goal = place // 2 if place > 45 else place  # as in ATT&CK, some texts stand under two techniques
            logs = (
                LogSource(f"DC000{first}", f"{platform}:Log{first}", EVENTS[place % 3]),
                LogSource(f"DC000{second}", f"{platform}:Common", f"line of kind {place % 10}"),
            )
            yield samples.record(
                f"AN{place * 2 + turn:04}",
                Kind.ANALYTIC,
                f"Analytic {place * 2 + turn:04}",
                AnalyticFacts((platform,), logs),
                domain="enterprise",
                texts=samples.description(
                    f"Finds goal {goal} on {platform}. Looks twice.",
                    tuning=f"Window{place}: How long to wait.",
                ),
                links=(Link(Rel.MEMBER_OF, f"DET{place:04}"), *(Link(Rel.OBSERVES, log.component) for log in logs)),
            )


def _others() -> dict[str, list[Record]]:
    return {
        "d3fend": [
            samples.record("D3-SEA", Kind.COUNTERMEASURE, "Script Execution Analysis", CountermeasureFacts("Detect")),
            samples.record("d3f:Script", Kind.ARTIFACT, "Script"),
            samples.record("DS0001", Kind.DATA_SOURCE, "Script", links=(Link(Rel.MAPS_TO, "d3f:Script", "exactly"),)),
        ]
    }


def records() -> list[Record]:
    tactics = [
        samples.record(f"TA000{n}", Kind.TACTIC, name, TacticFacts(name.lower(), n), domain="enterprise")
        for n, name in enumerate(TACTICS)
    ]
    return [*tactics, *_techniques(), *_users(), *_mitigations(), *_detections()]


def world(path: Path) -> World:
    others = [samples.unit(name, found) for name, found in _others().items()]
    samples.put(path, samples.unit("attack/enterprise", records()), *others)
    return World(Knowledge.open(path))
