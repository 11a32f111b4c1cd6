"""What an export holds, what it refuses, and that it is there whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("gguf")

import gguf
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tests.cli.conftest import NO_SOCKETS, command, environment

from vedette import manifest, signing
from vedette.engine import gguf as headers
from vedette.engine.add import add
from vedette.errors import ArtefactError, ConfigError, InputError, OutputError
from vedette.train.slm import dense, gguf_file, hf, quantise, serving
from vedette.train.slm import export as exporting
from vedette.train.slm.export import Wanted, export
from vedette.train.slm.template import chatml

from . import tiny

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.model(tmp_path_factory.mktemp("models") / "Tiny-1M")


@pytest.fixture(scope="module")
def out(base: Path) -> Path:
    """All that is written here without a tool."""
    return export_of(base, base.with_name("out"), *gguf_file.KINDS)


@pytest.fixture
def copied(base: Path, tmp_path: Path) -> Path:
    return shutil.copytree(base, tmp_path / "Tiny-1M")


def export_of(folder: Path, out: Path, *quants: str, **options: Any) -> Path:
    export(Wanted(folder, out, quants or ("F16",), **options))
    return out


def read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Its keys, and its tensors with their numbers."""
    reader = gguf.GGUFReader(path)
    keys = {name: field.contents() for name, field in reader.fields.items()}
    tensors = {one.name: gguf.quants.dequantize(one.data, one.tensor_type) for one in reader.tensors}
    return keys, tensors


# What it holds


def test_the_header_says_all_of_it(out: Path, base: Path) -> None:
    keys, _ = read(out / "Tiny-1M-F16.gguf")
    told = {name.removeprefix("qwen3."): value for name, value in keys.items() if name.startswith("qwen3.")}
    assert told == {
        "context_length": 4_096, "embedding_length": 64, "block_count": 2, "feed_forward_length": 160,
        "attention.head_count": 4, "attention.head_count_kv": 2, "attention.key_length": 16,
        "attention.value_length": 16, "attention.layer_norm_rms_epsilon": pytest.approx(1e-6),
        "vocab_size": len(tiny.tokenizer()) + 5, "rope.freq_base": 10_000.0,
    }  # fmt: skip
    words = {name.split("ggml.")[-1]: value for name, value in keys.items() if name.startswith("tokenizer.")}
    assert (words["model"], words["pre"], words["tokenizer.chat_template"]) == ("gpt2", "qwen2", chatml())
    assert (words["eos_token_id"], words["padding_token_id"], words["add_bos_token"]) == (2, 0, False)
    assert len(words["tokens"]) == len(words["token_type"]) == told["vocab_size"]
    assert (keys["general.name"], keys["general.type"], keys["general.quantization_version"]) == ("Tiny-1M", "model", 2)


@pytest.mark.parametrize(("kind", "number", "types"), [
    ("F32", 0, {"F32"}), ("F16", 1, {"F16", "F32"}), ("BF16", 32, {"BF16", "F32"}), ("Q8_0", 7, {"Q8_0", "F32"}),
    ("Q4_0", 2, {"Q4_0", "Q8_0", "F32"}),
])  # fmt: skip
def test_the_numbers_are_the_folder_s(out: Path, base: Path, kind: str, number: int, types: set[str]) -> None:
    keys, tensors = read(out / f"Tiny-1M-{kind}.gguf")
    header = headers.read(out / f"Tiny-1M-{kind}.gguf")
    assert (keys["general.file_type"], {tensor.type for tensor in header.tensors}) == (number, types)
    assert (header.quantisation, header.shape.tied, "output.weight" in tensors) == (kind, True, False)
    weights, decoder = load_file(base / hf.ONE), dense.opened(base)
    name_of = dense.Names(decoder)
    near = {"F32": 0.0, "F16": 1e-7, "BF16": 0.0, "Q8_0": 0.005, "Q4_0": 0.12}[kind]
    assert len(tensors) == len(dense.shapes(decoder.config, "qwen3"))
    for name in dense.shapes(decoder.config, "qwen3"):
        values = weights[name].float().numpy()
        assert np.abs(tensors[name_of(name)] - values).max() <= near * np.abs(values).max(), name


