"""The curve of a training: written a line at a time, read whatever became of its last line."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.errors import InputError, OutputError
from vedette.train.slm import curve
from vedette.train.slm.curve import Curve, Dev, Event, Probe, Resume, Run, Step, Stop, Tail, read, smoothed, wilson

from .runs import events, step

steps_of = st.integers(0, 2**53)
numbers = st.floats(-1e100, 1e100)
any_event: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        Step, step=steps_of, steps=steps_of, epoch=numbers, loss=numbers | st.none(), rate=numbers,
        norm=numbers | st.none(), tokens=steps_of, answers=steps_of, seconds=st.floats(0, 1e100),
        tokens_per_second=numbers, mfu=numbers | st.none(), memory=steps_of | st.none(), time=st.text(max_size=20),
    ),
    st.builds(Dev, steps_of, numbers | st.none(), steps_of),
    st.builds(Probe, steps_of, st.just(3), st.just(8), st.dictionaries(st.text(max_size=8), st.just((1, 4)))),
    st.builds(Resume, steps_of),
    st.builds(Stop, steps_of, st.text(max_size=20)),
)  # fmt: skip


def written(path: Path, found: list[Event], resumed_at: int = 0) -> None:
    with Curve(path, resumed_at) as file:
        for event in found:
            file.add(event)


def lines(path: Path) -> list[Event]:
    return [msgspec.json.decode(line, type=Event) for line in path.read_bytes().splitlines()]


def same(one: Run, other: Run) -> bool:
    return vars(one) == vars(other)


# -- what is written is read --------------------------------------------------------------------


@given(st.lists(any_event, max_size=12))
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, found: list[Event]) -> None:
    path = tmp_path_factory.mktemp("run") / curve.NAME
    written(path, found)
    wanted = Run()
    for event in found:
        wanted.add(event)
    assert lines(path) == found
    assert same(read(path.parent), wanted)


def test_a_line_is_in_the_file_as_soon_as_it_is_added(tmp_path: Path) -> None:
    with Curve(tmp_path / curve.NAME) as file:
        file.add(step(1))
        assert list(read(tmp_path).steps) == [1]


def test_the_lines_are_those_of_the_format(tmp_path: Path) -> None:
    written(tmp_path / curve.NAME, [Dev(250, 2.5, 1_000), Probe(250, 12, 64, {"cve/x": (5, 32)}), Stop(400, "done")])
    assert (tmp_path / curve.NAME).read_text().splitlines() == [
        '{"at":"dev","step":250,"loss":2.5,"n":1000}',
        '{"at":"probe","step":250,"right":12,"n":64,"tasks":{"cve/x":[5,32]}}',
        '{"at":"stop","step":400,"why":"done"}',
    ]


def test_a_loss_that_is_no_number_is_null_and_left_out_of_the_series(tmp_path: Path) -> None:
    written(tmp_path / curve.NAME, [step(1), step(2, loss=math.nan), step(3)])
    run = read(tmp_path)
    assert run.unread == 0
    assert [number for number, _ in run.series(lambda one: one.loss)] == [1, 3]


def test_fields_of_a_later_version_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / curve.NAME).write_text('{"at":"dev","step":1,"loss":2,"n":3,"rows":"new"}\n{"at":"new","step":1}\n')
    run = read(tmp_path)
    assert run.devs == {1: Dev(1, 2.0, 3)}
    assert (run.unread, run.torn) == (1, False)


# -- torn and damaged lines ---------------------------------------------------------------------


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_a_file_that_was_cut_anywhere_is_read_up_to_there(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("run") / curve.NAME
    found = events(12)
    written(path, found)
    content = path.read_bytes()
    cut = data.draw(st.integers(0, len(content)))
    path.write_bytes(content[:cut])
    whole = content[:cut].count(b"\n") + (content[cut : cut + 1] == b"\n")  # only the line break is missing
    wanted = Run()
    for event in found[:whole]:
        wanted.add(event)
    wanted.torn = bool(content[:cut].split(b"\n")[-1]) and content[cut : cut + 1] != b"\n"
    assert same(read(path), wanted)


@given(st.lists(st.binary(max_size=30), max_size=6))
@settings(max_examples=60, deadline=None)
def test_bytes_of_any_kind_are_counted_and_the_rest_is_read(
    tmp_path_factory: pytest.TempPathFactory, rubbish: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("run") / curve.NAME
    bad = [line.replace(b"\n", b"").replace(b"{", b"") for line in rubbish]
    good = msgspec.json.encode(step(1))
    path.write_bytes(b"\n".join([*bad, good, b""]))
    run = read(path)
    assert list(run.steps) == [1]
    assert run.unread == sum(bool(line.strip()) for line in bad)


@pytest.mark.parametrize(
    "line",
    [
        '{"at":"probe","step":1,"right":9,"n":8}',
        '{"at":"probe","step":1,"right":1,"n":8,"tasks":{"a":[3,2]}}',
        '{"at":"dev","step":-1,"loss":1,"n":1}',
        '{"at":"dev","step":1,"loss":1e101,"n":1}',
        '{"at":"dev","step":1,"loss":NaN,"n":1}',
        "[" * 100_000,
    ],
)
def test_values_that_cannot_be_are_not_read(tmp_path: Path, line: str) -> None:
    (tmp_path / curve.NAME).write_text(f"{line}\n")
    run = read(tmp_path)
    assert (run.unread, run.devs, run.probes) == (1, {}, {})


def test_no_file_is_said_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no curve of a training \(give the folder of a run"):
        read(tmp_path)


def test_a_folder_in_its_place_is_said(tmp_path: Path) -> None:
    (tmp_path / curve.NAME).mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path)
    with pytest.raises(OutputError, match=curve.NAME):
        Curve(tmp_path / curve.NAME)


# -- resumed ------------------------------------------------------------------------------------


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_resumed_at_any_step_it_is_what_a_run_without_a_break_writes(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Killed after any byte, gone on from any checkpoint before that, as often as you like."""
    folder = tmp_path_factory.mktemp("run")
    found = events(20)
    written(folder / "whole.jsonl", found)
    path, saved = folder / curve.NAME, 0
    for _ in range(data.draw(st.integers(1, 4))):
        written(path, [event for event in found if event.step > saved], saved)
        content = path.read_bytes()
        path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
        whole = path.read_bytes().rpartition(b"\n")[0].splitlines()
        reached = [msgspec.json.decode(line, type=Event) for line in whole]
        done = max((event.step for event in reached if isinstance(event, Step)), default=0)
        saved = data.draw(st.integers(0, max(0, done - 1)))  # a step is measured before it is saved
    written(path, [event for event in found if event.step > saved], saved)
    assert [event for event in lines(path) if not isinstance(event, Resume)] == found
    resumed, unbroken = read(path), read(folder / "whole.jsonl")
    resumed.resumes = []
    assert same(resumed, unbroken)


