"""Where formats lie: an organisation's own folder before those that ship. Approved ones are frozen by their hash."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from vedette.config import Settings, load_toml
from vedette.errors import ArtefactError, ConfigError, OutputError, VedetteError
from vedette.forge.format import FILE_NAME, Format, Status, load
from vedette.guard.neutralise import printable
from vedette.manifest import atomic_write, output_error
from vedette.registry import near

SHIPPED = Path(__file__).with_name("formats")
APPROVED = "approved.toml"
LONGEST_NAME = 80  # characters of a person's name


class Approval(Settings):
    format: str  # "cve-weakness.v1"
    sha256: str
    by: str
    on: date


class _Approvals(Settings):
    approved: tuple[Approval, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """A format's file; `fault` says why it may not be used."""

    path: Path
    format: Format | None
    fault: VedetteError | None
    shipped: bool
    listed: bool  # as approved

    @property
    def label(self) -> str:
        return self.path.name.removesuffix(".md")

    @property
    def sound(self) -> Format:
        """Raises what is wrong with it."""
        if self.fault or not self.format:
            raise self.fault or ArtefactError("no format", where=str(self.path))
        return self.format


class Shelf:
    def __init__(self, own: Path | None = None, shipped: Path = SHIPPED) -> None:
        self.own, self.shipped = own, shipped

    def held(self) -> list[Held]:
        """Own ones first, newest first, then by name."""
        folders = [(self.own, False)] if self.own else []
        return [one for folder, ships in (*folders, (self.shipped, True)) for one in _held(folder, ships)]

    def get(self, name: str) -> Held:
        """ "cve-weakness": the newest; "cve-weakness.v2": that one. Raises ConfigError where there is none."""
        held = self.held()
        for one in held:
            if name in {one.label, one.label.rpartition(".v")[0]}:
                return one
        names = {one.label.rpartition(".v")[0] for one in held}
        raise ConfigError(f"no format '{name}'", remedy=near(name, names))

    def by_task(self) -> dict[str, Format]:
        """The approved formats by group or "group/task": own ones before those that ship, the newest of each.

        Raises ArtefactError where an approved format was edited or is gone: a build never leaves one out in silence.
        A draft that cannot be read stands in nobody's way.
        """
        found: dict[str, Format] = {}
        for one in self.held():
            if not one.format and not one.listed:
                continue
            made = one.sound
            for task in made.tasks if made.status is Status.APPROVED else ():
                found.setdefault(task, made)
        return found

    def for_task(self, task: str) -> Format | None:
        """The approved format for "group/task", or for its group."""
        found = self.by_task()
        return found.get(task) or found.get(task.partition("/")[0])

    def next_version(self, name: str) -> int:
        return 1 + max((_version(one.path) for one in self.held() if one.label.rpartition(".v")[0] == name), default=0)

    def keep(self, made: Format) -> Path:
        """Write a new version into the own folder; nothing is ever overwritten."""
        folder = self.own_folder()
        path = folder / f"{made.label}.md"
        if path.exists():
            raise OutputError("is there already", where=str(path), remedy="run the command again")
        atomic_write(path, made.text)
        return path

    def freeze(self, made: Format, by: str) -> Path:
        """Keep an approved format, and its hash beside it."""
        folder, by = self.own_folder(), person(by)
        path = self.keep(replace(made, status=Status.APPROVED))
        approvals = [*_approvals(folder).values()]
        approvals.append(Approval(format=made.label, sha256=load(path).sha256, by=by, on=datetime.now(UTC).date()))
        atomic_write(folder / APPROVED, "\n".join(map(_table, approvals)))
        return path

    def own_folder(self) -> Path:
        if self.own is None:
            raise ConfigError("no folder for formats of your own", remedy="give --formats")
        try:
            self.own.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise output_error(self.own, exc) from exc
        return self.own


def person(name: str) -> str:
    """Who reviews or approves, as it is kept. Raises ConfigError for no name."""
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_NAME or printable(name) != name:
        what = f"'{printable(name, LONGEST_NAME)}' is no name of a person"
        raise ConfigError(what, remedy=f"give --by with 1 to {LONGEST_NAME} characters that can be seen")
    return name


def _held(folder: Path, shipped: bool) -> Iterator[Held]:
    found = [path for path in folder.glob("*.md") if FILE_NAME.fullmatch(path.name)] if folder.is_dir() else []
    approvals = _approvals(folder)
    for gone in sorted(approvals.keys() - {path.name.removesuffix(".md") for path in found}):
        what, remedy = "is approved and gone", f"restore it, or delete its table from {APPROVED}"
        path = folder / f"{gone}.md"
        yield Held(path, None, ArtefactError(what, where=str(path), remedy=remedy), shipped, listed=True)
    for path in sorted(found, key=lambda path: (path.name.rpartition(".v")[0], -_version(path))):
        made: Format | None = None
        fault: VedetteError | None = None
        try:
            made = load(path)
            _check(made, path, approvals.get(made.label))
        except VedetteError as error:
            fault = error
        yield Held(path, made, fault, shipped, path.name.removesuffix(".md") in approvals)


def _check(made: Format, path: Path, approval: Approval | None) -> None:
    newer = (
        f'undo it, or save your changes as {made.name}.v{made.version + 1}.md with status = "draft" and approve that'
    )
    if approval and approval.sha256 != made.sha256:
        what = f"was edited after {printable(approval.by)} approved it on {approval.on}"
        raise ArtefactError(what, where=str(path), remedy=newer)
    if made.status is Status.APPROVED and not approval:
        what = f"says that it is approved, {APPROVED} does not"
        remedy = 'write status = "draft", and use `vedette forge format approve`'
        raise ArtefactError(what, where=str(path), remedy=remedy)


def _approvals(folder: Path) -> dict[str, Approval]:
    path = folder / APPROVED
    if not path.exists():
        return {}
    return {approval.format: approval for approval in load_toml(path, _Approvals).approved}


def _table(approval: Approval) -> str:
    by = json.dumps(approval.by, ensure_ascii=False)
    return (
        f'[[approved]]\nformat = "{approval.format}"\nsha256 = "{approval.sha256}"\nby = {by}\n'
        f"on = {approval.on.isoformat()}\n"
    )


def _version(path: Path) -> int:
    named = FILE_NAME.fullmatch(path.name)
    return int(named["version"]) if named else 0
