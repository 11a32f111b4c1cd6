"""Which files are fetched, and what becomes of those that fail. Nothing here is online: `fetch` is replaced."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vedette import fetch
from vedette.errors import ConfigError, FetchError
from vedette.fetch import Fetched, FetchOptions
from vedette.knowledge.build import units
from vedette.knowledge.sources import Address, Source, sources
from vedette.knowledge.sync import Wanted, folder, sync, wanted

KEV = {
    "catalogVersion": "2026.03.09",
    "dateReleased": "2026-03-09T00:00:00Z",
    "vulnerabilities": [
        {
            "cveID": "CVE-2021-44228",
            "vendorProject": "Example",
            "product": "Logger",
            "vulnerabilityName": "Example Logger Remote Code Execution",
            "dateAdded": "2021-12-10",
            "shortDescription": "It calls out.",
        }
    ],
}


def source(*addresses: Address) -> Source:
    return Source(title="t", publisher="p", licence="l", homepage="https://example.com", stale_days=1, sync=addresses)


KNOWN = {
    "one": source(Address(url="https://example.com/one.json")),
    "two": source(
        Address(part="new", url="https://example.com/new.json"),
        Address(part="old", url="https://example.com/old.json", optional=True),
    ),
    "three": source(),
}


@pytest.mark.parametrize(
    ("names", "fetched"),
    [
        ([], ["one", "two/new"]),
        (["one"], ["one"]),
        (["two"], ["two/new", "two/old"]),
        (["two/old", "one"], ["one", "two/old"]),
    ],
)
def test_what_is_wanted(names: list[str], fetched: list[str]) -> None:
    assert [one.name for one in wanted(names, KNOWN)] == fetched


@pytest.mark.parametrize("name", ["three", "tow", "two/newer"])
def test_what_cannot_be_fetched(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        wanted([name], KNOWN)


def test_no_two_files_of_a_source_share_a_name() -> None:
    for known in sources().values():
        names = [address.name for address in known.sync]
        assert len(names) == len(set(names))


Fetch = Callable[..., Fetched]


def serve(contents: dict[str, bytes]) -> Fetch:
    def answer(address: Address, into: Path, options: FetchOptions, **_: Any) -> Fetched:
        if address.name not in contents:
            raise FetchError("gone", where=address.url, remedy="report it")
        into.mkdir(parents=True, exist_ok=True)
        (into / address.name).write_bytes(contents[address.name])
        return Fetched(into / address.name, True, "", "", "", len(contents[address.name]))

    return answer


def test_a_source_that_fails_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "fetch", serve({"kev.json": json.dumps(KEV).encode(), "odd.json": b"<html>"}))
    chosen = [Wanted("kev", Address(url=f"https://example.com/{name}.json")) for name in ("gone", "kev", "odd")]
    store = tmp_path / "k.db"
    result = sync(store, chosen, FetchOptions())
    gone, kev, odd = result.downloads
    assert "gone" in str(gone.error)
    assert kev.error is None
    assert "not what Vedette knows to read" in str(odd.error)
    assert [unit.records for unit in units(store).values() if unit.source == "kev"] == [1]
    assert sorted(path.name for path in (folder(store) / "kev").iterdir()) == ["kev.json", "odd.json"]
    assert result.report.unclaimed == []


def test_where_nothing_comes_the_store_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "fetch", serve({}))
    result = sync(tmp_path / "k.db", [Wanted("kev", Address(url="https://example.com/kev.json"))], FetchOptions())
    assert result.downloads[0].error
    assert not result.report.swapped
    assert not (tmp_path / "k.db").exists()


def test_where_only_odd_files_come_the_store_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "fetch", serve({"kev.json": b"<html>"}))
    result = sync(tmp_path / "k.db", [Wanted("kev", Address(url="https://example.com/kev.json"))], FetchOptions())
    assert "not what Vedette knows to read" in str(result.downloads[0].error)
    assert not (tmp_path / "k.db").exists()
