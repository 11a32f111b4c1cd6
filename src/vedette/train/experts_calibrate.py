"""Probabilities that mean what they say: how two opinions are mixed, conformal sets and thresholds.

They come from CVEs and sentences held out. A half of the CVEs sets the numbers, the other half measures them; only
those without a near duplicate among the training texts take part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax

from vedette.experts.labels import CONVENTIONS, SSVC, Convention, Domain
from vedette.experts.severity import decide, score_of
from vedette.experts.text import read_alone
from vedette.train.experts_batches import METRIC_PLACES, SSVC_PLACES
from vedette.train.experts_cves import Cve
from vedette.train.experts_model import Labels
from vedette.train.experts_sentences import Sentence, Sentences

Floats = NDArray[np.float32]
COVERAGE = 0.9
DECIDED_RIGHT = 0.85  # what the default threshold keeps: share of right ones among decided CVEs
STEPS = tuple(round(0.05 * i, 2) for i in range(1, 19))  # thresholds of techniques that are tried
NEVER = -30.0  # logit of what is no answer
LOW = -4.0  # mixed logit of a technique that no threshold lets through
FEW = 100  # held-out labels of a convention below which it takes the numbers of ANY


Both = tuple[Floats, Floats]  # the encoder's logits and those of the words
Mix = tuple[float, float]


class Reads(Protocol):
    def techniques(self, text: str) -> Both: ...


@dataclass(slots=True)
class Numbers:
    """What the runtime reads from `calibration.json`."""

    mixes: dict[str, Any] = field(default_factory=dict)
    weakness: dict[str, object] = field(default_factory=dict)
    severity: dict[str, object] = field(default_factory=dict)
    techniques: dict[str, object] = field(default_factory=dict)
    measured: dict[str, float] = field(default_factory=dict)  # on the other half

    def content(self) -> dict[str, object]:
        return {
            "format": 2, "mixes": self.mixes, "weakness": self.weakness,
            "severity": self.severity, "techniques": self.techniques, "measured": self.measured,
        }  # fmt: skip


def halves(cves: Sequence[Cve]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    fresh = np.array([cve.fresh for cve in cves])
    even = np.array([crc32(cve.id.encode()) // 7 % 2 == 0 for cve in cves])
    return fresh & even, fresh & ~even


def mix(both: Both, shares: Floats) -> Mix:
    """That makes shares most likely. (n, classes) each."""
    return _least(lambda a, b: float(-(shares * log_softmax(a * both[0] + b * both[1], axis=1)).sum()))


def binary_mix(both: Both, truth: Floats) -> Mix:
    def loss(a: float, b: float) -> float:
        z = a * both[0] + b * both[1]
        return float(np.sum(np.logaddexp(0, z) - truth * z))

    return _least(loss)


def _least(loss: Callable[[float, float], float]) -> Mix:
    found = minimize(lambda x: loss(*x), (0.7, 0.3), method="L-BFGS-B", bounds=((0.05, 5), (0, 5)))
    return round(float(found.x[0]), 4), round(float(found.x[1]), 4)


def mixed(both: Both, weights: Mix) -> Floats:
    return np.asarray(weights[0] * both[0] + weights[1] * both[1], dtype=np.float32)


def conformal(probabilities: Floats, shares: Floats) -> float:
    """The least probability of a class in the set, so that nine right ones in ten are in it (split conformal, LAC)."""
    truth = (probabilities * (shares > 0)).max(1)  # any label that somebody gave counts as right
    place = int(np.floor((1 - COVERAGE) * (len(truth) + 1))) - 1
    return round(float(np.sort(truth)[max(0, place)]), 5)


def residual(errors: Floats) -> float:
    """Half the width of an interval that holds nine scores in ten."""
    errors = np.sort(errors)
    return round(float(errors[min(len(errors) - 1, int(np.ceil(COVERAGE * (len(errors) + 1))) - 1)]), 2)


def threshold(best: Floats, right: NDArray[np.bool_]) -> float:
    """The least probability from which decided ones are right often enough."""
    for at in np.arange(0.05, 0.95, 0.01):
        decided = best >= at
        if decided.any() and right[decided].mean() >= DECIDED_RIGHT:
            return round(float(at), 2)
    return 0.95


def weakness_shares(cves: Sequence[Cve], weaknesses: Sequence[str], convention: Convention) -> Floats:
    place = {name: i for i, name in enumerate(weaknesses)}
    shares = np.zeros((len(cves), len(weaknesses)), dtype=np.float32)
    for row, cve in enumerate(cves):
        for name, share in cve.weaknesses.get(convention, {}).items():
            if name in place:
                shares[row, place[name]] = share
    return shares


def weakness(numbers: Numbers, both: Both, cves: Sequence[Cve], weaknesses: Sequence[str]) -> None:
    """`both`: (CVEs, conventions, weaknesses)."""
    fit, check = halves(cves)
    found: dict[str, Mix] = {}
    sets: dict[str, float] = {}
    for column, party in enumerate(CONVENTIONS):
        shares = weakness_shares(cves, weaknesses, party)
        said = shares.sum(1) > 0
        rows = fit & said
        if rows.sum() < FEW:
            continue
        found[party] = mix(_of(both, column, rows), shares[rows])
        probabilities = softmax(mixed(_of(both, column), found[party]), axis=1)
        sets[party] = conformal(probabilities[rows], shares[rows])
        if party is Convention.ANY:
            best = probabilities.argmax(1)
            right = shares[np.arange(len(cves)), best] > 0
            numbers.weakness["threshold"] = threshold(probabilities.max(1)[rows], right[rows])
        _measure(numbers, str(party), probabilities[check & said], shares[check & said], sets[party])
    any_mix, any_q = found[Convention.ANY], sets[Convention.ANY]
    numbers.mixes["weakness"] = {str(p): found.get(p, any_mix) for p in CONVENTIONS}
    numbers.weakness["conformal"] = {str(p): sets.get(p, any_q) for p in CONVENTIONS}


def _of(both: Both, column: int, rows: NDArray[Any] | slice = slice(None)) -> Both:
    """One convention's."""
    return both[0][rows, column], both[1][rows, column]


