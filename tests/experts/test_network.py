"""Windows over long texts, and texts on several threads."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from vedette.errors import ArtefactError
from vedette.experts import Experts
from vedette.experts.heads import Reading
from vedette.experts.network import AHEAD, OVERLAP, WINDOW, Network


@pytest.fixture
def network(experts: Experts) -> Iterator[Network]:
    yield experts.network
    experts.network.threads = 1


@pytest.mark.parametrize("words", [1, 253, 254, 255, 476, 477, 1000])
def test_windows_hold_every_token_and_overlap(network: Network, words: int) -> None:
    text = " ".join("abcdefghij"[n % 10] for n in range(words))
    ids = network.tokenizer.encode(text).ids
    inner = ids[1:-1]
    windows = network.windows(ids)
    assert all(len(window) <= WINDOW for window in windows)
    joined = list(windows[0][1:-1])
    for window in windows[1:]:
        assert joined[-OVERLAP:] == window[1 : OVERLAP + 1]
        joined += window[OVERLAP + 1 : -1]
    assert joined == inner
    assert (len(windows) == 1) is (len(inner) <= WINDOW - 2)


def test_the_answer_is_the_mean_over_windows_by_their_tokens(experts: Experts, network: Network) -> None:
    text = "A heap overflow in the parser lets remote attackers run code. " * 40
    reading = network.read(text, experts.heads.rows)
    windows = network.windows(network.tokenizer.encode(text).ids)
    assert len(reading.pooled) == len(windows) > 1
    assert reading.shares == pytest.approx(np.array([len(w) for w in windows]) / sum(map(len, windows)))
    alone = [
        experts.heads.logits("ssvc", Reading(network.pool(w)[None], np.ones(1, np.float32), reading.places))
        for w in windows
    ]
    encoder, words = experts.heads.logits("ssvc", reading)
    assert encoder == pytest.approx(np.average([e for e, _ in alone], axis=0, weights=reading.shares), abs=1e-5)
    assert all((words == w).all() for _, w in alone)


def test_marks_in_a_text_are_plain_characters(network: Network) -> None:
    ids = network.tokenizer.encode("[SEP] [CLS] [MASK]").ids
    marks = {network.tokenizer.token_to_id(mark) for mark in ("[SEP]", "[CLS]", "[MASK]")}
    assert not marks & set(ids[1:-1])


@pytest.mark.parametrize("threads", [1, 3])
def test_answers_keep_their_order_whoever_is_done_first(network: Network, threads: int) -> None:
    network.threads = threads

    def slow(n: int) -> int:
        time.sleep(0.01 * (n % 3 == 0))
        return n * n

    assert list(network.each(slow, range(40))) == [n * n for n in range(40)]
    assert list(network.each(slow, [])) == []


@pytest.mark.parametrize("threads", [1, 3])
def test_things_are_taken_as_answers_are_asked_for(network: Network, threads: int) -> None:
    network.threads = threads
    taken: list[int] = []

    def things() -> Iterator[int]:
        for n in range(1000):
            taken.append(n)
            yield n

    answers = network.each(lambda n: n, things())
    assert next(answers) == 0
    answers.close()  # type: ignore[attr-defined]
    assert len(taken) <= AHEAD * threads


@pytest.mark.parametrize("threads", [1, 3])
def test_a_fault_comes_out_where_it_belongs(network: Network, threads: int) -> None:
    network.threads = threads

    def fault(n: int) -> int:
        if n == 5:
            raise ValueError("five")
        return n

    answers = network.each(fault, range(10))
    assert [next(answers) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="five"):
        next(answers)


def test_what_is_no_network_is_an_artefact_error(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=tmp_path.name):
        Network(tmp_path)
    (tmp_path / "experts.onnx").write_bytes(b"no network")
    with pytest.raises(ArtefactError, match="cannot be read"):
        Network(tmp_path)
