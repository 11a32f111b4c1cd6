"""Sentences with the techniques they tell of, and sentences that tell of none.

Procedure sentences and descriptions of ATT&CK; TRAM's and AnnoCTR's annotated reports, some documents of which are
held out. Nothing that touches a benchmark item gets in, nor a sentence on software that a benchmark asks about.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson

from vedette.experts.labels import Domain
from vedette.experts.text import sentences
from vedette.knowledge.inputs import Input
from vedette.train.encoder_texts import Guard, plain

_TECHNIQUE = re.compile(r"\bT\d{4}(?:\.\d{3})?\b")
DEV = 10  # one ATT&CK object of so many is held out to set thresholds
TEST = 5  # one report of so many measures
SHORTEST = 4  # words
NEGATIVES = 6_000  # sentences of no technique that are learned from, of each kind
STAND_INS = ("It", "The malware", "The group", "The attacker")  # for half of the names, so that names teach less


@dataclass(frozen=True, slots=True)
class Sentence:
    text: str
    techniques: frozenset[str]  # none: it tells of no technique
    source: str  # procedure, description, tram, annoctr, prose
    document: str  # whose words these are
    domain: Domain | None = Domain.ENTERPRISE  # none: prose of any


@dataclass(slots=True)
class Sentences:
    train: list[Sentence] = field(default_factory=list)
    dev: list[Sentence] = field(default_factory=list)  # of other groups and software
    test: list[Sentence] = field(default_factory=list)  # of other reports
    intros: dict[str, str] = field(default_factory=dict)  # what is said of a group or software before its procedures
    known: dict[str, Domain] = field(default_factory=dict)  # every technique in force
    counts: Counter[str] = field(default_factory=Counter)


def collect(attack: Mapping[Domain, Path], tram: Path, annoctr: Path, guard: Guard) -> Sentences:
    result = Sentences()
    merged: dict[str, Sentence] = {}
    told = [s for domain, path in attack.items() for s in _attack(path, domain, guard, result)]
    found = [*told, *_tram(tram), *_annoctr(annoctr)]
    for sentence in found:
        result.counts[f"sentences: read, {sentence.source}"] += 1
        techniques = frozenset(t for t in sentence.techniques if t in result.known)
        why = "short" if len(sentence.text.split()) < SHORTEST else guard.touches(sentence.text)
        why = why or ("unknown technique" if sentence.techniques and not techniques else "")
        if why:
            result.counts[f"sentences: {why}"] += 1
            continue
        seen = merged.get(sentence.text)
        if seen:
            techniques |= seen.techniques
        merged[sentence.text] = replace(seen or sentence, techniques=techniques)
    for sentence in sorted(merged.values(), key=lambda s: crc32(s.text.encode())):
        part = _part(result, sentence)
        if part is result.train and not sentence.techniques:
            result.counts[f"sentences: none, {sentence.source}"] += 1
            if result.counts[f"sentences: none, {sentence.source}"] > NEGATIVES:
                continue
        part.append(sentence)
    return result


def _part(result: Sentences, sentence: Sentence) -> list[Sentence]:
    mark = crc32(sentence.document.encode())
    if sentence.source == "procedure":
        return result.dev if mark % DEV == 0 else result.train
    if sentence.source in ("tram", "annoctr") and mark % TEST == 0:
        return result.test
    return result.train


def _attack(path: Path, domain: Domain, guard: Guard, result: Sentences) -> Iterator[Sentence]:
    objects = orjson.loads(Input(path).read())["objects"]
    ids = {o["id"]: _external(o) for o in objects}
    names = {o["id"]: o.get("name", "") for o in objects}
    for thing in objects:
        gone = thing.get("revoked") or thing.get("x_mitre_deprecated")
        if thing["type"] == "attack-pattern" and not gone:
            result.known[ids[thing["id"]]] = domain
        elif (
            thing["type"] in ("malware", "tool", "intrusion-set")
            and ids[thing["id"]] not in guard.software
            and not gone
        ):
            result.intros.setdefault(ids[thing["id"]], guard.clean(thing.get("description", "")))
    for thing in objects:
        if thing["type"] == "attack-pattern" and ids[thing["id"]] in result.known:
            technique = ids[thing["id"]]
            text = plain(thing.get("description", ""))
            for start, end in list(sentences(text))[:6]:
                yield Sentence(text[start:end], frozenset([technique]), "description", technique, domain)
            named = f"The adversary uses {thing['name']}."
            yield Sentence(named, frozenset([technique]), "description", technique, domain)
        elif thing["type"] == "relationship" and thing["relationship_type"] == "uses":
            source, target = ids.get(thing["source_ref"], ""), ids.get(thing["target_ref"], "")
            if source in guard.software:
                result.counts["sentences: of a benchmark's software"] += 1
            elif _TECHNIQUE.fullmatch(target) and thing.get("description"):
                text = _renamed(plain(thing["description"]), names[thing["source_ref"]])
                yield Sentence(text, frozenset([target]), "procedure", source, domain)


def _renamed(text: str, name: str) -> str:
    mark = crc32(text.encode())
    return text.replace(name, STAND_INS[mark // 2 % len(STAND_INS)], 1) if mark % 2 and text.startswith(name) else text


def _external(thing: dict[str, Any]) -> str:
    return next((str(r["external_id"]) for r in thing.get("external_references", ()) if "external_id" in r), "")


def _tram(path: Path) -> Iterator[Sentence]:
    """Single-label sentences, the sentences of the same reports that nobody annotated, and other prose."""
    for _, content in Input(path).members("archive/negative_data.json"):
        for text in orjson.loads(content):
            yield Sentence(" ".join(text.split()), frozenset(), "prose", "", None)
    marked: dict[str, str] = {}
    for name, content in Input(path).members("/single_label.json"):
        if name.startswith("data/tram2-data/"):
            for item in orjson.loads(content):
                marked[" ".join(item["text"].split())] = item["doc_title"]
                yield Sentence(" ".join(item["text"].split()), frozenset([item["label"]]), "tram", item["doc_title"])
    for name, content in Input(path).members(".mjson"):
        report = orjson.loads(content)
        text, title = report["signal"], Path(name).stem
        spans = [
            (a[0], a[1])
            for kind in report["asets"]
            if _TECHNIQUE.search(kind["type"])
            for a in kind["annots"]
        ]  # fmt: skip
        for start, end in sentences(text):
            clean = " ".join(text[start:end].split())
            if clean not in marked and not any(a < end and b > start for a, b in spans):
                yield Sentence(clean, frozenset(), "tram", _titled(title, marked))


def _titled(stem: str, marked: dict[str, str]) -> str:
    """File names leave out signs that titles have."""
    key = _letters(stem)
    return _TITLES.setdefault(key, next((t for t in set(marked.values()) if _letters(t) == key), stem))


_TITLES: dict[str, str] = {}


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _annoctr(path: Path) -> Iterator[Sentence]:
    for name, content in Input(path).members(".json"):
        if name.endswith(("_w_con.json", "_w_neg.json", "_w_con_w_neg.json")):
            continue
        found: dict[str, set[str]] = {}
        document = Path(name).stem
        for line in content.splitlines():
            item = orjson.loads(line)
            _, link, technique = item["label_link"].partition("/techniques/")
            text = " ".join(" ".join((item["context_left"], item["mention"], item["context_right"])).split())
            techniques = found.setdefault(text, set())
            if link and item["entity_type"] == "TECHNIQUE":
                techniques.add(technique.strip("/").replace("/", "."))
        for text, techniques in found.items():
            if techniques:
                yield Sentence(text, frozenset(techniques), "annoctr", document)
