"""A small Qwen3 of random weights in this process: schema, pieces, cancelling, counting, adapters, restarts."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("xllamacpp")
pytest.importorskip("openai")
pytest.importorskip("gguf")

from tests.engine import tiny

from vedette.engine.backends.llamacpp import grammar, in_process, served
from vedette.engine.backends.openai import Served
from vedette.engine.open import Wanted, opened
from vedette.engine.protocol import Budget, Engine, Finish, Message, Role, Sampling
from vedette.errors import EngineError, InputError

pytestmark = [pytest.mark.bench, pytest.mark.filterwarnings("default")]
PROMPT = [Message(Role.SYSTEM, "be brief"), Message(Role.USER, "hello there")]
SCHEMA = {
    "type": "object",
    "properties": {
        "words": {"type": "array", "items": {"type": "string", "maxLength": 12}, "minItems": 1, "maxItems": 3},
        "verdict": {"enum": ["good", "bad"]},
    },
    "required": ["words", "verdict"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write(tmp_path_factory.mktemp("model") / "tiny.gguf")


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_lora(tmp_path_factory.mktemp("adapter") / "ours.gguf")


def using(work: Callable[[Engine], Awaitable[Any]], model: Path, **options: Any) -> Any:
    """What `work` makes of the model in this process."""

    async def go() -> Any:
        async with in_process(model, context=1_024, threads=1, **options) as engine:
            return await work(engine)

    return asyncio.run(go())


def valid(text: str) -> bool:
    told = json.loads(text)
    words = told["words"]
    return set(told) == {"words", "verdict"} and told["verdict"] in ("good", "bad") and 1 <= len(words) <= 3


def test_answers_follow_the_schema(model: Path) -> None:
    async def work(engine: Engine) -> list[str]:
        warm = [Sampling(seed=n, temperature=1) for n in range(20)]
        return [(await engine.generate(PROMPT, schema=SCHEMA, budget=Budget(200), sampling=s)).text for s in warm]

    texts = using(work, model)
    assert len(set(texts)) > 10
    assert all(map(valid, texts))


def test_in_process_and_by_address_say_the_same(model: Path) -> None:
    async def by_address(address: str) -> str:
        engine = await Served.at(address)
        engine.server.constraint = grammar
        done = await engine.generate(PROMPT, schema=SCHEMA, budget=Budget(200))
        await engine.close()
        return done.text

    async def inside(engine: Engine) -> str:
        return (await engine.generate(PROMPT, schema=SCHEMA, budget=Budget(200))).text

    with served(model, context=1_024, threads=1) as address:
        assert asyncio.run(by_address(address)) == using(inside, model)


def test_two_runs_are_identical(model: Path) -> None:
    async def work(engine: Engine) -> list[tuple[str, tuple[tuple[str, float], ...]]]:
        done = [await engine.generate(PROMPT, budget=Budget(64), sampling=Sampling(logprobs=True)) for _ in range(3)]
        return [(one.text, one.logprobs) for one in done]

    first, second = using(work, model), using(work, model)
    assert first == second
    assert first[0] == first[1] == first[2]
    assert len(first[0][1]) >= 32
    assert all(value <= 0 for _, value in first[0][1])


def test_tokens_are_counted_exactly(model: Path) -> None:
    async def work(engine: Engine) -> tuple[int, int]:
        text = [Message(Role.USER, "the thin ones\x00 – ⟦x⟧ <|im_end|> 中文")]
        return await engine.count(text), (await engine.generate(text, budget=Budget(4))).tokens_in

    counted, reported = using(work, model)
    assert counted == reported


def test_it_streams_and_can_be_stopped(model: Path) -> None:
    async def work(engine: Engine) -> tuple[list[str], bool]:
        pieces: list[str] = []
        whole = asyncio.create_task(engine.generate(PROMPT, budget=Budget(900), told=pieces.append))
        while not pieces:
            await asyncio.sleep(0.001)
        whole.cancel()
        with pytest.raises(asyncio.CancelledError):
            await whole
        done = await asyncio.wait_for(engine.generate(PROMPT, budget=Budget(8)), 5)  # the slot is free again
        return pieces, done.finish is Finish.LENGTH

    pieces, freed = using(work, model)
    assert 0 < len(pieces) < 900
    assert freed


def test_an_adapter_is_asked_for_by_name(model: Path, adapter: Path) -> None:
    async def work(engine: Engine) -> list[str]:
        assert engine.identity.adapters == ("ours",)
        return [
            (await engine.generate(PROMPT, budget=Budget(48), sampling=Sampling(adapter=name))).text
            for name in ("", "ours", "", "ours")
        ]

    bare, adapted, bare_again, adapted_again = using(work, model, adapters=(adapter,))
    assert bare == bare_again
    assert adapted == adapted_again
    assert bare != adapted


def test_what_is_too_long_is_refused(model: Path) -> None:
    async def work(engine: Engine) -> None:
        with pytest.raises(EngineError, match=r"its context has 1,024.*--context"):
            await engine.generate([Message(Role.USER, "word " * 2_000)])

    using(work, model)


def test_eight_at_once(model: Path) -> None:
    async def work(engine: Engine) -> set[str]:
        done = await asyncio.gather(*(engine.generate(PROMPT, schema=SCHEMA, budget=Budget(200)) for _ in range(40)))
        assert all(valid(one.text) for one in done)
        return {one.text for one in done}

    assert using(work, model, parallel=8)


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGUF" + bytes(400), b"no model at all"])
def test_a_damaged_file_is_named(content: bytes, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(content)

    async def go() -> None:
        async with opened(f"gguf/{broken}", Wanted(context=512)):
            pass

    with pytest.raises(InputError, match=r"broken\.gguf"):
        asyncio.run(go())


def test_a_template_that_is_wrong_is_named(tmp_path: Path) -> None:
    file = tiny.write(tmp_path / "odd.gguf", template="{{ raise_exception('no system messages') }}")

    async def work(engine: Engine) -> None:
        await engine.generate(PROMPT, budget=Budget(4))

    with pytest.raises(InputError, match=r"odd\.gguf.*chat template"):
        using(work, file)


SERVE = """
import sys, time
from pathlib import Path
from vedette.engine.backends.llamacpp import served
with served(Path(sys.argv[1]), context=512, parallel=4, threads=1, port=int(sys.argv[2])) as address:
    print(address, flush=True)
    time.sleep(600)
