"""Speed and memory of language models on this machine: files of the real shapes with random weights.

    python bench/engine.py [--plan full|quick|memory] [--models 0.6B,1.7B,4B] [--quantisations Q4_0,Q8_0] [--out FILE]

One file at a time lies in a temporary folder. Each is served by llama.cpp in a process of its own and asked (a) over
HTTP by httpx, and (b) by Vedette's engine, in turns; then 8 requests at once, and one after the other. Memory is what
the process holds, the mapped file included, beside what `vedette.engine.sizing` computes. `--models tiny` has weights
so few that what is left is the time of everything else.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import engine_weights
import httpx

from vedette.engine import gguf, machine, sizing
from vedette.engine.backends.llamacpp import served
from vedette.engine.backends.openai import Served
from vedette.engine.catalog import recommended
from vedette.engine.protocol import Budget, Message, Role, as_json
from vedette.manifest import atomic_write

TINY = gguf.Shape(layers=2, width=256, heads=4, kv_heads=2, key_dim=64, value_dim=64, ffn=512, vocab=2_000, tied=True)
SIZES = ("0.6B", "1.7B", "4B")
BATCH = 8  # requests at once
TOKENS = 1_600  # of the vocabulary that prompts are made of
CONTEXT = 2_048
MIB = 1024**2
LIMIT_S = 1_800


@dataclass(frozen=True, slots=True)
class Plan:
    """Tokens of the speed test; how often httpx and the engine are asked, for how many; tokens of a batch's answers."""

    prompt: int
    answer: int
    turns: int
    spoken: int
    batch: int


PLANS = {
    "full": Plan(256, 32, 7, 64, 32),
    "quick": Plan(128, 16, 4, 24, 12),
    "memory": Plan(32, 2, 0, 0, 0),  # for a machine that is too busy to take its speed
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(SIZES))
    parser.add_argument("--quantisations", default="Q4_0,Q8_0")
    parser.add_argument("--plan", choices=PLANS, default="full", help="quick: a third of the tokens; memory: only that")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    plan = PLANS[given.plan]
    if given.child:
        print(json.dumps(_child(given.child, plan)))
        return
    speed = machine.measured()
    kinds = [(name, kind) for name in given.models.split(",") for kind in given.quantisations.split(",")]
    rows = [_row(name, kind, speed, given.plan) for name, kind in kinds]
    told = {"machine": _machine(speed), "rows": rows}
    print(_table(rows, plan))
    print(json.dumps(told["machine"]))
    if given.out:
        atomic_write(given.out, json.dumps(told, indent=2) + "\n")


def _row(name: str, quantisation: str, speed: machine.Speed, plan: str) -> dict[str, Any]:
    shape = TINY if name == "tiny" else recommended()[f"Qwen3-{name}"].shape
    with tempfile.TemporaryDirectory(prefix="vedette-bench-") as folder:
        need = sizing.of_shape(shape, quantisation).file
        free = shutil.disk_usage(folder).free
        if need > free:
            sys.exit(f"{name} {quantisation}: {need:,} bytes are needed in {folder}, {free:,} are free; set TMPDIR")
        path = engine_weights.write(Path(folder) / f"{name}-{quantisation}.gguf", shape, quantisation)
        weights = sizing.of_header(gguf.read(path))
        command = [sys.executable, __file__, "--child", str(path), "--plan", plan]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
        if done.returncode:
            sys.exit(f"{path.name}: {done.stderr[-2_000:]}")
        row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    pace = sizing.pace(weights, shape, speed)
    computed = {p: sizing.need(weights, shape, CONTEXT, p).resident / MIB for p in (1, BATCH)}
    row |= {"model": name, "quantisation": quantisation, "file_mib": weights.file / MIB}
    row |= {"computed_mib": computed[1], "batch_computed_mib": computed[BATCH]}
    row |= {"computed_prompt": pace.prompt, "computed_answer": pace.answer}
    print(f"{name} {quantisation}: {json.dumps(row)}", file=sys.stderr, flush=True)
    return row


def _child(path: Path, plan: Plan) -> dict[str, Any]:
    row: dict[str, Any] = {}
    start = time.perf_counter()
    with served(path, context=CONTEXT) as address:
        row["load_s"] = time.perf_counter() - start
        row["loaded_mib"] = _memory()
        row |= _speeds(address, plan)
        row["used_mib"] = _memory()
        row |= asyncio.run(_turns(address, plan)) if plan.turns else {}
    with served(path, context=CONTEXT, parallel=BATCH) as address:
        row |= asyncio.run(_batch(address, plan)) if plan.batch else {}
        row["batch_mib"] = _memory()
    return row


def _speeds(address: str, plan: Plan) -> dict[str, float]:
    """llama.cpp's own clock, best of three."""
    runs = []
    for turn in range(3):
        body = {
            "prompt": [300 + (turn * 7_919 + i * 104_729) % TOKENS for i in range(plan.prompt)],
            "n_predict": plan.answer, "temperature": 0, "cache_prompt": False, "ignore_eos": True,
        }  # fmt: skip
        runs.append(
            httpx.post(f"{address.removesuffix('/v1')}/completion", json=body, timeout=LIMIT_S).json()["timings"]
        )
    return {
        "prompt": max(run["prompt_per_second"] for run in runs),
        "answer": max(run["predicted_per_second"] for run in runs),
    }


