"""The experts as the knowledge store's encoder."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from vedette.experts.encoder import DIMS, NAMED
from vedette.knowledge.encoder import ENCODERS, EXPERT, Expert
from vedette.knowledge.spool import expert


@pytest.fixture(scope="module")
def experts() -> Expert:
    return expert()


def test_it_is_found_by_its_name_and_loads_nothing_before() -> None:
    assert EXPERT in ENCODERS
    code = "import sys, vedette.experts.encoder, vedette.knowledge.encoder; sys.exit('onnxruntime' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_vectors_are_of_unit_length_and_do_not_depend_on_the_batch(experts: Expert) -> None:
    texts = ["Dump credentials from memory", "", "\ud800", "漢字", "x" * 5000, "A shell runs what it is given"]
    together = experts.encode(texts)
    assert together.shape == (len(texts), DIMS) == (len(texts), experts.dims)
    assert together.dtype == np.float32
    lengths = np.linalg.norm(together, axis=1)
    assert all(length == pytest.approx(1, abs=1e-4) or length == 0 for length in lengths)
    assert lengths[0] > 0
    assert not together[1].any()
    for text, row in zip(texts, together, strict=True):
        assert (experts.encode([text])[0] == row).all()
    assert experts.encode([]).shape == (0, DIMS)


def test_a_question_lies_nearer_to_what_answers_it(experts: Expert) -> None:
    question, right, wrong = experts.encode(
        ["passwords read out of the memory of lsass", "OS Credential Dumping: LSASS Memory", "Scheduled Task"]
    )
    assert float((question * right).sum()) > float((question * wrong).sum()) + 0.1


def test_it_names_techniques_and_weaknesses(experts: Expert) -> None:
    techniques, _ = experts.named("The malware dumps credentials from the memory of lsass")
    _, weaknesses = experts.named("SQL injection in the login form lets an attacker read the database")
    assert "T1003.001" in [uid for uid, _ in techniques]
    assert weaknesses[0][0] == "CWE-89"
    for part in (techniques, weaknesses):
        assert [p for _, p in part] == sorted((p for _, p in part), reverse=True)
        assert len(part) <= NAMED
    assert experts.named("") == experts.named("--") == [[], []]
