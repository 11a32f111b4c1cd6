"""Rules in Wazuh's XML, of ours: their numbers are of the range for local rules. Counting rules are evaluated here.

A counting rule fires at the event that makes `frequency` events of one source address within `timeframe` seconds; the
questions say so, and nothing else of Wazuh's counting is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from random import Random
from xml.sax.saxutils import escape

from vedette.forge.scene import cast


@dataclass(frozen=True, slots=True)
class Parent:
    """A rule of Wazuh that a local one builds on."""

    takes: str  # "refused SSH passwords"
    tag: str  # element that looks at a part of the event
    value: str
    technique: str
    counts: bool  # its events have a source address


PARENTS = {
    "5716": Parent("refused SSH passwords", "<user>", "^svc_{word}$", "T1110", True),
    "5402": Parent("successful sudo commands", '<field name="command">', "/opt/{word}/", "T1548.003", False),
    "5501": Parent("opened login sessions", "<user>", "^{word}_admin$", "T1078", False),
    "31101": Parent("web requests that ended in a 4xx error", "<url>", "/{word}/backup", "T1595.003", True),
    "31100": Parent("web requests", "<url>", "/{word}/admin", "T1190", False),
    "60122": Parent(
        "failed Windows logons", '<field name="win.eventdata.targetUserName">', "^svc_{word}$", "T1110", True
    ),
    "60106": Parent(
        "successful Windows logons", '<field name="win.eventdata.targetUserName">', "^{word}_admin$", "T1078", False
    ),
}


@dataclass(frozen=True, slots=True)
class LocalRule:
    number: int
    level: int
    parent: str
    value: str
    frequency: int  # 0 of a rule on one event
    timeframe: int  # seconds
    title: str

    @property
    def technique(self) -> str:
        return PARENTS[self.parent].technique

    @property
    def field(self) -> str:
        """What its value is compared with: `user`, `url`, or a field by name."""
        tag = PARENTS[self.parent].tag
        return tag.split('"')[1] if '"' in tag else tag.strip("<>")

    @property
    def xml(self) -> str:
        counts = f' frequency="{self.frequency}" timeframe="{self.timeframe}"' if self.frequency else ""
        lines = [f'<rule id="{self.number}" level="{self.level}"{counts}>']
        if self.frequency:
            lines += [f"  <if_matched_sid>{self.parent}</if_matched_sid>", "  <same_srcip />"]
        else:
            tag = PARENTS[self.parent].tag
            end = f"</{tag.strip('<>').split(' ')[0]}>"
            lines += [f"  <if_sid>{self.parent}</if_sid>", f"  {tag}{escape(self.value)}{end}"]
        lines += [
            f"  <description>{escape(self.title)}</description>",
            "  <mitre>",
            f"    <id>{self.technique}</id>",
            "  </mitre>",
            "</rule>",
        ]
        return "\n".join(lines)

    @property
    def says(self) -> str:
        """What it asks for, without its number and level."""
        if self.frequency:
            return (
                f"{self.frequency} events of rule {self.parent} ({PARENTS[self.parent].takes}) from one source address"
                f" within {self.timeframe} seconds"
            )
        takes = PARENTS[self.parent].takes
        return f"an event of rule {self.parent} ({takes}) whose field `{self.field}` matches `{self.value}`"


def local_rule(rng: Random, counting: bool | None = None) -> LocalRule:
    counting = rng.random() < 0.5 if counting is None else counting
    number, parent = rng.choice([(n, p) for n, p in PARENTS.items() if p.counts or not counting])
    word, own, level = rng.choice(cast.WORDS), rng.randint(100_000, 119_999), rng.randint(5, 14)
    if counting:
        frequency, timeframe = rng.randint(3, 20), rng.choice([30, 60, 90, 120, 180, 300, 600])
        return LocalRule(own, level, number, "", frequency, timeframe, f"Many {parent.takes} from one address")
    return LocalRule(
        own, level, number, parent.value.replace("{word}", word), 0, 0, f"{_capital(parent.takes)}: {word}"
    )


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


@dataclass(frozen=True, slots=True)
class Series:
    """Events of a counting rule's parent, in the order of time."""

    rule: LocalRule
    events: tuple[tuple[datetime, str], ...]  # time, source address

    def fires(self) -> int:
        """Number of the event, from 1, that makes it fire first; 0 for never."""
        for number in range(1, len(self.events) + 1):
            if len(self.window(number)) >= self.rule.frequency:
                return number
        return 0

    def window(self, number: int) -> list[int]:
        """The events of the same address that count together with this one, itself included."""
        when, address = self.events[number - 1]
        return [
            n
            for n, (then, other) in enumerate(self.events[:number], 1)
            if other == address and (when - then).total_seconds() <= self.rule.timeframe
        ]

    def fullest(self) -> int:
        return max(range(1, len(self.events) + 1), key=lambda number: len(self.window(number)))


def series(rng: Random, fires: bool) -> Series:
    """Of the wished outcome."""
    while True:
        made = local_rule(rng, counting=True)
        rule = LocalRule(
            made.number, made.level, made.parent, "", rng.randint(3, 6), rng.choice([30, 60, 90, 120]), made.title
        )
        found = Series(rule, tuple(_events(rng, rule)))
        if bool(found.fires()) == fires:
            return found


def _events(rng: Random, rule: LocalRule) -> Iterator[tuple[datetime, str]]:
    addresses = cast.different(rng, rng.randint(2, 3))
    gap = rule.timeframe // rule.frequency
    times = cast.clock(rng, cast.moment(rng), max(1, gap // 6), gap)
    for _ in range(rng.randint(8, 14)):
        yield next(times), rng.choice(addresses)
