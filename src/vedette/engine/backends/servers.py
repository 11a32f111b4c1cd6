"""What a server serves: asked by the kinds that are known, each in its own way.

A context is asked for, not assumed: Ollama serves 4,096 tokens of whatever a model could read and cuts the rest off in
silence. A server that does not say its context needs it from its user.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from msgspec.structs import replace

from vedette.engine.protocol import Identity, Message, Schema, as_json
from vedette.errors import ConfigError, EngineError

A_MESSAGE, A_PROMPT = 16, 64  # tokens at most of a chat template's marks
WIDER = "serve it with a longer context"


class Get(Protocol):
    """JSON from a path of the server, by POST where there is a body; None where it has no such path."""

    address: str

    async def __call__(self, path: str, body: Mapping[str, Any] | None = None) -> Any: ...


Count = Callable[[Sequence[Message]], Awaitable[int]]


async def most(messages: Sequence[Message]) -> int:
    """An upper bound where a server does not count: a token has a byte at least."""
    return A_PROMPT + sum(len(m.content.encode()) + A_MESSAGE for m in messages)


def as_response_format(schema: Schema) -> dict[str, Any]:
    return {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": dict(schema), "strict": True},
        }
    }


@dataclass(slots=True)
class Server:
    """How to talk to one."""

    identity: Identity
    model: str  # as requests name it
    count: Count = most
    constraint: Callable[[Schema], dict[str, Any]] = as_response_format
    extra: dict[str, Any] = field(default_factory=dict)  # of every request
    wider: str = WIDER
    answers_as: str = ""  # the model's name in answers

    def adapter(self, name: str) -> dict[str, Any]:
        """The request's part that asks for one of the identity's adapters, or for none."""
        if name and name not in self.identity.adapters:
            known = ", ".join(self.identity.adapters) or "none"
            raise ConfigError(f"no adapter '{name}'", where=self.identity.name, remedy=f"known: {known}")
        return {"lora": [{"id": n, "scale": float(one == name)} for n, one in enumerate(self.identity.adapters)]}


async def identify(get: Get, *, model: str = "", context: int = 0, remote: bool = False) -> Server:
    """`model`: which, where a server has several; `context`: where it does not say its own."""
    for kind in (_llama_cpp, _ollama, _lm_studio, _vllm):
        server = await kind(get, model, remote)
        if server is not None:
            break
    else:
        server = await _unknown(get, model, context, remote)
    if context and context < server.identity.context:
        server.identity = replace(server.identity, context=context)
    if server.identity.context <= 0:
        what = f"{server.identity.backend} does not say how long a context it serves"
        raise ConfigError(what, where=get.address, remedy="say it: --context TOKENS")
    return server


async def _llama_cpp(get: Get, model: str, remote: bool) -> Server | None:
    props = await get("/props")
    if not isinstance(props, dict) or "default_generation_settings" not in props:
        return None
    context = _number(_at(props, "default_generation_settings", "n_ctx"))
    adapters = await get("/lora-adapters")
    paths = (
        [str(one.get("path", "")) for one in adapters if isinstance(one, dict)] if isinstance(adapters, list) else []
    )
    identity = Identity(
        backend="llama.cpp",
        name=_stem(str(props.get("model_path") or props.get("model_alias") or "model")),
        context=context,
        quantisation=str(props.get("model_ftype") or "").removeprefix("(guessed) "),
        template=_hash(props.get("chat_template")),
        parallel=max(1, _number(props.get("total_slots"))),
        remote=remote,
        exact=True,
        adapters=tuple(_stem(path) for path in paths),
    )

    async def count(messages: Sequence[Message]) -> int:
        body = {"messages": as_json(messages), **_UNTHINKING}
        prompt = _at(await get("/apply-template", body), "prompt")
        found = _at(await get("/tokenize", {"content": prompt, "add_special": True, "parse_special": True}), "tokens")
        if not isinstance(prompt, str) or not isinstance(found, list):
            raise EngineError("it does not count tokens", where=get.address, remedy="use a newer llama-server")
        return len(found)

    wider = "serve it with a longer context: --context here, -c of llama-server"
    return Server(identity, model or "model", count, as_response_format, dict(_UNTHINKING), wider)


_UNTHINKING = {"chat_template_kwargs": {"enable_thinking": False}}


async def _ollama(get: Get, model: str, remote: bool) -> Server | None:
    if _at(await get("/api/version"), "version") is None:
        return None
    tags = _at(await get("/api/tags"), "models")
    names = [str(one.get("name", "")) for one in tags if isinstance(one, dict)] if isinstance(tags, list) else []
    chosen = _chosen(names, model, get.address)
    shown = await get("/api/show", {"model": chosen})
    await get("/api/generate", {"model": chosen})  # loads it, so that it says what it serves
    running = _at(await get("/api/ps"), "models")
    here = [one for one in running if one.get("name") == chosen] if isinstance(running, list) else []
    identity = Identity(
        backend="Ollama",
        name=chosen,
        context=_number(_at(here[0], "context_length")) if here else 0,
        sha256=str(next((one.get("digest") or "" for one in tags or () if one.get("name") == chosen), "")),
        quantisation=str(_at(shown, "details", "quantization_level") or ""),
        template=_hash(_at(shown, "template")),
        remote=remote,
    )
    return Server(identity, chosen, wider="start Ollama with OLLAMA_CONTEXT_LENGTH=16384 or more")


async def _lm_studio(get: Get, model: str, remote: bool) -> Server | None:
    found = _at(await get("/api/v0/models"), "data")
    if not isinstance(found, list):
        return None
    loaded = {str(one.get("id", "")): one for one in found if isinstance(one, dict) and one.get("state") == "loaded"}
    chosen = _chosen(list(loaded), model, get.address)
    identity = Identity(
        backend="LM Studio",
        name=chosen,
        context=_number(loaded[chosen].get("loaded_context_length")),
        quantisation=str(loaded[chosen].get("quantization") or ""),
        remote=remote,
    )
    return Server(identity, chosen)


async def _vllm(get: Get, model: str, remote: bool) -> Server | None:
    found = _models(await get("/v1/models"))
    served = {name: _number(one.get("max_model_len")) for name, one in found.items() if one.get("max_model_len")}
    if not served:
        return None
    chosen = _chosen(list(served), model, get.address)
    probe = {"model": chosen, "messages": [{"role": "user", "content": "?"}]}
    exact = isinstance(_at(await get("/tokenize", probe), "count"), int)
    identity = Identity(
        backend="vLLM", name=chosen, context=served[chosen], parallel=32, remote=remote, exact=exact
    )  # fmt: skip

    async def count(messages: Sequence[Message]) -> int:
        body = {"model": chosen, "messages": as_json(messages), **_UNTHINKING}
        return _number(_at(await get("/tokenize", body), "count")) or await most(messages)

    wider = "start it with a larger --max-model-len"
    return Server(identity, chosen, count if exact else most, extra=dict(_UNTHINKING), wider=wider)


async def _unknown(get: Get, model: str, context: int, remote: bool) -> Server:
    found = _models(await get("/v1/models"))
    if not found and not model:
        remedy = "give an OpenAI-compatible address, as http://127.0.0.1:8080/v1"
        raise EngineError("it lists no models", where=get.address, remedy=remedy)
    chosen = _chosen(list(found), model, get.address) if found else model
    return Server(Identity(backend="server", name=chosen, context=context, remote=remote), chosen)


def _models(listed: Any) -> dict[str, dict[str, Any]]:
    found = _at(listed, "data")
    return (
        {str(one["id"]): one for one in found if isinstance(one, dict) and "id" in one}
        if isinstance(found, list)
        else {}
    )


def _chosen(names: list[str], model: str, address: str) -> str:
    if model in names or (not model and len(names) == 1):
        return model or names[0]
    known = ", ".join(names[:10]) or "none"
    what = f"no model '{model}'" if model else f"{len(names)} models, and none was chosen"
    raise ConfigError(what, where=address, remedy=f"add #NAME to the address; it has {known}")


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _hash(template: Any) -> str:
    return hashlib.sha256(template.encode()).hexdigest() if isinstance(template, str) and template else ""


def _stem(path: str) -> str:
    name = path.replace("\\", "/").rsplit("/", 1)[-1]
    return name.removesuffix(".gguf")
