"""Learn the triage model's weights from labelled alerts, and check them on sites left out.

Both layers are logistic regressions with weights >= 0 (the term `history` is free of scale, its
values carry the sign) and a normal prior around what an expert would set, so that a term that the
labelled data cannot teach (asset value, attacker-written text) keeps the expert's weight.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from vedette.skills.triage.baseline import Baseline
from vedette.skills.triage.evidence import choose
from vedette.skills.triage.features import Group, aftermath, case_values, rule_key, weigh
from vedette.skills.triage.group import form
from vedette.skills.triage.model import CASE_TERMS, SIGNAL_TERMS, Model
from vedette.skills.triage.owner import Owner
from vedette.skills.triage.signals import Signal

Floats = NDArray[np.float64]

PRIOR_SIGNAL = {"severity": 2.0, "text": 3.0}
PRIOR_CASE = {"asset": 0.7, "grave": 1.3}
SIGNAL_STRENGTH, CASE_STRENGTH = 10.0, 2.0  # of the priors: 1 / variance of a weight around its prior
SHRINK = 3.0  # pseudo-signals behind a rule's history
PHASE_WEIGHT = 8.0  # signals that one phase of one site may count for at most


@dataclass
class Day:
    """One labelled day of a site."""

    signals: list[Signal]
    baseline: Baseline
    labels: list[Counter[str]]  # for each signal how many alerts carry which label; "-" is benign
    shown: list[str]  # label of the alert that would be shown for the signal


@dataclass
class Site:
    name: str
    days: list[Day] = field(default_factory=list)


def history(sites: Sequence[Site]) -> dict[str, float]:
    """For each rule the shrunken log-odds, against all rules, that a signal of it holds attack."""
    seen: Counter[str] = Counter()
    attack: Counter[str] = Counter()
    for site in sites:
        for day in site.days:
            for signal, labels in zip(day.signals, day.labels, strict=True):
                key = rule_key(signal.product, signal.rule_name)
                seen[key] += 1
                attack[key] += is_attack(labels)
    share = sum(attack.values()) / max(1, sum(seen.values()))
    if not 0 < share < 1:
        return {}
    base = math.log(share / (1 - share))
    return {
        rule: round(math.log((attack[rule] + SHRINK * share) / (n - attack[rule] + SHRINK * (1 - share))) - base, 4)
        for rule, n in sorted(seen.items())
    }


def is_attack(labels: Mapping[str, int]) -> bool:
    return any(label != "-" for label in labels)


def fit(
    values: Sequence[Sequence[float]],
    target: Sequence[float],
    weights: Sequence[float],
    prior: Sequence[float],
    strength: float,
) -> Floats:
    """Bias and weights (>= 0 except the bias) that maximise the posterior. Deterministic."""
    x = np.column_stack([np.ones(len(values)), np.asarray(values, dtype=float)])
    y, w, centre = np.asarray(target, float), np.asarray(weights, float), np.asarray(prior, float)

    def loss(b: Floats) -> tuple[float, Floats]:
        z = x @ b
        pull = b[1:] - centre
        value = float((w * (np.logaddexp(0, z) - y * z)).sum() + strength / 2 * (pull**2).sum())
        gradient = x.T @ (w * (1 / (1 + np.exp(-z)) - y))
        gradient[1:] += strength * pull
        return value, gradient

    start = np.concatenate([[-3.0], centre])
    bounds = [(None, None)] + [(0.0, None)] * len(centre)
    return np.asarray(minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x)


def fit_signals(sites: Sequence[Site]) -> tuple[float, dict[str, float]]:
    """The lower layer. Each site's rule history comes from the other sites, as it will for a new one."""
    values: list[tuple[float, ...]] = []
    target: list[float] = []
    weights: list[float] = []
    for site in sites:
        others = [s for s in sites if s is not site]
        blank = _model(history(others), 0.0, dict.fromkeys(SIGNAL_TERMS, 0.0))
        for day in site.days:
            values += [w.values for w in weigh(day.signals, day.baseline, blank, Owner())]
        phases = Counter(phase(labels) for day in site.days for labels in day.labels if is_attack(labels))
        for day in site.days:
            for labels in day.labels:
                attack = is_attack(labels)
                target.append(float(attack))
                weights.append(min(1.0, PHASE_WEIGHT / phases[phase(labels)]) if attack else 1.0)
    b = fit(values, target, weights, [PRIOR_SIGNAL.get(t, 0.0) for t in SIGNAL_TERMS], SIGNAL_STRENGTH)
    return float(b[0]), {t: round(float(v), 4) for t, v in zip(SIGNAL_TERMS, b[1:], strict=True)}


