"""The words that all views share: one verdict, probability or time reads the same everywhere."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from vedette.knowledge import attack
from vedette.types import (
    NO_ATTRIBUTION,
    Background,
    Case,
    Claim,
    Counts,
    Explanation,
    InferredTechnique,
    KnownGroup,
    KnownMitigation,
    KnownTechnique,
    Queue,
    Severity,
    Verdict,
)

VERDICTS = {
    Verdict.ESCALATE: "escalate",
    Verdict.INVESTIGATE: "investigate",
    Verdict.UNDECIDED: "undecided",
    Verdict.LIKELY_BENIGN: "likely benign",
}
NEEDS_A_LOOK = (Verdict.ESCALATE, Verdict.INVESTIGATE)
FULL_LIST = "cases.jsonl"
INFERRED = "Inferred by the experts, not stated by a rule, not counted"


def said_by(told: Explanation) -> str:
    """Who says it, and that it was checked."""
    who = f"{told.by.model} ({told.by.backend})" if told.by else "a language model"
    return f"said by {who}, checked against the evidence, not counted"


def omitted(told: Explanation) -> str:
    """What was left out, "" where nothing was."""
    sentences = sum(number for _, number in told.dropped)
    parts = [f"{plural(sentences, 'sentence')} dropped ({'; '.join(f'{n}: {why}' for why, n in told.dropped)})"]
    parts = parts * bool(sentences) + [f"not read: {few(told.unread)}"] * bool(told.unread)
    return "; ".join([*parts, *([told.note] if told.note else [])])


def quoted(claim: Claim) -> str:
    """Whose words the quote is, "" where there is none."""
    return ("attacker-written" if claim.untrusted else "in the evidence") if claim.quote else ""


def advice(told: Explanation) -> str:
    """A graver verdict than the decision's, "" where there is none."""
    if not told.raise_to:
        return ""
    return f"it would say {VERDICTS[Verdict(told.raise_to)]}, on evidence that the score does not count"


def verdict(case: Case) -> str:
    return VERDICTS[case.verdict] + (", closed" if case.closed else "")


def severity(level: Severity) -> str:
    return "info" if level is Severity.INFORMATIONAL else level.name.lower()


def percent(probability: float) -> str:
    """Never 0 % or 100 % for what is only nearly so."""
    if 0 < probability < 0.01:
        return "<1 %"
    if 0.99 < probability < 1:
        return ">99 %"
    return f"{probability:.0%}".replace("%", " %")