def test_rows_that_are_no_whole_blocks_stay_in_16_bits(tmp_path: Path) -> None:
    folder = tiny.model(tmp_path / "odd", intermediate_size=72)
    file = export_of(folder, tmp_path / "out", "Q8_0") / "odd-Q8_0.gguf"
    types = {tensor.name: tensor.type for tensor in headers.read(file).tensors}
    assert (types["blk.0.ffn_down.weight"], types["blk.0.ffn_up.weight"]) == ("F16", "Q8_0")


def test_a_matrix_of_its_own_for_the_output(tmp_path: Path) -> None:
    folder = tiny.model(tmp_path / "untied", tie_word_embeddings=False)
    file = export_of(folder, tmp_path / "out", "Q4_0") / "untied-Q4_0.gguf"
    types = {tensor.name: tensor.type for tensor in headers.read(file).tensors}
    assert (types["output.weight"], types["token_embd.weight"], types["blk.0.attn_q.weight"]) == (
        "Q8_0", "Q8_0", "Q4_0",
    )  # fmt: skip


def test_rotary_positions_as_older_folders_have_them(copied: Path, tmp_path: Path) -> None:
    scaling = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 1_024}
    tiny.changed(copied, hf.CONFIG, rope_parameters=None, rope_theta=5e5, rope_scaling=scaling)
    keys, _ = read(export_of(copied, tmp_path / "out") / "Tiny-1M-F16.gguf")
    told = {name.removeprefix("qwen3.rope."): value for name, value in keys.items() if ".rope." in name}
    assert told == {
        "freq_base": 5e5, "scaling.type": "yarn", "scaling.factor": 4.0, "scaling.original_context_length": 1_024,
    }  # fmt: skip


def test_a_manifest_of_all_files(out: Path, base: Path) -> None:
    said = manifest.verify(out)
    assert set(said.outputs) == {path.name for path in out.iterdir()} - {manifest.FILE_NAME}
    assert said.inputs.keys() == {"config.json", "model.safetensors", "tokenizer.json"}
    assert said.inputs["model.safetensors"] == manifest.sha256_file(base / hf.ONE)


def test_how_to_serve_it(out: Path, base: Path, tmp_path: Path) -> None:
    told, model = (out / serving.SERVE).read_text("utf-8"), (out / serving.MODELFILE).read_text("utf-8")
    assert model.startswith("FROM ./Tiny-1M-Q8_0.gguf\nTEMPLATE ")
    assert 'PARAMETER stop "<|im_end|>"\n' in model
    assert "PARAMETER num_ctx 4096\n" in model
    for line in ("llama-server -m Tiny-1M-Q8_0.gguf -c 4096", "ollama create tiny-1m -f Modelfile", "vllm serve"):
        assert line in told
    assert "Not done." in told


def test_no_place_of_this_machine_gets_out(base: Path, out: Path) -> None:
    for path in out.iterdir():
        content = path.read_bytes()
        assert str(base.parent).encode() not in content, path.name
        assert str(Path.home()).encode() + b"/" not in content, path.name


