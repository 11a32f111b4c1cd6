"""Which model answers for a role: promoted with a gate's result, rolled back with a word, and all of it remembered.

Beside the models lies `.roles`: of each role a pointer, which is replaced as a whole, and a history, which only grows.
The pointer is the newest entry itself: a run that is killed between the two leaves the history one line short, and the
next change adds that line. So at any time either the old model is in force, or the new one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from vedette.engine import models
from vedette.engine.add import add
from vedette.engine.choice import Choice
from vedette.engine.gate import Sealed
from vedette.errors import ArtefactError, ConfigError, StateError, VedetteError
from vedette.lock import locked
from vedette.manifest import atomic_write, output_error, sha256_file
from vedette.registry import near
from vedette.signing import Trusted

ROLES = ("triage", "ask")
FOLDER = ".roles"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a role, and all that is in force since."""

    number: int
    role: str
    action: str  # "promote", "rollback"
    at: str  # UTC, ISO 8601
    who: str
    why: str = ""
    model: str = ""  # name among the models here; "" where none is in force
    model_sha256: str = ""
    adapter: str = ""  # name of its file in `.roles/adapters`
    adapter_sha256: str = ""
    gate: str = ""  # sha256 of the gate's result, of which `.roles/gates` has a copy
    gate_says: str = ""
    signed_by: str = ""  # id of the key
    shadow: str = ""  # what a shadow run said
    forced: tuple[str, ...] = ()  # what spoke against it, and was overruled
    stands: int = 0  # number of the promotion that is in force
    below: int = 0  # number of the one that was in force before that

    def __str__(self) -> str:
        return f"{self.model} with {self.adapter}" if self.adapter else self.model or "no model"


@dataclass(frozen=True, slots=True)
class Case:
    """What speaks for a candidate."""

    sealed: Sealed | None
    keys: Trusted
    shadow: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """Who changes it, and why. `force`: in spite of what speaks against it."""

    who: str
    why: str = ""
    force: str = ""


