"""What is usual on this site: in how many ten-minute slots each rule was active, up to a day's end.

Slots are counted, not alerts, so that a flood cannot make itself look usual. Only the past and the
day itself are used: a day is judged with what was known when it ended.
"""

from __future__ import annotations

import math
import sqlite3
from dataclasses import dataclass

from vedette.skills.triage.signals import SLOTS_A_DAY

Rule = tuple[str, str]  # product, rule uid
Place = tuple[str, str, str]  # product, rule uid, device


@dataclass(frozen=True, slots=True)
class Baseline:
    """The site up to the end of `day`."""

    day: int
    days: int  # days with alerts so far, this one included
    slots: dict[Place, int]  # slots in which a rule was active on a device
    rule_slots: dict[Rule, int]  # the same on any device
    before: frozenset[Place]  # what had been seen before this day
    alerts: dict[Place, int]

    def rarity(self, place: Place) -> float:
        """-ln of the share of slots in which the rule was active on the device; about 0 to 7."""
        return -math.log((self.slots.get(place, 0) + 1) / (SLOTS_A_DAY * self.days + 2))

    def site_rarity(self, rule: Rule) -> float:
        """The same for the rule on any device."""
        return -math.log((self.rule_slots.get(rule, 0) + 1) / (SLOTS_A_DAY * self.days + 2))

    def is_new(self, place: Place) -> bool:
        """First seen on this day, on a site that was watched before."""
        return self.days > 1 and place not in self.before


def load(db: sqlite3.Connection, day: int) -> Baseline:
    """Reads the tables that `State.measure` fills."""
    slots: dict[Place, int] = {}
    alerts: dict[Place, int] = {}
    before = set()
    query = (
        "SELECT product, rule_uid, device, sum(slots), sum(alerts), min(day) FROM baseline "
        "WHERE day<=? GROUP BY 1, 2, 3"
    )
    for product, rule, device, active, total, first in db.execute(query, (day,)):
        place = (product, rule, device)
        slots[place], alerts[place] = active, total
        if first < day:
            before.add(place)
    query = "SELECT product, rule_uid, sum(slots) FROM rule_baseline WHERE day<=? GROUP BY 1, 2"
    rule_slots = {(product, rule): active for product, rule, active in db.execute(query, (day,))}
    days = db.execute("SELECT count(DISTINCT day) FROM baseline WHERE day<=?", (day,)).fetchone()[0]
    return Baseline(day, max(1, days), slots, rule_slots, frozenset(before), alerts)