def test_a_card_that_names_a_place_is_refused(copied: Path, tmp_path: Path) -> None:
    (copied / "card.md").write_text(f"Trained in {copied}")
    with pytest.raises(ConfigError, match=r"'card.md' names '.*', a place on this machine"):
        export_of(copied, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_another_template_gets_no_go_template(tmp_path: Path) -> None:
    words = tiny.tokenizer(
        template="{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}[assistant]"
    )
    out = export_of(tiny.model(tmp_path / "other", words=words), tmp_path / "out")
    assert "TEMPLATE" not in (out / serving.MODELFILE).read_text()
    assert "this model's chat template is not ChatML" in (out / serving.SERVE).read_text()


def test_name_and_licence(copied: Path, tmp_path: Path) -> None:
    (copied / "README.md").write_text("---\nlicense: apache-2.0\n---\nlicense: mit\n")
    assert headers.read(export_of(copied, tmp_path / "a") / "Tiny-1M-F16.gguf").licence == "apache-2.0"
    (copied / "recipe.toml").write_text('name = "ours"\n[card]\nlicence = "CC-BY-4.0"\n')
    manifest.write(copied / manifest.FILE_NAME, outputs=[copied / hf.CONFIG])
    header = headers.read(export_of(copied, tmp_path / "b") / "ours-F16.gguf")
    assert (header.name, header.licence) == ("ours", "CC-BY-4.0")
    header = headers.read(export_of(copied, tmp_path / "c", name="n", licence="MIT") / "n-F16.gguf")
    assert (header.name, header.licence) == ("n", "MIT")
    with pytest.raises(ConfigError, match=r"'\.\./x' is no name for a model"):
        export_of(copied, tmp_path / "d", name="../x")


# Adapters


def test_an_adapter_becomes_a_file_of_its_own(base: Path, tmp_path: Path) -> None:
    adapter, _ = tiny.adapter(tmp_path / "adapter", base)
    files = export(Wanted(base, tmp_path / "out", (), adapter, name="ours", licence="MIT"))
    assert (files.models, files.adapter, files.rank) == ({}, "ours-lora.gguf", 4)
    keys, tensors = read(tmp_path / "out" / files.adapter)
    assert (keys["general.type"], keys["adapter.type"], keys["adapter.lora.alpha"]) == ("adapter", "lora", 8.0)
    assert keys["general.architecture"] == "qwen3"
    assert len(tensors) == 2 * 7 * 2
    weights = load_file(adapter / "adapter_model.safetensors")
    for ours, theirs in (("a", "A"), ("b", "B")):
        name = f"base_model.model.model.layers.1.self_attn.o_proj.lora_{theirs}.weight"
        assert np.array_equal(tensors[f"blk.1.attn_output.weight.lora_{ours}"], weights[name].numpy())
    said = manifest.verify(tmp_path / "out")
    assert {"adapter/adapter_config.json", "adapter/adapter_model.safetensors"} <= said.inputs.keys()
    assert not (tmp_path / "out" / serving.MODELFILE).exists()
    with pytest.raises(InputError, match="an adapter, which adds to a model"):
        add(tmp_path / "out", place=tmp_path / "models")


def test_a_model_and_its_adapter(base: Path, tmp_path: Path) -> None:
    adapter, _ = tiny.adapter(tmp_path / "adapter", base)
    out = export_of(base, tmp_path / "out", "Q8_0", adapter=adapter, name="ours")
    model, told = (out / serving.MODELFILE).read_text(), (out / serving.SERVE).read_text()
    assert model.startswith("FROM ./ours-Q8_0.gguf\nADAPTER ./ours-lora.gguf\n")
    assert "--model gguf/ours-Q8_0.gguf --adapter ours-lora.gguf" in told
    assert "--lora ours-lora.gguf" in told
    assert "--lora-modules ours=ADAPTER --max-lora-rank 8" in told
    assert add(out, place=tmp_path / "models").manifest.verified == "its manifest"


def test_adapters_that_only_merging_helps(tmp_path: Path) -> None:
    base = tiny.model(tmp_path / "tiny", tie_word_embeddings=False)
    adapter, _ = tiny.adapter(tmp_path / "adapter", base, modules_to_save=["lm_head"])
    with pytest.raises(InputError, match=r"it replaces 'lm_head.weight', and llama.cpp only adds.*train merge"):
        export_of(base, tmp_path / "out", adapter=adapter)
    with pytest.raises(InputError, match="an adapter, which is no model by itself"):
        export_of(adapter, tmp_path / "out")
    other = shutil.copytree(base, tmp_path / "other")
    with pytest.raises(ArtefactError, match="the base's folder is 'other'"):
        export_of(other, tmp_path / "out", adapter=adapter)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "other", "tiny"]


# Folders that are not whole, and other kinds


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


def tensors(folder: Path, **changes: torch.Tensor | None) -> None:
    """Other tensors in the folder; _ stands for a point, None takes one away."""
    weights = {**load_file(folder / hf.ONE), **{name.replace("__", "."): one for name, one in changes.items()}}
    save_file({name: one for name, one in weights.items() if one is not None}, folder / hf.ONE, {"format": "pt"})


