from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.connect.sinks.html import DETAILED, render
from vedette.connect.sinks.html.build import Html, join, link, tag, text
from vedette.types import Queue

from .queues import HOSTILE, QUEUES, case, many, queue

VOID = {"meta", "br"}
ACTIVE = {"script", "img", "iframe", "object", "embed", "form", "input", "link", "base", "foreignobject", "animate"}


class Page(HTMLParser):
    """What a browser would find: elements, their attributes, and whether they are nested well."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.stack: list[str] = []
        self.words: list[str] = []
        self.feed(content)
        self.close()
        assert not self.stack

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((name, {key: value or "" for key, value in attributes}))
        if name not in VOID:
            self.stack.append(name)

    def handle_startendtag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((name, {key: value or "" for key, value in attributes}))

    def handle_endtag(self, name: str) -> None:
        assert self.stack.pop() == name

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def ids(self) -> list[str]:
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]


@pytest.fixture(params=QUEUES, scope="module")
def page(request: pytest.FixtureRequest) -> Page:
    return Page(render(QUEUES[request.param]()))


def test_nothing_is_active(page: Page) -> None:
    for name, attributes in page.elements:
        assert name not in ACTIVE
        assert not [key for key in attributes if key.startswith("on") or key in {"style", "src", "srcset", "action"}]
        assert attributes.get("href", "#").startswith("#")
        assert attributes.get("http-equiv", "").lower() != "refresh"


def test_the_policy_allows_the_one_style_and_nothing_else() -> None:
    content = render(QUEUES["hostile"]())
    style = re.findall(r"<style>(.*?)</style>", content, re.DOTALL)
    assert len(style) == 1
    digest = b64encode(sha256(style[0].encode()).digest()).decode()
    policies = [a["content"] for _, a in Page(content).elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies == [f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"]
    assert content.index("Content-Security-Policy") < content.index("<style>")
    assert not re.search(r"url\(|@import|expression|https?:", style[0])


def test_every_link_leads_somewhere_and_ids_are_unique(page: Page) -> None:
    ids = page.ids()
    assert len(ids) == len(set(ids))
    targets = {a["href"][1:] for name, a in page.elements if name == "a"}
    assert targets <= set(ids)


def test_the_page_can_be_read_aloud(page: Page) -> None:
    names = [name for name, _ in page.elements]
    assert names.count("h1") == 1
    assert all("scope" in attributes for name, attributes in page.elements if name == "th")
    assert all(
        {"aria-label", "aria-hidden"} & set(a) or a["class"] == "timeline" for n, a in page.elements if n == "svg"
    )
    assert ("html", {"lang": "en"}) in page.elements
    levels = [int(name[1]) for name in names if re.fullmatch("h[1-6]", name)]
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))


def test_attacker_written_text_is_shown_as_such() -> None:
    words = "".join(Page(render(QUEUES["hostile"]())).words)
    assert words.count("attacker-written") >= 2 * len(HOSTILE)
    assert "<script>alert(1)</script>" in words  # to be read, not to be run
    assert "\x1b" not in words
    assert r"invoice\u202egnp.exe" in words


def test_what_is_not_known_is_said_to_be_unverified() -> None:
    assert "T9999 (unverified)" in render(QUEUES["one"]())


@given(st.text(st.characters(exclude_categories=()), max_size=60))
@settings(max_examples=60, deadline=None)
def test_any_text_leaves_the_structure_alone(attack: str) -> None:
    usual, hostile = (Page(render(_one(words))) for words in ("plain", attack or "x"))
    assert [name for name, _ in hostile.elements] == [name for name, _ in usual.elements]


def _one(words: str) -> Queue:
    return queue((case(title=words, summary=words, hosts=(words,), next_steps=(words,), continues=words),))


def test_ten_thousand_cases_are_all_listed_and_the_cut_is_said() -> None:
    content = render(many())
    assert content.count('<details class="case') == DETAILED
    assert f"Details of the first {DETAILED} of 2,000 cases" in content
    assert all(f"Case number {n:,} on" in content for n in (0, 99, 100, 1_100, 9_999))
    assert content.count("<details open") + content.count(" open>") == 2


def test_the_same_queue_gives_the_same_bytes() -> None:
    assert render(QUEUES["busy"]()) == render(QUEUES["busy"]())


def test_strings_are_escaped_unless_they_were_built() -> None:
    assert tag("p", "<b>", Html("<i>x</i>"), cls='"') == '<p class="&quot;">&lt;b&gt;<i>x</i></p>'
    assert join("&", 1_000, None, [text("'")]) == "&amp;1,000&#x27;"
    assert link("a", "b") == '<a href="#a">b</a>'
    assert tag("rect", width=1.50, hidden=True, rx=None, ry=False) == '<rect width="1.5" hidden/>'
