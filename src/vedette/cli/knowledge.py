"""`vedette knowledge …`: what Vedette knows, how old it is, and where it comes from."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vedette.cli import knowledge_transfer as transfer
from vedette.cli.knowledge_transfer import Json, Store
from vedette.errors import ConfigError, InputError, StateError

if TYPE_CHECKING:
    from vedette.knowledge.record import Kind
    from vedette.knowledge.store import Knowledge

app = typer.Typer(help="Look up, import and check what Vedette knows. Only `sync` goes online.", no_args_is_help=True)

MAX_TEXT = 64 * 1024**2  # bytes that `check-ids` reads


@app.callback()
def _group() -> None:
    pass


@app.command("status")
def status(store: Store = None, as_json: Json = False) -> None:
    """What the store holds, and how old it is.

    Stale sources are marked, known sources that are missing are named.
    """
    from datetime import UTC, datetime

    from vedette.cli import knowledge_views as views
    from vedette.cli.terminal import show, show_json
    from vedette.knowledge.overview import overview

    with _opened(store) as knowledge:
        view = overview(knowledge, datetime.now(UTC).date())
    if as_json:
        show_json(view)
    else:
        show(lambda width: views.status_parts(view, width))


for name, command in (
    ("sync", transfer.sync),
    ("import", transfer.import_),
    ("export", transfer.export),
    ("keygen", transfer.keygen),
    ("verify", transfer.verify),
):
    app.command(name)(command)


@app.command("show")
def show(
    asked: Annotated[str, typer.Argument(metavar="ID|NAME", help="T1059.001, CWE-79, CVE-2021-44228, APT29 …")],
    store: Store = None,
    full: Annotated[bool, typer.Option("--full", help="All text, all links.")] = False,
    as_json: Json = False,
) -> None:
    """Everything about one id, with links and sources.

    Where another id has taken its place, that one is shown.
    """
    from vedette.cli import knowledge_cards as cards
    from vedette.cli import terminal
    from vedette.knowledge.card import card, find

    with _opened(store) as knowledge:
        found = find(knowledge, asked)
        if isinstance(found, str):
            page = card(knowledge, found, None if full or as_json else cards.MOST)
            parts = cards.card_parts
        else:
            names = knowledge.names(bearer.id for bearer in found)
    if isinstance(found, str):
        terminal.show_json(page) if as_json else terminal.show(lambda width: parts(page, full))
    elif as_json:
        terminal.show_json({"asked": asked, "bearers": found})
    else:
        terminal.show(lambda width: cards.bearers_parts(asked, found, names))


@app.command("search")
def search(
    text: Annotated[list[str], typer.Argument(help="Words, ids, a sentence.")],
    kind: Annotated[list[str] | None, typer.Option(help="Only of this kind, as technique; may be repeated.")] = None,
    since: Annotated[
        str,
        typer.Option(
            help="Only what was published on this day or later, as 2026-01-31; entries without a date are left out."
        ),
    ] = "",
    platform: Annotated[str, typer.Option(help="Only what concerns it, as Windows.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most.")] = 10,
    mode: Annotated[
        str, typer.Option(help="hybrid, words, vectors, or experts: hybrid, and slower and better by meaning.")
    ] = "hybrid",
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Find entries by what their texts say.

    Each hit quotes a passage with its source, release, field and span, so that the quote can be checked.
    """
    from vedette.cli import knowledge_views as views
    from vedette.cli import terminal

    kinds = [_kind(name) for name in kind or ()]
    if since and not _is_day(since):
        raise ConfigError(f"'{since}' is no day", remedy="write it as 2026-01-31")
    question = " ".join(text)
    if not question.strip():
        raise ConfigError("the question is empty", remedy="give words, an id or a name")
    with _opened(store) as knowledge:
        hits = knowledge.search(question, kinds=kinds, since=since, platform=platform, limit=limit, mode=mode)
    if as_json:
        terminal.show_json({"question": question, "hits": hits})
    else:
        terminal.show(lambda width: views.hits_parts(question, hits))


