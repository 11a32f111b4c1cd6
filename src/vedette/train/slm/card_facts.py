"""What a model card says, and what the manifest counts, before it is put into words."""

from __future__ import annotations

import platform
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vedette import manifest
from vedette.errors import ArtefactError
from vedette.train.slm import licences
from vedette.train.slm.curve import Run, Summary, summary, wilson
from vedette.train.slm.recipe import Method, Recipe

CARD = "card.md"
UNKNOWN = "not known: the data has no card of the forge's making"
_CONTAMINATION = re.compile(r"^- contamination: (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Origin:
    """What training started from. Of random values: no `model`, and a `shape` in words."""

    parameters: int
    learned: int  # parameters that were trained
    model: str = ""  # OWNER/NAME
    licence: str = ""
    sha256: str = ""  # of its weights
    shape: str = ""
    method: str = "every weight"  # or "LoRA, rank 16" …


@dataclass(frozen=True, slots=True)
class Data:
    """A folder that was learned from, or measured on."""

    name: str
    sha256: str  # of its manifest; empty where it has none
    used: int  # rows
    left: Mapping[str, int]  # rows left out, by reason
    tokens: int
    licences: Mapping[str, int]  # rows, by licence as the rows name it
    contamination: str = UNKNOWN


@dataclass(frozen=True, slots=True)
class Stage:
    name: str
    told: Summary
    why: str  # it stopped


@dataclass(frozen=True, slots=True)
class Measured:
    value: float
    low: float  # 95 %
    high: float


@dataclass(frozen=True, slots=True)
class Score:
    """Shares of 1, or points."""

    name: str
    n: int
    trained: Measured
    untrained: Measured | None = None  # the same, before training
    chance: float | None = None
    points: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    name: str
    licence: str  # of the trained weights
    origin: Origin
    recipe: str  # its name
    recipe_sha256: str
    seed: int
    data: Sequence[Data]
    stages: Sequence[Stage]
    machine: str
    versions: Mapping[str, str]
    use: str
    limits: str = ""
    scores: Sequence[Score] = ()
    serve: Sequence[str] = ()  # commands
    remake: Sequence[str] = ()  # commands
    repeatable: str = ""  # how far the same seed gives the same weights, as it was checked
    measures: Mapping[str, float] = field(default_factory=dict)  # of the training itself, at its end
    notices: Sequence[str] = ()  # besides those that the licences of the data ask for
    joules: float | None = None
    signed: str = ""  # id of the key


def data(folder: Path, used: int, left: Mapping[str, int], tokens: int, licences: Mapping[str, int]) -> Data:
    """A folder of the forge's, or any other one. Its card is believed as far as its manifest vouches for it.

    Raises ArtefactError where the card is not the one of the manifest.
    """
    name, path = folder.resolve().name, folder / manifest.FILE_NAME
    if not path.is_file():
        return Data(name, "", used, left, tokens, licences)
    digest, vouched = manifest.sha256_file(path), manifest.read(path).outputs.get(CARD)
    said = _contamination(folder / CARD, vouched) if vouched else UNKNOWN
    return Data(name, digest, used, left, tokens, licences, said)


def _contamination(card: Path, vouched: str) -> str:
    try:
        actual, text = manifest.sha256_file(card), card.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        what = f"the card of the data cannot be read: {exc}"
        raise ArtefactError(what, where=str(card), remedy="make the data again, or copy it whole") from exc
    if actual != vouched:
        what = f"the card of the data does not match its manifest: sha256 {actual[:12]}…, expected {vouched[:12]}…"
        raise ArtefactError(what, where=str(card), remedy="make the data again, or copy it whole")
    found = _CONTAMINATION.search(text)
    return found[1] if found else UNKNOWN


def stage(name: str, run: Run) -> Stage:
    return Stage(name, summary(run), run.stop.why if run.stop else "no end yet")


def origin(recipe: Recipe, method: Method, parameters: int, learned: int) -> Origin:
    base, lora = recipe.base, recipe.lora
    how = "every weight" if method is Method.FULL else f"{method}, rank {lora.rank}, alpha {lora.alpha:g}"
    shape = f"Qwen3, {base.shape.layers} layers of {base.shape.width}" if base.shape else ""
    return Origin(parameters, learned, base.model, base.licence, shape=shape, method=how)


def scores(run: Run, chance: Mapping[str, float]) -> Iterator[Score]:
    """Of the last probe, beside the first one where that is the untrained model's."""
    if not run.probes:
        return
    last, start = run.probes[max(run.probes)], run.probes.get(0)
    for task, (right, n) in sorted(last.tasks.items()):
        before = start.tasks.get(task) if start else None
        untrained = _share(*before) if before else None
        yield Score(f"{task}, dev side, exact answer", n, _share(right, n), untrained, chance.get(task))


def _share(right: int, n: int) -> Measured:
    low, high = wilson(right, n)
    return Measured(right / n, low, high)


def held(items: int, left: int) -> str:
    """What is said of contamination where rows were held against benchmarks. `left`: rows that were left out."""
    return f"held against {items:,} items of the benchmarks by id, text and 13-grams; {left:,} rows left out"


def machine() -> str:
    """That the training runs on."""
    import torch

    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} × {torch.cuda.get_device_name()}"
    return f"processor only, {platform.machine()}, {torch.get_num_threads()} threads"


def notices(said: Iterable[str]) -> list[str]:
    """What the publishers behind them want said. `said`: as rows name their licences."""
    parts = dict.fromkeys(part for one in said for part in licences.parts(one))
    found = (licences.named(part) for part in parts)
    return list(dict.fromkeys(one[1].notice for one in found if one and one[1].notice))


def manifest_counts(facts: Facts) -> dict[str, int]:
    left: Counter[str] = Counter()
    for one in facts.data:
        left.update(one.left)
    found = {
        "parameters": facts.origin.parameters,
        "parameters learned": facts.origin.learned,
        "rows": sum(one.used for one in facts.data),
        "rows left out": left.total(),
        "tokens of the rows": sum(one.tokens for one in facts.data),
    }
    found |= {f"rows left out: {why}": count for why, count in left.items()}
    for part in facts.stages:
        found |= {f"{part.name}: steps": part.told.step, f"{part.name}: tokens": part.told.tokens}
    return found
