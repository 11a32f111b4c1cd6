"""The skeleton of all pages: one style, no scripts, nothing from elsewhere; every text on it is escaped."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from vedette.guard.neutralise import escaped, visible

_STYLE = Path(__file__).with_name("page.css")


def told(text: str) -> str:
    """Anybody's words as they may stand in a page or in a quoted attribute; what cannot be seen is shown."""
    return html.escape(escaped(text, visible))


def told_lines(text: str) -> str:
    """The same, its lines kept."""
    return "\n".join(told(line) for line in text.replace("\r\n", "\n").split("\n"))


@cache
def style() -> str:
    return _STYLE.read_bytes().decode().replace("\r\n", "\n")


def _policy() -> str:
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; base-uri 'none'"


POLICY = _policy()


def page(title: str, body: Iterable[str]) -> str:
    """`body` is HTML; `title` is anybody's words."""
    head = [
        "<!doctype html>", '<html lang="en">', "<head>", '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(POLICY)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{told(title)}</title>", f"<style>{style()}</style>", "</head>", "<body>",
    ]  # fmt: skip
    return "\n".join([*head, *body, "</body>", "</html>"]) + "\n"
