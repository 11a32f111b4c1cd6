"""One simulated day of a small office, in three products' formats: `python examples/office_day.py --out build/demo`.

Writes wazuh-alerts.json, ecs-alerts.ndjson, suricata-eve.json, the owner's assets.toml and exceptions.toml, and
truth.json, which says where the one intrusion is. The same seed gives the same bytes. Needs nothing but Python.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from random import Random
from typing import Any

from office import ecs, ecs_attack, ecs_noise, sensor, story, wazuh, wazuh_attack, wazuh_linux, wazuh_windows
from office.journal import Journal, Marked, marks
from office.site import DAY, DAY_SECONDS, DAY_START

OWNER_FILES = ("assets.toml", "exceptions.toml")


def build_wazuh(seed: int) -> Journal:
    journal = Journal(wazuh.FILE_NAME)
    for number, make in enumerate((*wazuh_linux.MAKERS, *wazuh_windows.MAKERS)):
        make(journal, Random(f"{seed}/wazuh/{number}"))
    wazuh_attack.add_intrusion(journal)
    return _keep_day(journal)


def build_ecs(seed: int) -> Journal:
    journal = Journal(ecs.FILE_NAME)
    for number, make in enumerate(ecs_noise.MAKERS):
        make(journal, Random(f"{seed}/ecs/{number}"))
    ecs_attack.add_intrusion(journal)
    return _keep_day(journal)


def _keep_day(journal: Journal) -> Journal:
    """Sorted, without what ran past midnight."""
    journal.entries = [entry for entry in journal.entries if DAY_START <= entry.time < DAY_START + DAY_SECONDS]
    journal.sort()
    return journal


def describe_truth(seed: int, found: list[Marked], counts: dict[str, dict[str, int]]) -> dict[str, Any]:
    attack = [mark for mark in found if mark.stage]
    stages = [
        stage._asdict()
        | {"techniques": list(stage.techniques), "refs": [mark.ref for mark in attack if mark.stage == stage.name]}
        for stage in story.STAGES
    ]
    notes = sorted({mark.note for mark in found if mark.note})
    return {
        "day": DAY,
        "seed": seed,
        "intrusion": {
            "hosts": [story.VICTIM, story.FILE_SERVER, story.DOMAIN_CONTROLLER],
            "users": [story.VICTIM_USER, "svc-backup", story.NEW_ACCOUNT],
            "addresses": [story.C2_ADDRESS, story.EXFIL_ADDRESS, story.MAIL_RELAY],
            "stages": stages,
            "refs": [mark.ref for mark in attack],
            "uids": {mark.ref: mark.uid for mark in attack},
        },
        "frightening_but_harmless": [
            {"what": note, "refs": [mark.ref for mark in found if mark.note == note]} for note in notes
        ],
        "counts": counts
        | {"total": {key: sum(row[key] for row in counts.values()) for key in counts[sensor.FILE_NAME]}},
    }


def _count(lines: int, alerts: int, found: list[Marked]) -> dict[str, int]:
    attack = sum(bool(mark.stage) for mark in found)
    return {"lines": lines, "alerts": alerts, "attack": attack, "noise": alerts - attack}


def generate(out: Path, seed: int) -> dict[str, Any]:
    """Write all files into `out`; returns what truth.json holds."""
    out.mkdir(parents=True, exist_ok=True)
    found: list[Marked] = []
    counts: dict[str, dict[str, int]] = {}
    for journal, product, key in (
        (build_wazuh(seed), wazuh, ("id",)),
        (build_ecs(seed), ecs, ("event", "id")),
    ):
        product.complete(journal)
        journal.write(out)
        marked = marks(journal, key)
        counts[journal.name] = _count(len(journal.entries), len(journal.entries), marked)
        found += marked
    lines, alerts, marked = sensor.marks(sensor.unpack(out))
    counts[sensor.FILE_NAME] = _count(lines, alerts, marked)
    found += marked
    for name in OWNER_FILES:
        shutil.copyfile(Path(__file__).resolve().parent / name, out / name)
    truth = describe_truth(seed, found, counts)
    (out / "truth.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8", newline="\n")
    return truth


def main() -> None:
    parser = argparse.ArgumentParser(description="Write one simulated day of a small office.")
    parser.add_argument("--out", type=Path, default=Path("build/demo"), help="folder to write into")
    parser.add_argument("--seed", type=int, default=7, help="changes the noise of Wazuh and ECS, not the story")
    args = parser.parse_args()
    truth = generate(args.out, args.seed)
    for name, row in truth["counts"].items():
        print(
            f"{name:20} {row['alerts']:>7,} alerts, {row['attack']:>3} of them the intrusion ({row['lines']:,} lines)"
        )


if __name__ == "__main__":
    main()
