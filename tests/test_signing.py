from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from vedette import signing
from vedette.errors import ArtefactError, ConfigError, OutputError
from vedette.manifest import FILE_NAME

posix = pytest.mark.skipif(os.name != "posix", reason="no modes of files here")


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return signing.keygen(tmp_path / "keys")


def test_what_a_new_key_signs_is_accepted_with_its_public_key(pair: tuple[Path, Path]) -> None:
    key = signing.private_key(pair[0])
    signature = signing.sign(b"text", key)
    signing.verify(b"text", signature, signing.trusted([pair[1]]))
    assert signature.key == signing.key_id(signing.public_key(pair[1]))


@given(data=st.binary(min_size=1), place=st.integers(0), bit=st.integers(0, 7))
def test_one_changed_bit_is_refused(data: bytes, place: int, bit: int) -> None:
    key = Ed25519PrivateKey.generate()
    keys = {signing.key_id(key.public_key()): key.public_key()}
    signature = signing.sign(data, key)
    changed = bytearray(data)
    changed[place % len(data)] ^= 1 << bit
    with pytest.raises(ArtefactError, match="changed after it was signed"):
        signing.verify(bytes(changed), signature, keys)


def test_another_key_is_unknown_and_the_message_names_it(pair: tuple[Path, Path], tmp_path: Path) -> None:
    other = signing.keygen(tmp_path / "other")
    signature = signing.sign(b"text", signing.private_key(other[0]))
    with pytest.raises(ArtefactError, match=f"unknown key '{signature.key}'"):
        signing.verify(b"text", signature, signing.trusted([pair[1]]))


def test_a_known_key_under_the_name_of_another_is_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    forged = signing.sign(b"text", signing.private_key(signing.keygen(tmp_path / "other")[0]))
    known = signing.key_id(signing.public_key(pair[1]))
    with pytest.raises(ArtefactError, match="changed after"):
        signing.verify(b"text", signing.Signature(known, forged.ed25519), signing.trusted([pair[1]]))


@posix
def test_the_private_key_is_the_owners_alone(pair: tuple[Path, Path]) -> None:
    assert pair[0].stat().st_mode & 0o777 == 0o600
    pair[0].chmod(0o640)
    with pytest.raises(ConfigError, match=r"others can read.*chmod 600"):
        signing.private_key(pair[0])


def test_no_key_is_ever_overwritten(pair: tuple[Path, Path]) -> None:
    before = [path.read_bytes() for path in pair]
    with pytest.raises(ConfigError, match="already there"):
        signing.keygen(pair[0].parent)
    pair[0].unlink()
    with pytest.raises(ConfigError, match="already there"):
        signing.keygen(pair[0].parent)
    assert pair[1].read_bytes() == before[1]
    assert not pair[0].exists()


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        signing.keygen(tmp_path / "file" / "keys")


def test_a_folder_gives_all_its_public_keys_and_nothing_else(tmp_path: Path) -> None:
    names = [signing.keygen(tmp_path, name)[1] for name in ("one", "two")]
    (tmp_path / "notes.txt").write_text("no key")
    assert set(signing.trusted([tmp_path])) == {signing.key_id(signing.public_key(path)) for path in names}


def test_without_a_place_the_owners_folder_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("APPDATA", str(tmp_path))
    assert signing.keys_folder() == tmp_path / "vedette" / "keys"
    assert signing.trusted() == {}
    public = signing.keygen(signing.keys_folder())[1]
    assert list(signing.trusted()) == [signing.key_id(signing.public_key(public))]


def test_a_relative_configuration_folder_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "here")
    monkeypatch.setenv("APPDATA", "here")
    assert signing.keys_folder() == Path.home() / ".config" / "vedette" / "keys"


def unusable(folder: Path) -> dict[str, bytes]:
    key = Ed25519PrivateKey.generate()
    curve = generate_private_key(SECP256R1())
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    return {
        "a public key": key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "has a password": locked,
        "of another kind": curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "not a private key": b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "too large": b"x" * 20_000,
    }


@pytest.mark.parametrize("what", unusable(Path()))
def test_an_unusable_private_key_says_why(what: str, tmp_path: Path) -> None:
    path = tmp_path / "k.pem"
    path.write_bytes(unusable(tmp_path)[what])
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=what) as caught:
        signing.private_key(path)
    assert caught.value.where == str(path)
    assert caught.value.remedy


def test_an_unusable_public_key_says_why(pair: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a private key where the public one"):
        signing.public_key(pair[0])
    with pytest.raises(ConfigError, match="cannot be read"):
        signing.public_key(tmp_path / "absent.pem")
    curve = tmp_path / "curve.pub.pem"
    public = generate_private_key(SECP256R1()).public_key()
    curve.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(ConfigError, match="of another kind"):
        signing.trusted([curve])


@given(st.binary(max_size=300))
def test_no_content_of_a_key_file_raises_anything_else(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("keys") / "k.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError):
        signing.private_key(path)
    with pytest.raises(ConfigError):
        signing.public_key(path)


# Manifests


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "made"
    made.mkdir()
    (made / FILE_NAME).write_text("{}")
    return made


def test_a_manifest_is_sealed(folder: Path, pair: tuple[Path, Path]) -> None:
    keys = signing.trusted([pair[1]])
    assert signing.sealed(folder, keys) == ""
    signing.seal(folder / FILE_NAME, signing.private_key(pair[0]))
    assert signing.sealed(folder, keys) == next(iter(keys))
    (folder / FILE_NAME).write_text("{ }")
    with pytest.raises(ArtefactError, match="changed after it was signed"):
        signing.sealed(folder, keys)
    (folder / FILE_NAME).unlink()
    with pytest.raises(ArtefactError, match="no signature of a manifest"):
        signing.sealed(folder, keys)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"key": "0", "ed25519": ""}', b"x" * 9_000])
def test_what_is_no_seal(folder: Path, pair: tuple[Path, Path], content: bytes) -> None:
    (folder / signing.SEAL).write_bytes(content)
    with pytest.raises(ArtefactError, match="no signature of a manifest"):
        signing.sealed(folder, signing.trusted([pair[1]]))
