"""What is put over TRL's trainers: nothing leaves the machine, checkpoints hold no pickle and are whole or ignored, the
curve is written, and a loss that is no number ends the run before it is saved.

Only one machine's processes are thought of: each holds the whole model (no FSDP, no DeepSpeed).
"""

from __future__ import annotations

import math
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import torch
from safetensors.torch import load_file, save_file
from transformers import PrinterCallback, TrainerCallback

from vedette.errors import TrainingError
from vedette.manifest import output_error
from vedette.train.slm import checkpoints
from vedette.train.slm.recipe import Learning

CURVE, BEST = "curve.jsonl", "best"
_TENSORS, _GROUPS, _CHANCE = "optimiser.safetensors", "optimiser.json", "chance-{}.json"
Told = Callable[[str], None]


@dataclass(slots=True)
class Run:
    """One stage. What changes is kept with its checkpoints."""

    stage: str  # "dpo", "grpo"
    learning: Learning
    work: Path
    mark: str
    told: Told
    lower: str  # settings that cost memory
    patience: int  # measurements without a better score before it stops; 0: none
    extra: Mapping[str, str]  # of TRL's measures: name in the curve → in its log
    why: str = "done"  # it ended
    seconds: float = 0.0
    best: float = math.inf  # lower is better
    worse: int = 0  # measurements since

    @property
    def state(self) -> dict[str, Any]:
        best = self.best if math.isfinite(self.best) else None
        return {"mark": self.mark, "seconds": self.seconds, "best": best, "worse": self.worse}

    def put_back(self, state: Mapping[str, Any]) -> None:
        self.seconds, self.worse = state["seconds"], state["worse"]
        self.best = math.inf if state["best"] is None else state["best"]


