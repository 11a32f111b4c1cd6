"""From the store to a folder of data: stages put together, with card and manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec
import orjson

from vedette.engine.protocol import Identity
from vedette.errors import InputError
from vedette.forge import card, known, mix, near, wording
from vedette.forge.build import Builder, Tally
from vedette.forge.caller import Costs, Limits, summed
from vedette.forge.evolve import Evolver, OfStore, evolve
from vedette.forge.example import Example
from vedette.forge.executor import Executor, Job, planned, spent, ways
from vedette.forge.ledger import Ledger
from vedette.forge.prompts import hashes as prompt_hashes
from vedette.forge.recipe import Recipe
from vedette.forge.refine import NEAR, TOUCHES, USED, Row, rows
from vedette.forge.world import World
from vedette.knowledge.store import Knowledge
from vedette.manifest import FILE_NAME, atomic_write, output_error
from vedette.manifest import write as write_manifest
from vedette.overlap import Items

CARD = "card.md"


@dataclass(frozen=True, slots=True)
class Made:
    tallies: tuple[Tally, ...]
    sides: dict[str, int]


@dataclass(frozen=True, slots=True)
class Places:
    """Where a run reads and writes."""

    recipe: Path
    out: Path
    store: Path | None = None
    benchmarks: Path | None = None


Step = Callable[[str], None]


def structure(recipe: Recipe, places: Places, step: Step) -> Made:
    """Stage 1 and stage 6. Raises OutputError, and what the store raises."""
    _begin(places.out)
    items = Items.of(places.benchmarks) if places.benchmarks else None
    seen = card.Seen()
    with Knowledge.open(places.store) as store:
        builder = Builder(World(store), recipe.build, recipe.seed, items)
        lines = (mix.line(example) for example in _stepped(seen.noted(builder.examples()), step))
        sides, moved = _mixed(recipe, places, lines)
        facts = {**_facts(recipe, store, builder), "near duplicates": moved}
        _finish(recipe, places, store, card.Notes(seen, builder.tallies, sides, facts, known.answers(places.out)))
    return Made(tuple(builder.tallies), sides)


async def refined(
    recipe: Recipe, places: Places, executor: Executor, work: Path, step: Step
) -> tuple[Made, Counter[str]]:
    """All stages. `work` holds the ledger: broken off, the same call goes on. Raises Spent at the limit of tokens."""
    _begin(places.out)
    items = Items.of(places.benchmarks) if places.benchmarks else None
    seen, wanted = card.Seen(), recipe.refine
    outcomes: Counter[str] = Counter()
    with Knowledge.open(places.store) as store:
        builder = Builder(World(store), recipe.build, recipe.seed, items)
        examples = list(seen.noted(builder.examples()))
        chosen, others = _parted(examples, wanted.per_task)
        born, asked = await _evolved(recipe, executor, builder, chosen, work, seen)
        chosen += seen.noted(born)
        run = _run(recipe, executor, chosen)
        costs = summed(asked, await executor.carry_out(Job(run, chosen, wanted, store, work, recipe.split), step))
        lines: list[mix.Line] = []
        with Ledger(work) as ledger:
            left = _copies(recipe, rows(ledger, run))
            for row in (_apart(one, items) for one in rows(ledger, run)):
                outcome = NEAR if row.example.id in left else row.outcome
                outcomes[outcome] += 1
                seen.row(row, outcome)
                if outcome != NEAR:
                    lines.append(mix.line(row.example, row.answer, outcome))
        lines += (mix.line(example) for example in others if wanted.rest)
        sides, moved = _mixed(recipe, places, lines)
        told = {"near duplicates": f"{len(left):,} rewritten answers left out; {moved}" if near.installed() else moved}
        facts = {**_facts(recipe, store, builder), **told, **_costs(executor.who, costs)}
        _finish(recipe, places, store, card.Notes(seen, builder.tallies, sides, facts, known.answers(places.out)))
    return Made(tuple(builder.tallies), sides), outcomes


async def _evolved(
    recipe: Recipe, executor: Executor, builder: Builder, chosen: Iterable[Example], work: Path, seen: card.Seen
) -> tuple[list[Example], Mapping[str, Costs]]:
    """New exercises out of the first ones of each task, and what they cost; always in this process."""
    wanted, store = recipe.evolve, builder.world.store
    if not wanted.rounds:
        return [], {}
    parents, _ = _parted(chosen, wanted.per_task)
    async with executor.models() as models:
        with Ledger(work) as ledger:
            limits = Limits(recipe.refine.in_flight, recipe.refine.a_minute, recipe.refine.tokens)
            plan = planned(recipe.refine, models, ledger, limits, recipe.split)
            passages = OfStore(builder.world, wanted.results, recipe.split)
            evolver = Evolver(plan.teacher, plan.judge or plan.teacher, passages, store, builder.benchmarks)
            before = _run(recipe, executor, parents)
            return list(await evolve(parents, wanted.rounds, before, evolver, ledger, seen.evolved)), spent(plan)


def _apart(row: Row, items: Items | None) -> Row:
    """What was found in the store is in the answer now: that is held against the benchmarks, too."""
    if items is None or row.outcome != USED or not items.touched(row.answer)[0]:
        return row
    return msgspec.structs.replace(row, answer=row.example.answer, outcome=TOUCHES)


def _parted(examples: Iterable[Example], per_task: int) -> tuple[list[Example], list[Example]]:
    """The first ones of each task, and the others."""
    counts: Counter[str] = Counter()
    chosen: list[Example] = []
    others: list[Example] = []
    for example in examples:
        counts[example.task] += 1
        (chosen if counts[example.task] <= per_task else others).append(example)
    return chosen, others


def _copies(recipe: Recipe, done: Iterable[Row]) -> frozenset[str]:
    """Ids of examples whose rewritten answer is nearly another one's."""
    if not recipe.mix.near or not near.installed():
        return frozenset()
    used = ((row.example, row.answer) for row in done if row.outcome == USED)
    told = ((one.id, near.grams(one.task, one.wording, one.question, answer)) for one, answer in used)
    return near.copies(told, recipe.mix.near, recipe.seed)


