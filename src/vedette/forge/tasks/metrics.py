"""Base metrics of CVSS 3.0 and 3.1: names, values and what they mean, in our words; and the score, worked out.

Weights and formula: FIRST, Common Vulnerability Scoring System v3.1: Specification Document, section 7.
"""

from __future__ import annotations

from vedette.forge.tasks.shared import steps
from vedette.forge.tasks.vulnerable import severity

NAMES = {
    "AV": "Attack Vector", "AC": "Attack Complexity", "PR": "Privileges Required", "UI": "User Interaction",
    "S": "Scope", "C": "Confidentiality", "I": "Integrity", "A": "Availability",
}  # fmt: skip
VALUES = {
    "AV": {"N": "Network", "A": "Adjacent", "L": "Local", "P": "Physical"},
    "AC": {"L": "Low", "H": "High"},
    "PR": {"N": "None", "L": "Low", "H": "High"},
    "UI": {"N": "None", "R": "Required"},
    "S": {"U": "Unchanged", "C": "Changed"},
    **{metric: {"N": "None", "L": "Low", "H": "High"} for metric in "CIA"},
}
MEANING = {
    "AV:N": "the flaw can be reached over a network, across routers",
    "AV:A": "the attacker must be in the same local or adjacent network",
    "AV:L": "the attacker needs local access, or a user who opens something for them",
    "AV:P": "the attacker must touch the device",
    "AC:L": "the attack works without special conditions",
    "AC:H": "the attack depends on conditions that the attacker does not control",
    "PR:N": "no account is needed",
    "PR:L": "an ordinary account is needed",
    "PR:H": "an account with administrative rights is needed",
    "UI:N": "nobody else has to do anything",
    "UI:R": "another person has to take part, by opening or clicking something",
    "S:U": "the effects stay within the authority of the vulnerable component",
    "S:C": "the effects reach beyond the authority of the vulnerable component",
    "C:N": "nothing is disclosed",
    "C:L": "some information is disclosed, without control over what",
    "C:H": "all information, or the decisive part of it, is disclosed",
    "I:N": "nothing can be changed",
    "I:L": "some data can be changed, with limited effect",
    "I:H": "all data, or the decisive part of it, can be changed",
    "A:N": "the service goes on",
    "A:L": "performance suffers, or the service stops now and then",
    "A:H": "the service can be denied completely",
}
_WEIGHTS = {
    "AV:N": 0.85, "AV:A": 0.62, "AV:L": 0.55, "AV:P": 0.2, "AC:L": 0.77, "AC:H": 0.44, "UI:N": 0.85, "UI:R": 0.62,
    "PR:N": 0.85, "PR:L": 0.62, "PR:H": 0.27, "N": 0.0, "L": 0.22, "H": 0.56,
}  # fmt: skip
_PR_CHANGED = {"PR:N": 0.85, "PR:L": 0.68, "PR:H": 0.5}


def split(vector: str) -> dict[str, str]:
    """Metric → value, without the version."""
    parts = vector.split("/")
    return dict(part.split(":", 1) for part in (parts[1:] if parts[0].startswith("CVSS:") else parts))


def named(metric: str, value: str) -> str:
    """ "Attack Vector: Network (AV:N)"."""
    return f"{NAMES[metric]}: {VALUES[metric][value]} ({metric}:{value})"


def told(vector: str) -> list[str]:
    """Each metric with its meaning, in order."""
    return [f"{named(m, v)}: {MEANING[f'{m}:{v}']}." for m, v in split(vector).items()]


def worked(vector: str) -> tuple[str, float]:
    """The steps from a vector of CVSS 3.1 to its base score, and the score."""
    given = split(vector)
    changed = given["S"] == "C"
    c, i, a = (_WEIGHTS[given[metric]] for metric in "CIA")
    iss = 1 - (1 - c) * (1 - i) * (1 - a)
    impact = 7.52 * (iss - 0.029) - 3.25 * (iss - 0.02) ** 15 if changed else 6.42 * iss
    keys = [f"{metric}:{given[metric]}" for metric in ("AV", "AC", "PR", "UI")]
    weights = [_PR_CHANGED[k] if changed and k in _PR_CHANGED else _WEIGHTS[k] for k in keys]
    ease = 8.22 * weights[0] * weights[1] * weights[2] * weights[3]
    whole = impact + ease
    score = 0.0 if impact <= 0 else _up(min(1.08 * whole if changed else whole, 10))
    scaled = f"1.08 × ({impact:.3f} + {ease:.3f})" if changed else f"{impact:.3f} + {ease:.3f}"
    ways = steps(
        f"Impact sub-score ISS = 1 - (1 - {c:g}) × (1 - {i:g}) × (1 - {a:g}) = {iss:.3f}.",
        f"Scope is {VALUES['S'][given['S']]}, so Impact = "
        + (f"7.52 × ({iss:.3f} - 0.029) - 3.25 × ({iss:.3f} - 0.02)^15" if changed else f"6.42 × {iss:.3f}")
        + f" = {impact:.3f}.",
        f"Exploitability = 8.22 × {' × '.join(f'{w:g}' for w in weights)} = {ease:.3f}.",
        f"Impact is not above 0, so the base score is {score:.1f}." if impact <= 0
        else f"Base score = {scaled}, at most 10, rounded up to one decimal = {score:.1f} ({severity(score)}).",
    )  # fmt: skip
    return ways, score


def _up(value: float) -> float:
    """Roundup of the specification's appendix A: by whole hundred-thousandths."""
    whole = round(value * 100_000)
    return whole / 100_000 if whole % 10_000 == 0 else (whole // 10_000 + 1) / 10
