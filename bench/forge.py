"""Speed of the forge: `python bench/forge.py [--store FILE]`, with the publishers' texts in the store.

How long a call through the ledger takes beyond the model's own time, 64 in flight, a model that answers at once; what
the ledger takes to answer the same again; examples of stage 1 a second, without and with the benchmarks held against.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import deque
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from vedette.engine.backends.fake import Fake
from vedette.engine.protocol import Message, Role
from vedette.forge.build import Builder, Plan
from vedette.forge.caller import Caller, Limits
from vedette.forge.ledger import Ledger
from vedette.forge.world import World
from vedette.knowledge.store import Knowledge
from vedette.overlap import Items

CALLS, IN_FLIGHT = 20_000, 64


async def _asked(caller: Caller) -> None:
    numbers = iter(range(CALLS))

    async def work() -> None:
        for number in numbers:
            await caller.ask("bench", [Message(Role.USER, f"question {number} " + "word " * 200)])

    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))


def calls() -> None:
    with TemporaryDirectory() as folder, Ledger(Path(folder) / "ledger.db") as ledger:
        for what in ("a new call", "a call that the ledger answers"):
            caller = Caller(Fake(lambda _: "an answer " * 100), ledger, Limits(IN_FLIGHT))
            began = perf_counter()
            asyncio.run(_asked(caller))
            print(f"{what}: {(perf_counter() - began) / CALLS * 1000:.3f} ms, n {CALLS:,}, {IN_FLIGHT} in flight")


def examples(store: Path | None, benchmarks: Path) -> None:
    with Knowledge.open(store) as knowledge:
        world = World(knowledge)
        for items in (None, Items.of(benchmarks) if benchmarks.is_dir() else None):
            builder = Builder(world, Plan(), 7, items)
            began = perf_counter()
            deque(builder.examples(), maxlen=0)
            seconds, made = perf_counter() - began, sum(tally.given for tally in builder.tallies)
            held = "held against the benchmarks" if items else "without benchmarks"
            print(f"stage 1, {held}: {made:,} examples in {seconds:.0f} s, {made / seconds:,.0f} a second")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--benchmarks", type=Path, default=Path("../shared/data/bench"))
    options = parser.parse_args()
    calls()
    examples(options.store, options.benchmarks)


if __name__ == "__main__":
    main()