def _mixed(recipe: Recipe, places: Places, lines: Iterable[mix.Line]) -> tuple[dict[str, int], str]:
    """How many there are of each side; what is to be said of near duplicates on both."""
    wanted = recipe.mix.near
    apart = near.Sides(wanted, recipe.seed) if wanted and near.installed() else None
    sides = mix.write(lines, places.out, recipe.mix, seed=recipe.seed, dev=recipe.build.dev, near=apart)
    if apart is None:
        return sides, near.MISSING if wanted else "not looked for: the recipe says so"
    return sides, f"{apart.moved:,} examples moved from dev to train (Jaccard index of 5-grams ≥ {wanted})"


def _run(recipe: Recipe, executor: Executor, chosen: Iterable[Example]) -> str:
    """A name that runs have in common which would give the same rows."""
    who = [(model.backend, model.name, model.sha256) for model in executor.who.values()]
    how = (recipe.refine.model_dump(exclude={"in_flight", "a_minute", "tokens"}), prompt_hashes())
    hashes = sorted((name, way.sha256) for name, way in ways(recipe.refine.formats).items())
    ids = [example.id for example in chosen]
    kept = (recipe.evolve.model_dump(), recipe.split)
    told = orjson.dumps((who, how, *kept, ids, hashes), option=orjson.OPT_SORT_KEYS)
    return sha256(told).hexdigest()[:16]


def _costs(models: Mapping[str, Identity], costs: Mapping[str, Costs]) -> dict[str, str]:
    found = {}
    for role, who in models.items():
        counts = costs[role].calls + costs[role].kept
        asked = ", ".join(f"{stage} {count:,}" for stage, count in sorted(counts.items()))
        found[role] = f"{who.name} ({who.backend} {who.quantisation} {who.sha256[:12]}): {asked}"
    return found


