"""Texts for continued pre-training: what the knowledge store says of each id, as one document.

Documents come in the order of their ids, the same from the same store. What touches a benchmark is left out, paragraph
by paragraph. An object whose questions are asked on the forge's dev side has its document on the dev side, too, and
documents of the train side do not say how they are linked to it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import msgspec
import orjson

from vedette import manifest
from vedette.errors import InputError
from vedette.knowledge.record import Kind, Link, Record, decode
from vedette.knowledge.sources import rank, sources
from vedette.knowledge.store import Knowledge
from vedette.overlap import Items
from vedette.split import dev_objects
from vedette.train.slm.questions import lines
from vedette.train.slm.template import MARKS

SIDES = ("train", "dev")
SHORTEST = 40  # characters, without its title, from which a document says something
NAMES = 12  # other names of an object at most


@dataclass(frozen=True, slots=True)
class Wanted:
    seed: int = 7  # of the split; both as in the forge's recipe
    dev: float = 0.02
    each: int = 0  # documents of a kind at most; 0: all
    replay: Path | None = None  # JSON lines {"text": …, "licence": …} of general text
    share: float = 0.1  # of all characters of the train side that are general text


class Document(msgspec.Struct, frozen=True):
    text: str
    id: str
    licence: str


@dataclass(slots=True)
class Tally:
    """ids read = documents + the sum of `left`."""

    read: int = 0
    documents: Counter[str] = field(default_factory=Counter)  # by side
    characters: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)  # documents: why, how many
    parts: Counter[str] = field(default_factory=Counter)  # paragraphs and links that were left out of documents
    replay: Counter[str] = field(default_factory=Counter)


Step = Callable[[str], None]


def documents(store: Knowledge, wanted: Wanted, items: Items | None, tally: Tally) -> Iterator[tuple[str, Document]]:
    """(side, document) of every id that the store describes."""
    writer = _Writer(store, wanted, items, tally)
    chosen = _chosen(store, wanted)
    sql = "SELECT id, unit, body FROM record WHERE status = 'active' ORDER BY id, unit"
    for uid, rows in groupby(store.db.execute(sql), key=lambda row: str(row[0])):
        if chosen is not None and uid not in chosen:
            continue
        tally.read += 1
        if made := writer.document(uid, [(unit, decode(body)) for _, unit, body in rows]):
            yield made


class _Writer:
    def __init__(self, store: Knowledge, wanted: Wanted, items: Items | None, tally: Tally) -> None:
        self._wanted, self._items, self._tally = wanted, items, tally
        self._sources = {number: unit.source for number, unit in store.unit_numbers.items()}
        self._licences = {name: source.licence for name, source in sources().items()}
        self._names = _names(store)

    def document(self, uid: str, found: list[tuple[int, Record]]) -> tuple[str, Document] | None:
        """None where nothing is left of it, which is counted."""
        if self._items and uid in self._items.ids:
            self._tally.left["benchmark (id)"] += 1
            return None
        found.sort(key=lambda one: (rank(self._sources[one[0]]), one[0]))
        dev = bool(dev_objects((uid,), self._wanted.seed, self._wanted.dev))
        kept = [part for part in self._parts([record for _, record in found], dev) if self._fit(part)]
        if sum(map(len, kept)) < SHORTEST:
            self._tally.left["nothing is said of it"] += 1
            return None
        title = next((record.name for _, record in found if record.name), "")
        text = "\n\n".join([f"{uid}: {title}" if title not in ("", uid) else uid, *kept])
        licence = "; ".join(dict.fromkeys(self._licences.get(self._sources[number], "") for number, _ in found))
        side = SIDES[dev]
        self._tally.documents[side] += 1
        self._tally.characters[side] += len(text)
        return side, Document(text, uid, licence.strip("; "))

    def _parts(self, records: list[Record], dev: bool) -> Iterator[str]:
        """Paragraphs; of each field the text of the first source that has it."""
        if names := list(dict.fromkeys(alias for record in records for alias in record.aliases))[:NAMES]:
            yield f"Also called: {', '.join(names)}."
        texts: dict[str, str] = {}
        for record in records:
            for one in record.texts:
                texts.setdefault(one.field, one.body)
        for name, body in texts.items():
            yield body if name == "description" else f"{name.capitalize()}: {body}"
        yield from self._linked([link for record in records for link in record.links], dev)

    def _linked(self, links: Iterable[Link], dev: bool) -> Iterator[str]:
        """What is said of links by itself, the others by kind in one line."""
        plain: dict[str, dict[str, None]] = {}
        for link in links:
            if self._items and link.to in self._items.ids:
                self._tally.parts["link to a benchmark's object"] += 1
            elif not dev and dev_objects((link.to,), self._wanted.seed, self._wanted.dev):
                self._tally.parts["link to an object of the dev side"] += 1
            elif link.text:
                yield f"{_said(link)} {self._label(link.to)}: {link.text}"
            else:
                plain.setdefault(_said(link), {})[self._label(link.to)] = None
        for said, labels in plain.items():
            yield f"{said}: {', '.join(labels)}."

    def _label(self, uid: str) -> str:
        name = self._names.get(uid, "")
        return f"{uid} ({name})" if name else uid

    def _fit(self, part: str) -> bool:
        if any(mark in part for mark in MARKS):
            why = "marks of a chat template"
        elif self._items and (how := self._items.touched(part)[0]):
            why = f"benchmark ({how})"
        else:
            return True
        self._tally.parts[why] += 1
        return False


def _said(link: Link) -> str:
    return str(link.rel).replace("-", " ").capitalize()


def _names(store: Knowledge) -> dict[str, str]:
    """Of all but vulnerabilities; the first source's word."""
    found: dict[str, tuple[int, str]] = {}
    rows = store.db.execute("SELECT id, name, unit FROM record WHERE name <> '' AND kind <> ?", (Kind.VULNERABILITY,))
    for uid, name, number in rows:
        place = rank(store.unit_numbers[number].source)
        if uid not in found or place < found[uid][0]:
            found[uid] = place, name
    return {uid: name for uid, (_, name) in found.items() if name != uid}


