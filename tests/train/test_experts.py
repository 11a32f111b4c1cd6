"""A small network learns what it is shown, goes on where it was stopped, and becomes a file that answers alike."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("onnx")

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from vedette.config import load_toml
from vedette.errors import ArtefactError
from vedette.experts.labels import CONVENTIONS, Convention, Domain
from vedette.experts.ngrams import places
from vedette.train import experts_loss
from vedette.train.experts import Material, Pair, Recipe, Run, schedule, tokenizer_of
from vedette.train.experts_batches import Set, Tokens, cve_targets, mixed, sentence_targets
from vedette.train.experts_cves import Cve, Cves
from vedette.train.experts_export import export, write_heads
from vedette.train.experts_measure import Reader
from vedette.train.experts_model import Labels, Network
from vedette.train.experts_ngrams import Ngrams, Shown, fit
from vedette.train.experts_sentences import Sentence, Sentences

pytestmark = pytest.mark.train

_WORDS = "script markup page query table database overflow buffer memory lsass dump schedule task the a in of"
WORDS = _WORDS.split()
LABELS = Labels(("CWE-79", "CWE-89", "CWE-787"), ("T1003", "T1003.001", "T1053"), (Domain.ENTERPRISE,) * 3)
TEXTS = {
    "CWE-79": "script in markup of a page",
    "CWE-89": "query of a database table",
    "CWE-787": "overflow of a buffer",
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(folder / "tokenizer.json"))
    config = transformers.BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def recipe(root: Path) -> Recipe:
    shipped = load_toml(root / "recipes/experts.toml", Recipe)
    quiet = shipped.weights.model_copy(update={"severity": 0.1, "techniques": 0.3})  # so few steps teach one thing well
    small = {"batch": 8, "threads": 1, "rate": 2e-3, "average": 0.9, "warmup": 0.1, "weights": quiet}
    return shipped.model_copy(update=small)


def _cve(number: int, weakness: str) -> Cve:
    said = {Convention.ANY: {weakness: 1.0}, Convention.NVD: {weakness: 1.0}}
    return Cve(
        f"CVE-2024-{number}", TEXTS[weakness], 2024, said, {Convention.NVD: (0, 0, 0, 0, 0, 0, 0, 0)}, (0, 1, -1)
    )


@pytest.fixture(scope="module")
def material(base: Path) -> Material:
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    cves = [_cve(i, list(TEXTS)[i % 3]) for i in range(240)]
    told = [
        Sentence("dump of lsass memory", frozenset(["T1003.001"]), "procedure", "S0001"),
        Sentence("schedule a task", frozenset(["T1053"]), "procedure", "S0001"),
        Sentence("the page of the table", frozenset(), "tram", "a report"),
    ] * 32
    return Material(
        LABELS, frozenset(["T1053"]), Cves(), Sentences(), Set.of(cves, lambda c: c.text, tokenizer, 32),
        ([list(range(160)), list(range(120))], [list(range(160, 240))] * 2),
        Set.of(told, lambda s: s.text, tokenizer, 32),
        [Pair(0, 1, "T1003"), Pair(2, 3, "T1053")],
        Tokens.of(tokenizer, ["dump", "lsass memory", "schedule", "task of a table"], 32), Counter(),
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(recipe: Recipe, material: Material, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run(recipe, material, base, tmp_path_factory.mktemp("run"))
    run.learn(save=20)
    return run


def test_each_pass_shows_its_cves_once_and_stages_follow_each_other(recipe: Recipe, material: Material) -> None:
    steps = schedule(recipe, material)
    assert steps == schedule(recipe, material)
    assert [step.stage for step in steps] == sorted(step.stage for step in steps)
    early = [i for step in steps if step.kind == "cves" and step.stage == 0 for i in step.places]
    assert sorted(early[:160]) == list(range(160))
    assert sorted(early[160:]) == list(range(120))
    late = sorted(i for step in steps if step.kind == "cves" and step.stage == 1 for i in step.places)
    assert late == sorted([*range(160, 240)] * 2)


def test_it_learns(run: Run, material: Material) -> None:
    network = run.averaged()
    ids, mask = material.shown.tokens.padded([0, 1, 2])
    with torch.no_grad():
        pooled = network.pool(ids, mask)
        assert network.weakness(pooled)[:, CONVENTIONS.index(Convention.ANY)].argmax(-1).tolist() == [0, 1, 2]
        told = network.techniques(network.pool(*material.told.tokens.padded([0, 1, 2])))
    assert told.argmax(-1).tolist()[1] == 2
    assert bool((told[0, :2] > told[0, 2]).all())


def test_stopped_and_started_again_it_is_the_same(
    recipe: Recipe, material: Material, base: Path, tmp_path: Path
) -> None:
    whole = Run(recipe, material, base, tmp_path / "whole")
    whole.learn(save=10)
    stopped = Run(recipe, material, base, tmp_path / "parts")
    stopped.steps = stopped.steps[:]
    with pytest.raises(KeyboardInterrupt):
        _interrupt(stopped, at=25)
    assert stopped.steps_done() == 20
    again = Run(recipe, material, base, tmp_path / "parts")
    again.learn(save=10)
    for name, tensor in whole.average.items():
        assert torch.equal(tensor, again.average[name]), name


def _interrupt(run: Run, at: int) -> None:
    step = run._step

    def until(number: int, what: object) -> None:
        if number == at:
            raise KeyboardInterrupt
        step(number, what)  # type: ignore[arg-type]

    run._step = until  # type: ignore[assignment,method-assign]
    run.learn(save=10)


def test_another_recipe_does_not_go_on(run: Run, recipe: Recipe, material: Material, base: Path) -> None:
    other = Run(recipe.model_copy(update={"rate": 1e-3}), material, base, run.folder)
    with pytest.raises(ArtefactError, match="another recipe"):
        other.learn()


@pytest.fixture(scope="module")
def ngrams(recipe: Recipe, material: Material, base: Path) -> Ngrams:
    choice = recipe.ngrams.model_copy(update={"rows": 512, "dims": 8, "batch": 8, "epochs": 4})
    shown = Shown.of(material.shown.things, material.told.things, material.annotated, tokenizer_of(base), choice.rows)
    return fit(choice, shown, LABELS, 1)


def _served(network: Network, ngrams: Ngrams, base: Path, folder: Path, *, quantise: bool) -> Reader:
    (folder / "tokenizer.json").write_bytes((base / "tokenizer.json").read_bytes())
    export(network, folder / "experts.onnx", quantise=quantise)
    write_heads(network, ngrams, folder / "heads.npz")
    return Reader(folder)


def test_the_files_answer_like_the_networks(
    run: Run, ngrams: Ngrams, base: Path, material: Material, tmp_path: Path
) -> None:
    network = run.averaged()
    texts = list(TEXTS.values())
    small = _served(network, ngrams, base, tmp_path, quantise=True)
    assert small.all(texts, ("weakness",))["weakness"][0][:, 0].argmax(1).tolist() == [0, 1, 2]
    reader = _served(network, ngrams, base, tmp_path, quantise=False)
    found = reader.all(texts, ("weakness", "severity", "ssvc", "techniques"))
    with torch.no_grad():
        pooled = network.pool(*material.shown.tokens.padded([0, 1, 2]))
        summed = ngrams.pool([places(tokenizer_of(base).encode(text).ids[1:-1], ngrams.rows) for text in texts])
        for name in ("weakness", "severity", "ssvc"):
            encoder, words = found[name]
            assert encoder == pytest.approx(getattr(network, name)(pooled).numpy(), abs=0.3)
            assert words == pytest.approx(getattr(ngrams, name)(summed).numpy(), abs=0.1)
        assert found["techniques"][1][:, 0] == pytest.approx(ngrams.techniques(summed).numpy(), abs=0.1)
    assert found["weakness"][0][:, 0].argmax(1).tolist() == [0, 1, 2]
    assert float(np.linalg.norm(reader.heads.embed(reader.read(texts[0])))) == pytest.approx(1, abs=1e-3)


def test_the_words_learn_too_and_are_the_same_again(
    ngrams: Ngrams, recipe: Recipe, material: Material, base: Path
) -> None:
    known = [places(tokenizer_of(base).encode(text).ids[1:-1], ngrams.rows) for text in TEXTS.values()]
    with torch.no_grad():
        summed = ngrams.pool(known)
        column = CONVENTIONS.index(Convention.NVD)
        assert ngrams.weakness(summed)[:, column].argmax(-1).tolist() == [0, 1, 2]
        assert ngrams.severity(summed)[0, column, :4].argmax() == 0
        told = ngrams.techniques(ngrams.pool([places(tokenizer_of(base).encode("lsass memory").ids[1:-1], 512)]))
        assert int(told.argmax()) in (0, 1)
    choice = recipe.ngrams.model_copy(update={"rows": 512, "dims": 8, "batch": 8, "epochs": 1})
    shown = Shown.of(material.shown.things, material.told.things, material.annotated, tokenizer_of(base), 512)
    first, second = (fit(choice, shown, LABELS, 3).arrays() for _ in range(2))
    assert all((first[name] == second[name]).all() for name in first)


def test_another_family_of_encoders_trains_and_serves(
    recipe: Recipe, material: Material, base: Path, ngrams: Ngrams, tmp_path: Path
) -> None:
    config = transformers.ModernBertConfig(
        vocab_size=5 + len(WORDS), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64, pad_token_id=0, bos_token_id=2, cls_token_id=2, eos_token_id=3, sep_token_id=3,
        reference_compile=False,
    )  # fmt: skip
    other = tmp_path / "other"
    torch.manual_seed(0)
    transformers.ModernBertModel(config).save_pretrained(other)
    (other / "tokenizer.json").write_bytes((base / "tokenizer.json").read_bytes())
    run = Run(recipe, material, other, tmp_path / "work")
    run.steps = run.steps[:30]
    run.learn()
    network = run.averaged()
    (tmp_path / "out").mkdir()
    reader = _served(network, ngrams, other, tmp_path / "out", quantise=False)
    with torch.no_grad():
        pooled = network.pool(*material.shown.tokens.padded([0, 1, 2]))
        answers = network.weakness(pooled).numpy()
    encoder, _ = reader.all(list(TEXTS.values()), ("weakness",))["weakness"]
    assert encoder == pytest.approx(answers, abs=0.3)


def test_targets_count_only_what_somebody_said() -> None:
    silent = Cve("CVE-2024-1", "text", 2024, {Convention.CNA: {"CWE-1": 1.0}}, {}, (-1, -1, -1))
    targets = cve_targets([_cve(0, "CWE-79"), silent], LABELS)
    assert float(targets.weakness[1].sum()) == 0
    assert int((targets.metrics[0][0] >= 0).sum()) == 1
    logits = torch.zeros(2, len(CONVENTIONS), 3)
    assert float(experts_loss.shares(logits, targets.weakness, 0.0)) == pytest.approx(float(np.log(3)))


def test_a_report_that_was_searched_for_some_techniques_says_nothing_of_others() -> None:
    sentence = Sentence("x", frozenset(["T1003.001"]), "tram", "a report")
    target, weight = sentence_targets([sentence], LABELS, frozenset(["T1053"]))
    assert target.tolist() == [[1, 1, 0]]
    assert weight.tolist() == [[1, 1, 1]]
    target, weight = sentence_targets([Sentence("x", frozenset(), "tram", "r")], LABELS, frozenset(["T1053"]))
    assert weight.tolist() == [[0, 0, 1]]


def test_a_sentence_on_phones_says_nothing_of_computers() -> None:
    labels = Labels((), ("T1003", "T1429"), (Domain.ENTERPRISE, Domain.MOBILE))
    sentences = [
        Sentence("x", frozenset(["T1429"]), "procedure", "S0001", Domain.MOBILE),
        Sentence("x", frozenset(["T1003"]), "procedure", "S0002", Domain.ENTERPRISE),
        Sentence("x", frozenset(), "prose", "", None),
    ]
    target, weight = sentence_targets(sentences, labels, frozenset())
    assert target.tolist() == [[0, 1], [1, 0], [0, 0]]
    assert weight.tolist() == [[0, 1], [1, 0], [1, 1]]


def test_streams_are_mixed_evenly() -> None:
    from random import Random

    order = [which for which, _ in mixed([[[i] for i in range(90)], [[i] for i in range(30)]], Random(1))]
    assert order.count(1) == 30
    assert all(4 <= order[at : at + 40].count(1) <= 16 for at in (0, 40, 80))
