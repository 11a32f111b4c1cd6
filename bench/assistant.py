"""How well `vedette ask` answers without a model: `python bench/assistant.py --store FILE` (publishers' texts in it).

The hand-written retrieval questions (bench/knowledge/questions.jsonl), and questions that no source of ours answers
(bench/assistant/off_topic.txt). Answered: at least one claim. Right: a claim is about one of the answers. The test
split is only counted; --dev is for tuning, and prints what was answered wrongly.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

from vedette.bench.questions import load
from vedette.bench.statistics import bootstrap
from vedette.knowledge.store import Knowledge
from vedette.skills.assistant.skill import Answer, answer, gather

HERE = Path(__file__).resolve().parent


def about(found: Answer, store: Knowledge) -> set[str]:
    """Ids that its claims are about: what each one's source is."""
    return {mention.id for claim in found.claims for ref in claim.refs for mention in store.verify_ids(ref)}


def share(what: str, values: Sequence[bool]) -> None:
    low, high = bootstrap([float(value) for value in values], lambda drawn: sum(drawn) / len(drawn))
    print(f"{what:<44} n {len(values):>4}  {sum(values) / len(values):6.1%} [{low:.1%}, {high:.1%}]")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--dev", action="store_true")
    options = parser.parse_args()
    questions = [q for q in load(HERE / "knowledge/questions.jsonl") if (q.split == "dev") == options.dev]
    strange = (HERE / "assistant/off_topic.txt").read_text().splitlines()
    began = perf_counter()
    with Knowledge.open(options.store) as store:
        found = [answer(gather(q.question, store)) for q in questions]
        wrong = [answer(gather(question, store)) for question in strange]
        right = [bool(about(a, store) & set(q.answers)) for q, a in zip(questions, found, strict=True)]
        if options.dev:
            for q, a, good in zip(questions, found, right, strict=True):
                if a.claims and not good:
                    print(f"{q.id} {q.question!r}: {sorted(about(a, store))}, not {q.answers}")
            for question, a in zip(strange, wrong, strict=True):
                if a.claims:
                    print(f"{question!r}: {sorted(about(a, store))}")
    seconds = perf_counter() - began
    share("answered", [bool(a.claims) for a in found])
    share("right, of all", right)
    share("right, of the answered", [good for good, a in zip(right, found, strict=True) if a.claims])
    share("off topic, answered all the same", [bool(a.claims) for a in wrong])
    print(f"{seconds / (len(questions) + len(strange)) * 1000:.0f} ms a question")


if __name__ == "__main__":
    main()
