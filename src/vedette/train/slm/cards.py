"""What a training would run on: the card that is here, one out of `cards.toml`, or the processor."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

from pydantic import Field

from vedette.config import Settings, load_toml
from vedette.engine import machine
from vedette.errors import ConfigError
from vedette.registry import near

CPU = "cpu"
CPU_SHARE = 0.4  # of what NumPy's float32 products reach; steps of 7 and 17 million parameters: 0.38 to 0.83
CPU_SOURCE = "assumed, after steps of two small models on two cores; the measured speed is NumPy's in float32"
CONTEXT = 1_000_000_000  # bytes that CUDA and its libraries take on a card
PYTHON = 1_500_000_000  # bytes of a process with PyTorch and transformers


class Card(Settings):
    match: tuple[str, ...] = Field(description="parts of the name that its driver gives it")
    memory: int = Field(description="bytes")
    peak: float = Field(description="operations a second, dense, bf16")
    bandwidth: float = Field(description="bytes a second")
    share: float = Field(gt=0, le=1, description="of the peak, in training")
    source: str = Field(description="of `share`")


class _Catalog(Settings):
    card: dict[str, Card]


@dataclass(frozen=True, slots=True)
class Machine:
    """`rate`, `bandwidth`: 0 where they are not known. `ram`, `disk`: free here, 0 where another machine is meant."""

    name: str
    cards: int
    memory: int  # bytes that are free on each card
    rate: float  # operations a second of a card that training reaches
    bandwidth: float  # bytes a second
    source: str  # of `rate`
    ram: int
    disk: int
    program: int  # bytes that a process takes before there is a model


@cache
def known() -> dict[str, Card]:
    with as_file(files("vedette.train.slm") / "cards.toml") as path:
        return load_toml(path, _Catalog).card


def driven(name: str) -> Card | None:
    """The one that its driver calls so."""
    return next((one for one in known().values() if any(part in name for part in one.match)), None)


def found(name: str, cards: int, folder: Path) -> Machine:
    """`name` of a card, "cpu", or "" for what is here; `cards` 0: all that are here. Raises ConfigError."""
    if not name:
        return _here(cards, folder) or _processor(folder)
    if name.casefold() == CPU:
        return _processor(folder)
    folded = {one.casefold(): one for one in known()}
    if name.casefold() not in folded:
        remedy = near(name, [*known(), CPU])
        raise ConfigError(f"the card '{name}' is not known", where="--gpu", remedy=remedy)
    own = folded[name.casefold()]
    card = known()[own]
    rate = card.peak * card.share
    return Machine(own, max(1, cards), card.memory, rate, card.bandwidth, card.source, 0, 0, CONTEXT)


def disk(folder: Path) -> int:
    """Bytes that are free where `folder` is or will be."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def _here(cards: int, folder: Path) -> Machine | None:
    try:
        import torch
    except ModuleNotFoundError:
        return None
    if not torch.cuda.is_available():
        return None
    name = torch.cuda.get_device_name(0)
    free = min(torch.cuda.mem_get_info(number)[0] for number in range(torch.cuda.device_count()))
    card = driven(name)
    rate, bandwidth, source = (card.peak * card.share, card.bandwidth, card.source) if card else (0.0, 0.0, "")
    count = min(cards or torch.cuda.device_count(), torch.cuda.device_count())
    ram = machine.memory().free
    return Machine(name, count, free, rate, bandwidth, source, ram, disk(folder), CONTEXT)


def _processor(folder: Path) -> Machine:
    speed = machine.measured()
    ram = machine.memory().free
    rate = speed.flops * CPU_SHARE
    return Machine(CPU, 1, ram, rate, speed.bandwidth, CPU_SOURCE, ram, disk(folder), PYTHON)
