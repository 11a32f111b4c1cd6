"""What each stage of the forge does to a small model: `python bench/forge_ablation.py --data build/ablation --on cpu`.

`--data` holds the four folders of bench/forge_ablation_data.py. Each trains a model of the recipe's shape, all four
from the same random values and with the same tokenizer, that of the first; all answer the same questions of the dev
side, those of which the exact answer can have been learned. What was done before in `--out` is not done again.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import msgspec

from vedette import manifest
from vedette.bench.statistics import bootstrap, proportion
from vedette.prompts import ANSWER
from vedette.train.slm.recipe import Data
from vedette.train.slm.rows import Row, Tally, read

ARMS = {"structure": "structure only", "formats": "+ formats", "grounding": "+ grounding", "judge": "+ judge"}
MEASURES = {
    "weakness": "root cause, CWE id",
    "technique": "ATT&CK technique",
    "json": "JSON, equal",
    "valid": "JSON, valid",
    "id": "an id that exists",
}
LONGEST = 480  # tokens of an answer: those with steps are longer than those without
AT_ONCE = 256  # questions
CAPTION = (
    "Teacher and judge are scripts (bench/forge_ablation_teacher.py) that know nothing beyond their prompt: the table "
    "shows what each stage does to a small model's data, not what a strong teacher brings."
)


class Answered(msgspec.Struct, frozen=True):
    """A question of the dev side, what a model said, and what was right of that: by measure, where it applies."""

    id: str
    said: str
    right: dict[str, bool]


@dataclass(frozen=True, slots=True)
class Run:
    """One model: its data, and where it is trained and kept."""

    arm: str
    seed: int
    data: Path
    out: Path

    @property
    def model(self) -> Path:
        return self.out / f"{self.arm}-{self.seed}"

    @property
    def work(self) -> Path:
        return self.model.with_suffix(".work")

    @property
    def answers(self) -> Path:
        return self.model.with_suffix(".answers.jsonl")


def unpacked(data: Path, arm: str, out: Path) -> Path:
    """The folder of an arm, as the forge wrote it or from `abl-ARM-train.jsonl.xz` and `abl-ARM-dev.jsonl.xz`."""
    if (data / arm / "train.jsonl").is_file():
        return data / arm
    folder = out / "data" / arm
    folder.mkdir(parents=True, exist_ok=True)
    for side in ("train", "dev"):
        packed = data / f"abl-{arm}-{side}.jsonl.xz"
        manifest.atomic_write(folder / f"{side}.jsonl", lzma.decompress(packed.read_bytes()))
    return folder


def trained(run: Run, recipe: str, base: Path | None) -> Path:
    """The base that it started from."""
    from vedette.train.slm.sft import Places, sft

    if not (run.model / manifest.FILE_NAME).is_file():
        file = run.model.with_suffix(".toml")
        manifest.atomic_write(file, re.sub(r"(?m)^seed = .*$", f"seed = {run.seed}", recipe, count=1))
        done = sft(Places(file, (run.data,), run.model, run.work, base))
        print(f"{run.model.name}: {done.outcome}", flush=True)
    return base or run.work / "base"


def questions(data: Path) -> list[Row]:
    """Of the dev side: JSON, and exact answers that occur in the same group of the train side."""
    sides = [[row for _, row in read([data / f"{side}.jsonl"], Data(), Tally())] for side in ("train", "dev")]
    known = {(_group(row), row.final) for row in sides[0]}
    return [row for row in sides[1] if row.kind == "json-extraction" or (_group(row), row.final) in known]


def _group(row: Row) -> str:
    return row.task.partition("/")[0]


def measured(run: Run, asked: Sequence[Row], ids: frozenset[str]) -> list[Answered]:
    if run.answers.is_file():
        return [msgspec.json.decode(line, type=Answered) for line in run.answers.read_bytes().splitlines()]
    import torch

    from vedette.config import load_toml
    from vedette.train.slm import model, probe
    from vedette.train.slm.recipe import Method, Recipe

    probe.AT_ONCE = AT_ONCE if torch.cuda.is_available() else 32
    opened = model.opened(run.model, load_toml(run.model / "recipe.toml", Recipe), Method.FULL)
    if torch.cuda.is_available():
        opened.model.cuda()
    said = probe.answers(opened, asked, LONGEST)
    found = [
        Answered(row.id, text, _right(row, text, probe.right(row, text), ids))
        for row, text in zip(asked, said, strict=True)
    ]
    manifest.atomic_write(run.answers, b"".join(msgspec.json.encode(one) + b"\n" for one in found))
    return found


def _right(row: Row, said: str, exact: bool, ids: frozenset[str]) -> dict[str, bool]:
    if row.kind == "json-extraction":
        return {_exact(row): exact, "valid": _parses(said)}
    last = said.strip().rpartition("\n")[2]
    return {_exact(row): exact, "id": last.startswith(ANSWER) and last.removeprefix(ANSWER) in ids}


def _exact(row: Row) -> str:
    """The measure that its exact answer counts for."""
    if row.kind == "json-extraction":
        return "json"
    return "weakness" if row.task.startswith("cve") else "technique"


def _parses(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def commonest(data: Path, asked: Sequence[Row]) -> list[Answered]:
    """What is right without reading: the commonest exact answer of each group of the train side."""
    counts: dict[str, Counter[str]] = {}
    for _, row in read([data / "train.jsonl"], Data(), Tally()):
        if row.kind != "json-extraction":
            counts.setdefault(_group(row), Counter())[row.final] += 1
    best = {group: found.most_common(1)[0][0] for group, found in counts.items()}
    told = [(row, best.get(_group(row), "")) for row in asked]
    return [Answered(row.id, final, {_exact(row): final == row.final} if final else {}) for row, final in told]


def table(found: Mapping[str, Sequence[Sequence[Answered]]], seeds: int) -> str:
    """`found`: by arm, of each seed. Intervals resample questions; of several seeds each question has their mean."""
    first = next(iter(ARMS))
    lines = ["| data | measure | n | right (95 %) | against structure only (95 %) |", "|---|---|--:|--:|--:|"]
    for arm, runs in found.items():
        for measure, name in MEASURES.items():
            values, before = _values(runs, measure), _values(found[first], measure)
            if len(values) != len(before) or not values:
                continue
            low, high = _interval(values)
            versus = _difference(values, before) if arm != first else ""
            told = f"{_mean(values):.1%} ({low:.1%} to {high:.1%})"
            lines.append(f"| {ARMS.get(arm, arm)} | {name} | {len(values):,} | {told} | {versus} |")
    return "\n".join([*lines, "", f"{seeds} seed{'s' * (seeds > 1)}. {CAPTION}"])


def _values(runs: Sequence[Sequence[Answered]], measure: str) -> list[float]:
    """Of each question that it applies to: the share of seeds that are right."""
    rows = zip(*runs, strict=True)
    return [sum(one.right[measure] for one in row) / len(row) for row in rows if measure in row[0].right]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _interval(values: Sequence[float]) -> tuple[float, float]:
    if set(values) <= {0.0, 1.0}:
        return proportion(round(sum(values)), len(values))
    return bootstrap(values, _mean)


def _difference(values: Sequence[float], before: Sequence[float]) -> str:
    pairs = [one - other for one, other in zip(values, before, strict=True)]
    low, high = bootstrap(pairs, _mean)
    return f"{100 * _mean(pairs):+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})"


def _recipe(options: argparse.Namespace) -> str:
    """The recipe's text with what the command line says otherwise; of its tasks all, as the data has no others."""
    text = re.sub(r"(?m)^tasks = .*\n", "", options.recipe.read_text(encoding="utf-8"), count=1)
    text = re.sub(r"(?ms)^\[probe\]$.*?(?=^\[|\Z)", "", text)
    for key in ("epochs", "micro", "batch", "rate"):
        if (value := getattr(options, key)) is not None:
            text = re.sub(rf"(?m)^{key} = .*$", f"{key} = {value}", text, count=1)
    return text


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("build/ablation"))
    parser.add_argument("--out", type=Path, default=Path("build/ablation-models"))
    parser.add_argument("--recipe", type=Path, default=Path("recipes/quick.toml"))
    parser.add_argument("--on", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7])
    parser.add_argument("--rows", type=int, default=0, help="questions at most; 0: all")
    for key, kind in {"epochs": float, "micro": int, "batch": int, "rate": float}.items():
        parser.add_argument(f"--{key}", type=kind, help="another one than the recipe's")
    options = parser.parse_args(argv)
    if options.on == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    options.out.mkdir(parents=True, exist_ok=True)
    folders = {arm: unpacked(options.data, arm, options.out) for arm in ARMS}
    asked = _some(questions(folders["structure"]), options.rows)
    ids = frozenset(row.final for _, row in read([folders["structure"] / "train.jsonl"], Data(), Tally()))
    found: dict[str, list[list[Answered]]] = {}
    for seed in options.seeds:
        base = None
        for arm, data in folders.items():
            run = Run(arm, seed, data, options.out)
            base = trained(run, _recipe(options), base)
            found.setdefault(arm, []).append(measured(run, asked, ids))
        print(_told(found, commonest(folders["structure"], asked), options.out), flush=True)


def _some(rows: Sequence[Row], count: int) -> list[Row]:
    return list(rows) if not count or count >= len(rows) else Random(0).sample(rows, count)


def _told(found: Mapping[str, Sequence[Sequence[Answered]]], plain: Sequence[Answered], out: Path) -> str:
    """All that there is by now, also as a file."""
    seeds = min(map(len, found.values()))
    text = table({**found, "the commonest answer": [plain] * seeds}, seeds)
    manifest.atomic_write(out / "table.md", text + "\n")
    return text


if __name__ == "__main__":
    main()
