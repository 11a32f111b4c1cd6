"""Training: from made-up sites with one planted attack to weights that can only raise, the same each time."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from random import Random

import pytest

pytest.importorskip("numpy")
pytest.importorskip("scipy")

import numpy as np
from scipy.stats import beta

from vedette.skills.triage.baseline import Baseline
from vedette.skills.triage.closing import CONFIDENCE, upper_bound
from vedette.skills.triage.features import case_values
from vedette.skills.triage.model import CASE_TERMS, SIGNAL_TERMS
from vedette.skills.triage.owner import Owner
from vedette.skills.triage.signals import SLOTS_A_DAY, Signal
from vedette.train import triage
from vedette.train.triage import Day, Site

pytestmark = pytest.mark.train
DAY = 20_522


@pytest.mark.parametrize(("misses", "n"), [(0, 1), (0, 299), (1, 10), (3, 500), (17, 40), (9, 10), (250, 5000)])
def test_the_bound_is_clopper_pearsons(misses: int, n: int) -> None:
    expected = beta.ppf(CONFIDENCE, misses + 1, n - misses)
    assert upper_bound(misses, n) == pytest.approx(expected, rel=1e-6)
    assert upper_bound(misses, n) != pytest.approx(beta.ppf(0.975, misses + 1, n - misses), rel=1e-6)


def signal(slot: int, rule: str, host: str, severity: int) -> Signal:
    time = (DAY * SLOTS_A_DAY + slot) * 600_000
    return Signal(
        DAY * SLOTS_A_DAY + slot,
        "p",
        rule,
        f"rule {rule}",
        host,
        ("host:" + host,),
        severity,
        count=1,
        first=time,
        last=time,
    )


def site(seed: int) -> Site:
    """Noise on five devices, and three attack rules on one of them within an hour."""
    random = Random(seed)
    noise = [
        signal(slot, rule, f"h{n}", random.choice((1, 1, 2, 3)))
        for n in range(5) for rule in ("a", "b", "c") for slot in random.sample(range(144), 40)
    ]  # fmt: skip
    start = random.randrange(20, 120)
    attack = [signal(start + i % 3, rule, "h3", 4) for i, rule in enumerate(("x", "y", "z"))]
    labels = [Counter({"-": 1}) for _ in noise] + [Counter({f"phase {s.rule_uid}": 1}) for s in attack]
    signals = [*noise, *attack]
    places = Counter((s.product, s.rule_uid, s.device) for s in signals)
    rules = Counter((s.product, s.rule_uid) for s in signals)
    baseline = Baseline(DAY, 1, dict(places), {r: min(144, n) for r, n in rules.items()}, frozenset(), dict(places))
    return Site(
        f"site {seed}",
        [Day(signals, baseline, labels, [triage.phase(x) if triage.is_attack(x) else "-" for x in labels])],
    )


@pytest.fixture(scope="module")
def sites() -> list[Site]:
    return [site(seed) for seed in range(3)]


def test_weights_can_only_raise_and_are_the_same_each_time(sites: list[Site]) -> None:
    model = triage.fit_model(sites, "made up")
    assert set(model.signal) == set(SIGNAL_TERMS)
    assert set(model.case) == set(CASE_TERMS)
    assert min(*model.signal.values(), *model.case.values()) >= 0
    assert triage.fit_model(sites, "made up") == model
    assert triage.fit_model([site(seed) for seed in range(5, 8)], "made up") != model


def test_what_was_learned_puts_the_attack_first(sites: list[Site]) -> None:
    """On a site that it has not seen."""
    model = triage.fit_model(sites, "made up")
    day = site(9).days[0]
    groups = triage.groups_of(day, model)
    best = max(groups, key=lambda g: model.probability(case_values(g, Owner())))
    assert triage.is_right(triage.evidence_labels(day, best))
    worst = min(groups, key=lambda g: model.probability(case_values(g, Owner())))
    assert not triage.is_right(triage.evidence_labels(day, worst))


def test_history_knows_the_rules_of_attacks_and_shrinks_what_is_seen_seldom(sites: list[Site]) -> None:
    found = triage.history(sites)
    assert min(found["p|rule x"], found["p|rule y"]) > 0 > found["p|rule a"]
    assert triage.history(sites[:1])["p|rule x"] < found["p|rule x"]


def test_no_attack_at_all_teaches_no_history(sites: list[Site]) -> None:
    benign = Counter({"-": 1})
    calm = [
        Site(s.name, [Day(d.signals, d.baseline, [benign] * len(d.signals), ["-"] * len(d.signals)) for d in s.days])
        for s in sites
    ]
    assert triage.history(calm) == {}


def test_a_term_that_data_cannot_teach_keeps_the_prior() -> None:
    values, target = [(0.0, float(i % 2)) for i in range(40)], [float(i % 2) for i in range(40)]
    b = triage.fit(values, target, [1.0] * 40, [3.0, 0.0], 10.0)
    assert b[1] == pytest.approx(3.0, abs=1e-3)
    assert b[2] > 0.3


def test_a_term_that_speaks_against_an_attack_gets_no_weight() -> None:
    values, target = [(float(i % 2),) for i in range(40)], [float(not i % 2) for i in range(40)]
    b = triage.fit(values, target, [1.0] * 40, [0.0], 1.0)
    assert b[1] == 0.0
    assert math.isfinite(float(np.asarray(b)[0]))


@pytest.mark.parametrize(
    ("held_out", "expected"),
    [
        ([(0.9, True)] * 9 + [(0.2, False)] * 50, 0.3),
        ([(0.9, True)] * 9 + [(0.55, False)] * 9, 0.6),
        ([(0.99, False)] * 9, 0.9),
        ([], 0.9),
    ],
)
def test_the_threshold_keeps_the_wanted_precision(held_out: list[tuple[float, bool]], expected: float) -> None:
    assert triage.threshold(held_out) == expected


@pytest.mark.parametrize(
    ("labels", "right"), [(["x", "-"], True), (["x", "-", "-"], False), (["x"], True), (["-"], False)]
)
def test_a_case_is_right_when_half_of_what_it_shows_is_attack(labels: list[str], right: bool) -> None:
    assert triage.is_right(labels) is right


def test_labels_of_the_data_set_are_read_beside_the_alerts(shared: Path, tmp_path: Path) -> None:
    from vedette.train.labelled import labels, scenario_files

    archive = shared / "data" / "alerts" / "ait-ads-alerts-csv.zip"
    if not archive.is_file():
        pytest.skip(f"no labelled alerts in '{archive}'")
    files = scenario_files(archive, tmp_path)
    assert len(files) >= 3
    smallest = min(files, key=lambda path: path.stat().st_size)
    known = labels(smallest)
    assert known[:2] == ["-", "-"]
    assert len(known) == len(smallest.read_bytes().splitlines()) + 1
    assert {"-"} < set(known)
