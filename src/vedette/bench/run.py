"""Run benchmarks by Inspect, go on where a run was stopped, and write what came of it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path

import msgspec
from inspect_ai import Task, eval_set
from inspect_ai.log import EvalLog, EvalSample, read_eval_log

from vedette import __version__
from vedette.bench import scoring
from vedette.bench.asked import Asked
from vedette.bench.catalog import benchmark
from vedette.bench.energy import Meter
from vedette.bench.inspect_tasks import ITEM, OUTCOME, PROBABILITY, made
from vedette.bench.items import Item
from vedette.bench.measured import Made, Measured, Record, measure, write
from vedette.errors import InputError, OutputError
from vedette.manifest import output_error

LOGS = "logs"
LONGEST = 200  # characters of what went wrong
QUIET = {"INSPECT_DISPLAY": "none", "INSPECT_LOG_LEVEL": "error", "DO_NOT_TRACK": "1"}


def run(names: Sequence[str], asked: Asked, out: Path, display: str = "none") -> Iterator[tuple[Measured, Path]]:
    """Each benchmark's scores and their folder. Finished items are kept: run again, only the others are asked."""
    os.environ |= {name: value for name, value in QUIET.items() if name not in os.environ}
    unfinished, why = [], ""
    for name in names:
        task = made(name, str(asked.data), asked.way, limit=asked.limit, any_version=asked.any_version)
        some = f".{asked.limit}" if asked.limit else ""
        logs = out / LOGS / f"{name}.{asked.told}.{asked.way.name}{some}".replace("/", "-")
        resumed = any(logs.glob("*.eval"))
        with Meter() if asked.here else nullcontext() as meter:
            done, log = _asked(task, asked, logs, display)
        if done:
            yield _kept(log, asked, out, meter.joules if meter and not resumed else {})
        else:
            unfinished.append(name)
            errors = [log.error, *(sample.error for sample in log.samples or [])]
            why = why or next((error.message for error in errors if error), "")
    if unfinished:
        what = f"some items of {', '.join(unfinished)} got no answer; the others are kept"
        first = f". The first said: {' '.join(why.split())[:LONGEST]}" if why else ""
        raise InputError(what + first, where=str(out / LOGS), remedy="run the same command again")


def _asked(task: Task, asked: Asked, logs: Path, display: str) -> tuple[bool, EvalLog]:
    try:
        done, (log,) = eval_set(
            task, log_dir=str(logs), model=asked.model, model_base_url=asked.address or None,
            model_args=asked.model_args, display=display, retry_attempts=0, max_connections=asked.connections,
            max_samples=asked.connections, fail_on_error=True, continue_on_fail=True, retry_cleanup=False,
            retry_immediate=False, max_retries=asked.retries, timeout=asked.patience,
        )  # fmt: skip
        return done, read_eval_log(log.location)
    except OSError as exc:
        raise output_error(logs, exc) from exc
    except sqlite3.Error as exc:  # Inspect's own store of answers that are under way
        what = f"Inspect cannot keep the answers: {exc}"
        raise OutputError(what, where=str(logs), remedy="free some space and run the same command again") from exc


def _kept(log: EvalLog, asked: Asked, out: Path, joules: dict[str, float]) -> tuple[Measured, Path]:
    which = benchmark(str((log.eval.metadata or {})["benchmark"]))
    samples = log.samples or []
    usage = list((log.stats.model_usage or {}).values())
    made_by = Made(
        model=asked.told, limit=asked.limit, joules=joules,
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
        seconds=float(sample.working_time or 0.0), probability=_sure(sample),
        error=sample.error.message if sample.error else "",
    )  # fmt: skip


def _sure(sample: EvalSample) -> float | None:
    told = (sample.output.metadata or {}).get(PROBABILITY) if sample.output else None
    return None if told is None else float(told)
