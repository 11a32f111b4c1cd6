"""Servers of every kind, and everything that they do badly."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest

pytest.importorskip("openai")

from tests.engine.server import VLLM, Handler, Page, Stream, in_turn, piece, saying, serving, usage

from vedette.engine.backends import openai as backend
from vedette.engine.backends.openai import Served, is_remote
from vedette.engine.protocol import Budget, Completion, Finish, Identity, Message, Role, Sampling
from vedette.errors import ConfigError, EngineError

pytestmark = [pytest.mark.bench, pytest.mark.filterwarnings("default")]
HELLO = [Message(Role.USER, "hello there")]


def asked(talk: Stream, pages: dict[str, Page] | None = None, **options: Any) -> Completion:
    """One answer of a server that talks like this."""

    async def go(address: str) -> Completion:
        engine = await Served.at(address, context=options.pop("context", 0))
        try:
            return await engine.generate(options.pop("messages", HELLO), **options)
        finally:
            await engine.close()

    with serving(talk, pages) as (address, _):
        return asyncio.run(go(address))


def identified(pages: dict[str, Page], context: int = 0, model: str = "") -> Identity:
    async def go(address: str) -> Identity:
        engine = await Served.at(address, context=context, model=model)
        await engine.close()
        return engine.identity

    with serving(saying("hi"), pages) as (address, _):
        return asyncio.run(go(address))


LLAMA = {
    "/props": {"default_generation_settings": {"n_ctx": 2_048}, "total_slots": 4, "model_path": "/x/tiny.gguf",
               "model_ftype": "Q4_0", "chat_template": "{{ x }}"},
    "/lora-adapters": [{"id": 0, "path": "/x/ours.gguf", "scale": 0.0}],
    "/apply-template": lambda body: {"prompt": body["messages"][0]["content"]},
    "/tokenize": lambda body: {"tokens": body["content"].split()},
}  # fmt: skip
OLLAMA = {
    "/api/version": {"version": "0.20"},
    "/api/tags": {"models": [{"name": "qwen3:4b", "digest": "abc"}]},
    "/api/show": lambda body: {"template": "t", "details": {"quantization_level": "Q4_K_M"}},
    "/api/generate": {"done": True},
    "/api/ps": {"models": [{"name": "qwen3:4b", "context_length": 4_096}]},
}
LM_STUDIO = {
    "/api/v0/models": {
        "data": [
            {"id": "other", "state": "not-loaded"},
            {"id": "m", "state": "loaded", "loaded_context_length": 9_000, "quantization": "Q8_0"},
        ]
    }
}


def test_every_kind_says_what_it_serves() -> None:
    llama = identified(LLAMA)
    assert (llama.backend, llama.name, llama.context, llama.parallel) == ("llama.cpp", "tiny", 2_048, 4)
    assert llama.exact
    assert llama.adapters == ("ours",)
    assert llama.template
    ollama = identified(OLLAMA)
    assert (ollama.backend, ollama.context, ollama.sha256, ollama.quantisation) == ("Ollama", 4_096, "abc", "Q4_K_M")
    assert not ollama.exact
    studio = identified(LM_STUDIO)
    assert (studio.backend, studio.name, studio.context) == ("LM Studio", "m", 9_000)
    vllm = identified({"/v1/models": VLLM, "/tokenize": {"count": 3}})
    assert (vllm.backend, vllm.context, vllm.exact) == ("vLLM", 4_096, True)


def test_a_context_is_never_assumed() -> None:
    pages = {"/v1/models": {"data": [{"id": "m"}]}}
    with pytest.raises(ConfigError, match="how long a context"):
        identified(pages)
    assert identified(pages, context=3_000).context == 3_000
    assert identified(OLLAMA, context=1_000).context == 1_000  # less than served may be wished for
    assert identified(OLLAMA, context=100_000).context == 4_096  # more may not


def test_one_of_several_models_has_to_be_named() -> None:
    pages = {"/v1/models": {"data": [{"id": "a", "max_model_len": 9}, {"id": "b", "max_model_len": 9}]}}
    with pytest.raises(ConfigError, match="2 models"):
        identified(pages)
    with pytest.raises(ConfigError, match="no model 'c'"):
        identified(pages, model="c")
    assert identified(pages, model="b").name == "b"


def test_an_answer_comes_in_pieces() -> None:
    told: list[str] = []
    done = asked(saying("one ", "two ", "three"), told=told.append, budget=Budget(tokens=50))
    assert told == ["one ", "two ", "three"]
    assert (done.text, done.finish, done.tokens_in, done.tokens_out) == ("one two three", Finish.STOP, 20, 3)


@pytest.mark.parametrize(
    ("text", "left"), [("<think>hm</think>\nyes", "yes"), ("<think>hm", ""), ("a <think>", "a <think>")]
)
def test_thoughts_are_no_answer(text: str, left: str) -> None:
    assert asked(saying(text)).text == left


def test_what_does_not_fit_is_refused_before_it_is_sent() -> None:
    with serving(saying("hi"), OLLAMA) as (address, server):

        async def go() -> None:
            engine = await Served.at(address)
            with pytest.raises(EngineError, match=r"4,096.*OLLAMA_CONTEXT_LENGTH"):
                await engine.generate([Message(Role.USER, "word " * 1_000)], budget=Budget(tokens=100))
            await engine.close()

        asyncio.run(go())
        assert not [path for path, _ in server.asked if path.endswith("completions")]


def test_a_prompt_that_was_cut_in_silence_is_found_out() -> None:
    messages = [Message(Role.USER, "word " * 300)]
    with pytest.raises(EngineError, match="the rest was cut"):
        asked(saying("sure", tokens_in=256), messages=messages)
    assert asked(saying("sure", tokens_in=310), messages=messages).text == "sure"


def _html(handler: Handler, _: dict[str, Any]) -> None:
    handler.send(200, "<html>captive portal</html>", "text/html")


def _garbage(handler: Handler, _: dict[str, Any]) -> None:
    handler.begin()
    handler.wfile.write(b"data: {broken\n\ndata: \xff\xfe\n\n")


def _half(handler: Handler, _: dict[str, Any]) -> None:
    handler.begin()
    handler.event(piece("half an"))


def _status(status: int, **headers: str) -> Stream:
    return lambda handler, _: handler.send(status, '{"error": {"message": "no"}}', **headers)


@pytest.mark.parametrize("bad", [_html, _garbage, _half, _status(500), _status(503), _status(429, retry_after="0")])
def test_what_may_pass_is_tried_again(bad: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "FIRST_WAIT", 0.01)
    assert asked(in_turn(bad, bad, saying("at last"))).text == "at last"


@pytest.mark.parametrize("bad", [_html, _garbage, _half, _status(500), _status(429)])
def test_what_does_not_pass_ends_with_its_reason(bad: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(backend, "SILENT", 0.2)
    with pytest.raises(EngineError, match="no answer for"):
        asked(bad)


def test_what_was_told_is_not_told_twice() -> None:
    told: list[str] = []
    with pytest.raises(EngineError, match="broke off"):
        asked(in_turn(_half, saying("half an answer")), told=told.append)
    assert told == ["half an"]


@pytest.mark.parametrize(("status", "remedy"), [(401, "VEDETTE_ENGINE_KEY"), (400, "log"), (404, "log")])
def test_a_refusal_is_not_tried_again(status: int, remedy: str) -> None:
    with pytest.raises(EngineError, match=remedy):
        asked(in_turn(_status(status), saying("never")))


def test_who_talks_without_end_is_stopped() -> None:
    def endless(handler: Handler, _: dict[str, Any]) -> None:
        handler.begin()
        while True:
            handler.event(piece("la " * 50))

    with pytest.raises(EngineError, match="goes on past 20 tokens"):
        asked(endless, budget=Budget(tokens=20))


def test_who_is_silent_is_not_waited_for_any_longer() -> None:
    def hang(handler: Handler, _: dict[str, Any]) -> None:
        handler.begin()
        time.sleep(2)

    began = time.monotonic()
    with pytest.raises(EngineError, match=r"no answer within 0\.3 s"):
        asked(hang, budget=Budget(seconds=0.3))
    assert time.monotonic() - began < 1.5


def test_a_model_that_changes_is_noticed() -> None:
    talk = in_turn(saying("one", model="m-1"), saying("two", model="m-2"))

    async def go(address: str) -> None:
        engine = await Served.at(address)
        await engine.generate(HELLO)
        with pytest.raises(EngineError, match="changed from 'm-1' to 'm-2'"):
            await engine.generate(HELLO)
        await engine.close()

    with serving(talk) as (address, _):
        asyncio.run(go(address))


def test_the_request_holds_what_was_asked_for() -> None:
    async def go(address: str) -> None:
        engine = await Served.at(address)
        sampling = Sampling(seed=7, logprobs=True, adapter="ours")
        await engine.generate(HELLO, schema={"type": "object"}, sampling=sampling)
        with pytest.raises(ConfigError, match="no adapter 'theirs'"):
            await engine.generate(HELLO, sampling=Sampling(adapter="theirs"))
        await engine.close()

    with serving(saying("{}"), LLAMA) as (address, server):
        asyncio.run(go(address))
        body = next(body for path, body in server.asked if path.endswith("completions"))
    assert body["seed"] == 7
    assert body["temperature"] == 0
    assert body["lora"] == [{"id": 0, "scale": 1.0}]
    assert body["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert body["chat_template_kwargs"] == {"enable_thinking": False}


def test_two_hundred_answers_outlive_a_server_that_is_away_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "FIRST_WAIT", 0.02)
    away = {"until": 0.0, "answered": 0}

    def moody(handler: Handler, body: dict[str, Any]) -> None:
        away["answered"] += 1
        if away["answered"] == 50:
            away["until"] = time.monotonic() + 0.5
        if time.monotonic() < away["until"]:
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        saying("fine")(handler, body)

    async def go(address: str) -> list[Completion]:
        engine = await Served.at(address, connections=32)
        try:
            return list(await asyncio.gather(*(engine.generate(HELLO) for _ in range(200))))
        finally:
            await engine.close()

    with serving(moody) as (address, _):
        assert [done.text for done in asyncio.run(go(address))] == ["fine"] * 200


def test_counting_outlives_a_server_that_is_away_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "FIRST_WAIT", 0.02)
    away = {"calls": 0}

    async def moody(messages: list[Message]) -> int:
        away["calls"] += 1
        if away["calls"] < 4:
            raise backend.Away("no server answers", where="here")
        return 7

    async def go(address: str) -> tuple[int, int]:
        engine = await Served.at(address)
        engine.server.count = moody  # type: ignore[assignment]
        found = await engine.count(HELLO)
        await engine.close()
        return found, away["calls"]

    with serving(saying("fine")) as (address, _):
        assert asyncio.run(go(address)) == (7, 4)


def test_nobody_there() -> None:
    with pytest.raises(EngineError, match="no server answers"):
        asyncio.run(Served.at("http://127.0.0.1:9/v1"))


def test_the_key_is_sent_and_asked_for() -> None:
    def guarded(handler: Handler, _: dict[str, Any]) -> None:
        handler.send(401, "{}")

    with serving(guarded, {"/v1/models": VLLM}) as (address, _), pytest.raises(EngineError, match="VEDETTE_ENGINE_KEY"):
        asyncio.run(_once(address))


async def _once(address: str) -> None:
    engine = await Served.at(address, key="secret")
    try:
        await engine.generate(HELLO)
    finally:
        await engine.close()


@pytest.mark.parametrize(
    ("address", "remote"),
    [("http://127.0.0.1:1/v1", False), ("http://[::1]:1/v1", False), ("http://localhost/v1", False),
     ("http://localhost.evil.example/v1", True), ("http://192.0.2.1/v1", True), ("https://example.org/v1", True)],
)  # fmt: skip
def test_what_is_beyond_this_machine(address: str, remote: bool) -> None:
    assert is_remote(address) is remote


@pytest.mark.parametrize("address", ["", "localhost:8080", "ftp://127.0.0.1/v1", "http://"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(ConfigError, match="no address"):
        is_remote(address)


def test_usage_is_optional() -> None:
    def terse(handler: Handler, _: dict[str, Any]) -> None:
        handler.begin()
        handler.event(piece("hi", "stop"))
        handler.event("[DONE]")

    assert asked(terse).tokens_in > 0
    assert "usage" in usage(1, 1)
