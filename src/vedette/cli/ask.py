"""`vedette ask`: questions answered from the knowledge store, a case or a file, with citations."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vedette.cli.engine import Adapter, Colleague, Context, Model, Redact, Seed, Wish
from vedette.errors import ConfigError, InputError

if TYPE_CHECKING:
    from vedette.guard.fence import Exhibit
    from vedette.knowledge.store import Knowledge
    from vedette.skills.assistant.skill import Answer, Turn
    from vedette.types import Claim

UNANSWERED = "Not in my sources."


def ask(
    question: Annotated[
        list[str] | None,
        typer.Argument(help="One question, or several; none: a conversation, or a line each of stdin."),
    ] = None,
    case: Annotated[str, typer.Option(help="About a case of triage, by its id.")] = "",
    out: Annotated[Path, typer.Option(help="With --case: the folder that `vedette triage` wrote.")] = Path(
        "vedette-out"
    ),
    file: Annotated[Path | None, typer.Option(help="About a file: a log, a report, CSV, JSON Lines.")] = None,
    store: Annotated[
        Path | None, typer.Option(help="The knowledge store; else $VEDETTE_KNOWLEDGE, else yours.")
    ] = None,
    model: Model = "",
    context: Context = 0,
    adapter: Adapter = None,
    seed: Seed = 0,
    redact: Redact = None,
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON for each answer.")] = False,
) -> None:
    """Answer questions from your own sources, each sentence with what it rests on, or say that it is not in them.

    Without --model in the sources' own words; with one, in its words as far as they hold against the sources.
    Later questions may refer to earlier ones.
    """
    from vedette.knowledge.store import Knowledge

    wish = Wish(model, context, tuple(adapter or ()), seed, redact, parallel=1)
    with Knowledge.open(store) as knowledge, Colleague(wish) if model else nullcontext() as colleague:
        desk = _Desk(knowledge, colleague, case, out, file, as_json)
        for asked in _questions(question):
            desk.answer(asked)
    if colleague and colleague.trouble:
        raise colleague.trouble


def _questions(given: list[str] | None) -> Iterator[str]:
    if given:
        yield from given
        return
    talking = sys.stdin.isatty()
    while True:
        if talking:
            print("? ", end="", flush=True)
        line = sys.stdin.readline()
        if not line or line.strip() in ("exit", "quit"):
            return
        if line.strip():
            yield line.strip()


class _Desk:
    """A conversation about the store, and about a case or a file where one was given."""

    def __init__(
        self, knowledge: Knowledge, colleague: Colleague | None, case: str, out: Path, file: Path | None, as_json: bool
    ) -> None:
        if case and file:
            raise ConfigError("--case and --file were given", remedy="give one of them")
        self.knowledge, self.colleague, self.file, self.as_json = knowledge, colleague, file, as_json
        self.exhibits, self.calm = _of_case(case, out) if case else ((), True)
        self.turns: list[Turn] = []

    def answer(self, question: str) -> None:
        from vedette.skills.assistant import skill

        given = list(self.exhibits) or (_of_file(self.file, question) if self.file else [])
        gathered = skill.gather(question, self.knowledge, given, self.turns, calm=self.calm)
        told: list[Claim] = []

        def tell(claim: Claim) -> None:
            told.append(claim)
            _tell(claim)

        if self.colleague is None:
            found = skill.answer(gathered)
        else:
            found = self.colleague.answer(gathered, self.knowledge, None if self.as_json else tell)
        for claim in () if self.as_json or told else found.claims:
            _tell(claim)
        self.turns.append(skill.Turn(question, " ".join(claim.text for claim in found.claims)[:600]))
        self._finish(found)

    def _finish(self, found: Answer) -> None:
        import msgspec

        from vedette.connect.sinks import wording
        from vedette.guard.neutralise import printable

        if self.as_json:
            print(msgspec.json.encode(found).decode())
            return
        if not found.claims:
            print(UNANSWERED)
            near = [printable(one.ref, 120) for one in found.sources[:3]]
            print(f"  Nearest: {'; '.join(near)}" if near else "  Nothing comes near.")
        if found.explanation:
            omitted = wording.omitted(found.explanation)
            print(
                f"  {printable(wording.said_by(found.explanation))}"
                + (f"; {printable(omitted, 600)}" if omitted else "")
            )


def _tell(claim: Claim) -> None:
    """At once: a model takes its time for the next one."""
    from vedette.connect.sinks import wording
    from vedette.guard.neutralise import printable

    print(f"- {printable(claim.text, 1_400)}")
    if claim.quote:
        print(f"    quoted{' from text that others wrote' * claim.untrusted}: “{printable(claim.quote, 600)}”")
    print(f"    {printable(wording.few(claim.refs, 4), 400)}", flush=True)


def _of_case(case_id: str, out: Path) -> tuple[tuple[Exhibit, ...], bool]:
    from vedette.cli.triage import STATE
    from vedette.skills.triage import engine
    from vedette.skills.triage.state import State, explained

    if not (out / STATE).is_file():
        raise InputError("no triage state here", where=str(out), remedy="run `vedette triage` first, or give its --out")
    with explained(out / STATE), State(out / STATE) as state:
        case = state.case(case_id)
    if case is None:
        raise InputError(
            f"unknown case '{case_id}'", where=str(out), remedy="copy the id from the queue or cases.jsonl"
        )
    asked = engine.asked(case)
    return (engine.decided(case), *asked.exhibits), asked.calm


def _of_file(file: Path, question: str) -> list[Exhibit]:
    from vedette.connect.texts import Texts
    from vedette.skills.assistant.skill import lines

    texts = Texts()
    found = lines(file.name, ((item.id, item.text) for item in texts.of(file)), question)
    if not found:
        raise InputError("nothing readable in it", where=str(file), remedy="give a log, a report, CSV or JSON Lines")
    left = texts.given - len(found)
    if left > 0 or texts.rejected:
        print(f"vedette: {len(found)} of {texts.given} lines are looked at, {texts.rejected} rejected", file=sys.stderr)
    return found
