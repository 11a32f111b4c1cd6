"""What an organisation has, read into pieces: documents, tickets, cases that analysts labelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from vedette.errors import ConfigError, InputError, RecordError
from vedette.forge import corrected, reply
from vedette.forge.build import Tally
from vedette.forge.document import TEXTS, Document, Paragraph, Section, document
from vedette.forge.folder import Apart, File, files
from vedette.forge.practice import Part, Piece, Told, of_case, of_documents, of_ticket
from vedette.forge.reply import Found
from vedette.forge.tickets import SUFFIXES, Bad, Ticket, tickets
from vedette.forge.veil import Veil
from vedette.forge.world import World
from vedette.guard.hostile import hostile
from vedette.knowledge.store import Knowledge
from vedette.skills.corrections import Correction, Skill, read, settled
from vedette.skills.triage.background import Backgrounds
from vedette.skills.triage.lines import lines
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

    folder: Path | None  # of documents and tickets
    out: Path
    cases: Path | None = None  # the state file of triage
    unlabelled: bool = False  # replies also of its cases that nobody labelled
    corrections: Path | None = None
    store: Path | None = None  # of knowledge, for cases and corrections
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


@dataclass(frozen=True, slots=True)
class Placed:
    """A correction, and its line."""

    correction: Correction
    place: str


class Reader:
    """From files and cases to pieces. What cannot be used is in `told.apart`."""

    def __init__(self, given: Given, terms: Terms) -> None:
        self.given, self.terms, self.told = given, terms, Ingested()
        self.parts: list[Part] = []
        self._names = Veil(terms.redact)  # of files: one for all, so that two of them stay two

    def pieces(self) -> Iterator[Piece]:
        for file in files(self.given.folder, self.given.out) if self.given.folder else ():
            if isinstance(file, Apart):
                self.told.apart.append(file)
            elif file.suffix in SUFFIXES:
                yield from self._tickets(file)
            else:
                self.parts += self._document(file)
        yield from of_documents(self.parts)
        corrections = self._corrections(self.given.corrections) if self.given.corrections else []
        yield from self._corrected(corrections)
        if self.given.cases:
            yield from self._cases(self.given.cases, corrections)

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

    def _corrections(self, path: Path) -> list[Placed]:
        """Those that hold and that may be learned from."""
        places: dict[Correction, str] = {}
        for number, one in read(path):
            place = f"{self._names.over(path.name)}:{number}"
            if isinstance(one, str):
                self._apart(place, one, "correct the line, or take it out")
            elif why := hostile("\n".join((one.text, one.note, *one.right))):
                self._apart(place, why, "look at it; take it out of the corrections")
            else:
                places[one] = place
        found = settled(list(places))
        for one in found.disputed:
            self._apart(places[one], "analysts differ", "agree; each says with `vedette correct` what holds")
        self.told.left["corrections that a later one replaced"] += found.replaced
        self.told.read["corrections"] += len(found.held)
        if found.held:
            self.told.inputs[self._names.over(path.name)] = path
        return [Placed(one, places[one]) for one in found.held]

    def _corrected(self, corrections: list[Placed]) -> Iterator[Piece]:
        texts = [one for one in corrections if one.correction.skill is not Skill.EXPLANATION]
        if not texts:
            return
        with Knowledge.open(self.given.store) as store:
            world = World(store)
            for one in texts:
                veil = Veil(self.terms.redact)
                try:
                    yield corrected.piece(one.correction, veil.over(one.correction.text), one.place, world)
                except ConfigError as exc:
                    self._apart(one.place, exc.what, exc.remedy)
                self.told.masked += veil.masked

    def _cases(self, path: Path, corrections: list[Placed]) -> Iterator[Piece]:
        if not path.is_file():
            remedy = "run `vedette triage` first, or give its --out"
            raise InputError("no triage state here", where=str(path), remedy=remedy)
        with explained(path), State(path) as state:
            people = _people(state, corrections, self.given.unlabelled)
            if not people:
                return
            with Knowledge.open(self.given.store) as store, Backgrounds(lambda: store) as backgrounds:
                for case_id, found in sorted(people.items()):
                    case = state.case(case_id)
                    if case is None or not case.evidence:
                        self._apart(
                            f"case {case_id}", "a labelled case that is gone", "run triage over its alerts again"
                        )
                        continue
                    known = backgrounds.of(case.techniques, case.tactics)
                    yield from self._case(msgspec.structs.replace(case, background=known), found, store)

    def _case(self, case: Case, found: Found, store: Knowledge) -> Iterator[Piece]:
        told, left = lines(case)
        if why := hostile(f"{told}\n{found.note}"):
            self._apart(f"case {case.id}", why, "look at its evidence and its note")
            return
        self.told.read["cases"] += 1
        veil = Veil(self.terms.redact, case.observables, case.hosts)
        refs = tuple(self._names.over(one.ref) for one in case.evidence)
        if found.is_attack is not None and found.note:
            yield of_case(case, (veil.over(told), left), found.is_attack, veil.over(found.note), refs)
        elif found.is_attack is not None:
            self._apart(f"case {case.id}", "labelled without a note", "`vedette label … --note` says why")
        if piece := reply.piece(case, found, veil, store, refs):
            yield piece
        self.told.masked += veil.masked


def _people(state: State, corrections: list[Placed], everything: bool) -> dict[str, Found]:
    """What people say of cases: labels, and what they corrected in explanations; nothing, where `everything` counts."""
    found = {case.id: Found() for case in state.cases()} if everything else {}
    found |= {case_id: Found(is_attack, " ".join(note.split())) for case_id, is_attack, note in state.labels()}
    for one in (placed.correction for placed in corrections if placed.correction.skill is Skill.EXPLANATION):
        before = found.get(one.about, Found())
        right, wrong = (*before.right, *one.right), (*before.wrong, one.text)
        found[one.about] = replace(before, right=right, wrong=wrong)
    return found
