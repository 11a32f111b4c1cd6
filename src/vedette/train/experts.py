"""Train the experts: one encoder, five heads, from labelled CVEs and annotated sentences.

`prepare` reads and decontaminates, `Run` learns and can be stopped at any step, `finish` exports, calibrates, measures
and writes the card and the manifest.
"""

from __future__ import annotations

import copy
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random

import orjson
import torch
from pydantic import Field
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor

from vedette.config import Settings
from vedette.errors import ArtefactError
from vedette.experts.labels import Domain
from vedette.knowledge.inputs import Input
from vedette.knowledge.readers import READERS, Tally
from vedette.overlap import Items
from vedette.train import experts_cves, experts_loss, experts_ngrams, experts_sentences
from vedette.train.encoder_texts import Builder, Guard
from vedette.train.experts_batches import Set, Tokens, cve_targets, mixed, sentence_targets
from vedette.train.experts_cves import Cve, Cves
from vedette.train.experts_model import Labels, Network, groups
from vedette.train.experts_sentences import Sentence, Sentences

CHECKPOINT, CURVES, STAGE = "checkpoint.safetensors", "curves.jsonl", "stage-1.safetensors"
EVERY = 100  # steps between lines of the curves
ASKED = 4  # the teacher is asked with one sentence batch of so many


class Inputs(Settings):
    """Paths below the data folder."""

    cves: str = Field(description="table of CVEs with labels by source")
    attack: dict[Domain, str] = Field(description="STIX bundles of ATT&CK")
    tram: str = Field(description="archive of TRAM's annotated reports")
    annoctr: str = Field(description="archive of AnnoCTR's annotated reports")
    knowledge: list[str] = Field(description="files with names and links, for the embedding")


class CveChoice(Settings):
    last: int = Field(description="year that the first stage ends with; later ones come in the second")
    passes: int = Field(gt=0, description="of the first stage; each draws its CVEs anew")
    later: int = Field(gt=0, description="passes of the second stage")
    older: float = Field(ge=0, le=1, description="share of the CVEs before 2019 that is learned from")
    rated: float = Field(ge=0, le=1, description="the same, of those of 2016 to 2018 with a vector")
    common: float = Field(gt=0, le=1, description="share of the CVEs with a very common weakness")
    replay: int = Field(ge=0, description="CVEs of the first stage that the second repeats, newest first")
    dev: int = Field(gt=1, description="one CVE of so many is held out")
    rarest: int = Field(gt=0, description="CVEs that a weakness must have to be an answer")
    limit: int = Field(default=0, ge=0, description="CVEs of a pass of the first stage at most; 0: all")


class SentenceChoice(Settings):
    epochs: int = Field(gt=0)
    rarest: int = Field(gt=0, description="sentences that a technique must have to be an answer")


class Pairs(Settings):
    steps: int = Field(ge=0)
    longest: int = Field(gt=0, le=512, description="tokens of a query or document")
    temperature: float = Field(gt=0)


class Weights(Settings):
    """What each loss counts."""

    weakness: float
    severity: float
    ssvc: float
    techniques: float
    pairs: float
    near: float


class Recipe(Settings):
    seed: int
    threads: int = Field(gt=0)
    longest: int = Field(gt=0, le=512, description="tokens of a text in training")
    batch: int = Field(gt=0)
    rate: float = Field(gt=0, description="learning rate of the top layer")
    head: float = Field(gt=0, description="times the rate, for the heads")
    decay: float = Field(gt=0, le=1, description="times the rate, for each layer further down")
    warmup: float = Field(ge=0, lt=1, description="share of the steps")
    smoothing: float = Field(ge=0, lt=1)
    average: float = Field(ge=0, lt=1, description="of the weights over the steps")
    inputs: Inputs
    cves: CveChoice
    sentences: SentenceChoice
    pairs: Pairs
    weights: Weights
    ngrams: experts_ngrams.Choice


@dataclass(frozen=True, slots=True)
class Places:
    """Where training finds things."""

    data: Path
    benchmarks: Path
    base: Path


@dataclass(frozen=True, slots=True)
class Pair:
    query: int
    document: int
    name: str  # the document's id


@dataclass(slots=True)
class Material:
    """Everything to learn from, as tokens."""

    labels: Labels
    annotated: frozenset[str]  # techniques that TRAM looked for
    cves: Cves
    sentences: Sentences
    shown: Set[Cve]
    stages: tuple[list[list[int]], list[list[int]]]  # the passes of each, as places in `shown`
    told: Set[Sentence]
    pairs: list[Pair]
    pair_texts: Tokens
    counts: Counter[str]


