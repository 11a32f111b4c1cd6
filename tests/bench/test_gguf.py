"""A model in this process: a GGUF file that the test writes, served by llama.cpp, asked everything that is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("inspect_ai")
pytest.importorskip("xllamacpp")
pytest.importorskip("gguf")

import gguf
from typer.testing import CliRunner

from vedette.bench.catalog import benchmarks, found
from vedette.bench.measured import every
from vedette.cli import app
from vedette.engine.backends.llamacpp import served
from vedette.errors import InputError

pytestmark = [pytest.mark.bench, pytest.mark.filterwarnings("default")]

DIMS, WIDE, HEADS = 32, 64, 4
LETTERS = [chr(code) for code in range(33, 127)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One layer of random weights over bytes and letters: it says nothing sensible, and says it fast."""
    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    writer = gguf.GGUFWriter(str(path), "llama")
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581", *LETTERS]
    kind = gguf.TokenType
    kinds = [kind.UNKNOWN, kind.CONTROL, kind.CONTROL, *[kind.BYTE] * 256, *[kind.NORMAL] * (1 + len(LETTERS))]
    writer.add_context_length(32_768)
    writer.add_embedding_length(DIMS)
    writer.add_block_count(1)
    writer.add_feed_forward_length(WIDE)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(DIMS // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template("{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:")
    rng = np.random.default_rng(1)
    shapes = {"token_embd": (len(tokens), DIMS), "output": (len(tokens), DIMS)}
    shapes |= {f"blk.0.attn_{name}": (DIMS, DIMS) for name in ("q", "k", "v", "output")}
    shapes |= {"blk.0.ffn_gate": (WIDE, DIMS), "blk.0.ffn_up": (WIDE, DIMS), "blk.0.ffn_down": (DIMS, WIDE)}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", rng.normal(0, 0.3, shape).astype(np.float32))
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(DIMS, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_the_whole_suite(model: Path, shared: Path, tmp_path: Path) -> None:
    data = shared / "data"
    names = [name for name, one in benchmarks().items() if one.files and found(one, data)]
    assert len(names) >= 15
    options = ["--data", str(data), "--out", str(tmp_path), "--limit", "2", "--connections", "2"]
    options += ["--context", "65536", "--retries", "0", "--patience", "60", "--no-progress"]
    told = CliRunner().invoke(app, ["bench", "run", *names, "--model", f"gguf/{model}", *options])
    assert told.exit_code == 0, told.output
    runs = every(tmp_path)
    assert {run.benchmark for run in runs} == set(names)
    for run in runs:
        assert (run.n, run.model) == (2, "gguf/tiny")
        assert run.tokens["out"] > 0
        assert run.tokens["in"] > 0  # of a prompt that was asked before, only what is new counts


def test_the_likeliest_letter(model: Path, shared: Path, tmp_path: Path) -> None:
    options = [
        "--data",
        str(shared / "data"),
        "--out",
        str(tmp_path),
        "--limit",
        "4",
        "--retries",
        "0",
        "--no-progress",
    ]
    way = ["--protocol", "likelihood", "--model", f"gguf/{model}"]
    told = CliRunner().invoke(app, ["bench", "run", "cybermetric-80", *way, *options])
    assert told.exit_code == 0, told.output
    (run,) = every(tmp_path)
    assert run.protocol == "likelihood"
    assert run.calibration
    assert run.calibration.n == sum(one.n for one in run.calibration.bins) > 0


def test_what_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.gguf"), served(tmp_path / "none.gguf"):
        pass
    (tmp_path / "text.gguf").write_text("no model")
    with pytest.raises(InputError, match="no GGUF file"), served(tmp_path / "text.gguf"):
        pass
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(InputError, match="cannot load it"), served(tmp_path / "broken.gguf"):
        pass
