"""Every error that Vedette raises on purpose.

VedetteError                 exit code 1
├── ConfigError              2   a setting, an owner's file or an option is wrong
├── InputError               3   nothing readable where input was expected
│   └── RecordError          3   one record is unusable; the reader rejects it and goes on
├── StateError               4   the state file cannot be opened, read or written
├── OutputError              5   a result cannot be written (a full disk, no permission)
├── ArtefactError            6   a shipped, trained or imported artefact does not match its manifest
├── FetchError               7   a publisher's file could not be fetched whole and unchanged
├── EngineError              8   a language model cannot be asked, or did not answer; tier 0's answer stands
└── TrainingError            9   a training cannot go on: the loss is no number, memory ran out

A message says what (the value, quoted), where (file:line, or the record's id) and what to do.
"""

from __future__ import annotations


class VedetteError(Exception):
    """Base of all errors raised on purpose.

    `remedy` says what the reader can do about it; `where` names file:line or record id.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what, self.where, self.remedy = what, where, remedy
        place = f"{where}: " if where else ""
        super().__init__(f"{place}{what}" + (f" ({remedy})" if remedy else ""))


class ConfigError(VedetteError):
    exit_code = 2


class InputError(VedetteError):
    exit_code = 3


class RecordError(InputError):
    """One record is unusable. Readers turn it into a `types.Rejected` and go on."""


class StateError(VedetteError):
    exit_code = 4


class OutputError(VedetteError):
    exit_code = 5


class ArtefactError(VedetteError):
    exit_code = 6


class FetchError(VedetteError):
    exit_code = 7


class EngineError(VedetteError):
    exit_code = 8


class TrainingError(VedetteError):
    exit_code = 9
