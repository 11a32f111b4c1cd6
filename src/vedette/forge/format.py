"""The reasoning shape that an expert gave to a group of tasks: a Markdown file, `<name>.v<N>.md`.

    +++
    name = "cve-weakness"
    tasks = ["cve-weakness"]   # groups, or single tasks as "cve-weakness/root-cause"
    status = "draft"           # or "approved"
    parent = ""                # sha256 of the version that it was made from
    +++
    # Introduction             prose, a paragraph an item
    # Steps                    1. in this order
    # Rules                    - in any order
    # Output                   prose
    # Questions                - at most ten samples

Items may be wrapped. What is hashed and reviewed is the normalised text, in which each item is one line.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from vedette import prompts
from vedette.errors import ConfigError
from vedette.forge import format_text
from vedette.guard.fence import plain
from vedette.guard.neutralise import escaped, visible

LONGEST = 600  # characters of an item
FILE_NAME = re.compile(r"(?P<name>[a-z0-9][a-z0-9-]*)\.v(?P<version>[1-9][0-9]{0,5})\.md")
NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_TASK = re.compile(r"[a-z0-9][a-z0-9-]*(?:/[a-z0-9][a-z0-9-]*)?")
_SHA256 = re.compile(r"(?:[0-9a-f]{64})?")
_PROMPTS = Path(__file__).with_name("prompts")


class Section(StrEnum):
    """In the order of the file."""

    INTRODUCTION = "Introduction"
    STEPS = "Steps"
    RULES = "Rules"
    OUTPUT = "Output"
    QUESTIONS = "Questions"

    @property
    def prose(self) -> bool:
        return self in {Section.INTRODUCTION, Section.OUTPUT}


ITEMS = {
    Section.INTRODUCTION: (1, 3),
    Section.STEPS: (2, 12),
    Section.RULES: (1, 12),
    Section.OUTPUT: (1, 4),
    Section.QUESTIONS: (0, 10),
}  # the fewest and the most


class Status(StrEnum):
    DRAFT = "draft"
    APPROVED = "approved"


@dataclass(frozen=True, slots=True)
class Line:
    """An item: what is reviewed one by one."""

    section: Section
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(f"{self.section}\n{self.text}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Format:
    name: str
    version: int
    tasks: tuple[str, ...]
    status: Status
    parent: str
    lines: tuple[Line, ...]  # in the order of the sections

    @property
    def label(self) -> str:
        return f"{self.name}.v{self.version}"

    def of(self, section: Section) -> tuple[str, ...]:
        return tuple(line.text for line in self.lines if line.section is section)

    @property
    def text(self) -> str:
        """Normalised: what `parse` reads as this very format."""
        tasks = ", ".join(f'"{task}"' for task in self.tasks)
        front = f'+++\nname = "{self.name}"\ntasks = [{tasks}]\nstatus = "{self.status}"\nparent = "{self.parent}"\n+++'
        return "\n\n".join([front, *(_written(section, self.of(section)) for section in Section)]) + "\n"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def instruction(self) -> str:
        """What a teacher is told of it, without a question."""
        return _prompt("instruction").render(
            introduction="\n\n".join(self.of(Section.INTRODUCTION)),
            steps=_items(Section.STEPS, self.of(Section.STEPS)),
            rules=_items(Section.RULES, self.of(Section.RULES)),
            output="\n\n".join(self.of(Section.OUTPUT)),
            questions=_items(Section.QUESTIONS, self.of(Section.QUESTIONS)) or "none are given",
        )

    def render(self, question: str, evidence: str = "") -> str:
        """The teacher's prompt. The same input gives the same prompt, so that a ledger knows it again."""
        mark = hashlib.sha256(f"{len(question)} {question}{evidence}".encode("utf-8", "replace")).hexdigest()[:16]
        return _prompt("render").render(
            instruction=self.instruction.strip(),
            question=fenced(question, f"{mark} question"),
            evidence=fenced(evidence, f"{mark} evidence") if evidence else "none",
        )


