"""Models on this machine: added, found again, checked, removed."""

from __future__ import annotations

import asyncio
import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from vedette import manifest as sealed
from vedette import signing
from vedette.engine import add as adding
from vedette.engine import models
from vedette.engine.add import add
from vedette.errors import ArtefactError, ConfigError, InputError, OutputError
from vedette.manifest import FILE_NAME

from . import crafted
from .crafted import written

WHOLE = crafted.gguf()
DIGEST = sha256(WHOLE).hexdigest()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    monkeypatch.setenv("VEDETTE_MODELS", str(folder))
    return folder


def test_a_file_is_added_and_found(tmp_path: Path, place: Path) -> None:
    kept = add(written(tmp_path, "Tiny-Q8_0.gguf"))
    assert kept.path == place / "Tiny-Q8_0" / "Tiny-Q8_0.gguf"
    said = kept.manifest
    assert (said.sha256, said.bytes, said.quantisation, said.context) == (DIGEST, len(WHOLE), "Q8_0", 4096)
    assert (said.licence, said.architecture, said.verified) == ("apache-2.0", "qwen3", "")
    assert len(said.template) == 64
    assert kept.path.samefile(tmp_path / "Tiny-Q8_0.gguf")
    for name in ("Tiny-Q8_0", "tiny-q8_0", "tiny"):
        assert models.resolve(name).path == models.path_of(name) == kept.path
    assert models.stored() == ([kept], [])


def test_a_copy_where_no_link_can_be_made(tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    kept = add(written(tmp_path))
    assert kept.path.read_bytes() == WHOLE
    models.remove("tiny")
    monkeypatch.setattr(adding.shutil, "disk_usage", lambda _: _Usage())  # type: ignore[attr-defined]
    with pytest.raises(OutputError, match="bytes are needed, and 3 are free"):
        add(written(tmp_path))
    assert models.stored() == ([], [])


class _Usage:
    free = 3


def test_the_sha256_is_checked(tmp_path: Path, place: Path) -> None:
    with pytest.raises(ArtefactError, match=rf"sha256 {DIGEST}, expected {'0' * 64}"):
        add(written(tmp_path), sha256="0" * 64)
    assert models.stored() == ([], [])
    assert add(written(tmp_path), sha256=DIGEST.upper()).manifest.verified == "given"


def test_a_path_is_a_path(tmp_path: Path, place: Path) -> None:
    assert models.path_of(str(tmp_path / "a.gguf")) == tmp_path / "a.gguf"
    assert models.path_of("a.GGUF") == Path("a.GGUF")
    with pytest.raises(ConfigError, match=r"no model 'a'.*`vedette model pull` or `add`"):
        models.path_of("a")


def test_a_name_that_two_begin_with(tmp_path: Path, place: Path) -> None:
    for name in ("Tiny-Q4_0", "Tiny-Q8_0"):
        add(written(tmp_path), name=name)
    with pytest.raises(ConfigError, match="'tiny' could be Tiny-Q4_0, Tiny-Q8_0"):
        models.resolve("tiny")
    with pytest.raises(ConfigError, match="did you mean 'Tiny-Q8_0'"):
        models.resolve("Tinny-Q8_0")
    with pytest.raises(ConfigError, match="there is a model 'Tiny-Q8_0'"):
        add(written(tmp_path), name="Tiny-Q8_0")


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "a b", "x" * 81, "ä"])
def test_a_name_has_to_be_plain(tmp_path: Path, place: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="no name of a model"):
        models.folder_of(name)


def test_a_changed_file_is_refused_and_a_touched_one_is_not(tmp_path: Path, place: Path) -> None:
    kept = add(written(tmp_path))
    os.utime(kept.path, (1, 1))
    assert models.resolve("tiny").manifest.sha256 == DIGEST
    assert models.read(kept.folder).manifest.stamp != kept.manifest.stamp
    with kept.path.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    with pytest.raises(ArtefactError, match="not the file that was added"):
        models.resolve("tiny")
    kept.path.unlink()
    with pytest.raises(ArtefactError, match="cannot be read"):
        models.resolve("tiny")


def test_an_unfinished_or_damaged_model_is_told_and_can_be_removed(tmp_path: Path, place: Path) -> None:
    kept = add(written(tmp_path))
    (kept.folder / FILE_NAME).write_text('{"name": 3}')
    (place / "half").mkdir()
    good, bad = models.stored()
    assert good == []
    assert [str(error).split(": ")[1].split(" ")[0] for error in bad] == ["unfinished", "its"]
    for name in ("half", "tiny"):
        models.remove(name)
    assert models.stored() == ([], [])