class Hooks:
    """To be named before TRL's trainer in a class's bases; `begin` comes before `train`."""

    def begin(self: Any, run: Run) -> None:
        self.run_ = run
        self._counts = [0, 0]  # tokens of this step, and those that are learned from
        self._step_began, self._step_seconds = time.monotonic(), 0.0
        self.remove_callback(PrinterCallback)
        self.add_callback(_Pace(self))

    # Nothing leaves the machine, and no card is written that we did not.

    def _send_telemetry(self) -> None:
        return None

    def create_model_card(self, *_: Any, **__: Any) -> None:
        return None

    # The rate: a rise, then down to a floor.

    def create_scheduler(self: Any, num_training_steps: int, optimizer: Any = None) -> Any:
        learning = self.run_.learning
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer or self.optimizer, lambda step: rate(learning, step, num_training_steps)
        )
        return self.lr_scheduler

    # Checkpoints.

    def _save(self: Any, output_dir: str | None = None, state_dict: Any = None) -> None:
        if self.args.should_save:
            folder = output_dir or self.args.output_dir
            self.accelerator.unwrap_model(self.model).save_pretrained(folder, state_dict=state_dict)
            self.processing_class.save_pretrained(folder)

    def _save_checkpoint(self: Any, model: Any, trial: Any) -> None:
        try:
            super()._save_checkpoint(model, trial)  # type: ignore[misc]
        except OSError as exc:
            raise output_error(self.run_.work, exc) from exc
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            folder = self.run_.work / f"{checkpoints.PREFIX}{self.state.global_step}"
            checkpoints.seal(folder, self.run_.state)
            checkpoints.thin(self.run_.work, self.run_.learning.keep)
        self.accelerator.wait_for_everyone()

    def _save_optimizer_and_scheduler(self: Any, output_dir: str) -> None:
        if not self.args.should_save:
            return
        state = self.optimizer.state_dict()
        tensors = {
            f"{number} {name}": torch.as_tensor(value).detach().cpu().contiguous()
            for number, values in state["state"].items()
            for name, value in values.items()
        }
        save_file(tensors, Path(output_dir) / _TENSORS)
        schedule = {name: value for name, value in self.lr_scheduler.state_dict().items() if name != "lr_lambdas"}
        kept = orjson.dumps({"groups": state["param_groups"], "schedule": schedule})
        (Path(output_dir) / _GROUPS).write_bytes(kept)

    def _load_optimizer_and_scheduler(self: Any, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        kept = orjson.loads((Path(checkpoint) / _GROUPS).read_bytes())
        state: dict[int, dict[str, torch.Tensor]] = {}
        for place, value in load_file(Path(checkpoint) / _TENSORS).items():
            number, _, name = place.partition(" ")
            state.setdefault(int(number), {})[name] = value
        groups = [{**group, "betas": tuple(group["betas"])} for group in kept["groups"]]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.lr_scheduler.load_state_dict({**self.lr_scheduler.state_dict(), **kept["schedule"]})

    def _save_scaler(self, output_dir: str) -> None:
        return None  # of float16, which is not used

    def _load_scaler(self, checkpoint: str | None) -> None:
        return None

    def _save_rng_state(self: Any, output_dir: str) -> None:
        Path(output_dir).mkdir(parents=True, exist_ok=True)
        (Path(output_dir) / _CHANCE.format(self.args.process_index)).write_bytes(_chance(self.args.device))

    def _load_rng_state(self: Any, checkpoint: str | None) -> None:
        place = Path(checkpoint or "") / _CHANCE.format(self.args.process_index)
        if checkpoint and place.is_file():
            _put_back_chance(place.read_bytes(), self.args.device)

    # What is measured.

    def compute_loss(self: Any, model: Any, inputs: Any, *more: Any, **options: Any) -> Any:
        if model.training:
            learned = int(inputs["completion_mask"].sum())
            prompt = inputs.get("attention_mask")
            whole = int(prompt.sum()) if prompt is not None else learned + int(inputs["prompt_mask"].sum())
            self._counts = [self._counts[0] + whole, self._counts[1] + learned]
        return super().compute_loss(model, inputs, *more, **options)  # type: ignore[misc]

    def log(self: Any, logs: dict[str, float], *more: Any) -> None:
        super().log(logs, *more)  # type: ignore[misc]
        told = self.state.log_history[-1]
        del self.state.log_history[:-1]  # it is in every checkpoint, and the curve has it
        if "loss" in told:
            self._stepped(told)
        elif "eval_loss" in told:
            self._measured(told)

    def _stepped(self: Any, told: Mapping[str, Any]) -> None:
        run, step = self.run_, self.state.global_step
        counts = torch.tensor(self._counts, device=self.args.device)
        tokens, answers = (int(one) for one in self.accelerator.reduce(counts, "sum"))
        self._counts = [0, 0]
        loss, norm, seconds = float(told["loss"]), float(told.get("grad_norm") or 0.0), self._step_seconds
        self.put(
            at="step", step=step, steps=self.state.max_steps, epoch=round(self.state.epoch or 0.0, 4), loss=loss,
            rate=float(told.get("learning_rate") or 0.0), norm=norm, tokens=tokens, answers=answers, seconds=seconds,
            tokens_per_second=tokens / max(seconds, 1e-9), mfu=None, memory=_used(self.args.device),
            **{name: told[key] for name, key in run.extra.items() if key in told}, time=_now(),
        )  # fmt: skip
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise TrainingError(
                f"the loss is {loss}, the gradient {norm}",
                where=f"{run.stage}, step {step}",
                remedy=f'lower `rate` = {run.learning.rate:g} or `clip`, or set precision = "float32"; {self.since()}',
            )

    def _measured(self: Any, told: Mapping[str, Any]) -> None:
        run = self.run_
        extra = {name: told[f"eval_{key}"] for name, key in run.extra.items() if f"eval_{key}" in told}
        self.put(at="dev", step=self.state.global_step, loss=told["eval_loss"], n=len(self.eval_dataset), **extra)
        run.told(f"step {self.state.global_step}: loss of the dev side {told['eval_loss']:.4f}")

    def put(self: Any, **event: Any) -> None:
        """A line of the curve."""
        if self.is_world_process_zero():
            try:
                with (self.run_.work / CURVE).open("ab") as file:
                    file.write(orjson.dumps(event) + b"\n")
            except OSError as exc:
                raise output_error(self.run_.work / CURVE, exc) from exc

    def since(self: Any) -> str:
        """Where a run that failed can go on from."""
        kept = checkpoints.newest(self.run_.work, self.run_.mark)
        return f"checkpoint {kept.step} is whole" if kept else "no checkpoint was kept yet"

    def judged(self: Any, score: float) -> bool:
        """A measurement (lower is better): the best weights are kept. Is it enough?"""
        run = self.run_
        better = score < run.best
        run.best, run.worse = (score, 0) if better else (run.best, run.worse + 1)
        if better and run.patience and self.args.should_save:
            self._save(str(run.work / BEST))
            checkpoints.seal(run.work / BEST, {"mark": run.mark})
        return bool(run.patience and run.worse >= run.patience)

    def agreed(self: Any, here: bool) -> bool:
        """Does any process say so?"""
        flag = torch.tensor(float(here), device=self.args.device)
        return bool(self.accelerator.reduce(flag, "sum") > 0)


class _Pace(TrainerCallback):  # type: ignore[misc]
    """How long a step takes, and when it is enough."""

    def __init__(self, trainer: Any) -> None:
        self._trainer = trainer

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._trainer._step_began = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        trainer, run = self._trainer, self._trainer.run_
        trainer._step_seconds = time.monotonic() - trainer._step_began
        run.seconds += trainer._step_seconds
        minutes = run.learning.minutes
        if minutes and trainer.agreed(run.seconds > 60 * minutes):
            run.why, control.should_training_stop = "time", True

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Mapping[str, float], **_: Any) -> None:
        run = self._trainer.run_
        if self._trainer.judged(metrics["eval_loss"]):
            run.why, control.should_training_stop = "no better dev loss", True


