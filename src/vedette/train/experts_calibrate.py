"""Probabilities that mean what they say: temperatures, conformal sets and thresholds, from CVEs and sentences held out.

A half of the held-out CVEs sets the numbers, the other half measures them; only those without a near duplicate among
the training texts take part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
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
LOW = -4.0  # logit of a technique that no threshold lets through
FEW = 100  # held-out labels of a convention below which it takes the numbers of ANY


class Reads(Protocol):
    def run(self, text: str, outputs: Sequence[str]) -> list[Floats]: ...


@dataclass(slots=True)
class Numbers:
    """What the runtime reads from `calibration.json`."""

    temperatures: dict[str, object] = field(default_factory=dict)
    weakness: dict[str, object] = field(default_factory=dict)
    severity: dict[str, object] = field(default_factory=dict)
    techniques: dict[str, object] = field(default_factory=dict)
    measured: dict[str, float] = field(default_factory=dict)  # on the other half

    def content(self) -> dict[str, object]:
        return {
            "format": 1, "temperatures": self.temperatures, "weakness": self.weakness,
            "severity": self.severity, "techniques": self.techniques, "measured": self.measured,
        }  # fmt: skip


def halves(cves: Sequence[Cve]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    fresh = np.array([cve.fresh for cve in cves])
    even = np.array([crc32(cve.id.encode()) // 7 % 2 == 0 for cve in cves])
    return fresh & even, fresh & ~even


def temperature(logits: Floats, shares: Floats) -> float:
    """That makes shares most likely. (n, classes) both."""

    def loss(log_t: float) -> float:
        return float(-(shares * log_softmax(logits / np.exp(log_t), axis=1)).sum())

    return round(float(np.exp(minimize_scalar(loss, bounds=(-1.5, 1.5), method="bounded").x)), 4)


def binary_temperature(logits: Floats, truth: Floats) -> float:
    def loss(log_t: float) -> float:
        z = logits / np.exp(log_t)
        return float(np.sum(np.logaddexp(0, z) - truth * z))

    return round(float(np.exp(minimize_scalar(loss, bounds=(-1.5, 1.5), method="bounded").x)), 4)


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


def weakness(numbers: Numbers, logits: Floats, cves: Sequence[Cve], weaknesses: Sequence[str]) -> None:
    """`logits`: (CVEs, conventions, weaknesses)."""
    fit, check = halves(cves)
    found: dict[str, float] = {}
    sets: dict[str, float] = {}
    for column, party in enumerate(CONVENTIONS):
        shares = weakness_shares(cves, weaknesses, party)
        said = shares.sum(1) > 0
        rows = fit & said
        if rows.sum() < FEW:
            continue
        found[party] = temperature(logits[rows, column], shares[rows])
        probabilities = softmax(logits[:, column] / found[party], axis=1)
        sets[party] = conformal(probabilities[rows], shares[rows])
        if party is Convention.ANY:
            best = probabilities.argmax(1)
            right = shares[np.arange(len(cves)), best] > 0
            numbers.weakness["threshold"] = threshold(probabilities.max(1)[rows], right[rows])
        _measure(numbers, str(party), probabilities[check & said], shares[check & said], sets[party])
    any_t, any_q = found[Convention.ANY], sets[Convention.ANY]
    numbers.temperatures["weakness"] = {str(p): found.get(p, any_t) for p in CONVENTIONS}
    numbers.weakness["conformal"] = {str(p): sets.get(p, any_q) for p in CONVENTIONS}


def full_precision(numbers: Numbers, logits: Floats, cves: Sequence[Cve], weaknesses: Sequence[str]) -> None:
    """What the fp32 network says of the CVEs that measure the int8 file. `logits`: of those, in their order."""
    _, check = halves(cves)
    measuring = [cve for cve, chosen in zip(cves, check, strict=True) if chosen]
    for column, party in enumerate(CONVENTIONS):
        name = f"weakness {party} top-1"
        shares = weakness_shares(measuring, weaknesses, party)
        said = shares.sum(1) > 0
        if name in numbers.measured:
            best = logits[said, column].argmax(1)
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


def severity(numbers: Numbers, logits: Floats, cves: Sequence[Cve]) -> None:
    """`logits`: (CVEs, conventions, values of all metrics)."""
    fit, check = halves(cves)
    temperatures: dict[str, list[float]] = {}
    widths: dict[str, float] = {}
    for column, party in enumerate(CONVENTIONS):
        said = np.array([party in cve.vectors for cve in cves])
        rows = np.flatnonzero(fit & said)
        if len(rows) < FEW:
            continue
        truth = np.array([cves[i].vectors[party] for i in rows.tolist()])
        temperatures[party] = [
            temperature(logits[rows, column, a:b], np.eye(b - a, dtype=np.float32)[truth[:, metric]])
            for metric, (a, b) in enumerate(METRIC_PLACES)
        ]
        errors = _errors(logits[:, column], temperatures[party], cves, party, rows)
        widths[party] = residual(errors)
        rows = np.flatnonzero(check & said)
        errors = _errors(logits[:, column], temperatures[party], cves, party, rows)
        numbers.measured |= {
            f"severity {party} n": len(rows),
            f"severity {party} mean absolute deviation": round(float(errors.mean()), 3),
            f"severity {party} coverage": round(float((errors <= widths[party]).mean()), 4),
        }
    numbers.temperatures["severity"] = {str(p): temperatures.get(p, temperatures[Convention.CNA]) for p in CONVENTIONS}
    numbers.severity["conformal"] = {str(p): widths.get(p, widths[Convention.CNA]) for p in CONVENTIONS}


def _errors(logits: Floats, at: list[float], cves: Sequence[Cve], party: Convention, rows: NDArray[np.intp]) -> Floats:
    """How far the decided base scores lie from those of the stated vectors."""
    found = []
    for i in rows.tolist():
        parts = [softmax(logits[i, a:b] / t) for (a, b), t in zip(METRIC_PLACES, at, strict=True)]
        found.append(abs(decide(parts).score - score_of(cves[i].vectors[party])))
    return np.array(found, dtype=np.float32)


def ssvc(numbers: Numbers, logits: Floats, cves: Sequence[Cve]) -> None:
    fit, check = halves(cves)
    found = []
    for point, (name, (a, b)) in enumerate(zip(SSVC, SSVC_PLACES, strict=True)):
        truth = np.array([cve.ssvc[point] for cve in cves])
        rows = fit & (truth >= 0)
        found.append(temperature(logits[rows, a:b], np.eye(b - a, dtype=np.float32)[truth[rows]]))
        rows = check & (truth >= 0)
        right = logits[rows, a:b].argmax(1) == truth[rows]
        numbers.measured[f"ssvc {name} n"] = int(rows.sum())
        numbers.measured[f"ssvc {name} accuracy"] = round(float(right.mean()), 4)
        majority = np.bincount(truth[rows]).max() / rows.sum()
        numbers.measured[f"ssvc {name} majority"] = round(float(majority), 4)
    numbers.temperatures["ssvc"] = found


def techniques(numbers: Numbers, reader: Reads, sentences: Sentences, labels: Labels) -> None:
    """The temperature from sentences of held-out groups and software; the threshold from reports made of those.

    A report is what is said of the group or software, and then its procedures: read as the runtime reads a report.
    """
    place = {name: i for i, name in enumerate(labels.techniques)}
    dev = [s for s in sentences.dev if s.techniques & place.keys()]
    logits = np.stack([_of_domain(reader.run(s.text, ["techniques"])[0], s.domain, labels) for s in dev])
    truth = np.zeros_like(logits)
    for row, sentence in enumerate(dev):
        for name in sentence.techniques:
            for each in {name, name.partition(".")[0]} & place.keys():
                truth[row, place[each]] = 1
    at = binary_temperature(logits, truth)
    numbers.temperatures["techniques"] = at
    reports = _reports(dev, sentences.intros, reader, at, labels)
    scored = [(main_f1(reports, step), step) for step in STEPS]
    best, numbers.techniques["threshold"] = max(scored)
    top = truth[np.arange(len(dev)), logits.argmax(1)]
    numbers.measured |= {
        "techniques sentences n": len(dev),
        "techniques sentences top-1": round(float(top.mean()), 4),
        "techniques reports n": len(reports),
        "techniques reports micro-F1 at the threshold, set on them": round(best, 4),
    }


Report = tuple[dict[str, float], frozenset[str]]  # main technique → probability; those that are right


def _reports(dev: Sequence[Sentence], intros: dict[str, str], reader: Reads, at: float, labels: Labels) -> list[Report]:
    documents: dict[tuple[str, Domain | None], list[Sentence]] = {}
    for sentence in dev:
        documents.setdefault((sentence.document, sentence.domain), []).append(sentence)
    found = []
    for (document, domain), told in documents.items():
        best: dict[str, float] = {}
        for text in (intros.get(document, ""), *(s.text for s in told)):
            for start, end in read_alone(text):
                logits = _of_domain(reader.run(text[start:end], ["techniques"])[0], domain, labels)
                for i in np.flatnonzero(logits > LOW).tolist():
                    main = labels.techniques[i].partition(".")[0]
                    best[main] = max(best.get(main, 0.0), float(expit(logits[i] / at)))
        found.append((best, frozenset(t.partition(".")[0] for s in told for t in s.techniques)))
    return found


def _of_domain(logits: Floats, domain: Domain | None, labels: Labels) -> Floats:
    """As the runtime reads: techniques of other domains are no answers."""
    return np.where([of == domain for of in labels.domains], logits, np.float32(NEVER))


def main_f1(reports: Sequence[Report], at: float) -> float:
    """Micro-F1 over main techniques."""
    hits = said = right = 0
    for best, truth in reports:
        found = {name for name, probability in best.items() if probability >= at}
        hits += len(found & truth)
        said += len(found)
        right += len(truth)
    return 2 * hits / max(1, said + right)
