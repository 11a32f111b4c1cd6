from __future__ import annotations

import dataclasses
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import ArtefactError, ConfigError
from vedette.prompts import Prompt, load

GOOD = '+++\ninputs = ["alert", "facts"]\n+++\nFacts: {{ facts }}\nAlert: {{alert}} {{ alert }}\n'


def write(folder: Path, text: str, name: str = "explain.v2.md") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def test_a_prompt_knows_its_name_version_inputs_and_hash(tmp_path: Path) -> None:
    prompt = load(write(tmp_path, GOOD))
    assert (prompt.name, prompt.version, prompt.inputs) == ("explain", 2, ("alert", "facts"))
    assert prompt.body == "Facts: {{ facts }}\nAlert: {{alert}} {{ alert }}\n"
    assert prompt.sha256 == sha256(GOOD.encode()).hexdigest()


def test_line_ends_do_not_change_the_hash(tmp_path: Path) -> None:
    unix = load(write(tmp_path, GOOD))
    assert load(write(tmp_path, GOOD.replace("\n", "\r\n"))) == unix


def test_render_fills_every_place(tmp_path: Path) -> None:
    assert load(write(tmp_path, GOOD)).render(alert="A", facts="F") == "Facts: F\nAlert: A A\n"


def test_a_value_is_never_expanded(tmp_path: Path) -> None:
    text = load(write(tmp_path, GOOD)).render(alert="{{ facts }} {{ alert }} \\1 \\g<name>", facts="secret")
    assert text.count("secret") == 1
    assert text.count("{{ facts }} {{ alert }} \\1 \\g<name>") == 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"alert": "A"}, "inputs missing facts"),
        ({}, "inputs missing alert, facts"),
        ({"alert": "A", "facts": "F", "more": "M"}, "inputs unexpected more"),
        ({"alert": "A", "fact": "F"}, "inputs missing facts and unexpected fact"),
    ],
)
def test_render_takes_exactly_the_declared_inputs(tmp_path: Path, values: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(write(tmp_path, GOOD)).render(**values)


@pytest.mark.parametrize(
    "name", ["explain.md", "explain.v0.md", "explain.v1.txt", "Explain.v1.md", ".v1.md", "a.v01.md"]
)
def test_a_bad_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="no prompt file"):
        load(write(tmp_path, GOOD, name))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Hello", "no front matter"),
        ("+++\ninputs = []\n", "no front matter"),
        ("+++\ninputs = [\n+++\n", "bad front matter"),
        ("+++\ninput = []\n+++\n", "bad front matter"),
        ("+++\ninputs = [1]\n+++\n", "bad front matter"),
        ('+++\ninputs = ["a"]\n+++\nx', "'a' is declared and not used"),
        ("+++\n+++\n{{ a }}", "'a' is not declared"),
        ('+++\ninputs = ["A"]\n+++\n{{ A }}', "bad input name 'A'"),
        ("+++\n+++\n{{ a b }}", "bad input name 'a b'"),
        ('+++\ninputs = ["a", "a"]\n+++\n{{ a }}', "declared twice"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(write(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"absent\.v1\.md"):
        load(tmp_path / "absent.v1.md")


@given(st.text(), st.text())
def test_values_are_literal(left: str, right: str) -> None:
    prompt = Prompt("any", 1, ("a", "b"), "<{{ a }}|{{ b }}>", "")
    assert prompt.render(a=left, b=right) == f"<{left}|{right}>"


@given(st.text())
def test_a_body_without_places_comes_back_as_it_is(body: str) -> None:
    plain = body.replace("{{", "")
    assert dataclasses.replace(Prompt("any", 1, (), "", ""), body=plain).render() == plain