def rate(learning: Learning, step: int, steps: int) -> float:
    """Of the peak, in the step with that number, from 0."""
    rise = max(1, round(learning.warmup * steps))
    if step < rise:
        return (step + 1) / rise
    if learning.schedule == "constant":
        return 1.0
    done = min(1.0, (step - rise) / max(1, steps - rise))
    left = (1 + math.cos(math.pi * done)) / 2 if learning.schedule == "cosine" else 1 - done
    return learning.floor + (1 - learning.floor) * left


@contextmanager
def trouble(trainer: Any) -> Iterator[None]:
    """Says of what torch raises which setting helps. Raises TrainingError."""
    try:
        yield
    except RuntimeError as exc:
        run, where = trainer.run_, f"{trainer.run_.stage}, step {trainer.state.global_step + 1}"
        if isinstance(exc, torch.OutOfMemoryError) or "can't allocate memory" in str(exc):
            remedy = f"lower {run.lower}, or set checkpointing = true; {trainer.since()}"
            raise TrainingError("memory ran out", where=where, remedy=remedy) from exc
        if "probability tensor contains" in str(exc):  # of torch.multinomial, which samples an answer
            remedy = f'lower `rate` = {run.learning.rate:g} or `clip`, or set precision = "float32"; {trainer.since()}'
            raise TrainingError("the model's probabilities are no numbers", where=where, remedy=remedy) from exc
        raise


def _chance(device: torch.device) -> bytes:
    version, numbers, gauss = random.getstate()
    _, keys, place, has, cached = np.random.get_state()
    found = {
        "python": [version, list(numbers), gauss],
        "numpy": [np.asarray(keys).tolist(), int(place), int(has), float(cached)],
        "torch": torch.get_rng_state().tolist(),
        "cuda": torch.cuda.get_rng_state(device).tolist() if device.type == "cuda" else None,
    }
    return orjson.dumps(found)


def _put_back_chance(body: bytes, device: torch.device) -> None:
    found = orjson.loads(body)
    version, numbers, gauss = found["python"]
    random.setstate((version, tuple(numbers), gauss))
    keys, place, has, cached = found["numpy"]
    np.random.set_state(("MT19937", np.array(keys, dtype=np.uint32), place, has, cached))
    torch.set_rng_state(torch.tensor(found["torch"], dtype=torch.uint8))
    if found["cuda"] and device.type == "cuda":
        torch.cuda.set_rng_state(torch.tensor(found["cuda"], dtype=torch.uint8), device)


def _used(device: torch.device) -> int:
    """Bytes at the peak: of the card, or of this process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
