"""Temperatures, sets and thresholds do what they are for, on data whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("scipy")

from scipy.special import expit, softmax

from vedette.experts.labels import CONVENTIONS, Convention
from vedette.train import experts_calibrate as calibrate
from vedette.train.experts_cves import Cve

pytestmark = pytest.mark.train

SURE = 2.5  # times too sure
KNOWN = ("CWE-79", "CWE-89", "CWE-787")


def drawn(count: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(logits of a model that is SURE times too sure, shares that follow the true probabilities)."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (count, classes)).astype(np.float32)
    truth = [rng.choice(classes, p=row) for row in softmax(logits.astype(np.float64), axis=1)]
    return logits * SURE, np.eye(classes, dtype=np.float32)[truth]


def test_a_mix_undoes_what_a_model_is_too_sure() -> None:
    logits, shares = drawn(4_000, 5, 1)
    noise = np.random.default_rng(9).normal(0, 1, logits.shape).astype(np.float32)
    found = calibrate.mix((logits, noise), shares)
    assert found[0] == pytest.approx(1 / SURE, rel=0.06)
    assert found[1] < 0.05, "noise is no opinion"
    best = logits.argmax(1)
    right = shares[np.arange(len(best)), best] > 0
    before = calibrate.error(softmax(logits, axis=1).max(1), right)
    after = calibrate.error(softmax(calibrate.mixed((logits, noise), found), axis=1).max(1), right)
    assert after < 0.03 < before


def test_two_opinions_are_weighed_as_each_deserves() -> None:
    rng = np.random.default_rng(5)
    true = rng.normal(0, 2, (6_000, 4)).astype(np.float32)
    shares = np.eye(4, dtype=np.float32)[[rng.choice(4, p=row) for row in softmax(true.astype(np.float64), axis=1)]]
    better = true + rng.normal(0, 0.7, true.shape).astype(np.float32)
    worse = true + rng.normal(0, 2.0, true.shape).astype(np.float32)
    first, second = calibrate.mix((better, worse), shares)
    assert first > 2 * second > 0.02


def test_the_mix_of_a_yes_or_no() -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(-1, 2, 8_000).astype(np.float32)
    truth = (rng.random(8_000) < expit(logits)).astype(np.float32)
    found = calibrate.binary_mix((logits * SURE, rng.normal(0, 1, 8_000).astype(np.float32)), truth)
    assert found[0] == pytest.approx(1 / SURE, rel=0.06)
    assert found[1] < 0.1


def test_conformal_sets_hold_nine_in_ten_of_others_like_them() -> None:
    logits, shares = drawn(8_000, 6, 3)
    values = softmax(logits / SURE, axis=1)
    least = calibrate.conformal(values[:4_000], shares[:4_000])
    held = ((values[4_000:] >= least) & (shares[4_000:] > 0)).any(1).mean()
    assert 0.885 <= held <= 0.915
    assert ((values >= least).sum(1) < 6).any(), "a set of everything is no answer"


def test_nine_errors_in_ten_are_within_the_residual() -> None:
    errors = np.random.default_rng(4).gamma(2, 1, 4_000).astype(np.float32)
    width = calibrate.residual(errors[:2_000])
    assert 0.88 <= (errors[2_000:] <= width).mean() <= 0.92
    assert calibrate.residual(np.array([3.0], dtype=np.float32)) == 3.0


def test_the_threshold_is_the_least_that_keeps_decisions_right() -> None:
    best = np.linspace(0, 1, 2_001, dtype=np.float32)
    right = np.random.default_rng(5).random(2_001) < best
    at = calibrate.threshold(best, right)
    assert right[best >= at].mean() >= calibrate.DECIDED_RIGHT > right[best >= at - 0.02].mean()
    assert calibrate.threshold(best, np.zeros(2_001, dtype=np.bool_)) == 0.95


def test_micro_f1_over_reports() -> None:
    reports = [
        ({"T1003": 0.9, "T1053": 0.4}, frozenset({"T1003", "T1053"})),
        ({"T1059": 0.8}, frozenset({"T1105"})),
    ]
    assert calibrate.main_f1(reports, 0.5) == pytest.approx(2 * 1 / (2 + 3))
    assert calibrate.main_f1(reports, 0.3) == pytest.approx(2 * 2 / (3 + 3))
    assert calibrate.main_f1([], 0.5) == 0


def test_the_full_network_is_measured_on_the_same_cves() -> None:
    cves = [
        Cve(f"CVE-2024-{i}", "text", 2024, {Convention.ANY: {KNOWN[i % 3]: 1.0}}, {}, (-1, -1, -1)) for i in range(60)
    ]
    _, check = calibrate.halves(cves)
    measuring = [cve for cve, chosen in zip(cves, check, strict=True) if chosen]
    logits = np.zeros((len(measuring), len(CONVENTIONS), len(KNOWN)), dtype=np.float32)
    logits[:, :, 0] = 1
    numbers = calibrate.Numbers(measured={"weakness any top-1": 0.0}, mixes={"weakness": {"any": (1.0, 0.5)}})
    calibrate.full_precision(numbers, (logits, logits), cves, KNOWN)
    share = sum(KNOWN[0] in cve.weaknesses[Convention.ANY] for cve in measuring) / len(measuring)
    assert numbers.measured["weakness any top-1, fp32"] == pytest.approx(share, abs=1e-4)
    assert not [name for name in numbers.measured if "nvd" in name]
