"""An organisation's own knowledge as examples: documents, tickets, closed cases with what analysts found.

No language model takes part, so nothing is in an example that was not in its passage. Names are masked, each the same
way within a document; secrets never get through; texts that are hostile are counted, told and kept apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vedette.errors import ConfigError, InputError, RecordError
from vedette.forge import card, mix, wording
from vedette.forge.build import LONGEST, Tally
from vedette.forge.document import TEXTS, Document, Paragraph, Section, document
from vedette.forge.example import ANSWER, EXACT, Example, Source, named
from vedette.forge.folder import Apart, File, files
from vedette.forge.make import contamination
from vedette.forge.practice import KINDS, Part, Piece, Told, evidence, of_case, of_documents, of_ticket
from vedette.forge.tickets import SUFFIXES, Bad, Ticket, tickets
from vedette.forge.veil import Veil, holds_secret, hostile
from vedette.manifest import FILE_NAME, atomic_write, output_error
from vedette.manifest import write as write_manifest
from vedette.overlap import Items
from vedette.skills.triage.state import State, explained
from vedette.types import Case

GROUP = "own"
CARD, APART = "card.md", "apart.tsv"


@dataclass(frozen=True, slots=True)
class Terms:
    """On which an organisation's knowledge may be learned from. Both are in every row."""

    licence: str
    consent: str
    redact: bool = True

    def __post_init__(self) -> None:
        for name, value in (("licence", self.licence), ("consent", self.consent)):
            if not value.strip() or not value.isprintable() or len(value) > 300:
                raise ConfigError(
                    f"--{name} '{value[:40]}' says nothing", remedy="say in a line what holds, and who said so"
                )


@dataclass(frozen=True, slots=True)
class Given:
    """What is read, and where it goes."""

    folder: Path
    out: Path
    cases: Path | None = None  # the state file of triage
    benchmarks: Path | None = None
    seed: int = 7
    dev: float = 0.1


@dataclass(slots=True)
class Ingested:
    tallies: dict[str, Tally] = field(default_factory=dict)
    apart: list[Apart] = field(default_factory=list)
    sides: dict[str, int] = field(default_factory=dict)
    read: Counter[str] = field(default_factory=Counter)  # documents, tickets, cases
    left: Counter[str] = field(default_factory=Counter)  # pieces that were left out of what is used
    masked: int = 0
    inputs: dict[str, Path] = field(default_factory=dict)

    @property
    def reasons(self) -> Counter[str]:
        return Counter(one.why for one in self.apart)


def ingest(given: Given, terms: Terms) -> Ingested:
    """Raises InputError where nothing can be learned from, OutputError, and StateError for the cases."""
    try:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / FILE_NAME).unlink(missing_ok=True)  # until it is whole again
    except OSError as exc:
        raise output_error(given.out, exc) from exc
    reader = _Reader(given, terms)
    seen = card.Seen()
    items = Items.of(given.benchmarks) if given.benchmarks else None
    maker = _Maker(terms, items, reader.told)
    examples = list(seen.noted(maker.examples(list(reader.pieces()))))
    _finish(given, terms, reader.told, seen, examples, items)
    return reader.told