def phase(labels: Mapping[str, int]) -> str:
    """The most frequent label that is not benign."""
    return min((name for name in labels if name != "-"), key=lambda name: (-labels[name], name))


def groups_of(day: Day, model: Model) -> list[Group]:
    """The day's groups as triage forms them."""
    groups = form(weigh(day.signals, day.baseline, model, Owner()), model, Owner())
    aftermath(groups)
    return groups


def evidence_labels(day: Day, group: Group) -> list[str]:
    """Labels of the alerts that the case would show."""
    shown = {id(s): label for s, label in zip(day.signals, day.shown, strict=True)}
    return [shown[id(w.signal)] for w in choose(group)]


def is_right(labels: Sequence[str]) -> bool:
    """A case is an attack when at least half of its shown evidence is."""
    return 2 * sum(label != "-" for label in labels) >= len(labels)


def fit_cases(sites: Sequence[Site]) -> tuple[float, dict[str, float], list[tuple[float, bool]]]:
    """The upper layer, on cases of sites that the lower layer did not see: so its probabilities are calibrated.

    Also returns (probability, is it an attack) of those cases, to set thresholds by.
    """
    values: list[tuple[float, ...]] = []
    target: list[float] = []
    for site in sites:
        others = [s for s in sites if s is not site]
        bias, weights = fit_signals(others)
        model = _model(history(others), bias, weights)
        for day in site.days:
            for group in groups_of(day, model):
                values.append(case_values(group, Owner()))
                target.append(float(is_right(evidence_labels(day, group))))
    b = fit(values, target, [1.0] * len(values), [PRIOR_CASE.get(t, 0.0) for t in CASE_TERMS], CASE_STRENGTH)
    scores = 1 / (1 + np.exp(-(np.column_stack([np.ones(len(values)), values]) @ b)))
    return (
        float(b[0]),
        dict(zip(CASE_TERMS, (round(float(v), 4) for v in b[1:]), strict=True)),
        [(float(p), bool(t)) for p, t in zip(scores, target, strict=True)],
    )


ESCALATE_PRECISION = 0.85  # wanted on the training sites' own held-out cases


def fit_model(sites: Sequence[Site], name: str) -> Model:
    """The whole model from labelled sites; deterministic."""
    bias, weights = fit_signals(sites)
    case_bias, case, held_out = fit_cases(sites)
    return Model(
        name=name,
        signal_bias=round(bias, 4),
        signal=weights,
        case_bias=round(case_bias, 4),
        case=case,
        history=history(sites),
        escalate=threshold(held_out),
        investigate=0.08,
    )


def threshold(held_out: Sequence[tuple[float, bool]]) -> float:
    """The lowest of some round probabilities from which the wanted precision holds; 0.9 if none does."""
    for candidate in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8):
        right = [attack for p, attack in held_out if p >= candidate]
        if right and sum(right) / len(right) >= ESCALATE_PRECISION:
            return candidate
    return 0.9


def _model(rules: dict[str, float], bias: float, weights: dict[str, float]) -> Model:
    return Model("draft", bias, weights, 0.0, dict.fromkeys(CASE_TERMS, 0.0), rules, 0.5, 0.05)
