"""What a recipe asks of a machine, stage by stage: memory, hours, disk; whether it fits, and what to lower if not.

Computed from the model's shape and the amount of data (`sizing`, `amounts`); nothing is loaded. See docs/training.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil

from vedette.engine.sizing import of_shape
from vedette.errors import ConfigError
from vedette.train.slm import amounts, sizing
from vedette.train.slm.amounts import Amount
from vedette.train.slm.bases import Architecture, count
from vedette.train.slm.cards import PYTHON, Machine
from vedette.train.slm.recipe import Dpo, Grpo, Learning, Method, Recipe
from vedette.train.slm.sizing import HALF, SINGLE, Memory, Setting

FULL = 0.95  # of what is free: the rest is lost between blocks of different sizes
QUANTISATIONS = ("F16", "Q8_0", "Q4_0")  # what is exported unless said otherwise
NF4_SPEED, SPARSE_SPEED = 0.75, 0.5  # of a dense model's: unpacking weights, sorting tokens by expert; assumed
LAYER_SECONDS = 0.0008  # of a token that is written, for starting a layer's products; assumed
TOKEN = 5  # bytes in main memory of a token that is learned from

Way = tuple[str, dict[str, object]]  # a setting to lower as a recipe has it, and what it changes


@dataclass(frozen=True, slots=True)
class Task:
    """One stage: what is done, and with how much. Tokens are those of one epoch."""

    name: str
    learning: Learning
    setting: Setting
    tokens: int
    length: float  # tokens of a text on average
    answers: float  # mean share of tokens
    longest: int
    written: int = 0  # tokens of an answer that the model itself writes to learn from

    @property
    def steps(self) -> int:
        return max(1, ceil(self.tokens * self.learning.epochs / self.learning.batch))


@dataclass(frozen=True, slots=True)
class Lower:
    """A setting to lower, together with those before it, and the memory that is then needed."""

    setting: str
    memory: int


@dataclass(frozen=True, slots=True)
class Stage:
    name: str
    method: Method
    tokens: int  # of all epochs
    steps: int
    memory: Memory
    room: int  # bytes of a card that it may take
    hours: float | None  # None where the machine's speed is not known
    disk: int  # bytes of its checkpoints and results
    lower: tuple[Lower, ...]  # () where it fits

    @property
    def fits(self) -> bool:
        return self.memory.total <= self.room


@dataclass(frozen=True, slots=True)
class Plan:
    recipe: str
    model: Architecture
    machine: Machine
    stages: tuple[Stage, ...]
    rows: Amount
    ram: int  # bytes of main memory
    exported: int  # bytes of the GGUF files

    @property
    def disk(self) -> int:
        return sum(stage.disk for stage in self.stages) + self.exported

    @property
    def hours(self) -> float | None:
        hours = [stage.hours for stage in self.stages]
        return None if None in hours else sum(hour or 0.0 for hour in hours)

    @property
    def faults(self) -> tuple[str, ...]:
        """What does not fit; () where all does."""
        machine = self.machine
        found = [
            f"{stage.name} needs {_gb(stage.memory.total)} GB of the {_gb(stage.room)} GB that it may take"
            for stage in self.stages
            if not stage.fits
        ]
        if machine.disk and self.disk > machine.disk:
            found.append(f"it needs {_gb(self.disk)} GB of disk, {_gb(machine.disk)} GB are free")
        if machine.ram and machine.name != "cpu" and self.ram > machine.ram:
            found.append(f"it needs {_gb(self.ram)} GB of main memory, {_gb(machine.ram)} GB are free")
        return tuple(found)


def planned(recipe: Recipe, model: Architecture, machine: Machine, rows: Amount) -> Plan:
    """Raises ConfigError for a recipe that could not be run on any machine of that kind."""
    tasks = tuple(_tasks(recipe, model, rows, machine.cards))
    for task in tasks:
        _check(task, recipe, model, machine.cards)
    stages = tuple(_stage(task, model, machine) for task in tasks)
    loaded = max(HALF * count(model).total if one.method is not Method.FULL else one.memory.weights for one in stages)
    held = TOKEN * max(task.tokens for task in tasks)
    exported = sum(of_shape(model.shape, name).file for name in QUANTISATIONS)
    return Plan(recipe.name, model, machine, stages, rows, machine.cards * (loaded + held + PYTHON), exported)


def ensure(plan: Plan) -> None:
    """Raises ConfigError where the plan does not fit, with the settings to lower."""
    if not plan.faults:
        return
    short = next((stage for stage in plan.stages if not stage.fits), None)
    lower = ", ".join(one.setting for one in short.lower) if short else ""
    remedy = f"lower in [{short.name}]: {lower}" if short and lower else "free some, or choose another machine"
    raise ConfigError("; ".join(plan.faults), where=plan.recipe, remedy=remedy)


def lines(plan: Plan) -> list[str]:
    """A heading, one line of each stage, and one of all: what recipes and documents quote."""
    rows = [("stage", "method", "M tokens", "steps", "GB a card", "hours", "GB of disk")]
    rows += [
        (one.name, str(one.method), f"{one.tokens / 1e6:,.1f}", f"{one.steps:,}", _gb(one.memory.total),
         _hours(one.hours), _gb(one.disk))
        for one in plan.stages
    ]  # fmt: skip
    rows.append(("all, with GGUF", "", "", "", "", _hours(plan.hours), _gb(plan.disk)))
    return [f"{a:<15}{b:<7}{c:>9}{d:>8}{e:>11}{f:>8}{g:>12}" for a, b, c, d, e, f, g in rows]


def _tasks(recipe: Recipe, model: Architecture, rows: Amount, cards: int) -> Iterator[Task]:
    size, mean = model.characters, rows.share(model.characters)
    most = min(1.0, max(amounts.MOST, mean))
    if recipe.pretrain:
        tokens = round(amounts.KNOWLEDGE / size)
        setting = _setting(recipe, recipe.pretrain, 1.0, cards)
        yield Task("pretrain", recipe.pretrain, setting, tokens, recipe.pretrain.longest, 1.0, recipe.pretrain.longest)
    setting = _setting(recipe, recipe.sft, most, cards)
    yield Task("sft", recipe.sft, setting, rows.tokens(size), rows.length(size), mean, recipe.data.longest)
    if recipe.dpo:
        setting = _setting(recipe, recipe.dpo, 1.0, cards)  # TRL computes the prompts' logits, too
        tokens = round(2 * amounts.PAIRS * rows.length(size))
        yield Task("dpo", recipe.dpo, setting, tokens, rows.length(size), mean, recipe.dpo.longest)
    if recipe.grpo:
        yield _reward(recipe, recipe.grpo, model, rows, cards)


def _reward(recipe: Recipe, grpo: Grpo, model: Architecture, rows: Amount, cards: int) -> Task:
    asked = rows.prompts / max(1, rows.rows) / model.characters + 2 * amounts.MARKS
    length = asked + grpo.answer
    setting = _setting(recipe, grpo, grpo.answer / length, cards)
    tokens = round(rows.exact * grpo.group * length)
    return Task("grpo", grpo, setting, tokens, length, grpo.answer / length, round(length), grpo.answer)


def _setting(recipe: Recipe, learning: Learning, answers: float, cards: int) -> Setting:
    full = learning.method is Method.FULL
    return Setting(
        method=learning.method,
        micro=learning.micro,
        answers=answers,
        bf16=learning.precision == "bf16",
        checkpointing=learning.checkpointing,
        rank=recipe.lora.rank,
        targets=recipe.lora.targets,
        dropout=recipe.lora.dropout > 0 and not full,
        processes=cards,
        reference=full and _refers(learning),  # adapters are switched off for it
        generated=learning.batch // cards if isinstance(learning, Grpo) else 0,
    )


def _refers(learning: Learning) -> bool:
    """Is each text read by the model as it was, too?"""
    return isinstance(learning, Dpo) or (isinstance(learning, Grpo) and learning.beta > 0)


def _check(task: Task, recipe: Recipe, model: Architecture, cards: int) -> None:
    learning, where = task.learning, f"[{task.name}]"
    if learning.micro < task.longest:
        what = f"`micro` = {learning.micro:,} tokens hold no text of {task.longest:,}"
        longest = "`answer`" if task.written else "`longest`"
        raise ConfigError(what, where=where, remedy=f"raise `micro`, or lower {longest}")
    if learning.batch % (learning.micro * cards):
        what = f"`batch` = {learning.batch:,} is no multiple of `micro` times {cards} cards"
        remedy = f"set it to {learning.micro * cards * ceil(learning.batch / (learning.micro * cards)):,}"
        raise ConfigError(what, where=where, remedy=remedy)
    if model.context and task.longest > model.context:
        what = f"texts of {task.longest:,} tokens, and '{model.name}' was made for {model.context:,}"
        raise ConfigError(what, where=where, remedy="lower `longest`")


def _stage(task: Task, model: Architecture, machine: Machine) -> Stage:
    room = int(FULL * machine.memory)
    memory = sizing.memory(model, task.setting, machine.program)
    return Stage(
        task.name,
        task.learning.method,
        round(task.tokens * task.learning.epochs),
        task.steps,
        memory,
        room,
        _time(task, model, machine),
        _disk(task, model),
        () if memory.total <= room else tuple(_lowered(task, model, machine.program, room)),
    )


def _time(task: Task, model: Architecture, machine: Machine) -> float | None:
    """Hours; sending gradients between cards is not counted, nor are a probe's answers."""
    if not machine.rate:
        return None
    learning, setting = task.learning, task.setting
    rate = machine.rate * machine.cards * (NF4_SPEED if setting.method is Method.QLORA else 1.0)
    rate *= SPARSE_SPEED if model.shape.experts else 1.0
    read = sizing.forward(model, task.length, task.answers)
    each = sizing.work(model, setting, task.length, task.answers)
    each += read if _refers(learning) else 0.0
    dev = task.steps // learning.measure * learning.dev_rows * task.length
    seconds = (task.tokens * learning.epochs * each + dev * read) / rate
    if task.written:
        step = max(_streamed(model, setting) / machine.bandwidth, model.shape.layers * LAYER_SECONDS)
        seconds += task.steps * task.written * step
    return min(seconds, learning.minutes * 60 or seconds) / 3_600