def tokenizer_of(base: Path) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def prepare(recipe: Recipe, places: Places) -> Material:
    items, guard = Items.of(places.benchmarks), Guard(places.benchmarks)
    chosen = recipe.cves
    cves = experts_cves.collect(places.data / recipe.inputs.cves, items, last=chosen.last, dev=chosen.dev)
    attack = {domain: places.data / name for domain, name in recipe.inputs.attack.items()}
    tram, annoctr = places.data / recipe.inputs.tram, places.data / recipe.inputs.annoctr
    sentences = experts_sentences.collect(attack, tram, annoctr, guard)
    rng = Random(recipe.seed)
    passes = [_drawn(chosen, cves.train, rng) for _ in range(chosen.passes)]
    later_ones = experts_cves.chosen(cves.later, rng, **_shares(chosen))
    first = list({cve.id: cve for drawn in passes for cve in drawn}.values())
    replay = sorted(range(len(first)), key=lambda i: -first[i].year)[: chosen.replay]
    place = {cve.id: i for i, cve in enumerate(first)}
    later = [*range(len(first), len(first) + len(later_ones)), *replay]
    labels = _labels(recipe, [*first, *later_ones], sentences)
    tokenizer = tokenizer_of(places.base)
    pairs, texts = _pairs(recipe, places, guard, {s.text for s in (*sentences.dev, *sentences.test)})
    counts = cves.counts + sentences.counts
    counts.update({
        "trained: CVEs": len(first), "trained: CVEs of later years": len(later_ones),
        "trained: CVEs shown, all passes": sum(map(len, passes)) + chosen.later * len(later),
        "trained: sentences": len(sentences.train),
        "trained: pairs": len(pairs), "held out: CVEs": len(cves.dev), "benchmark items": items.count,
        "held out: sentences": len(sentences.dev) + len(sentences.test),
    })  # fmt: skip
    return Material(
        labels, frozenset(t for s in sentences.train if s.source == "tram" for t in s.techniques), cves, sentences,
        Set.of([*first, *later_ones], lambda cve: cve.text, tokenizer, recipe.longest),
        ([[place[cve.id] for cve in drawn] for drawn in passes], [later] * chosen.later),
        Set.of(sentences.train, lambda s: s.text, tokenizer, recipe.longest),
        pairs, Tokens.of(tokenizer, texts, recipe.pairs.longest), counts,
    )  # fmt: skip


def _shares(choice: CveChoice) -> dict[str, float]:
    return {"older": choice.older, "rated": choice.rated, "common": choice.common}


def _drawn(choice: CveChoice, cves: Sequence[Cve], rng: Random) -> list[Cve]:
    """The CVEs of one pass."""
    found = experts_cves.chosen(cves, rng, **_shares(choice))
    return rng.sample(found, min(choice.limit, len(found))) if choice.limit else found


def _labels(recipe: Recipe, cves: Sequence[Cve], sentences: Sentences) -> Labels:
    weaknesses = Counter(w for cve in cves for w in {w for share in cve.weaknesses.values() for w in share})
    told = Counter(t for s in sentences.train for t in s.techniques)
    for technique, count in list(told.items()):
        told[technique.partition(".")[0]] += count if "." in technique else 0
    techniques = sorted(t for t, n in told.items() if n >= recipe.sentences.rarest and t in sentences.known)
    return Labels(
        tuple(sorted((w for w, n in weaknesses.items() if n >= recipe.cves.rarest), key=lambda w: int(w[4:]))),
        tuple(techniques),
        tuple(sentences.known[t] for t in techniques),
    )


def _pairs(recipe: Recipe, places: Places, guard: Guard, held: set[str]) -> tuple[list[Pair], list[str]]:
    """Queries and documents, made from names and links; none whose words measure something."""
    if not recipe.pairs.steps:
        return [], []
    builder = Builder(guard, Random(recipe.seed), 1)
    for name in recipe.inputs.knowledge:
        source = Input(places.data / name)
        reader = next(reader for reader in map(READERS.load, READERS) if reader.claims(source))
        for record in reader.read(source, Tally()):
            builder.add(record)
    corpus = builder.finish()
    numbers: dict[str, int] = {}
    found = []
    for pair in sorted(corpus.pairs, key=lambda p: (p.kind, p.document, p.query)):
        if pair.document in corpus.documents and pair.query not in held:
            query = numbers.setdefault(pair.query, len(numbers))
            document = numbers.setdefault(corpus.documents[pair.document][0], len(numbers))
            found.append(Pair(query, document, pair.document))
    return found, list(numbers)


@dataclass(frozen=True, slots=True)
class Step:
    kind: str  # cves, sentences, pairs
    places: list[int]
    stage: int


