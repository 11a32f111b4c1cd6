"""Models from a hub, which is a server of our own on loopback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from vedette.engine import catalog, models, pull
from vedette.errors import ArtefactError, ConfigError, FetchError, InputError
from vedette.fetch import FetchOptions

from . import publisher

OPTIONS = FetchOptions(connect_s=2, stall_s=2, tries=2, first_wait_s=0, longest_wait_s=0)
FILE = "/Qwen/Qwen3-0.6B-GGUF/resolve/main/Qwen3-0.6B-Q8_0.gguf"


@pytest.fixture
def hub() -> Iterator[publisher.Server]:
    yield from publisher.running(publisher.Server())


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("VEDETTE_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def tiny(hub: publisher.Server, **changes: str) -> pull.Wanted:
    return pull.wanted("tiny", source=f"{hub.url}/x/tiny.gguf", **changes)


def test_a_recommended_model_comes_from_a_hub(
    hub: publisher.Server, monkeypatch: pytest.MonkeyPatch, tiny_gguf: bytes
) -> None:
    known = catalog.recommended()["Qwen3-0.6B"]
    file = known.file[0].model_copy(update={"sha256": sha256(tiny_gguf).hexdigest(), "bytes": len(tiny_gguf)})
    monkeypatch.setitem(catalog.recommended(), "Qwen3-0.6B", known.model_copy(update={"file": (file,)}))
    hub.answers[FILE] = [publisher.whole(tiny_gguf, ETag='"1"')]
    kept = pull.pull(pull.wanted("qwen3-0.6b", source=hub.url + "/"), OPTIONS)
    assert (kept.name, kept.manifest.verified, kept.manifest.licence) == ("Qwen3-0.6B-Q8_0", "Vedette", "Apache-2.0")
    assert models.resolve("Qwen3-0.6B").path.read_bytes() == tiny_gguf


def test_what_the_catalog_and_the_owner_do_not_know_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no hub is known.*--from https://HUB or \$VEDETTE_HUB"):
        pull.wanted("Qwen3-4B")
    with pytest.raises(ConfigError, match="has no 'Q5_K_M' here"):
        pull.wanted("Qwen3-4B", quantisation="Q5_K_M", source="https://example.com")
    with pytest.raises(ConfigError, match=r"none of the recommended models.*did you mean 'Qwen3-4B'"):
        pull.wanted("Qwen3-4", source="https://example.com")
    with pytest.raises(ConfigError, match="no sha256"):
        pull.wanted("Qwen3-4B", source="https://example.com", sha256="abc")
    assert pull.wanted("Qwen3-4B", quantisation="q8_0", source="https://example.com").url.endswith("Qwen3-4B-Q8_0.gguf")


def test_a_hubs_own_word_is_enough_and_nobodys_is_told(hub: publisher.Server, tiny_gguf: bytes) -> None:
    hub.answers["/x/tiny.gguf"] = [publisher.whole(tiny_gguf, X_Linked_Etag=f'"{sha256(tiny_gguf).hexdigest()}"')]
    assert pull.pull(tiny(hub), OPTIONS).manifest.verified == "its hub"
    models.remove("tiny")
    hub.answers["/x/tiny.gguf"] = [publisher.whole(tiny_gguf)]
    kept = pull.pull(tiny(hub), OPTIONS)
    assert (kept.manifest.verified, kept.manifest.sha256) == ("", sha256(tiny_gguf).hexdigest())


def test_it_goes_on_where_it_was_cut(hub: publisher.Server, place: Path, tiny_gguf: bytes) -> None:
    hub.answers["/x/tiny.gguf"] = [publisher.cut_off(tiny_gguf, after=5_000, ETag='"1"')]
    with pytest.raises(FetchError, match="received 5000 bytes"):
        pull.pull(tiny(hub), OPTIONS)
    assert models.stored()[0] == []
    hub.answers["/x/tiny.gguf"] = [publisher.ranged(tiny_gguf)]
    assert pull.pull(tiny(hub, sha256=sha256(tiny_gguf).hexdigest()), OPTIONS).manifest.verified == "given"
    assert hub.asked[-1][1]["range"] == "bytes=5000-"


def test_a_server_without_range_is_asked_for_all(hub: publisher.Server, tiny_gguf: bytes) -> None:
    hub.answers["/x/tiny.gguf"] = [
        publisher.cut_off(tiny_gguf, after=5_000, ETag='"1"'),
        publisher.whole(tiny_gguf, ETag='"1"'),
    ]
    assert pull.pull(tiny(hub), OPTIONS).path.read_bytes() == tiny_gguf


def test_the_wrong_file_is_not_kept(hub: publisher.Server, place: Path, tiny_gguf: bytes) -> None:
    hub.answers["/x/tiny.gguf"] = [publisher.whole(tiny_gguf)]
    with pytest.raises(FetchError, match="not what the publisher states: sha256"):
        pull.pull(tiny(hub, sha256="0" * 64), OPTIONS)
    hub.answers["/x/tiny.gguf"] = [publisher.whole(b"<html>no model</html>")]
    with pytest.raises(InputError, match="no GGUF file"):
        pull.pull(tiny(hub), OPTIONS)
    assert not list(place.glob("*/*.gguf"))


@pytest.mark.parametrize("code", [404, 403, 429, 500])
def test_a_refusal_leaves_nothing(hub: publisher.Server, place: Path, code: int) -> None:
    hub.answers["/x/tiny.gguf"] = [publisher.status(code)]
    with pytest.raises(FetchError, match=f"the server answers {code}"):
        pull.pull(tiny(hub), OPTIONS)
    assert models.stored() == ([], [])


def test_more_than_was_said_is_refused(hub: publisher.Server, tiny_gguf: bytes) -> None:
    hub.answers["/x/tiny.gguf"] = [publisher.whole(bytes(1_000_001))]
    what = tiny(hub)
    with pytest.raises(FetchError, match="larger than 1,000,000 bytes"):
        pull.pull(pull.Wanted(what.name, what.url, bytes=len(tiny_gguf)), OPTIONS)


def test_only_https_or_this_machine(hub: publisher.Server) -> None:
    with pytest.raises(FetchError, match="only https"):
        pull.pull(pull.wanted("x", source="http://example.com/x.gguf"), OPTIONS)
    hub.answers["/x/tiny.gguf"] = [publisher.redirect("http://example.com/x.gguf")]
    with pytest.raises(FetchError, match=r"redirected to .*only https"):
        pull.pull(tiny(hub), OPTIONS)


def test_a_model_from_elsewhere_is_not_replaced(hub: publisher.Server, tmp_path: Path, tiny_gguf: bytes) -> None:
    from vedette.engine.add import add

    (tmp_path / "tiny.gguf").write_bytes(tiny_gguf)
    add(tmp_path / "tiny.gguf")
    with pytest.raises(ConfigError, match=r"there is a model 'tiny' from .*give another --name"):
        pull.pull(tiny(hub), OPTIONS)


def test_every_recommended_model_can_be_fetched_and_sized() -> None:
    for name, model in catalog.recommended().items():
        what = pull.wanted(name, source="https://example.com")
        assert models.NAME.fullmatch(what.name)
        assert model.shape.layers * model.shape.width * model.shape.vocab
        for file in model.file:
            assert bool(file.bytes) >= bool(file.sha256)
    with pytest.raises(ArtefactError):
        models.read(Path("none"))
