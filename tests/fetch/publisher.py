"""A publisher of our own on loopback, whose every answer is written by the test, and a clock that nobody waits for."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from vedette.fetch import FetchOptions, Time
from vedette.knowledge.inputs import Input
from vedette.partial import Address

BODY = bytes(range(256)) * 400  # 102,400 bytes
NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
OPTIONS = FetchOptions(connect_s=2, stall_s=0.1, total_s=1000, tries=4, first_wait_s=1, longest_wait_s=60)


@dataclass
class FakeTime:
    seconds: float = 0.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> Time:
        return Time(lambda: self.seconds, lambda: NOW + timedelta(seconds=self.seconds), self.sleep, lambda: 1.0)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


class Handler(BaseHTTPRequestHandler):
    """Gives each path to the next of its answers; the last one is repeated."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        answers = self.server.answers[self.path.split("?")[0]]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        answer(self)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def send(self, status: int, headers: dict[str, str], *pieces: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        for piece in pieces:
            self.wfile.write(piece)
        self.wfile.flush()

    def send_raw(self, content: bytes) -> None:
        self.wfile.write(content)
        self.close_connection = True


Answer = Callable[[Handler], None]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, list[Answer]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.scheme = "http"

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients that hang up are part of the tests

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def address(self, path: str = "/feed.json", **changes: object) -> Address:
        return Address.model_validate({"url": self.url + path} | changes)


def running(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


# Answers


def whole(body: bytes = BODY, **headers: str) -> Answer:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.send(200, {"Content-Length": str(len(body))} | fields, body)


def status(code: int, **headers: str) -> Answer:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.send(code, {"Content-Length": "0"} | fields)


def redirect(to: str, code: int = 302) -> Answer:
    return status(code, Location=to)


def cut_off(body: bytes = BODY, *, after: int = 40_000, **headers: str) -> Answer:
    """Promises the whole body, and hangs up."""

    def answer(handler: Handler) -> None:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        handler.send(200, {"Content-Length": str(len(body))} | fields, body[:after])
        handler.close_connection = True

    return answer


def ranged(body: bytes = BODY, etag: str = '"1"', shift: int = 0) -> Answer:
    """Honours Range where If-Range still holds."""

    def answer(handler: Handler) -> None:
        start = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        if not start or handler.headers.get("If-Range") != etag:
            return whole(body, ETag=etag)(handler)
        first = int(start[1]) + shift
        rest = body[first:]
        content = f"bytes {first}-{len(body) - 1}/{len(body)}"
        handler.send(206, {"Content-Length": str(len(rest)), "Content-Range": content, "ETag": etag}, rest)
        return None

    return answer


def unchanged_if(etag: str = '"1"', modified: str = "", body: bytes = BODY) -> Answer:
    def answer(handler: Handler) -> None:
        same = handler.headers.get("If-None-Match") == etag if etag else bool(handler.headers.get("If-Modified-Since"))
        headers = ({"ETag": etag} if etag else {}) | ({"Last-Modified": modified} if modified else {})
        handler.send(304, headers) if same else whole(body, **headers)(handler)

    return answer


def chunked(*pieces: bytes, end: bool = True) -> Answer:
    def answer(handler: Handler) -> None:
        coded = [f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces]
        handler.send(200, {"Transfer-Encoding": "chunked"}, *coded, *([b"0\r\n\r\n"] if end else []))
        handler.close_connection = True

    return answer


def stalling(after: int = 40_000, **headers: str) -> Answer:
    def answer(handler: Handler) -> None:
        cut_off(BODY, after=after, **headers)(handler)
        time.sleep(0.3)

    return answer


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def got(folder: Path) -> list[str]:
    """What an importer would see."""
    return [name for name, _ in Input(folder).members()]
