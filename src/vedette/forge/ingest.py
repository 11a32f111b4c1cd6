"""An organisation's own knowledge as examples: documents, tickets, closed cases with what analysts found.

No language model takes part, so nothing is in an example that was not in its passage. Names are masked, each the same
way within a document; secrets never get through; texts that are hostile are counted, told and kept apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from vedette.errors import InputError
from vedette.forge import card, known, mix, wording
from vedette.forge.build import LONGEST, Tally
from vedette.forge.evolve import Grown
from vedette.forge.example import EXACT, Example, Source, named
from vedette.forge.make import contamination
from vedette.forge.own import Given, Ingested, Reader, Terms
from vedette.forge.practice import KINDS, Part, Piece
from vedette.forge.veil import holds_secret
from vedette.guard.hostile import hostile
from vedette.guard.neutralise import printable
from vedette.manifest import FILE_NAME, atomic_write, output_error
from vedette.manifest import write as write_manifest
from vedette.overlap import Items
from vedette.prompts import ANSWER

GROUP = "own"
CARD, APART = "card.md", "apart.tsv"


class Teach(Protocol):
    """What `own_passages.Teaching` does, until it is done."""

    def __call__(
        self, parts: Sequence[Part], examples: Sequence[Example], items: Items | None, told: Callable[[Grown], None]
    ) -> list[Example]: ...


def ingest(given: Given, terms: Terms, teach: Teach | None = None) -> Ingested:
    """Raises InputError where nothing can be learned from, OutputError, and StateError for the cases."""
    try:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / FILE_NAME).unlink(missing_ok=True)  # until it is whole again
    except OSError as exc:
        raise output_error(given.out, exc) from exc
    reader = Reader(given, terms)
    seen = card.Seen()
    items = Items.of(given.benchmarks) if given.benchmarks else None
    maker = _Maker(terms, items, reader.told)
    examples = list(seen.noted(maker.examples(list(reader.pieces()))))
    if teach:
        before = len(examples)
        examples += seen.noted(teach(reader.parts, examples, items, seen.evolved))
        reader.told.taught = len(examples) - before
    _finish(given, terms, reader.told, seen, examples, items)
    return reader.told


class _Maker:
    """From pieces to examples; what is not fit is counted by task."""

    def __init__(self, terms: Terms, benchmarks: Items | None, told: Ingested) -> None:
        self.terms, self.benchmarks, self.told = terms, benchmarks, told
        self._words = wording.load(GROUP)
        self._seen: set[str] = set()

    def examples(self, pieces: Sequence[Piece]) -> Iterator[Example]:
        for piece in pieces:
            task = f"{GROUP}/{piece.task}"
            tally = self.told.tallies.setdefault(task, Tally(task, KINDS[piece.task]))
            example = self._worded(piece, tally)
            tally.drafts += 1
            told = repr((piece.task, sorted(piece.slots.items()), piece.final))  # copies are worded in other ways
            if why := "twice" if told in self._seen else self._unfit(example):
                tally.left[why] += 1
                continue
            self._seen.add(told)
            tally.given += 1
            self.told.left.update(piece.notes)
            yield example

    def _worded(self, piece: Piece, tally: Tally) -> Example:
        slots: Mapping[str, str] = {**piece.slots, "final": piece.final}
        name, ask, say = self._templates(piece, slots)
        number = tally.drafts % len(ask)
        question = wording.filled(ask[number], slots)
        answer = wording.filled(say[tally.drafts % len(say)], slots)
        if tally.kind in EXACT:
            answer = f"{answer}\n\n{ANSWER}{piece.final}"
        return Example(
            id=named(tally.task, question, answer),
            task=tally.task,
            kind=tally.kind,
            question=question,
            answer=answer,
            final=piece.final,
            keep=(piece.final, *piece.keep) if piece.final else piece.keep,
            objects=piece.objects,
            sources=(Source(piece.objects[0], piece.unit, piece.release, self.terms.licence),),
            difficulty=piece.difficulty,
            wording=f"{name}#{number}",
            spans=piece.spans,
            consent=self.terms.consent,
            system=piece.system,
        )

    def _templates(self, piece: Piece, slots: Mapping[str, str]) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
        """File and version, questions, answers; `own` has answers of its own for some that others' questions ask."""
        own = self._words.tasks.get(piece.task)
        if own and own.ask:
            return self._words.name, own.ask, own.say
        group, _, task = piece.words.partition("/")
        words = wording.load(group)
        theirs = words.of(task)
        say = own.say if own else wording.fitting(theirs.say, slots)
        return words.name, wording.fitting(theirs.ask, slots), say

    def _unfit(self, example: Example) -> str:
        text = f"{example.question}\n{example.answer}"
        if len(text) > LONGEST:
            return "too long"
        if holds_secret(text):
            return "it holds a secret"
        if why := hostile(example.answer if example.system else text):  # a skill's own prompt speaks to a model
            return why
        for part in (example.question, example.answer) if self.benchmarks else ():
            how, _ = self.benchmarks.touched(part) if self.benchmarks else ("", "")
            if how:
                return f"benchmark ({how})"
        return ""


def _finish(
    given: Given, terms: Terms, told: Ingested, seen: card.Seen, examples: Sequence[Example], items: Items | None
) -> None:
    out = given.out
    rows = "".join("\t".join(map(printable, (one.place, one.why, one.remedy))) + "\n" for one in told.apart)
    atomic_write(out / APART, "place\twhy\twhat to do\n" + rows)
    if not examples:
        remedy = f"{APART} says of each file why; give documents, tickets, --case-state or --corrections"
        raise InputError("nothing here can be learned from", where=str(given.folder or given.out), remedy=remedy)
    told.sides = mix.write(map(mix.line, examples), out, mix.Mix(), seed=given.seed, dev=given.dev)
    tallies = list(told.tallies.values())
    facts = {
        "seed": str(given.seed),
        "licence": terms.licence,
        "consent": terms.consent,
        "read": _counted(told.read),
        "kept apart": _counted(told.reasons),
        "left out of what is used": _counted(told.left),
        "names and secrets": f"{told.masked:,} masked" if terms.redact else f"names stay; {told.masked:,} secrets gone",
        "contamination": contamination(tallies, items),
    }
    atomic_write(
        out / CARD, card.render("own knowledge", card.Notes(seen, tallies, told.sides, facts, known.answers(out)))
    )
    words = wording.FOLDER / f"{wording.load(GROUP).name}.toml"
    write_manifest(
        out / FILE_NAME,
        inputs={**told.inputs, f"wording/{wording.load(GROUP).name}": words},
        outputs=[
            out / CARD,
            out / APART,
            *(out / f"{side}.{form}" for side in mix.SIDES for form in ("jsonl", "parquet")),
        ],
        seed=given.seed,
        counts={**told.sides, **told.read, "made": seen.count, "kept apart": len(told.apart)},
    )


def _counted(counts: Mapping[str, int]) -> str:
    return "; ".join(f"{what} {count:,}" for what, count in sorted(counts.items()) if count) or "nothing"
