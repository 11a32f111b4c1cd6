"""When the owner allows it, close what labelled history says is almost never an attack.

A case type may be closed where, of n labelled cases of the type on this site, k were attacks, and
the Clopper–Pearson upper bound (95 %, one-sided) of k/n lies under the owner's miss bound.
"""

from __future__ import annotations

import math

from vedette.types import Case

CONFIDENCE = 0.95


def upper_bound(misses: int, n: int, confidence: float = CONFIDENCE) -> float:
    """Clopper–Pearson upper limit of a share, one-sided; 1.0 where nothing is known. 0 ≤ misses ≤ n."""
    if not 0 <= misses <= n:
        raise ValueError(f"{misses} misses of {n}")
    if n == 0 or misses == n:
        return 1.0
    low, high = misses / n, 1.0
    for _ in range(60):  # bisection: the tail falls as the share grows
        middle = (low + high) / 2
        if _at_most(misses, n, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def _at_most(k: int, n: int, p: float) -> float:
    """P(X ≤ k) for X ~ Binomial(n, p), summed in logarithms."""
    if p >= 1:
        return 0.0
    logs = [
        math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) + i * math.log(p) + (n - i) * math.log1p(-p)
        for i in range(k + 1)
    ]
    peak = max(logs)
    return math.exp(peak) * sum(math.exp(x - peak) for x in logs)


def needed(bound: float) -> int:
    """How many labelled cases without a miss it takes to get under a bound."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log1p(-bound))


def case_type(case: Case) -> str:
    """What cases have to share to count as the same kind: product and rule of their strongest evidence."""
    best = case.evidence[0]
    return f"{best.product}|{best.rule_uid}"
