"""Stages 3 to 5 by workers of Ray Data, on this machine or on a cluster, for a job that outgrows one process.

Each worker has its own engine and its own open store. One actor, on the machine of the command, owns the ledger and
writes every answer and row into it before a worker goes on: a worker that dies costs what it had in flight, and the
ledger is that of the default executor, so that each can go on with what the other began.

Ray sends code and objects as pickles, which is why its ports are for its own processes: on this machine alone they are
on loopback and ask for a token; who gives an address trusts the cluster behind it.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from vedette import errors
from vedette.engine.protocol import Completion, Identity
from vedette.errors import ConfigError, EngineError, StateError, VedetteError
from vedette.forge.caller import Costs, Limits, Spent
from vedette.forge.example import Example
from vedette.forge.executor import Asked, Job, Models, alone, identities, planned, spent
from vedette.forge.ledger import Ledger
from vedette.forge.recipe import Refine
from vedette.forge.refine import Plan, refine_placed
from vedette.knowledge.store import Knowledge
from vedette.split import Split

AHEAD = 4  # rounds of calls in a batch: what a worker is given at once
AGAIN = "run the same command again: it goes on where it stopped"
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal", "RAY_DATA_DISABLE_PROGRESS_BARS": "1"}
# The second one is what makes Ray bind to loopback, on Linux too; `_node_ip_address="127.0.0.1"` does not.
_ALONE = {"RAY_AUTH_MODE": "token", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
LONGEST = 32  # characters of the folder's path: a socket's has 103 at most on macOS, and Ray adds 69
MEMORY = 128 * 2**20  # bytes of Ray's object store: a batch is some 100 kB


@dataclass(frozen=True, slots=True)
class Cluster:
    address: str = ""  # of a running one: "HOST:PORT", "auto"; "": this machine alone
    workers: int = 2


class OnRay:
    """An executor. Limits are of the whole run; workers share the calls at once and the rate evenly."""

    def __init__(self, asked: Asked, cluster: Cluster, who: Mapping[str, Identity]) -> None:
        self._asked, self._cluster, self._who = asked, cluster, who

    @classmethod
    async def of(cls, asked: Asked, cluster: Cluster) -> OnRay:
        """Opens the models once, to know who they are. Raises ConfigError without Ray, and what opening raises."""
        if find_spec("ray") is None:
            raise ConfigError("the executor 'ray' needs Ray", remedy="pip install 'vedette[scale]'")
        async with asked.models() as models:
            return cls(asked, cluster, identities(models))

    @property
    def who(self) -> Mapping[str, Identity]:
        return self._who

    def models(self) -> AbstractAsyncContextManager[Models]:
        return self._asked.models()

    async def carry_out(self, job: Job, told: Callable[[str], None]) -> dict[str, Costs]:
        with Ledger(job.ledger):
            pass  # it can be used, and no other run does
        costs = {role: Costs() for role in self._who}
        failed: Failure | None = None
        with _ray(self._cluster):
            # To the last one: a driver that leaves while batches are under way is ended by Ray without a word.
            for report in _reports(job, self._asked, self._cluster.workers):
                for role, one in report.costs.items():
                    _add(costs[role], one)
                for outcome in report.outcomes:
                    told(outcome)
                failed = failed or report.failed
        if failed:
            raise failed.error()
        return costs


class Failure(msgspec.Struct, frozen=True):
    """An error as it travels."""

    name: str
    what: str
    where: str
    remedy: str

    @classmethod
    def of(cls, error: VedetteError) -> Failure:
        return cls(type(error).__name__, error.what, error.where, error.remedy)

    def error(self) -> VedetteError:
        known: dict[str, type[VedetteError]] = {"Spent": Spent, **vars(errors)}
        return known.get(self.name, EngineError)(self.what, where=self.where, remedy=self.remedy)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker tells of a batch. Its rows are in the ledger."""

    outcomes: list[str]
    costs: dict[str, Costs]
    failed: Failure | None = None


@contextmanager
def _ray(cluster: Cluster) -> Iterator[None]:
    """Ray started or joined, without telemetry and dashboard. Raises EngineError where it cannot be, or gives up."""
    os.environ.update(_QUIET)
    with TemporaryDirectory(prefix="vray-", ignore_cleanup_errors=True) as folder:
        if not cluster.address:
            os.environ.update(_ALONE, RAY_AUTH_TOKEN=token_hex(32))
        import ray
        from ray.exceptions import RayError

        here: dict[str, Any] = {"num_cpus": cluster.workers, "include_dashboard": False, "object_store_memory": MEMORY}
        if len(folder) <= LONGEST:  # Ray opens its folder to everybody; the one around it stays closed
            here["_temp_dir"] = f"{folder}/r"
        options = {"address": cluster.address} if cluster.address else here
        try:
            ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
            yield
        except (RayError, ConnectionError) as exc:
            what = (str(exc).strip().splitlines() or [type(exc).__name__])[-1]
            raise EngineError(f"Ray gave up: {what}", where=cluster.address or "this machine", remedy=AGAIN) from exc
        finally:
            ray.shutdown()


@dataclass(frozen=True, slots=True)
class Share:
    """What a worker has to know."""

    run: str
    refine: Refine
    asked: Asked
    limits: Limits
    store: Path
    content: Mapping[str, str]  # hashes of the store's units
    split: Split


