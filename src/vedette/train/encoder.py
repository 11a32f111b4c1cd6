"""Train the static encoder of knowledge search and write it with its manifest.

A teacher (all-MiniLM-L6-v2) gives each known word its first vector; the table is fitted to the teacher's vectors of
texts, then tuned so that queries made from the structure of the records find their documents.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import numpy as np
import orjson
import torch
import transformers
from numpy.typing import NDArray
from pydantic import Field

from vedette import manifest
from vedette.config import Settings
from vedette.errors import ArtefactError, InputError
from vedette.knowledge.encoder import LONGEST, SCALES, VECTORS, WORDS, Encoder, StaticEncoder, find_words
from vedette.knowledge.inputs import Input
from vedette.knowledge.readers import READERS, Tally
from vedette.knowledge.record import Record
from vedette.overlap import Index
from vedette.train.decontaminate import Report, check
from vedette.train.encoder_fit import Anchors, Bags, Lesson, Student, distil, project, teach, tune
from vedette.train.encoder_measure import measure
from vedette.train.encoder_texts import Builder, Corpus, Guard, Pair

TEACHER_FILES = ("config.json", "model.safetensors", "vocab.txt")
CANDIDATES = 4_000  # documents of one kind that near ones are sought among
_ENGLISH = re.compile(r"[a-z][a-z0-9]+|[a-z0-9]")


class Table(Settings):
    words: int = Field(gt=0, description="known words")
    buckets: int = Field(ge=0, description="of n-grams of unknown words")
    dims: int = Field(gt=0, le=384)


class Distil(Settings):
    texts: int = Field(gt=0, description="that the teacher reads; the documents always")
    unknown: float = Field(ge=0, lt=1, description="share of words read as unknown, so that buckets learn")
    epochs: int = Field(gt=0)
    rate: float = Field(gt=0)


class Tune(Settings):
    steps: int = Field(gt=0, description="batches of 512 pairs")
    rate: float = Field(gt=0)
    anchor: float = Field(ge=0, description="weight of staying near the teacher")


class Recipe(Settings):
    seed: int
    threads: int = Field(gt=0)
    inputs: list[str] = Field(description="files below the data folder that a reader claims")
    tram: str = Field(description="archive of TRAM's annotated sentences")
    annoctr: str = Field(description="archive of AnnoCTR's annotated reports")
    cves: int = Field(gt=0, description="descriptions that are learned from")
    table: Table
    distil: Distil
    tune: Tune


@dataclass(frozen=True, slots=True)
class Places:
    """Where training finds things."""

    data: Path
    benchmarks: Path
    teacher: Path


def train(recipe: Recipe, places: Places, out: Path) -> list[str]:
    """Write words, vectors and scales, and last the manifest. The same machine gives the same weights each time.

    Returns the figures of held-out queries, a line each.
    """
    torch.set_num_threads(recipe.threads)
    torch.use_deterministic_algorithms(True)
    corpus = collect(recipe, places)
    report = touched(corpus, places.benchmarks)
    encoder = learn(recipe, corpus, places.teacher).encoder()
    out.mkdir(parents=True, exist_ok=True)
    write(encoder, out)
    counts = {
        "documents": len(corpus.documents), "pairs": len(corpus.pairs), "cves": len(corpus.cves),
        "held_out_pairs": len(corpus.held_out), "held_out_ate_software": corpus.software,
        **{f"dropped: {why}": n for why, n in sorted(corpus.dropped.items())}, **report.counts(),
    }  # fmt: skip
    inputs = {name: places.data / name for name in (*recipe.inputs, recipe.tram, recipe.annoctr)}
    inputs |= {f"teacher/{name}": places.teacher / name for name in TEACHER_FILES}
    manifest.write(
        out / manifest.FILE_NAME, inputs=inputs, outputs=[WORDS, VECTORS, SCALES], counts=counts, seed=recipe.seed,
        versions={name.__name__: name.__version__ for name in (np, torch, transformers)},
    )  # fmt: skip
    found = measure(corpus, {"static": encoder.encode, "teacher": partial(teach, places.teacher)}, recipe.seed)
    return [f"{name} | {way} | {figures}" for name, ways in found.items() for way, figures in ways.items()]


def collect(recipe: Recipe, places: Places) -> Corpus:
    """Everything to learn from, and the pairs held out."""
    guard = Guard(places.benchmarks)
    builder = Builder(guard, Random(recipe.seed), recipe.cves)
    for name in recipe.inputs:
        for record in _records(places.data / name):
            builder.add(record)
    for text, technique, report in (*_tram(places.data / recipe.tram), *_annoctr(places.data / recipe.annoctr)):
        builder.sentence(text, technique, report)
    return builder.finish()


def _records(path: Path) -> Iterator[Record]:
    source = Input(path)
    for name in READERS:
        reader = READERS.load(name)
        if reader.claims(source):
            yield from reader.read(source, Tally())
            return
    raise InputError("no reader knows this file", where=str(path), remedy="correct `inputs` in the recipe")


Sentence = tuple[str, str, str]  # text, technique, report


def _tram(path: Path) -> Iterator[Sentence]:
    for name, content in Input(path).members("/single_label.json"):
        if name.startswith("data/tram2-data/"):
            for item in orjson.loads(content):
                yield item["text"], item["label"], item["doc_title"]


def _annoctr(path: Path) -> Iterator[Sentence]:
    for name, content in Input(path).members(".json"):
        if "_w_" in name:  # the same with context or negatives
            continue
        for line in content.splitlines():
            item = orjson.loads(line)
            _, found, technique = item["label_link"].partition("/techniques/")
            if found and item["entity_type"] == "TECHNIQUE":
                text = " ".join((item["context_left"], item["mention"], item["context_right"]))
                yield text, technique.strip("/").replace("/", "."), item["document"]


def touched(corpus: Corpus, benchmarks: Path) -> Report:
    """Raises ArtefactError where what is learned from touches a benchmark item."""
    texts = corpus.texts()
    report = check(Index(texts, corpus.cves), benchmarks)
    if report.touched:
        raise ArtefactError(
            f"training touches {len(report.touched)} benchmark items, first {report.touched[0]}",
            remedy="take those texts out of the training data",
        )
    return report


def learn(recipe: Recipe, corpus: Corpus, teacher: Path) -> Student:
    """Teacher's word vectors, then fitted to its text vectors, then tuned on pairs."""
    table, distilled = recipe.table, recipe.distil
    words, counts = vocabulary(corpus.texts(), english(teacher), table.words)
    texts = chosen_texts(corpus, Random(recipe.seed), distilled.texts)
    seen = teach(teacher, texts)
    onto = project(seen, table.dims)
    target = _unit(seen @ onto)
    student = Student(words, counts, _unit(teach(teacher, words, 128) @ onto), table.buckets, recipe.seed)
    bags = student.bags(texts, distilled.unknown)
    distil(student, bags, target, distilled.epochs, distilled.rate)
    anchors = Anchors(bags, target, recipe.tune.anchor)
    tune(student, lesson(student, corpus), anchors, recipe.tune.steps, recipe.tune.rate)
    return student


