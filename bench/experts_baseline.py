"""The plain baseline of every table on experts: TF-IDF and a linear model, on the same decontaminated data.

`python bench/experts_baseline.py [--data FOLDER] [--out bench/experts/baseline.json] [--runs build/bench]` (needs
scikit-learn; ten minutes). With `--runs` the answers are kept as those of any other model, for `vedette bench report`.

Words and pairs of words, sublinear counts; logistic loss. Weakness: NVD's of 2019 and later, and what all labellers say
together (its most stated one). Vectors: NVD's of 2016 and later, one model a metric, decided as the experts decide.
Techniques: one model over the experts' sentences, read sentence by sentence and clause by clause; the threshold comes
from the held-out groups and software.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import orjson
import sklearn
from scipy.special import softmax
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import SGDClassifier

from vedette.bench import experts_tasks as tasks
from vedette.bench.catalog import benchmark, items
from vedette.bench.items import Item
from vedette.bench.measured import Made, Record, measure, write
from vedette.bench.protocol import USUAL
from vedette.bench.rows import Row, resampled, row
from vedette.bench.scoring import base_score, micro, score
from vedette.experts.domain import domains_of
from vedette.experts.labels import METRICS, Convention, Domain
from vedette.experts.severity import decide, vector_of
from vedette.experts.text import read_alone
from vedette.overlap import Items
from vedette.train import experts_cves, experts_sentences
from vedette.train.encoder_texts import Guard
from vedette.train.experts_calibrate import STEPS, main_f1
from vedette.train.experts_cves import Cve

ROOT = Path(__file__).resolve().parents[1]
FEATURES = 150_000
SEED = 7
Rows = list[Row]


def vectorizer() -> TfidfVectorizer:
    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=3, max_features=FEATURES, dtype=np.float32)


def linear(alpha: float = 2e-6) -> SGDClassifier:
    return SGDClassifier(loss="log_loss", alpha=alpha, max_iter=6, tol=None, random_state=SEED)


def keep(runs: Path | None, name: str, asked: Sequence[Item], replies: Sequence[str]) -> None:
    """As a run of `vedette bench`."""
    if runs:
        which = benchmark(name)
        versions = {"scikit-learn": sklearn.__version__, "numpy": np.__version__}
        made = Made(model="tf-idf", exact_model=f"tf-idf and a linear model, seed {SEED}", tokens={}, versions=versions)
        records = [
            Record(trial=1, outcome=score(item, reply), reply=reply, seconds=0.0)
            for item, reply in zip(asked, replies, strict=True)
        ]
        prompts = {item.id: item.prompt for item in asked}
        write(runs, measure(which, USUAL, made, prompts, records), records)


def weakness(cves: Sequence[Cve], bench: Path, party: Convention, runs: Path | None) -> Rows:
    known = [cve for cve in cves if party in cve.weaknesses]
    words = vectorizer()
    shown = words.fit_transform([cve.text for cve in known])
    best = [max(sorted(cve.weaknesses[party].items()), key=lambda pair: pair[1])[0] for cve in known]
    model = linear(1e-6).fit(shown, best)
    rows = []
    for name in ("rcm", "rcm-2021"):
        asked = items(benchmark(f"cti-{name}"), bench)
        said = model.predict(words.transform([item.text for item in asked]))
        if party is Convention.ANY:  # the better one
            keep(runs, f"cti-{name}", asked, [str(one) for one in said])
        as_party = "" if party is Convention.NVD else f", as {party}"
        rows.append(row(f"{name} strict{as_party}", [float(s in i.right) for s, i in zip(said, asked, strict=True)]))
    return rows


def severity(cves: Sequence[Cve], bench: Path, runs: Path | None) -> Rows:
    nvd = (Convention.NVD, Convention.NVD_2018)
    known = [(cve, cve.vectors[p]) for cve in cves for p in nvd if p in cve.vectors and cve.year >= 2016]
    words = vectorizer()
    shown = words.fit_transform([cve.text for cve, _ in known])
    held = items(benchmark("cti-vsp"), bench)
    asked = words.transform([item.text for item in held])
    parts = []
    for metric, order in enumerate(METRICS.values()):
        model = linear(5e-6).fit(shown, [vector[metric] for _, vector in known])
        shares = np.zeros((len(held), len(order)), dtype=np.float32)
        shares[:, model.classes_] = model.predict_proba(asked)
        parts.append(shares)
    found = [decide([part[place] for part in parts]) for place in range(len(held))]
    keep(runs, "cti-vsp", held, [vector_of(one.places) for one in found])
    errors = [abs(one.score - (base_score(item.right[0]) or 0.0)) for one, item in zip(found, held, strict=True)]
    return [row("vsp deviation", errors)]


def techniques(sentences: experts_sentences.Sentences, data: Path, runs: Path | None) -> Rows:
    told = [(s.text, t) for s in sentences.train if s.source != "prose" for t in (sorted(s.techniques) or ["none"])]
    words = vectorizer()
    shown = words.fit_transform([text for text, _ in told])
    model = linear(5e-6).fit(shown, [technique for _, technique in told])
    names = [str(name) for name in model.classes_]

    def probabilities(texts: Sequence[str]) -> Any:
        return softmax(model.decision_function(words.transform(texts)) * 2, axis=1)

    def best(text: str, domains: frozenset[Domain]) -> dict[str, float]:
        meant = np.array([sentences.known.get(name) in domains for name in names])
        parts = [text[a:b] for a, b in read_alone(text)]
        found: dict[str, float] = {}
        for values in probabilities(parts) if parts else []:
            for place in np.flatnonzero((values > 0.02) & meant).tolist():
                main = names[place].partition(".")[0]
                found[main] = max(found.get(main, 0.0), float(values[place]))
        return found

    documents: dict[tuple[str, Domain | None], list[experts_sentences.Sentence]] = {}
    for sentence in sentences.dev:
        documents.setdefault((sentence.document, sentence.domain), []).append(sentence)
    reports = []
    for (document, domain), parts in documents.items():
        text = "\n".join([sentences.intros.get(document, ""), *(s.text for s in parts)])
        truth = frozenset(t.partition(".")[0] for s in parts for t in s.techniques)
        reports.append((best(text, frozenset([domain] if domain else [])), truth))
    at = max((main_f1(reports, step), step) for step in STEPS)[1]
    asked = items(benchmark("cti-ate"), data)
    said = [frozenset(n for n, p in best(i.text, domains_of(i.text)).items() if p >= at) for i in asked]
    keep(runs, "cti-ate", asked, [", ".join(sorted(one)) for one in said])
    pairs = list(zip(said, (frozenset(item.right) for item in asked), strict=True))
    rows = []
    for name, place in (("ate micro-F1", 0), ("ate precision", 1), ("ate recall", 2)):
        rows.append(resampled(name, pairs, partial(_micro, place)))
    held, fifty = tasks.tram(data / "intel/tram2.tar.gz")
    places = [names.index(name) for name in fifty if name in names]
    chosen = probabilities([item.text for item in held])[:, places].argmax(1)
    right = [float(names[places[c]] in item.right) for c, item in zip(chosen.tolist(), held, strict=True)]
    return [*rows, row("tram sentences", right)]


def _micro(place: int, units: Sequence[Any]) -> float:
    return micro(units)[place]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data")
    parser.add_argument("--out", type=Path, default=ROOT / "bench/experts/baseline.json")
    parser.add_argument("--runs", type=Path, help="folder of runs")
    options = parser.parse_args()
    data, benchmarks = options.data, options.data / "bench"
    cves = experts_cves.collect(data / "cve/cve-records.parquet", Items.of(benchmarks), last=2024, dev=30)
    every = [*experts_cves.chosen(cves.train, Random(SEED), older=0.1, rated=0.1, common=1.0), *cves.later]
    recent = [cve for cve in every if cve.year >= experts_cves.RECENT]
    rows = [r for party in (Convention.NVD, Convention.ANY) for r in weakness(recent, benchmarks, party, options.runs)]
    rows += severity([*cves.train, *cves.later], benchmarks, options.runs)
    attack = {domain: data / f"attack/{domain}-attack.json.gz" for domain in Domain}
    reports = (data / "intel/tram2.tar.gz", data / "intel/annoctr.tar.gz")
    rows += techniques(experts_sentences.collect(attack, *reports, Guard(benchmarks)), data, options.runs)
    for found in rows:
        print(f"{found['name']}: {found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}] n = {found['n']:,}")
    content = {"versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__}, "seed": SEED, "rows": rows}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


if __name__ == "__main__":
    main()