def schedule(recipe: Recipe, material: Material) -> list[Step]:
    """All steps in their order; the same for the same recipe and data."""
    rng = Random(recipe.seed + 1)
    size, steps = recipe.batch, []
    sizes = [sum(map(len, passes)) for passes in material.stages]
    all_sentences = list(range(len(material.told.things)))
    sentences = [
        b for _ in range(recipe.sentences.epochs) for b in material.told.batches(all_sentences, size, rng)
    ]  # fmt: skip
    pairs = list(range(len(material.pairs)))
    rng.shuffle(pairs)
    both = [[pairs[(at * size + i) % len(pairs)] for i in range(size)] for at in range(recipe.pairs.steps)]
    share = sizes[0] / max(1, sum(sizes))
    for stage, passes in enumerate(material.stages):
        parts = [
            ("cves", [batch for chosen in passes for batch in material.shown.batches(chosen, size, rng)]),
            ("sentences", _part(sentences, share, stage)),
            ("pairs", _part(both, share, stage)),
        ]
        order = mixed([batches for _, batches in parts], rng)
        steps += [Step(parts[which][0], batch, stage) for which, batch in order]
    return steps


def _part(batches: list[list[int]], share: float, stage: int) -> list[list[int]]:
    cut = round(len(batches) * share)
    return batches[:cut] if stage == 0 else batches[cut:]