class _Reader:
    """From files and cases to pieces. What cannot be used is in `told.apart`."""

    def __init__(self, given: Given, terms: Terms) -> None:
        self.given, self.terms, self.told = given, terms, Ingested()
        self._names = Veil(terms.redact)  # of files: one for all, so that two of them stay two

    def pieces(self) -> Iterator[Piece]:
        parts: list[Part] = []
        for file in files(self.given.folder, self.given.out):
            if isinstance(file, Apart):
                self.told.apart.append(file)
            elif file.suffix in SUFFIXES:
                yield from self._tickets(file)
            else:
                parts += self._document(file)
        yield from of_documents(parts)
        if self.given.cases:
            yield from self._cases(self.given.cases)

    def _apart(self, place: str, why: str, remedy: str) -> None:
        self.told.apart.append(Apart(place, why, remedy))

    def _document(self, file: File) -> list[Part]:
        try:
            found = document(file.data, file.suffix)
            if file.suffix not in TEXTS:
                raise RecordError("no kind of file that is read", remedy="export its text")
        except RecordError as exc:
            self._apart(file.name, exc.what, exc.remedy)
            return []
        self.told.read["documents"] += 1
        self.told.left["scripts, comments and hidden pieces of documents"] += found.left
        veil = Veil(self.terms.redact)
        parts = [part for section in found.sections if (part := self._part(file, found, section, veil))]
        self.told.masked += veil.masked
        if parts:
            self.told.inputs[self._names.over(file.name)] = file.path
        return parts

    def _part(self, file: File, whole: Document, section: Section, veil: Veil) -> Part | None:
        told = f"{section.heading}\n{section.text}"
        if why := hostile(told):
            self._apart(f"{file.name}:{section.line}-{section.last}", why, "look at it; take it out of the document")
            return None
        name = self._names.over(file.name)
        paragraphs = tuple(Paragraph(p.first, p.last, veil.over(p.text)) for p in section.paragraphs)
        heading = veil.over(section.heading)
        steps = Section("", 0, paragraphs).steps
        return Part(f"own:{name}", name, heading, section.line, paragraphs, steps, whole.sha256)

    def _tickets(self, file: File) -> Iterator[Piece]:
        name = self._names.over(file.name)
        try:
            for one in tickets(file.data, file.suffix):
                place = f"{file.name}:{one.line}"
                if isinstance(one, Bad):
                    self._apart(place, one.why, one.remedy)
                elif why := hostile("\n".join((one.title, one.description, one.resolution, one.comments))):
                    self._apart(place, why, "look at it; take it out of the export")
                else:
                    self.told.read["tickets"] += 1
                    self.told.inputs[name] = file.path
                    yield from of_ticket(self._ticket(one, name))
        except RecordError as exc:
            self._apart(file.name, exc.what, exc.remedy)

    def _ticket(self, one: Ticket, name: str) -> Told:
        veil = Veil(self.terms.redact)
        title, description = veil.over(" ".join(one.title.split())), veil.over(one.description)
        told = Told(
            f"own:{name}#{one.line}", f"{name}:{one.line}", title, description, veil.over(one.resolution),
            veil.over(one.comments),
        )  # fmt: skip
        self.told.masked += veil.masked
        return told

    def _cases(self, path: Path) -> Iterator[Piece]:
        if not path.is_file():
            remedy = "run `vedette triage` first, or give its --out"
            raise InputError("no triage state here", where=str(path), remedy=remedy)
        with explained(path), State(path) as state:
            labels = list(state.labels())
            for case_id, is_attack, note in labels:
                case = state.case(case_id)
                if case is None or not case.evidence:
                    self._apart(f"case {case_id}", "a labelled case that is gone", "run triage over its alerts again")
                elif not note.strip():
                    self._apart(f"case {case_id}", "labelled without a note", "`vedette label … --note` says why")
                elif piece := self._case(case, is_attack, " ".join(note.split())):
                    yield piece

    def _case(self, case: Case, is_attack: bool, note: str) -> Piece | None:
        lines, left = evidence(case)
        if why := hostile(f"{lines}\n{note}"):
            self._apart(f"case {case.id}", why, "look at its evidence and its note")
            return None
        self.told.read["cases"] += 1
        veil = Veil(self.terms.redact, case.observables, case.hosts)
        told = veil.over(lines), left
        refs = tuple(self._names.over(one.ref) for one in case.evidence)
        piece = of_case(case, told, is_attack, veil.over(note), refs)
        self.told.masked += veil.masked
        return piece


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
            if why := self._unfit(example):
                tally.left[why] += 1
                continue
            self._seen.add(example.question)
            tally.given += 1
            self.told.left.update(piece.notes)
            yield example

    def _worded(self, piece: Piece, tally: Tally) -> Example:
        words = self._words.of(piece.task)
        number = tally.drafts % len(words.ask)
        slots: Mapping[str, str] = {**piece.slots, "final": piece.final}
        question = wording.filled(words.ask[number], slots)
        answer = wording.filled(words.say[tally.drafts % len(words.say)], slots)
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
            wording=f"{self._words.name}#{number}",
            spans=piece.spans,
            consent=self.terms.consent,
        )

    def _unfit(self, example: Example) -> str:
        text = f"{example.question}\n{example.answer}"
        if len(text) > LONGEST:
            return "too long"
        if example.question in self._seen:
            return "twice"
        if holds_secret(text):
            return "it holds a secret"
        if why := hostile(text):
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
    rows = "".join(f"{one.place}\t{one.why}\t{one.remedy}\n" for one in told.apart)
    atomic_write(out / APART, "place\twhy\twhat to do\n" + rows)
    if not examples:
        remedy = f"{APART} says of each file why; give Markdown, HTML, text, tickets, or --case-state"
        raise InputError("nothing here can be learned from", where=str(given.folder), remedy=remedy)
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
    atomic_write(out / CARD, card.render("own knowledge", card.Notes(seen, tallies, told.sides, facts)))
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
