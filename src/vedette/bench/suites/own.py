"""Questions made from the links of the knowledge store: what a model knows of ATT&CK, CWE, CAPEC, Sigma and controls.

One right option and three that are right for related entries: a blind guess gets a quarter, and knowing the field in
general little more. The same store gives the same questions; links are facts, so nothing of anybody's prose is needed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from zlib import crc32

from vedette.bench.items import Item, Kind
from vedette.bench.suites import own_sentences
from vedette.bench.suites.prompts import asked
from vedette.knowledge.record import Kind as Entry
from vedette.knowledge.record import Rel
from vedette.knowledge.store import Knowledge

LETTERS = "ABCD"
MOST = 500  # questions of a task
IMPACTS = (  # CWE's list of technical impacts, without those that say little
    "Alter Execution Logic", "Bypass Protection Mechanism", "DoS: Amplification", "DoS: Crash, Exit, or Restart",
    "DoS: Instability", "DoS: Resource Consumption (CPU)", "DoS: Resource Consumption (Memory)",
    "Execute Unauthorized Code or Commands", "Gain Privileges or Assume Identity", "Hide Activities",
    "Modify Application Data", "Modify Files or Directories", "Modify Memory", "Read Application Data",
    "Read Files or Directories", "Read Memory",
)  # fmt: skip
_IMPACT = re.compile("|".join(map(re.escape, IMPACTS)))

Pairs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Task:
    question: str
    pairs: Callable[[Knowledge], Pairs]  # who is asked about, and a right answer
    by_name: bool = False  # who is asked about has no id that anybody knows


def linked(rel: Rel, subject: Entry, answer: Entry) -> Callable[[Knowledge], Pairs]:
    def pairs(store: Knowledge) -> Pairs:
        sql = """SELECT DISTINCT r.id, l.target FROM link l JOIN record r ON r.number = l.record
                 JOIN record t ON t.id = l.target WHERE l.rel = ? AND r.kind = ? AND t.kind = ?
                 AND r.status = 'active' AND t.status = 'active' ORDER BY 1, 2"""
        return store.db.execute(sql, (rel, subject, answer)).fetchall()

    return pairs


def turned(rel: Rel, answer: Entry, subject: Entry) -> Callable[[Knowledge], Pairs]:
    """Of links that lead from the answer to who is asked about."""
    pairs = linked(rel, answer, subject)
    return lambda store: [(b, a) for a, b in pairs(store)]


def components(store: Knowledge) -> Pairs:
    """Technique ← strategy that detects it ← its analytics → what they observe. The strategies' names give it away."""
    sql = """SELECT DISTINCT t.id, c.id FROM link d
             JOIN record s ON s.number = d.record JOIN record t ON t.id = d.target
             JOIN link m ON m.target = s.id JOIN record a ON a.number = m.record
             JOIN link o ON o.record = a.number JOIN record c ON c.id = o.target
             WHERE d.rel = ? AND m.rel = ? AND o.rel = ? AND s.kind = ? AND t.kind = ? AND c.kind = ?
             AND t.status = 'active' AND c.status = 'active' ORDER BY 1, 2"""
    rels, kinds = (Rel.DETECTS, Rel.MEMBER_OF, Rel.OBSERVES), (Entry.DETECTION, Entry.TECHNIQUE, Entry.DATA_COMPONENT)
    return store.db.execute(sql, (*rels, *kinds)).fetchall()


def impacts(store: Knowledge) -> Pairs:
    """Of the common consequences, as far as the publisher's texts are in the store."""
    sql = "SELECT DISTINCT id FROM record WHERE kind = ? AND status = 'active' ORDER BY 1"
    found = set()
    for (uid,) in store.db.execute(sql, (Entry.WEAKNESS,)).fetchall():
        entry = store.get(uid)
        for text in (t for s in (entry.statements if entry else ()) for t in s.record.texts):
            if text.field == "consequences":
                heads = (line.partition(". ")[0] for line in text.body.splitlines())
                found |= {(uid, impact) for head in heads for impact in _IMPACT.findall(head)}
    return sorted(found)


