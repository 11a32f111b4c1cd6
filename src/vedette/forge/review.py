"""What experts decide about a format, item by item: kept for good, who and when, and what comes of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import msgspec

from vedette.errors import ConfigError, InputError
from vedette.forge.format import Format, Line, Status, checked, fault, flat
from vedette.forge.shelf import person
from vedette.guard.neutralise import printable
from vedette.manifest import output_error

COMMENT = 1_000  # characters
RATINGS = range(1, 6)
FOLDER = "reviews"


class Verdict(StrEnum):
    ACCEPT = "accept"
    EDIT = "edit"
    REJECT = "reject"


class Opinion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of one item. `text`: what an edit puts in its place."""

    verdict: Verdict
    text: str = ""
    rating: int = 0  # 1 to 5; 0: none was given
    comment: str = ""


class Decision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of `reviews/<format>.jsonl`."""

    at: str  # UTC, whole seconds
    by: str
    format: str  # "cve-weakness.v2"
    format_sha256: str
    section: str
    line_sha256: str
    opinion: Opinion


class Reviews:
    """Of one format; the file is only ever appended to, and a reviewer's last word on an item counts."""

    def __init__(self, folder: Path, made: Format) -> None:
        self.path, self.made = folder / FOLDER / f"{made.label}.jsonl", made
        self.unreadable = 0
        self._latest: dict[str, dict[str, Opinion]] = {}
        for decision in self._read():
            self._count(decision)

    def _read(self) -> list[Decision]:
        try:
            lines = self.path.read_bytes().split(b"\n") if self.path.exists() else []
        except OSError as exc:
            raise InputError(f"cannot be read: {exc.strerror}", where=str(self.path)) from exc
        found = []
        for line in filter(None, lines):
            try:
                found.append(msgspec.json.decode(line, type=Decision))
            except (msgspec.DecodeError, UnicodeDecodeError):
                self.unreadable += 1
        return found

    def _count(self, decision: Decision) -> None:
        self._latest.setdefault(decision.by, {})[decision.line_sha256] = decision.opinion

    @property
    def reviewers(self) -> tuple[str, ...]:
        return tuple(by for by in self._latest if self.of(by))

    def of(self, by: str) -> dict[Line, Opinion]:
        """What one reviewer decided about the items as they are now."""
        said = self._latest.get(by, {})
        return {line: said[line.sha256] for line in self.made.lines if line.sha256 in said}

    def add(self, by: str, line: Line, opinion: Opinion) -> Decision:
        """Raises ConfigError for an opinion that cannot be kept, OutputError for a file that cannot be written."""
        decision = Decision(
            at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            by=person(by),
            format=self.made.label,
            format_sha256=self.made.sha256,
            section=line.section,
            line_sha256=line.sha256,
            opinion=_sound(line, opinion),
        )
        self._append(msgspec.json.encode(decision))
        self._count(decision)
        return decision

    def _append(self, line: bytes) -> None:
        """One write at the end, so that two reviewers do not mix; what a crash left half is closed first."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab+", buffering=0) as file:
                torn = b""
                if file.seek(0, os.SEEK_END):
                    file.seek(-1, os.SEEK_END)
                    torn = b"" if file.read(1) == b"\n" else b"\n"
                file.write(torn + line + b"\n")
                os.fsync(file.fileno())
        except OSError as exc:
            raise output_error(self.path, exc) from exc

    def settled(self, by: str) -> dict[Line, Opinion]:
        """What counts where `by` approves: the own word, else what all others agree on. Disagreement leaves it open."""
        own = self.of(by)
        others = [self.of(name) for name in self.reviewers if name != by]
        found = {}
        for line in self.made.lines:
            said = [own[line]] if line in own else [other[line] for other in others if line in other]
            if said and len({(opinion.verdict, opinion.text) for opinion in said}) == 1:
                found[line] = said[0]
        return found

    def approved(self, by: str, version: int) -> Format:
        """With edits in and rejected items out. Raises ConfigError while items are open, or too few are left."""
        settled = self.settled(by)
        if left := [line for line in self.made.lines if line not in settled]:
            who = len(self.reviewers)
            names = "; ".join(f"{line.section}: '{line.text[:40]}'" for line in left[:3])
            more = f" and {len(left) - 3} more" if len(left) > 3 else ""
            remedy = "decide them with `vedette forge format review`" + (
                ", or settle what reviewers disagree on" * (who > 1)
            )
            raise ConfigError(
                f"{len(left)} of {len(self.made.lines)} items are undecided: {names}{more}",
                where=self.made.label,
                remedy=remedy,
            )
        lines = tuple(
            Line(line.section, settled[line].text) if settled[line].verdict is Verdict.EDIT else line
            for line in self.made.lines
            if settled[line].verdict is not Verdict.REJECT
        )
        if lines == self.made.lines and self.made.status is Status.APPROVED:
            raise ConfigError("nothing was changed", where=self.made.label, remedy="it is approved as it is")
        made = replace(self.made, version=version, status=Status.APPROVED, parent=self.made.sha256, lines=lines)
        return checked(made, f"{self.made.label} as reviewed")


def _sound(line: Line, opinion: Opinion) -> Opinion:
    """As it is kept: an edit's text on one line, nothing with other verdicts."""
    text = flat(opinion.text) if opinion.verdict is Verdict.EDIT else ""
    comment = flat(opinion.comment)
    remedy = "nothing was kept for this item; correct it and save again"
    if opinion.verdict is Verdict.EDIT and (why := fault(Line(line.section, text))):
        raise ConfigError(f"the edit of '{line.text[:40]}': {why}", remedy=remedy)
    if opinion.verdict is Verdict.EDIT and text == line.text:
        raise ConfigError(f"the edit of '{line.text[:40]}' changes nothing", remedy="accept it, or change its text")
    if opinion.rating and opinion.rating not in RATINGS:
        raise ConfigError(f"rating '{opinion.rating}'", remedy="rate 1 to 5, or not at all")
    if len(comment) > COMMENT:
        raise ConfigError(f"a comment of {len(comment):,} characters", remedy=f"write {COMMENT:,} at most")
    return Opinion(opinion.verdict, text, opinion.rating, printable(comment, 12 * COMMENT))


def open_lines(made: Format, said: dict[Line, Opinion]) -> Sequence[Line]:
    """Items that a reviewer has not decided yet."""
    return [line for line in made.lines if line not in said]
