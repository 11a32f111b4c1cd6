"""Ask the experts. Every answer is the same for the same text, whatever stands beside it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import accumulate
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from vedette import manifest
from vedette.errors import ArtefactError, ConfigError
from vedette.experts import calibration, severity
from vedette.experts.answers import (
    Candidate,
    Reason,
    Severity,
    Span,
    Ssvc,
    Technique,
    Techniques,
    Weakness,
)
from vedette.experts.calibration import Floats, Mix, mixed, order, sigmoid, softmax
from vedette.experts.domain import AUTO, domains_of
from vedette.experts.heads import FILE as HEADS
from vedette.experts.heads import Heads, Reading
from vedette.experts.labels import CONVENTIONS, METRICS, SSVC, Convention, Domain
from vedette.experts.network import FILE as ENCODER
from vedette.experts.network import Network
from vedette.experts.occlusion import Word, carried
from vedette.experts.screen import clean, screen
from vedette.experts.text import read_alone

WEIGHTS = Path(__file__).parent / "weights"
FILES = (ENCODER, HEADS, "tokenizer.json", "labels.json", "calibration.json")
TOP = 5
CONSIDERED = 5  # techniques under the threshold that are shown
LEAST = 0.05  # probability of those


class Labels(msgspec.Struct, frozen=True):
    weaknesses: tuple[str, ...]
    techniques: tuple[str, ...]
    domains: tuple[Domain, ...]  # of each technique
    conventions: tuple[str, ...]


class Experts:
    """Trained weights, ready to answer. `threads`: texts that are read at the same time."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        outputs = manifest.verify(folder).outputs
        if missing := set(FILES) - outputs.keys():
            raise ArtefactError(f"the manifest has no '{min(missing)}'", where=str(folder), remedy="train it again")
        self.sha256 = sha256(f"{outputs[ENCODER]} {outputs[HEADS]}".encode()).hexdigest()
        self.calibration = calibration.load(folder / "calibration.json")
        try:
            self.labels = msgspec.json.decode((folder / "labels.json").read_bytes(), type=Labels)
        except (msgspec.DecodeError, OSError) as exc:
            raise ArtefactError(f"not labels: {exc}", where=str(folder), remedy="train it again") from exc
        self.network = Network(folder, threads)
        self.heads = Heads.load(folder / HEADS)
        self._agree(folder)

    def _agree(self, folder: Path) -> None:
        """Each file may be as it was made, and still belong to other weights."""
        sizes = {"weakness": len(self.labels.weaknesses), "techniques": len(self.labels.techniques)}
        wrong = [name for name, size in sizes.items() if self.heads.outputs(name) != size]
        if self.network.dims != self.heads.dims:
            wrong.append("encoder")
        if self.labels.conventions != CONVENTIONS:
            wrong.append("conventions")
        wrong += sorted(set(CONVENTIONS) - self.calibration.conventions())
        if len(self.labels.domains) != len(self.labels.techniques):
            wrong.append("domains")
        if wrong:
            what = f"weights, labels and calibration do not belong together: '{wrong[0]}' differs"
            raise ArtefactError(what, where=str(folder), remedy="take all files from one training")

    @classmethod
    def load(cls, folder: Path | None = None, *, threads: int = 1) -> Experts:
        """The shipped weights, or those in `folder`; checked against their manifest. Raises ArtefactError."""
        return cls(folder or WEIGHTS, threads)

    @property
    def name(self) -> str:
        return f"experts {self.sha256[:12]}"

    def weakness(
        self,
        texts: Iterable[str],
        *,
        convention: str = Convention.ANY,
        top: int = TOP,
        threshold: float | None = None,
    ) -> Iterator[Weakness]:
        """In order and lazily. `threshold`: least probability of a decision, else the one that ships."""
        self._column(convention)  # an unknown one is told at once, not with the first answer
        least = _share(self.calibration.weakness.threshold if threshold is None else threshold)

        def answer(text: str) -> Weakness:
            reason = screen(text)
            if reason:
                return Weakness("", reason, (), (), convention, 0)
            reading = self._read(clean(text))
            values = self._weaknesses(reading, convention)
            return self._weakness(values, convention, top, least, len(reading.pooled))

        return self.network.each(answer, texts)

    def _read(self, text: str) -> Reading:
        return self.network.read(text, self.heads.rows)

    def _weaknesses(self, reading: Reading, convention: str) -> Floats:
        """The probability of each."""
        logits = self.heads.logits("weakness", reading, self._column(convention))
        return softmax(mixed(logits, self.calibration.mixes.weakness[convention]))

    def _weakness(self, values: Floats, convention: str, top: int, least: float, windows: int) -> Weakness:
        places = order(values)
        limit = self.calibration.weakness.conformal[convention]
        names = self.labels.weaknesses
        best = float(values[places[0]])
        return Weakness(
            names[places[0]] if best >= least else "",
            Reason.DECIDED if best >= least else Reason.UNSURE,
            tuple(Candidate(names[i], round(float(values[i]), 4)) for i in places[:top]),
            tuple(names[i] for rank, i in enumerate(places) if rank == 0 or values[i] >= limit),
            convention,
            windows,
        )

    def weakness_probabilities(self, text: str, *, convention: str = Convention.ANY) -> dict[str, float]:
        """Of every weakness that the head knows; nothing for a text that is not read."""
        if screen(text):
            return {}
        values = self._weaknesses(self._read(clean(text)), convention)
        return dict(zip(self.labels.weaknesses, map(float, values), strict=True))

    def severity(self, texts: Iterable[str], *, convention: str = Convention.NVD) -> Iterator[Severity]:
        """In order and lazily."""
        column = self._column(convention)

        def answer(text: str) -> Severity:
            reason = screen(text)
            if reason:
                return Severity("", 0.0, "", 0.0, 0.0, 10.0, {}, reason, convention, 0)
            reading = self._read(clean(text))
            return self._severity(self.heads.logits("severity", reading, column), convention, len(reading.pooled))

        return self.network.each(answer, texts)

    def _severity(self, logits: tuple[Floats, Floats], convention: str, windows: int) -> Severity:
        parts = _answers(logits, list(METRICS.values()), self.calibration.mixes.severity[convention])
        found = severity.decide(parts)
        half = self.calibration.severity.conformal[convention]
        metrics = {name: _ranked(part, values) for (name, values), part in zip(METRICS.items(), parts, strict=True)}
        return Severity(
            severity.vector_of(found.places), found.score, severity.rating(found.score), round(found.probability, 4),
            round(max(0.0, found.score - half), 1), round(min(10.0, found.score + half), 1),
            metrics, Reason.DECIDED, convention, windows,
        )  # fmt: skip

    def ssvc(self, texts: Iterable[str]) -> Iterator[Ssvc]:
        """In order and lazily."""

        def answer(text: str) -> Ssvc:
            reason = screen(text)
            if reason:
                return Ssvc({}, reason, 0)
            reading = self._read(clean(text))
            logits = self.heads.logits("ssvc", reading)
            parts = _answers(logits, list(SSVC.values()), self.calibration.mixes.ssvc)
            points = {name: _ranked(part, values) for (name, values), part in zip(SSVC.items(), parts, strict=True)}
            return Ssvc(points, Reason.DECIDED, len(reading.pooled))

        return self.network.each(answer, texts)

    def techniques(
        self, texts: Iterable[str], *, threshold: float | None = None, domain: str = AUTO
    ) -> Iterator[Techniques]:
        """In order and lazily. Each sentence and clause is read alone, however long the text is.

        `domain`: of ATT&CK, whose techniques are looked for; "auto" takes those that the whole text speaks of.
        """
        least = _share(self.calibration.techniques.threshold if threshold is None else threshold)
        asked = None if domain == AUTO else frozenset([_domain(domain)])

        def answer(text: str) -> Techniques:
            reason = screen(text)
            if reason and reason is not Reason.LONG:
                return Techniques((), (), reason, 0)
            text = clean(text)
            return self._techniques(text, least, asked or domains_of(text))

        return self.network.each(answer, texts)

    def _techniques(self, text: str, least: float, domains: frozenset[Domain]) -> Techniques:
        others = [place for place, domain in enumerate(self.labels.domains) if domain not in domains]
        spans: dict[str, list[Span]] = {}
        told: dict[str, list[tuple[int, float]]] = {}  # logs say the same over and over
        parts = 0
        for start, end in read_alone(text):
            parts += 1
            part = text[start:end]
            if part not in told:
                told[part] = self._told(part, min(least, LEAST), others)
            for place, probability in told[part]:
                span = Span(start, end, probability)
                spans.setdefault(self.labels.techniques[place], []).append(span)
        every = [_technique(name, found, least) for name, found in spans.items()]
        every.sort(key=lambda t: (-t.probability, t.id))
        found = [t for t in every if t.probability >= least]
        ids = {t.id for t in found}
        found = [t for t in found if not _said_better(t, found)]
        rest = tuple(t for t in every if t.id not in ids)[:CONSIDERED]
        reason = Reason.DECIDED if found else Reason.NONE
        return Techniques(tuple(found), rest, reason, parts, tuple(sorted(domains)))

    def _told(self, part: str, least: float, others: Sequence[int]) -> list[tuple[int, float]]:
        """(place, probability) of those that are as likely as `least`, but for `others`."""
        logits = self.heads.logits("techniques", self._read(part))
        values = sigmoid(mixed(logits, self.calibration.mixes.techniques))
        values[others] = -1.0
        return [(int(i), round(float(values[i]), 4)) for i in np.flatnonzero(values >= least)]

    def technique_probabilities(self, sentence: str) -> dict[str, float]:
        """Of every technique that the head knows, whatever its domain."""
        logits = self.heads.logits("techniques", self._read(clean(sentence)))
        values = sigmoid(mixed(logits, self.calibration.mixes.techniques))
        return dict(zip(self.labels.techniques, map(float, values), strict=True))

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(texts, 384); rows of length 1, or zero where a text has no words."""
        rows = list(self.network.each(self._embed, texts))
        return np.stack(rows) if rows else np.zeros((0, self.heads.dims), dtype=np.float32)

    def _embed(self, text: str) -> Floats:
        text = clean(text)
        if not any(map(str.isalnum, text)):
            return np.zeros(self.heads.dims, dtype=np.float32)
        return self.heads.embed(self._read(text))

    def words(self, text: str, weakness: str, *, convention: str = Convention.ANY) -> tuple[Word, ...]:
        """The words without which this weakness would be less likely, the weightiest first."""
        if screen(text) or weakness not in self.labels.weaknesses:
            return ()
        place = self.labels.weaknesses.index(weakness)

        def likely(changed: str) -> float:
            return float(self._weaknesses(self._read(changed), convention)[place])

        return carried(clean(text), likely)

    def _column(self, convention: str) -> int:
        try:
            return self.labels.conventions.index(convention)
        except ValueError:
            known = ", ".join(self.labels.conventions)
            raise ConfigError(f"unknown convention '{convention}'", remedy=f"known: {known}") from None


def _domain(name: str) -> Domain:
    try:
        return Domain(name)
    except ValueError:
        known = ", ".join((AUTO, *Domain))
        raise ConfigError(f"unknown domain '{name}' of ATT&CK", remedy=f"known: {known}") from None


def _share(threshold: float) -> float:
    if not 0 <= threshold <= 1:
        raise ConfigError(f"threshold {threshold} is no probability", remedy="give a number from 0 to 1")
    return threshold


def _answers(logits: tuple[Floats, Floats], answers: Sequence[Sequence[str]], mixes: Sequence[Mix]) -> list[Floats]:
    """Of a head that answers several questions, the probabilities of each one's answers."""
    ends = np.cumsum([len(values) for values in answers])[:-1]
    parts = zip(*(np.split(each, ends) for each in logits), mixes, strict=True)
    return [softmax(mixed((encoder, words), mix)) for encoder, words, mix in parts]


def _ranked(values: Floats, names: Sequence[str]) -> tuple[Candidate, ...]:
    return tuple(Candidate(names[i], round(float(values[i]), 4)) for i in order(values))


def _technique(name: str, spans: list[Span], least: float) -> Technique:
    spans.sort(key=lambda span: (-span.probability, span.start, span.end))
    told = tuple(span for span in spans if span.probability >= least) or tuple(spans[:1])
    return Technique(name, spans[0].probability, told)


def _said_better(technique: Technique, found: Sequence[Technique]) -> bool:
    """A technique is left out where a sub-technique of it was found in the same places."""
    if "." in technique.id:
        return False
    below = sorted((s.start, s.end) for t in found if t.id.startswith(f"{technique.id}.") for s in t.spans)
    if not below:
        return False
    starts = [start for start, _ in below]
    reach = list(accumulate((end for _, end in below), max))  # how far those that began by then go
    before = ((bisect_left(starts, span.end), span.start) for span in technique.spans)
    return all(count and reach[count - 1] > start for count, start in before)
