"""What a run leaves behind: a line for each item (Parquet) and a page of scores (JSON), and how two runs compare."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from math import comb, erfc
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import orjson
from arro3.core import Array, DataType, Table
from arro3.io import read_parquet, write_parquet

from vedette.bench.calibration import Calibration, calibration
from vedette.bench.catalog import Benchmark
from vedette.bench.hierarchy import Hierarchy
from vedette.bench.items import Kind
from vedette.bench.rows import RESAMPLES, SEED, Row, interval
from vedette.bench.scoring import WORST, Outcome, by_slice, lower_is_better, rows
from vedette.errors import ConfigError, InputError
from vedette.knowledge.store import Knowledge
from vedette.manifest import atomic_write, output_error

SCORES, RECORDS = "scores.json", "records.parquet"
EXACT = 1_000  # differing items up to which the binomial is summed


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One model on one benchmark by one protocol."""

    benchmark: str
    kind: Kind
    protocol: str
    model: str  # as it was asked for
    exact_model: str  # as it names itself, with its weights
    item_set: str  # sha256 of the ids and of the benchmark's own prompts, in order
    n: int
    limit: int = 0  # of the first items; 0: all
    rows: list[Row]  # the headline first
    slices: dict[str, list[Row]]
    seconds: float  # of the model, summed over items
    tokens: dict[str, int]  # in, out
    versions: dict[str, str]
    files: dict[str, str]  # path → sha256 of the published version
    made: str  # UTC
    joules: dict[str, float] = {}  # of the whole machine meanwhile: cpu, memory, gpu, as far as they are told
    calibration: Calibration | None = None  # of a model that tells the probability of its answers

    @property
    def headline(self) -> Row:
        return self.rows[0]

    @property
    def name(self) -> str:
        return folder_of(self.benchmark, self.model, self.protocol, self.limit)


def folder_of(benchmark: str, model: str, protocol: str, limit: int) -> str:
    part = f".first-{limit}" if limit else ""
    return f"{benchmark}.{model}.{protocol}{part}".replace("/", "-")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One reply to one item."""

    trial: int
    outcome: Outcome
    reply: str
    seconds: float
    probability: float | None = None  # of the answer, by the model itself
    error: str = ""  # why there is no reply


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was made with."""

    model: str
    exact_model: str
    tokens: dict[str, int]
    versions: dict[str, str]
    limit: int = 0
    joules: dict[str, float] = {}


def measure(
    which: Benchmark, protocol: str, made: Made, prompts: Mapping[str, str], records: Sequence[Record]
) -> Measured:  # fmt: skip
    """`prompts`: the benchmark's own, of each item, in their order."""
    outcomes = [record.outcome for record in records]
    slices = sorted({name for outcome in outcomes for name in outcome.slices})
    return Measured(
        benchmark=which.name, kind=which.kind, protocol=protocol, model=made.model, exact_model=made.exact_model,
        item_set=item_set(prompts.items()), n=len(prompts), limit=made.limit,
        rows=rows(which.kind, outcomes, _tree(which.kind, outcomes)),
        slices={name: by_slice(which.kind, outcomes, name) for name in slices},
        seconds=round(sum(record.seconds for record in records), 3), tokens=made.tokens, versions=made.versions,
        files=which.files, made=datetime.now(UTC).replace(microsecond=0).isoformat(),
        joules={part: round(told, 1) for part, told in made.joules.items()}, calibration=_calibrated(records),
    )  # fmt: skip


def _calibrated(records: Sequence[Record]) -> Calibration | None:
    """Of a vector or score, whether it is exactly right."""
    told = [(r.probability, r.outcome) for r in records if r.probability is not None and r.outcome.valid]
    return calibration([(sure, (o.value if o.exact is None else o.exact) == 1) for sure, o in told])


def _tree(kind: Kind, outcomes: Sequence[Outcome]) -> Hierarchy | None:
    if kind is not Kind.WEAKNESS:
        return None
    with Knowledge.open() as store:
        return Hierarchy.of(store, {w for o in outcomes for w in (*o.said, *o.right)})


def item_set(prompts: Iterable[tuple[str, str]]) -> str:
    """Of (id, prompt), in order."""
    return sha256(b"\0".join(f"{name}\0{prompt}".encode() for name, prompt in prompts)).hexdigest()


def write(folder: Path, measured: Measured, records: Sequence[Record]) -> Path:
    """Into a folder of its own below `folder`. Raises OutputError."""
    place = folder / measured.name
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise output_error(place, exc) from exc
    table = io.BytesIO()
    write_parquet(_table(measured, records), table)
    atomic_write(place / RECORDS, table.getvalue())
    atomic_write(place / SCORES, orjson.dumps(msgspec.to_builtins(measured), option=orjson.OPT_INDENT_2))
    return place


