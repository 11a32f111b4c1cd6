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

PARENTS = {  # rule of Wazuh that a local one builds on: what it takes
    "5716": "refused SSH passwords", "5402": "sudo to root that worked", "5501": "opened login sessions",
    "31101": "web requests with an error of the 400 range", "31108": "web requests that worked",
    "60122": "failed Windows logons", "60106": "Windows logons that worked",
}  # fmt: skip
FIELDS = {"5716": ("user", "dstuser"), "5402": ("command", "command"), "5501": ("user", "dstuser"),
          "31101": ("url", "url"), "31108": ("url", "url"), "60122": ("user", "win.eventdata.targetUserName"),
          "60106": ("user", "win.eventdata.targetUserName")}  # fmt: skip
TECHNIQUES = {"5716": "T1110", "5402": "T1548.003", "5501": "T1078", "31101": "T1595.003", "31108": "T1190",
              "60122": "T1110", "60106": "T1078"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class LocalRule:
    number: int
    level: int
    parent: str
    field: str  # "" of a counting rule
    value: str
    frequency: int  # 0 of a rule on one event
    timeframe: int  # seconds
    title: str

    @property
    def technique(self) -> str:
        return TECHNIQUES[self.parent]

    @property
    def xml(self) -> str:
        counts = f' frequency="{self.frequency}" timeframe="{self.timeframe}"' if self.frequency else ""
        lines = [f'<rule id="{self.number}" level="{self.level}"{counts}>']
        if self.frequency:
            lines += [f"  <if_matched_sid>{self.parent}</if_matched_sid>", "  <same_source_ip />"]
        else:
            lines += [f"  <if_sid>{self.parent}</if_sid>", f'  <field name="{self.field}">{escape(self.value)}</field>']
        lines += [f"  <description>{escape(self.title)}</description>", "  <mitre>", f"    <id>{self.technique}</id>",
                  "  </mitre>", "</rule>"]  # fmt: skip
        return "\n".join(lines)

    @property
    def says(self) -> str:
        """What it asks for, without its number and level."""
        if self.frequency:
            return (f"{self.frequency} events of rule {self.parent} ({PARENTS[self.parent]}) from one source address"
                    f" within {self.timeframe} seconds")  # fmt: skip
        return f"an event of rule {self.parent} ({PARENTS[self.parent]}) whose field `{self.field}` matches `{self.value}`"


def local_rule(rng: Random, counting: bool | None = None) -> LocalRule:
    counting = rng.random() < 0.5 if counting is None else counting
    parent = rng.choice(list(PARENTS))
    what, field = FIELDS[parent]
    word = rng.choice(cast.WORDS)
    value = {"user": f"^svc_{word}$", "command": f"/opt/{word}/", "url": f"/{word}/admin"}[what]
    number, level = rng.randint(100_000, 119_999), rng.randint(5, 14)
    if counting:
        frequency, timeframe = rng.randint(3, 20), rng.choice([30, 60, 90, 120, 180, 300, 600])
        return LocalRule(number, level, parent, "", "", frequency, timeframe, f"Many {PARENTS[parent]} from one address")
    return LocalRule(number, level, parent, field, value, 0, 0, f"{_capital(PARENTS[parent])}: {what} of {word}")


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


@dataclass(frozen=True, slots=True)
class Series:
    """Events of a counting rule's parent, in the order of time."""

    rule: LocalRule
    events: tuple[tuple[datetime, str], ...]  # time, source address

    def fires(self) -> int:
        """Number of the event, from 1, that makes it fire first; 0 for never."""
        for number, (when, address) in enumerate(self.events, 1):
            if len(self.window(number)) >= self.rule.frequency:
                return number
        return 0

    def window(self, number: int) -> list[int]:
        """The events of the same address that count together with this one, itself included."""
        when, address = self.events[number - 1]
        return [n for n, (then, other) in enumerate(self.events[:number], 1)
                if other == address and (when - then).total_seconds() <= self.rule.timeframe]  # fmt: skip

    def fullest(self) -> int:
        return max(range(1, len(self.events) + 1), key=lambda number: len(self.window(number)))


def series(rng: Random, fires: bool) -> Series:
    """Of the wished outcome."""
    while True:
        made = local_rule(rng, counting=True)
        rule = LocalRule(made.number, made.level, made.parent, "", "", rng.randint(3, 6), rng.choice([30, 60, 90, 120]),
                         made.title)  # fmt: skip
        found = Series(rule, tuple(_events(rng, rule)))
        if bool(found.fires()) == fires:
            return found


def _events(rng: Random, rule: LocalRule) -> Iterator[tuple[datetime, str]]:
    addresses = cast.different(rng, rng.randint(2, 3))
    gap = rule.timeframe // rule.frequency
    times = cast.clock(rng, cast.moment(rng), max(1, gap // 6), gap)
    for _ in range(rng.randint(8, 14)):
        yield next(times), rng.choice(addresses)
