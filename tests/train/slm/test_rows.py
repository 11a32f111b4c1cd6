"""What a row has to be: found before the first step, with its place."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

pytest.importorskip("transformers")

from tests.train.slm import toys

from vedette.errors import InputError
from vedette.train.slm import rows, template, tokenizer
from vedette.train.slm.recipe import Data

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def words() -> Any:
    return tokenizer.learned([f"{w} {' '.join(toys.NOISE)} Answer: {c}" for w, c in toys.WORDS.items()] * 3, 400, 512)


def read(path: Path, words: Any, wanted: Data | None = None) -> tuple[rows.Tokens, rows.Tally]:
    tally, wanted = rows.Tally(), wanted or Data()
    return rows.tokenised(rows.read([path], wanted, tally), words, wanted, tally), tally


def chat(*turns: str) -> list[dict[str, str]]:
    roles = ("user", "assistant")
    return [{"role": roles[n % 2], "content": text} for n, text in enumerate(turns)]


def test_only_what_the_model_says_is_learned(tmp_path: Path, words: Any) -> None:
    one = {
        **toys.row(1, Random(1)),
        "messages": [{"role": "system", "content": "Be brief."}, *chat("a?", "b", "c?", "d")],
    }
    one["final"] = ""
    tokens, tally = read(toys.write(tmp_path / "t.jsonl", [one]), words)
    ids, own = tokens.row(0)
    assert words.decode(ids[own]) == "b<|im_end|>d<|im_end|>"
    assert words.decode(ids) == words.apply_chat_template(one["messages"], tokenize=False).rstrip("\n")
    assert tally.answers == own.sum() > 0


def test_the_prompt_is_tokenised_as_a_server_does(tmp_path: Path, words: Any) -> None:
    one = toys.row(1, Random(1))
    tokens, _ = read(toys.write(tmp_path / "t.jsonl", [one]), words)
    ids, own = tokens.row(0)
    prompt = words(template.prompt(words, one["messages"][:-1]), add_special_tokens=False)["input_ids"]
    assert list(ids[~own]) == prompt


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"messages": chat("only a question")}, "no question with an answer"),
        ({"messages": [{"role": "tool", "content": "x"}, {"role": "assistant", "content": "y"}]}, "no question"),
        ({"messages": chat("q", "  ")}, "an empty answer"),
        ({"messages": chat("q", "no such line")}, "the exact answer is missing"),
        ({"messages": chat("q", "Answer: CWE-1"), "final": "CWE-79"}, "another answer than the exact one"),
        ({"messages": chat("q", "a" * 3_000), "final": ""}, "longer than 64 tokens"),
        ({"messages": 5}, "no row of the forge"),
    ],
)
def test_bad_rows_are_counted_with_their_places_and_the_others_are_used(
    tmp_path: Path, words: Any, change: dict[str, Any], why: str
) -> None:
    rng = Random(1)
    bad = {**toys.row(1, rng), **change}
    path = toys.write(tmp_path / "t.jsonl", [toys.row(0, rng), bad, toys.row(2, rng)])
    _, tally = read(path, words, Data(longest=64))
    assert tally.read == 3
    assert tally.used == 2
    ((told, count),) = tally.left.items()
    assert told.startswith(why)
    assert count == 1
    assert tally.places[told] == ["t.jsonl:2"]


def test_no_usable_row_is_an_error_that_names_the_faults(tmp_path: Path, words: Any) -> None:
    path = toys.write(tmp_path / "t.jsonl", [{**toys.row(1, Random(1)), "messages": chat("q")}])
    with pytest.raises(InputError, match=r"no row can be trained on, of 1.*--data") as error:
        read(path, words)
    assert "t.jsonl:1" in str(error.value)


def test_a_long_row_is_refused_where_the_recipe_says_so(tmp_path: Path, words: Any) -> None:
    one = {**toys.row(1, Random(1)), "messages": chat("q", "a" * 3_000), "final": ""}
    path = toys.write(tmp_path / "t.jsonl", [one])
    with pytest.raises(InputError, match=r"t.jsonl:1: .* tokens, and \[data\] longest is 64.*nothing is cut"):
        read(path, words, Data(longest=64, too_long="refuse"))


def test_no_half_a_character_and_marks_that_a_user_types(tmp_path: Path, words: Any) -> None:
    one = {**toys.row(1, Random(1)), "messages": chat("日本 🛡️ naïve", "Réponse ✓"), "final": ""}
    tokens, _ = read(toys.write(tmp_path / "t.jsonl", [one]), words)
    assert words.decode(tokens.row(0)[0]) == words.apply_chat_template(one["messages"], tokenize=False).rstrip("\n")


def test_templates_that_fit_and_that_do_not(words: Any) -> None:
    template.check(words, "here")
    kept = words.chat_template
    changes = {
        "": "no chat template",
        "{% for m in messages %}{{ m['content'] }}{% endfor %}{{ messages|length }}": "changes the prompt",
        "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}": "ends no answer",
        "{% for m in messages %}{{ m['role'] }}<|im_end|>{% endfor %}": "drops what is said",
    }
    try:
        for text, why in changes.items():
            words.chat_template = text
            with pytest.raises(InputError, match=why):
                template.check(words, "here")
    finally:
        words.chat_template = kept


def test_a_tokenizer_that_pads_and_cuts_does_neither_here(tmp_path: Path, words: Any) -> None:
    rng = Random(1)
    path = toys.write(tmp_path / "t.jsonl", [toys.row(n, rng) for n in range(3)])
    plain, _ = read(path, words)
    words.backend_tokenizer.enable_padding(length=200)
    words.backend_tokenizer.enable_truncation(9)
    found, _ = read(path, words)
    assert list(found.lengths) == list(plain.lengths)
