"""What analysts corrected, as pieces in the very words that the forge's own tasks are asked in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256

from vedette.errors import ConfigError
from vedette.forge.practice import Piece
from vedette.forge.tasks.cve_weakness import level
from vedette.forge.tasks.procedures import DOMAINS, gist, tactics
from vedette.forge.tasks.shared import NOT_ENOUGH, first_sentences, flat, joined
from vedette.forge.tasks.vulnerable import base_score, severity
from vedette.forge.world import World
from vedette.skills.corrections import Correction, Skill, checked

SHORTEST = 20  # characters of a text that something can be read from


def objects(one: Correction) -> tuple[str, ...]:
    """The text, and the CVE that it describes: both stand on one side of the split."""
    digest = sha256(one.subject[2].casefold().encode("utf-8", "replace")).hexdigest()[:16]
    return (f"correction:{digest}", *((one.about,) if one.about.startswith("CVE-") else ()))


def piece(told: Correction, text: str, span: str, world: World) -> Piece:
    """`text`: what was asked about, as it may be learned from.

    Raises ConfigError for what the store does not know, or not any more.
    """
    checked(told, world.store)
    text = flat(text)
    if len(text) < SHORTEST:
        raise ConfigError("its text is too short", remedy="correct an answer about a whole description or sentence")
    task, words, slots, final = (_OF[told.skill] if told.right else _nothing)(told, text, world)
    return Piece(
        task=task, words=words, slots={name: value for name, value in slots.items() if value}, objects=objects(told),
        spans=(span,), unit="own/corrections", release=told.when[:10], final=final, difficulty=2,
    )  # fmt: skip


_Told = tuple[str, str, Mapping[str, str], str]  # task, whose words, slots, exact answer


def _weakness(told: Correction, text: str, world: World) -> _Told:
    root = world.entries[told.right[0]]
    slots = {
        "cve": told.about,  # without an id, no question is asked that names one
        "description": text,
        "weakness": root.label,
        "meaning": first_sentences(root.text, 1),
        "level": level(root),
    }
    return "correction-weakness", "cve-weakness/root-cause", slots, root.id


def _vector(told: Correction, text: str, _: World) -> _Told:
    (vector,) = told.right
    score = base_score(vector) or 0.0
    slots = {
        "cve": told.about,
        "description": text,
        "version": vector[5:8],
        "score": f"{score:.1f}",
        "severity": severity(score),
    }
    return "correction-vector", "cve-cvss/vector", slots, vector


def _techniques(told: Correction, text: str, world: World) -> _Told:
    found = [world.entries[uid] for uid in told.right]
    if len(found) > 1:
        lines = "\n".join(f"- {entry.label}" for entry in found)
        final = joined(entry.label for entry in found)
        return "correction-techniques", "attack-procedure/several", {"passage": text, "list": lines}, final
    (one,) = found
    slots = {
        "text": text,
        "matrix": DOMAINS.get(one.domain, "Enterprise"),
        "gist": gist(one),
        "tactics": joined(tactics(world, one)),
    }
    return "correction-technique", "attack-procedure/technique", slots, one.label


_OF: Mapping[Skill, Callable[[Correction, str, World], _Told]] = {
    Skill.WEAKNESS: _weakness,
    Skill.SEVERITY: _vector,
    Skill.TECHNIQUES: _techniques,
}


def _nothing(told: Correction, text: str, _: World) -> _Told:
    """The question of the same task, to which the text holds no answer."""
    slots = {"cve": told.about, "description": text, "text": text, "matrix": "Enterprise"}
    if told.skill is Skill.WEAKNESS:
        return "correction-no-weakness", "cve-weakness/root-cause", slots, NOT_ENOUGH
    return "correction-no-technique", "attack-procedure/technique", slots, NOT_ENOUGH