def full_precision(numbers: Numbers, both: Both, cves: Sequence[Cve], weaknesses: Sequence[str]) -> None:
    """What the fp32 network says of the CVEs that measure the int8 file. `both`: of those, in their order."""
    _, check = halves(cves)
    measuring = [cve for cve, chosen in zip(cves, check, strict=True) if chosen]
    for column, party in enumerate(CONVENTIONS):
        name = f"weakness {party} top-1"
        shares = weakness_shares(measuring, weaknesses, party)
        said = shares.sum(1) > 0
        if name in numbers.measured:
            best = mixed(_of(both, column, said), numbers.mixes["weakness"][party]).argmax(1)
            right = shares[said][np.arange(len(best)), best] > 0
            numbers.measured[f"{name}, fp32"] = round(float(right.mean()), 4)


def _measure(numbers: Numbers, party: str, probabilities: Floats, shares: Floats, least: float) -> None:
    best = probabilities.argmax(1)
    right = shares[np.arange(len(best)), best] > 0
    members = probabilities >= least
    members[np.arange(len(best)), best] = True
    at = numbers.measured
    at[f"weakness {party} n"] = len(best)
    at[f"weakness {party} top-1"] = round(float(right.mean()), 4)
    at[f"weakness {party} calibration error"] = round(error(probabilities.max(1), right), 4)
    at[f"weakness {party} coverage"] = round(float((members & (shares > 0)).any(1).mean()), 4)
    at[f"weakness {party} set size"] = round(float(members.sum(1).mean()), 2)


def error(confidence: Floats, right: NDArray[np.bool_], bins: int = 15) -> float:
    """Expected calibration error over bins of equal width."""
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(confidence[place == b].sum() - right[place == b].sum()) for b in range(bins)]
    return float(sum(gaps) / max(1, len(right)))


def severity(numbers: Numbers, both: Both, cves: Sequence[Cve]) -> None:
    """`both`: (CVEs, conventions, values of all metrics)."""
    fit, check = halves(cves)
    mixes: dict[str, list[Mix]] = {}
    widths: dict[str, float] = {}
    for column, party in enumerate(CONVENTIONS):
        said = np.array([party in cve.vectors for cve in cves])
        rows = np.flatnonzero(fit & said)
        if len(rows) < FEW:
            continue
        truth = np.array([cves[i].vectors[party] for i in rows.tolist()])
        told = _of(both, column, rows)
        mixes[party] = [
            mix((told[0][:, a:b], told[1][:, a:b]), np.eye(b - a, dtype=np.float32)[truth[:, metric]])
            for metric, (a, b) in enumerate(METRIC_PLACES)
        ]
        errors = _errors(_of(both, column), mixes[party], cves, party, rows)
        widths[party] = residual(errors)
        rows = np.flatnonzero(check & said)
        errors = _errors(_of(both, column), mixes[party], cves, party, rows)
        numbers.measured |= {
            f"severity {party} n": len(rows),
            f"severity {party} mean absolute deviation": round(float(errors.mean()), 3),
            f"severity {party} coverage": round(float((errors <= widths[party]).mean()), 4),
        }
    numbers.mixes["severity"] = {str(p): mixes.get(p, mixes[Convention.CNA]) for p in CONVENTIONS}
    numbers.severity["conformal"] = {str(p): widths.get(p, widths[Convention.CNA]) for p in CONVENTIONS}


