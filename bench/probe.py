"""How well `guard.probe` tells texts that talk to a model: recall on the unseen third of each family of our attacks,
false alarms on their twins and on real rule names, logs, command lines, URLs and user agents of ../shared/data."""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import tarfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from vedette.bench.injection.corpus import attacks, twins, unseen
from vedette.bench.statistics import proportion
from vedette.guard.probe import probe

ROOT = Path(__file__).resolve().parents[1]
TITLE = re.compile(rb"^title:\s*(.+)$", re.MULTILINE)
DESCRIPTION = re.compile(rb"<description>([^<]+)</description>")
FIELDS = {
    "commandline": "command lines", "parentcommandline": "command lines", "scriptblocktext": "script blocks",
    "useragent": "user agents", "user_agent": "user agents", "url": "URLs", "uri": "URLs", "requesturi": "URLs",
}  # fmt: skip


def rate(name: str, hits: int, of: int, more: str = "") -> None:
    low, high = proportion(hits, of)
    print(f"| {name} | {hits}/{of:,} = {hits / max(1, of):.2%} | [{low:.2%}, {high:.2%}] | {more}")


def members(file: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(file) as archive:
        for member in archive:
            if member.isfile() and (opened := archive.extractfile(member)):
                yield member.name, opened.read()


def values(node: Any) -> Iterator[tuple[str, str]]:
    """(kind, text) of the fields that are wanted, however deep."""
    if isinstance(node, dict):
        for key, value in node.items():
            kind = FIELDS.get(key.lower())
            if kind and isinstance(value, str) and len(value) > 3:
                yield kind, value
            else:
                yield from values(value)
    elif isinstance(node, list):
        for item in node:
            yield from values(item)


def records(data: bytes) -> Iterator[Any]:
    for line in data.splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue


def events(file: Path) -> Iterator[tuple[str, str]]:
    for name, data in members(file):
        if name.endswith(".json"):
            yield from (pair for record in records(data) for pair in values(record))
        elif name.endswith(".zip"):
            with zipfile.ZipFile(io.BytesIO(data)) as inner:
                for part in inner.namelist():
                    if part.endswith(".json"):
                        yield from (pair for record in records(inner.read(part)) for pair in values(record))


def real(data: Path) -> Iterator[tuple[str, str]]:
    """(kind, text) of the public data sets; a kind that is not there is left out."""
    for file, pattern in (("sigma/sigma-rules.tar.gz", TITLE), ("wazuh/wazuh-ruleset.tar.gz", DESCRIPTION)):
        if (data / file).exists():
            for _, content in members(data / file):
                yield from (("rule names", text.decode("utf-8", "replace")) for text in pattern.findall(content))
    if (data / "alerts/ait-ads-alerts-csv.zip").exists():
        with zipfile.ZipFile(data / "alerts/ait-ads-alerts-csv.zip") as archive:
            for name in archive.namelist():
                if name.endswith(".csv"):
                    lines = archive.read(name).decode("utf-8", "replace").splitlines()
                    yield from (("rule names", line.split(",")[1]) for line in lines[1:] if line.count(","))
    if (data / "logs/loghub-2k.tar.gz").exists():
        for name, content in members(data / "logs/loghub-2k.tar.gz"):
            if name.endswith("_2k.log"):
                yield from (("log lines", line) for line in content.decode("utf-8", "replace").splitlines())
    for file in ("events/otrf-security-datasets.tar.gz", "sigma/sigma-regression.tar.gz"):
        if (data / file).exists():
            yield from events(data / file)


def families(which: Iterable[Any]) -> None:
    hits: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for attack in which:
        total[attack.family] += 1
        hits[attack.family] += bool(probe(attack.written))
    rate("all", sum(hits.values()), sum(total.values()))
    print("; ".join(f"{family} {hits[family]}/{n}" for family, n in total.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    shared = Path(os.environ.get("VEDETTE_SHARED", ROOT.parent / "shared"))
    parser.add_argument("--data", type=Path, default=shared / "data")
    parser.add_argument("--examples", type=int, default=0, help="false alarms that are printed")
    given = parser.parse_args()
    print("recall, the two thirds that the patterns were written on")
    families(a for a in attacks() if not unseen(a))
    print("recall, the third that was kept aside")
    families(a for a in attacks() if unseen(a))
    print("false alarms")
    rate("benign twins", sum(bool(probe(twin.text)) for twin in twins()), len(twins()))
    texts = dict.fromkeys(real(given.data))  # each once
    total: Counter[str] = Counter(kind for kind, _ in texts)
    alarms = [(kind, text, found) for kind, text in texts if (found := probe(text))]
    hits = Counter(kind for kind, _, _ in alarms)
    for kind in total:
        rate(f"real {kind}", hits[kind], total[kind])
    for kind, text, found in alarms[: given.examples]:
        print(f"  {kind}: {found[0].family}: {found[0].quote} <- {text[:160]!r}")
    long = ("sshd[33]: Accepted password for user from 10.0.0.1 port 22; the quick brown fox asks you to see " * 50)[
        :4096
    ]
    runs = []
    for _ in range(200):
        start = time.perf_counter()
        probe(long)
        runs.append(time.perf_counter() - start)
    print(f"4 kB of text: median {sorted(runs)[100] * 1000:.2f} ms of 200")


if __name__ == "__main__":
    main()
