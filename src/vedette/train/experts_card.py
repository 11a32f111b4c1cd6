"""The model card and the plot of a training, made from what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson

from vedette.manifest import atomic_write

WIDTH, HEIGHT, EDGE = 720, 300, 48
COLOURS = {
    "weakness": "#0b6e99", "severity": "#b35900", "ssvc": "#6b7280",
    "techniques": "#7a3e9d", "pairs": "#2f7d32", "near": "#b91c1c",
}  # fmt: skip


def lines(curves: Path) -> list[dict[str, float]]:
    """One object for each line of the log; a run that was taken up again may repeat a step, the last line counts."""
    found = {}
    for line in curves.read_bytes().splitlines():
        item = orjson.loads(line)
        kind = "dev" if any(key.startswith("dev ") for key in item) else "loss"
        found[item["step"], kind] = item
    return [found[key] for key in sorted(found)]


def plot(curves: Path, out: Path) -> None:
    """Each loss divided by its first value, over the steps."""
    logged = lines(curves)
    last = max((item["step"] for item in logged), default=1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{EDGE}" y="18">loss of each head, its first value = 1, over {last:,} steps</text>',
    ]
    for row in range(5):
        y = _y(row / 4)
        parts.append(f'<line x1="{EDGE}" x2="{WIDTH - EDGE}" y1="{y:.1f}" y2="{y:.1f}" stroke="#d1d5db"/>')
        parts.append(f'<text x="{EDGE - 8}" y="{y + 4:.1f}" text-anchor="end">{row / 4:.2f}</text>')
    for place, (name, colour) in enumerate(COLOURS.items()):
        points = [(item["step"], item[name]) for item in logged if name in item]
        if not points:
            continue
        first = points[0][1] or 1.0
        path = " ".join(f"{_x(step / last):.1f},{_y(min(1.0, value / first)):.1f}" for step, value in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts.append(
            f'<text x="{EDGE + 110 * place}" y="{HEIGHT - 8}" fill="{colour}">{name} {points[-1][1]:.2f}</text>'
        )
    atomic_write(out, "\n".join([*parts, "</svg>", ""]))


def _x(share: float) -> float:
    return EDGE + share * (WIDTH - 2 * EDGE)


def _y(share: float) -> float:
    return HEIGHT - EDGE - share * (HEIGHT - 2 * EDGE - 10)


def table(rows: Sequence[Sequence[str]], head: Sequence[str]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def card(measured: Mapping[str, float], counts: Mapping[str, int], facts: Mapping[str, str]) -> str:
    """What was trained on what, and how well it does on CVEs and sentences that were held out."""
    figures = table([[name, f"{value:g}"] for name, value in sorted(measured.items())], ["held-out measure", "value"])
    inputs = table([[name, f"{value:,}"] for name, value in sorted(counts.items())], ["count", ""])
    about = "\n".join(f"- {name}: {value}" for name, value in facts.items())
    return f"""# Model card: Vedette's experts

One encoder with five heads: weakness (CWE), severity (CVSS v3.1 base metrics), SSVC decision points, ATT&CK
techniques (Enterprise, Mobile, ICS), and an embedding; beside it, hashed words and pairs of words with heads of their
own, for all but the embedding. Each answer mixes both opinions, with weights set on held-out data. The encoder is int8,
the heads are half precision. Made by `vedette train experts`; the inputs' sha256 are in `manifest.json`.

{about}

## What it is for
Suggesting a CWE, a CVSS vector, SSVC points or techniques to a person who can check them, and ranking. Each answer
carries a calibrated probability; under the owner's threshold it says that it is undecided.

## What it is not good at
- Weaknesses with few CVEs, and any outside the {facts["weaknesses"]} that it knows: it can only be undecided.
- Vectors: the probability of the whole vector is low by nature; scores come with the interval that holds nine in ten.
- Who labels matters: the same flaw has another CWE or vector by NVD than by its CNA. Ask for the convention you need.
- Techniques that reports seldom describe, those of plants (ICS) above all; long sentences that tell of several; prose
  that denies what it describes.
- A text's words tell ATT&CK's domain; where they mislead, the techniques are of the wrong one.
- Phrases: a text that copies another's wording is read like that one, as the words know many by heart.
- Texts that are not English; code, logs and tables without a sentence.
- Exploitation is a matter of the world, not of the text: take KEV and EPSS before the SSVC head.

## Measured on what was held out
One half of the held-out CVEs set the weights of both opinions and the thresholds, these figures are of the other
half, without near duplicates of training texts. Benchmarks are in the README and made by `make bench-experts`.

{figures}

## Data
{inputs}
"""
