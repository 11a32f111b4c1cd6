"""What every test has: no network beyond this machine, and the reference data where it lies beside the repository."""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


def _is_local(host: object) -> bool:
    if host in (None, "", b"", "localhost", b"localhost"):
        return True
    try:
        return ipaddress.ip_address(str(host).split("%")[0]).is_loopback
    except ValueError:
        return False


def _guarded(original: Callable[..., Any], place: int) -> Callable[..., Any]:
    """Refuse an address that is not local; `place` is its position among the arguments, -1 the last one."""

    def call(self: socket.socket, *args: Any) -> Any:
        address = args[place] if args else None
        if self.family != getattr(socket, "AF_UNIX", None) and isinstance(address, tuple) and not _is_local(address[0]):
            pytest.fail(f"a test asked for a connection to {address!r}: only loopback is allowed")
        return original(self, *args)

    return call


def _guarded_lookup(original: Callable[..., Any]) -> Callable[..., Any]:
    def call(host: object, *args: Any, **options: Any) -> Any:
        if not _is_local(host):
            pytest.fail(f"a test looked up {host!r}: only loopback is allowed")
        return original(host, *args, **options)

    return call


@pytest.fixture(scope="session", autouse=True)
def only_loopback() -> Iterator[None]:
    """`pytest.fail` is no `Exception`, so code under test cannot swallow it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, place in (("connect", 0), ("connect_ex", 0), ("sendto", -1), ("sendmsg", -1)):
            if hasattr(socket.socket, name):
                patch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name), place))
        for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
            patch.setattr(socket, name, _guarded_lookup(getattr(socket, name)))
        yield


@pytest.fixture(scope="session", autouse=True)
def store_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the knowledge store lies for this process and those that it starts: never the user's."""
    path = tmp_path_factory.mktemp("knowledge") / "knowledge.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VEDETTE_KNOWLEDGE", str(path))
        yield path


@pytest.fixture(scope="session")
def root() -> Path:
    """Of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The reference data (ATT&CK, alert samples …); $VEDETTE_SHARED, or `shared` beside the repository."""
    folder = Path(os.environ.get("VEDETTE_SHARED") or ROOT.parent / "shared")
    if not folder.is_dir():
        pytest.skip(f"no reference data in '{folder}': set VEDETTE_SHARED to the folder that holds it")
    return folder


@pytest.fixture(scope="session")
def tiny_gguf(root: Path) -> bytes:
    """A whole GGUF file of a few numbers, which no library was needed for."""
    spec = importlib.util.spec_from_file_location("crafted", root / "tests" / "engine" / "crafted.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    content: bytes = module.gguf()
    return content