class Role:
    """Raises ConfigError for an unknown role."""

    def __init__(self, name: str, place: Path | None = None) -> None:
        if name not in ROLES:
            raise ConfigError(f"unknown role '{name}'", remedy=near(name, ROLES))
        self.name, self.place = name, place or models.default_folder()
        self.folder = self.place / FOLDER
        self._pointer = self.folder / f"{name}.json"
        self._history = self.folder / f"{name}.history.jsonl"

    @property
    def now(self) -> Entry | None:
        """What is in force, None where nothing ever was. Raises ArtefactError for a pointer that cannot be read."""
        try:
            return msgspec.json.decode(self._pointer.read_bytes(), type=Entry)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as exc:
            remedy = f"the last line of {self._history} holds the same: put that there"
            raise ArtefactError(f"cannot be read: {exc}", where=str(self._pointer), remedy=remedy) from exc

    def history(self) -> list[Entry]:
        """From the oldest to the one in force. Lines that cannot be read are left out."""
        found = {entry.number: entry for entry in self._lines()}
        if now := self.now:
            found[now.number] = now
        return [found[number] for number in sorted(found)]

    def files(self) -> tuple[Path, Path | None]:
        """Of the model in force, and of its adapter, as they were promoted.

        Raises ConfigError where none is, ArtefactError where one is another file by now.
        """
        entry = self.now
        if entry is None or not entry.model:
            remedy = f"`vedette model promote … --role {self.name}`, or name a model"
            raise ConfigError(f"no model is in force for '{self.name}'", where=str(self.place), remedy=remedy)
        return self._files(entry)

    def objections(self, choice: Choice, case: Case) -> list[str]:
        """What speaks against it."""
        return list(_objections(choice, case, self.now))

    def promote(self, choice: Choice, case: Case, order: Order) -> Entry:
        """Raises ArtefactError where something speaks against it and it is not forced; StateError, OutputError."""
        with self._locked():
            against = self.objections(choice, case)
            if against and not order.force:
                remedy = "mend it, or overrule it with --force REASON, which the history keeps"
                raise ArtefactError("; ".join(against), where=choice.party.spec, remedy=remedy)
            name = self._kept(choice)
            if case.sealed:
                self._copy(case.sealed)
            now, number = self.now, self._next()
            entry = Entry(
                number=number, role=self.name, action="promote", at=_at(), who=order.who, why=order.force or order.why,
                model=name, model_sha256=choice.sha256, adapter=self._adapter(choice).stem if choice.adapter else "",
                adapter_sha256=choice.adapter_sha256, gate=case.sealed.sha256 if case.sealed else "",
                gate_says=case.sealed.gate.summary if case.sealed else "no gate", signed_by=_signer(case),
                shadow=case.shadow, forced=tuple(against), stands=number, below=now.stands if now else 0,
            )  # fmt: skip
            self._switch(entry)
        return entry

    def rollback(self, order: Order) -> Entry:
        """To what was in force before the last promotion; again, and it goes further back.

        Raises ConfigError where there is nothing to go back from, ArtefactError where what was there is gone.
        """
        with self._locked():
            now = self.now
            if now is None or not now.stands:
                raise ConfigError(f"nothing is in force for '{self.name}'", remedy="`vedette model history` shows why")
            known = {entry.number: entry for entry in self.history()}
            before = known.get(known[now.stands].below) if now.stands in known else None
            bare = Entry(number=self._next(), role=self.name, action="rollback", at=_at(), who=order.who, why=order.why)
            entry = bare
            if before:
                self._files(before)
                kept = {name: getattr(before, name) for name in _CONTENT}
                entry = msgspec.structs.replace(bare, **kept)
            self._switch(entry)
        return entry

    # -- files --------------------------------------------------------------------------------

    def _files(self, entry: Entry) -> tuple[Path, Path | None]:
        found = models.resolve(entry.model, self.place)
        if found.manifest.sha256 != entry.model_sha256:
            remedy = "put the model that was promoted back, or promote this one"
            raise ArtefactError(f"'{entry.model}' is not the model that was promoted", where=self.name, remedy=remedy)
        if not entry.adapter:
            return found.path, None
        adapter = self.folder / "adapters" / f"{entry.adapter}.gguf"
        try:
            same = sha256_file(adapter) == entry.adapter_sha256
        except OSError as exc:
            raise ArtefactError(
                f"cannot be read: {exc.strerror}", where=str(adapter), remedy="promote it again"
            ) from exc
        if not same:
            raise ArtefactError("not the adapter that was promoted", where=str(adapter), remedy="promote it again")
        return found.path, adapter

    def _adapter(self, choice: Choice) -> Path:
        return self.folder / "adapters" / f"{choice.adapter_name}-{choice.adapter_sha256[:12]}.gguf"

    def _kept(self, choice: Choice) -> str:
        """Model and adapter as files of ours; the name of the model."""
        stored = next((m for m in models.stored(self.place)[0] if m.manifest.sha256 == choice.sha256), None)
        found = models.resolve(stored.name, self.place) if stored else add(choice.model, place=self.place)
        if choice.adapter:
            _copied(choice.adapter, self._adapter(choice), choice.adapter_sha256)
        return found.name

    def _copy(self, sealed: Sealed) -> None:
        path = self.folder / "gates" / f"{sealed.sha256}.json"
        _made(path.parent)
        atomic_write(path, sealed.content)

    # -- pointer and history ------------------------------------------------------------------

    def _locked(self) -> AbstractContextManager[None]:
        busy = StateError("somebody else changes it", where=f"role {self.name}", remedy="wait a moment, and look again")
        return locked(self.folder / f"{self.name}.lock", busy)

    def _next(self) -> int:
        return max((entry.number for entry in self.history()), default=0) + 1

    def _switch(self, entry: Entry) -> None:
        """First what the history lacks, then the pointer, then the new line: see above."""
        self._remember()
        atomic_write(self._pointer, msgspec.json.format(msgspec.json.encode(entry)) + b"\n")
        self._remember()

    def _remember(self) -> None:
        now = self.now
        if now is None or now in self._lines():
            return
        line = msgspec.json.encode(now) + b"\n"
        try:
            with self._history.open("a+b", buffering=0) as file:
                end = file.seek(0, os.SEEK_END)
                file.seek(max(0, end - 1))
                file.write(b"\n" * (file.read(1) not in (b"", b"\n")) + line)
                os.fsync(file.fileno())
        except OSError as exc:
            raise output_error(self._history, exc) from exc

    def _lines(self) -> list[Entry]:
        try:
            lines = self._history.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise StateError(f"cannot be read: {exc.strerror}", where=str(self._history)) from exc
        return list(_decoded(lines))


_CONTENT = (
    "model", "model_sha256", "adapter", "adapter_sha256", "gate", "gate_says", "signed_by", "shadow", "forced",
    "stands", "below",
)  # fmt: skip


def _decoded(lines: list[bytes]) -> Iterator[Entry]:
    for line in lines:
        try:
            yield msgspec.json.decode(line, type=Entry)
        except (msgspec.DecodeError, UnicodeDecodeError):  # cut off by a kill
            continue


def _objections(choice: Choice, case: Case, now: Entry | None) -> Iterator[str]:
    sealed = case.sealed
    if sealed is None:
        yield "there is no gate's result"
        return
    try:
        sealed.verify(case.keys)
    except VedetteError as exc:
        yield exc.what
    gate = sealed.gate
    if not gate.passed:
        yield f"the gate was not passed ({gate.summary})"
    theirs, ours = gate.candidate, choice.party
    if (theirs.sha256, theirs.adapter_sha256) != (ours.sha256, ours.adapter_sha256):
        yield f"the gate's result is of another candidate ({theirs})"
    if now and now.model and (now.model_sha256, now.adapter_sha256) != (gate.base.sha256, gate.base.adapter_sha256):
        yield f"the gate compared it with {gate.base}, and {now} is in force"


def _signer(case: Case) -> str:
    return case.sealed.signature.key if case.sealed and case.sealed.signature else ""


def _at() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _made(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise output_error(folder, exc) from exc


def _copied(source: Path, target: Path, digest: str) -> None:
    """Whole or not at all, and what it was said to be. Raises ArtefactError, OutputError."""
    _made(target.parent)
    part = target.with_name(f".{target.name}.new")
    try:
        shutil.copyfile(source, part)
        if sha256_file(part) != digest:
            raise ArtefactError("it changed while it was copied", where=str(source), remedy="try again")
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as exc:
        raise output_error(target, exc) from exc
    finally:
        part.unlink(missing_ok=True)
