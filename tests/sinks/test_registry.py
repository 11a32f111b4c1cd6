from __future__ import annotations

from pathlib import Path

import pytest

from vedette.connect.sinks import FILES, VIEWS, write
from vedette.errors import ConfigError, OutputError

from .queues import QUEUES, case, queue


@pytest.mark.parametrize("name", VIEWS)
def test_every_view_shows_every_queue(name: str) -> None:
    for build in QUEUES.values():
        shown = VIEWS.load(name)(build())
        shown.encode("utf-8")
        assert not shown or shown.endswith("\n")


@pytest.mark.parametrize("name", [name for name in VIEWS if name != "summary"])
def test_no_view_names_groups_without_saying_that_this_is_no_attribution(name: str) -> None:
    shown = " ".join(VIEWS.load(name)(QUEUES["one"]()).split())
    assert "G0007" in shown
    assert "this is no attribution" in shown or "groups_no_attribution" in shown
    assert "G0007" not in VIEWS.load(name)(queue((case(background=None),)))


def test_a_view_is_written_whole(tmp_path: Path) -> None:
    for name, file in FILES.items():
        write(name, QUEUES["one"](), tmp_path / file)
        assert (tmp_path / file).read_bytes().decode() == VIEWS.load(name)(QUEUES["one"]())
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES.values())


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="create the folder first"):
        write("csv", QUEUES["one"](), tmp_path / "missing" / "cases.csv")
    with pytest.raises(ConfigError, match="did you mean 'html'"):
        write("htm", QUEUES["one"](), tmp_path / "x")
