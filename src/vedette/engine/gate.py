"""What was found out about a candidate before it may answer: a typed document, signed by who stands behind it.

`vedette.bench.gate` makes it; `engine.roles` lets nobody in without it. The signature is over the document's own bytes.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vedette import signing
from vedette.errors import ArtefactError
from vedette.manifest import atomic_write

NAME = "gate.json"
MAX_BYTES = 4 * 1024 * 1024
FORMAT = 1


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """Who was asked."""

    spec: str  # as it was named
    name: str = ""
    sha256: str = ""  # of the model's file; "" where a server does not say
    adapter: str = ""  # name of the adapter that answered, "" for none
    adapter_sha256: str = ""

    def __str__(self) -> str:
        known = [f"{self.name or self.spec} {self.sha256[:12]}".strip()]
        return " with ".join(known + [f"{self.adapter} {self.adapter_sha256[:12]}"] * bool(self.adapter))


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """What it was asked about."""

    name: str
    sha256: str
    n: int


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that has to hold. `low` and `high` are the 95 % interval of `value`."""

    name: str
    wants: str  # what has to hold, with its bound
    passed: bool
    decided: bool = True  # false: too little was asked to tell; it is not passed then
    n: int
    value: float
    low: float
    high: float
    found: str  # in words
    todo: str = ""  # where it did not pass
    details: tuple[str, ...] = ()


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    format: int = FORMAT
    made: str  # UTC, ISO 8601
    version: str  # of Vedette
    base: Party
    candidate: Party
    data: tuple[Data, ...]
    rules: dict[str, Any]
    checks: tuple[Check, ...]
    passed: bool
    seconds: float

    @property
    def failed(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.passed)

    @property
    def summary(self) -> str:
        good = len(self.checks) - len(self.failed)
        names = ", ".join(check.name for check in self.failed)
        return f"{good} of {len(self.checks)} checks passed" + (f"; not: {names}" if names else "")


class _Signed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    gate: msgspec.Raw
    signature: signing.Signature | None = None


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """A gate's result as it was read."""

    gate: Gate
    content: bytes  # of the file
    raw: bytes  # that was signed
    signature: signing.Signature | None

    @property
    def sha256(self) -> str:
        return sha256(self.content).hexdigest()

    def verify(self, keys: signing.Trusted) -> str:
        """The id of the key. Raises ArtefactError where nobody who is trusted signed it."""
        if self.signature is None:
            remedy = "make it again with `vedette model gate … --sign KEY`"
            raise ArtefactError("the gate's result is not signed", remedy=remedy)
        signing.verify(self.raw, self.signature, keys)
        return self.signature.key


def write(path: Path, gate: Gate, key: Ed25519PrivateKey | None) -> None:
    """Raises OutputError."""
    raw = msgspec.json.encode(gate)
    signature = signing.sign(raw, key) if key else None
    atomic_write(path, msgspec.json.encode(_Signed(msgspec.Raw(raw), signature)) + b"\n")


def read(path: Path) -> Sealed:
    """Raises ArtefactError."""
    remedy = "make it again with `vedette model gate`"
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ArtefactError("too large for a gate's result", where=str(path), remedy=remedy)
        signed = msgspec.json.decode(content, type=_Signed)
        gate = msgspec.json.decode(signed.gate, type=Gate)
    except OSError as exc:
        raise ArtefactError(f"no gate's result: {exc.strerror}", where=str(path), remedy=remedy) from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise ArtefactError(f"no gate's result: {exc}", where=str(path), remedy=remedy) from exc
    if gate.format != FORMAT:
        raise ArtefactError(f"a gate's result of format {gate.format}", where=str(path), remedy=remedy)
    if gate.passed and (gate.failed or not gate.checks):
        raise ArtefactError("it says that it passed, and its checks do not", where=str(path), remedy=remedy)
    return Sealed(gate=gate, content=content, raw=bytes(signed.gate), signature=signed.signature)
