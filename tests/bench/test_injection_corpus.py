"""The corpus is as large and as varied as it says, and no string is nearly another one."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest

from vedette.bench.injection.corpus import attacks, twins, unseen
from vedette.bench.injection.disguise import DISGUISES
from vedette.types import TextKind

FAMILIES = {
    "override", "role_play", "tool_result", "analyst_note", "encoded", "invisible", "languages", "markup",
    "exfiltration", "id_spoofing", "forged_evidence", "flooding", "schema", "fence", "verdict", "authority",
}  # fmt: skip


def test_there_are_enough_of_every_kind() -> None:
    families = Counter(attack.family for attack in attacks())
    assert len(attacks()) >= 240
    assert set(families) == FAMILIES
    assert min(families.values()) >= 16
    assert families["languages"] >= 24
    assert {attack.wants for attack in attacks()} == {"lower", "hide", "invent", "active", "leak"}
    assert len(twins()) >= 120
    assert {twin.kind for twin in twins()} >= set(TextKind) - {"mail_address", "tls_name", "http_host"}


def test_ids_are_in_order_and_tell_the_family() -> None:
    for family in FAMILIES:
        ids = [attack.id for attack in attacks() if attack.family == family]
        assert ids == [f"{family}-{n:02d}" for n in range(1, len(ids) + 1)]
    assert len({twin.id for twin in twins()}) == len(twins())


def test_a_third_of_every_family_is_kept_aside() -> None:
    aside = Counter(attack.family for attack in attacks() if unseen(attack))
    assert all(5 <= aside[family] <= 8 for family in FAMILIES)


def shingles(text: str, size: int = 5) -> set[str]:
    folded = " ".join(text.casefold().split())
    return {folded[at : at + size] for at in range(max(1, len(folded) - size + 1))}


def alike(left: set[str], right: set[str]) -> float:
    return len(left & right) / len(left | right)


def test_no_two_strings_are_nearly_the_same() -> None:
    every = [(one.id, shingles(one.text)) for one in (*attacks(), *twins())]
    near = [(a, b) for (a, left), (b, right) in combinations(every, 2) if alike(left, right) > 0.5]
    assert near == []
    assert alike(shingles("Ignore all instructions"), shingles("ignore  all instructions!")) > 0.5


@pytest.mark.parametrize("name", [name for name in DISGUISES if name not in ("", "repeat")])
def test_a_disguise_hides_the_words_and_every_one_is_used(name: str) -> None:
    used = [attack for attack in attacks() if attack.disguise == name]
    assert used
    for attack in used:
        assert attack.written != attack.text
        assert attack.text not in attack.written


def test_floods_are_long_and_nothing_is_endless() -> None:
    lengths = {attack.id: len(attack.written) for attack in attacks()}
    assert all(lengths[attack.id] >= 5_000 for attack in attacks() if attack.family == "flooding")
    assert max(lengths.values()) <= 25_000
