"""Questions made from the links of the knowledge store: what a model knows of ATT&CK, CAPEC, Sigma and the controls.

One right option and three that are right for related entries: a blind guess gets a quarter, and knowing the field in
general little more. The same store gives the same questions; links are facts, so nothing of anybody's prose is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from zlib import crc32

from vedette.bench.items import Item, Kind
from vedette.bench.suites.prompts import asked
from vedette.knowledge.record import Kind as Entry
from vedette.knowledge.record import Rel
from vedette.knowledge.store import Knowledge

LETTERS = "ABCD"
MOST = 500  # questions of a task


@dataclass(frozen=True, slots=True)
class Task:
    """`subject rel answer`, or the other way round where `turned`."""

    rel: Rel
    subject: Entry
    answer: Entry
    question: str
    turned: bool = False


TASKS = {
    "mitigation": Task(
        Rel.MITIGATES, Entry.TECHNIQUE, Entry.MITIGATION, "Which mitigation does ATT&CK list for {}?", turned=True
    ),
    "tactic": Task(Rel.MEMBER_OF, Entry.TECHNIQUE, Entry.TACTIC, "Which tactic of ATT&CK does {} serve?"),
    "software": Task(Rel.USES, Entry.GROUP, Entry.SOFTWARE, "Which of these does {} use, according to ATT&CK?"),
    "procedure": Task(Rel.USES, Entry.GROUP, Entry.TECHNIQUE, "Which technique has {} used, according to ATT&CK?"),
    "weakness": Task(Rel.TARGETS, Entry.PATTERN, Entry.WEAKNESS, "Which weakness does the attack pattern {} target?"),
    "control": Task(
        Rel.MITIGATES, Entry.TECHNIQUE, Entry.CONTROL, "Which control of NIST SP 800-53 mitigates {}?", turned=True
    ),
    "rule": Task(Rel.DETECTS, Entry.RULE, Entry.TECHNIQUE, "Which technique does the detection rule {} look for?"),
}


def items(store: Knowledge, name: str) -> Iterator[Item]:
    """Of a task; none where the store holds no such links."""
    task = TASKS[name]
    pairs = _pairs(store, task)
    right: dict[str, set[str]] = {}
    holders: dict[str, set[str]] = {}
    for subject, answer in pairs:
        right.setdefault(subject, set()).add(answer)
        holders.setdefault(answer, set()).add(subject)
    names = store.names([*right, *holders])
    known = sorted((uid for uid in right if uid in names), key=lambda uid: crc32(f"{name} {uid}".encode()))
    for uid in known[:MOST]:
        chosen = _choices(uid, right, holders, names, Random(f"{name} {uid}"))
        if chosen:
            answer, options = chosen
            yield _item(name, task, uid, names, answer, options)


def _pairs(store: Knowledge, task: Task) -> list[tuple[str, str]]:
    first, second = (task.answer, task.subject) if task.turned else (task.subject, task.answer)
    sql = """SELECT DISTINCT r.id, l.target FROM link l JOIN record r ON r.number = l.record
             JOIN record t ON t.id = l.target WHERE l.rel = ? AND r.kind = ? AND t.kind = ?
             AND r.status = 'active' AND t.status = 'active' ORDER BY 1, 2"""
    found = store.db.execute(sql, (task.rel, first, second)).fetchall()
    return [(b, a) if task.turned else (a, b) for a, b in found]


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
    about = f"“{names[uid]}”" if task.subject is Entry.RULE else f"{names[uid]} ({uid})"
    question = task.question.format(about)
    choices = tuple(names[option] for option in options)
    return Item(
        id=f"{name} {uid}", kind=Kind.CHOICE, prompt=asked(question, choices, LETTERS), text=question, choices=choices,
        right=(LETTERS[options.index(answer)],), letters=LETTERS,
    )  # fmt: skip