def _table(measured: Measured, records: Sequence[Record]) -> Table:
    text, number = DataType.string(), DataType.float64()
    outcomes = [record.outcome for record in records]
    columns: dict[str, tuple[list[Any], DataType]] = {
        "benchmark": ([measured.benchmark] * len(records), text),
        "model": ([measured.exact_model] * len(records), text),
        "protocol": ([measured.protocol] * len(records), text),
        "trial": ([record.trial for record in records], DataType.int64()),
        "item": ([o.item for o in outcomes], text),
        "said": ([_joined(o.said) for o in outcomes], text),
        "right": ([_joined(o.right) for o in outcomes], text),
        "valid": ([o.valid for o in outcomes], DataType.bool()),
        "value": ([o.value for o in outcomes], number),
        "first": ([o.first for o in outcomes], number),
        "exact": ([o.exact for o in outcomes], number),
        "slices": ([orjson.dumps(o.slices).decode() for o in outcomes], text),
        "reply": ([record.reply for record in records], text),
        "seconds": ([record.seconds for record in records], number),
        "probability": ([record.probability for record in records], number),
        "error": ([record.error for record in records], text),
    }
    return Table.from_pydict({name: Array(values, type=kind) for name, (values, kind) in columns.items()})


def _joined(said: Sequence[str]) -> str:
    return orjson.dumps(said).decode()


def read(place: Path) -> Measured:
    """Raises InputError."""
    path = place / SCORES
    try:
        return msgspec.json.decode(path.read_bytes(), type=Measured)
    except (OSError, msgspec.DecodeError) as exc:
        remedy = "give a folder that `vedette bench run` wrote"
        raise InputError(f"no scores: {exc}", where=str(path), remedy=remedy) from exc


def every(folder: Path) -> list[Measured]:
    """All runs in a folder of runs, by benchmark, protocol and model."""
    found = [read(path.parent) for path in sorted(folder.glob(f"*/{SCORES}"))]
    return sorted(found, key=lambda m: (m.benchmark, m.protocol, m.model))


def values(place: Path, kind: Kind) -> dict[str, float]:
    """Item → its value, the mean over trials; an invalid vector or score counts as WORST points off."""
    table = read_parquet(place / RECORDS).read_all()
    found: dict[str, list[float]] = {}
    for item, value, valid in zip(*(table[name].to_pylist() for name in ("item", "value", "valid")), strict=True):
        found.setdefault(item, []).append(value if valid or not lower_is_better(kind) else WORST)
    return {item: sum(each) / len(each) for item, each in found.items()}


class Difference(msgspec.Struct, frozen=True):
    """Of two models on the same items: the second's mean over items less the first's.

    Of sets it is the mean F1 of items, not micro-F1; an invalid vector or score is WORST points off.
    """

    value: float
    low: float
    high: float
    p: float  # two-sided: McNemar's exact test for right or wrong, else a sign-flip test
    n: int
    better: int  # items that only the second gets right, or does better
    worse: int


def compared(first: Path, second: Path) -> Difference:
    """Raises ConfigError where the two were not asked the same."""
    a, b = read(first), read(second)
    for what in ("benchmark", "protocol", "item_set"):
        if getattr(a, what) != getattr(b, what):
            said = "other items" if what == "item_set" else f"{what} '{getattr(a, what)}' and '{getattr(b, what)}'"
            raise ConfigError(f"these runs cannot be compared: {said}", remedy="run both the same way")
    left, right = values(first, a.kind), values(second, b.kind)
    return difference([left[item] for item in left], [right[item] for item in left], lower=lower_is_better(a.kind))


def difference(first: Sequence[float], second: Sequence[float], *, lower: bool = False) -> Difference:
    """Paired over items. `lower`: whether a lower value is the better one."""
    gaps = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    low, high = interval(gaps.tolist())
    up, down = int((gaps > 0).sum()), int((gaps < 0).sum())
    plain = set(map(float, (*first, *second))) <= {0.0, 1.0}
    p = mcnemar(up, down) if plain else _flipped(gaps, np.random.default_rng(SEED))
    better, worse = (down, up) if lower else (up, down)
    return Difference(float(gaps.mean()), low, high, p, len(gaps), better, worse)


def mcnemar(up: int, down: int) -> float:
    """Two-sided exact p of so many items that only one of the two gets right."""
    differing, least = up + down, min(up, down)
    if not differing:
        return 1.0
    if differing > EXACT:  # the sums get long, and nobody needs their last digit
        return min(1.0, 2 * _upper_tail(max(0, abs(up - down) - 1) / differing**0.5))
    return float(min(1.0, 2 * sum(comb(differing, k) for k in range(least + 1)) / 2**differing))


def _upper_tail(z: float) -> float:
    return erfc(z / 2**0.5) / 2


def _flipped(gaps: np.ndarray[Any, np.dtype[np.float64]], rng: np.random.Generator) -> float:
    """How often the mean is as far from 0 when the two models change places at random."""
    signs = rng.choice((-1.0, 1.0), (RESAMPLES, len(gaps)))
    far = np.abs((signs * gaps).mean(1)) >= abs(gaps.mean()) - 1e-12
    return float((far.sum() + 1) / (RESAMPLES + 1))


def of_benchmarks(found: Iterable[Measured]) -> Mapping[str, list[Measured]]:
    """Benchmark and protocol and item set → runs, the best first."""
    groups: dict[str, list[Measured]] = {}
    for one in found:
        groups.setdefault(f"{one.benchmark} {one.protocol} {one.item_set}", []).append(one)
    for runs in groups.values():
        runs.sort(key=lambda m: float(m.headline["value"]) * (1 if lower_is_better(m.kind) else -1))
    return groups
