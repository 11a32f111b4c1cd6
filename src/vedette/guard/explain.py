"""Asks a language model to put a decided finding into words, and believes nothing of the answer that it cannot check.

Nothing here raises because of a model: where it fails, the explanation has no claims and a note that says why. The
finding of tier 0 stands in either case.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Protocol

from vedette import prompts
from vedette.engine.protocol import Budget, Completion, Engine, Finish, Message, Role, Sampling, Schema, Told
from vedette.errors import EngineError
from vedette.guard import claims
from vedette.guard.fence import Exhibit, Untrusted, new_mark, shown
from vedette.guard.neutralise import printable
from vedette.guard.verify import Fault, Ground, Kept
from vedette.knowledge.store import Knowledge
from vedette.types import Claim, Explanation, Provenance

BUDGET = Budget(tokens=1_200, seconds=900.0)
REPAIR = "That was not the JSON that was asked for: {fault}. Answer again, with the JSON alone."


class Hiding(Protocol):
    """What `guard.redact` does: names and secrets out before an engine sees them, names back in afterwards."""

    def hide(self, text: str) -> str: ...

    def restore(self, text: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """A finding, and how it is put to a model. `verdicts`: from the calmest to the gravest."""

    decision: str
    exhibits: tuple[Exhibit, ...]
    prompt: prompts.Prompt  # takes `decision` and `evidence`
    verdict: str = ""
    verdicts: tuple[str, ...] = ()
    calm: bool = False  # the decision itself sees no harm


@dataclass(frozen=True, slots=True)
class Way:
    """How a model is asked. `mark`: of a call that is asked again; else a new one."""

    spec: str = ""
    seed: int = 0
    adapter: str = ""
    mark: str = ""
    budget: Budget = BUDGET


async def explain(
    engine: Engine, asked: Asked, store: Knowledge, way: Way = Way(), *, hiding: Hiding | None = None,
    told: Callable[[Claim], None] | None = None,
) -> Explanation:  # fmt: skip
    """`told` is given each claim as soon as it is whole and verified."""
    mark = way.mark or new_mark()
    left: tuple[str, ...] = ()
    try:
        read, left, prompt = await fitted(engine, hidden(asked, hiding), mark, way.budget)
        exhibits = [exhibit for exhibit in asked.exhibits if exhibit.id in read]
        ground = Ground(asked.decision, exhibits, store, calm=asked.calm)
        listener = _Listener(ground, {e.id: e.ref for e in exhibits}, hiding, told)
        schema = claims.schema([e.id for e in exhibits], asked.verdicts)
        reply, done, note = await _reply(engine, schema, prompt, way, listener)
    except EngineError as error:
        by = _provenance(engine, asked, way, mark, None, hiding)
        return Explanation(note=printable(str(error)), unread=left, by=by)
    return Explanation(
        claims=tuple(listener.claims),
        raise_to=_raised(asked, reply.verdict if reply else "", listener.kept),
        dropped=tuple(sorted((str(fault), n) for fault, n in ground.dropped.items() if n)),
        unread=left,
        note=note,
        by=_provenance(engine, asked, way, mark, done, hiding),
    )


class _Listener:
    """Verifies claims as they come, each once."""

    def __init__(
        self, ground: Ground, refs: dict[str, str], hiding: Hiding | None, told: Callable[[Claim], None] | None
    ) -> None:
        self._ground, self._refs, self._hiding, self._told = ground, refs, hiding, told
        self._stream = claims.Stream()
        self.kept: list[Kept] = []
        self.claims: list[Claim] = []

    @property
    def ear(self) -> Told | None:
        """For the pieces of an answer, where somebody waits for its claims one by one."""
        return self._hear if self._told else None

    def _hear(self, piece: str) -> None:
        for stated in self._stream.take(piece):
            self._take(stated)

    def read(self, reply: claims.Reply) -> None:
        """The whole answer, unless it was heard."""
        self._ground.dropped[Fault.SHAPE] += reply.odd
        for stated in () if self._told else reply.claims:
            self._take(stated)

    def _take(self, stated: claims.Stated) -> None:
        if self._hiding:
            text, quote = self._hiding.restore(stated.text), self._hiding.restore(stated.quote)
            stated = claims.Stated(text, stated.evidence, quote)
        for kept in self._ground.one(stated):
            if any(kept.text == before.text for before in self.kept):
                continue
            if len(self.kept) >= claims.MOST:
                self._ground.dropped[Fault.MANY] += 1
                continue
            self.kept.append(kept)
            refs = tuple(dict.fromkeys(self._refs[uid] for uid in kept.evidence))
            self.claims.append(Claim(text=kept.text, refs=refs, quote=kept.quote, untrusted=kept.untrusted))
            if self._told:
                self._told(self.claims[-1])


async def _reply(
    engine: Engine, schema: Schema, messages: list[Message], way: Way, listener: _Listener
) -> tuple[claims.Reply | None, Completion, str]:
    """The reply, once more where it was no JSON; None and a note where it never was."""
    sampling = Sampling(seed=way.seed, adapter=way.adapter)
    for last in (False, True):
        done = await engine.generate(messages, schema=schema, budget=way.budget, sampling=sampling, told=listener.ear)
        reply = claims.parse(done.text)
        if reply is not None:
            listener.read(reply)
            break
        fault = "it broke off" if done.finish is Finish.LENGTH else "it has no list of claims"
        if last or not await _room(engine, messages, done.text, way.budget):
            return None, done, f"the model's answer could not be read: {fault}"
        messages = [*messages, Message(Role.ASSISTANT, done.text[:2_000]), _repair(fault)]
    note = "" if reply is None or reply.whole else "the model's answer broke off; what was whole is shown"
    return reply, done, note


def _repair(fault: str) -> Message:
    return Message(Role.USER, REPAIR.format(fault=fault))


async def _room(engine: Engine, messages: Sequence[Message], text: str, budget: Budget) -> bool:
    more = [*messages, Message(Role.ASSISTANT, text[:2_000]), _repair("it has no list of claims")]
    return await engine.count(more) + budget.tokens <= engine.identity.context


def hidden(asked: Asked, hiding: Hiding | None) -> Asked:
    """As a model is shown it where names are masked."""
    if hiding is None:
        return asked
    hide = hiding.hide
    exhibits = tuple(
        replace(e, facts=hide(e.facts), texts=tuple(Untrusted(text.place, hide(text.text)) for text in e.texts))
        for e in asked.exhibits
    )
    return replace(asked, decision=hide(asked.decision), exhibits=exhibits)


def messages(asked: Asked, mark: str) -> list[Message]:
    """The prompt with all of the evidence, as it is where the context has room."""
    return _messages(asked, asked.exhibits, len(asked.exhibits), mark)


async def fitted(
    engine: Engine, asked: Asked, mark: str, budget: Budget
) -> tuple[frozenset[str], tuple[str, ...], list[Message]]:
    """As much of the evidence as the context has room for, the most telling first: ids of what is read, refs of what
    is not, or not whole, and the prompt.

    First the least telling exhibits lose what attackers wrote, then they are left out. Raises EngineError where not
    even the first one fits.
    """
    ranked = sorted(asked.exhibits, key=lambda e: (-e.value, e.id))
    room = engine.identity.context - budget.tokens

    async def tried(whole: int, of: int) -> list[Message] | None:
        prompt = _messages(asked, ranked[:of], whole, mark)
        return prompt if await engine.count(prompt) <= room else None

    whole = of = len(ranked)
    messages = await tried(whole, of)
    if messages is None:
        whole, messages = await _most(0, of, lambda n: tried(n, of))
    if messages is None:
        whole = 0
        of, messages = await _most(1, of, lambda n: tried(0, n))
    if messages is None:
        what = f"its context of {engine.identity.context:,} tokens has no room for the first piece of evidence"
        raise EngineError(what, where=engine.identity.name, remedy="serve it with a longer context")
    left = {e.id for e in ranked[whole:] if e.texts} | {e.id for e in ranked[of:]}
    refs = tuple(e.ref for e in asked.exhibits if e.id in left)
    return frozenset(e.id for e in ranked[:of]), refs, messages


async def _most(low: int, high: int, tried: _Try) -> tuple[int, list[Message] | None]:
    """The largest number from `low` up to below `high` that fits, and what it gives; None where none does."""
    best: tuple[int, list[Message] | None] = (low, None)
    high -= 1
    while low <= high:
        middle = (low + high) // 2
        found = await tried(middle)
        if found is None:
            high = middle - 1
        else:
            best, low = (middle, found), middle + 1
    return best


class _Try(Protocol):
    async def __call__(self, n: int, /) -> list[Message] | None: ...


def _messages(asked: Asked, ranked: Sequence[Exhibit], whole: int, mark: str) -> list[Message]:
    """The prompt with the first `whole` of `ranked` in full and the others without attacker-written text, in order."""
    full, some = {e.id for e in ranked[:whole]}, {e.id for e in ranked}
    evidence = "\n".join(shown(e, mark, short=e.id not in full) for e in asked.exhibits if e.id in some)
    user = asked.prompt.render(decision=asked.decision, evidence=evidence)
    return [Message(Role.SYSTEM, _rules().render(mark=mark).strip()), Message(Role.USER, user.strip())]


def _raised(asked: Asked, wanted: str, kept: Sequence[Kept]) -> str:
    """The graver verdict that the model wants, where a verified quote speaks for it that the decision did not weigh."""
    if wanted not in asked.verdicts or not any(one.fresh and one.quote for one in kept):
        return ""
    graver = asked.verdicts.index(wanted) > asked.verdicts.index(asked.verdict)
    return wanted if graver else ""


def _provenance(
    engine: Engine, asked: Asked, way: Way, mark: str, done: Completion | None, hiding: Hiding | None
) -> Provenance:
    who = engine.identity
    return Provenance(
        spec=way.spec, model=who.name, backend=who.backend, sha256=who.sha256, quantisation=who.quantisation,
        template=who.template, adapter=way.adapter or who.adapter, prompt=prompt_hash(asked), shown=shown_hash(asked),
        mark=mark, seed=way.seed, redacted=hiding is not None, tokens_in=done.tokens_in if done else 0,
        tokens_out=done.tokens_out if done else 0,
    )  # fmt: skip


def prompt_hash(asked: Asked) -> str:
    return hashlib.sha256(f"{_rules().sha256} {asked.prompt.sha256}".encode()).hexdigest()


def shown_hash(asked: Asked) -> str:
    """Of the finding as it is put to a model."""
    whole = "\n".join([asked.decision, *(shown(e, "mark") for e in asked.exhibits)])
    return hashlib.sha256(whole.encode("utf-8", "replace")).hexdigest()


@cache
def _rules() -> prompts.Prompt:
    return prompts.load(Path(__file__).with_name("rules.v1.md"))
