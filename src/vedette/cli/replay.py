"""`vedette replay`: a finding recomputed, and held against what was kept of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vedette.cli.engine import Adapter, Colleague, Context, Model, Wish
from vedette.errors import InputError

if TYPE_CHECKING:
    from vedette.skills.triage.skill import Triage
    from vedette.types import Case, Explanation

DIFFERS = 1  # exit code


def replay(
    finding: Annotated[str, typer.Argument(help="The id of a case, as the queue shows it.")],
    out: Annotated[Path, typer.Option(help="The folder that `vedette triage` wrote.")] = Path("vedette-out"),
    weights: Annotated[Path | None, typer.Option(help="As for triage.")] = None,
    assets: Annotated[Path | None, typer.Option(help="As for triage.")] = None,
    exceptions: Annotated[Path | None, typer.Option(help="As for triage.")] = None,
    miss_bound: Annotated[float | None, typer.Option(help="As for triage.")] = None,
    model: Model = "",
    context: Context = 0,
    adapter: Adapter = None,
) -> None:
    """Decide a case anew from what was read, ask its model again, and say what differs.

    The model is the one that was asked, unless --model names another place for it. Exit code 1 where anything differs.
    """
    from vedette.cli.triage import STATE
    from vedette.knowledge.store import Knowledge
    from vedette.skills.triage import model as shipped
    from vedette.skills.triage.background import Backgrounds
    from vedette.skills.triage.owner import Owner
    from vedette.skills.triage.skill import Triage
    from vedette.skills.triage.state import State, explained

    if not (out / STATE).is_file():
        raise InputError("no triage state here", where=str(out), remedy="run `vedette triage` first, or give its --out")
    loaded = shipped.load(weights) if weights else shipped.load()
    owner = Owner.load(assets, exceptions)
    with explained(out / STATE), State(out / STATE) as state, Backgrounds(Knowledge.open) as backgrounds:
        if not state.has_setting(Triage.setting(loaded, owner, miss_bound)):
            raise InputError(
                "the case was decided with other weights, assets, exceptions or miss bound", where=str(out),
                remedy="give the options that `vedette triage` was given",
            )  # fmt: skip
        skill = Triage(state, loaded, owner, miss_bound=miss_bound, backgrounds=backgrounds)
        case = next((one for one in skill.queue().cases if one.id == finding), None)
        if case is None:
            remedy = "copy the id from the queue or cases.jsonl"
            raise InputError(f"unknown case '{finding}'", where=str(out), remedy=remedy)
        same = _decision(skill, case)
        if case.explanation and case.explanation.by:
            spec = model or case.explanation.by.spec
            wish = Wish(spec, context, tuple(adapter or ()), case.explanation.by.seed, case.explanation.by.redacted, 1)
            same = _words(wish, case, case.explanation) and same
        elif model:
            print("words: none are kept of this case")
    if not same:
        raise typer.Exit(DIFFERS)


def _decision(skill: Triage, kept: Case) -> bool:
    import msgspec

    bare = msgspec.structs.replace(kept, background=None, explanation=None)
    made = skill.again(bare)
    if made == bare:
        print(
            f"decision: the same, {bare.verdict} {bare.probability:.4f} by {skill.model.name} {skill.model.sha256[:12]}"
        )
        return True
    print("decision: differs" if made else "decision: this case no longer comes out")
    for name in kept.__struct_fields__ if made else ():
        before, now = getattr(bare, name), getattr(made, name)
        if before != now:
            print(f"  {name}: kept {str(before)[:200]!r}, now {str(now)[:200]!r}")
    return False


def _words(wish: Wish, case: Case, kept: Explanation) -> bool:
    """Whether the same model says the same of what it was shown then."""
    with Colleague(wish) as colleague:
        made = colleague.again(case)
    if made is None or made.by is None or kept.by is None:
        raise colleague.trouble or InputError("nothing was said", where=case.id)
    if colleague.trouble:
        raise colleague.trouble
    by = kept.by
    changed = [
        f"{name}: kept {getattr(by, name)!r}, now {getattr(made.by, name)!r}"
        for name in ("model", "backend", "sha256", "quantisation", "template", "adapter", "prompt", "shown")
        if getattr(by, name) != getattr(made.by, name)
    ]
    if made.claims == kept.claims and made.raise_to == kept.raise_to and not changed:
        print(f"words: the same {len(kept.claims)} claims by {by.model} ({by.backend}), seed {by.seed}")
        return True
    print("words: differ" + ("" if changed else "; a server that answers several at once may round in another order"))
    for line in changed:
        print(f"  {line}")
    for claim in sorted({*kept.claims} ^ {*made.claims}, key=lambda one: one.text):
        print(f"  {'only kept' if claim in kept.claims else 'only now'}: {claim.text!r}", file=sys.stdout)
    return False
