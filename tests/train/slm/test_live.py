"""How a training goes, on a terminal and in a log. `VEDETTE_GOLDEN=write pytest tests/train/slm` writes it anew."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from typer.testing import CliRunner

from vedette.cli import train_live, train_watch
from vedette.cli.train import app
from vedette.cli.train_live import Live, braille, latest, line, means, parts
from vedette.connect.sinks.table import rendered
from vedette.errors import InputError, VedetteError
from vedette.train.slm import curve
from vedette.train.slm.curve import Curve, Dev, Event, Probe, Resume, Run, Stop

from .runs import events, run, step

GOLDEN = Path(__file__).parent / "golden"
GOING = events(1_000)[:-700]
VIEWS = {
    "going": run(GOING), "done": run(events(40)), "first": run([step(1, mfu=None, memory=None)]), "nothing": Run(),
    "level": run([step(1, loss=0.0), step(2, loss=0.0)]), "lost": run([step(1), step(2, loss=None)]),
}  # fmt: skip
VIEWS["done"].unread = 2


def view(name: str, width: int, height: int = 24) -> str:
    return rendered(parts(name, VIEWS[name], width, height), width)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", VIEWS)
def test_views(name: str, width: int) -> None:
    path, content = GOLDEN / f"watch-{name}-{width}.txt", view(name, width)
    if os.environ.get("VEDETTE_GOLDEN") == "write":
        path.write_text(content, "utf-8")
    assert content == path.read_text("utf-8")
    assert all(cell_len(row) <= width for row in content.splitlines())


@pytest.mark.parametrize(("width", "height"), [(60, 24), (80, 24), (80, 40), (200, 60)])
def test_nothing_is_cut_and_it_fits_on_the_screen(width: int, height: int) -> None:
    content = view("going", width, height)
    assert "…" not in content
    assert width < 80 or len(content.splitlines()) <= height


def test_no_colour_is_needed() -> None:
    plain = rendered(parts("going", VIEWS["going"], 80), 80, color=False)
    assert "\x1b" not in plain
    assert "█" in plain
    assert "░" in plain


@given(st.lists(st.floats(0, 1), min_size=2, max_size=200), st.integers(2, 12))
def test_every_column_of_the_plot_has_a_dot(levels: list[float], rows: int) -> None:
    levels = levels[: len(levels) // 2 * 2]
    drawn = braille(levels, rows)
    assert [len(row) for row in drawn] == [len(levels) // 2] * rows
    dots = ["".join(column).strip() for column in zip(*drawn, strict=True)]
    assert all(dots)


def test_the_plot_falls_where_the_loss_falls() -> None:
    assert braille([1.0, 1.0, 0.0, 0.0], 2) == ["⠉⡆", " ⣇"]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), st.integers(1, 150))
def test_means_are_as_many_as_were_asked_for(values: list[float], count: int) -> None:
    found = means(values, count)
    assert len(found) == count
    assert min(values) - 1e-6 <= min(found)
    assert max(found) <= max(values) + 1e-6


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (step(10), "step 10 of 20: loss 3.874, 2,058 tokens/s, MFU 41.0 %, 12.35 GB, 20 s left"),
        (step(10, loss=None, mfu=None, memory=None), "step 10 of 20: loss not a number, 2,058 tokens/s, 20 s left"),
        (Dev(10, 2.5, 1_000), "step 10: dev loss 2.5, n = 1,000"),
        (Probe(10, 12, 64), "step 10: probe 12 of 64 right, 18.8 % [11.1, 30.0]"),
        (Probe(10, 0, 0), "step 10: probe 0 of 0 right, 0.0 % [0.0, 100.0]"),
        (Resume(10), "resumed at step 10"),
        (Stop(10, "time\x1b[2J"), r"stopped at step 10: time\x1b[2J"),
    ],
)
def test_lines(event: Event, said: str) -> None:
    assert line(run([event]), event) == said


# -- live ---------------------------------------------------------------------------------------


def test_where_there_is_no_terminal_a_line_now_and_then() -> None:
    out = io.StringIO()
    with Live("quick", out=out, every=8) as live:
        for event in events(20, every=10):
            live.tell(event)
    heads = [row.split(":")[0] for row in out.getvalue().splitlines()]
    assert heads == ["step 1 of 20", "step 8 of 20", "step 10", "step 10", "step 16 of 20", "step 20 of 20", "step 20",
                     "step 20", "stopped at step 20"]  # fmt: skip


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_a_view_that_stays_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    monkeypatch.setattr(train_live, "REFRESH", 0.0)
    out = Terminal()
    with Live("quick", out=out) as live:
        for event in events(20):
            live.tell(event)
    shown = out.getvalue()
    assert "quick: step 1 of 20" in shown
    assert "\x1b[1A" in shown  # it went up to draw over what it had drawn
    assert "stopped: done" in shown.rsplit("quick: step", 1)[1]


def test_on_a_terminal_it_is_not_drawn_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    with Live("quick", out=out) as live:
        for event in events(500):
            live.tell(event)
    assert out.getvalue().count("quick: step") < 50


def test_who_comes_late_is_told_the_last_of_each_kind() -> None:
    found = run([*events(20)[:-1], Resume(10), step(11), step(12)])
    assert latest(found) == [found.devs[8], found.probes[8], Resume(10), step(12)]
    assert latest(run(events(20)))[-1] == Stop(20, "done")
    assert latest(Run()) == []


# -- the commands -------------------------------------------------------------------------------


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[str, str]]:
    def call(*args: object) -> tuple[str, str]:
        result = CliRunner().invoke(app, [str(arg) for arg in args])
        if isinstance(result.exception, VedetteError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout, result.stderr

    return call


Told = Callable[..., tuple[str, str]]


def written(folder: Path, found: list[Event], resumed_at: int = 0) -> Path:
    folder.mkdir(exist_ok=True)
    with Curve(folder / curve.NAME, resumed_at) as file:
        for event in found:
            file.add(event)
    return folder


def test_watch_follows_until_the_end(tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is not there yet, grows, is begun anew by a resumed run, and ends."""
    found = events(20)
    acts = iter([
        lambda: written(tmp_path, found[:7]),
        lambda: (tmp_path / curve.NAME).open("a").close(),
        lambda: written(tmp_path, [event for event in found if event.step > 4], resumed_at=4),
    ])  # fmt: skip
    monkeypatch.setattr(train_watch, "sleep", lambda _: next(acts)())
    out, err = told("watch", tmp_path, "--every", "10")
    assert err == f"vedette: waiting for {tmp_path / curve.NAME}\n"
    heads = [row.split(":")[0] for row in out.splitlines()]
    assert heads == ["step 4", "step 4", "step 5 of 20", "resumed at step 4", "step 20 of 20", "step 20", "step 20",
                     "stopped at step 20"]  # fmt: skip


