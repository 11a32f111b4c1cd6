"""Typed settings read from TOML. An unknown key is an error that names its file, line and nearest key."""

from __future__ import annotations

import re
import tomllib
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from vedette.errors import ConfigError
from vedette.registry import near

MAX_BYTES = 4 * 1024 * 1024  # of one settings file; tomllib holds several copies of it
MAX_FAULTS = 20  # shown of one file; the rest are counted

_Key = str | int
_BARE_OR_QUOTED = r"(?:[\w-]+|\"[^\"]*\"|'[^']*')"
_HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]")
_PAIR = re.compile(rf"\s*({_BARE_OR_QUOTED}(?:\s*\.\s*{_BARE_OR_QUOTED})*)\s*=")


class Settings(BaseModel):
    """Base of everything that is read from an owner's or a shipped TOML file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


S = TypeVar("S", bound=BaseModel)


def load_toml(path: Path | str, model: type[S], *, max_bytes: int = MAX_BYTES) -> S:
    """Raises ConfigError that lists the faults of the file, each with its line where it can be found."""
    path = Path(path)
    text = _read(path, max_bytes)
    try:
        return model.model_validate(_parse(path, text))
    except ValidationError as exc:
        errors = sorted(exc.errors(include_url=False), key=lambda error: error["type"] != "extra_forbidden")
        faults = [_fault(error, model, text) for error in errors[:MAX_FAULTS]]
        raise _config_error(path, faults, len(errors)) from exc


def _config_error(path: Path, faults: list[tuple[int, str, str]], total: int) -> ConfigError:
    if total == 1:
        line, what, remedy = faults[0]
        return ConfigError(what, where=f"{path}:{line}" if line else str(path), remedy=remedy)
    lines = [f"{f'line {line}: ' if line else ''}{what} ({remedy})" for line, what, remedy in faults]
    more = [f"and {total - len(faults)} more"] if total > len(faults) else []
    return ConfigError(f"{total} faults: {'; '.join(lines + more)}", where=str(path), remedy="correct them all")


def _read(path: Path, max_bytes: int) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(max_bytes + 1)
    except FileNotFoundError:
        raise ConfigError("no such file", where=str(path), remedy="check the path") from None
    except OSError as exc:
        raise ConfigError(f"cannot be read: {exc.strerror}", where=str(path), remedy="check its permissions") from exc
    if len(raw) > max_bytes:
        raise ConfigError(f"larger than {max_bytes:,} bytes", where=str(path), remedy="split or shorten the file")
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        raise ConfigError("not UTF-8", where=f"{path}:{line}", remedy="save the file as UTF-8") from exc


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        place = re.search(r"\(at line (\d+), column (\d+)\)$", str(exc))
        where = f"{path}:{place[1]}:{place[2]}" if place else str(path)
        what = re.sub(r" \(at .*\)$", "", str(exc))
        raise ConfigError(f"not valid TOML: {what}", where=where, remedy="correct the syntax") from exc
    except RecursionError as exc:
        raise ConfigError("nested too deeply", where=str(path), remedy="flatten the file") from exc


def _fault(error: ErrorDetails, model: type[BaseModel], text: str) -> tuple[int, str, str]:
    """(line or 0, what, remedy) of one pydantic error."""
    keys = error["loc"]
    line, name = _line(text, keys), _dotted(keys)
    if error["type"] == "extra_forbidden":
        return line, f"unknown key '{name}'", near(str(keys[-1]), _fields(model, keys[:-1]))
    if error["type"] == "missing":
        return line, f"missing key '{name}'", f"add '{keys[-1]}'"
    value = "" if isinstance(error["input"], dict | list) else f" = {error['input']!r:.80}"
    message = error["msg"].removeprefix("Value error, ")
    return line, f"'{name}'{value}: {message}" if name else message, "correct the value"


def _dotted(keys: Iterable[_Key]) -> str:
    """('asset', 2, 'name') → `asset[3].name`: people count from one."""
    name = ""
    for key in keys:
        name += f"[{key + 1}]" if isinstance(key, int) else f".{key}" if name else key
    return name


def _fields(model: type[BaseModel], keys: tuple[_Key, ...]) -> list[str]:
    """The keys that are allowed at the place that `keys` leads to; [] where the model does not say."""
    models = [model]
    for key in keys:
        if isinstance(key, str) and any(key in m.model_fields or key in _aliases(m) for m in models):
            hints = [_field_type(m, key) for m in models]
            models = [found for hint in hints for found in _models_in(hint)]
    return [name for m in models for name in _aliases(m)]


def _aliases(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _field_type(model: type[BaseModel], key: str) -> Any:
    return _aliases(model).get(key)


def _models_in(hint: Any) -> list[type[BaseModel]]:
    """Every model class inside a type such as `list[Model] | None`."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return [hint]
    return [model for part in typing.get_args(hint) for model in _models_in(part)]


def _line(text: str, keys: tuple[_Key, ...]) -> int:
    """The line of a key or else of its innermost table, 0 where neither is found: searched by line, a best effort."""
    path: tuple[_Key, ...] = ()
    seen: dict[tuple[str, ...], int] = {}
    best = (0, 0)  # (keys matched, line)
    for number, line in enumerate(text.split("\n"), start=1):
        if header := _HEADER.match(line):
            path = _table(_names(header[2]), header[1] == "[[", seen)
            found = path
        elif pair := _PAIR.match(line):
            found = path + _names(pair[1])
        else:
            continue
        if len(found) > best[0] and found == keys[: len(found)]:
            best = (len(found), number)
    return best[1]


def _table(names: tuple[str, ...], many: bool, seen: dict[tuple[str, ...], int]) -> tuple[_Key, ...]:
    """The path of a table header, with the place of each array entry counted in `seen`."""
    if many:
        seen[names] = seen.get(names, -1) + 1
        for nested in [other for other in seen if len(other) > len(names) and other[: len(names)] == names]:
            del seen[nested]
    path: tuple[_Key, ...] = ()
    for depth, name in enumerate(names, start=1):
        path += (name,)
        if names[:depth] in seen:
            path += (seen[names[:depth]],)
    return path


def _names(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in re.findall(_BARE_OR_QUOTED, dotted))
