"""Analysts' shorthand."""

from __future__ import annotations

import pytest

from vedette.knowledge.postings import find_words
from vedette.knowledge.slang import _says, spell_out


@pytest.mark.parametrize(
    ("question", "means"),
    [
        ("zip slip in our uploader", "path traversal archive extraction"),
        ("PW in clear", "password"),
        ("an RCE?", "remote"),
    ],
)
def test_shorthand_is_spelled_out(question: str, means: str) -> None:
    spelled = spell_out(question)
    assert spelled.startswith(question)
    assert means in spelled


@pytest.mark.parametrize("question", ["", "powershell", "pwx", "a zipslip"])
def test_other_words_stay_as_they_are(question: str) -> None:
    assert spell_out(question) == question


def test_the_list_is_in_lower_case_and_of_few_words() -> None:
    for says in _says():
        assert says == says.lower()
        assert len(says.split()) <= 3
        assert spell_out(says) != says


@pytest.mark.parametrize(
    ("text", "word"),
    [("HTTP/2 streams", "http2"), ("SHA-1 digests", "sha1"), ("(UTF-16)", "utf16"), ("AES-256", "aes256")],
)
def test_compounds_are_found_joined(text: str, word: str) -> None:
    assert word in find_words(text)


@pytest.mark.parametrize("text", ["CVE-2021-44228", "T1059", "a/b", "x - 1"])
def test_others_are_not(text: str) -> None:
    assert len(find_words(text)) == len([w for w in text.replace("/", " ").replace("-", " ").split() if w])
