"""Quality of triage on six networks that it was not trained on: leave one scenario out, train on five.

`make bench-triage-quality`, or `python bench/triage_quality.py [--data ZIP] [--out build/bench]`.

A phase is a distinct `event_label` other than "-" of a scenario. It counts as found at k when one of the at most 12
evidence lines shown for one of a day's top k cases is an alert of it. An escalated case is right when at least half of
its shown evidence is attack. Each held-out scenario runs through the product's own reader, state and skill; labels
are looked up afterwards by the refs of the evidence. Intervals: bootstrap over the six scenarios.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from vedette.bench.statistics import bootstrap, calibration_error, ratio
from vedette.connect.read import read
from vedette.manifest import atomic_write
from vedette.skills.triage.model import Model
from vedette.skills.triage.owner import Owner
from vedette.skills.triage.signals import Signal
from vedette.skills.triage.skill import Triage
from vedette.skills.triage.state import State
from vedette.train.labelled import BENIGN, label_of, labels, scenario_files, site
from vedette.train.triage import Day, Site, fit_model, is_right
from vedette.types import Verdict

KS = (5, 10, 20)
MUST = ("escalated_sudo_command", "attacker_change_user", "dnsteal")
LINES = 12


@dataclass
class Shown:
    """What an analyst would see of one case, or of one item of a baseline."""

    labels: list[str]  # of its evidence lines, at most LINES
    alerts: int = 0
    probability: float = 0.0
    escalated: bool = False


@dataclass
class Outcome:
    """One held-out scenario under one method: its days' queues, best first."""

    phases: set[str]
    queues: list[list[Shown]] = field(default_factory=list)

    def found(self, k: int) -> set[str]:
        return {label for queue in self.queues for shown in queue[:k] for label in shown.labels} - {BENIGN}

    def escalated(self) -> tuple[int, int]:
        """(right, all) of the escalated cases."""
        chosen = [s for queue in self.queues for s in queue if s.escalated]
        return sum(is_right(s.labels) for s in chosen), len(chosen)

    def scored(self) -> list[tuple[float, bool]]:
        return [(s.probability, is_right(s.labels)) for queue in self.queues for s in queue]


def triaged(path: Path, model: Model, phases: set[str], folder: Path) -> Outcome:
    """A held-out scenario through the product."""
    with State(folder / f"{path.stem}.db") as state:
        skill = Triage(state, model, Owner())
        for _ in skill.ingest(read([str(path)])):
            pass
        skill.build()
        cases = skill.queue().cases
    known = labels(path)
    outcome = Outcome(phases)
    by_day = defaultdict(list)
    for case in cases:
        by_day[case.day].append(case)
    for day in sorted(by_day):
        queue = sorted(by_day[day], key=lambda c: c.rank)
        outcome.queues.append(
            [
                Shown(
                    [label_of(e.ref, known) for e in c.evidence],
                    c.alerts,
                    c.probability,
                    c.verdict is Verdict.ESCALATE,
                )
                for c in queue
            ]
        )
    return outcome


def by_severity(found: Site, phases: set[str]) -> Outcome:
    """Baseline 1: each (rule, host) of a day is an item; the rule's severity orders them, then how often it fired."""

    def order(day: Day, items: Sequence[tuple[Signal, str]]) -> tuple[float, ...]:
        return (-max(s.severity for s, _ in items), -sum(s.count for s, _ in items))

    return _baseline(found, phases, order)


def by_rarity(found: Site, phases: set[str]) -> Outcome:
    """Baseline 2: the same items; those first seen on this day come first, rarest and then latest in front."""

    def order(day: Day, items: Sequence[tuple[Signal, str]]) -> tuple[float, ...]:
        s = items[0][0]
        place = (s.product, s.rule_uid, s.device)
        return (float(place in day.baseline.before), day.baseline.alerts[place], -min(x.first for x, _ in items))

    return _baseline(found, phases, order)


Order = Callable[[Day, Sequence[tuple[Signal, str]]], tuple[float, ...]]


def _baseline(found: Site, phases: set[str], order: Order) -> Outcome:
    outcome = Outcome(phases)
    for day in found.days:
        items: dict[tuple[str, str, str], list[tuple[Signal, str]]] = defaultdict(list)
        for signal, shown in zip(day.signals, day.shown, strict=True):
            items[signal.product, signal.rule_uid, signal.device].append((signal, shown))
        ranked = sorted(items, key=lambda key: (order(day, items[key]), key))
        queue = [
            Shown([label for _, label in items[key][:LINES]], sum(s.count for s, _ in items[key])) for key in ranked
        ]
        for item in queue[:10]:
            item.escalated = True  # what a team that works through ten items would take up
        outcome.queues.append(queue)
    return outcome


def report(methods: dict[str, list[Outcome]]) -> tuple[str, dict[str, object]]:
    """The table as text, and all of it as plain data."""
    lines = [f"{'':34}" + "".join(f"{name:>27}" for name in methods)]
    data: dict[str, object] = {}
    for k in KS:
        row, values = f"phases found of present, k = {k}", {}
        cells = []
        for name, outcomes in methods.items():
            pairs = [(len(o.found(k)), len(o.phases)) for o in outcomes]
            low, high = bootstrap(pairs, ratio)
            hits, n = sum(h for h, _ in pairs), sum(n for _, n in pairs)
            cells.append(f"{hits}/{n} = {ratio(pairs):.0%} [{low:.0%}, {high:.0%}]")
            values[name] = {"found": hits, "n": n, "share": ratio(pairs), "interval": [low, high]}
        lines.append(f"{row:34}" + "".join(f"{c:>27}" for c in cells))
        data[f"phases_at_{k}"] = values
    lines += _more_rows(methods, data)
    return "\n".join(lines), data


