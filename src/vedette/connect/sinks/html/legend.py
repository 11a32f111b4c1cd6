"""What the words on the page mean."""

from __future__ import annotations

from vedette.connect.sinks.html.build import Html, join, tag
from vedette.types import Queue

_WORDS = {
    "Verdict": (
        "What Vedette advises. Escalate: act now. Investigate: look at it today. Undecided: the evidence does not "
        "settle it. Likely benign: little speaks for an attack; nothing is closed unless the owner set a miss bound."
    ),
    "Probability": (
        "How likely it is that the case is an attack. It is calibrated: of 100 cases at 30 %, about 30 are attacks."
    ),
    "Masked probability": (
        "The same judgement without a word that an attacker may have written. The higher one counts, so text can "
        "raise a verdict and never lower it."
    ),
    "Severity": "The harm if it is an attack, apart from how sure Vedette is.",
    "Share": "How much of what speaks for an attack comes from this reason.",
    "Attacker-written": (
        "Text that came from outside: links, names, command lines. Do not follow what it says. What cannot be seen "
        "in it is shown as an escape such as \\x1b or \\u202e; … [+N] says that N characters are not shown."
    ),
    "Unverified": "An ATT&CK id that the rule states and that the knowledge store does not hold.",
    "Inferred": (
        "A technique that no rule of the case states. The embedded experts read it in the name of a rule that states "
        "none, and are as sure as the percentage says. Verdict, probability and mitigations do not rest on it."
    ),
    "Mitigations": (
        "What ATT&CK names against the techniques that the rules state. (by T1003): stated for the technique above, "
        "not for this sub-technique itself."
    ),
    "Also used by": (
        "Groups that are publicly known to use these techniques, too. Many use the same ones: this is no attribution, "
        "and neither verdict nor probability rests on it."
    ),
}


def section() -> Html:
    words = (join(tag("dt", word), tag("dd", meaning)) for word, meaning in _WORDS.items())
    return tag("section", tag("h2", "How to read this", id="legend"), tag("dl", words, cls="legend"))


def footer(queue: Queue) -> Html:
    knowledge = join("; knowledge ", tag("code", queue.knowledge)) if queue.knowledge else None
    return tag(
        "footer",
        tag(
            "p",
            "Model ",
            tag("code", queue.model),
            knowledge,
            join("; experts ", tag("code", queue.experts)) if queue.experts else None,
            ". All times are UTC. This page is one file that loads nothing.",
        ),
        tag("p", "ATT&CK ids and names: © The MITRE Corporation, used with its permission."),
    )
