from __future__ import annotations

import json
from pathlib import Path

import pytest
from arro3.io import read_parquet
from hypothesis import given
from hypothesis import strategies as st
from tests.forge.conftest import example

from vedette.errors import InputError
from vedette.forge.mix import Mix, line, shares, write
from vedette.split import dev_objects

LINES = [
    line(
        example(
            n % 5,
            id=f"{n:016x}",
            objects=(f"T{n % 50:04}",),
            task=f"g/{'big' if n % 4 else 'small'}",
            difficulty=1 + n % 3,
        )
    )
    for n in range(400)
]


def read(path: Path) -> list[dict[str, object]]:
    return [json.loads(text) for text in path.read_text().splitlines()]


def test_nothing_that_dev_asks_about_was_learned(tmp_path: Path) -> None:
    counts = write(LINES, tmp_path, Mix(), seed=7, dev=0.2)
    train, dev = read(tmp_path / "train.jsonl"), read(tmp_path / "dev.jsonl")
    assert counts == {"train": len(train), "dev": len(dev)}
    assert len(train) + len(dev) == len(LINES)
    assert dev
    assert not {o for row in dev for o in row["objects"]} & {o for row in train for o in row["objects"]}  # type: ignore[attr-defined]


def test_simple_ones_come_first(tmp_path: Path) -> None:
    write(LINES, tmp_path / "a", Mix(), seed=7, dev=0.1)
    order = [row["difficulty"] for row in read(tmp_path / "a/train.jsonl")]
    assert order == sorted(order)  # type: ignore[type-var]
    write(LINES, tmp_path / "b", Mix(curriculum=False), seed=7, dev=0.1)
    shuffled = [row["difficulty"] for row in read(tmp_path / "b/train.jsonl")]
    assert shuffled != sorted(shuffled)  # type: ignore[type-var]


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        write(LINES, tmp_path / name, Mix(), seed=seed, dev=0.1)
    for file in ("train.jsonl", "dev.jsonl", "train.parquet"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
        assert (tmp_path / "a" / file).read_bytes() != (tmp_path / "c" / file).read_bytes()


def test_parquet_holds_the_same(tmp_path: Path) -> None:
    write(LINES, tmp_path, Mix(), seed=7, dev=0.1)
    table = read_parquet(str(tmp_path / "train.parquet")).read_all()
    rows = read(tmp_path / "train.jsonl")
    assert table.num_rows == len(rows)
    assert table["id"].to_pylist() == [row["id"] for row in rows]
    assert [json.loads(text) for text in table["messages"].to_pylist()] == [row["messages"] for row in rows]


def test_a_total_is_shared_by_temperature(tmp_path: Path) -> None:
    even = write(LINES, tmp_path / "e", Mix(total=100, temperature=0.0), seed=7, dev=0.0)
    assert even["train"] == 100
    tasks = [row["task"] for row in read(tmp_path / "e/train.jsonl")]
    assert tasks.count("g/small") == tasks.count("g/big") == 50


@given(
    st.dictionaries(st.text(max_size=3), st.integers(1, 500), min_size=1, max_size=8),
    st.integers(0, 2_000),
    st.floats(0, 1),
)
def test_shares_are_fair(counts: dict[str, int], total: int, temperature: float) -> None:
    wanted = shares(counts, total, temperature)
    assert wanted.keys() == counts.keys()
    assert all(0 <= wanted[task] <= counts[task] for task in counts)
    if total:
        assert abs(sum(wanted.values()) - min(total, sum(counts.values()))) <= len(counts)


def _chat(path: Path, n: int) -> Path:
    said = [[{"role": "user", "content": f"hi {i}"}, {"role": "assistant", "content": f"hello {i}"}] for i in range(n)]
    path.write_text("".join(json.dumps({"messages": one, "more": 1}) + "\n" for one in said))
    return path


def test_general_chat_is_mixed_into_train_alone(tmp_path: Path) -> None:
    mix = Mix(replay=str(_chat(tmp_path / "chat.jsonl", 500)), replay_share=0.2)
    plain = write(LINES, tmp_path / "a", Mix(), seed=7, dev=0.1)
    mixed = write(LINES, tmp_path / "b", mix, seed=7, dev=0.1)
    assert mixed["dev"] == plain["dev"]
    rows = read(tmp_path / "b/train.jsonl")
    general = [row for row in rows if row["task"] == "replay/general"]
    assert len(rows) == mixed["train"] == plain["train"] + len(general)
    assert abs(len(general) / len(rows) - 0.2) < 0.01
    assert {row["difficulty"] for row in general} == {1, 2, 3}
    assert len({row["id"] for row in general}) == len(general)
    few = write(
        LINES, tmp_path / "c", Mix(replay=str(_chat(tmp_path / "few.jsonl", 3)), replay_share=0.5), seed=7, dev=0.1
    )
    assert few["train"] == plain["train"] + 3


BROKEN = (
    "{",
    '{"x": 1}',
    '{"messages": []}',
    '{"messages": [{"role": "robot", "content": "x"}]}',
    '{"messages": [{"role": "user", "content": "x"}]}',
)


@pytest.mark.parametrize("bad", BROKEN)
def test_what_is_no_chat_is_named(bad: str, tmp_path: Path) -> None:
    file = _chat(tmp_path / "chat.jsonl", 2)
    file.write_text(file.read_text() + bad + "\n")
    with pytest.raises(InputError, match=r"chat\.jsonl:3"):
        write(LINES, tmp_path / "a", Mix(replay=str(file)), seed=7, dev=0.1)
    with pytest.raises(InputError, match="cannot be read"):
        write(LINES, tmp_path / "a", Mix(replay=str(tmp_path / "none.jsonl")), seed=7, dev=0.1)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_the_dev_side_is_as_large_as_it_should_be(share: float) -> None:
    found = sum(bool(dev_objects((f"T{n}",), 7, share)) for n in range(2_000)) / 2_000
    assert abs(found - share) < 0.03
