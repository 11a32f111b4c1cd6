"""Text can be read on its ground in both colour schemes: WCAG 2 AA, 4.5 to 1."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

STYLE = (files("vedette.connect.sinks.html") / "style.css").read_text("utf-8")
LIGHT, DARK = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in STYLE.split(":root {")[1:3])
VERDICTS = ("escalate", "investigate", "undecided", "benign")
PAIRS = [(text, ground) for text in ("ink", "dim", "link") for ground in ("bg", "card", "soft")]
PAIRS += [(name, f"{name}-bg") for name in VERDICTS] + [
    (name, ground) for name in VERDICTS for ground in ("card", "soft")
]
PAIRS += [("raw-ink", "raw"), ("ink", "raw"), ("dim", "raw"), ("ink", "investigate-bg")]


def _luminance(colour: str) -> float:
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(("text", "ground"), PAIRS)
@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read(scheme: dict[str, str], text: str, ground: str) -> None:
    assert contrast(scheme[text], scheme[ground]) >= 4.5


def test_black_on_white_is_twenty_one() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