def _streamed(model: Architecture, setting: Setting) -> int:
    """Bytes of weights that are read for each token that is written."""
    return (SINGLE if setting.method is Method.FULL else HALF) * count(model).total


def _disk(task: Task, model: Architecture) -> int:
    """Checkpoints, one more while it is written; the best weights; the result, merged where it is an adapter."""
    learned = sizing.trained(model, task.setting)
    kept = (task.learning.keep + 1) * (SINGLE + sizing.ADAMW) * learned
    best = SINGLE * learned if task.learning.patience else 0
    result = (HALF if task.setting.bf16 else SINGLE) * count(model).total
    return kept + best + result + (SINGLE * learned if task.setting.method is not Method.FULL else 0)


def _lowered(task: Task, model: Architecture, program: int, room: int) -> Iterator[Lower]:
    """As few settings as it takes, those before others that change the result least; all where none suffice."""

    def needed(ways: Sequence[Way]) -> int:
        setting = task.setting
        for _, changes in ways:
            setting = replace(setting, **changes)  # type: ignore[arg-type]
        return sizing.memory(model, setting, program).total

    chosen: list[Way] = []
    for way in _ways(task, model):
        if needed([*chosen, way]) < needed(chosen):
            chosen.append(way)
        if needed(chosen) <= room:
            break
    for way in chosen[-2::-1]:
        without = [one for one in chosen if one is not way]
        if needed(without) <= room:
            chosen = without
    for number, (name, _) in enumerate(chosen, 1):
        yield Lower(name, needed(chosen[:number]))


def _ways(task: Task, model: Architecture) -> Iterator[Way]:
    setting = task.setting
    yield "checkpointing = true", {"checkpointing": True}
    for part in (2, 4):
        if setting.generated:
            yield f"batch = {setting.generated * setting.processes // part}", {"generated": setting.generated // part}
    micro = setting.micro
    while micro // 2 >= task.longest:
        micro //= 2
        yield f"micro = {micro}", {"micro": micro}
    if setting.method is Method.FULL:
        yield 'method = "lora"', {"method": Method.LORA, "reference": False}
    for short in (2_048, 1_024):
        if short < task.longest:
            yield f"longest = {short}, micro = {short}", {"micro": short}
    if setting.rank > 16:
        yield "rank = 16 in [lora]", {"rank": 16}
    if not model.shape.experts:
        yield 'method = "qlora"', {"method": Method.QLORA, "reference": False}
    if task.longest > 512:
        yield "longest = 512, micro = 512", {"micro": 512}


def _gb(size: int) -> str:
    return f"{size / 1e9:,.1f}"


def _hours(hours: float | None) -> str:
    return "?" if hours is None else f"{hours:,.1f}"
