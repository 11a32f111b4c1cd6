"""Gradient descent over packs, the same on one process and on many, and again when it was killed.

All chance is a function of seed and step, and the order of the data is a list: a step is the same wherever one begins.
"""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vedette.errors import ConfigError, TrainingError
from vedette.train.slm import cards, curve, saved
from vedette.train.slm.learner import Learner, put
from vedette.train.slm.model import Opened
from vedette.train.slm.packing import Pack, planned
from vedette.train.slm.recipe import Learning, Method
from vedette.train.slm.rows import Tokens

Event = curve.Event
Told = Callable[[Event], None]
Probe = Callable[[Opened, int], curve.Probe]  # of the model after that step


@dataclass(frozen=True, slots=True)
class Stage:
    """What one stage learns from."""

    learning: Learning
    opened: Opened
    tokens: Tokens
    dev: Tokens | None
    seed: int
    curriculum: bool
    mark: str  # hash of all that a resumed run must have in common with the one before
    probe: Probe | None = None
    probe_every: int = 1
    probe_patience: int = 0


@dataclass(slots=True)
class State:
    """What is kept with a checkpoint; all of it is JSON."""

    mark: str
    step: int = 0
    tokens: int = 0
    answers: int = 0
    seconds: float = 0.0
    best_dev: float = math.inf
    worse_dev: int = 0  # measurements since
    best_probe: float = -1.0
    worse_probe: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    why: str  # it ended
    steps: int
    tokens: int
    answers: int
    seconds: float
    dev: float | None  # of the weights that are left in the model
    stopped: bool = False  # by the user: the same command goes on


