"""A small store that holds whatever the groups over scenes refer to, with made-up texts."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

from tests.knowledge.samples import description, put, record, unit

from vedette.forge.build import Builder, Plan, Tally
from vedette.forge.example import Example
from vedette.forge.scene import alerts, configs, hosts, network, rules, wazuh
from vedette.forge.task import Draft, tasks
from vedette.forge.tasks import configuration
from vedette.forge.world import World
from vedette.knowledge.record import (
    Kind,
    Link,
    Record,
    Rel,
    RuleFacts,
    SoftwareFacts,
    TacticFacts,
    TechniqueFacts,
    WeaknessFacts,
)
from vedette.knowledge.store import Knowledge

GROUPS = ("log", "alert", "sigma", "siem", "report", "configuration", "response")
PROCEDURES = (
    "{name} has scanned networks for open ports before it moved on.",
    "{name} has run scripts to collect the names of all users.",
    "{name} has sent mails with harmful attachments to employees.",
    "{name} has copied files to a server outside over an unusual port.",
    "{name} has deleted its traces from the machines at the end.",
    "{name} has used stolen passwords to log in to servers at night.",
)


def shown() -> set[str]:
    """Ids of techniques that scenes show."""
    found = {case.technique for case in alerts.cases().values()}
    found |= {about.technique for about in rules.detections().values()}
    found |= {parent.technique for parent in wazuh.PARENTS.values()}
    tables = (hosts.SUDO_BAD, hosts.AUDIT_BAD, hosts.SYSMON_BAD, network.WEB_BAD, network.CLOUD)
    found |= set(re.findall(r"T\d{4}(?:\.\d{3})?", str(tables)))
    return found | {"T1136.001", "T1070.001", "T1543.003", "T1053.005", "T1098", "T1071.004"}


def _techniques() -> list[Record]:
    strange = [f"T90{n:02}" for n in range(40)]
    return [
        record("TA0001", Kind.TACTIC, "First", TacticFacts("first", 0), domain="enterprise"),
        *(record(uid, Kind.TECHNIQUE, f"Way {uid[1:]}", TechniqueFacts(("first",), ("Windows",)), domain="enterprise",
                 texts=description(f"Somebody does what way {n} is about, on a machine."),
                 links=(Link(Rel.MEMBER_OF, "TA0001"),))
          for n, uid in enumerate([*sorted(shown()), *strange])),
    ]  # fmt: skip


def _actors() -> list[Record]:
    found = []
    for n in range(12):
        name = f"Actor{n:02}"
        links = tuple(Link(Rel.USES, f"T90{(n % 3) * 6 + m:02}", text=text.replace("{name}", name))
                      for m, text in enumerate(PROCEDURES))  # fmt: skip
        found.append(record(f"G90{n:02}", Kind.GROUP, name, domain="enterprise", links=links))
    # one pair of techniques that many groups share, so that it names nobody
    for n in range(12, 24):
        name = f"Actor{n:02}"
        links = tuple(
            Link(Rel.USES, uid, text=PROCEDURES[m].replace("{name}", name)) for m, uid in enumerate(("T9030", "T9031"))
        )
        found.append(record(f"G90{n:02}", Kind.GROUP, name, domain="enterprise", links=links))
    for n in range(6):
        kind = "tool" if n % 2 else "malware"
        found.append(record(f"S90{n:02}", Kind.SOFTWARE, f"Program{n}", SoftwareFacts(kind), domain="enterprise"))
    return found


def _rules() -> list[Record]:
    found = []
    for n in range(30):
        filtered = n % 5 == 0
        end = " and not filter" if filtered else ""
        told = f"condition: selection{end}\nselection: Image|endswith: \\program{n:02}.exe"
        if n % 3 == 0:
            told += f", CommandLine|contains: --switch{n:02}, --option{n:02}"
        also = (Link(Rel.DETECTS, f"T90{(n + 7) % 40:02}"),) if n % 6 == 1 else ()
        links = (
            *also,
            Link(Rel.DETECTS, f"T90{n:02}"),
            *((Link(Rel.ABOUT, f"CVE-2024-{10000 + n}"),) if n % 4 == 0 else ()),
        )
        found.append(record(f"sigma:{n:08}-2222-4333-8444-555555555555", Kind.RULE, f"Start of program {n:02}",
                            RuleFacts("high", "test", "windows", "process_creation"),
                            texts=description(f"Detects that program {n:02} is started, as in CVE-2024-{10000 + n}",
                                              detection=told, falsepositives="Administrators who use the program"),
                            links=links))  # fmt: skip
    return found


def _weaknesses() -> list[Record]:
    used = {part.cwe for kind in configs.kinds().values() for part in kind.part if part.cwe}
    ids = [*sorted(used), *(f"CWE-90{n:02}" for n in range(30))]
    return [record(uid, Kind.WEAKNESS, f"Weakness {uid[4:]}", WeaknessFacts("Base"), texts=description(f"Flaw {n}."))
            for n, uid in enumerate(ids)]  # fmt: skip


def _controls() -> list[Record]:
    used = {part.control for kind in configs.kinds().values() for part in kind.part if part.control}
    return [record(uid, Kind.CONTROL, f"Control {uid}") for uid in sorted(used | set(configuration.UNRELATED))]


def world(path: Path) -> World:
    put(path, unit("attack/enterprise", [*_techniques(), *_actors()]), unit("sigma", _rules()),
        unit("cwe/1000", _weaknesses()), unit("ctid/nist", _controls()))  # fmt: skip
    return World(Knowledge.open(path))


def built(made: World, group: str, scale: float = 0.02, seed: int = 7) -> tuple[list[Example], list[Tally]]:
    builder = Builder(made, Plan(groups=(group,), scale=scale), seed)
    return list(builder.examples()), builder.tallies


def drafts(made: World, group: str, task: str, count: int = 50, seed: int = 3) -> list[Draft]:
    found: list[Draft] = []
    make = next(one for one in tasks(group) if one.name == task).make
    for draft in make(made, Random(seed)):
        found.append(draft)
        if len(found) == count:
            break
    assert found
    return found
