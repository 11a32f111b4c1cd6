"""Any OpenAI-compatible server: llama.cpp, vLLM, Ollama, LM Studio (extra `vedette[slm]`).

A server is asked what it serves (`servers.py`) before it is given anything: which model, how much context. What it does
badly ends in an EngineError that says what to do: it is silent, dies, cuts the prompt, talks without end, answers in
HTML, changes its model between two answers.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from vedette.engine.backends import servers
from vedette.engine.backends.reply import Reply, thoughtless
from vedette.engine.protocol import (
    BUDGET,
    LIKELIEST,
    Budget,
    Completion,
    Finish,
    Identity,
    Message,
    Sampling,
    Schema,
    Told,
    as_json,
)
from vedette.errors import ConfigError, EngineError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

FIRST_WAIT, LONGEST_WAIT = 0.25, 8.0  # seconds between two tries, doubled with jitter
SILENT = 60.0  # seconds of tries that all fail, after which the server counts as gone
CONNECT = 5.0
LOADS = 180.0  # seconds for what is no answer: asking for the model may load it
RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504})


class Served:
    """A model behind an address. Make it with `await Served.at(…)`."""

    def __init__(self, client: AsyncOpenAI, server: servers.Server, limit: int, get: servers.Get) -> None:
        self._client, self.server, self.get = client, server, get  # `get`: what a server offers besides answers
        self._room = asyncio.Semaphore(limit)
        self._gone_since: float | None = None  # no try has succeeded since

    @classmethod
    async def at(
        cls, address: str, *, model: str = "", key: str = "", context: int = 0, connections: int = 0
    ) -> Served:
        """`address` up to `/v1`. `context`: tokens, for a server that does not say it; `connections`: answers at once.

        Raises EngineError where no server answers, ConfigError where it has not said what is needed.
        """
        remote = is_remote(address)
        client = _client(address, key)
        get = _Get(client, address)
        try:
            server = await servers.identify(get, model=model, context=context, remote=remote)
        except BaseException:
            await client.close()
            raise
        return cls(client, server, connections or server.identity.parallel, get)

    @property
    def identity(self) -> Identity:
        return self.server.identity

    async def count(self, messages: Sequence[Message]) -> int:
        """As long as a server that is away may come back, it is asked again."""
        wait = FIRST_WAIT
        while True:
            try:
                found = await self.server.count(messages)
            except Away as exc:
                self._lost(exc)
            else:
                self._gone_since = None
                return found
            await asyncio.sleep(wait * (0.5 + random.random()))
            wait = min(2 * wait, LONGEST_WAIT)

    async def generate(
        self,
        messages: Sequence[Message],
        *,
        schema: Schema | None = None,
        budget: Budget = BUDGET,
        sampling: Sampling = LIKELIEST,
        told: Told | None = None,
    ) -> Completion:
        await self._fits(messages, budget)
        body = self._body(messages, schema, budget, sampling)
        try:
            async with self._room, asyncio.timeout(budget.seconds):
                return await self._retried(body, messages, budget, told)
        except TimeoutError as exc:
            remedy = "give it more time, a smaller model, or fewer tokens"
            raise self._error(f"no answer within {budget.seconds:g} s", remedy) from exc

    async def close(self) -> None:
        await self._client.close()

    async def _fits(self, messages: Sequence[Message], budget: Budget) -> None:
        wanted = await self.count(messages) + budget.tokens
        if wanted > self.identity.context:
            what = f"{wanted:,} tokens of prompt and answer, its context has {self.identity.context:,}"
            raise self._error(what, self.server.wider)

    def _body(
        self, messages: Sequence[Message], schema: Schema | None, budget: Budget, sampling: Sampling
    ) -> dict[str, Any]:
        extra = dict(self.server.extra)
        body: dict[str, Any] = {
            "model": self.server.model,
            "messages": as_json(messages),
            "max_tokens": budget.tokens,
            "temperature": sampling.temperature,
            "seed": sampling.seed,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if schema is not None:
            extra |= self.server.constraint(schema)
        if sampling.logprobs:
            body |= {"logprobs": True, "top_logprobs": 1}
        if sampling.adapter or self.identity.adapters:
            extra |= self.server.adapter(sampling.adapter)
        return {**body, "extra_body": extra}

    async def _retried(
        self, body: dict[str, Any], messages: Sequence[Message], budget: Budget, told: Told | None
    ) -> Completion:
        """Until it succeeds, or what is left to hope for is nothing; what was told already is not told again."""
        import openai

        wait = FIRST_WAIT
        while True:
            reply = Reply(budget.tokens)
            try:
                return await self._once(body, messages, reply, told)
            except openai.APIStatusError as exc:
                if exc.status_code not in RETRIED:
                    raise self._refused(exc) from exc
                failure: Exception = exc
            except (openai.APIError, _Broken) as exc:  # no connection, or one that broke
                failure = exc
            if reply.text and told is not None:
                raise self._error("the answer broke off", "ask again") from failure
            self._lost(failure)
            await asyncio.sleep(_pause(failure, wait))
            wait = min(2 * wait, LONGEST_WAIT)

    async def _once(
        self, body: dict[str, Any], messages: Sequence[Message], reply: Reply, told: Told | None
    ) -> Completion:
        began = time.monotonic()
        async with aclosing(self._chunks(body)) as chunks:
            async for chunk in chunks:
                piece = reply.take(chunk)
                if reply.endless:
                    raise self._error(f"it goes on past {body['max_tokens']:,} tokens", "use another server")
                if piece and told is not None:
                    told(piece)
        if reply.finish is None:
            raise _Broken("the answer ended without saying so")
        self._gone_since = None
        self._unchanged(reply.model)
        return await self._completed(reply, messages, time.monotonic() - began)

    async def _chunks(self, body: dict[str, Any]) -> AsyncGenerator[Any]:
        import openai

        try:
            stream = await self._client.chat.completions.create(**body)
            async with stream:
                async for chunk in stream:
                    yield chunk
        except openai.APIError:
            raise
        except Exception as exc:  # inside a stream the client wraps neither its transport's errors nor its parser's
            raise _Broken(f"what it sends is no answer: {_said(exc)}") from exc

    async def _completed(self, reply: Reply, messages: Sequence[Message], seconds: float) -> Completion:
        tokens_in = reply.tokens_in or await self.count(messages)
        words = sum(len(m.content.split()) for m in messages)
        if reply.tokens_in and reply.tokens_in < words:
            what = f"it read {reply.tokens_in:,} tokens of a prompt of {words:,} words: the rest was cut"
            raise self._error(what, self.server.wider)
        text, finish = thoughtless("".join(reply.text)), reply.finish or Finish.STOP
        return Completion(
            text=text, finish=finish, tokens_in=tokens_in, tokens_out=reply.tokens_out, seconds=seconds,
            logprobs=tuple(reply.logprobs),
        )  # fmt: skip

    def _unchanged(self, model: str) -> None:
        if model and model != self.server.answers_as:
            if self.server.answers_as:
                what = f"the model changed from '{self.server.answers_as}' to '{model}'"
                raise self._error(what, "start anew, so that one model gives all answers")
            self.server.answers_as = model

    def _lost(self, failure: Exception) -> None:
        """Raises once nothing has come for so long that waiting on makes no sense."""
        now = time.monotonic()
        self._gone_since = self._gone_since or now
        if now - self._gone_since > SILENT:
            raise self._error(f"no answer for {SILENT:g} s: {_said(failure)}", "look at the server's log") from failure

    def _refused(self, exc: Any) -> EngineError:
        remedy = "check the key ($VEDETTE_ENGINE_KEY)" if exc.status_code in (401, 403) else "look at the server's log"
        return self._error(f"it refuses: {exc.status_code}, {_said(exc)}", remedy)

    def _error(self, what: str, remedy: str) -> EngineError:
        return EngineError(what, where=f"{self.identity.backend} {self.identity.name}", remedy=remedy)


class Away(EngineError):
    """No server answers, for now."""


class _Broken(Exception):
    """A stream that did not come to its end."""


class _Get:
    """GET and POST of JSON at the server's root and its `/v1`, for `servers.identify`."""

    def __init__(self, client: AsyncOpenAI, address: str) -> None:
        self._client, self.root = client, address.removesuffix("/").removesuffix("/v1")
        self.address = address

    async def __call__(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """None where there is no such path, or no JSON; raises EngineError where there is no server."""
        import openai

        url = self.root + path
        try:
            if body is None:
                return await self._client.get(url, cast_to=object, options={"timeout": LOADS})
            return await self._client.post(url, body=dict(body), cast_to=object, options={"timeout": LOADS})
        except openai.APIConnectionError as exc:
            what, remedy = f"no server answers: {_said(exc)}", "start it, or correct the address"
            raise Away(what, where=self.address, remedy=remedy) from exc
        except openai.APIStatusError as exc:
            if exc.status_code in (401, 403):
                what = f"it refuses: {exc.status_code}"
                raise EngineError(what, where=self.address, remedy="set $VEDETTE_ENGINE_KEY") from exc
            return None
        except (openai.APIError, ValueError):
            return None


def _client(address: str, key: str) -> AsyncOpenAI:
    try:
        import openai
    except ModuleNotFoundError as exc:
        raise ConfigError(f"a server is asked by {exc.name}", remedy="pip install 'vedette[slm]'") from exc
    timeout = openai.Timeout(None, connect=CONNECT)  # a long prompt is read in silence; the budget has the last word
    http = openai.DefaultAsyncHttpxClient(base_url=address, timeout=timeout, trust_env=False, follow_redirects=False)
    return openai.AsyncOpenAI(base_url=address, api_key=key or "none", max_retries=0, timeout=timeout, http_client=http)


def is_remote(address: str) -> bool:
    """Whether an address leads beyond this machine. Raises ConfigError where it is none."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(f"'{address}' is no address", remedy="write it as http://127.0.0.1:8080/v1")
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return host.lower() != "localhost"


def _pause(failure: Exception, wait: float) -> float:
    """With jitter, so that many who failed together do not come back together; what the server asks for at least."""
    asked = 0.0
    with suppress(AttributeError, ValueError, TypeError):
        asked = float(failure.response.headers.get("retry-after", 0))  # type: ignore[attr-defined]
    return max(min(asked, LONGEST_WAIT), wait * (0.5 + random.random()))


def _said(exc: Exception) -> str:
    cause = exc.__cause__ or exc
    return " ".join(f"{type(exc).__name__}: {cause}".split())[:300]