class Fit:
    """One run of a stage. `work`: folder of its checkpoints and of `curve.jsonl`."""

    def __init__(self, stage: Stage, work: Path, accelerator: Any, told: Told, stopped: Callable[[], bool]) -> None:
        learning = stage.learning
        self.stage, self.work, self.accelerator, self._told, self._stopped = stage, work, accelerator, told, stopped
        self.device = accelerator.device
        self.learner = Learner(stage.opened, compiled=learning.compile, checkpointing=learning.checkpointing)
        self.model = accelerator.prepare_model(self.learner)
        self.optimiser = _adamw(stage.opened.model, learning)
        self.packs = planned(
            stage.tokens.lengths, room=learning.micro, epochs=learning.epochs, seed=stage.seed,
            curriculum=stage.curriculum,
        )  # fmt: skip
        self.own = _own(stage.tokens)
        self.each = self._each()
        whole = len(self.packs) // self.each
        self.steps = whole if self._world > 1 else math.ceil(len(self.packs) / self.each)
        self.state = State(stage.mark)
        self._dense = _dense(stage.opened, learning.method)
        self._peak = _peak(self.device)
        self._curve: curve.Curve | None = None

    @property
    def _world(self) -> int:
        return int(self.accelerator.num_processes)

    def _each(self) -> int:
        """Packs of a step, over all processes."""
        each = min(self.stage.learning.batch // self.stage.learning.micro, len(self.packs))
        if each % self._world:
            what = f"a step has {each} packs of `micro` tokens, which {self._world} processes cannot share"
            raise ConfigError(what, remedy="make `batch` a multiple of `micro` times the number of processes")
        return each

    def run(self) -> Outcome:
        """Raises TrainingError, ConfigError, OutputError, ArtefactError."""
        self._resume()
        with ExitStack() as stack:
            if self.accelerator.is_main_process:
                self._curve = stack.enter_context(curve.Curve(self.work / curve.NAME, self.state.step))
            with _memory(self.stage.learning):
                why = self._until_it_ends()
            self._tell(curve.Stop(self.state.step, why))
        if self.stage.learning.patience and (self.work / "best").is_dir():
            saved.load(self.work / "best", self.stage.opened.model, None)
        state = self.state
        return Outcome(
            why, state.step, state.tokens, state.answers, state.seconds,
            None if self.stage.dev is None else self.dev_loss(), why == STOPPED,
        )  # fmt: skip

    def _until_it_ends(self) -> str:
        learning, state = self.stage.learning, self.state
        if self.stage.probe and not state.step:
            self._probe()
        while state.step < self.steps:
            if self._anyone_stopped():
                self._save()
                return STOPPED
            self._step()
            if state.step % learning.measure == 0 or state.step == self.steps:
                self._measure()
            if self.stage.probe and (state.step % self.stage.probe_every == 0 or state.step == self.steps):
                self._probe()
            if state.step % learning.save == 0 or state.step == self.steps:
                self._save()
            if why := self._enough():
                self._save()
                return why
        return "done"

    def _step(self) -> None:
        began, state = time.monotonic(), self.state
        packs = self.packs[state.step * self.each : (state.step + 1) * self.each]
        answers = int(sum(self.own[list(pack)].sum() for pack in packs))
        torch.manual_seed(self.stage.seed * 1_000_003 + state.step * self._world + self.accelerator.process_index)
        rate = _rate(self.stage.learning, state.step, self.steps)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        loss = self._backward(packs[self.accelerator.process_index :: self._world], answers)
        norm = float(torch.nn.utils.clip_grad_norm_(self._learned(), self.stage.learning.clip))
        self._finite(loss, norm)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        tokens = int(sum(self.stage.tokens.lengths[list(pack)].sum() for pack in packs))
        seconds = time.monotonic() - began
        state.step += 1
        state.tokens, state.answers, state.seconds = (
            state.tokens + tokens, state.answers + answers, state.seconds + seconds,
        )  # fmt: skip
        self._tell(
            curve.Step(
                step=state.step,
                steps=self.steps,
                epoch=self._epoch(),
                loss=loss,
                rate=rate,
                norm=norm,
                tokens=tokens,
                answers=answers,
                seconds=seconds,
                tokens_per_second=tokens / seconds,
                mfu=self._mfu(tokens, answers, seconds),
                memory=_used(self.device),
                time=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            )
        )

    def _backward(self, packs: Sequence[Pack], answers: int) -> float:
        """The step's loss a token; gradients are those of the mean over all tokens of all processes."""
        total = torch.zeros((), device=self.device)
        for place, pack in enumerate(packs):
            last = place == len(packs) - 1
            with nullcontext() if last else self.accelerator.no_sync(self.model):
                with self.accelerator.autocast():
                    loss = self.model(put(self.stage.tokens, pack, self.device, self.stage.learning.micro))
                self.accelerator.backward(loss * (self._world / answers))
            total += loss.detach()
        return float(self.accelerator.reduce(total, "sum")) / answers

    def _finite(self, loss: float, norm: float) -> None:
        if math.isfinite(loss) and math.isfinite(norm):
            return
        kept = saved.latest(self.work)
        since = f"checkpoint '{kept.name}' is whole" if kept else "no checkpoint was kept yet"
        raise TrainingError(
            f"the loss is {loss}, the gradient {norm}",
            where=f"step {self.state.step + 1}",
            remedy=f'lower `rate` or `clip`, or set precision = "float32"; {since}',
        )

    def _measure(self) -> None:
        if self.stage.dev is None:
            return
        state, loss = self.state, self.dev_loss()
        better = loss < state.best_dev
        state.best_dev, state.worse_dev = (loss, 0) if better else (state.best_dev, state.worse_dev + 1)
        self._tell(curve.Dev(state.step, loss, len(self.stage.dev)))
        if better and self.stage.learning.patience and self.accelerator.is_main_process:
            saved.save(self.work / "best", self.stage.opened.model, None, {"step": state.step, "dev": loss})

    def dev_loss(self) -> float:
        """Nats an answer token of the dev side."""
        dev = self.stage.dev
        assert dev is not None  # noqa: S101
        packs = planned(dev.lengths, room=self.stage.learning.micro, epochs=1, seed=0, curriculum=True)
        total = torch.zeros(2, dtype=torch.float64, device=self.device)
        self.learner.eval()
        with torch.no_grad(), self.accelerator.autocast():
            for pack in packs[self.accelerator.process_index :: self._world]:
                one = put(dev, pack, self.device, self.stage.learning.micro)
                total += torch.stack([self.learner(one).double(), (one.targets >= 0).sum()])
        self.learner.train()
        loss, count = self.accelerator.reduce(total, "sum").tolist()
        return float(loss / count)

    def _probe(self) -> None:
        state, right = self.state, 0
        if self.accelerator.is_main_process and self.stage.probe:
            found = self.stage.probe(self.stage.opened, state.step)
            right = found.right
            self._tell(found)
        score = float(self.accelerator.reduce(torch.tensor(float(right), device=self.device), "sum"))
        better = score > state.best_probe
        state.best_probe, state.worse_probe = (score, 0) if better else (state.best_probe, state.worse_probe + 1)

    def _enough(self) -> str:
        learning, stage, state = self.stage.learning, self.stage, self.state
        if learning.patience and state.worse_dev >= learning.patience:
            return "no better dev loss"
        if stage.probe_patience and state.worse_probe >= stage.probe_patience:
            return "no better score of the probe"
        return "time" if learning.minutes and state.seconds > 60 * learning.minutes else ""

    def _anyone_stopped(self) -> bool:
        here = self._stopped()
        if self._world == 1:
            return here
        return bool(self.accelerator.reduce(torch.tensor(float(here), device=self.device), "sum") > 0)

    def _save(self) -> None:
        if self.accelerator.is_main_process:
            path = self.work / f"step-{self.state.step:07d}"
            saved.save(path, self.stage.opened.model, self.optimiser, _plain(self.state))
            saved.thin(self.work, self.stage.learning.keep)
        self.accelerator.wait_for_everyone()

    def _resume(self) -> None:
        found = saved.latest(self.work)
        if found is None:
            return
        state = State(**saved.load(found, self.stage.opened.model, self.optimiser))
        if state.mark != self.stage.mark:
            remedy = "give another --work folder, or remove this one"
            raise ConfigError(
                "its checkpoints are of another recipe, base or data", where=str(self.work), remedy=remedy
            )
        self.state = state
        self._told(curve.Resume(state.step))

    def _tell(self, event: Event) -> None:
        if self._curve:
            self._curve.add(event)
        self._told(event)

    def _learned(self) -> Iterator[torch.nn.Parameter]:
        return (one for one in self.stage.opened.model.parameters() if one.requires_grad)

    def _epoch(self) -> float:
        return round(self.stage.learning.epochs * self.state.step / self.steps, 4)

    def _mfu(self, tokens: int, answers: int, seconds: float) -> float | None:
        """Model operations of the dense part over the peak of all cards; attention's own products do not count."""
        if not self._peak:
            return None
        body, head = self._dense
        return (body * tokens + head * answers) / (seconds * self._peak * self._world)


STOPPED = "stopped"


def _own(tokens: Tokens) -> Any:
    """Tokens of each row that the model learns to say."""
    return np.add.reduceat(tokens.own, tokens.starts[:-1], dtype=np.int64) - tokens.own[tokens.starts[:-1]]


def _adamw(model: Any, learning: Learning) -> torch.optim.AdamW:
    weights = [one for one in model.parameters() if one.requires_grad]
    groups = [
        {"params": [one for one in weights if one.ndim > 1], "weight_decay": learning.decay},
        {"params": [one for one in weights if one.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning.rate, betas=learning.betas, fused=True)


def _rate(learning: Learning, step: int, steps: int) -> float:
    """Of the step with that number, from 0."""
    rise = max(1, round(learning.warmup * steps))
    if step < rise:
        return learning.rate * (step + 1) / rise
    done = (step - rise) / max(1, steps - rise)
    if learning.schedule == "constant":
        return learning.rate
    left = (1 + math.cos(math.pi * done)) / 2 if learning.schedule == "cosine" else 1 - done
    return learning.rate * (learning.floor + (1 - learning.floor) * left)


def _dense(opened: Opened, method: Method) -> tuple[float, float]:
    """Operations of a token in the layers, and of an answer token in the head; a frozen matrix has no gradient."""
    core = opened.core
    head = core.lm_head.weight.numel()
    share = _asked(core.config)
    body = sum(
        _values(one) * (share if ".experts." in name else 1.0)
        for name, one in core.named_parameters() if one.ndim > 1 and "embed" not in name
    )  # fmt: skip
    body -= head if not core.config.tie_word_embeddings else 0
    times = 6.0 if method is Method.FULL else 4.0
    return times * body, times * head


def _asked(config: Any) -> float:
    """Share of the experts that a token is sent to."""
    experts = getattr(config, "num_local_experts", None) or getattr(config, "num_experts", None)
    return float(config.num_experts_per_tok / experts) if experts else 1.0


def _values(weights: torch.Tensor) -> int:
    """Two of NF4 are in a byte."""
    return int(weights.numel()) * (2 if weights.dtype == torch.uint8 else 1)


def _peak(device: torch.device) -> float:
    if device.type != "cuda":
        return 0.0
    card = cards.driven(torch.cuda.get_device_name(device))
    return card.peak if card else 0.0


def _used(device: torch.device) -> int:
    """Bytes at the peak: of the card, or of this process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _plain(state: State) -> dict[str, Any]:
    """JSON has no infinity."""
    found = {name: getattr(state, name) for name in State.__slots__}
    return found if math.isfinite(state.best_dev) else {key: one for key, one in found.items() if key != "best_dev"}


@contextmanager
def _memory(learning: Learning) -> Iterator[None]:
    """Out of memory, in words that help. Raises TrainingError."""
    try:
        yield
    except (MemoryError, RuntimeError) as exc:
        said = str(exc).lower()
        if not isinstance(exc, MemoryError | torch.OutOfMemoryError) and "alloc" not in said:
            raise
        ways = [f"lower `micro` (now {learning.micro:,} tokens)"]
        ways += ["set checkpointing = true"] * (not learning.checkpointing)
        ways += {Method.FULL: ['method = "lora"'], Method.LORA: ['method = "qlora"']}.get(learning.method, [])
        raise TrainingError("out of memory", remedy=", or ".join(ways)) from exc