def test_a_manifest_of_another_model_is_refused(tmp_path: Path, place: Path) -> None:
    kept = add(written(tmp_path))
    kept.folder.rename(place / "other")
    with pytest.raises(ArtefactError, match="its manifest is of 'tiny'"):
        models.resolve("other")


def test_removing_follows_no_link(tmp_path: Path, place: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    place.mkdir()
    (place / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="a link"):
        models.remove("link")
    assert (tmp_path / "elsewhere").is_dir()
    with pytest.raises(ConfigError, match="no model 'none'"):
        models.remove("none")


# Folders and bundles


def test_a_folder_with_one_file(tmp_path: Path, place: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    with pytest.raises(InputError, match="no GGUF file"):
        add(source)
    written(source)
    assert add(source).name == "tiny"
    written(source, "b.gguf")
    with pytest.raises(InputError, match="2 GGUF files"):
        add(source)


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


# What lies beside a file


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """A folder as `vedette train export` writes it."""
    folder = tmp_path / "exported"
    folder.mkdir()
    written(folder)
    sealed.write(folder / FILE_NAME, outputs=[folder / "tiny.gguf"])
    return folder


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return signing.keygen(tmp_path / "keys")


def spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")


def test_a_manifest_beside_it_is_checked(exported: Path, place: Path) -> None:
    assert add(exported).manifest.verified == "its manifest"
    assert add(exported / "tiny.gguf", name="b").manifest.verified == "its manifest"
    assert add(exported / "tiny.gguf", name="c", sha256=DIGEST).manifest.verified == "given"
    spoil(exported / "tiny.gguf")
    for path in (exported, exported / "tiny.gguf"):
        with pytest.raises(ArtefactError, match=f"expected {DIGEST}"):
            add(path, name="d")


@pytest.mark.parametrize("content", [b"{}", b"\xff", b'{"name": "my web page"}', b'{"outputs": 3}'])
def test_another_one_s_manifest_beside_a_file(tmp_path: Path, place: Path, content: bytes) -> None:
    path = written(tmp_path)
    (tmp_path / FILE_NAME).write_bytes(content)
    assert add(path).manifest.verified == ""
    with pytest.raises(InputError, match="no manifest of a model"):
        add(tmp_path, name="b")


def test_a_manifest_of_other_files_says_nothing(exported: Path, place: Path) -> None:
    (exported / "tiny.gguf").rename(exported / "other.gguf")
    assert add(exported / "other.gguf").manifest.verified == ""


def test_who_signed_is_told(exported: Path, place: Path, pair: tuple[Path, Path]) -> None:
    signing.seal(exported / FILE_NAME, signing.private_key(pair[0]))
    signer = signing.key_id(signing.public_key(pair[1]))
    for name, keys in (("a", [pair[1]]), ("b", [pair[1].parent])):
        assert add(exported, name=name, keys=keys).manifest.verified == f"its manifest, signed with the key '{signer}',"
    spoil(exported / "tiny.gguf")
    with pytest.raises(ArtefactError, match=f"expected {DIGEST}"):
        add(exported, name="c", keys=[pair[1]])


def test_a_signature_that_does_not_hold_is_refused(exported: Path, place: Path, pair: tuple[Path, Path]) -> None:
    signing.seal(exported / FILE_NAME, signing.private_key(pair[0]))
    other = signing.keygen(exported / "keys", "other")
    with pytest.raises(ArtefactError, match="signed with the unknown key"):
        add(exported, keys=[other[1]])
    before = (exported / FILE_NAME).read_bytes()
    (exported / FILE_NAME).write_bytes(before + b" ")
    with pytest.raises(ArtefactError, match="changed after it was signed"):
        add(exported, keys=[pair[1]])
    (exported / FILE_NAME).write_bytes(before)
    (exported / "tiny.gguf").rename(exported / "other.gguf")
    with pytest.raises(ArtefactError, match=r"'other\.gguf' is not among what was signed"):
        add(exported, keys=[pair[1]])
    (exported / FILE_NAME).unlink()
    with pytest.raises(ArtefactError, match="a signature without its manifest"):
        add(exported, keys=[pair[1]])
    assert models.stored() == ([], [])


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_bundle_of_an_export(
    exported: Path, place: Path, pair: tuple[Path, Path], tmp_path: Path, pack: Callable[..., Path]
) -> None:
    signing.seal(exported / FILE_NAME, signing.private_key(pair[0]))
    members = {f"out/{path.name}": path.read_bytes() for path in exported.iterdir()}
    signer = signing.key_id(signing.public_key(pair[1]))
    kept = add(pack(tmp_path / "b", members), keys=[pair[1]])
    assert kept.manifest.verified == f"its bundle, signed with the key '{signer}',"
    with pytest.raises(ArtefactError, match="expected"):
        add(pack(tmp_path / "c", {**members, "out/tiny.gguf": WHOLE[:-1] + b"\x01"}), keys=[pair[1]])
    with pytest.raises(ArtefactError, match="signed with the unknown key"):
        add(pack(tmp_path / "d", members), keys=[signing.keygen(tmp_path / "others")[1]])


def test_an_adapter_is_no_model(exported: Path, place: Path) -> None:
    content = crafted.gguf({**crafted.KEYS, "general.type": "adapter"})
    written(exported, "lora.gguf", content)
    assert add(exported).name == "tiny"
    with pytest.raises(InputError, match=r"an adapter, which adds to a model.*--adapter lora\.gguf"):
        add(exported / "lora.gguf")


def test_safetensors_have_to_be_converted(tmp_path: Path, place: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "model.safetensors").write_bytes(b"\x08" + bytes(7) + b"{}      ")
    for path in (source, source / "model.safetensors"):
        with pytest.raises(InputError, match=r"vedette train export FOLDER .*convert_hf_to_gguf\.py"):
            add(path)


PACKERS: list[tuple[str, Callable[[Path, dict[str, bytes]], Path]]] = [
    ("b.zip", zipped),
    ("b.tar", tarred),
    ("b.tar.gz", lambda path, members: tarred(path, members, "w:gz")),
]


def manifest_of(tmp_path: Path) -> bytes:
    kept = add(written(tmp_path), place=tmp_path / "other")
    return (kept.folder / FILE_NAME).read_bytes()


@pytest.mark.parametrize(("file", "pack"), PACKERS)
def test_a_bundle(tmp_path: Path, place: Path, file: str, pack: Callable[..., Path]) -> None:
    said = manifest_of(tmp_path)
    kept = add(pack(tmp_path / file, {"tiny/tiny.gguf": WHOLE, "tiny/manifest.json": said}))
    assert (kept.name, kept.manifest.verified, kept.path.read_bytes()) == ("b", "its bundle", WHOLE)
    bad = said.replace(DIGEST.encode(), b"1" * 64)
    with pytest.raises(ArtefactError, match="expected 1111"):
        add(pack(tmp_path / file, {"tiny.gguf": WHOLE, "manifest.json": bad}), name="c")
    assert [found.name for found in models.stored()[0]] == ["b"]


@pytest.mark.parametrize(("file", "pack"), PACKERS)
@pytest.mark.parametrize(("members", "said"), [
    ({"readme.md": b"x"}, "no .gguf file inside"),
    ({"a.gguf": WHOLE, "b.gguf": WHOLE}, "more than one"),
    ({"a.gguf": WHOLE, "manifest.json": b"{}"}, "no manifest of a model"),
    ({"a.gguf": WHOLE, "manifest.json": b" " * 70_000}, "has 70,000 bytes"),
    ({"../../../evil.gguf": WHOLE[:100]}, "cut off"),
    ({f"{n}.txt": b"" for n in range(1_001)}, "more than 1,000 files"),
])  # fmt: skip
def test_a_bundle_is_untrusted(
    tmp_path: Path, place: Path, file: str, pack: Callable[..., Path], members: dict[str, bytes], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        add(pack(tmp_path / file, members))
    assert models.stored() == ([], [])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([file, "models"])


@pytest.mark.parametrize(("file", "pack"), PACKERS)
def test_a_bundle_that_is_cut_off(tmp_path: Path, place: Path, file: str, pack: Callable[..., Path]) -> None:
    path = pack(tmp_path / file, {"a.gguf": os.urandom(9_000)})
    for end in (600, path.stat().st_size // 2):
        path.write_bytes(path.read_bytes()[:end])
        with pytest.raises(InputError):
            add(path)
    assert models.stored() == ([], [])


def test_what_is_no_model(tmp_path: Path, place: Path) -> None:
    for content in (b"", b"text", b"MZ" + bytes(600)):
        with pytest.raises(InputError, match="no GGUF file"):
            add(written(tmp_path, "x.gguf", content))
    with pytest.raises(InputError, match="cut off"):
        add(written(tmp_path, "x.gguf", WHOLE[:-1]))
    with pytest.raises(InputError, match="cannot be read"):
        add(tmp_path / "none.gguf")
    assert not place.exists() or models.stored() == ([], [])


def test_a_model_is_opened_by_its_name(place: Path) -> None:
    from vedette.engine.open import opened

    async def ask() -> None:
        async with opened("qwen3-4b"):
            pass

    with pytest.raises(ConfigError, match=r"no model 'qwen3-4b' in .*`vedette model pull` or `add` brings one"):
        asyncio.run(ask())
