"""What a judge preferred, as pairs of answers to train on: `train.jsonl` and `dev.jsonl`, split as the data is.

Only what it said in both orders counts, and a rewritten answer wins only where its facts held, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import orjson

from vedette.errors import InputError
from vedette.forge.judge import Preference
from vedette.forge.ledger import Ledger
from vedette.forge.mix import SIDES, line
from vedette.forge.recipe import Recipe
from vedette.forge.refine import USED, Row, judged
from vedette.manifest import FILE_NAME, output_error
from vedette.manifest import write as write_manifest
from vedette.split import dev_objects


class Preferred(msgspec.Struct, frozen=True, kw_only=True):
    """A line, as `vedette train dpo` reads it."""

    prompt: tuple[dict[str, str], ...]
    chosen: str
    rejected: str
    id: str
    task: str
    kind: str
    final: str
    objects: tuple[str, ...]
    licence: str
    consent: str
    by: str = "judge"


def preferred(row: Row) -> Preferred | None:
    """None where the judge preferred none of the two, or did not say so twice."""
    if row.judged is None:
        return None
    original = row.example.answer
    if row.outcome == USED and row.judged.preference is Preference.REWRITTEN:
        chosen, rejected = row.answer, original
    elif row.refused and row.judged.preference is Preference.ORIGINAL:
        chosen, rejected = original, row.refused
    else:
        return None
    told = line(row.example)
    return Preferred(
        prompt=tuple(dict(one) for one in told.messages[:-1]), chosen=chosen, rejected=rejected, id=told.id,
        task=told.task, kind=told.kind, final=told.final, objects=told.objects, licence=told.licence,
        consent=told.consent,
    )  # fmt: skip


def write(work: Path, recipe: Recipe, out: Path) -> Counter[str]:
    """Pairs by side, and judged rows that are none. Raises InputError where there is none, StateError, OutputError."""
    if not work.is_file():
        raise InputError("no ledger", where=str(work), remedy="give --work of `vedette forge run`")
    counts: Counter[str] = Counter()
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / FILE_NAME).unlink(missing_ok=True)  # until it is whole again
        with Ledger(work) as ledger, (out / "train.jsonl").open("wb") as train, (out / "dev.jsonl").open("wb") as dev:
            files = dict(zip(SIDES, (train, dev), strict=True))
            for side, pair in _sided(judged(ledger), recipe, counts):
                files[side].write(orjson.dumps(msgspec.to_builtins(pair)) + b"\n")
    except OSError as exc:
        raise output_error(out, exc) from exc
    if not counts[SIDES[0]]:
        what = f"no pair: of {counts.total():,} judged answers none is preferred on the train side"
        raise InputError(what, where=str(work), remedy="run `vedette forge run` with a --judge, on more examples")
    outputs = [f"{side}.jsonl" for side in SIDES]
    write_manifest(out / FILE_NAME, inputs={"ledger": work}, outputs=outputs, seed=recipe.seed, counts=dict(counts))
    return counts


def _sided(rows: Iterable[Row], recipe: Recipe, counts: Counter[str]) -> Iterator[tuple[str, Preferred]]:
    """Each pair once, on the side where its objects are."""
    seen: set[tuple[str, str, str]] = set()
    for row in rows:
        pair = preferred(row)
        key = (pair.id, pair.chosen, pair.rejected) if pair else ("", "", "")
        if pair is None or key in seen:
            counts["none preferred" if pair is None else "twice"] += 1
            continue
        seen.add(key)
        side = SIDES[bool(dev_objects(pair.objects, recipe.seed, recipe.build.dev))]
        counts[side] += 1
        yield side, pair
