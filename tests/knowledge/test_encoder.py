"""The encoder of search: same text same vector, like texts near each other, broken weights refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import ArtefactError, ConfigError
from vedette.knowledge.encoder import ENCODERS, VECTORS, WEIGHTS, WORDS, StaticEncoder, buckets, load


@pytest.fixture(scope="module")
def encoder() -> StaticEncoder:
    return load()


@pytest.fixture
def small() -> StaticEncoder:
    """Three words in three directions and four buckets in a fourth."""
    rows = np.zeros((7, 4), dtype=np.int8)
    rows[0, 0] = rows[1, 1] = rows[2, 2] = 100
    rows[3:, 3] = 100
    return StaticEncoder(["dump", "lsass", "memory"], rows, np.array([1, 2, 1, 0.1, 0.1, 0.1, 0.1], dtype=np.float32))


def test_a_text_is_the_sum_of_its_words(small: StaticEncoder) -> None:
    (row,) = small.encode(["Dump LSASS"])
    assert row == pytest.approx(np.array([1, 2, 0, 0]) / 5**0.5, abs=1e-6)


def test_order_case_and_marks_say_nothing(small: StaticEncoder) -> None:
    a, b = small.encode(["dump lsass memory", "MEMORY: 'lsass', (Dump)!"])
    assert a == pytest.approx(b, abs=1e-6)


def test_unknown_words_have_a_direction_and_unknown_numbers_have_none(small: StaticEncoder) -> None:
    word, number = small.encode(["mimikatz", "4688"])
    assert word == pytest.approx([0, 0, 0, 1])
    assert not number.any()


def test_a_text_without_words_is_zero_and_moves_no_other(small: StaticEncoder) -> None:
    vectors = small.encode(["", "dump", " --- ", "lsass", "\n"])
    assert vectors.any(axis=1).tolist() == [False, True, False, True, False]
    assert vectors[3] == pytest.approx(small.encode(["lsass"])[0])
    assert small.encode([]).shape == (0, 4)
    assert small.encode(["", ""]).shape == (2, 4)


def test_texts_in_one_batch_are_as_alone(encoder: StaticEncoder) -> None:
    texts = [f"buffer overflow number {i} in the parser of vendor{i}" for i in range(150)] + ["", "x" * 500]
    together = encoder.encode(texts)
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    assert together == pytest.approx(alone, abs=1e-6)


@given(st.lists(st.text(), max_size=5))
def test_any_text_gives_a_unit_or_a_zero_row(texts: list[str]) -> None:
    vectors = load_once().encode(texts)
    assert vectors.shape == (len(texts), load_once().dims)
    assert vectors.dtype == np.float32
    for length in np.linalg.norm(vectors, axis=1):
        assert length == pytest.approx(1, abs=1e-4) or length == 0


@given(st.text(min_size=1), st.integers(min_value=0, max_value=1000))
def test_buckets_are_in_range_and_the_same_each_time(word: str, count: int) -> None:
    found = buckets(word, count)
    assert found == buckets(word, count)
    assert all(0 <= bucket < count for bucket in found)


_loaded: list[StaticEncoder] = []


def load_once() -> StaticEncoder:
    if not _loaded:
        _loaded.append(load())
    return _loaded[0]


@pytest.mark.parametrize(
    ("question", "right", "wrong"),
    [
        ("dump credentials from lsass memory", "OS Credential Dumping: LSASS Memory", "Scheduled Task"),
        ("files encrypted and a ransom note left", "Data Encrypted for Impact", "Screen Capture"),
        ("user input reaches a database query unescaped", "SQL Injection", "Use of a hard-coded password"),
        ("mail with a weaponised attachment", "Phishing: Spearphishing Attachment", "Network Service Discovery"),
    ],
)
def test_a_question_lies_nearer_to_what_answers_it(
    encoder: StaticEncoder, question: str, right: str, wrong: str
) -> None:
    q, good, bad = encoder.encode([question, right, wrong])
    assert q @ good > q @ bad + 0.1


def test_the_shipped_words_are_sorted_and_in_lower_case(encoder: StaticEncoder) -> None:
    assert list(encoder.words) == sorted(set(encoder.words))
    assert all(word == word.lower() for word in encoder.words)
    assert {"lsass", "log4j", "overflow"} <= set(encoder.words)


def test_the_weights_name_themselves(encoder: StaticEncoder) -> None:
    assert len(encoder.sha256) == 64
    assert encoder.sha256 == ENCODERS.load("static")().sha256


def test_an_unknown_encoder_is_an_error() -> None:
    with pytest.raises(ConfigError, match="static"):
        ENCODERS.load("statik")


@pytest.mark.parametrize("name", [WORDS, VECTORS])
def test_changed_weights_are_refused(tmp_path: Path, name: str) -> None:
    folder = Path(copytree(WEIGHTS, tmp_path / "weights"))
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ArtefactError, match=name):
        load(folder)


def test_weights_without_a_manifest_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="no manifest"):
        load(tmp_path)


def test_importing_the_module_does_not_load_numpy() -> None:
    code = "import sys, vedette.knowledge.encoder; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