def moment(milliseconds: int, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """UTC; the number itself where no calendar reaches."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime(form)
    except (ValueError, OverflowError, OSError):
        return f"{milliseconds} ms"


def span(first: int, last: int, day: str = "%Y-%m-%d") -> str:
    """`2026-11-20 09:14–11:32`; the second day is named where it is another one."""
    start, end = moment(first, f"{day} %H:%M"), moment(last, f"{day} %H:%M")
    if start == end:
        return start
    same_day = moment(first, "%Y-%m-%d") == moment(last, "%Y-%m-%d")
    return f"{start}–{moment(last, '%H:%M')}" if same_day else f"{start} – {end}"


def few(items: tuple[str, ...], most: int = 3) -> str:
    more = f" +{len(items) - most}" if len(items) > most else ""
    return ", ".join(items[:most]) + more


def plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def tactic(short_name: str, known: Background | None = None) -> str:
    """Named by the knowledge store, else by the shipped facts."""
    for told in known.tactics if known else ():
        if told.short_name == short_name:
            return told.name
    found = attack.tactic(short_name)
    return found.name if found else f"{short_name} (unverified)"


def technique(uid: str, known: Background | None = None) -> str:
    """`T1059.001 PowerShell`, `T1086 → T1059.001 PowerShell` for a revoked id, `T9999 (unverified)`."""
    for told in known.techniques if known else ():
        if told.id == uid:
            return _told(told)
    found = attack.resolve(uid)
    if found is None:
        return f"{uid} (unverified)"
    parent = attack.technique(found.parent) if found.parent else None
    name = f"{parent.name}: {found.name}" if parent else found.name
    return f"{uid} → {found.id} {name}" if found.id != uid else f"{uid} {name}"


def _told(told: KnownTechnique) -> str:
    if told.replaced_by:
        return f"{told.id} → {told.replaced_by} {told.name}"
    return f"{told.id} {told.name}".rstrip() + ("" if told.status == "active" else f" ({told.status})")


def inferred(one: InferredTechnique) -> str:
    """`T1110 Brute Force`; `inferred_from` says how sure that is."""
    return _told(one.known)


def inferred_from(one: InferredTechnique) -> str:
    return f"{percent(one.probability)}, read in “{one.rule}”"


def mitigation(told: KnownMitigation) -> str:
    return f"{told.id} {told.name}"


def helps(told: KnownMitigation) -> str:
    """`T1003.001 (by T1003), T1110`: what is stated for the parent only is marked."""
    return ", ".join(f"{one.technique} (by {one.by})" if one.by else one.technique for one in told.helps)


def group(told: KnownGroup) -> str:
    """`G0007 APT28 (Fancy Bear, Sofacy)`"""
    return f"{told.id} {told.name}" + (f" ({', '.join(told.aliases)})" if told.aliases else "")


def other_groups(known: Background) -> str:
    if not known.other_groups:
        return ""
    return plural(known.other_groups, "other group" if known.groups else "group")


def users(known: Background) -> str:
    """`also used by G0007 APT28 (3 of 4) and 32 other groups; this is no attribution`; "" where there are none."""
    of = sum(told.status != "unverified" for told in known.techniques)
    names = [f"{g.id} {g.name} ({len(g.uses)} of {of})" for g in known.groups]
    names += [other_groups(known)] if known.other_groups else []
    if not names:
        return ""
    return f"also used by {' and '.join(filter(None, (', '.join(names[:-1]), names[-1])))}; {NO_ATTRIBUTION}"


def balance(counts: Counts) -> str:
    parts = " + ".join(f"{name} {number:,}" for name, number in shares(counts))
    line = f"read {counts.read:,} = {parts}"
    return line if missing(counts) == 0 else f"{line}: {abs(missing(counts)):,} unaccounted for"


def shares(counts: Counts) -> tuple[tuple[str, int], ...]:
    return (
        ("in cases", counts.in_cases),
        ("duplicates", counts.duplicates),
        ("rejected", counts.rejected),
        ("context", counts.context),
        ("ignored", counts.ignored),
    )


def missing(counts: Counts) -> int:
    """Records that the balance does not account for; anything but 0 is a fault of Vedette."""
    return counts.read - sum(number for _, number in shares(counts))


def tallies(queue: Queue) -> dict[Verdict, int]:
    found = Counter(case.verdict for case in queue.cases)
    return {verdict: found[verdict] for verdict in Verdict}


def headline(queue: Queue) -> str:
    """The first thing that an analyst wants to know."""
    if not queue.cases:
        return "No cases"
    count = tallies(queue)
    escalate, investigate = count[Verdict.ESCALATE], count[Verdict.INVESTIGATE]
    if escalate and investigate:
        return f"{plural(escalate, 'case')} to escalate, {investigate:,} to investigate"
    if escalate or investigate:
        return f"{plural(escalate or investigate, 'case')} to {'escalate' if escalate else 'investigate'}"
    if count[Verdict.UNDECIDED]:
        return f"Nothing to escalate, {plural(count[Verdict.UNDECIDED], 'case')} undecided"
    return "Nothing to escalate or investigate"


def why_empty(queue: Queue) -> str:
    """What a queue without cases means."""
    counts = queue.counts
    if counts.read == 0:
        return "No records were read. Check that the input holds alerts and that its time range is the one you want."
    if counts.rejected == counts.read:
        return f"None of the {plural(counts.read, 'record')} read could be used: see the rejected records below."
    if counts.in_cases:
        return f"No case is of this day; {plural(counts.in_cases, 'alert')} of other days are in cases."
    return f"None of the {plural(counts.read, 'record')} read became part of a case: {balance(counts)}."