def fenced(text: str, mark: str) -> str:
    """Its lines between marks that the text itself cannot draw."""
    lines = "\n".join(plain(line) for line in text.replace("\r\n", "\n").split("\n"))
    return f"⟦{mark}⟧\n{lines}\n⟦/{mark}⟧"


def flat(text: str) -> str:
    """On one line, single blanks."""
    return " ".join(text.split())


def fault(line: Line) -> str:
    """Why a text cannot be an item of that section, "" where it can."""
    if not line.text:
        return "it is empty"
    if line.text != flat(line.text):
        return "it is not on one line with single blanks"
    if len(line.text) > LONGEST:
        return f"it is longer than {LONGEST} characters"
    if line.section.prose and line.text.startswith("#"):
        return "it begins with '#', as a heading does"
    if hidden := next((char for char in line.text if escaped(char, visible) != char), ""):
        return f"it has a character that cannot be seen: '{visible(hidden)}'"
    return "" if escaped(line.text, visible) == line.text else "its marks paint over the lines around it"


def checked(made: Format, where: str) -> Format:
    """Raises ConfigError where a name, the number of items or an item is not as it has to be."""
    if not NAME.fullmatch(made.name):
        raise ConfigError(f"bad name '{made.name}'", where=where, remedy="lower case letters, digits and '-'")
    for task in made.tasks or ("",):
        if not _TASK.fullmatch(task):
            raise ConfigError(f"bad task '{task}'", where=where, remedy="name a group, or group/task")
    if not _SHA256.fullmatch(made.parent):
        raise ConfigError(f"bad parent '{made.parent[:80]}'", where=where, remedy="give a sha256, or nothing")
    for line in made.lines:
        if why := fault(line):
            raise ConfigError(f"{line.section}: '{line.text[:60]}': {why}", where=where, remedy="write it anew")
    for section, (least, most) in ITEMS.items():
        count = len(made.of(section))
        if not least <= count <= most:
            what = f"{count} items under '# {section}'"
            raise ConfigError(what, where=where, remedy=f"give {least} to {most}")
    if len(set(made.lines)) < len(made.lines):
        twice = next(line for line in made.lines if made.lines.count(line) > 1)
        raise ConfigError(f"{twice.section}: '{twice.text[:60]}' is there twice", where=where, remedy="delete one")
    return made


def parse(text: str, version: int = 1, where: str = "format") -> Format:
    """Raises ConfigError with file and line."""
    front, body, start = format_text.split(text.replace("\r\n", "\n").removeprefix("\ufeff"), where)
    lines = []
    for number, heading, item in format_text.items(body, start, tuple(Section), where):
        line = Line(Section(heading), flat(item))
        if why := fault(line):
            what = f"{line.section}: '{escaped(line.text[:60], visible)}': {why}"
            raise ConfigError(what, where=f"{where}:{number}", remedy="write it anew")
        lines.append(line)
    made = Format(front.name, version, front.tasks, Status(front.status), front.parent, tuple(lines))
    return checked(made, where)


def load(path: Path) -> Format:
    """Raises ConfigError for a file that cannot be read or is no format."""
    named = FILE_NAME.fullmatch(path.name)
    if not named:
        raise ConfigError(f"'{path.name}' is no format's file", where=str(path), remedy="name it name.v1.md")
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"cannot be read: {exc}", where=str(path), remedy="save the file as UTF-8") from exc
    made = parse(text, int(named["version"]), str(path))
    if made.name != named["name"]:
        what = f"it is named '{made.name}', its file '{named['name']}'"
        raise ConfigError(what, where=f"{path}:2", remedy="make them agree")
    return made


def _written(section: Section, items: Sequence[str]) -> str:
    return f"# {section}" + (f"\n\n{_items(section, items)}" if items else "")


def _items(section: Section, items: Sequence[str]) -> str:
    if section.prose:
        return "\n\n".join(items)
    if section is Section.STEPS:
        return "\n".join(f"{number}. {item}" for number, item in enumerate(items, start=1))
    return "\n".join(f"- {item}" for item in items)


@cache
def _prompt(name: str) -> prompts.Prompt:
    return prompts.load(_PROMPTS / f"format-{name}.v1.md")
