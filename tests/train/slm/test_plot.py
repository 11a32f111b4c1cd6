"""The page of curves: well-formed, loads nothing, says everything in words, too."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vedette.errors import ConfigError
from vedette.train.slm.chart import BROAD, MOST, NARROW, Chart, Line, log_ticks, number, svg, thinned, ticks
from vedette.train.slm.curve import Dev, Event, Probe, Resume, Run
from vedette.train.slm.plot import STYLE, html
from vedette.train.slm.plot_tables import MARKS, ROWS, Named, some

from .runs import events, run, step
from .test_curve import any_event

VOID = {"meta"}
ACTIVE = {
    "script",
    "img",
    "iframe",
    "object",
    "embed",
    "form",
    "input",
    "link",
    "base",
    "a",
    "foreignobject",
    "animate",
}


class Page(HTMLParser):
    """What a browser would find; fails where elements are not nested well."""

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

    def count(self, name: str, cls: str = "") -> int:
        return sum(found == name and (not cls or cls in a.get("class", "").split()) for found, a in self.elements)


def named(*found: list[Event]) -> list[Named]:
    return [Named(f"run {place}", run(one)) for place, one in enumerate(found)]


RESUMED = [*events(20)[:-1], Resume(8), *[event for event in events(20) if event.step > 8]]
LOST = [step(1), step(2, loss=None), step(3, loss=None, mfu=None, memory=None)]
RUNS = {
    "none": [], "empty": named([]), "only dev": named([Dev(0, 9.0, 10)]), "one point": named([step(1)]),
    "lost": named(LOST), "one": named(RESUMED), "three": named(events(20), events(30, scale=0.5), events(12)),
    "eight": named(*[events(20)] * 8), "hostile": [Named("<script>alert(1)</script>\u202e", run(events(5, why="<b>")))],
    "level": named([step(n, loss=0.0, rate=0.0, norm=0.0, tokens_per_second=0.0) for n in (1, 2)]),
}  # fmt: skip


@pytest.fixture(params=RUNS, scope="module")
def content(request: pytest.FixtureRequest) -> str:
    return html(RUNS[request.param])


def test_nothing_is_active_and_nothing_comes_from_elsewhere(content: str) -> None:
    for name, attributes in Page(content).elements:
        assert name not in ACTIVE
        assert not [key for key in attributes if key.startswith("on") or key in {"style", "src", "href", "xlink:href"}]
    assert not re.search(r"https?:|url\(|@import|//", content)


def test_the_policy_allows_the_one_style_and_nothing_else(content: str) -> None:
    style = re.findall(r"<style>(.*?)</style>", content, re.DOTALL)
    digest = b64encode(sha256(style[0].encode()).digest()).decode()
    assert len(style) == 1
    policies = [a["content"] for _, a in Page(content).elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies == [f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"]


def test_every_drawing_has_a_title_and_a_description_of_its_own(content: str) -> None:
    page = Page(content)
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    for name, attributes in page.elements:
        if name == "svg" and "aria-hidden" not in attributes:
            assert set(attributes["aria-labelledby"].split()) <= set(ids)
        if name == "th":
            assert attributes["scope"] in ("row", "col")
    assert [name for name, _ in page.elements].count("h1") == 1


def test_coordinates_are_within_their_drawing(content: str) -> None:
    numbers = re.findall(r' (?:x1|x2|y1|y2|x|y)="([^"]+)"|points="([^"]*)"|translate\(([^)]*)\)', content)
    found = [float(one) for groups in numbers for group in groups for one in re.split(r"[ ,]", group) if one]
    assert all(0 <= one <= BROAD.width for one in found)


def test_one_run_has_no_legend_and_several_have_one_that_needs_no_colour() -> None:
    assert Page(html(RUNS["one"])).count("ul") == 0
    page = Page(html(RUNS["three"]))
    assert page.count("ul", "keys") == 3
    marks = {
        place: {a["d"] for n, a in page.elements if n == "path" and f"r{place}" in a["class"]} for place in range(3)
    }
    assert all(len(shapes) == 1 for shapes in marks.values())
    assert len(set.union(*marks.values())) == 3
    dashes = re.findall(r"\.line\.r\d \{ stroke-dasharray: ([^;]+);", STYLE.read_text("utf-8"))
    assert len(set(dashes)) == len(dashes) == MOST - 1


def test_more_runs_than_can_be_told_apart_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"9 runs cannot be told.*at most 8"):
        html(named(*[events(4)] * 9))


def test_what_is_odd_is_said() -> None:
    found = run(RESUMED)
    found.unread, found.torn = 3, True
    words = "".join(Page(html([Named("a", found)])).words)
    assert "a: resumed at step 8; 3 lines cannot be read; the last line is not whole." in words
    assert "at 2 of 3 steps the loss was no number" in "".join(Page(html(RUNS["lost"])).words)
    assert "No step was measured yet." in "".join(Page(html(RUNS["empty"])).words)


def test_the_tables_say_what_is_drawn() -> None:
    words = Page(html(named(events(20)))).words
    assert words[words.index("state") + 1] == "done"
    assert "50.0 [38.1, 61.9]" in words  # the last probe, 32 of 64
    assert "16 of 32: 50.0 [33.6, 66.4]" in words
    assert [word for word in words if re.fullmatch(r"\d+", word)][:6] == [
        "1",
        "4",
        "8",
        "12",
        "16",
        "20",
    ] or "20" in words


def test_a_hundred_thousand_steps_make_a_small_page_that_keeps_each_peak() -> None:
    found = Run()
    for place in range(1, 100_001):
        found.add(step(place, loss=50.0 if place == 77_777 else 2.0))
    for place in range(250, 100_001, 250):
        found.add(Dev(place, 2.1, 9))
        found.add(Probe(place, 1, 9))
    content = html([Named("long", found)])
    page = Page(content)
    assert len(content) < 300_000
    tops = [min(float(y) for _, y in (p.split(",") for p in a["points"].split())) for n, a in page.elements
            if n == "polyline" and "faint" in a["class"]]  # fmt: skip
    assert min(tops) < 13  # the peak of one step touches the top
    assert page.count("path", "dot") == 4 * MARKS
    assert f"{ROWS} of 401 measurements" in "".join(page.words)


@given(st.lists(any_event, max_size=8), st.text(max_size=20))
@settings(max_examples=60, deadline=None)
def test_any_run_can_be_drawn(found: list[Event], name: str) -> None:
    Page(html([Named(name, run(found)), Named("other", run(events(5)))]))


# -- the parts of a chart -----------------------------------------------------------------------


@given(st.floats(-1e100, 1e100), st.floats(-1e100, 1e100), st.integers(2, 9))
@example(0.0, 5e-324, 2)
@example(7.0, 7.0, 5)
def test_ticks_hold_the_range(one: float, other: float, most: int) -> None:
    low, high = sorted((one, other))
    found = ticks(low, high, most)
    close = 1e-6 * (found[-1] - found[0])
    assert found == sorted(set(found))
    assert found[0] <= low + close
    assert found[-1] >= high - close
    assert 2 <= len(found) <= 2 * most + 3


@given(st.floats(1e-99, 1e100), st.floats(3.1, 1e50))
@example(9.99999999999992e49, 4.0)
def test_logarithmic_ticks_hold_the_range(low: float, times: float) -> None:
    high = min(low * times, 1e100)
    if high <= 3 * low:
        return
    found = log_ticks(low, high)
    assert found == sorted(set(found))
    assert found[0] <= low * (1 + 1e-9)
    assert found[-1] >= high * (1 - 1e-9)
    assert 2 <= len(found) <= 16


def test_ticks_are_round() -> None:
    assert [number(one) for one in ticks(0, 37_000, 5)] == ["0", "10,000", "20,000", "30,000", "40,000"]
    assert [number(one) for one in ticks(0, 3e-4, 5)] == ["0", "0.0001", "0.0002", "0.0003"]
    assert [number(one) for one in log_ticks(1.4, 9.9)] == ["1", "1.5", "2", "3", "5", "7", "10"]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400), st.integers(1, 40))
def test_thinning_keeps_ends_and_extremes(values: list[float], columns: int) -> None:
    found = list(enumerate(values))
    kept = thinned(found, columns)
    assert set(kept) <= set(found)
    assert kept == sorted(kept)
    assert (kept[0], kept[-1]) == (found[0], found[-1])
    assert min(y for _, y in kept) == min(values)
    assert max(y for _, y in kept) == max(values)
    assert len(kept) <= 2 * columns + 4


def test_a_chart_in_its_shape() -> None:
    drawn = svg(Chart("a", "A", "said", 10, [Line(0, [(0, 1.0), (10, 2.0)])]), NARROW)
    assert 'viewBox="0 0 360 230"' in drawn
    assert re.search(r'points="[\d.]+,100\.0 346\.0,12\.0" class="line r0"', drawn)


def test_some_are_evenly_spaced() -> None:
    assert some(range(10), 4) == [0, 3, 6, 9]
    assert some(range(3), 4) == [0, 1, 2]


# -- colours ------------------------------------------------------------------------------------

LIGHT, DARK = (
    dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", block)) for block in STYLE.read_text("utf-8").split(":root {")[1:3]
)


def luminance(colour: str) -> float:
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


LEAST = [("ink", 4.5), ("dim", 4.5), ("own", 4.5), *((f"r{place}", 3.0) for place in range(MOST))]


@pytest.mark.parametrize(("name", "least"), LEAST)
@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_lines_stand_out(scheme: dict[str, str], name: str, least: float) -> None:
    """WCAG 2 AA: 4.5 to 1 for text, 3 to 1 for what is drawn."""
    low, high = sorted((luminance(scheme[name]), luminance(scheme["paper"])))
    assert (high + 0.05) / (low + 0.05) >= least
