from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from vedette.config import Settings, load_toml
from vedette.errors import ConfigError


class Asset(Settings):
    name: str
    importance: int = Field(default=1, ge=0, le=3)


class Site(Settings):
    title: str
    asset: list[Asset] = []
    by_zone: dict[str, Asset] = {}
    owner: Asset | None = None


GOOD = """\
title = "office"

[[asset]]
name = "dc01"
importance = 3

[[asset]]
name = "web01"

[by_zone.dmz]
name = "proxy"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "site.toml"
    path.write_text(text, encoding="utf-8")
    return path


def fault(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_toml(write(folder, text), Site)
    return str(caught.value).replace(str(folder / "site.toml"), "site.toml")


def test_a_good_file_loads(tmp_path: Path) -> None:
    site = load_toml(write(tmp_path, GOOD), Site)
    assert [asset.name for asset in site.asset] == ["dc01", "web01"]
    assert site.by_zone["dmz"].importance == 1


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load_toml(path, Site).title == "office"


def test_settings_are_frozen(tmp_path: Path) -> None:
    site = load_toml(write(tmp_path, GOOD), Site)
    with pytest.raises(ValueError, match="frozen"):
        site.title = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            GOOD.replace("title", "titel"),
            "site.toml: 2 faults: line 1: unknown key 'titel' (did you mean 'title'?); missing key 'title'",
        ),
        (
            GOOD + "importanse = 2\n",
            "site.toml:12: unknown key 'by_zone.dmz.importanse' (did you mean 'importance'?)",
        ),
        (
            GOOD.replace('name = "web01"', 'name = "web01"\nimportnace = 2'),
            "site.toml:9: unknown key 'asset[2].importnace' (did you mean 'importance'?)",
        ),
        (
            'title = "x"\n[owner]\nname = "a"\nzzz = 1\n',
            "site.toml:4: unknown key 'owner.zzz' (known: importance, name)",
        ),
        ('title = "x"\n"odd key" = 1\n', "site.toml:2: unknown key 'odd key' (known: asset, by_zone, owner, title)"),
        (GOOD.replace('name = "web01"', ""), "site.toml:7: missing key 'asset[2].name' (add 'name')"),
        ("", "site.toml: missing key 'title' (add 'title')"),
        (GOOD.replace("= 3", "= 9"), "site.toml:5: 'asset[1].importance' = 9: Input should be less than or equal to 3"),
        (
            'title = "x"\nowner.nam = 1\nowner.name = "y"\n',
            "site.toml:2: unknown key 'owner.nam' (did you mean 'name'?)",
        ),
        ("title = \n", "site.toml:1:9: not valid TOML: Invalid value"),
        ('title = "open', "site.toml: not valid TOML"),
        ('title = "x"\ntitle = "y"\n', "site.toml:2"),
    ],
)
def test_a_fault_names_file_line_and_remedy(tmp_path: Path, text: str, message: str) -> None:
    assert fault(tmp_path, text).startswith(message)


def test_every_fault_is_reported(tmp_path: Path) -> None:
    message = fault(tmp_path, "titel = 1\ntitle = 2\n")
    assert "'titel'" in message
    assert "'title' = 2" in message


def test_many_faults_are_counted(tmp_path: Path) -> None:
    message = fault(tmp_path, GOOD + "".join(f"key{number} = 1\n" for number in range(100)))
    assert message.startswith("site.toml: 100 faults: line 12: unknown key 'by_zone.dmz.key0'")
    assert "'by_zone.dmz.key20'" not in message
    assert "; and 80 more" in message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: no such file"):
        load_toml(tmp_path / "absent.toml", Site)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_toml(tmp_path, Site)


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="larger than 10 bytes"):
        load_toml(write(tmp_path, GOOD), Site, max_bytes=10)


def test_a_file_that_is_not_utf8_says_the_line(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_bytes(b'title = "x"\n# caf\xe9\n')
    with pytest.raises(ConfigError, match=r"site\.toml:2: not UTF-8"):
        load_toml(path, Site)


def test_deep_nesting_is_an_error_not_a_crash(tmp_path: Path) -> None:
    assert "site.toml" in fault(tmp_path, "title = " + "[" * 5_000 + "]" * 5_000)


@given(st.text(alphabet="abtile=[]\"\n. 1#{}',é\x00") | st.text())
def test_any_text_loads_or_is_a_config_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with suppress(ConfigError):
        load_toml(path, Site)
