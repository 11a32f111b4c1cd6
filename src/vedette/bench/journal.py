"""Answers of a run that is not whole yet, a JSON line each: a kill loses no more than the line just being written."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import msgspec

from vedette.errors import OutputError
from vedette.manifest import output_error

NAME = "answers.jsonl"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    item: str
    reply: str
    seconds: float
    probability: float | None = None


class Journal:
    """`about`: what an answer depends on. Those of another model, version or set of items are thrown away."""

    def __init__(self, folder: Path, about: dict[str, str]) -> None:
        self._path = folder / NAME
        self.answers: dict[str, Answer] = {}
        head = msgspec.json.encode(about) + b"\n"
        kept = self._kept(head)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("r+b" if kept else "wb", buffering=0)
            self._file.truncate(kept)
            self._file.seek(kept)
        except OSError as exc:
            raise output_error(self._path, exc) from exc
        if not kept:
            self._write(head)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def _kept(self, head: bytes) -> int:
        """Reads what is there; the bytes of it that are whole."""
        try:
            lines = self._path.read_bytes().splitlines(keepends=True)
        except OSError:
            return 0
        if not lines or lines[0] != head:
            return 0
        kept = len(head)
        for line in lines[1:]:
            try:
                answer = msgspec.json.decode(line if line.endswith(b"\n") else b"", type=Answer)
            except msgspec.DecodeError:
                break
            self.answers[answer.item] = answer
            kept += len(line)
        return kept

    def keep(self, answer: Answer) -> None:
        """Raises OutputError, and what came before stays."""
        self._write(msgspec.json.encode(answer) + b"\n")
        self.answers[answer.item] = answer

    def _write(self, line: bytes) -> None:
        try:
            if self._file.write(line) != len(line):
                raise OutputError("no room for the next answer", where=str(self._path), remedy="free some space")
        except OSError as exc:
            raise output_error(self._path, exc) from exc

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)