def _begin(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / FILE_NAME).unlink(missing_ok=True)  # until it is whole again
    except OSError as exc:
        raise output_error(out, exc) from exc


def _facts(recipe: Recipe, store: Knowledge, builder: Builder) -> dict[str, str]:
    return {
        "seed": str(recipe.seed),
        "knowledge": ", ".join(f"{u.name} {u.release or u.on}".strip() for u in store.units),
        "contamination": contamination(builder.tallies, builder.benchmarks),
    }


def _finish(recipe: Recipe, places: Places, store: Knowledge, notes: card.Notes) -> None:
    out = places.out
    if not notes.seen.count:
        remedy = "`vedette knowledge import` the publishers' files, and give that --store"
        raise InputError("no example could be made: the store holds no texts", where=str(store.path), remedy=remedy)
    atomic_write(out / CARD, card.render(recipe.name, notes))
    words = [wording.load(group.replace("_", "-")) for group in recipe.build.groups]
    write_manifest(
        out / FILE_NAME,
        inputs={"recipe": places.recipe, **{f"wording/{w.name}": wording.FOLDER / f"{w.name}.toml" for w in words}},
        outputs=[CARD, *(f"{side}.{form}" for side in mix.SIDES for form in ("jsonl", "parquet"))],
        versions={f"knowledge/{unit.name}": unit.content for unit in store.units},
        seed=recipe.seed,
        counts={**notes.sides, "made": notes.seen.count, "left out": sum(t.drafts - t.given for t in notes.tallies)},
    )


MOST = {
    "route": 150,
    "evolve": 900,
    "solve": 300,
    "draft": 400,
    "missing": 400,
    "reason": 1_200,
    "prefer": 250,
    "facts": 250,
}  # tokens of an answer


def priced(recipe: Recipe, places: Places, *, judged: bool) -> Iterator[str]:
    """What a run would ask for, from the examples that it would make; a token is taken for four characters."""
    with Knowledge.open(places.store) as store:
        chosen, others = _parted(Builder(World(store), recipe.build, recipe.seed).examples(), recipe.refine.per_task)
    size = sum(len(one.question) + len(one.answer) for one in chosen) // 4 // max(1, len(chosen))
    first, _ = _parted(chosen, recipe.evolve.per_task)
    tried = len(first) * (2**recipe.evolve.rounds - 1)  # where every one of them gives another one
    yield f"{len(chosen):,} examples would be rewritten, {len(others):,} stay as they are"
    if tried:
        yield f"up to {tried:,} more would be evolved, and rewritten, too"
    rounds, whole = recipe.refine.rounds if recipe.refine.queries else 0, len(chosen) + tried
    times = {"route": tried, "evolve": tried, "solve": tried} if tried else {}
    times |= {"draft": min(1, rounds) * whole, "missing": rounds * whole, "reason": whole}
    times |= {"prefer": 2 * judged * whole, "facts": judged * whole}
    for stage, calls in times.items():
        prompts, written = calls * (size + 300), calls * MOST[stage]
        yield f"{stage.ljust(8)} {calls:>9,} calls, about {prompts:>11,} tokens to read, up to {written:>11,} to write"


def contamination(tallies: Iterable[Tally], items: Items | None) -> str:
    if items is None:
        return "not checked: no benchmarks were given"
    left: dict[str, int] = {}
    for tally in tallies:
        for why, count in tally.left.items():
            if why.startswith("benchmark"):
                left[why] = left.get(why, 0) + count
    found = ", ".join(f"{why} {count:,}" for why, count in sorted(left.items())) or "no draft touched one"
    return f"held against {items.count:,} items of the benchmarks by id, text and 13-grams; left out: {found}"


def _stepped(examples: Iterable[Example], step: Callable[[str], None]) -> Iterator[Example]:
    for example in examples:
        step(example.task)
        yield example