def test_started_anew_nothing_of_an_earlier_run_stays(tmp_path: Path) -> None:
    written(tmp_path / curve.NAME, events(5))
    written(tmp_path / curve.NAME, [step(1)])
    assert lines(tmp_path / curve.NAME) == [step(1)]


def test_a_run_that_stopped_and_goes_on_has_not_stopped(tmp_path: Path) -> None:
    written(tmp_path / curve.NAME, [step(1), step(2), Stop(2, "time")])
    written(tmp_path / curve.NAME, [step(3)], resumed_at=2)
    assert lines(tmp_path / curve.NAME) == [step(1), step(2), Resume(2), step(3)]
    run = read(tmp_path)
    assert run.stop is None
    assert run.resumes == [2]


def test_what_another_writer_repeated_counts_once_and_as_it_came_last() -> None:
    run = Run()
    for event in [step(1), step(2, loss=9.0), step(3), Dev(3, 9.0, 1), Probe(3, 1, 2), Resume(1), step(2, loss=1.0)]:
        run.add(event)
    assert [one.loss for one in run.steps.values()] == [step(1).loss, 1.0]
    assert (run.devs, run.probes, run.resumes) == ({}, {}, [1])


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full on this system")
    with Curve(tmp_path / curve.NAME) as file:
        file.close()
        file._file = full.open("ab", buffering=0)
        with pytest.raises(OutputError, match="free some space"):
            file.add(step(1))


# -- followed -----------------------------------------------------------------------------------


def test_a_growing_file_is_followed_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / curve.NAME
    tail = Tail(path)
    assert tail.read() == []
    with Curve(path) as file:
        file.add(step(1))
        assert tail.read() == [step(1)]
        line = msgspec.json.encode(step(2)) + b"\n"
        with path.open("ab") as other:
            other.write(line[:20])
            other.flush()
            assert tail.read() == []
            other.write(line[20:])
        assert tail.read() == [step(2)]
    assert tail.read() == []


def test_a_resumed_run_is_followed_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / curve.NAME
    written(path, events(9))
    tail = Tail(path)
    tail.read()
    with Curve(path, resumed_at=4) as file:
        file.add(step(5))
        assert tail.read()[-2:] == [Resume(4), step(5)]
    assert max(tail.run.steps) == 5
    assert same(tail.run, read(path))


# -- figures ------------------------------------------------------------------------------------


def test_the_state_of_a_run(tmp_path: Path) -> None:
    run = Run()
    for event in events(20)[:-1]:
        run.add(event)
    found = curve.summary(run)
    assert (found.step, found.steps) == (20, 20)
    assert found.tokens == 20 * step(1).tokens
    assert found.left == 0
    assert found.best == min(run.devs.values(), key=lambda dev: dev.loss or 0)
    run.add(Stop(20, "done"))
    assert curve.summary(run).left is None


def test_time_left_is_that_of_recent_steps() -> None:
    run = Run()
    for number in range(1, 41):
        run.add(step(number, steps=100, seconds=9.0 if number <= 20 else 2.0))
    assert curve.summary(run).left == pytest.approx(120.0)


def test_nothing_yet() -> None:
    found = curve.summary(Run())
    assert (found.step, found.loss, found.left, found.speed, found.best) == (0, None, None, None, None)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.integers(2, 40))
def test_smoothed_stays_between_the_least_and_the_most_so_far(values: list[float], over: int) -> None:
    for place, mean in enumerate(smoothed(values, over), start=1):
        assert min(values[:place]) - 1e-3 <= mean <= max(values[:place]) + 1e-3


def test_smoothing_is_not_drawn_towards_nought() -> None:
    assert smoothed([5.0] * 4, 10) == pytest.approx([5.0] * 4)
    assert smoothed([1.0, 3.0], 2) == pytest.approx([1.0, 7 / 3])


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (1, 64, 0.0028, 0.0833)],
)
def test_wilson(right: int, n: int, low: float, high: float) -> None:
    assert wilson(right, n) == pytest.approx((low, high), abs=1e-4)


@given(st.integers(0, 2**53), st.integers(0, 2**53))
def test_wilson_holds_its_share(one: int, other: int) -> None:
    right, n = sorted((one, other))
    low, high = wilson(right, n)
    assert 0 <= low <= high <= 1
    assert not n or low - 1e-9 <= right / n <= high + 1e-9
