"""Nothing is asked twice, nothing is lost, whatever happens to the process."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vedette.engine.backends.fake import Fake
from vedette.engine.protocol import Completion, Finish, Message, Role, Sampling
from vedette.errors import EngineError, StateError
from vedette.forge.caller import Caller, Limits, Spent
from vedette.forge.ledger import Ledger, key

HELLO = [Message(Role.USER, "hello")]
DONE = Completion(text="hi", finish=Finish.STOP, tokens_in=1, tokens_out=1, seconds=0.1)


def test_an_answer_is_kept(tmp_path: Path) -> None:
    known = key("stage", Fake([]).identity, HELLO, None, Sampling())
    with Ledger(tmp_path / "l.db") as ledger:
        assert ledger.get(known) is None
        ledger.put(known, "stage", DONE)
        ledger.put(known, "stage", Completion(text="other", finish=Finish.STOP, tokens_in=1, tokens_out=1, seconds=0.1))
    with Ledger(tmp_path / "l.db") as ledger:
        assert ledger.get(known) == DONE
        assert ledger.counts() == {"stage": 1}


def test_the_key_is_of_all_that_matters() -> None:
    who, other = Fake([]).identity, Fake([], name="other").identity
    keys = {
        key("a", who, HELLO, None, Sampling()),
        key("b", who, HELLO, None, Sampling()),
        key("a", other, HELLO, None, Sampling()),
        key("a", who, [Message(Role.USER, "hello ")], None, Sampling()),
        key("a", who, HELLO, {"type": "object"}, Sampling()),
        key("a", who, HELLO, None, Sampling(seed=1)),
    }
    assert len(keys) == 6
    assert key("a", who, list(HELLO), None, Sampling()) in keys


def test_two_runs_on_one_ledger(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l.db"), pytest.raises(StateError, match="another run"), Ledger(tmp_path / "l.db"):
        pass
    with Ledger(tmp_path / "l.db"):
        pass


def test_what_is_no_ledger(tmp_path: Path) -> None:
    (tmp_path / "l.db").write_bytes(b"x" * 5_000)
    with pytest.raises(StateError, match="not a usable ledger"), Ledger(tmp_path / "l.db"):
        pass
    with pytest.raises(StateError, match="cannot be written"), Ledger(tmp_path / "no" / "l.db"):
        pass


def test_what_was_answered_is_not_asked_again(tmp_path: Path) -> None:
    async def go(caller: Caller) -> list[str]:
        return [(await caller.ask("s", [Message(Role.USER, str(n % 3))])).text for n in range(9)]

    with Ledger(tmp_path / "l.db") as ledger:
        engine = Fake(lambda messages: f"to {messages[0].content}")
        assert asyncio.run(go(Caller(engine, ledger))) == ["to 0", "to 1", "to 2"] * 3
        assert len(engine.asked) == 3
        silent = Fake([])
        caller = Caller(silent, ledger)
        assert asyncio.run(go(caller)) == ["to 0", "to 1", "to 2"] * 3
        assert not silent.asked
        assert caller.costs.kept == {"s": 9}


def test_limits_of_tokens_and_of_calls_at_once(tmp_path: Path) -> None:
    busy, most = [0], [0]

    class Slow(Fake):
        async def generate(self, *args: object, **options: object) -> Completion:  # type: ignore[override]
            busy[0] += 1
            most[0] = max(most[0], busy[0])
            await asyncio.sleep(0.01)
            busy[0] -= 1
            return DONE

    async def go(caller: Caller, number: int) -> None:
        await asyncio.gather(*(caller.ask("s", [Message(Role.USER, str(n))]) for n in range(number)))

    with Ledger(tmp_path / "l.db") as ledger:
        asyncio.run(go(Caller(Slow([]), ledger, Limits(in_flight=4)), 20))
        assert most[0] == 4
        with pytest.raises(Spent, match="tokens are used up"):
            asyncio.run(go(Caller(Slow([]), ledger, Limits(in_flight=1, tokens=10)), 100))
        assert ledger.counts()["s"] < 40


def test_a_rate_is_kept_to(tmp_path: Path) -> None:
    async def go(caller: Caller) -> None:
        await asyncio.gather(*(caller.ask("s", [Message(Role.USER, str(n))]) for n in range(5)))

    with Ledger(tmp_path / "l.db") as ledger:
        began = time.monotonic()
        asyncio.run(go(Caller(Fake(lambda _: "x"), ledger, Limits(a_minute=1_200))))
        assert time.monotonic() - began > 0.19  # four pauses of 50 ms


def test_what_failed_is_asked_again(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l.db") as ledger:
        with pytest.raises(EngineError):
            asyncio.run(Caller(Fake([]), ledger).ask("s", HELLO))
        assert asyncio.run(Caller(Fake(["now"]), ledger).ask("s", HELLO)).text == "now"


WORK = """
import asyncio, sys
from pathlib import Path
from vedette.engine.backends.fake import Fake
from vedette.engine.protocol import Message, Role
from vedette.forge.caller import Caller, Limits
from vedette.forge.ledger import Ledger

def say(messages):
    with open(sys.argv[2], "a") as log:
        log.write(messages[0].content + "\\n")
    return "to " + messages[0].content

async def one(caller, ledger, n):
    done = await caller.ask("s", [Message(Role.USER, str(n))])
    if ledger.row("r", n) is None:
        ledger.keep_row("r", n, done.text.encode())
    await asyncio.sleep(0.0005)

async def go():
    with Ledger(Path(sys.argv[1])) as ledger:
        caller = Caller(Fake(say), ledger, Limits(in_flight=8))
        print("ready", flush=True)
        for start in range(0, 400, 8):
            await asyncio.gather(*(one(caller, ledger, n) for n in range(start, start + 8)))
asyncio.run(go())
"""


def test_fifty_kills_lose_nothing_and_repeat_next_to_nothing(tmp_path: Path) -> None:
    rng = random.Random(5)
    ledger, log = tmp_path / "l.db", tmp_path / "asked.log"
    kills = met = 0  # sent, and such that ended a run
    for _ in range(120):
        run = subprocess.Popen([sys.executable, "-c", WORK, str(ledger), str(log)], stdout=subprocess.PIPE, text=True)
        assert run.stdout is not None
        run.stdout.readline()
        if kills < 50:
            time.sleep(rng.uniform(0, 0.015))
            os.kill(run.pid, signal.SIGKILL)
            kills += 1
        run.stdout.close()
        code = run.wait()
        met += code == -signal.SIGKILL
        if code == 0:
            break
    db = sqlite3.connect(ledger)
    rows = db.execute("SELECT place, body FROM row WHERE run = 'r' ORDER BY place").fetchall()
    db.close()
    assert (kills, met) == (50, 50)
    assert rows == [(n, f"to {n}".encode()) for n in range(400)]
    asked = log.read_text().split()
    assert set(asked) == {str(n) for n in range(400)}
    assert len(asked) <= 400 + 50 * 8  # what was in flight at a kill may be asked once more
