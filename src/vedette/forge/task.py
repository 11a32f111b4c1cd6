"""A task makes drafts out of what is known; templates of ours give them words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from random import Random

from vedette.forge.example import Kind
from vedette.forge.world import World

GROUPS = (
    "attack_technique",
    "attack_procedure",
    "attack_detection",
    "attack_data",
    "attack_mitigation",
    "attack_software",
    "attack_group",
    "attack_campaign",
    "cwe",
    "cwe_hierarchy",
    "capec",
    "cve_weakness",
    "cve_cvss",
    "cve_exploitation",
    "advisory",
    "d3fend",
    "nist",
    "paths",
    "log",
    "alert",
    "sigma",
    "siem",
    "report",
    "configuration",
    "response",
)  # modules of `forge.tasks`, in the order of the curriculum


@dataclass(frozen=True, slots=True)
class Draft:
    """An example without its words."""

    objects: tuple[str, ...]  # what it is about; the first one is the subject
    final: str  # the exact answer; "" where prose is asked for; of a choice: the right option
    slots: Mapping[str, str] = field(default_factory=dict)  # what the templates put in
    wrong: tuple[str, ...] = ()  # of a choice: the wrong options
    keep: tuple[str, ...] = ()  # what the answer has to hold besides `final`
    sources: tuple[str, ...] = ()  # ids of records that it was made from besides `objects`
    difficulty: int = 1


@dataclass(frozen=True, slots=True)
class Task:
    """`make` gives drafts in an order of its own choice until it has no more; it is asked for `cap` of them at most.

    All chance is the `Random` that it is given, so that a seed gives the same drafts.
    """

    name: str  # within its group; its templates are found by it
    kind: Kind
    make: Callable[[World, Random], Iterator[Draft]]
    cap: int = 2_000


def tasks(group: str) -> tuple[Task, ...]:
    """Of the module `forge.tasks.<group>`, whose `TASKS` they are."""
    found: tuple[Task, ...] = import_module(f"vedette.forge.tasks.{group}").TASKS
    return found
