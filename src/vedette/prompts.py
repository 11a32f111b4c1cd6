"""Prompts are files: versioned, hashed, with the inputs that they take declared in front.

    +++
    inputs = ["alert", "facts"]
    +++
    Facts: {{ facts }}

A file `name.vN.md` is never edited after a score cites its sha256; the next one is `name.vN+1.md`.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources.abc import Traversable
from pathlib import Path

from pydantic import ValidationError

from vedette.config import Settings
from vedette.errors import ArtefactError, ConfigError

ANSWER = "Answer: "  # begins the last line of an exact answer: the forge writes it, training and rewards read it
_FILE_NAME = re.compile(r"(?P<name>[a-z0-9][a-z0-9_-]*)\.v(?P<version>[1-9][0-9]*)\.md")
_FRONT = re.compile(r"\A\+\+\+\n(?P<toml>.*?)^\+\+\+[ \t]*\n?", re.DOTALL | re.MULTILINE)
_PLACEHOLDER = re.compile(r"\{\{(?P<name>.*?)\}\}", re.DOTALL)
_INPUT = re.compile(r"[a-z][a-z0-9_]*")


class _Front(Settings):
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prompt:
    name: str
    version: int
    inputs: tuple[str, ...]
    body: str
    sha256: str  # of the file with line ends as LF, so that a checkout on Windows has the same

    def render(self, **values: str) -> str:
        """The body with each value put in literally: a value that holds `{{ x }}` is not expanded.

        Raises ConfigError where `values` are not exactly the declared inputs.
        """
        missing, extra = set(self.inputs) - values.keys(), values.keys() - set(self.inputs)
        if missing or extra:
            faults = [f"missing {', '.join(sorted(missing))}"] if missing else []
            faults += [f"unexpected {', '.join(sorted(extra))}"] if extra else []
            raise ConfigError(
                f"prompt '{self.name}.v{self.version}' rendered with inputs {' and '.join(faults)}",
                remedy=f"it takes {', '.join(self.inputs) or 'none'}",
            )
        return _PLACEHOLDER.sub(lambda match: values[match["name"].strip()], self.body)


def load(path: Path | Traversable) -> Prompt:
    """Read a file, or a package resource as `importlib.resources.files(…)` names it."""
    where = str(path)
    file_name = _FILE_NAME.fullmatch(path.name)
    if not file_name:
        raise ConfigError(f"'{path.name}' is no prompt file", where=where, remedy="name it name.v1.md, lower case")
    text = _read(path, where)
    inputs, body = _split(text, where)
    _check(inputs, body, where)
    digest = sha256(text.encode()).hexdigest()
    return Prompt(file_name["name"], int(file_name["version"]), inputs, body, digest)


def _read(path: Path | Traversable, where: str) -> str:
    try:
        return path.read_bytes().decode().replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as exc:
        raise ArtefactError(f"prompt cannot be read: {exc}", where=where, remedy="reinstall vedette") from exc


def _split(text: str, where: str) -> tuple[tuple[str, ...], str]:
    front = _FRONT.match(text)
    if not front:
        raise ConfigError("no front matter", where=f"{where}:1", remedy="begin with +++, inputs = […], +++")
    try:
        inputs = _Front.model_validate(tomllib.loads(front["toml"])).inputs
    except (tomllib.TOMLDecodeError, ValidationError) as exc:
        raise ConfigError(f"bad front matter: {exc}", where=where, remedy='it holds only inputs = ["name", …]') from exc
    return inputs, text[front.end() :]


def _check(inputs: tuple[str, ...], body: str, where: str) -> None:
    """Every input is well named and used; every placeholder is declared."""
    used = {match["name"].strip() for match in _PLACEHOLDER.finditer(body)}
    bad = sorted(name for name in {*inputs, *used} if not _INPUT.fullmatch(name))
    if bad or len(set(inputs)) != len(inputs):
        what = f"bad input name '{bad[0]}'" if bad else "an input is declared twice"
        raise ConfigError(what, where=where, remedy="lower case letters, digits and _, each once")
    if difference := sorted(used ^ set(inputs)):
        name = difference[0]
        what = f"input '{name}' is declared and not used" if name in inputs else f"input '{name}' is not declared"
        raise ConfigError(what, where=where, remedy="make inputs and placeholders agree")