def english(teacher: Path) -> list[str]:
    """The teacher's whole words in Latin letters."""
    pieces = (teacher / "vocab.txt").read_text(encoding="utf-8").split("\n")
    return [piece for piece in pieces if _ENGLISH.fullmatch(piece)]


def vocabulary(texts: Sequence[str], english: Sequence[str], size: int) -> tuple[list[str], list[int]]:
    """`english` and the most frequent words of the texts, sorted, with how often the texts hold each."""
    counts = Counter(word for text in texts for word in find_words(text.lower()))
    words = set(english)
    for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if len(words) >= size or count < 3:
            break
        if len(word) <= LONGEST:
            words.add(word)
    return sorted(words), [counts[word] for word in sorted(words)]


def chosen_texts(corpus: Corpus, rng: Random, count: int) -> list[str]:
    """For the teacher: as many documents as queries as CVEs, as far as there are."""
    documents = [texts[0] for _, texts in sorted(corpus.documents.items())]
    queries = sorted({pair.query for pair in corpus.pairs})
    cves = [text for _, text in sorted(corpus.cves.items())]
    found: list[str] = []
    for texts in (documents, queries, cves):
        rng.shuffle(texts)
        found += texts[: count // 3]
    return list(dict.fromkeys(found))


def lesson(student: Student, corpus: Corpus) -> Lesson:
    """All pairs, and each document found by itself (its words are dropped at random)."""
    texts = {**corpus.documents, **{cve: [text] for cve, text in corpus.cves.items()}}
    ids = sorted(texts)
    place = {name: i for i, name in enumerate(ids)}
    rows = [[np.array(student.reader.rows(text), np.int32) for text in texts[name]] for name in ids]
    variants = [[found for found in several if len(found)] for several in rows]
    pairs = corpus.pairs + [Pair(texts[name][0], name, "itself") for name in ids]
    queries = student.bags([pair.query for pair in pairs], 0.03)
    kinds = {kind: i for i, kind in enumerate(sorted({pair.kind for pair in pairs}))}
    good = [i for i, p in enumerate(pairs) if len(queries[i]) and variants[place[p.document]]]
    return Lesson(
        queries=Bags.of([queries[i] for i in good]),
        documents=np.array([place[pairs[i].document] for i in good]),
        kinds=np.array([kinds[pairs[i].kind] for i in good]),
        variants=variants,
        near=near(student.encoder(), [texts[name][0] for name in ids], [corpus.kinds.get(name, "") for name in ids]),
    )


def near(encoder: Encoder, texts: Sequence[str], kinds: Sequence[str], count: int = 16) -> NDArray[np.int64]:
    """(texts, count): the texts of the same kind that lie nearest, not the text itself."""
    vectors, of_kind = encoder.encode(texts), np.array(kinds)
    out = np.zeros((len(texts), count), dtype=np.int64)
    for kind in sorted(set(kinds)):
        places = np.flatnonzero(of_kind == kind)
        among = places[:: -(-len(places) // CANDIDATES)]
        best = min(count, len(among))
        for start in range(0, len(places), 1000):
            some = places[start : start + 1000]
            scores = vectors[some] @ vectors[among].T
            scores[some[:, None] == among[None, :]] = -2
            found = among[np.argpartition(-scores, best - 1, axis=1)[:, :best]]
            out[some] = np.tile(found, (1, -(-count // best)))[:, :count]
    return out


def write(encoder: StaticEncoder, out: Path) -> None:
    manifest.atomic_write(out / WORDS, "".join(f"{word}\n" for word in encoder.words))
    for name, array in ((VECTORS, encoder.vectors), (SCALES, encoder.scales)):
        content = io.BytesIO()
        np.save(content, array, allow_pickle=False)
        manifest.atomic_write(out / name, content.getvalue())


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), dtype=np.float32)
