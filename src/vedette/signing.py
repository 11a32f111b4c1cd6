"""Ed25519 keys and signatures: who vouches for a bundle or a model.

A key's id is short, for people and messages; trust rests on the public keys that the owner keeps. Keys are PEM files
(PKCS #8 and SubjectPublicKeyInfo), so that other tools can make and check them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from vedette.errors import ArtefactError, ConfigError
from vedette.manifest import FILE_NAME, atomic_write, output_error

PRIVATE, PUBLIC = ".key.pem", ".pub.pem"
SEAL = "manifest.sig.json"  # beside a manifest: who vouches for it, and so for every file that it names
MAX_PEM = 16 * 1024  # bytes
MAX_SEAL = 4 * 1024  # bytes
AGAIN = "fetch it again from its sender; do not use this one"
NEEDED = "an Ed25519 key without a password, in PEM, is needed"

Trusted = Mapping[str, Ed25519PublicKey]  # by key id


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{16}\Z")]  # id of the key
    ed25519: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{128}\Z")]  # hex


def keys_folder() -> Path:
    """Where public keys are looked for unless a path is given: `vedette/keys` in the owner's configuration."""
    base = os.environ.get("APPDATA" if sys.platform == "win32" else "XDG_CONFIG_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".config") / "vedette" / "keys"


def keygen(folder: Path, name: str = "vedette") -> tuple[Path, Path]:
    """A new pair of files, (private with mode 0600, public). Neither is ever overwritten."""
    key = Ed25519PrivateKey.generate()
    private, public = folder / f"{name}{PRIVATE}", folder / f"{name}{PUBLIC}"
    for path in (private, public):
        if path.exists():
            raise ConfigError("a key is already there", where=str(path), remedy="choose another folder or name")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        _create(private, pem, 0o600)
        _create(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), 0o644)
    except OSError as exc:
        raise output_error(folder, exc) from exc
    return private, public


def key_id(key: Ed25519PublicKey) -> str:
    """The first 16 hex digits of the sha256 of the raw public key."""
    return sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def private_key(path: Path) -> Ed25519PrivateKey:
    """Raises ConfigError, also where others on this machine can read the file."""
    pem = _read(path)
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise ConfigError("a private key that others can read", where=str(path), remedy=f"run `chmod 600 {path}`")
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise ConfigError("the key has a password", where=str(path), remedy=NEEDED) from None
    except (ValueError, UnsupportedAlgorithm):
        raise _unusable(path, "private", pem) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError("a private key of another kind", where=str(path), remedy=NEEDED)
    return key


def public_key(path: Path) -> Ed25519PublicKey:
    """Raises ConfigError."""
    pem = _read(path)
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise _unusable(path, "public", pem) from None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError("a public key of another kind", where=str(path), remedy=NEEDED)
    return key


def trusted(places: Iterable[Path] = ()) -> Trusted:
    """The public keys in these files and folders (`*.pub.pem`); where none is given, in `keys_folder()`."""
    keys = {}
    for place in list(places) or [keys_folder()]:
        folder = place.is_dir() or place == keys_folder()  # which need not exist
        for path in sorted(place.glob(f"*{PUBLIC}")) if folder else [place]:
            key = public_key(path)
            keys[key_id(key)] = key
    return keys


def sign(data: bytes, key: Ed25519PrivateKey) -> Signature:
    return Signature(key_id(key.public_key()), key.sign(data).hex())


def verify(data: bytes, signature: Signature, keys: Trusted) -> None:
    """Raises ArtefactError for an unknown key and for data that is not what was signed."""
    if signature.key not in keys:
        remedy = f"put the sender's public key into '{keys_folder()}', after asking the sender for the key's id"
        raise ArtefactError(f"signed with the unknown key '{signature.key}'", remedy=remedy)
    try:
        keys[signature.key].verify(bytes.fromhex(signature.ed25519), data)
    except InvalidSignature:
        what = f"changed after it was signed with the key '{signature.key}'"
        raise ArtefactError(what, remedy=AGAIN) from None


def seal(manifest: Path, key: Ed25519PrivateKey) -> Path:
    """Sign a manifest, as it lies there. Raises OutputError."""
    path = manifest.with_name(SEAL)
    atomic_write(path, msgspec.json.encode(sign(manifest.read_bytes(), key)) + b"\n")
    return path


def sealed(folder: Path, keys: Trusted) -> str:
    """The id of the key that signed the folder's manifest, "" where nobody did. The files themselves are not looked at.

    Raises ArtefactError for a wrong signature, an unknown key, and one without a manifest.
    """
    path = folder / SEAL
    if not path.is_file():
        return ""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SEAL + 1)
        return unseal((folder / FILE_NAME).read_bytes(), content, keys, str(path))
    except OSError as exc:
        raise ArtefactError(f"no signature of a manifest: {exc}", where=str(path), remedy=AGAIN) from exc


def unseal(manifest: bytes, content: bytes, keys: Trusted, where: str) -> str:
    """The id of the key that signed. `content`: of the file SEAL. Raises ArtefactError."""
    try:
        signature = msgspec.json.decode(content[: MAX_SEAL + 1], type=Signature)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise ArtefactError(f"no signature of a manifest: {exc}", where=where, remedy=AGAIN) from exc
    verify(manifest, signature, keys)
    return signature.key


def _unusable(path: Path, wanted: str, pem: bytes) -> ConfigError:
    other = "public" if wanted == "private" else "private"
    if f"{other.upper()} KEY-----".encode() in pem:
        what = f"a {other} key where the {wanted} one is needed"
        suffix = PRIVATE if wanted == "private" else PUBLIC
        return ConfigError(what, where=str(path), remedy=f"pass the other file of the pair (`*{suffix}`)")
    return ConfigError(f"not a {wanted} key", where=str(path), remedy=NEEDED)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            pem = file.read(MAX_PEM + 1)
    except OSError as exc:
        raise ConfigError(f"the key cannot be read: {exc.strerror}", where=str(path), remedy="check the path") from exc
    if len(pem) > MAX_PEM:
        raise ConfigError("too large for a key", where=str(path), remedy="check the path")
    return pem


def _create(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        with suppress(OSError):
            path.unlink()
        raise
