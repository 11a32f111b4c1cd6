"""Quality of the shipped experts on public benchmarks, with intervals, baselines and what others published.

`make bench-experts`, or `python bench/experts_quality.py [--data FOLDER] [--weights FOLDER] [--only rcm,vsp,…]`.

Nothing is trained here. Each row has n and the 95 % interval of a bootstrap over items.

- rcm, strict: the first candidate is the benchmark's CWE, which is NVD's; so the experts are asked by NVD's habits, and
  by those of others in rows of their own. Hierarchy-aware: it is that CWE, its parent or its child in
  view CWE-1000; any level: one lies anywhere above the other.
- vsp: mean absolute deviation of the base score, lower is better.
- ate: micro-F1 over main techniques; sub-techniques count as their technique. The domain is told from the words of
  the text, as for any user; the question names it, too (Enterprise's or Mobile's), by which rows of their own go.
- tram: the best of its fifty techniques for each sentence of reports that never train.
- later: CVEs of 2025 and after. With the weights of a training's first stage, which ends in 2024, this is how a model
  does on CVEs that did not exist when it was made.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from vedette import manifest
from vedette.bench import experts_tasks as tasks
from vedette.bench.calibration import error
from vedette.bench.catalog import benchmark, items
from vedette.bench.hierarchy import Hierarchy
from vedette.bench.items import Item
from vedette.bench.rows import Row, resampled, row
from vedette.bench.scoring import base_score, macro_f1, micro
from vedette.experts.domain import AUTO
from vedette.experts.experts import WEIGHTS, Experts
from vedette.experts.labels import Convention
from vedette.experts.screen import screen
from vedette.knowledge.store import Knowledge

ROOT = Path(__file__).resolve().parents[1]
BASELINE = ROOT / "bench/experts/baseline.json"
CONVENTION = Convention.NVD  # of the headline rows: the benchmarks' truth is NVD's
MOST = 4_000  # CVEs of later years
BINS = 15  # of the calibration error

PUBLISHED: dict[str, list[tuple[str, float]]] = {
    "rcm strict": [
        ("always CWE-79", 0.229), ("CyberSecQwen-4B", 0.666), ("GPT-4", 0.720),
        ("CyberPal 2.0 20B, re-measured", 0.728),
        ("Foundation-Sec-8B-Reasoning", 0.753), ("RoBERTa-base, 125M", 0.756), ("MiST-32B", 0.764),
    ],
    "rcm hierarchy-aware": [("RoBERTa-base, 125M", 0.865)],
    "rcm-2021 strict": [("GPT-4", 0.680), ("RoBERTa-base, 125M", 0.718)],
    "vsp deviation": [("always 7.5", 1.54), ("GPT-4", 1.31), ("Gemini-1.5", 1.09), ("Primus-70B", 1.03)],
    "ate micro-F1": [("best language models", 0.60)],
    "tram sentences": [("three CTI-BERT, 110M each", 0.739), ("Llama-3.1-8B", 0.725)],
}  # fmt: skip


class Bench:
    def __init__(self, experts: Experts, data: Path, limit: int) -> None:
        self.experts, self.data, self.limit = experts, data, limit
        self.rows: list[Row] = []

    def _items(self, name: str) -> list[Item]:
        return self._some(items(benchmark(f"cti-{name}"), self.data))

    def _some(self, found: list[Item]) -> list[Item]:
        return found[: self.limit] if self.limit else found

    def rcm(self) -> None:
        for name in ("rcm", "rcm-2021"):
            asked = self._items(name)
            with Knowledge.open() as store:
                known = {w for item in asked for w in item.right} | set(self.experts.labels.weaknesses)
                tree = Hierarchy.of(store, known)
            for party in (CONVENTION, Convention.ANY, Convention.CNA):
                answers = list(self.experts.weakness((item.text for item in asked), convention=party))
                best = [[c.id for c in a.candidates] or [""] for a in answers]
                pairs = list(zip(best, asked, strict=True))
                strict = [float(b[0] in item.right) for b, item in pairs]
                self.rows.append(row(f"{name} strict" + ("" if party is CONVENTION else f", as {party}"), strict))
                if party is not CONVENTION:
                    continue
                self.rows.append(row(f"{name} top-3", [float(bool(set(b[:3]) & set(i.right))) for b, i in pairs]))
                self.rows.append(row(f"{name} hierarchy-aware", [float(tree.near(b[0], i.right)) for b, i in pairs]))
                self.rows.append(row(f"{name} any level", [float(tree.related(b[0], i.right)) for b, i in pairs]))
                decided = [float(a.decision in i.right) for a, i in zip(answers, asked, strict=True) if a.decision]
                self.rows.append(row(f"{name} strict where decided", decided or [0.0]))
                sets = [float(bool(set(a.conformal) & set(i.right))) for a, i in zip(answers, asked, strict=True)]
                sizes = float(np.mean([len(a.conformal) for a in answers]))
                self.rows.append(row(f"{name} in the conformal set", sets, note=f"mean size {sizes:.1f}"))

    def vsp(self) -> None:
        asked = self._items("vsp")
        truth = [base_score(item.right[0]) or 0.0 for item in asked]
        for party in (CONVENTION, Convention.CNA, Convention.REDHAT):
            answers = list(self.experts.severity((item.text for item in asked), convention=party))
            errors = [abs(a.score - true) for a, true in zip(answers, truth, strict=True)]
            self.rows.append(row("vsp deviation" + ("" if party is CONVENTION else f", as {party}"), errors))
            if party is CONVENTION:
                same = [float(_values(a.vector) == _values(i.right[0])) for a, i in zip(answers, asked, strict=True)]
                self.rows.append(row("vsp whole vector", same))
                inside = [float(a.low <= t <= a.high) for a, t in zip(answers, truth, strict=True)]
                self.rows.append(row("vsp in the interval", inside))

    def ate(self) -> None:
        asked = self._items("ate")
        ways = {"ate": [AUTO] * len(asked), "ate, domain as asked": [item.domain for item in asked]}
        for name, domains in ways.items():
            answers = [next(self.experts.techniques([i.text], domain=d)) for i, d in zip(asked, domains, strict=True)]
            said = [frozenset(t.id.partition(".")[0] for t in a.found) for a in answers]
            pairs = list(zip(said, (frozenset(item.right) for item in asked), strict=True))
            for measure, place in (("micro-F1", 0), ("precision", 1), ("recall", 2)):
                self.rows.append(resampled(f"{name} {measure}", pairs, partial(_micro, place)))

    def tram(self) -> None:
        held, fifty = tasks.tram(self.data / "intel/tram2.tar.gz")
        held = self._some(held)
        known = [name for name in fifty if name in self.experts.labels.techniques]
        right = []
        for item in held:
            told = self.experts.technique_probabilities(item.text)
            right.append(float(max(known, key=lambda name: told.get(name, 0.0)) in item.right))
        reports = len({item.id for item in held})
        self.rows.append(row("tram sentences", right, note=f"{reports} reports that never train"))

    def later(self) -> None:
        known = [item for name in ("rcm", "rcm-2021") for item in self._items(name)]
        table = self.data / "cve/cve-records.parquet"
        asked = [i for i in tasks.later(table, known, 2025, 2 * MOST) if not screen(i.text)][: self.limit or MOST]
        answers = list(self.experts.weakness(item.text for item in asked))
        pairs = list(zip(answers, asked, strict=True))
        right = [float(a.candidates[0].id in i.right) for a, i in pairs]
        self.rows.append(row("later years top-1", right))
        self.rows.append(
            row("later years top-3", [float(any(c.id in i.right for c in a.candidates[:3])) for a, i in pairs])
        )
        said = [(a.candidates[0].id, frozenset(i.right)) for a, i in pairs]
        self.rows.append({"name": "later years macro-F1", "value": macro_f1(said), "n": len(said)})
        sure = [(a.candidates[0].probability, bool(hit)) for a, hit in zip(answers, right, strict=True)]
        self.rows.append({"name": "later years calibration error", "value": error(sure, BINS), "n": len(sure)})
        sizes = float(np.mean([len(a.conformal) for a in answers]))
        held = [float(bool(set(a.conformal) & set(i.right))) for a, i in pairs]
        self.rows.append(row("later years in the conformal set", held, note=f"mean size {sizes:.1f}"))
        decided = [float(a.decision in i.right) for a, i in pairs if a.decision]
        share = len(decided) / len(pairs)
        self.rows.append(row("later years top-1 where decided", decided or [0.0], note=f"{share:.0%} decided"))


def _micro(place: int, units: Sequence[Any]) -> float:
    return micro(units)[place]


def _values(vector: str) -> str:
    return vector.partition("/")[2] if vector.startswith("CVSS:") else vector


def table(rows: Sequence[Row], baseline: dict[str, Row]) -> str:
    head = ("measure", "value", "95 % interval", "n", "TF-IDF", "published by others")
    lines = [head, tuple("---" for _ in head)]
    for found in rows:
        span = f"{found['low']:.3f}–{found['high']:.3f}" if "low" in found else "–"
        plain = f"{baseline[found['name']]['value']:.3f}" if found["name"] in baseline else ""
        others = "; ".join(f"{name} {value:g}" for name, value in PUBLISHED.get(found["name"], ()))
        note = f" ({found['note']})" if found.get("note") else ""
        lines.append((found["name"] + note, f"{found['value']:.3f}", span, f"{found['n']:,}", plain, others))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--only", default="rcm,vsp,ate,tram")
    parser.add_argument("--limit", type=int, default=0, help="items of each benchmark, for a quick look")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help="JSON of the rows")
    options = parser.parse_args()
    experts = Experts.load(options.weights, threads=options.threads)
    bench = Bench(experts, options.data, options.limit)
    for name in options.only.split(","):
        getattr(bench, name)()
        print(".", end="", file=sys.stderr, flush=True)
    baseline = {r["name"]: r for r in orjson.loads(BASELINE.read_bytes())["rows"]} if BASELINE.exists() else {}
    made = manifest.read(options.weights)
    print(f"\n{experts.name}, seed {made.seed}, made {made.created:%Y-%m-%d}\n\n{table(bench.rows, baseline)}\n")
    for name, count in made.counts.items():
        if name.startswith(
            ("contamination", "cve: ", "sentences: of", "sentences: gram", "sentences: id", "sentences: text")
        ):
            print(f"{name}: {count:,}")
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        content = {"weights": experts.sha256, "rows": bench.rows}
        options.out.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


if __name__ == "__main__":
    main()
