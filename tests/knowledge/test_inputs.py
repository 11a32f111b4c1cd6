"""Files, archives and folders that somebody else made: read whole, or refused with the reason."""

from __future__ import annotations

import gzip
import io
import os
import random
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vedette.errors import InputError
from vedette.knowledge import inputs
from vedette.knowledge.inputs import HEAD, NAMES, Input

FILES = {"a/one.json": b'{"n": 1}', "a/two.yml": b"n: 2\n", "three.json": b""}


def make_zip(path: Path, files: dict[str, bytes] = FILES, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.mkdir("a") if "a/one.json" in files else None
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def make_tar(path: Path, files: dict[str, bytes] = FILES, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, kind in (("a/link", tarfile.SYMTYPE), ("a/hard", tarfile.LNKTYPE), ("a/pipe", tarfile.FIFOTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    return path


def make_folder(path: Path, files: dict[str, bytes] = FILES) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


MAKERS: dict[str, Callable[[Path], Path]] = {"x.zip": make_zip, "x.tar.gz": make_tar, "x": make_folder}


@pytest.mark.parametrize("name", MAKERS)
def test_members_of_archives_and_folders(tmp_path: Path, name: str) -> None:
    item = Input(MAKERS[name](tmp_path / name))
    assert item.container == {"x.zip": "zip", "x.tar.gz": "tar", "x": "folder"}[name]
    assert dict(item.members()) == FILES
    assert dict(item.members(".json")) == {"a/one.json": b'{"n": 1}', "three.json": b""}
    assert sorted(item.names) == sorted(FILES)
    assert item.head == b""
    assert item.name == name


def test_plain_tar_and_zstd(tmp_path: Path) -> None:
    plain = make_tar(tmp_path / "x.tar", mode="w")
    packed = tmp_path / "x.tar.zst"
    packed.write_bytes(zstandard.compress(plain.read_bytes()))
    for path in (plain, packed):
        assert Input(path).container == "tar"
        assert dict(Input(path).members()) == FILES


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_single_files_compressed_or_not(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    content = random.Random(1).randbytes(HEAD + 999)
    (tmp_path / "data").write_bytes(pack(b"{" + content))
    item = Input(tmp_path / "data")
    assert item.container == ""
    assert item.head == (b"{" + content)[:HEAD]
    assert item.read() == b"{" + content
    assert list(item.members()) == [("data", b"{" + content)]
    assert item.names == ()


def test_what_is_hidden_or_a_link_is_left_out(tmp_path: Path) -> None:
    at = make_folder(tmp_path / "x")
    make_folder(at / ".git", {"config.json": b"{}"})
    (at / ".hidden.json").write_bytes(b"{}")
    (tmp_path / "outside.json").write_bytes(b"secret")
    (at / "link.json").symlink_to(tmp_path / "outside.json")
    (at / "around").symlink_to(at)
    os.mkfifo(at / "pipe.json")
    assert dict(Input(at).members()) == FILES
    assert sorted(Input(at).names) == sorted(FILES)


def test_thousands_of_files(tmp_path: Path) -> None:
    at = make_folder(tmp_path / "x", {f"{n % 7}/{n:05}.json": b"%d" % n for n in range(3000)})
    item = Input(at)
    assert len(item.names) == NAMES
    members = list(item.members())
    assert len(members) == 3000
    assert members == list(item.members()), "always in the same order"


def test_sha256_is_that_of_the_file_or_of_all_files(tmp_path: Path) -> None:
    at = make_folder(tmp_path / "x")
    first = Input(at).sha256
    assert Input(make_folder(tmp_path / "y")).sha256 == first, "the folder's own name is no content"
    (at / "a/one.json").write_bytes(b'{"n": 2}')
    assert Input(at).sha256 != first
    make_folder(tmp_path / "y", {"new.json": b""})
    assert Input(tmp_path / "y").sha256 != first
    odd = tmp_path / "y" / os.fsdecode(b"odd\xff.json")
    with suppress(OSError):
        odd.write_bytes(b"")
    assert len(Input(tmp_path / "y").sha256) == 64


def test_more_members_than_anybody_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "MAX_MEMBERS", 2)
    with pytest.raises(InputError, match="more than 2 files"):
        list(Input(make_zip(tmp_path / "x.zip")).members())


@pytest.mark.parametrize("name", MAKERS)
def test_a_member_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(inputs, "MAX_MEMBER", 5)
    with pytest.raises(InputError, match=r"bytes"):
        list(Input(MAKERS[name](tmp_path / name)).members())


def test_bombs(tmp_path: Path) -> None:
    zeros = bytes(80 << 20)
    bombs = [make_zip(tmp_path / "b.zip", {"a.json": zeros}), make_tar(tmp_path / "b.tar.gz", {"a.json": zeros})]
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(zeros))
    for path in (*bombs, tmp_path / "b.json.gz"):
        with pytest.raises(InputError, match="times the compressed size"):
            list(Input(path).members())
        assert len(Input(path).head) <= HEAD


def test_holes_are_no_content(tmp_path: Path) -> None:
    """A sparse member of a tar says how many zeros it stands for: they take no room, whatever their number."""
    path = tmp_path / "x.tar"
    header = bytearray(tarfile.TarInfo("hole.json").tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[386:398] = b"00000000000\0"
    header[398:410] = b"00000000000\0"
    header[483:495] = b"%011o\0" % (400 << 20)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    path.write_bytes(bytes(header) + bytes(1024))
    with tarfile.open(path) as archive:
        assert archive.getmembers()[0].issparse()
    with pytest.raises(InputError, match="hole"):
        list(Input(path).members())


def test_archives_in_archives(tmp_path: Path) -> None:
    inner = make_zip(tmp_path / "inner.zip").read_bytes()
    (tmp_path / "x.json.gz").write_bytes(gzip.compress(inner))
    assert Input(tmp_path / "x.json.gz").container == "", "what is inside is bytes, and no source"
    at = make_folder(tmp_path / "f", {"inner.json": inner})
    with pytest.raises(InputError):
        list(Input(at).members())


@pytest.mark.parametrize("head", [b"\xfd7zXZ\x00", b"BZh9", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07"])
def test_packers_that_are_not_read(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "x").write_bytes(head + bytes(100))
    with pytest.raises(InputError, match="not supported"):
        _ = Input(tmp_path / "x").container


def test_an_encrypted_archive_is_named_as_such(tmp_path: Path) -> None:
    body = bytearray(make_zip(tmp_path / "x.zip", {"a.json": b"{}"}).read_bytes())
    for magic, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        body[body.find(magic) + flags] |= 1
    (tmp_path / "x.zip").write_bytes(body)
    with pytest.raises(InputError, match="encrypted"):
        list(Input(tmp_path / "x.zip").members())


@pytest.mark.parametrize("what", ["container", "head", "names", "sha256"])
def test_what_is_not_there(tmp_path: Path, what: str) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        getattr(Input(tmp_path / "nothing"), what)
    with pytest.raises(InputError, match="cannot be read"):
        inputs.entries(tmp_path / "nothing")


def test_a_folder_that_vanishes_while_it_is_read(tmp_path: Path) -> None:
    at = make_folder(tmp_path / "x")
    members = Input(at).members()
    next(members)
    (at / "a/two.yml").unlink()
    (at / "three.json").unlink()
    with suppress(InputError):
        list(members)


def _examine(path: Path) -> None:
    item = Input(path)
    for ask in (
        lambda: item.container, lambda: item.head, lambda: item.names, lambda: item.sha256,
        lambda: sum(len(content) for _, content in item.members()), lambda: list(item.members(".json")),
    ):  # fmt: skip
        with suppress(InputError):
            ask()


@given(
    st.sampled_from(["zip", "stored", "lzma", "bz2", "tar", "gz", "zst", "json.gz"]),
    st.randoms(use_true_random=False),
    st.sampled_from(["flip", "cut", "noise"]),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_is_an_input_error(tmp_path: Path, kind: str, chance: random.Random, how: str) -> None:
    body = bytearray(_sample(tmp_path, kind))
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(body))
        if how == "flip":
            body[place] ^= 1 << chance.randrange(8)
        elif how == "cut":
            del body[max(1, place) :]
        else:
            body[place : place + 9] = chance.randbytes(9)
    path = tmp_path / "damaged"
    path.write_bytes(body)
    _examine(path)


_samples: dict[str, bytes] = {}


def _sample(at: Path, kind: str) -> bytes:
    if kind not in _samples:
        methods = {
            "zip": zipfile.ZIP_DEFLATED,
            "stored": zipfile.ZIP_STORED,
            "lzma": zipfile.ZIP_LZMA,
            "bz2": zipfile.ZIP_BZIP2,
        }
        long = {**FILES, "ünï.json": b"text " * 400, "a/" + "n" * 150 + ".json": b"x"}
        if kind in methods:
            path = make_zip(at / "sample", long, methods[kind])
        elif kind == "json.gz":
            path = at / "sample"
            path.write_bytes(gzip.compress(b'{"a": 1}' * 500))
        else:
            path = make_tar(at / "sample", long, "w:gz" if kind == "gz" else "w")
        _samples[kind] = zstandard.compress(path.read_bytes()) if kind == "zst" else path.read_bytes()
    return _samples[kind]


@given(
    st.binary(max_size=400), st.sampled_from([b"", b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"])
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_garbage_is_an_input_error(tmp_path: Path, noise: bytes, head: bytes) -> None:
    (tmp_path / "garbage").write_bytes(head + noise)
    _examine(tmp_path / "garbage")
