"""The benchmarks as Inspect tasks, and the embedded models as an Inspect provider.

`inspect eval vedette/cti_rcm --model vedette/experts -T data=FOLDER`. Inspect finds this module by its entry point. It
does the running: concurrency, retries, logs, the viewer, and every server and library that it has providers
for. What is asked and what counts as right is ours, so that all models are measured alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from math import exp
from pathlib import Path
from typing import Any

import msgspec
from inspect_ai import Epochs, Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessage, ChatMessageUser, GenerateConfig, ModelAPI, ModelOutput, ModelUsage, modelapi
from inspect_ai.scorer import Metric, SampleScore, Score, Scorer, Target, Value, metric, scorer
from inspect_ai.solver import Generate, Solver, TaskState, solver
from inspect_ai.tool import ToolChoice, ToolInfo

from vedette.bench import scoring
from vedette.bench.actors import sameness
from vedette.bench.catalog import benchmark, benchmarks, items
from vedette.bench.items import Item, Kind
from vedette.bench.models import MODELS, Model, Reply
from vedette.bench.open_book import OpenBook
from vedette.bench.protocol import USUAL, Protocol, fits, prompt_of, protocol
from vedette.errors import ConfigError

DATA = "../shared/data"
ITEM, OUTCOME = "item", "outcome"  # where samples and scores carry them
PROBABILITY = "probability"  # where outputs do
NO_REASONING = {"chat_template_kwargs": {"enable_thinking": False}}  # as servers of open models take it


def made(name: str, data: str, way: Protocol, *, limit: int = 0, any_version: bool = False) -> Task:
    """`data`: folder of the benchmarks' files; `limit`: the first items, for a quick look."""
    which = benchmark(name)
    if not fits(way, which.kind):
        raise ConfigError(f"'{way.name}' is for multiple choice, which '{name}' is not", remedy="take 'zero-shot'")
    every = items(which, Path(data), any_version=any_version)
    chosen = every[:limit] if limit else every
    told = _passages(chosen) if way.open_book else {}
    samples = []
    for item in chosen:
        known = msgspec.to_builtins(item)
        content = prompt_of(item, way, every, told.get(item.id, ()))
        message = ChatMessageUser(content=content, metadata={ITEM: {**known, "right": []}})  # no model sees the answer
        samples.append(Sample(id=item.id, target=list(item.right), metadata={ITEM: known}, input=[message]))
    more = {} if way.reasoning else {"extra_body": NO_REASONING}
    return Task(
        name=which.name.replace("-", "_"), dataset=MemoryDataset(samples, name=which.name),
        solver=answered(likelihood=way.likelihood), scorer=by_the_rules(which.kind.value),
        epochs=Epochs(way.trials, "mean"),
        config=GenerateConfig(temperature=way.temperature, max_tokens=way.max_tokens, seed=way.seed, **more),
        metadata={"benchmark": which.name, "protocol": way.name, "files": which.files, "limit": limit},
    )  # fmt: skip


def _passages(chosen: Sequence[Item]) -> dict[str, list[str]]:
    with closing(OpenBook()) as book:
        return {item.id: book.passages(item) for item in chosen}


@solver
def answered(likelihood: bool = False) -> Solver:
    async def solve(state: TaskState, generate: Generate) -> TaskState:
        if not likelihood:
            return await generate(state)
        state = await generate(state, logprobs=True, top_logprobs=20)
        known = likelihoods(state.output, str(state.metadata[ITEM]["letters"]))
        best = max(known, key=lambda letter: known[letter], default="")
        state.output.completion = best
        if best:
            sure = 1 / sum(exp(each - known[best]) for each in known.values())
            state.output.metadata = (state.output.metadata or {}) | {PROBABILITY: sure}
        return state

    return solve


def likelihoods(output: ModelOutput, letters: str) -> dict[str, float]:
    """Log-probability of each letter as the first token; none where the server tells none."""
    told = output.choices[0].logprobs if output.choices else None
    first = told.content[0] if told and told.content else None
    found: dict[str, float] = {}
    for one in (first.top_logprobs or [first]) if first else []:
        letter = one.token.strip().upper()
        if len(letter) == 1 and letter in letters:
            found[letter] = max(found.get(letter, float("-inf")), one.logprob)
    return found


@metric
def headline(kind: str) -> Metric:
    """What the benchmark is known by, with its 95 % interval."""

    def measured(scores: list[SampleScore]) -> Value:
        found = [msgspec.convert(s.score.metadata[OUTCOME], scoring.Outcome) for s in scores if s.score.metadata]
        if not found:
            return {}
        first = scoring.rows(Kind(kind), found)[0]
        return {str(first["name"]): first["value"]} | {end: first[end] for end in ("low", "high") if end in first}

    return measured


def by_the_rules(kind: str) -> Scorer:
    """What became of each item. The metric is declared with the kind, as a mean says nothing of some."""

    @scorer(metrics=[headline(kind)], name="rules")
    def rules() -> Scorer:
        async def scored(state: TaskState, target: Target) -> Score:
            item = msgspec.convert(state.metadata[ITEM], Item)
            with sameness(item.kind) as same:
                found = scoring.score(item, state.output.completion, same)
            return Score(
                value=found.value, answer=", ".join(found.said), explanation="" if found.valid else "no valid answer",
                metadata={OUTCOME: msgspec.to_builtins(found)},
            )  # fmt: skip

        return scored

    return rules()


class Embedded(ModelAPI):
    """`vedette/experts`, `vedette/constant`, `vedette/chance`: asked for the item, not for the prompt."""

    def __init__(
        self, model_name: str, base_url: str | None = None, api_key: str | None = None,
        config: GenerateConfig | None = None, **more: Any,
    ) -> None:  # fmt: skip
        super().__init__(model_name, base_url, api_key, [], config or GenerateConfig())
        self._model: Model = MODELS.load(model_name)(**more)

    async def generate(
        self, input: list[ChatMessage], tools: list[ToolInfo], tool_choice: ToolChoice, config: GenerateConfig
    ) -> ModelOutput:  # fmt: skip
        item = msgspec.convert((input[-1].metadata or {})[ITEM], Item)
        reply = self._model.answer(item)
        output = ModelOutput.from_content(self._model.name, str(reply))
        output.metadata = {PROBABILITY: reply.probability} if isinstance(reply, Reply) else None
        output.usage = ModelUsage(input_tokens=0, output_tokens=0, total_tokens=0)
        return output

    async def count_tokens(self, input: str | list[ChatMessage], config: GenerateConfig | None = None) -> int:
        """None are paid for; the library's own count would fetch a table from the internet."""
        return 0

    def max_connections(self) -> int:
        return 4


@modelapi(name="vedette")
def embedded() -> type[ModelAPI]:
    return Embedded


def _declared(name: str) -> Callable[..., Task]:
    @task(name=name.replace("-", "_"))
    def declared(
        data: str = DATA, protocol_name: str = USUAL, limit: int = 0, any_version: bool = False
    ) -> Task:  # fmt: skip
        return made(name, data, protocol(protocol_name), limit=limit, any_version=any_version)

    return declared


TASKS = {name: _declared(name) for name in benchmarks()}
