"""Chromium by its DevTools protocol: enough to open a page, run a script as a user's hand, and look."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome") or ""
PATIENCE = 60.0  # seconds; the machine may be busy
OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--remote-debugging-port=0", "about:blank",
)  # fmt: skip


class Tab:
    """One page over a WebSocket (RFC 6455); messages that nobody asked for are kept in `events`."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._socket = socket.create_connection((str(parts.hostname), parts.port or 80), timeout=PATIENCE)
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        self._socket.sendall(
            f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self._file = self._socket.makefile("rb")
        assert b" 101 " in self._file.readline()
        while self._file.readline().strip():
            pass
        self._last = 0
        self.events: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._last += 1
        self._send(json.dumps({"id": self._last, "method": method, "params": params}).encode())
        while (message := self._receive()).get("id") != self._last:
            self.events.append(message)
        assert "error" not in message, message
        result: dict[str, Any] = message["result"]
        return result

    def open(self, address: str) -> None:
        self.ask("Page.navigate", url=address)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def run(self, script: str) -> Any:
        done = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def wait(self, condition: str) -> None:
        end = time.monotonic() + PATIENCE
        while not self.run(condition):
            assert time.monotonic() < end, f"never: {condition}"
            time.sleep(0.05)

    def press(self, name: str) -> None:
        """A button that sends the form; waits for the page that comes."""
        self.run(f"window.before = 1; document.querySelector('button[name={name}]').click()")
        self.wait("window.before === undefined && document.readyState === 'complete'")

    def shot(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", captureBeyondViewport=True)["data"]))

    def _send(self, data: bytes) -> None:
        mask = secrets.token_bytes(4)
        size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
        assert len(data) < 65_536
        self._socket.sendall(b"\x81" + size + mask + bytes(b ^ mask[n % 4] for n, b in enumerate(data)))

    def _receive(self) -> dict[str, Any]:
        data, last = b"", False
        while not last:
            head = self._file.read(2)
            last, size = bool(head[0] & 0x80), head[1] & 0x7F
            if size > 125:
                size = int.from_bytes(self._file.read(2 if size == 126 else 8), "big")
            data += self._file.read(size)
        message: dict[str, Any] = json.loads(data)
        return message


@contextmanager
def browsing(profile: Path) -> Iterator[Tab]:
    command = [CHROMIUM, f"--user-data-dir={profile}", *OPTIONS]
    process = subprocess.Popen(command, stdout=-3, stderr=-3, env={**os.environ, "HOME": str(profile)})
    try:
        tab = Tab(_address(profile / "DevToolsActivePort", process))
        try:
            yield tab
        finally:
            tab.close()
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _address(file: Path, process: subprocess.Popen[bytes]) -> str:
    end = time.monotonic() + PATIENCE
    while not (file.exists() and file.read_text().count("\n")):
        assert process.poll() is None, "the browser ended"
        assert time.monotonic() < end, "the browser does not start"
        time.sleep(0.05)
    connection = HTTPConnection("127.0.0.1", int(file.read_text().split()[0]), timeout=PATIENCE)
    connection.request("GET", "/json/list")
    pages = json.loads(connection.getresponse().read())
    connection.close()
    address: str = next(page for page in pages if page["type"] == "page")["webSocketDebuggerUrl"]
    return address
