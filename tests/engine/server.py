"""An OpenAI-compatible server on the loopback that behaves as a test tells it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Page = Any  # JSON, or a function of the request's body that returns JSON
Stream = Callable[["Handler", dict[str, Any]], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}"))

    def _answer(self, body: dict[str, Any]) -> None:
        self.server.asked.append((self.path, body))
        if self.path.endswith("/chat/completions"):
            self.server.talk(self, body)
            return
        page = self.server.pages.get(self.path)
        page = page(body) if callable(page) else page
        self.send(404 if page is None else 200, json.dumps(page if page is not None else {"error": "no such path"}))

    def send(self, status: int, text: str, kind: str = "application/json", **headers: str) -> None:
        data = text.encode()
        self.send_response(status)
        for name, value in {"content-type": kind, "content-length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def begin(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True

    def event(self, data: str) -> None:
        self.wfile.write(f"data: {data}\n\n".encode())
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    asked: list[tuple[str, dict[str, Any]]]
    pages: dict[str, Page]
    talk: Stream

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are part of the tests."""


def piece(text: str, finish: str | None = None, model: str = "m") -> str:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return json.dumps({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [choice]})


def usage(tokens_in: int, tokens_out: int, model: str = "m") -> str:
    counts = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}
    whole = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [], "usage": counts}
    return json.dumps(whole)


def saying(*pieces: str, tokens_in: int = 20, model: str = "m") -> Stream:
    """A whole answer in these pieces."""

    def talk(handler: Handler, _: dict[str, Any]) -> None:
        handler.begin()
        for text in pieces:
            handler.event(piece(text, model=model))
        handler.event(piece("", "stop", model))
        handler.event(usage(tokens_in, len(pieces), model))
        handler.event("[DONE]")

    return talk


def in_turn(*talks: Stream) -> Stream:
    """Each once, the last one again and again."""
    left = list(talks)

    def talk(handler: Handler, body: dict[str, Any]) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(handler, body)

    return talk


VLLM = {"object": "list", "data": [{"id": "m", "object": "model", "owned_by": "vllm", "max_model_len": 4_096}]}


@contextmanager
def serving(talk: Stream, pages: dict[str, Page] | None = None) -> Iterator[tuple[str, Server]]:
    """(address, server); as vLLM without a tokenizer unless `pages` say otherwise."""
    server = Server(("127.0.0.1", 0), Handler)
    server.asked, server.talk, server.pages = [], talk, {"/v1/models": VLLM} if pages is None else pages
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