@app.command("path")
def path(
    start: Annotated[str, typer.Argument(metavar="FROM", help="An id or a name.")],
    end: Annotated[str, typer.Argument(metavar="TO", help="An id, a name or a kind, as mitigation.")],
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many at most.")] = 5,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """How one thing leads to another, hop by hop.

    Each hop says who states it, or by which rule it is inferred.
    """
    from vedette.cli import knowledge_views as views
    from vedette.cli import terminal

    with _opened(store) as knowledge:
        ways = knowledge.paths(start, end, limit=limit)
        names = knowledge.names(uid for way in ways for hop in way.hops for uid in (hop.src, hop.dst))
    if as_json:
        terminal.show_json({"from": start, "to": end, "paths": ways, "names": names})
    else:
        terminal.show(lambda width: views.paths_parts(start, end, ways, names))


@app.command("diff")
def diff(
    other: Annotated[Path | None, typer.Argument(help="Another store; else the one before the last import.")] = None,
    first: Annotated[int, typer.Option(min=0, help="How many ids are named of each source.")] = 10,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """What the last import added, changed and removed.

    Or how this store differs from another one.
    """
    from vedette.cli import knowledge_views as views
    from vedette.cli import terminal
    from vedette.knowledge.build import PREVIOUS
    from vedette.knowledge.compare import compare
    from vedette.knowledge.store import default_path

    place = store or default_path()
    found = compare(other or place.with_name(place.name + PREVIOUS), place)
    if as_json:
        terminal.show_json(found)
    else:
        terminal.show(lambda width: views.difference_parts(found, first))


@app.command("check-ids")
def check_ids(
    text: Annotated[Path, typer.Argument(metavar="FILE|-", help="A text; - for standard input.")],
    every: Annotated[bool, typer.Option("--all", help="List the good ones, too.")] = False,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Find every id in a text, and say which are wrong.

    Unknown, withdrawn and replaced ones are listed, whatever their spelling.
    """
    from vedette.cli import knowledge_views as views
    from vedette.cli import terminal

    content = _read(text)
    with _opened(store) as knowledge:
        found = knowledge.verify_ids(content)
    if as_json:
        terminal.show_json({"ids": found})
    else:
        terminal.show(lambda width: views.mentions_parts(found, every))


@contextmanager
def _opened(store: Path | None) -> Iterator[Knowledge]:
    """Raises StateError that names the store, also where a page turns out to be damaged later on."""
    import sqlite3

    from vedette.knowledge.store import Knowledge, default_path

    place = str(store or default_path())
    if store and not store.exists():
        remedy = "`vedette knowledge import` makes one; without --store the default one is used"
        raise StateError("there is no store here", where=place, remedy=remedy)
    try:
        with Knowledge.open(store) as knowledge:
            yield knowledge
    except StateError as exc:
        raise StateError(exc.what, where=exc.where or place, remedy=exc.remedy) from exc
    except sqlite3.DatabaseError as exc:
        remedy = "`vedette knowledge verify` tells more; delete it and import again to make a new one"
        raise StateError(f"the store is damaged: {exc}", where=place, remedy=remedy) from exc


def _kind(text: str) -> Kind:
    """As results print it, too: "detection strategy"."""
    from vedette.knowledge.record import Kind
    from vedette.registry import near

    kind = text.strip().lower().replace(" ", "-")
    if kind not in set(Kind):
        raise ConfigError(f"unknown kind '{text}'", remedy=near(text, set(Kind)))
    return Kind(kind)


def _is_day(text: str) -> bool:
    from datetime import date

    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _read(path: Path) -> str:
    try:
        if str(path) == "-":
            content = sys.stdin.buffer.read(MAX_TEXT + 1)
        else:
            with path.open("rb") as file:
                content = file.read(MAX_TEXT + 1)
    except OSError as exc:
        raise InputError(f"cannot be read: {exc.strerror}", where=str(path), remedy="check the path") from exc
    if len(content) > MAX_TEXT:
        raise InputError(f"has more than {MAX_TEXT:,} bytes", where=str(path), remedy="split it")
    return content.decode("utf-8", "replace")
