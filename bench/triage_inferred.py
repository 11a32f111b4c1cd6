"""How often the experts are right about names of rules: on titles of Sigma rules, whose authors state techniques.

`python bench/triage_inferred.py --store FILE`, of a store that Sigma rules were imported into. An answer is right where
the rule states the technique or a sub-technique of it. One half of the rules fits how sure the answers are said to be
(`vedette.skills.triage.inferred`: SLOPE, SHIFT), the other half measures: precision with 95 % bootstrap intervals, and
the share of rules that get an answer. A rule may tell of more than it states, so the figures are rather low than high.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from math import exp, log
from pathlib import Path
from statistics import fmean
from zlib import crc32

import msgspec

from vedette.bench.statistics import bootstrap
from vedette.experts import Experts
from vedette.knowledge.record import decode
from vedette.knowledge.store import Knowledge
from vedette.skills.triage.inferred import LEAST, OF_A_RULE, SHIFT, SLOPE, sureness

LEAST_READ = 0.3  # probability by the experts
THRESHOLDS = (0.4, 0.5, 0.6, 0.7)  # on what is shown
STEPS, RATE = 4_000, 0.5
TECHNIQUE = re.compile(r"T\d{4}(\.\d{3})?")


class Answer(msgspec.Struct, frozen=True):
    probability: float  # as the experts say it
    right: bool


def rules(knowledge: Knowledge, half: int) -> list[tuple[str, set[str]]]:
    """(title, techniques that the rule states)"""
    found = []
    for uid, body in knowledge.db.execute("SELECT id, body FROM record WHERE kind = 'rule' ORDER BY id"):
        rule = decode(body)
        stated = {link.to for link in rule.links if TECHNIQUE.fullmatch(link.to)}
        if stated and crc32(uid.encode()) % 2 == half:
            found.append((rule.name, stated | {uid.partition(".")[0] for uid in stated}))
    return found


def answers(experts: Experts, asked: Sequence[tuple[str, set[str]]]) -> list[list[Answer]]:
    """Of each rule, at most as many as triage shows."""
    read = experts.techniques([title for title, _ in asked], threshold=LEAST_READ)
    return [
        [Answer(one.probability, one.id in stated) for one in told.found[:OF_A_RULE]]
        for told, (_, stated) in zip(read, asked, strict=True)
    ]


def fitted(known: Sequence[Answer]) -> tuple[float, float]:
    """Slope and shift of a logistic over the log-odds, by gradient descent."""
    slope, shift = 1.0, 0.0
    odds = [log(one.probability / (1 - one.probability)) for one in known]
    for _ in range(STEPS):
        off = [1 / (1 + exp(-slope * x - shift)) - one.right for x, one in zip(odds, known, strict=True)]
        slope -= RATE * fmean(e * x for e, x in zip(off, odds, strict=True))
        shift -= RATE * fmean(off)
    return slope, shift


def row(found: Sequence[Sequence[Answer]], least: float) -> str:
    shown = [one for part in found for one in part if sureness(one.probability) >= least]
    rights = [float(one.right) for one in shown]
    low, high = bootstrap(rights, fmean)
    share = fmean(float(any(sureness(one.probability) >= least for one in part)) for part in found)
    said = fmean(sureness(one.probability) for one in shown)
    mark = " (what triage shows)" if least == LEAST else ""
    return f"| {least}{mark} | {len(shown)} | {fmean(rights):.3f} [{low:.3f}, {high:.3f}] | {said:.3f} | {share:.3f} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--store", type=Path, required=True)
    experts = Experts.load()
    with Knowledge.open(parser.parse_args().store) as knowledge:
        first, second = rules(knowledge, 0), rules(knowledge, 1)
    if not first or not second:
        print("skipped: the store holds no Sigma rules", file=sys.stderr)
        return 0
    slope, shift = fitted([one for part in answers(experts, first) for one in part])
    print(f"{experts.name}: slope {slope:.2f}, shift {shift:.2f} by {len(first)} rules; in the code {SLOPE}, {SHIFT}\n")
    print(f"{len(second)} other rules\n\n| at least | answers | right | said on average | rules with an answer |")
    print("| --- | --- | --- | --- | --- |")
    measured = answers(experts, second)
    print("\n".join(row(measured, least) for least in THRESHOLDS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