def _errors(
    both: Both, mixes: Sequence[Mix], cves: Sequence[Cve], party: Convention, rows: NDArray[np.intp]
) -> Floats:  # fmt: skip
    """How far the decided base scores lie from those of the stated vectors."""
    found = []
    for i in rows.tolist():
        parts = [
            softmax(mixed((both[0][i, a:b], both[1][i, a:b]), weights))
            for (a, b), weights in zip(METRIC_PLACES, mixes, strict=True)
        ]
        found.append(abs(decide(parts).score - score_of(cves[i].vectors[party])))
    return np.array(found, dtype=np.float32)


def ssvc(numbers: Numbers, both: Both, cves: Sequence[Cve]) -> None:
    fit, check = halves(cves)
    found = []
    for point, (name, (a, b)) in enumerate(zip(SSVC, SSVC_PLACES, strict=True)):
        truth = np.array([cve.ssvc[point] for cve in cves])
        rows = fit & (truth >= 0)
        weights = mix((both[0][rows, a:b], both[1][rows, a:b]), np.eye(b - a, dtype=np.float32)[truth[rows]])
        found.append(weights)
        rows = check & (truth >= 0)
        right = mixed((both[0][rows, a:b], both[1][rows, a:b]), weights).argmax(1) == truth[rows]
        numbers.measured[f"ssvc {name} n"] = int(rows.sum())
        numbers.measured[f"ssvc {name} accuracy"] = round(float(right.mean()), 4)
        majority = np.bincount(truth[rows]).max() / rows.sum()
        numbers.measured[f"ssvc {name} majority"] = round(float(majority), 4)
    numbers.mixes["ssvc"] = found


def techniques(numbers: Numbers, reader: Reads, sentences: Sentences, labels: Labels) -> None:
    """The mix from sentences of held-out groups and software; the threshold from reports made of those.

    A report is what is said of the group or software, and then its procedures: read as the runtime reads a report.
    """
    place = {name: i for i, name in enumerate(labels.techniques)}
    dev = [s for s in sentences.dev if s.techniques & place.keys()]
    told = [_of_domain(reader.techniques(s.text), s.domain, labels) for s in dev]
    both = np.stack([encoder for encoder, _ in told]), np.stack([words for _, words in told])
    truth = np.zeros_like(both[0])
    for row, sentence in enumerate(dev):
        for name in sentence.techniques:
            for each in {name, name.partition(".")[0]} & place.keys():
                truth[row, place[each]] = 1
    at = binary_mix(both, truth)
    numbers.mixes["techniques"] = at
    reports = _reports(dev, sentences.intros, reader, at, labels)
    scored = [(main_f1(reports, step), step) for step in STEPS]
    best, numbers.techniques["threshold"] = max(scored)
    top = truth[np.arange(len(dev)), mixed(both, at).argmax(1)]
    numbers.measured |= {
        "techniques sentences n": len(dev),
        "techniques sentences top-1": round(float(top.mean()), 4),
        "techniques reports n": len(reports),
        "techniques reports micro-F1 at the threshold, set on them": round(best, 4),
    }


Report = tuple[dict[str, float], frozenset[str]]  # main technique → probability; those that are right


def _reports(dev: Sequence[Sentence], intros: dict[str, str], reader: Reads, at: Mix, labels: Labels) -> list[Report]:
    documents: dict[tuple[str, Domain | None], list[Sentence]] = {}
    for sentence in dev:
        documents.setdefault((sentence.document, sentence.domain), []).append(sentence)
    found = []
    for (document, domain), told in documents.items():
        best: dict[str, float] = {}
        for text in (intros.get(document, ""), *(s.text for s in told)):
            for start, end in read_alone(text):
                logits = mixed(_of_domain(reader.techniques(text[start:end]), domain, labels), at)
                for i in np.flatnonzero(logits > LOW).tolist():
                    main = labels.techniques[i].partition(".")[0]
                    best[main] = max(best.get(main, 0.0), float(expit(logits[i])))
        found.append((best, frozenset(t.partition(".")[0] for s in told for t in s.techniques)))
    return found


def _of_domain(both: Both, domain: Domain | None, labels: Labels) -> Both:
    """As the runtime reads: techniques of other domains are no answers."""
    others = np.array([of != domain for of in labels.domains])
    encoder, words = (np.where(others, np.float32(NEVER), each) for each in both)
    return encoder, words


def main_f1(reports: Sequence[Report], at: float) -> float:
    """Micro-F1 over main techniques."""
    hits = said = right = 0
    for best, truth in reports:
        found = {name for name, probability in best.items() if probability >= at}
        hits += len(found & truth)
        said += len(found)
        right += len(truth)
    return 2 * hits / max(1, said + right)