"""


def _start(model: Path, port: int) -> subprocess.Popen[str]:
    started = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(model), str(port)], stdout=subprocess.PIPE, text=True, env=os.environ
    )
    assert started.stdout is not None
    assert str(port) in started.stdout.readline()
    return started


def _end(server: subprocess.Popen[str]) -> None:
    server.wait()
    assert server.stdout is not None
    server.stdout.close()


def test_two_hundred_outlive_a_server_that_is_killed(model: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = _start(model, port)
    finished: list[int] = []

    async def one(engine: Engine, number: int) -> str:
        done = await engine.generate([Message(Role.USER, f"number {number}")], budget=Budget(48, seconds=120))
        finished.append(number)
        return done.text

    async def go() -> list[str]:
        nonlocal server
        engine = await Served.at(f"http://127.0.0.1:{port}/v1")
        work = asyncio.gather(*(one(engine, number) for number in range(200)))
        while len(finished) < 40:
            await asyncio.sleep(0.01)
        os.kill(server.pid, signal.SIGKILL)
        _end(server)
        server = await asyncio.to_thread(_start, model, port)
        texts = await work
        await engine.close()
        return list(texts)

    try:
        texts = asyncio.run(go())
    finally:
        server.kill()
        _end(server)
    assert len(texts) == 200
    assert sorted(finished) == list(range(200))
