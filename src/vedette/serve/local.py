"""A web server for one person at this machine: loopback only, a secret in the address, forms and no scripts.

Other programs and pages on the machine must not get in: the address has a token of 192 bits, the `Host` has to be ours
(a name that was bound anew to 127.0.0.1 is not), a form has to come from our own page.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Protocol
from urllib.parse import parse_qsl

from vedette.errors import ConfigError
from vedette.serve.page import POLICY

HOST = "127.0.0.1"
BYTES = 500_000  # of a form
FIELDS = 1_000
SILENCE = 30.0  # seconds until a client that says nothing is cut off
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Reply:
    body: str = ""
    status: HTTPStatus = HTTPStatus.OK
    to: str = ""  # the browser is sent there, relative to the site
    last: bool = False  # the server stops after it


class Site(Protocol):
    def get(self, query: dict[str, str]) -> Reply: ...

    def post(self, fields: dict[str, str]) -> Reply: ...


class LocalServer(ThreadingHTTPServer):
    """`run` serves until a reply is the last one, or until `shutdown`. Use it as a context."""

    daemon_threads = True
    allow_reuse_address = False

    def __init__(self, site: Site, port: int = 0) -> None:
        self.site, self.token, self.lock = site, secrets.token_urlsafe(24), Lock()
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as exc:
            raise ConfigError(f"port {port} cannot be used: {exc}", remedy="give another --port, or 0") from exc

    @property
    def origin(self) -> str:
        return f"http://{HOST}:{self.server_port}"

    @property
    def address(self) -> str:
        return f"{self.origin}/{self.token}/"

    def run(self) -> None:
        self.serve_forever(poll_interval=0.1)


class _Handler(BaseHTTPRequestHandler):
    server: LocalServer
    server_version = "vedette"
    sys_version = ""
    timeout = SILENCE
    error_message_format = "%(code)d %(message)s\n"
    error_content_type = "text/plain; charset=utf-8"

    def do_GET(self) -> None:
        if self._is_ours() and (query := self._read(self.path.partition("?")[2])) is not None:
            with self.server.lock:
                reply = self.server.site.get(query)
            self._send(reply)

    def do_POST(self) -> None:
        if not self._is_ours():
            return
        if self.headers.get("Origin") != self.server.origin:
            self.send_error(HTTPStatus.FORBIDDEN, "the form comes from another page")
        elif self.headers.get_content_type() != _FORM:
            self.send_error(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "no form")
        elif (fields := self._fields()) is not None:
            with self.server.lock:
                reply = self.server.site.post(fields)
            self._send(reply)

    def _is_ours(self) -> bool:
        """Whether the address has our name, our token, and nothing behind it."""
        path = self.path.partition("?")[0].encode("utf-8", "replace")
        known = hmac.compare_digest(path, f"/{self.server.token}/".encode())
        if not known or self.headers.get("Host") != f"{HOST}:{self.server.server_port}":
            self.send_error(HTTPStatus.NOT_FOUND, "nothing is here; use the whole address that the command printed")
            return False
        return True

    def _fields(self) -> dict[str, str] | None:
        size = self.headers.get("Content-Length", "")
        if not (size.isascii() and size.isdigit()) or int(size[:9]) > BYTES:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a form has {BYTES:,} bytes at most")
            return None
        return self._read(self.rfile.read(int(size)).decode("latin-1"))

    def _read(self, text: str) -> dict[str, str] | None:
        try:
            return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS, errors="strict"))
        except ValueError:
            self.send_error(HTTPStatus.BAD_REQUEST, "the form cannot be read")
            return None

    def _send(self, reply: Reply) -> None:
        body = reply.body.encode("utf-8", "replace")
        self.send_response(HTTPStatus.SEE_OTHER if reply.to else reply.status)
        if reply.to:
            self.send_header("Location", f"/{self.server.token}/{reply.to}")
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if reply.last:
            self.wfile.flush()
            self.server.shutdown()

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", f"{POLICY}; frame-ancestors 'none'")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "same-origin")  # the address is a secret
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a log would hold the token."""