def _reports(job: Job, asked: Asked, workers: int) -> Iterator[Report]:
    import ray
    from ray.data import ActorPoolStrategy, DataContext

    wanted, store = job.refine, job.store.path
    if store is None:
        raise StateError("a store in memory cannot be shared", remedy="open one in a file")
    # The limit of tokens is the keeper's, who sees them all.
    limits = Limits(max(1, wanted.in_flight // workers), -(-wanted.a_minute // workers))
    share = Share(job.run, wanted, asked, limits, store.absolute(), _content(job.store), job.split)
    keeper = _keeper(job.ledger)
    size = AHEAD * limits.in_flight
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    DataContext.get_current().enable_progress_bars = False
    given = ray.data.from_items(_rows(job.examples), override_num_blocks=-(-len(job.examples) // size) or 1)
    done = given.map_batches(
        Worker,
        fn_constructor_args=(share, keeper),
        compute=ActorPoolStrategy(size=workers),
        batch_size=size,
        num_cpus=1,
    )
    for row in done.iter_rows():
        yield _report(row["report"])
    ray.get(keeper.close.remote())


def _keeper(ledger: Path) -> Any:
    """On this machine; started again where it dies, as what it had written is in the file."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    keeping = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1, "scheduling_strategy": here}
    return ray.remote(Keeper).options(**keeping).remote(str(ledger.absolute()))


_report = msgspec.json.Decoder(Report, dec_hook=lambda _, counts: Counter(counts)).decode


def _rows(examples: Sequence[Example]) -> list[dict[str, object]]:
    return [{"place": place, "example": msgspec.json.encode(one).decode()} for place, one in enumerate(examples)]


def _content(store: Knowledge) -> dict[str, str]:
    return {unit.name: unit.content for unit in store.units}


class Worker:
    """Does batches of a run's examples; opens its models and its store with the first one. Failed, it does no more."""

    def __init__(self, share: Share, keeper: Any) -> None:
        self._share, self._ledger = share, Remote(keeper, share.refine.tokens)
        self._loop = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._open: tuple[Plan, Knowledge] | None = None
        self._failed: Failure | None = None

    def __call__(self, batch: Mapping[str, Iterable[Any]]) -> dict[str, list[str]]:
        examples = [msgspec.json.decode(told, type=Example) for told in batch["example"]]
        placed = [*zip(map(int, batch["place"]), examples, strict=True)]
        report = self._loop.run(self._done([] if self._failed else placed))
        return {"report": [msgspec.json.encode(report).decode()]}

    async def _done(self, placed: list[tuple[int, Example]]) -> Report:
        outcomes: list[str] = []
        try:
            plan, store = self._open = self._open or await self._opened()
            with alone():
                told = lambda row: outcomes.append(row.outcome)  # noqa: E731
                await refine_placed(placed, self._share.run, plan, store, self._ledger, told)
        except VedetteError as error:
            self._failed = Failure.of(error)
        return Report(outcomes=outcomes, costs=self._costs(), failed=self._failed)

    def _costs(self) -> dict[str, Costs]:
        """Since the last batch. The callers stay, as they keep to the rate."""
        if self._open is None:
            return {}
        plan = self._open[0]
        found = spent(plan)
        for caller in (plan.teacher, plan.judge):
            if caller:
                caller.costs = Costs()
        return found

    async def _opened(self) -> tuple[Plan, Knowledge]:
        store = self._stack.enter_context(Knowledge.open(self._share.store))
        if _content(store) != self._share.content:
            remedy = "give every machine of the cluster the same one, under the same path"
            raise StateError("not the knowledge that the run began with", where=str(store.path), remedy=remedy)
        models = await self._stack.enter_async_context(self._share.asked.models())
        share = self._share
        return planned(share.refine, models, self._ledger, share.limits, share.split), store


class Keeper:
    """The actor that owns the ledger."""

    def __init__(self, path: str) -> None:
        self._ledger = Ledger(Path(path))
        self._used = 0

    def get(self, known: bytes) -> tuple[Completion | None, int]:
        """And the tokens that this run has used."""
        return self._ledger.get(known), self._used

    def put(self, known: bytes, stage: str, answer: Completion) -> None:
        self._used += answer.tokens_in + answer.tokens_out
        self._ledger.put(known, stage, answer)

    def row(self, run: str, place: int) -> bytes | None:
        return self._ledger.row(run, place)

    def keep_row(self, run: str, place: int, body: bytes) -> None:
        self._ledger.keep_row(run, place, body)

    def close(self) -> None:
        self._ledger.__exit__(None, None, None)


class Remote:
    """A ledger as a worker has it: nothing goes on before the keeper has written it."""

    def __init__(self, keeper: Any, tokens: int) -> None:
        self._keeper, self._tokens = keeper, tokens

    def get(self, known: bytes) -> Completion | None:
        found, used = _told(self._keeper.get.remote(known))
        if found is None and self._tokens and used >= self._tokens:
            raise Spent.at(used)
        return found  # type: ignore[no-any-return]

    def put(self, known: bytes, stage: str, answer: Completion) -> None:
        _told(self._keeper.put.remote(known, stage, answer))

    def row(self, run: str, place: int) -> bytes | None:
        return _told(self._keeper.row.remote(run, place))  # type: ignore[no-any-return]

    def keep_row(self, run: str, place: int, body: bytes) -> None:
        _told(self._keeper.keep_row.remote(run, place, body))


def _told(answer: Any) -> Any:
    import ray

    try:
        return ray.get(answer)
    except ray.exceptions.RayTaskError as exc:  # the keeper's own error inside Ray's
        if isinstance(exc.cause, VedetteError):
            raise exc.cause from None
        raise


def _add(costs: Costs, more: Costs) -> None:
    costs.calls.update(more.calls)
    costs.kept.update(more.kept)
    costs.tokens_in += more.tokens_in
    costs.tokens_out += more.tokens_out
