"""Headers of files that somebody else made."""

from __future__ import annotations

import struct
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.engine import gguf
from vedette.errors import InputError

from . import crafted
from .crafted import KEYS, TEMPLATE, written

WHOLE = crafted.gguf()


def test_what_a_header_says(tmp_path: Path) -> None:
    header = gguf.read(written(tmp_path))
    assert (header.architecture, header.name, header.licence) == ("qwen3", "Tiny", "apache-2.0")
    assert (header.version, header.context, header.quantisation) == (3, 4096, "Q8_0")
    assert header.tokenizer == "gpt2 qwen2"
    assert header.template_sha256 == sha256(TEMPLATE.encode()).hexdigest()
    assert header.parameters == 64 * 3 + 64 + 64 * 128
    assert header.bytes == len(WHOLE)
    assert header.shape == gguf.Shape(
        layers=2, width=64, heads=4, kv_heads=2, key_dim=32, value_dim=32, ffn=96, vocab=3, tied=True
    )
    assert [tensor.bytes for tensor in header.tensors] == [204, 256, 8704]


def test_what_a_file_does_not_say_is_worked_out_or_left_empty(tmp_path: Path) -> None:
    keys = {name: of for name, of in KEYS.items() if name.endswith(("architecture", "length", "head_count", "tokens"))}
    del keys["qwen3.attention.key_length"], keys["qwen3.attention.value_length"]
    header = gguf.read(written(tmp_path, content=crafted.gguf(keys, {})))
    assert (header.shape.key_dim, header.shape.kv_heads, header.shape.vocab) == (16, 4, 3)
    assert (header.quantisation, header.template, header.template_sha256, header.name) == ("", "", "", "")


def test_the_type_of_most_bytes_where_the_file_does_not_say_how_it_was_quantised(tmp_path: Path) -> None:
    keys = {name: of for name, of in KEYS.items() if name != "general.file_type"}
    assert gguf.read(written(tmp_path, content=crafted.gguf(keys))).quantisation == "Q8_0"


def changed(key: str, of: crafted.Value) -> bytes:
    return crafted.gguf({**KEYS, key: of})


COUNTS = {"tensors": (8, "tensors, and 65,536 are the most"), "keys": (16, "keys, and 4,096 are the most")}


@pytest.mark.parametrize(("content", "said"), [
    (b"", "no GGUF file"),
    (b"GG", "no GGUF file"),
    (b"PK\x03\x04" + bytes(100), "no GGUF file.*give a model"),
    (b"GGUF", "cut off after 4 bytes"),
    (crafted.gguf(version=1), "version 1"),
    (crafted.gguf(version=4), "version 4"),
    (b"GGUF" + struct.pack(">I", 3) + bytes(100), "big-endian"),
    *((WHOLE[:at] + b"\xff" * 8 + WHOLE[at + 8 :], said) for at, said in COUNTS.values()),
    (WHOLE[:24] + b"\xff" * 8 + WHOLE[32:], "bytes in 'a key'"),
    (crafted.gguf(data=300), "cut off: 'output_norm.weight' ends at byte"),
    (crafted.gguf({}), "does not say its architecture"),
    (changed("split.count", 2), "one part of several.*--merge"),
    (changed("general.alignment", 33), "alignment 33 is no power of two"),
    (changed("general.alignment", 0), "alignment 0"),
    (crafted.gguf(tensors={"x": ((33,), 8)}), "rows of 33 values, and Q8_0 needs a multiple of 32"),
    (crafted.gguf(tensors={"x": ((2**40, 2**40), 0)}, data=0), "values in 'x'"),
    (crafted.gguf(tensors={"x": ((1, 1, 1, 1, 1), 0)}, data=0), "5 dimensions in 'x', and 4 are the most"),
    (WHOLE.replace(crafted.text("output_norm.weight"), crafted.text("token_embd.weight") + b"\x00"), ""),
    (WHOLE.replace(b"general.name", b"general.\xff\xff\xff\xff"), "no UTF-8"),
    (WHOLE.replace(b"general.license", b"general.licens\xc3"), "no UTF-8"),
    (WHOLE.replace(crafted.text("Tiny"), struct.pack("<Q", 2**40)), "bytes in 'general.name'"),
    (WHOLE.replace(b"tokens" + struct.pack("<IIQ", 9, 8, 3), b"tokens" + struct.pack("<IIQ", 9, 8, 2**50)), "values"),
    (WHOLE.replace(b"tokens" + struct.pack("<IIQ", 9, 8, 3), b"tokens" + struct.pack("<IIQ", 9, 9, 3)), "type 9"),
    (WHOLE.replace(b"file_type" + struct.pack("<I", 4), b"file_type" + struct.pack("<I", 99)), "unknown type 99"),
])  # fmt: skip
def test_what_is_wrong_is_said_with_the_files_name(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(InputError, match=rf"bad\.gguf: .*{said}"):
        gguf.read(written(tmp_path, "bad.gguf", content))


def test_twice_the_same_name(tmp_path: Path) -> None:
    body = crafted.gguf({"general.architecture": "x", "general.architecturE": "x"}, {})
    with pytest.raises(InputError, match="is there twice"):
        gguf.read(written(tmp_path, content=body.replace(b"architecturE", b"architecture")))
    body = crafted.gguf(tensors={"same": ((1,), 0), "samE": ((1,), 0)})
    with pytest.raises(InputError, match="a tensor is there twice"):
        gguf.read(written(tmp_path, content=body.replace(b"samE", b"same")))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.gguf: cannot be read: .*check the path"):
        gguf.read(tmp_path / "none.gguf")
    with pytest.raises(InputError, match="cannot be read"):
        gguf.read(tmp_path)


def test_a_number_where_words_belong_counts_as_nothing(tmp_path: Path) -> None:
    header = gguf.read(
        written(tmp_path, content=crafted.gguf({**KEYS, "general.name": 3, "qwen3.block_count": "many"}))
    )
    assert (header.name, header.shape.layers) == ("", 0)


def test_a_header_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf, "MAX_HEADER", 400)
    with pytest.raises(InputError, match="its header has more than 400 bytes"):
        gguf.read(written(tmp_path))


HEAD = len(WHOLE) - 9216  # bytes before the weights


@settings(max_examples=150, deadline=2_000)
@given(
    at=st.integers(0, HEAD - 1),
    piece=st.binary(min_size=1, max_size=16),
    end=st.integers(0, len(WHOLE)),
)
def test_damage_is_an_error_or_a_header(
    tmp_path_factory: pytest.TempPathFactory, at: int, piece: bytes, end: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.gguf"
    for content in (WHOLE[:at] + piece + WHOLE[at + len(piece) :], WHOLE[:at] + piece + WHOLE[at:], WHOLE[:end]):
        path.write_bytes(content)
        try:
            assert gguf.read(path).bytes == len(content)
        except InputError as exc:
            said = str(exc)
        else:
            said = path.name
        assert path.name in said
