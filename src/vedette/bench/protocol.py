"""How a model is asked. A protocol has a name and never changes: figures of different ones are not compared."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import msgspec

from vedette.bench.items import Item, Kind
from vedette.errors import ConfigError
from vedette.registry import near


class Protocol(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    about: str
    shots: int = 0  # worked examples before the question
    temperature: float = 0.0
    trials: int = 1  # of every item; the mean counts
    max_tokens: int = 2_048  # of a reply, its reasoning included
    seed: int = 7
    likelihood: bool = False  # the likeliest letter, instead of what is written
    reasoning: bool = True  # where a model can be told not to
    open_book: bool = False  # passages of the knowledge store come first


_ALL = (
    Protocol(name="zero-shot", about="the benchmark's own prompt, nothing else"),
    Protocol(name="five-shot", about="five other items with their answers first, the same for all", shots=5),
    Protocol(name="five-trials", about="the own prompt five times at temperature 0.7", temperature=0.7, trials=5),
    Protocol(name="no-reasoning", about="the own prompt, reasoning switched off where a model has it", reasoning=False),
    Protocol(
        name="open-book", about="the reference works at hand: passages of the knowledge store before the own prompt",
        open_book=True,
    ),
    Protocol(
        name="likelihood", about="multiple choice: the letter that is likeliest to come first", likelihood=True,
        max_tokens=1,
    ),
)  # fmt: skip
PROTOCOLS = {one.name: one for one in _ALL}
USUAL, OPEN = "zero-shot", "open-book"


def protocol(name: str) -> Protocol:
    """Raises ConfigError."""
    try:
        return PROTOCOLS[name]
    except KeyError:
        raise ConfigError(f"unknown protocol '{name}'", remedy=near(name, PROTOCOLS)) from None


def fits(way: Protocol, kind: Kind) -> bool:
    return kind is Kind.CHOICE or not (way.likelihood or way.open_book)


def prompt_of(item: Item, way: Protocol, every: Sequence[Item], passages: Sequence[str] = ()) -> str:
    """The whole user message. Examples are other items, chosen by a hash of their ids; the item itself is never one."""
    others = sorted((o for o in every if o.id != item.id), key=lambda o: crc32(f"{way.seed} {o.id}".encode()))
    shown = [f"{other.prompt}\n{answer_of(other)}" for other in others[: way.shots]] if way.shots else []
    asked = f"{item.prompt}\nAnswer:" if way.likelihood else item.prompt
    told = ["These passages may help:", *passages] if passages else []
    return "\n\n".join([*told, *shown, asked])


def answer_of(item: Item) -> str:
    """The right answer as a last line."""
    joined = "" if item.kind is Kind.CHOICES else ", "
    return joined.join(item.right)