class Run:
    """One training. What it knows lies in its folder; started again, it goes on where it was."""

    def __init__(self, recipe: Recipe, material: Material, base: Path, folder: Path) -> None:
        torch.set_num_threads(recipe.threads)
        torch.manual_seed(recipe.seed)
        self.recipe, self.material, self.folder = recipe, material, folder
        self.steps = schedule(recipe, material)
        self.network = Network(base, material.labels)
        self.teacher = copy.deepcopy(self.network.trunk).eval().requires_grad_(False)
        self._groups = groups(self.network, recipe.rate, recipe.head, recipe.decay)
        self.optimizer = torch.optim.AdamW(self._groups, weight_decay=0.01, fused=True)
        self.average = {name: p.detach().clone() for name, p in self.network.named_parameters() if p.requires_grad}
        self.at = 0
        self._losses: dict[str, float] = {}
        self._seen: Counter[str] = Counter()
        folder.mkdir(parents=True, exist_ok=True)

    def learn(self, *, save: int = 250, dev: Callable[[Network], dict[str, float]] | None = None) -> None:
        """To the end. `dev` measures the averaged network with every checkpoint."""
        self._resume()
        begun = time.monotonic()
        for at in range(self.at, len(self.steps)):
            self._step(at, self.steps[at])
            self.at = at + 1
            if self.at % EVERY == 0 or self.at == len(self.steps):
                self._line(time.monotonic() - begun)
            last = self.at == len(self.steps)
            if not last and self.steps[self.at].stage != self.steps[at].stage:
                save_file(self._averaged(), self.folder / STAGE)
            if self.at % save == 0 or last:
                self._save()
                if dev and (self.at % (4 * save) == 0 or last):
                    self._write({"step": self.at, **{f"dev {k}": v for k, v in dev(self.averaged()).items()}})

    def steps_done(self) -> int:
        """0 where there is no checkpoint. Raises ArtefactError where another recipe made it."""
        path = self.folder / CHECKPOINT
        if not path.exists():
            return 0
        with safe_open(path, "pt") as file:
            known = file.metadata()
        if known["recipe"] != self._mark():
            raise ArtefactError(
                "another recipe made this checkpoint", where=str(path), remedy="give another --work folder"
            )
        return int(known["step"])

    def _mark(self) -> str:
        """Of everything that decides what step follows step."""
        labels = (*self.material.labels.weaknesses, *self.material.labels.techniques)
        # the words are learned apart: they decide nothing here
        recipe = self.recipe.model_dump_json(exclude={"ngrams"})
        return sha256(f"{recipe} {len(self.steps)} {labels}".encode()).hexdigest()

    def _step(self, at: int, step: Step) -> None:
        torch.manual_seed(self.recipe.seed * 1_000_003 + at)
        rate = self._rate(at)
        for group in self.optimizer.param_groups:
            group["lr"] = group["top"] * rate
        self.network.train()
        losses = {"cves": self._cves, "sentences": self._sentences, "pairs": self._some_pairs}[step.kind](step.places)
        weights = self.recipe.weights
        total = torch.stack([getattr(weights, name) * loss for name, loss in losses.items()]).sum()
        if not torch.isfinite(total):
            raise ArtefactError(f"the loss of step {at} is {total.item()}", remedy="lower `rate` in the recipe")
        self.optimizer.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_([p for p in self.network.parameters() if p.requires_grad], 1.0)
        self.optimizer.step()
        self._average(at)
        for name, loss in losses.items():
            self._losses[name] = self._losses.get(name, 0.0) + loss.item()
            self._seen[name] += 1

    def _rate(self, at: int) -> float:
        """Of the top rate: up in a line, then down in a line to nothing."""
        warm = max(1, round(self.recipe.warmup * len(self.steps)))
        return (at + 1) / warm if at < warm else (len(self.steps) - at) / (len(self.steps) - warm)

    def _average(self, at: int) -> None:
        keep = min(self.recipe.average, (at + 1) / (at + 10))
        with torch.no_grad():
            for name, p in self.network.named_parameters():
                if p.requires_grad:
                    self.average[name].lerp_(p, 1 - keep)

    def _pooled(self, ids: Tensor, mask: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return self.network.pool(ids, mask).float()

    def _taught(self, ids: Tensor, mask: Tensor) -> Tensor:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            states = self.teacher(input_ids=ids, attention_mask=mask).last_hidden_state
            weights = mask[:, :, None]
            pooled = (states * weights).sum(1) / weights.sum(1)
        return torch.nn.functional.normalize(pooled.float(), dim=-1)

    def _cves(self, places: list[int]) -> dict[str, Tensor]:
        shown = self.material.shown
        targets = cve_targets([shown.things[i] for i in places], self.material.labels)
        return experts_loss.of_cves(
            self.network, self._pooled(*shown.tokens.padded(places)), targets, self.recipe.smoothing
        )

    def _sentences(self, places: list[int]) -> dict[str, Tensor]:
        told = self.material.told
        tokens = told.tokens.padded(places)
        pooled = self._pooled(*tokens)
        targets = sentence_targets([told.things[i] for i in places], self.material.labels, self.material.annotated)
        losses = {"techniques": experts_loss.of_sentences(self.network.techniques(pooled), *targets)}
        if places[0] % ASKED == 0:
            losses["near"] = experts_loss.near(self.network.embed(pooled), self._taught(*tokens))
        return losses

    def _some_pairs(self, places: list[int]) -> dict[str, Tensor]:
        pairs = [self.material.pairs[i] for i in places]
        texts = self.material.pair_texts
        queries, documents = texts.padded([p.query for p in pairs]), texts.padded([p.document for p in pairs])
        asked, found = (self.network.embed(self._pooled(*tokens)) for tokens in (queries, documents))
        same = torch.tensor([[a.name == b.name and a is not b for b in pairs] for a in pairs])
        return {
            "pairs": experts_loss.of_pairs(asked, found, same, self.recipe.pairs.temperature),
            "near": experts_loss.near(asked, self._taught(*queries)),
        }

    def averaged(self) -> Network:
        """A copy with the averaged weights, for measuring."""
        network: Network = copy.deepcopy(self.network)
        network.load_state_dict(self.average, strict=False)
        network.eval()
        return network

    def _averaged(self) -> dict[str, Tensor]:
        return {name: tensor.contiguous() for name, tensor in self.averaged().state_dict().items()}

    def _line(self, seconds: float) -> None:
        losses = {name: round(total / self._seen[name], 4) for name, total in self._losses.items()}
        self._write({"step": self.at, "of": len(self.steps), "seconds": round(seconds), **losses})
        self._losses.clear()
        self._seen.clear()

    def _write(self, line: dict[str, object]) -> None:
        with (self.folder / CURVES).open("ab") as file:
            file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def _save(self) -> None:
        tensors = {f"average.{name}": p for name, p in self.average.items()}
        for name, p in self.network.named_parameters():
            if p.requires_grad:
                tensors[f"network.{name}"] = p.detach()
                state = self.optimizer.state[p]
                tensors |= {f"{key}.{name}": state[key] for key in ("exp_avg", "exp_avg_sq", "step") if key in state}
        part = self.folder / f".{CHECKPOINT}.part"
        known = {"step": str(self.at), "recipe": self._mark()}
        save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, part, known)
        part.replace(self.folder / CHECKPOINT)

    def _resume(self) -> None:
        self.at = self.steps_done()
        if not self.at:
            return
        tensors = load_file(self.folder / CHECKPOINT)
        self.network.load_state_dict(_named(tensors, "network."), strict=False)
        self.average = _named(tensors, "average.")
        parts = {key: _named(tensors, f"{key}.") for key in ("exp_avg", "exp_avg_sq", "step")}
        for name, p in self.network.named_parameters():
            if name in parts["step"]:
                self.optimizer.state[p] = {key: part[name] for key, part in parts.items()}


def _named(tensors: dict[str, Tensor], start: str) -> dict[str, Tensor]:
    return {name[len(start) :]: tensor for name, tensor in tensors.items() if name.startswith(start)}


def batched(places: Sequence[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(places), size):
        yield list(places[start : start + size])
