"""Examples that a format is made from and tried on: a file of them, or stage 1's own."""

from __future__ import annotations

from pathlib import Path

import msgspec

from vedette.errors import ConfigError, InputError

MOST = 10  # that a teacher is shown
LONGEST = 6_000  # characters of question and answer
BYTES = 20_000_000


class Sample(msgspec.Struct, frozen=True):
    """Rows of `vedette forge build` are samples, too."""

    question: str
    answer: str
    task: str = ""
    final: str = ""
    keep: tuple[str, ...] = ()


def from_file(path: Path, count: int) -> tuple[list[Sample], int]:
    """JSON Lines of `{"question": …, "answer": …}`: the first that can be used, and how many could not."""
    try:
        with path.open("rb") as file:
            lines = file.read(BYTES).split(b"\n")
    except OSError as exc:
        raise InputError(f"cannot be read: {exc.strerror}", where=str(path), remedy="check the path") from exc
    found: list[Sample] = []
    rejected = 0
    for line in filter(bytes.strip, lines):
        if len(found) == count:
            break
        try:
            sample = msgspec.json.decode(line, type=Sample)
        except (msgspec.DecodeError, UnicodeDecodeError):
            rejected += 1
            continue
        if sample.question.strip() and sample.answer.strip() and len(sample.question + sample.answer) <= LONGEST:
            found.append(sample)
        else:
            rejected += 1
    if not found:
        what = f"no sample that can be used ({rejected} lines were refused)"
        raise InputError(what, where=str(path), remedy='write {"question": "…", "answer": "…"}, one a line')
    return found, rejected


def from_store(group: str, count: int, seed: int = 7) -> list[Sample]:
    """What stage 1 makes of the imported knowledge, one of each task in turn."""
    from vedette.forge.build import Builder, Plan
    from vedette.forge.task import GROUPS
    from vedette.forge.world import World
    from vedette.knowledge.store import Knowledge

    module = group.replace("-", "_")
    if module not in GROUPS:
        raise ConfigError(f"no tasks make samples for '{group}'", remedy="give --samples with a file of your own")
    with Knowledge.open() as store:
        builder = Builder(World(store), Plan(groups=(module,), cap=3), seed)
        turns: dict[str, list[Sample]] = {}
        for example in builder.examples():
            sample = Sample(example.question, example.answer, example.task, example.final, example.keep)
            turns.setdefault(example.task, []).append(sample)
    found = [own[turn] for turn in range(3) for own in turns.values() if turn < len(own)]
    if not found:
        raise ConfigError(f"the store gives no samples for '{group}'", remedy="import knowledge, or give --samples")
    return found[:count]