TASKS = {
    "mitigation": Task(
        "Which mitigation does ATT&CK list for {}?", turned(Rel.MITIGATES, Entry.MITIGATION, Entry.TECHNIQUE)
    ),
    "tactic": Task("Which tactic of ATT&CK does {} serve?", linked(Rel.MEMBER_OF, Entry.TECHNIQUE, Entry.TACTIC)),
    "software": Task(
        "Which of these does {} use, according to ATT&CK?", linked(Rel.USES, Entry.GROUP, Entry.SOFTWARE)
    ),
    "procedure": Task(
        "Which technique has {} used, according to ATT&CK?", linked(Rel.USES, Entry.GROUP, Entry.TECHNIQUE)
    ),
    "weakness": Task(
        "Which weakness does the attack pattern {} target?", linked(Rel.TARGETS, Entry.PATTERN, Entry.WEAKNESS)
    ),
    "control": Task(
        "Which control of NIST SP 800-53 mitigates {}?", turned(Rel.MITIGATES, Entry.CONTROL, Entry.TECHNIQUE)
    ),
    "rule": Task(
        "Which technique does the detection rule {} look for?", linked(Rel.DETECTS, Entry.RULE, Entry.TECHNIQUE),
        by_name=True,
    ),
    "component": Task("By which data component do ATT&CK's analytics detect {}?", components),
    "impact": Task("Which of these does CWE name as a common consequence of {}?", impacts),
}  # fmt: skip


def items(store: Knowledge, name: str) -> Iterator[Item]:
    """Of a task; none where the store holds no such links."""
    if name == own_sentences.NAME:
        yield from own_sentences.items(store)
        return
    task = TASKS[name]
    right: dict[str, set[str]] = {}
    holders: dict[str, set[str]] = {}
    for subject, answer in task.pairs(store):
        right.setdefault(subject, set()).add(answer)
        holders.setdefault(answer, set()).add(subject)
    names = {impact: impact for impact in IMPACTS} | store.names([*right, *holders])
    known = sorted((uid for uid in right if uid in names), key=lambda uid: crc32(f"{name} {uid}".encode()))
    for uid in known[:MOST]:
        chosen = _choices(uid, right, holders, names, Random(f"{name} {uid}"))
        if chosen:
            answer, options = chosen
            yield _item(name, task, uid, names, answer, options)


def _choices(
    uid: str, right: dict[str, set[str]], holders: dict[str, set[str]], names: dict[str, str], rng: Random
) -> tuple[str, list[str]] | None:  # fmt: skip
    """The right answer, and all options in their order; none where three wrong ones cannot be had."""
    mine = sorted(answer for answer in right[uid] if answer in names)
    if not mine:
        return None
    answer = rng.choice(mine)
    told = {names[one] for one in right[uid] if one in names}
    related = {other for one in sorted(right[uid]) for subject in sorted(holders[one]) for other in right[subject]}
    near = [one for one in sorted(related) if one in names and names[one] not in told]
    far = [one for one in sorted(holders) if one in names and names[one] not in told]
    rng.shuffle(near)
    rng.shuffle(far)
    wrong: dict[str, str] = {}
    for one in (*near, *far):
        wrong.setdefault(names[one], one)
        if len(wrong) == len(LETTERS) - 1:
            options = [answer, *wrong.values()]
            rng.shuffle(options)
            return answer, options
    return None


def _item(name: str, task: Task, uid: str, names: dict[str, str], answer: str, options: list[str]) -> Item:
    about = f"“{names[uid]}”" if task.by_name else f"{names[uid]} ({uid})"
    question = task.question.format(about)
    choices = tuple(names[option] for option in options)
    return Item(
        id=f"{name} {uid}", kind=Kind.CHOICE, prompt=asked(question, choices, LETTERS), text=question, choices=choices,
        right=(LETTERS[options.index(answer)],), letters=LETTERS,
    )  # fmt: skip
