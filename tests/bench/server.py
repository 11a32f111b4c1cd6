"""An OpenAI-compatible server on the loopback, whose replies a test makes up."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Reply = Callable[[str], tuple[int, bytes]]  # of a prompt: status and body


class Server:
    """Speaks as an OpenAI-compatible server does; `reply` may be changed at any time."""

    def __init__(self, reply: Reply) -> None:
        self.reply, self.asked = reply, 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.asked += 1
                status, content = outer.reply(body["messages"][-1]["content"])
                self.send_response(status)
                self.send_header("content-type", "application/json" if content[:1] == b"{" else "text/html")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_port}/v1"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def said(text: str) -> bytes:
    message = {"role": "assistant", "content": text}
    return json.dumps({
        "id": "1", "object": "chat.completion", "created": 1, "model": "tiny",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }).encode()  # fmt: skip
