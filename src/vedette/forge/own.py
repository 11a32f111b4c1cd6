"""What an organisation has, read into pieces: documents, tickets, cases that analysts labelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vedette.errors import ConfigError, InputError, RecordError
from vedette.forge.build import Tally
from vedette.forge.document import TEXTS, Document, Paragraph, Section, document
from vedette.forge.folder import Apart, File, files
from vedette.forge.practice import Part, Piece, Told, evidence, of_case, of_documents, of_ticket
from vedette.forge.tickets import SUFFIXES, Bad, Ticket, tickets
from vedette.forge.veil import Veil, hostile
from vedette.skills.triage.state import State, explained
from vedette.types import Case


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
    taught: int = 0  # examples that a teacher made
    inputs: dict[str, Path] = field(default_factory=dict)

    @property
    def reasons(self) -> Counter[str]:
        return Counter(one.why for one in self.apart)


class Reader:
    """From files and cases to pieces. What cannot be used is in `told.apart`."""

    def __init__(self, given: Given, terms: Terms) -> None:
        self.given, self.terms, self.told = given, terms, Ingested()
        self.parts: list[Part] = []
        self._names = Veil(terms.redact)  # of files: one for all, so that two of them stay two

    def pieces(self) -> Iterator[Piece]:
        for file in files(self.given.folder, self.given.out):
            if isinstance(file, Apart):
                self.told.apart.append(file)
            elif file.suffix in SUFFIXES:
                yield from self._tickets(file)
            else:
                self.parts += self._document(file)
        yield from of_documents(self.parts)
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