BAD: list[tuple[Callable[[Path], object], str]] = [
    (lambda f: (f / hf.ONE).unlink(), "no weights in safetensors"),
    (lambda f: cut(f / hf.ONE), "no whole safetensors file"),
    (lambda f: (f / hf.CONFIG).unlink(), r"config\.json: cannot be read"),
    (lambda f: cut(f / hf.CONFIG), "no JSON"),
    (lambda f: (f / hf.TOKENIZER).unlink(), r"no tokenizer\.json"),
    (lambda f: (f / hf.TOKENIZER).write_text("{}"), "its tokenizer cannot be loaded"),
    (lambda f: (f / "chat_template.jinja").unlink(), "no chat template"),
    (lambda f: (f / "recipe.toml").write_text("name = 'x'"), "unfinished: a recipe, and no manifest"),
    (lambda f: tensors(f, model__norm__weight=None), r"1 tensors are missing: 'model\.norm\.weight'"),
    (lambda f: tensors(f, model__norm__weight=torch.ones(32)), r"has the shape \(32,\), and config\.json says \(64,\)"),
    (lambda f: tensors(f, model__strange=torch.ones(2)), r"tensors that qwen3 does not have: 'model\.strange'"),
    (lambda f: tensors(f, model__norm__weight=torch.full((64,), torch.nan)), "values that are no numbers"),
    (lambda f: tensors(f, model__layers__0__mlp__up_proj__weight=torch.full((160, 64), 1e5)), "export it as BF16"),
    (lambda f: tiny.changed(f, hf.CONFIG, architectures=["GptOssForCausalLM"]), "GptOssForCausalLM; .*--llama-cpp"),
    (lambda f: tiny.changed(f, hf.CONFIG, architectures=None), "no architecture; exported here are Qwen3ForCausalLM"),
    (lambda f: tiny.changed(f, hf.CONFIG, hidden_act="gelu"), 'hidden_act "gelu"'),
    (lambda f: tiny.changed(f, hf.CONFIG, use_sliding_window=True), "a sliding window"),
    (lambda f: tiny.changed(f, hf.CONFIG, rope_parameters={"rope_type": "longrope"}), 'of type "longrope"'),
    (lambda f: tiny.changed(f, hf.CONFIG, rope_parameters=tiny.ROPES["llama3"]), 'of type "llama3"'),
    (lambda f: tiny.changed(f, hf.CONFIG, hidden_size="wide"), r"hidden_size"),
    (lambda f: tiny.changed(f, hf.CONFIG, num_hidden_layers=0), r"num_hidden_layers"),
    (lambda f: tiny.changed(f, hf.CONFIG, quantization_config={"quant_method": "awq"}), "quantised by awq"),
]


