"""Write docs/schemas/*.json, the shapes of what `--json` prints: `python scripts/schemas.py`."""

from __future__ import annotations

from pathlib import Path

import msgspec
import orjson

from vedette.skills.assistant.skill import Answer
from vedette.skills.severity.skill import SeverityFinding
from vedette.skills.techniques.skill import TechniquesFinding
from vedette.skills.weakness.skill import WeaknessFinding

FOLDER = Path(__file__).resolve().parents[1] / "docs/schemas"
DOCUMENTS = {
    "weakness": WeaknessFinding,
    "severity": SeverityFinding,
    "techniques": TechniquesFinding,
    "ask": Answer,
}


def schema(name: str) -> bytes:
    made = msgspec.json.schema(DOCUMENTS[name])
    made = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"vedette {name} --json", **made}
    return orjson.dumps(made, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


if __name__ == "__main__":
    for name in DOCUMENTS:
        (FOLDER / f"{name}.json").write_bytes(schema(name))
        print(FOLDER / f"{name}.json")