def _more_rows(methods: dict[str, list[Outcome]], data: dict[str, object]) -> list[str]:
    rows: dict[str, list[str]] = {
        "precision of escalate *": [],
        "alerts per case, median": [],
        "queue length a day, mean": [],
        "expected calibration error": [],
    }
    for name, outcomes in methods.items():
        pairs = [o.escalated() for o in outcomes]
        low, high = bootstrap(pairs, ratio)
        rows["precision of escalate *"].append(
            f"{sum(k for k, _ in pairs)}/{sum(n for _, n in pairs)} = {ratio(pairs):.0%} [{low:.0%}, {high:.0%}]"
        )
        sizes = sorted(s.alerts for o in outcomes for q in o.queues for s in q)
        rows["alerts per case, median"].append(f"{sizes[len(sizes) // 2]} (max {sizes[-1]:,})")
        lengths = [len(q) for o in outcomes for q in o.queues]
        rows["queue length a day, mean"].append(f"{sum(lengths) / len(lengths):.1f} (max {max(lengths)})")
        scored = [pair for o in outcomes for pair in o.scored()]
        if any(p for p, _ in scored):
            low, high = bootstrap(
                [o.scored() for o in outcomes], lambda u: calibration_error([x for s in u for x in s])
            )
            rows["expected calibration error"].append(f"{calibration_error(scored):.4f} [{low:.4f}, {high:.4f}]")
        else:
            rows["expected calibration error"].append("no probability")
        data[name] = {row: cells[-1] for row, cells in rows.items()}
    return [f"{row:34}" + "".join(f"{c:>27}" for c in cells) for row, cells in rows.items()]


def phase_table(outcomes: Sequence[Outcome]) -> tuple[list[str], dict[str, tuple[int, int]]]:
    """Which phases are found at k = 10, over scenarios."""
    present = Counter(p for o in outcomes for p in o.phases)
    found = Counter(p for o in outcomes for p in o.found(10))
    table = {p: (found[p], n) for p, n in sorted(present.items())}
    return [f"  {p:26} {k} of {n}" for p, (k, n) in table.items()], table


def missed(outcomes: Sequence[Outcome], table: dict[str, tuple[int, int]]) -> list[str]:
    """Which of the issue's targets do not hold."""
    pairs = [(len(o.found(10)), len(o.phases)) for o in outcomes]
    short = [] if ratio(pairs) >= 0.9 else [f"phases at k = 10: {ratio(pairs):.1%} < 90 %"]
    short += [f"{p}: {table[p][0]} of {table[p][1]}" for p in MUST if table.get(p, (0, 0))[0] < table.get(p, (0, 0))[1]]
    if table.get("webshell_cmd", (6, 6))[0] < 5:
        short.append(f"webshell_cmd: {table['webshell_cmd'][0]} < 5")
    precision = ratio([o.escalated() for o in outcomes])
    return short if precision >= 0.7 else [*short, f"precision of escalate {precision:.2f} < 0.7"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    shared = Path(os.environ.get("VEDETTE_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    parser.add_argument("--data", type=Path, default=shared / "data/alerts/ait-ads-alerts-csv.zip")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    options = parser.parse_args()
    if not options.data.exists():
        print(f"skipped: {options.data} is not here (see README, data)", file=sys.stderr)
        return 0
    methods: dict[str, list[Outcome]] = {"vedette": [], "rule severity": [], "first-seen rarity": []}
    with TemporaryDirectory() as name:
        folder = Path(name)
        files = scenario_files(options.data, folder)
        sites = {path: site(path) for path in files}
        for path, held_out in sites.items():
            model = fit_model([s for s in sites.values() if s is not held_out], f"without-{held_out.name}")
            phases = {label for day in held_out.days for tally in day.labels for label in tally} - {BENIGN}
            methods["vedette"].append(triaged(path, model, phases, folder))
            methods["rule severity"].append(by_severity(held_out, phases))
            methods["first-seen rarity"].append(by_rarity(held_out, phases))
            best = methods["vedette"][-1]
            print(f"{held_out.name}: {len(best.found(10))} of {len(phases)} phases", file=sys.stderr, flush=True)
    text, data = report(methods)
    lines, table = phase_table(methods["vedette"])
    short = missed(methods["vedette"], table)
    print(text)
    print("* of the baselines: of the day's first ten items. Intervals: 95 %, bootstrap over the six scenarios.")
    print("\nphases found at k = 10 (vedette):", *lines, sep="\n")
    print("\nall targets hold" if not short else "\nshort of target: " + "; ".join(short))
    options.out.mkdir(parents=True, exist_ok=True)
    atomic_write(options.out / "triage_quality.json", msgspec.json.format(msgspec.json.encode(data), indent=1) + b"\n")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
