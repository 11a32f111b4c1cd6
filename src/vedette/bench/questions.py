"""Questions for search whose right answers are known: read from a file, or made by `vedette.bench.structure`."""

from __future__ import annotations

from pathlib import Path

import msgspec

from vedette.errors import InputError
from vedette.knowledge.record import Kind

ABOUT: dict[str, tuple[Kind, ...]] = {  # what somebody who asks for it would choose as kinds
    "technique": (Kind.TECHNIQUE,),
    "weakness": (Kind.WEAKNESS,),
    "vulnerability": (Kind.VULNERABILITY,),
    "actor": (Kind.GROUP, Kind.CAMPAIGN, Kind.ACTOR),
    "software": (Kind.SOFTWARE, Kind.TOOL),
    "pattern": (Kind.PATTERN,),
    "mitigation": (Kind.MITIGATION, Kind.COUNTERMEASURE, Kind.CONTROL),
    "countermeasure": (Kind.COUNTERMEASURE,),
    "control": (Kind.CONTROL,),
    "detection": (Kind.DETECTION, Kind.DATA_COMPONENT),
}


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    split: str  # "dev" or "test"
    question: str
    answers: tuple[str, ...]  # any of them is right
    about: str  # one of ABOUT
    form: str = ""  # of made ones: the template's name


def load(path: Path) -> list[Question]:
    """Of a JSON Lines file. Raises InputError that names the line."""
    found = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            one = msgspec.json.decode(line, type=Question)
        except msgspec.DecodeError as exc:
            raise InputError(f"not a question: {exc}", where=f"{path.name}:{number}", remedy="correct it") from exc
        if one.about not in ABOUT or not one.answers or one.split not in ("dev", "test"):
            raise InputError(
                "not a question: about, answers or split", where=f"{path.name}:{number}", remedy="see ABOUT"
            )
        found.append(one)
    return found
