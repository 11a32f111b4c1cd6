"""Inline SVG: bars, the strip of tactics and the timeline. Words beside them say the same."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import log1p

from vedette.connect.sinks import wording
from vedette.connect.sinks.html.build import Html, join, tag
from vedette.knowledge import attack
from vedette.types import Case, Verdict

WIDTH, LEFT, LANE, BAR = 760, 168, 30, 22
_STEPS = [m * 60_000 for m in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1_440, 2_880, 10_080, 43_200, 525_600)]
_NO_TACTIC = "no tactic"


def verdict_class(verdict: Verdict) -> str:
    return f"v-{verdict.replace('_', '-')}"


def bar(share: float, cls: str) -> Html:
    """A bar that only repeats the number beside it."""
    filled = tag("rect", cls=cls, width=round(100 * min(max(share, 0.0), 1.0), 1), height=8)
    track = tag("rect", cls="track", width=100, height=8)
    return tag("svg", track, filled, cls="bar", viewBox="0 0 100 8", preserveAspectRatio="none", aria_hidden="true")


def stacked(parts: tuple[tuple[str, int], ...], label: str) -> Html:
    total = sum(number for _, number in parts) or 1
    rects, at = [], 0.0
    for place, (name, number) in enumerate(parts):
        width = 100 * number / total
        title = tag("title", f"{name}: {number:,}")
        rects.append(tag("rect", title, x=round(at, 2), width=round(width, 2), height=10, cls=f"part-{place}"))
        at += width
    bars = tag(
        "svg", rects, cls="stack", viewBox="0 0 100 10", preserveAspectRatio="none", role="img", aria_label=label
    )
    keys = (tag("li", tag("i", cls=f"key part-{place}"), name) for place, (name, number) in enumerate(parts) if number)
    return join(bars, tag("ul", keys, cls="keys"))


def strip(case: Case) -> Html:
    """The enterprise tactics in the order of an attack; those seen in the case are filled."""
    seen = set(case.tactics)
    cells = (
        tag(
            "rect",
            tag("title", f"{tactic.name}: {'seen' if tactic.short_name in seen else 'not seen'}"),
            x=place * 20,
            width=18,
            height=10,
            rx=2,
            cls=f"t-{place}" if tactic.short_name in seen else "track",
        )
        for place, tactic in enumerate(attack.enterprise_tactics())
    )
    names = [wording.tactic(name, case.background) for name in case.tactics]
    label = f"Tactics seen: {', '.join(names) or 'none'}"
    return join(
        tag("svg", cells, cls="strip", viewBox="0 0 278 10", role="img", aria_label=label),
        tag("p", " → ".join(names) or "No tactic is known.", cls="names"),
    )


def timeline(case: Case) -> Html:
    """A lane a tactic; the height of a bar is the logarithm of the alerts in its slot."""
    if not case.timeline:
        return Html("")
    start = min(time for time, _, _ in case.timeline)
    slot = _slot(case)
    length = max(time for time, _, _ in case.timeline) + slot - start
    seen = sorted({tactic for _, _, tactic in case.timeline}, key=lambda name: (not name, attack.tactic_order(name)))
    lanes = {name: wording.tactic(name, case.background) if name else _NO_TACTIC for name in seen}
    most = max(number for _, number, _ in case.timeline)
    height = LANE * len(lanes) + 22
    label = f"{wording.plural(case.alerts, 'alert')} over time, {wording.span(case.first, case.last)} UTC"
    drawing = tag(
        "svg",
        tag("title", label),
        _axis(start, length, LANE * len(lanes)),
        (_lane(words, place) for place, words in enumerate(lanes.values())),
        (_bar(start, length, slot, most, lanes, entry) for entry in case.timeline),
        cls="timeline",
        viewBox=f"0 0 {WIDTH} {height}",
        role="img",
    )
    said = f"Bar height: alerts in a slot of time, on a log scale; the tallest is {most:,}. Times are UTC."
    scroll = tag("div", drawing, cls="scroll", tabindex=0, role="region", aria_label="Timeline, scrollable")
    return join(scroll, tag("p", said, cls="said"))


def _slot(case: Case) -> int:
    times = sorted({time for time, _, _ in case.timeline})
    gaps = [later - earlier for earlier, later in pairwise(times)]
    return min(gaps, default=60_000)


def _x(start: int, length: int, time: int) -> float:
    return round(LEFT + (WIDTH - LEFT - 8) * (time - start) / length, 1)


def _lane(words: str, place: int) -> Html:
    bottom = LANE * (place + 1)
    shown = words if len(words) <= 26 else f"{words[:25]}…"
    return join(
        tag("line", x1=LEFT, x2=WIDTH - 8, y1=bottom, y2=bottom, cls="base"),
        tag("text", shown, x=LEFT - 10, y=bottom - 4, text_anchor="end"),
    )


def _bar(start: int, length: int, slot: int, most: int, lanes: dict[str, str], entry: tuple[int, int, str]) -> Html:
    time, number, tactic = entry
    place, order = list(lanes).index(tactic), attack.tactic_order(tactic)
    height = round(3 + (BAR - 3) * log1p(number) / log1p(most or 1), 1)
    left, right = _x(start, length, time), _x(start, length, time + slot)
    wide = 12.0 if length == slot else max(2.0, round(right - left - 1, 1))  # a lone slot would fill its lane
    what = f"{wording.plural(number, 'alert')}, {lanes[tactic]}"
    title = tag("title", f"{wording.moment(time, '%Y-%m-%d %H:%M')}: {what}")
    return tag("rect", title, x=left, y=LANE * (place + 1) - height, width=wide, height=height, cls=f"t-{order}", rx=1)


def _axis(start: int, length: int, bottom: int) -> Iterator[Html]:
    step = next((step for step in _STEPS if length / step <= 6), _STEPS[-1])
    tick, day = -(-start // step) * step, ""
    ticks = [start] if tick > start + length else list(range(tick, start + length + 1, step))[:12]
    for time in ticks:
        x, today = _x(start, length, time), wording.moment(time, "%m-%d")
        shown = today if step >= _STEPS[11] else wording.moment(time, "%H:%M")
        if today != day and step < _STEPS[11]:
            shown = f"{today} {shown}"
        day = today
        yield tag("line", x1=x, x2=x, y1=2, y2=bottom + 4, cls="tick")
        yield tag("text", shown, x=x, y=bottom + 17, text_anchor="middle" if x < WIDTH - 50 else "end", cls="time")