def _messages(turn: int) -> list[Message]:
    """Another beginning each time, so that nothing is remembered."""
    return [Message(Role.USER, f"{turn:04d}?")]


async def _turns(address: str, plan: Plan) -> dict[str, Any]:
    """Tokens a second of both, in turns, and how much longer an answer takes by the engine, ms."""
    engine = await Served.at(address)
    rates: dict[str, list[float]] = {"httpx": [], "engine": []}
    try:
        async with httpx.AsyncClient(timeout=LIMIT_S) as client:
            for turn in range(2 * plan.turns + 2):
                name, ask = (("httpx", _direct(client, address)), ("engine", _by(engine)))[turn % 2]
                start = time.perf_counter()
                tokens = await ask(turn, plan.spoken)
                rates[name].append(tokens / (time.perf_counter() - start))
    finally:
        await engine.close()
    ratios = [a / b for a, b in zip(rates["httpx"][1:], rates["engine"][1:], strict=True)]  # the first warms up
    longer = [plan.spoken * (1 / b - 1 / a) for a, b in zip(rates["httpx"][1:], rates["engine"][1:], strict=True)]
    return {"rates": rates, "overhead": statistics.median(ratios) - 1, "longer_ms": 1_000 * statistics.median(longer)}


async def _batch(address: str, plan: Plan) -> dict[str, Any]:
    engine = await Served.at(address, connections=BATCH)
    ask = _by(engine)
    try:
        await ask(900, 4)
        start = time.perf_counter()
        one = sum([await ask(turn, plan.batch) for turn in range(BATCH)])
        middle = time.perf_counter()
        together = sum(await asyncio.gather(*(ask(100 + turn, plan.batch) for turn in range(BATCH))))
        end = time.perf_counter()
    finally:
        await engine.close()
    return {"one_by_one": one / (middle - start), "together": together / (end - middle)}


Ask = Callable[[int, int], Awaitable[int]]


def _direct(client: httpx.AsyncClient, address: str) -> Ask:
    async def ask(turn: int, tokens: int) -> int:
        body = {
            "messages": as_json(_messages(turn)), "max_tokens": tokens, "temperature": 0, "stream": True,
            "stream_options": {"include_usage": True}, "chat_template_kwargs": {"enable_thinking": False},
        }  # fmt: skip
        count = 0
        async with client.stream("POST", f"{address}/chat/completions", json=body) as response:
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    count = (json.loads(line[6:]).get("usage") or {}).get("completion_tokens", count)
        return count

    return ask


def _by(engine: Served) -> Ask:
    async def ask(turn: int, tokens: int) -> int:
        budget = Budget(tokens=tokens, seconds=LIMIT_S)
        return (await engine.generate(_messages(turn), budget=budget)).tokens_out

    return ask


def _memory() -> float:
    """MiB that this process holds, mapped files included."""
    lines = Path("/proc/self/smaps_rollup").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Rss:")) / 1024


def _machine(speed: machine.Speed) -> dict[str, Any]:
    import xllamacpp

    return {
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "threads": speed.threads,
        "copied_gb_s": round(speed.bandwidth / 1e9, 1),
        "gflop_s": round(speed.flops / 1e9, 1),
        "load_average": os.getloadavg()[0],
        "xllamacpp": xllamacpp.__version__,
    }


def _table(rows: list[dict[str, Any]], plan: Plan) -> str:
    titles = ["shape", "file, MiB", "load, s", "memory, MiB", "8 slots, MiB"]
    titles += ["in/s", "out/s", "engine", "8 at once"] if plan.turns else []
    about = (
        f"context {CONTEXT:,}; {plan.prompt} tokens in, {plan.answer} out; measured / computed; engine: more time than "
    )
    about += "by httpx; 8 at once: times the tokens a second of one by one\n"
    lines = [about, f"| {' | '.join(titles)} |", "|---" + "|--:" * (len(titles) - 1) + "|"]
    for row in rows:
        cells = [
            f"{row['model']} {row['quantisation']}",
            f"{row['file_mib']:,.0f}",
            f"{row['load_s']:.1f}",
            f"{row['used_mib']:,.0f} / {row['computed_mib']:,.0f}",
            f"{row['batch_mib']:,.0f} / {row['batch_computed_mib']:,.0f}",
        ]
        if plan.turns:
            cells += [
                f"{row['prompt']:.1f} / {row['computed_prompt']:.1f}",
                f"{row['answer']:.1f} / {row['computed_answer']:.1f}",
                f"{100 * row['overhead']:+.1f} %, {row['longer_ms']:+.0f} ms",
                f"{row['together'] / row['one_by_one']:.2f}",
            ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
