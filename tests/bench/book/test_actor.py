"""Votes for a group: by passages that read like the report, and by software that it names."""

from __future__ import annotations

import pytest

from vedette.bench.book.actor import Attributor
from vedette.bench.book.entries import Entries
from vedette.bench.book.passages import Passages
from vedette.knowledge.store import Knowledge


@pytest.fixture
def attributor(made: Knowledge, passages: Passages, entries: Entries) -> Attributor:
    return Attributor(made, passages, entries)


def test_passages_of_a_group_and_of_its_campaign(attributor: Attributor) -> None:
    assert attributor.actor("Smugglers brought amber down the river.") == "Grey Otters"
    assert attributor.actor("At night, all bells had been muffled: wool was found in them.") == "Tin Foxes"


def test_software_that_is_named_outvotes_a_likeness(attributor: Attributor) -> None:
    """The words are those of one group's record; the tool is the other's."""
    report = "They smuggle pepper over mountains by night."
    assert attributor.actor(report) == "Tin Foxes"
    assert attributor.actor(f"{report} All had a Rope with them.") == "Tin Foxes"  # nobody is known for it
    assert attributor.actor(f"{report} They wore Wet Paws and had ReedPipe, ReedPipe again.") == "Grey Otters"


def test_nobody(attributor: Attributor) -> None:
    assert attributor.actor("qqqq wwww") == ""
    assert attributor.actor("") == ""