def _chosen(store: Knowledge, wanted: Wanted) -> Collection[str] | None:
    """As many ids of each kind as are wanted, by a hash; None: all."""
    if not wanted.each:
        return None
    kinds: dict[str, set[str]] = {}
    for uid, kind in store.db.execute("SELECT DISTINCT id, kind FROM record WHERE status = 'active'"):
        kinds.setdefault(kind, set()).add(uid)
    luck = {uid: hashlib.blake2b(uid.encode(), digest_size=8).digest() for ids in kinds.values() for uid in ids}
    return {uid for ids in kinds.values() for uid in sorted(ids, key=luck.__getitem__)[: wanted.each]}


class _General(msgspec.Struct, frozen=True):
    text: str
    licence: str = ""


def general(wanted: Wanted, items: Items | None, tally: Tally) -> Iterator[Document]:
    """General text, in the file's order, up to its share. Raises InputError that names a bad line."""
    if wanted.replay is None:
        return
    room = tally.characters[SIDES[0]] * wanted.share / (1 - wanted.share)
    for place, raw in lines(wanted.replay):
        try:
            one = msgspec.json.decode(raw, type=_General)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise InputError(f"no general text: {exc}", where=place, remedy='a line holds {"text": "…"}') from exc
        if items and items.touched(one.text)[0]:
            tally.replay["benchmark"] += 1
        elif any(mark in one.text for mark in MARKS) or len(one.text) < SHORTEST:
            tally.replay["marks of a chat template, or too short"] += 1
        elif len(one.text) <= room:
            room -= len(one.text)
            tally.replay["used"] += 1
            yield Document(one.text, f"replay:{place.rpartition(':')[2]}", one.licence)
        else:
            tally.replay["beyond its share"] += 1


def write(store: Knowledge, wanted: Wanted, items: Items | None, out: Path, step: Step = lambda _: None) -> Tally:
    """`train.jsonl`, `dev.jsonl`, the manifest last. Raises InputError where the store holds no texts, OutputError."""
    tally = Tally()
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / manifest.FILE_NAME).unlink(missing_ok=True)  # until it is whole again
        with (out / "train.jsonl").open("wb") as train, (out / "dev.jsonl").open("wb") as dev:
            files = dict(zip(SIDES, (train, dev), strict=True))
            for side, one in documents(store, wanted, items, tally):
                files[side].write(orjson.dumps(msgspec.to_builtins(one)) + b"\n")
                step(one.id)
            for one in general(wanted, items, tally):
                train.write(orjson.dumps(msgspec.to_builtins(one)) + b"\n")
    except OSError as exc:
        raise manifest.output_error(out, exc) from exc
    if not tally.documents[SIDES[0]]:
        remedy = "`vedette knowledge import` the publishers' files, and give that --store"
        raise InputError("no document could be made: the store holds no texts", where=str(store.path), remedy=remedy)
    manifest.write(
        out / manifest.FILE_NAME,
        inputs={"replay": wanted.replay} if wanted.replay else {},
        outputs=[f"{side}.jsonl" for side in SIDES],
        versions={f"knowledge/{unit.name}": unit.content for unit in store.units},
        seed=wanted.seed,
        counts={**counts(tally), "held against benchmarks": int(items is not None)},
    )
    return tally


def counts(tally: Tally) -> dict[str, int]:
    found = {"ids": tally.read}
    for name, counter in (
        ("documents", tally.documents), ("characters", tally.characters), ("left out", tally.left),
        ("parts left out", tally.parts), ("replay", tally.replay),
    ):  # fmt: skip
        found |= {f"{name}: {what}": count for what, count in sorted(counter.items())}
    return found
