"""`vedette model …` as users run it."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from .conftest import NO_SOCKETS, Vedette


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VEDETTE_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv("VEDETTE_HUB", raising=False)
    return tmp_path / "models"


@pytest.fixture
def tiny(tmp_path: Path, tiny_gguf: bytes) -> Path:
    path = tmp_path / "tiny-Q8_0.gguf"
    path.write_bytes(tiny_gguf)
    return path


def test_a_model_comes_and_goes(vedette: Vedette, tiny: Path, tiny_gguf: bytes) -> None:
    digest = sha256(tiny_gguf).hexdigest()
    added = vedette("model", "add", tiny, "--sha256", digest, before=NO_SOCKETS)
    assert added.code == 0, added.err
    assert f"sha256 {digest}\nIt is what was given." in added.out
    listed = vedette("model", "list", before=NO_SOCKETS)
    assert "tiny-Q8_0" in listed.out
    assert "Qwen3-4B" in listed.out
    assert max(map(len, listed.out.splitlines())) <= 100
    document = json.loads(vedette("model", "list", "--json").out)
    assert [model["name"] for model in document["models"]] == ["tiny-Q8_0"]
    assert vedette("model", "remove", "tiny").code == 0
    assert tiny.exists()
    assert json.loads(vedette("model", "list", "--json").out)["models"] == []


def test_a_file_that_nobody_vouched_for_is_told(vedette: Vedette, tiny: Path, tiny_gguf: bytes) -> None:
    added = vedette("model", "add", tiny)
    assert "Unverified" in added.out
    assert sha256(tiny_gguf).hexdigest() in added.out


@pytest.mark.parametrize(("args", "code", "said"), [
    (["add", "none.gguf"], 3, "cannot be read"),
    (["add", "text"], 3, "no GGUF file"),
    (["add", "tiny-Q8_0.gguf", "--sha256", "0" * 64], 6, "expected 0000"),
    (["add", "tiny-Q8_0.gguf", "--name", "../x"], 2, "no name of a model"),
    (["pull", "Qwen3-4B"], 2, "no hub is known"),
    (["pull", "Qwen3-40B", "--from", "https://example.com"], 2, "did you mean 'Qwen3-4B'"),
    (["pull", "x", "--from", "http://example.com/x.gguf"], 7, "only https"),
    (["size", "none"], 2, "no model 'none'"),
    (["size", "Qwen3-4B", "--quant", "Q9", "--no-speed"], 2, "the size of 'Q9' is not known"),
    (["remove", "none"], 2, "no model 'none'"),
    (["check", "none"], 2, "no model 'none'"),
    (["serve", "none"], 2, "no model 'none'"),
])  # fmt: skip
def test_a_mistake_is_one_line(vedette: Vedette, tiny: Path, args: list[str], code: int, said: str) -> None:
    (tiny.parent / "text").write_text("no model")
    done = vedette("model", *args, before=NO_SOCKETS)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert done.err.count("\n") == 1


def test_size_tells_what_fits(vedette: Vedette, tiny: Path) -> None:
    told = vedette("model", "size", "--no-speed", "--memory", "6", before=NO_SOCKETS)
    assert told.code == 0, told.err
    fits = {line.split()[0]: line.split()[2] for line in told.out.splitlines() if line.startswith(("Qwen", "gpt"))}
    assert fits == {
        "Qwen3-0.6B": "yes",
        "Qwen3-1.7B": "yes",
        "Qwen3-4B": "tight",
        "Qwen3-8B": "no",
        "gpt-oss-20b": "no",
    }
    document = json.loads(vedette("model", "size", "tiny-Q8_0.gguf", "Qwen3-4B", "--quant", "F16", "--json").out)
    tiny, large = document["computed"]
    assert (tiny["quantisation"], tiny["file_known"], tiny["fits"]) == ("Q8_0", True, "yes")
    assert (large["quantisation"], large["file_known"]) == ("F16", False)
    assert large["bytes"]["weights"] == pytest.approx(8.05e9, rel=0.01)
    assert tiny["pace"]["answer"] > large["pace"]["answer"] > 0
    assert document["measured"]["speed"]["bandwidth"] > 0


def test_a_scripted_model_is_checked(vedette: Vedette) -> None:
    done = vedette("model", "check", "obedient/")
    assert done.code == 1
    assert [line.split()[1] for line in done.out.splitlines()] == ["template", "schema", "context", "speed", "answers"]
