"""Run benchmarks by Inspect, go on where a run was stopped, and write what came of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec
from inspect_ai import eval_set
from inspect_ai.log import EvalLog, EvalSample, read_eval_log

from vedette import __version__
from vedette.bench import scoring
from vedette.bench.asked import Asked
from vedette.bench.catalog import benchmark
from vedette.bench.inspect_tasks import ITEM, OUTCOME, made
from vedette.bench.items import Item
from vedette.bench.measured import Made, Measured, Record, measure, write
from vedette.errors import InputError

LOGS = "logs"
QUIET = {"INSPECT_DISPLAY": "none", "INSPECT_LOG_LEVEL": "error", "DO_NOT_TRACK": "1"}


def run(names: Sequence[str], asked: Asked, out: Path, display: str = "none") -> Iterator[tuple[Measured, Path]]:
    """Each benchmark's scores and their folder. Finished items are kept: run again, only the others are asked."""
    os.environ |= {name: value for name, value in QUIET.items() if name not in os.environ}
    unfinished = []
    for name in names:
        task = made(name, str(asked.data), asked.way, limit=asked.limit, any_version=asked.any_version)
        some = f".{asked.limit}" if asked.limit else ""
        logs = out / LOGS / f"{name}.{asked.told}.{asked.way.name}{some}".replace("/", "-")
        done, (log,) = eval_set(
            task, log_dir=str(logs), model=asked.model, model_base_url=asked.address or None,
            model_args=asked.model_args, display=display, retry_attempts=0, max_connections=asked.connections,
            max_samples=asked.connections, fail_on_error=True, continue_on_fail=True, retry_cleanup=False,
            retry_immediate=False, max_retries=asked.retries, timeout=asked.patience,
        )  # fmt: skip
        if done:
            yield _kept(read_eval_log(log.location), asked, out)
        else:
            unfinished.append(name)
    if unfinished:
        what = f"some items of {', '.join(unfinished)} got no answer; the others are kept"
        raise InputError(what, where=str(out / LOGS), remedy="run the same command again")


def _kept(log: EvalLog, asked: Asked, out: Path) -> tuple[Measured, Path]:
    which = benchmark(str((log.eval.metadata or {})["benchmark"]))
    samples = log.samples or []
    usage = list((log.stats.model_usage or {}).values())
    made_by = Made(
        model=asked.told, limit=asked.limit,
        versions={"vedette": __version__, "inspect-ai": version("inspect-ai")},
        exact_model=next((s.output.model for s in samples if s.output and s.output.model), asked.told),
        tokens={"in": sum(u.input_tokens for u in usage), "out": sum(u.output_tokens for u in usage)},
    )  # fmt: skip
    prompts = {str(s.id): str(s.metadata[ITEM]["prompt"]) for s in samples if s.epoch == 1}
    records = [_record(sample) for sample in samples]
    measured = measure(which, asked.way.name, made_by, prompts, records)
    return measured, write(out, measured, records)


def _record(sample: EvalSample) -> Record:
    scores = [s for s in (sample.scores or {}).values() if s.metadata and OUTCOME in s.metadata]
    item = msgspec.convert(sample.metadata[ITEM], Item)
    outcome = msgspec.convert(scores[0].metadata[OUTCOME], scoring.Outcome) if scores else scoring.score(item, "")
    return Record(
        trial=sample.epoch, outcome=outcome, reply=sample.output.completion if sample.output else "",
        seconds=float(sample.working_time or 0.0), error=sample.error.message if sample.error else "",
    )  # fmt: skip
