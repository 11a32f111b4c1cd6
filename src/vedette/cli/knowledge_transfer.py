"""`vedette knowledge sync | import | export | keygen | verify`: how knowledge comes, goes, and is checked."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vedette.errors import ConfigError, FetchError, InputError

if TYPE_CHECKING:
    from vedette.knowledge.build import Report

Store = Annotated[
    Path | None, typer.Option(help="The store's file; else $VEDETTE_KNOWLEDGE, else one in your data folder.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")]
STOPPED = 130


def sync(
    sources: Annotated[
        list[str] | None, typer.Argument(help="As nvd or nvd/modified; all usual ones unless given.")
    ] = None,
    store: Store = None,
    proxy: Annotated[str, typer.Option(help="http://host:port; else what the environment says.")] = "",
    ca: Annotated[Path | None, typer.Option(help="PEM file of the only authorities to trust.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the addresses and stop.")] = False,
    as_json: Json = False,
) -> None:
    """Fetch the publishers' files and import them.

    This is the only command that goes online. What is unchanged is not fetched again, what was interrupted goes on
    where it stopped. A source that fails stops no other one; the exit code is 7 then, or 3 where a file was fetched
    and cannot be used.
    """
    from vedette.cli import knowledge_reports as reports
    from vedette.cli.terminal import progress, show, show_json
    from vedette.knowledge import sync as online
    from vedette.knowledge.store import default_path

    chosen = online.wanted(sources or [])
    place = store or default_path()
    if dry_run:
        for one in chosen:
            print(f"{one.name}\t{one.address.url}\tat most {one.address.max_mb:,} MB")
        return
    from vedette.fetch import FetchOptions

    start = time.monotonic()
    with _stoppable(), progress("") as bar:
        result = online.sync(place, chosen, FetchOptions(proxy=proxy, ca_file=str(ca or "")), bar)
    seconds = time.monotonic() - start
    failed = [download.error for download in result.downloads if download.error]
    if as_json:
        show_json({**reports.document(result.report, seconds), "not_fetched": [str(error) for error in failed]})
    else:
        show(lambda width: reports.downloads_parts(result.downloads))
        show(lambda width: reports.report_parts(result.report, seconds, width))
    for error in failed:
        _complain(error)
    if failed:
        raise typer.Exit(FetchError.exit_code)
    _end(result.report)


def import_(
    paths: Annotated[
        list[Path], typer.Argument(help="Publishers' files, archives and folders as they come, or bundles (.vkb).")
    ],
    store: Store = None,
    listed: Annotated[bool, typer.Option("--list", help="Name the files that hold no knowledge.")] = False,
    key: Annotated[
        list[Path] | None,
        typer.Option(help="Public key, or folder of such, of who may sign bundles; else those in vedette/keys of your "
                     "configuration folder."),
    ] = None,
    allow_older: Annotated[
        bool, typer.Option("--allow-older", help="Take a bundle that is older than what the store holds.")
    ] = False,
    allow_unsigned: Annotated[
        bool, typer.Option("--allow-unsigned", help="Take a bundle that nobody signed.")
    ] = False,
    encoder: Annotated[
        str,
        typer.Option(help="Whose vectors the store holds: static (fast), or experts (reads whole sentences, some 100 "
                     "passages a second); else the store's own. Another one than before encodes everything anew."),
    ] = "",
    as_json: Json = False,
) -> None:  # fmt: skip
    """Read publishers' files or bundles into the store.

    What a source held before is replaced by what is read now. Until the new store is whole and checked, the old one
    answers; what it was before stays for `diff`. A source that cannot be used keeps its last good records and stops
    no other one; the exit code is 3 then.
    """
    from vedette import signing
    from vedette.cli import knowledge_reports as reports
    from vedette.cli.terminal import progress, show, show_json
    from vedette.knowledge.build import import_sources
    from vedette.knowledge.exchange import import_bundle, is_bundle
    from vedette.knowledge.store import default_path

    place, start = store or default_path(), time.monotonic()
    bundles = [path for path in paths if is_bundle(path)]
    found = []
    with _stoppable():
        trusted = signing.trusted(key or [signing.keys_folder()]) if bundles else {}
        for bundle in bundles:
            found.append(
                import_bundle(
                    place, bundle, trusted,
                    allow_unsigned=allow_unsigned, allow_older=allow_older, encode_with=encoder,
                )
            )  # fmt: skip
        if files := [path for path in paths if path not in bundles]:
            with progress("sources") as bar:
                found.append(import_sources(place, files, bar, encode_with=encoder))
    report, seconds = _together(found), time.monotonic() - start
    if as_json:
        show_json(reports.document(report, seconds))
    else:
        show(lambda width: reports.report_parts(report, seconds, width, listed))
    _end(report)


def export(
    bundle: Annotated[Path, typer.Argument(help="The file to write, as vedette.vkb.")],
    sign: Annotated[Path | None, typer.Option(help="Your private key, made by `vedette knowledge keygen`.")] = None,
    unsigned: Annotated[bool, typer.Option("--unsigned", help="Leave it unsigned.")] = False,
    store: Store = None,
) -> None:
    """Write all imported sources into a signed bundle.

    It can be imported at a site without a network.
    """
    from vedette import signing
    from vedette.cli.terminal import plural
    from vedette.knowledge.exchange import export_store
    from vedette.knowledge.store import default_path

    if (sign is None) is not unsigned:
        raise ConfigError("a bundle is signed with one key or not at all", remedy="pass --sign KEY or --unsigned")
    private = signing.private_key(sign) if sign else None
    contents = export_store(store or default_path(), bundle, private)
    records = plural(sum(entry.unit.records for entry in contents.entries), "record")
    by = f"signed with the key {signing.key_id(private.public_key())}" if private else "not signed"
    print(f"{bundle}: {records} of {plural(len(contents.entries), 'source')}, {by}")


def keygen(
    folder: Annotated[Path, typer.Argument(help="Where the pair is written; nothing there is overwritten.")],
    name: Annotated[str, typer.Option(help="First part of both files' names.")] = "vedette",
) -> None:
    """Make a pair of keys for signing bundles.

    The private one signs, the public one lets others check (Ed25519).
    """
    from vedette import signing

    if not name.strip(". ") or Path(name).name != name:
        raise ConfigError(f"'{name}' cannot begin a file's name", where="--name", remedy="choose a word, as vedette")
    private, public = signing.keygen(folder, name)
    print(f"{private}: keep it to yourself")
    print(f"{public}: give it to who imports; its id is {signing.key_id(signing.public_key(public))}")


def verify(store: Store = None, as_json: Json = False) -> None:
    """Check every record, every count and every index.

    The exit code is 6 where the store is damaged.
    """
    from vedette.cli.terminal import plural, progress, show_json
    from vedette.knowledge.overview import examine
    from vedette.knowledge.store import default_path

    with progress("") as bar:
        found = examine(store or default_path(), lambda name: bar(f"checking {name}", 0, 0))
    if as_json:
        show_json(found)
        return
    print(f"{found.store}: whole, {plural(found.records, 'record')} of {plural(found.units, 'source')}")
    if found.unknown:
        print(f"{plural(found.unknown, 'id')} that links lead to: not in the store, shown as (unverified)")


@contextmanager
def _stoppable() -> Iterator[None]:
    """Says what Ctrl-C leaves behind: typer would end without a word."""
    try:
        yield
    except KeyboardInterrupt:
        print("vedette: stopped; the store is whole: run the same command again", file=sys.stderr)
        raise typer.Exit(STOPPED) from None


def _together(found: list[Report]) -> Report:
    from vedette.knowledge.build import Report

    return Report(
        [outcome for report in found for outcome in report.outcomes],
        [path for report in found for path in report.unclaimed],
        [note for report in found for note in report.notes],
        any(report.swapped for report in found),
    )


def _complain(error: Exception) -> None:
    from vedette.cli.terminal import safe

    print(f"vedette: {safe(str(error), 2_000)}", file=sys.stderr)


def _end(report: Report) -> None:
    """Failed sources are told on stderr, too, where a report that is piped does not show them."""
    failed = [outcome.error for outcome in report.outcomes if outcome.error]
    for error in failed:
        _complain(error)
    if failed:
        raise typer.Exit(InputError.exit_code)
