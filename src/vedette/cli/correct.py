"""`vedette correct …`: what was wrong in an answer, kept for the next model to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vedette.cli.label import Who, analyst
from vedette.cli.triage import STATE
from vedette.errors import ConfigError, InputError

if TYPE_CHECKING:
    from vedette.knowledge.store import Knowledge
    from vedette.skills.corrections import Correction, Skill

NONE = "none"
About = Annotated[str, typer.Argument(metavar="TEXT|CVE", help="The text, or the CVE whose description it is.")]
Out = Annotated[Path, typer.Option(help="Folder of the site, as for triage: corrections.jsonl is in it.")]
Note = Annotated[str, typer.Option(help="Why, for whoever reads it later.")]
Store = Annotated[Path | None, typer.Option(help="The knowledge store; else $VEDETTE_KNOWLEDGE, else yours.")]
_OUT = Path("vedette-out")

app = typer.Typer(
    help="Say what was wrong in an answer. `vedette forge ingest --corrections` learns from it.", no_args_is_help=True
)


@app.command("weakness")
def weakness(
    about: About,
    right: Annotated[str, typer.Argument(metavar="CWE|none", help="The root cause; none: the text does not tell it.")],
    out: Out = _OUT,
    note: Note = "",
    who: Who = "",
    store: Store = None,
) -> None:
    """The weakness that a description really speaks of."""
    from vedette.skills.corrections import Skill

    _keep(Skill.WEAKNESS, about, [right], out, (note, who), store)


@app.command("severity")
def severity(
    about: About,
    right: Annotated[str, typer.Argument(metavar="VECTOR", help="CVSS:3.1/AV:…; its base metrics are kept.")],
    out: Out = _OUT,
    note: Note = "",
    who: Who = "",
    store: Store = None,
) -> None:
    """The CVSS v3 vector that a description really speaks for."""
    from vedette.skills.corrections import Skill

    _keep(Skill.SEVERITY, about, [right], out, (note, who), store)


@app.command("techniques")
def techniques(
    about: About,
    right: Annotated[list[str], typer.Argument(metavar="TECHNIQUE…|none", help="All that it tells of; none: none.")],
    out: Out = _OUT,
    note: Note = "",
    who: Who = "",
    store: Store = None,
) -> None:
    """The ATT&CK techniques that a text really tells of."""
    from vedette.skills.corrections import Skill

    _keep(Skill.TECHNIQUES, about, right, out, (note, who), store)


@app.command("explanation")
def explanation(
    case: Annotated[str, typer.Argument(help="Its id, as the queue shows it.")],
    wrong: Annotated[str, typer.Option(help="The claim that is wrong, as it was shown.")] = "",
    right: Annotated[list[str] | None, typer.Option(help="A claim as it should have been made.")] = None,
    out: Out = _OUT,
    note: Note = "",
    who: Who = "",
    store: Store = None,
) -> None:
    """What a language model should have said of a triage case."""
    from vedette.knowledge.store import Knowledge
    from vedette.skills.corrections import Correction, Skill, checked, now

    one = Correction(
        skill=Skill.EXPLANATION, text=wrong, right=tuple(right or ()), answered=_claims(out, case), about=case,
        who=analyst(who), when=now(), note=note,
    )  # fmt: skip
    with Knowledge.open(store) as known:
        one = checked(one, known)
    _write(one, out)


@app.command("list")
def listed(out: Out = _OUT) -> None:
    """The corrections of a site: which hold, and which are disputed between analysts."""
    from vedette.cli.terminal import safe
    from vedette.skills.corrections import NAME, Correction, read, settled

    every = list(read(out / NAME))
    found = settled([one for _, one in every if isinstance(one, Correction)])
    for mark, several in (("", found.held), ("disputed  ", found.disputed)):
        for one in several:
            right, by = safe(", ".join(one.right) or NONE, 100), f"{safe(one.who, 40)} {one.when[:10]}"
            print(f"{mark}{one.skill}  {safe(one.about, 40)}  {right}  {by}  {safe(one.text, 70)}")
    bad = [(number, why) for number, why in every if isinstance(why, str)]
    for number, why in bad:
        print(f"line {number}: {safe(why)}")
    counts = f"{len(found.held):,} hold, {len(found.disputed):,} are disputed, {found.replaced:,} were replaced"
    print(f"{len(every):,} lines: {counts}, {len(bad):,} cannot be used")


def _keep(skill: Skill, about: str, right: list[str], out: Path, said: tuple[str, str], place: Path | None) -> None:
    from msgspec.structs import replace

    from vedette.knowledge.store import Knowledge
    from vedette.skills.corrections import Correction, checked, now

    note, who = said
    chosen = () if [one.casefold() for one in right] == [NONE] else tuple(right)
    with Knowledge.open(place) as store:
        uid, text = _asked(about, store)
        one = Correction(skill=skill, text=text, right=chosen, about=uid, who=analyst(who), when=now(), note=note)
        one = checked(one, store)
    _write(replace(one, answered=_answered(one)), out)


def _write(one: Correction, out: Path) -> None:
    from vedette.cli.terminal import safe
    from vedette.skills.corrections import NAME, append

    append(out / NAME, one)
    print(f"{one.skill}: {safe(', '.join(one.answered) or NONE)} → {safe(', '.join(one.right) or NONE)}")
    print(f"kept in {out / NAME}")


def _asked(about: str, store: Knowledge) -> tuple[str, str]:
    """The CVE and its description, or "" and the text."""
    from vedette.knowledge.ids import canonical

    uid = canonical(about)
    if uid is None or not uid.startswith("CVE-"):
        return "", about
    entry = store.get(uid)
    if entry is None or not entry.description:
        remedy = "`vedette knowledge import` its record, or give its description"
        raise InputError(f"the knowledge store has no description of {uid}", remedy=remedy)
    return uid, entry.description


def _answered(one: Correction) -> tuple[str, ...]:
    """What Vedette says today."""
    from vedette.experts import Experts
    from vedette.skills.corrections import Skill

    experts = Experts.load()
    if one.skill is Skill.WEAKNESS:
        return tuple(filter(None, (found.decision for found in experts.weakness([one.text]))))
    if one.skill is Skill.SEVERITY:
        return tuple(filter(None, (found.vector for found in experts.severity([one.text], convention="nvd"))))
    return tuple(told.id for found in experts.techniques([one.text]) for told in found.found)


def _claims(out: Path, case_id: str) -> tuple[str, ...]:
    """What was said of the case; () where nothing was."""
    from vedette.skills.triage.state import State, explained

    if not (out / STATE).is_file():
        raise InputError("no triage state here", where=str(out), remedy="run `vedette triage` first, or give its --out")
    with explained(out / STATE), State(out / STATE) as state:
        if state.case(case_id) is None:
            raise ConfigError(f"unknown case '{case_id}'", where=str(out), remedy="copy its id from the queue")
        _, said = state.explanations().get(case_id, ("", None))
    return tuple(claim.text for claim in said.claims) if said else ()