@pytest.mark.parametrize(("spoil", "said"), BAD)
def test_folders_that_are_refused(copied: Path, tmp_path: Path, spoil: Callable[[Path], object], said: str) -> None:
    spoil(copied)
    with pytest.raises((InputError, ArtefactError), match=said):
        export_of(copied, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["Tiny-1M"]


@pytest.mark.parametrize(("index", "said"), [
    ({"weight_map": {"model.norm.weight": "../../x.safetensors"}}, r"'\.\./\.\./x\.safetensors' is no file of weights"),
    ({"weight_map": {"model.norm.weight": "model.bin"}}, "no file of weights"),
    ({"weight_map": {"model.norm.weight": "gone.safetensors"}}, "no whole safetensors file"),
    ({"weight_map": {"not.there": "model.safetensors"}}, r"no tensor 'not\.there' in 'model\.safetensors'"),
    ({"weight_map": ["x"]}, "weight_map"),
])  # fmt: skip
def test_an_index_is_not_trusted(copied: Path, tmp_path: Path, index: dict[str, Any], said: str) -> None:
    (copied / hf.INDEX).write_text(json.dumps(index))
    with pytest.raises(InputError, match=said):
        export_of(copied, tmp_path / "out")


def test_a_folder_that_changed_since_it_was_written(copied: Path, tmp_path: Path) -> None:
    manifest.write(copied / manifest.FILE_NAME, outputs=[copied / hf.ONE])
    tensors(copied, model__norm__weight=torch.ones(64))
    with pytest.raises(ArtefactError, match="does not match its manifest"):
        export_of(copied, tmp_path / "out")


# llama.cpp's tools

TOOL = """#!{python}
import shutil, sys
if {fails}:
    print("load: 3 layers", "error: no room", sep="\\n", file=sys.stderr)
    raise SystemExit(3)
source, target, kind = sys.argv[1:]
content = bytearray(open(source, "rb").read())
place = content.index(b"general.file_type") + len("general.file_type") + 4
content[place : place + 4] = ({number}).to_bytes(4, "little")
open(target, "wb").write(content)
"""


def tool(path: Path, number: int, fails: bool = False) -> Path:
    """Stands for llama-quantize: writes the same file, with another file type."""
    path.write_text(TOOL.format(python=sys.executable, number=number, fails=fails))
    path.chmod(0o755)
    return path


posix = pytest.mark.skipif(os.name != "posix", reason="no scripts as programs here")


@posix
def test_k_quants_by_llama_quantize(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by = tool(tmp_path / "llama-quantize", 15)
    out = export_of(base, tmp_path / "a", "q4_k_m", llama_quantize=by)
    assert {path.name for path in out.glob("*.gguf")} == {"Tiny-1M-Q4_K_M.gguf"}
    assert [path.name for path in out.iterdir() if path.name.startswith(".")] == []
    monkeypatch.setenv("PATH", str(tmp_path))
    out = export_of(base, tmp_path / "b", "F16", "Q4_K_M")
    assert {path.name for path in out.glob("*.gguf")} == {"Tiny-1M-F16.gguf", "Tiny-1M-Q4_K_M.gguf"}


@posix
def test_tools_that_fail(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match="llama-quantize, which is not on the PATH"):
        export_of(base, tmp_path / "out", "Q4_K_M")
    with pytest.raises(ConfigError, match=r"'Q5_K_N' is no quantisation.*did you mean 'Q5_K_[SM]'"):
        export_of(base, tmp_path / "out", "Q5_K_N")
    with pytest.raises(InputError, match="llama-quantize failed with 3: error: no room"):
        export_of(base, tmp_path / "out", "Q4_K_M", llama_quantize=tool(tmp_path / "llama-quantize", 15, fails=True))
    with pytest.raises(InputError, match="wrote Q6_K where Q4_K_M was asked for"):
        export_of(base, tmp_path / "out", "Q4_K_M", llama_quantize=tool(tmp_path / "llama-quantize", 18))
    (tmp_path / "llama-quantize").chmod(0o644)
    with pytest.raises(ConfigError, match="cannot be run"):
        export_of(base, tmp_path / "out", "Q4_K_M", llama_quantize=tmp_path / "llama-quantize")
    assert not (tmp_path / "out").exists()


CONVERTER = """
import shutil, sys
folder, _, target, _, kind = sys.argv[1:]
shutil.copyfile({file!r}, target)
"""


def test_other_architectures_by_llama_cpp(copied: Path, out: Path, tmp_path: Path) -> None:
    tiny.changed(copied, hf.CONFIG, architectures=["GptOssForCausalLM"], quantization_config={"quant_method": "mxfp4"})
    with pytest.raises(ConfigError, match=r"no convert_hf_to_gguf\.py"):
        export_of(copied, tmp_path / "out", llama_cpp=tmp_path)
    (tmp_path / quantise.CONVERTER).write_text(CONVERTER.format(file=str(out / "Tiny-1M-F16.gguf")))
    done = export_of(copied, tmp_path / "out", llama_cpp=tmp_path)
    assert (done / "Tiny-1M-F16.gguf").read_bytes() == (out / "Tiny-1M-F16.gguf").read_bytes()
    with pytest.raises(ConfigError, match="llama-quantize"):
        export_of(copied, tmp_path / "more", "Q4_0", llama_cpp=tmp_path)


# Whole, or not at all


def test_nothing_takes_the_place_of_something(base: Path, out: Path) -> None:
    before = manifest.read(out)
    with pytest.raises(ConfigError, match="something already"):
        export_of(base, out)
    assert manifest.verify(out) == before


def test_an_interrupt(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = iter(range(100))
    original = gguf_file.packed

    def packed(*given: Any) -> Any:
        if next(count) == 7:
            raise KeyboardInterrupt
        return original(*given)

    monkeypatch.setattr(gguf_file, "packed", packed)
    with pytest.raises(KeyboardInterrupt):
        export_of(base, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))  # as if the disk took no more
    try:
        with pytest.raises(OutputError, match=r"-F16\.gguf: cannot be written: the disk takes no more \(free some"):
            export_of(base, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    monkeypatch.setattr(gguf_file.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 3}))  # type: ignore[attr-defined]
    with pytest.raises(OutputError, match=r"[\d,]+ bytes are needed, and 3 are free"):
        export_of(base, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from vedette.train.slm.export import Wanted, export
export(Wanted(Path(sys.argv[1]), Path(sys.argv[2]), ("F16", "Q8_0")), lambda _: os.kill(os.getpid(), signal.SIGKILL))
"""


@posix
def test_a_kill_leaves_nothing_that_looks_finished(base: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = subprocess.run([sys.executable, "-c", KILLED, base, out], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    left = list(tmp_path.iterdir())
    assert [path.name[:5] for path in left] == [".out."]
    assert not (left[0] / manifest.FILE_NAME).exists()
    assert manifest.verify(export_of(base, out))


# Signed


def test_who_vouches_for_it(base: Path, tmp_path: Path) -> None:
    private, public = signing.keygen(tmp_path / "keys")
    out = export_of(base, tmp_path / "out", key=signing.private_key(private))
    signer = signing.key_id(signing.public_key(public))
    assert signing.sealed(out, signing.trusted([public])) == signer
    kept = add(out, place=tmp_path / "models", keys=[public])
    assert kept.manifest.verified == f"its manifest, signed with the key '{signer}',"
    (out / manifest.FILE_NAME).write_bytes(
        (out / manifest.FILE_NAME).read_bytes().replace(b'"prompts": 0', b'"prompts": 9')
    )
    with pytest.raises(ArtefactError, match="changed after it was signed"):
        add(out, place=tmp_path / "models", name="again", keys=[public])


# The command line


def vedette(cwd: Path, *args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*args, before="import warnings; warnings.simplefilter('default')\n" + NO_SOCKETS), cwd=cwd,
        capture_output=True, text=True, env=environment(), check=False,
    )  # fmt: skip


def test_merge_and_export_as_users_run_them(base: Path, tmp_path: Path) -> None:
    adapter, _ = tiny.adapter(tmp_path / "adapter", base)
    private, public = signing.keygen(tmp_path / "keys")
    merged = vedette(tmp_path, "train", "merge", adapter, "--base", base, "--out", "merged")
    assert merged.returncode == 0, merged.stderr
    assert merged.stdout == "merged: 14 of 24 tensors changed; the base is known by its name alone\n"
    done = vedette(
        tmp_path, "train", "export", "merged", "--out", "out", "--quant", "q8_0", "--check", "0", "--sign", private
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("merged-Q8_0.gguf: ")
    assert "Not compared with transformers" in done.stdout
    assert "Nobody says what licence it has" in done.stdout
    assert signing.sealed(tmp_path / "out", signing.trusted([public]))


def test_a_mistake_is_one_line(base: Path, tmp_path: Path) -> None:
    done = vedette(tmp_path, "train", "export", base, "--out", "out", "--quant", "Q9", "--check", "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert "'Q9' is no quantisation that is known here" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_limits_of_an_export_are_told(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vedette.train.slm import parity

    one = parity.Measured("Tiny-1M-F16.gguf", "F16", 2, 2, 2, 0, 2, 1, 0, 48, 480, 0.2, 0.001)
    monkeypatch.setattr(parity, "reference", lambda *_: None)
    monkeypatch.setattr(parity, "measured", lambda *_: one)
    with pytest.raises(ArtefactError, match=r"-F16\.gguf: not what .*: 1 of 2 answers are the same; .* by up to 0\.2"):
        export_of(base, tmp_path / "out", check=2)
    assert list(tmp_path.iterdir()) == []
    assert exporting.PARITY == "parity.json"
