"""What may be trained on for which purpose: decided before the first step, by a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import ArtefactError, ConfigError
from vedette.knowledge.sources import sources
from vedette.manifest import write
from vedette.train.slm import licences
from vedette.train.slm.recipe import Recipe

TABLE = "public domain; CC0-1.0; MIT; CC-BY-4.0; CC-BY-SA"  # of the CVE table, as the forge's rows have it


def recipe(
    purpose: str = "any", licence: str = "Apache-2.0", base: tuple[str, ...] = (), data: tuple[str, ...] = ()
) -> Any:
    return Recipe.model_validate(
        {
            "name": "x", "purpose": purpose, "base": {"model": "a/b", "licence": licence, "accept": base},
            "data": {"accept": data}, "sft": {"rate": 1e-4, "batch": 8, "micro": 8},
        }
    )  # fmt: skip


def rows(joined: str, purpose: str = "any", accept: tuple[str, ...] = ()) -> licences.Judged:
    return licences.check_rows(recipe(purpose, data=accept), {joined: 3})


@pytest.mark.parametrize(
    "name",
    ["ATT&CK Terms of Use", "CWE Terms of Use", "CAPEC Terms of Use", "CVE Terms of Use; CC0-1.0", "DRL-1.1",
     "Apache-2.0", "MIT", "public domain", "CC-BY-4.0", "free to use with attribution", "ours", "cc by 4.0",
     "Detection Rule License 1.1"],
)  # fmt: skip
@pytest.mark.parametrize("purpose", ["any", "internal", "research"])
def test_what_may_be_used_commercially_passes(name: str, purpose: str) -> None:
    rows(name, purpose)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("CC-BY-NC-SA-4.0", "commercial use is forbidden"),
        ("cc by-nc 4.0", "commercial use is forbidden"),
        ("research use, cite", "for research alone"),
        ("qwen-research", "for research alone"),
    ],
)
def test_what_is_for_research_is_refused_elsewhere(name: str, why: str) -> None:
    for purpose in ("any", "internal"):
        with pytest.raises(ConfigError, match=f'forbids purpose = "{purpose}": .*{why}.*another `purpose`'):
            rows(name, purpose, accept=(name,))
    rows(name, "research")


def test_share_alike_is_accepted_by_name_where_weights_are_passed_on() -> None:
    with pytest.raises(
        ConfigError, match=r"'CC-BY-SA' \(3 rows\) sets conditions .*accept = \[\"CC-BY-SA\"\] under \[data\]"
    ):
        rows(TABLE)
    assert rows(TABLE, accept=("cc by-sa",)).accepted == ("CC-BY-SA",)
    assert rows(TABLE, "internal").accepted == ()


def test_data_of_benchmarks_is_never_trained_on() -> None:
    for purpose in ("any", "internal", "research"):
        with pytest.raises(ConfigError, match="belongs to a benchmark"):
            rows("evaluation only", purpose, accept=("evaluation only",))


def test_what_is_kept_inside_stays_inside() -> None:
    rows("internal", "internal")
    with pytest.raises(ConfigError, match="keeps it inside the organisation"):
        rows("internal", "any")


@pytest.mark.parametrize("purpose", ["any", "internal", "research"])
def test_an_unknown_licence_is_refused_until_somebody_read_it(purpose: str) -> None:
    with pytest.raises(
        ConfigError, match=r"'Acme EULA 3' \(3 rows\) is not known here.*accept = \[\"Acme EULA 3\"\] under \[data\]"
    ):
        rows("Acme EULA 3; MIT", purpose)
    assert rows("Acme EULA 3; MIT", purpose, ("Acme EULA 3",)).accepted == ("Acme EULA 3",)


def test_an_unknown_licence_suggests_the_near_one() -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'ATT&CK Terms of Use'\?"):
        rows("ATT&CK Term of Uses")


def test_rows_without_a_licence_are_no_free_rows() -> None:
    with pytest.raises(ConfigError, match=r"'none stated' \(3 rows\) is not known here"):
        rows("")
    rows(" ; ", accept=("none stated",))


def test_every_fault_is_told_and_many_are_counted() -> None:
    found = {f"Licence {number}": 1 for number in range(9)}
    with pytest.raises(ConfigError, match=r"'Licence 0' .*'Licence 4' .*; and 4 more"):
        licences.check_rows(recipe(), found)


def test_the_base_is_asked_too() -> None:
    licences.check_base(recipe())
    with pytest.raises(ConfigError, match=r"the base 'a/b' may not be trained on: .*named after Llama.*under \[base\]"):
        licences.check_base(recipe(licence="llama3.1"))
    found = licences.check_base(recipe(licence="llama3.1", base=("Llama 3.1 Community License",)))
    assert found.notices == ("Built with Llama.",)
    with pytest.raises(ConfigError, match="forbids"):
        licences.check_base(recipe("internal", licence="Qwen Research License", base=("qwen-research",)))


def test_a_model_of_random_values_has_no_licence() -> None:
    shape = {"layers": 1, "width": 8, "heads": 1, "kv_heads": 1, "head": 8, "ffn": 8, "vocab": 300}
    fresh = Recipe.model_validate({"name": "x", "base": {"shape": shape}, "sft": {"rate": 1, "batch": 8, "micro": 8}})
    assert licences.check_base(fresh).licences == {}


def test_the_card_has_to_name_who_asks_for_it() -> None:
    judged = rows("ATT&CK Terms of Use; CWE Terms of Use; MIT", "internal")
    assert len(judged.notices) == 2
    assert "permission of The MITRE Corporation" in judged.notices[0]
    assert licences.notices([judged, judged]) == judged.notices


def test_rows_are_counted_by_licence() -> None:
    found = licences.check_rows(recipe("internal"), {"MIT": 5, "mit; DRL": 2})
    assert found.licences == {"MIT": 7, "DRL-1.1": 2}


def test_every_source_of_the_store_is_decided() -> None:
    for source in sources().values():
        for part in licences.parts(source.licence):
            assert licences.named(part), part


def test_the_table_is_consistent() -> None:
    order = {"yes": 0, "accept": 1, "no": 2}
    for name, one in licences.known().items():
        assert order[one.any] >= order[one.internal] or name == "internal", name
        assert one.why
    spellings = [licences._plain(n) for own, one in licences.known().items() for n in (own, *one.names)]
    assert len(spellings) == len(set(spellings))


CARD = """\
# structure

## Licences

| licence | examples that rest on it |
|---|---|
| ATT&CK Terms of Use | 265,927 |
| CC-BY-NC-4.0 | 1 |

Who passes the data on …

## By task

| task | kind | drafts |
|---|---|---|
| a | b | 9 |
"""


def test_the_card_of_a_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "card.md").write_text(CARD, "utf-8")
    with pytest.raises(ArtefactError, match="no manifest"):
        licences.of_card(tmp_path)
    write(tmp_path / "manifest.json")
    assert licences.of_card(tmp_path) == {"ATT&CK Terms of Use": 1, "CC-BY-NC-4.0": 1}


def test_a_folder_without_a_card_says_nothing(tmp_path: Path) -> None:
    write(tmp_path / "manifest.json")
    assert licences.of_card(tmp_path) == {}


@given(st.text())
def test_any_text_has_parts_or_none(text: str) -> None:
    found = licences.parts(text)
    assert found
    assert all(part and part == part.strip() for part in found)
