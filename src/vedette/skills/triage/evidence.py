"""Which at most twelve alerts of a case are shown: the strongest, each adding something new."""

from __future__ import annotations

from collections import Counter

from vedette.skills.triage.features import Group, Weighed

LINES = 12
_POOL = 300  # only the strongest signals compete, so that a case of thousands stays cheap
_SAME_RULE, _SAME_TACTIC = 3.6, 0.6  # points that a line loses for each shown line of its rule, its tactic


def choose(group: Group) -> list[Weighed]:
    """At most LINES signals, the strongest first; all of them where there are no more."""
    pool = sorted(
        group.members, key=lambda w: (-w.points, w.signal.first, w.signal.rule_uid, w.host, w.signal.entities)
    )[:_POOL]
    rules: Counter[tuple[str, str]] = Counter()
    tactics: Counter[str] = Counter()
    if len(pool) <= LINES:
        return pool
    chosen: list[Weighed] = []
    while pool and len(chosen) < LINES:
        best = max(
            pool,
            key=lambda w: (
                w.points - _SAME_RULE * rules[w.signal.product, w.signal.rule_uid] - _SAME_TACTIC * tactics[w.tactic],
                -w.signal.first,
            ),
        )
        pool.remove(best)
        chosen.append(best)
        rules[best.signal.product, best.signal.rule_uid] += 1
        tactics[best.tactic] += 1
    return chosen
