"""`vedette forge format`: the reasoning shapes that experts give the forge."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from vedette.errors import ConfigError, OutputError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from vedette.engine.protocol import Engine
    from vedette.forge.format import Format
    from vedette.forge.review import Reviews
    from vedette.forge.samples import Sample
    from vedette.forge.shelf import Shelf

T = TypeVar("T")


def show(parts: Callable[[int], Iterable[RenderableType]]) -> None:
    """The terminal's console is loaded for those who print, not for every command."""
    from vedette.cli import terminal

    terminal.show(parts)


def plural(number: int, noun: str) -> str:
    from vedette.cli import terminal

    return terminal.plural(number, noun)


app = typer.Typer(help="Reasoning shapes of tasks: proposed by a teacher, reviewed by experts.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option("--formats", help="Your formats; they come before those that ship.")]
Name = Annotated[str, typer.Argument(help="As `list` shows it: cve-weakness, or cve-weakness.v1.")]
Teacher = Annotated[str, typer.Option("--model", help="The teacher: gguf/FILE, http://127.0.0.1:8080/v1, fake/FILE.")]
Samples = Annotated[
    Path | None, typer.Option(help='JSON Lines of {"question": …, "answer": …}; else stage 1 makes some.')
]
By = Annotated[str, typer.Option("--by", help="Who decides; the name is kept. Usual: your user name.")]
FORMATS = Path("formats")


@app.command("list")
def list_formats(formats: Folder = FORMATS) -> None:
    """Every format, yours first: version, state, what it is for, and what is wrong with it."""
    from vedette.cli.forge_format_views import listed

    held = _shelf(formats).held()
    show(lambda width: listed(held, width))
    if any(one.fault for one in held):
        raise typer.Exit(6)


@app.command("show")
def show_format(name: Name, formats: Folder = FORMATS) -> None:
    """One format as its teacher is told it."""
    from vedette.cli.forge_format_views import shown

    held = _shelf(formats).get(name)
    made = held.sound
    show(lambda width: shown(made, held, width))


@app.command("new")
def new(
    group: Annotated[str, typer.Argument(help="Group of tasks, as cve-weakness.")],
    model: Teacher,
    samples: Samples = None,
    formats: Folder = FORMATS,
) -> None:
    """Let a teacher propose a format from at most ten samples. It is kept as a draft, the next version."""
    from vedette.forge.propose import propose
    from vedette.forge.samples import MOST

    shelf = _shelf(formats)
    previous = _newest(shelf, group)
    chosen = _samples(group, samples, MOST)
    proposal = _ask(model, lambda engine: propose(engine, group, chosen, shelf.next_version(group), previous))
    path = shelf.keep(proposal.format)
    print(f"{path}: a draft of {plural(len(proposal.format.lines), 'item')} from {plural(len(chosen), 'sample')}")
    for why, count in sorted(proposal.left.items()):
        print(f"  {plural(count, 'item')} left out: {why}")
    print(f"Next: vedette forge format try {proposal.format.label} --model …, then review, then approve")


@app.command("try")
def try_format(
    name: Name,
    model: Teacher,
    samples: Samples = None,
    n: Annotated[int, typer.Option("--n", min=1, max=100, help="Samples.")] = 5,
    formats: Folder = FORMATS,
    html: Annotated[
        Path | None, typer.Option(help="Where the page goes. Usual: trials/NAME.html in --formats.")
    ] = None,
) -> None:
    """Show what a teacher makes of samples by this format, before and after side by side."""
    from vedette.cli.forge_format_views import compared
    from vedette.forge.trial import tried
    from vedette.manifest import atomic_write
    from vedette.serve.format_trial import trial_page

    shelf = _shelf(formats)
    made = shelf.get(name).sound
    chosen = _samples(made.tasks[0].partition("/")[0], samples, n)
    trials = _ask(model, lambda engine: tried(engine, made, chosen))
    show(lambda width: compared(made, trials, width))
    page = html or _folder(shelf.own_folder() / "trials") / f"{made.label}.html"
    atomic_write(page, trial_page(made, trials, model))
    print(f"The same as a page: {page}")


@app.command("review")
def review(
    name: Name,
    by: By = "",
    web: Annotated[bool, typer.Option("--web", help="On a page of this machine instead of in the terminal.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the page; 0: any that is free.")] = 0,
    formats: Folder = FORMATS,
) -> None:
    """Accept, edit, reject, rate and comment a format, item by item. What was decided is kept at once."""
    from vedette.forge.shelf import person

    reviews, who = _reviews(_shelf(formats), name), person(by or _user())
    if web:
        _on_a_page(reviews, who, port)
    else:
        from vedette.cli.forge_format_review import in_terminal

        in_terminal(reviews, who)


@app.command("approve")
def approve(
    name: Name,
    by: Annotated[str, typer.Option("--by", help="Who approves; the name is kept.")],
    formats: Folder = FORMATS,
) -> None:
    """Write the reviewed format as the next version, and freeze it by its hash. Refused while items are undecided."""
    from vedette.forge.shelf import person

    by, shelf = person(by), _shelf(formats)
    reviews = _reviews(shelf, name)
    made = reviews.approved(by, shelf.next_version(reviews.made.name))
    path = shelf.freeze(made, by)
    before = len(reviews.made.lines)
    edited = len(set(made.lines) - set(reviews.made.lines))
    print(f"{path}: approved, {before - len(made.lines)} of {before} items dropped, {edited} edited")
    print(f"sha256 {made.sha256}")


@app.command("agreement")
def agreement(name: Name, formats: Folder = FORMATS) -> None:
    """How far reviewers agree: Cohen's kappa over accept, edit and reject, exact agreement, and where they differ."""
    from vedette.cli.forge_format_views import agreed
    from vedette.forge.agreement import agreements

    reviews = _reviews(_shelf(formats), name)
    found = agreements(reviews)
    show(lambda width: agreed(reviews, found, width))


def _shelf(folder: Path) -> Shelf:
    from vedette.forge.shelf import Shelf

    return Shelf(folder)


def _newest(shelf: Shelf, group: str) -> Format | None:
    from vedette.forge.format import NAME

    if not NAME.fullmatch(group):
        raise ConfigError(f"'{group}' is no name of a group", remedy="lower case letters, digits and '-'")
    same = [one for one in shelf.held() if one.label.rpartition(".v")[0] == group]
    return same[0].sound if same else None


def _reviews(shelf: Shelf, name: str) -> Reviews:
    from vedette.forge.review import Reviews

    reviews = Reviews(shelf.own_folder(), shelf.get(name).sound)
    if reviews.unreadable:
        print(
            f"{reviews.path}: {plural(reviews.unreadable, 'line')} cannot be read and does not count", file=sys.stderr
        )
    return reviews


def _samples(group: str, file: Path | None, count: int) -> list[Sample]:
    from vedette.forge.samples import from_file, from_store

    if file is None:
        return from_store(group, count)
    found, rejected = from_file(file, count)
    if rejected:
        print(f"{file}: {plural(rejected, 'line')} cannot be used", file=sys.stderr)
    return found


def _ask(spec: str, work: Callable[[Engine], Awaitable[T]]) -> T:
    from vedette.engine.open import opened

    async def go() -> T:
        async with opened(spec) as engine:
            return await work(engine)

    from asyncio import run

    return run(go())


def _on_a_page(reviews: Reviews, by: str, port: int) -> None:
    from vedette.serve.format_review import ReviewSite
    from vedette.serve.local import LocalServer

    with LocalServer(ReviewSite(reviews, by), port) as server:
        print(f"Open {server.address} in a browser on this machine; Ctrl-C or 'Save and finish' stops it.", flush=True)
        try:
            server.run()
        except KeyboardInterrupt:
            print()
    said = len(reviews.of(by))
    print(f"{said} of {len(reviews.made.lines)} items decided by {by}; they are in {reviews.path}")


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise OutputError(f"cannot be made: {exc.strerror}", where=str(path), remedy="check the folder") from exc
    return path


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
