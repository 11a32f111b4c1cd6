"""Words for a decided group: reasons that name their evidence, a title, a summary, next steps.

Template text only; no language model. Numbers are the model's own, so the reasons add up to the score.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from vedette import prompts
from vedette.config import Settings, load_toml
from vedette.knowledge import attack
from vedette.skills.triage.baseline import Baseline
from vedette.skills.triage.features import WEAK, Group, Weighed
from vedette.skills.triage.hits import describe
from vedette.skills.triage.model import CASE_TERMS, Model
from vedette.skills.triage.owner import Owner
from vedette.skills.triage.signals import SLOTS_A_DAY
from vedette.types import Reason, Severity, Verdict

STRONGEST = ("strongest", "second")
MAX_STEPS = 7


def reasons(
    group: Group,
    shown: list[Weighed],
    parts: dict[str, float],
    model: Model,
    baseline: Baseline,
    owner: Owner,
) -> tuple[Reason, ...]:
    """Every positive term of the case's score, largest first; each names at least one ref of `shown`.

    `parts` are the case's terms in log-odds.
    """
    total = sum(p for p in parts.values() if p > 0) or 1.0
    ranked = sorted(shown, key=lambda w: (-w.points, w.signal.first))
    found: list[Reason] = []
    for term in CASE_TERMS:
        if parts[term] <= 0.005 * total:
            continue
        if term in STRONGEST:
            by_rule = _best_by_rule(ranked)
            w = by_rule[min(STRONGEST.index(term), len(by_rule) - 1)]
            found.append(
                Reason(
                    feature=term,
                    text=f"{_standing(term)}: “{w.signal.rule_name}” on {w.host}: {_why(w, model, baseline)}.",
                    points=parts[term],
                    share=parts[term] / total,
                    refs=(w.ref,),
                )
            )
        else:
            text, basis = _CASE_WORDS[term](group, ranked, owner)
            found.append(
                Reason(
                    feature=term,
                    text=text,
                    points=parts[term],
                    share=parts[term] / total,
                    refs=tuple(dict.fromkeys(w.ref for w in basis))[:4],
                )
            )
    return tuple(sorted(found, key=lambda r: (-r.points, r.feature)))


def _standing(term: str) -> str:
    return "Strongest signal" if term == "strongest" else "Second signal"


def _best_by_rule(ranked: list[Weighed]) -> list[Weighed]:
    best: dict[tuple[str, str], Weighed] = {}
    for w in ranked:
        best.setdefault((w.signal.product, w.signal.rule_uid), w)
    return list(best.values())


def _why(w: Weighed, model: Model, baseline: Baseline) -> str:
    """The signal's own terms in words, the heaviest three."""
    s = w.signal
    parts = model.signal_parts(w.values)
    place = (s.product, s.rule_uid, s.device)
    slots, all_slots = baseline.slots.get(place, 0), SLOTS_A_DAY * baseline.days
    days = f"{baseline.days} day{'s' * (baseline.days != 1)}"
    words = {
        "history": "in labelled history this rule fired more in attacks than rules do on average",
        "rarity": f"active here in {slots} of {all_slots} ten-minute slots of {days}",
        "site_rarity": f"active anywhere on the site in {baseline.rule_slots.get(place[:2], 0)} of {all_slots} slots",
        "new_here": "never seen on this device before this day",
        "severity": f"the rule's own severity is {Severity(s.severity).name.lower()}",
        "burst": f"{s.count} alerts within ten minutes",
        "company": "other rare rules fired on the device within minutes",
        "text": "attacker-written text shows " + ", ".join(describe(s.hits)),
    }
    heavy = sorted((t for t in parts if parts[t] > 0.05), key=lambda t: (-parts[t], t))[:3]
    if "text" in parts and parts["text"] > 0 and "text" not in heavy:
        heavy.append("text")
    return "; ".join(words[t] for t in heavy) or "nothing about it is unusual"


def _support(group: Group, ranked: list[Weighed], owner: Owner) -> tuple[str, list[Weighed]]:
    others = _best_by_rule(ranked)[2:] or ranked
    return f"{len({(w.signal.product, w.signal.rule_uid) for w in group.members}) - 2} more rules support it.", others


def _grave(group: Group, ranked: list[Weighed], owner: Owner) -> tuple[str, list[Weighed]]:
    grave = [w for w in group.members if w.signal.severity >= Severity.HIGH and not w.excuse]
    rules = {(w.signal.product, w.signal.rule_uid) for w in grave}
    basis = [w for w in ranked if w.signal.severity >= Severity.HIGH] or ranked[:1]
    where = _plural(len({w.host for w in grave}), "device")
    return f"{_plural(len(rules), 'rule')} of high or critical severity on {where}.", basis


def _tactics(group: Group, ranked: list[Weighed], owner: Owner) -> tuple[str, list[Weighed]]:
    by_tactic: dict[str, Weighed] = {}
    for w in ranked:
        if w.tactic and w.points > WEAK:
            by_tactic.setdefault(w.tactic, w)
    names = [tactic_name(t) for t in sorted(by_tactic, key=attack.tactic_order)]
    if not names:
        return "The rules name an attack tactic.", ranked[:1]
    progress = "; it moves through the stages of an attack" if len(names) > 1 else ""
    return f"{_plural(len(names), 'tactic')}: {', '.join(names)}{progress}.", list(by_tactic.values())


