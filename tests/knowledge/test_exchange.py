"""Knowledge carried from one store to another, and what is refused on the way."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from vedette import signing
from vedette.errors import ArtefactError, ConfigError, InputError
from vedette.knowledge.build import units
from vedette.knowledge.exchange import export_store, import_bundle, is_bundle
from vedette.knowledge.write import Change

from . import samples


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, signing.Trusted]:
    private, public = signing.keygen(tmp_path / "keys")
    return private, signing.trusted([public])


@pytest.fixture
def bundle(tmp_path: Path, keys: tuple[Path, signing.Trusted]) -> Path:
    store = samples.full(tmp_path / "full.db")
    export_store(store, tmp_path / "out.vkb", signing.private_key(keys[0]))
    return tmp_path / "out.vkb"


def test_a_store_made_of_a_bundle_holds_the_same(
    tmp_path: Path, bundle: Path, keys: tuple[Path, signing.Trusted]
) -> None:
    report = import_bundle(tmp_path / "new.db", bundle, keys[1])
    assert report.swapped
    assert units(tmp_path / "new.db") == units(tmp_path / "full.db")
    again = import_bundle(tmp_path / "new.db", bundle, keys[1])
    changes = [outcome.change for outcome in again.outcomes]
    assert changes
    assert all(change == Change(unchanged=change.unchanged) for change in changes)


def test_facts_are_not_exported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing was imported"):
        export_store(samples.facts_only(tmp_path / "slim.db"), tmp_path / "out.vkb", None)
    assert not (tmp_path / "out.vkb").exists()


@pytest.mark.parametrize("name", ["full.db", "./x/../full.db", "full.db.previous"])
def test_a_store_is_not_written_over(tmp_path: Path, name: str) -> None:
    store = samples.full(tmp_path / "full.db")
    before = store.read_bytes()
    with pytest.raises(ConfigError, match="the store itself"):
        export_store(store, tmp_path / name, None)
    assert store.read_bytes() == before


def test_an_import_over_facts_is_never_older(tmp_path: Path, bundle: Path, keys: tuple[Path, signing.Trusted]) -> None:
    slim = samples.unit("attack/enterprise", samples.attack()[:3], on="2030-01-01", facts_only=True)
    samples.put(tmp_path / "new.db", slim)
    import_bundle(tmp_path / "new.db", bundle, keys[1])
    assert not units(tmp_path / "new.db")["attack/enterprise"].facts_only


@pytest.mark.parametrize(
    ("on", "imported", "older"),
    [
        ("2030-01-01", "2026-03-10T09:00:00+00:00", True),
        ("2025-11-04", "2030-01-01T09:00:00+00:00", False),  # the same release, imported later
        ("", "2030-01-01T09:00:00+00:00", True),
        ("", "2020-01-01T09:00:00+00:00", False),
    ],
)
def test_older_than_what_is_installed(
    tmp_path: Path, bundle: Path, keys: tuple[Path, signing.Trusted], on: str, imported: str, older: bool
) -> None:
    store = tmp_path / "new.db"
    samples.put(store, samples.unit("attack/enterprise", samples.attack()[:3], on=on, imported=imported))
    before = store.read_bytes()
    if older:
        with pytest.raises(ArtefactError, match=r"attack/enterprise of 20\d\d-.*--allow-older"):
            import_bundle(store, bundle, keys[1])
        assert store.read_bytes() == before
    import_bundle(store, bundle, keys[1], allow_older=older)
    assert units(store)["attack/enterprise"].records == len(samples.attack())


def test_a_wrong_key_and_a_flipped_byte_leave_the_store_alone(tmp_path: Path, bundle: Path) -> None:
    store = samples.facts_only(tmp_path / "new.db")
    before = store.read_bytes()
    _, stranger = signing.keygen(tmp_path / "other")
    with pytest.raises(ArtefactError, match="unknown key"):
        import_bundle(store, bundle, signing.trusted([stranger]))
    content = bytearray(bundle.read_bytes())
    content[len(content) // 2] ^= 1
    bundle.write_bytes(content)
    with pytest.raises(ArtefactError):
        import_bundle(store, bundle, signing.trusted([tmp_path / "keys"]))
    assert store.read_bytes() == before


def test_an_unsigned_bundle_is_taken_only_where_it_is_allowed(tmp_path: Path) -> None:
    store = samples.full(tmp_path / "full.db")
    export_store(store, tmp_path / "out.vkb", None)
    with pytest.raises(ArtefactError, match="not signed"):
        import_bundle(tmp_path / "new.db", tmp_path / "out.vkb", {})
    import_bundle(tmp_path / "new.db", tmp_path / "out.vkb", {}, allow_unsigned=True)
    assert units(tmp_path / "new.db") == units(store)


def test_what_a_bundle_is(tmp_path: Path, bundle: Path) -> None:
    other, text, damaged = tmp_path / "other.zip", tmp_path / "text.json", tmp_path / "cut.vkb"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("rules/a.yml", "title: x")
    text.write_text("{}")
    damaged.write_bytes(bundle.read_bytes()[:100])
    renamed = bundle.rename(tmp_path / "renamed")
    assert [is_bundle(path) for path in (renamed, damaged, other, text, tmp_path)] == [True, True, False, False, False]