def test_watch_once_prints_the_state_and_ends(tmp_path: Path, told: Told) -> None:
    out, _ = told("watch", written(tmp_path / "quick", events(20)[:-1]), "--once")
    assert out.startswith("quick: step 20 of 20, 100.0 %, 0 s left\n█")


@pytest.mark.parametrize("options", [(), ("--once",)])
def test_watch_of_nothing_says_so(tmp_path: Path, told: Told, options: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="give the folder of a run"):
        told("watch", tmp_path / "none", *options)


def test_plot_draws_what_it_finds_and_says_what_not(tmp_path: Path, told: Told) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    one, two = (written(tmp_path / folder / "out", events(20)) for folder in ("a", "b"))
    other = written(tmp_path / "other", events(5))
    out, err = told("plot", one, two, other, tmp_path / "none", "--out", tmp_path / "curve.html")
    assert out == f"{tmp_path / 'curve.html'}: 3 runs, 45 steps\n"
    assert err.startswith(f"vedette: left out: {tmp_path / 'none'}: no curve of a training")
    assert "<title>Training: a/out, b/out, other</title>" in (tmp_path / "curve.html").read_text()


def test_plot_of_nothing_writes_nothing(tmp_path: Path, told: Told) -> None:
    with pytest.raises(InputError, match="no curve of a training"):
        told("plot", tmp_path, "--out", tmp_path / "curve.html")
    with pytest.raises(InputError, match="none of these runs"):
        told("plot", tmp_path, tmp_path / "b", "--out", tmp_path / "curve.html")
    assert not (tmp_path / "curve.html").exists()