def _hosts(group: Group, ranked: list[Weighed], owner: Owner) -> tuple[str, list[Weighed]]:
    by_host: dict[str, Weighed] = {}
    for w in ranked:
        by_host.setdefault(w.host, w)
    hosts = sorted({w.host for w in group.members if w.points > WEAK}) or sorted(by_host)
    more = f" and {len(hosts) - 5} more" if len(hosts) > 5 else ""
    return f"{_plural(len(hosts), 'device')} concerned: {', '.join(hosts[:5])}{more}.", list(by_host.values())


def _aftermath(group: Group, ranked: list[Weighed], owner: Owner) -> tuple[str, list[Weighed]]:
    if group.follows is None:
        return "It begins soon after other strong activity.", ranked[:1]
    minutes = group.since // 60_000
    hosts = list(dict.fromkeys(w.host for w in sorted(group.follows.members, key=lambda w: -w.points)))
    where = ", ".join(hosts[:3]) + (f" and {len(hosts) - 3} more" if len(hosts) > 3 else "")
    when = f"{minutes} min after strong activity on {where}" if minutes > 0 else f"during strong activity on {where}"
    return f"It begins {when}; an attack often goes on elsewhere.", ranked[:1]


def _asset(group: Group, ranked: list[Weighed], owner: Owner) -> tuple[str, list[Weighed]]:
    best = max(ranked, key=lambda w: owner.value(w.host))
    asset = owner.asset(best.host)
    role = f" ({asset.role})" if asset and asset.role else ""
    return f"{best.host}{role} is an asset that the owner rates {asset.criticality if asset else 'valuable'}.", [best]


_CASE_WORDS = {
    "support": _support,
    "grave": _grave,
    "tactics": _tactics,
    "hosts": _hosts,
    "aftermath": _aftermath,
    "asset": _asset,
}


def tactic_name(short: str) -> str:
    found = attack.tactic(short)
    return found.name if found else short


def _plural(n: int, noun: str) -> str:
    return f"{n} {noun}{'s' * (n != 1)}"


def title(group: Group, shown: list[Weighed], tactics: tuple[str, ...]) -> str:
    """What, where; at most about 80 characters before the device names."""
    strong = sorted((w for w in group.members if w.points > WEAK), key=lambda w: (-w.points, w.host))
    hosts = list(dict.fromkeys(w.host for w in strong)) or [shown[0].host]
    where = hosts[0] if len(hosts) == 1 else f"{hosts[0]} and {_plural(len(hosts) - 1, 'more device')}"
    excuse = shown[0].excuse
    if excuse:
        return f"Excused by {excuse.id} ({excuse.kind.replace('_', ' ')}) on {where}"
    if group.routine:
        return f"Routine activity on {where}"
    if len(tactics) >= 2:
        return f"{tactic_name(tactics[0])} to {tactic_name(tactics[-1])} on {where}"
    best = max(shown, key=lambda w: w.points)
    return f"{_cut(best.signal.rule_name, 72)} on {where}"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


VERDICT_WORDS = {
    Verdict.ESCALATE: "Escalate: the score says attack.",
    Verdict.INVESTIGATE: "Investigate: the score is high enough to look at it today.",
    Verdict.UNDECIDED: "Undecided: these rules are unknown to the labelled history, so a low score proves little.",
    Verdict.LIKELY_BENIGN: "Likely benign: it looks like what this site does anyway, or like what labelled history "
    "knows as harmless.",
}


def summary(what: str, group: Group, verdict: Verdict, severity: Severity, why: tuple[Reason, ...]) -> str:
    hosts = sorted({w.host for w in group.members})
    excused = all(w.excuse for w in group.members)
    where = ", ".join(hosts[:4]) + (f" and {len(hosts) - 4} more" if len(hosts) > 4 else "")
    return (
        _prompt()
        .render(
            when=f"{clock(group.first)} to {clock(group.last)} UTC",
            what=what,
            where=where,
            verdict=VERDICT_WORDS[verdict]
            if not excused
            else "The owner expects it: nothing to do unless that is wrong.",
            why=why[0].text[0].lower() + why[0].text[1:].rstrip(".") if why else "nothing in it stands out",
            severity=severity.name.lower(),
        )
        .strip()
    )


def clock(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%H:%M")


@cache
def _prompt() -> prompts.Prompt:
    return prompts.load(Path(__file__).with_name("prompt.v1.md"))


class _Steps(Settings):
    steps: dict[str, tuple[str, ...]]


@cache
def _steps() -> dict[str, tuple[str, ...]]:
    return load_toml(Path(__file__).with_name("steps.toml"), _Steps).steps


def next_steps(verdict: Verdict, tactics: tuple[str, ...]) -> tuple[str, ...]:
    """What to do now, latest tactic first: the end of the chain is where harm is done."""
    table = _steps()
    if verdict is Verdict.LIKELY_BENIGN:
        return table["any"]
    late_first = [table[t] for t in sorted(tactics, key=attack.tactic_order, reverse=True) if t in table]
    picked = [s[0] for s in late_first] + [step for s in late_first[:2] for step in s[1:]]
    return tuple(dict.fromkeys([*picked[: MAX_STEPS - len(table["any"])], *table["any"]]))
