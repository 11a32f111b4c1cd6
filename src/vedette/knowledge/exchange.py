"""Knowledge carried from one store to another as a signed bundle (`bundle` has the format)."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vedette import signing
from vedette.errors import ArtefactError, ConfigError, InputError
from vedette.knowledge import build, facts, schema
from vedette.knowledge.bundle import Contents, open_bundle, write_bundle
from vedette.knowledge.unit import Unit

SUFFIX = ".vkb"
FEW = 5_000  # records that are not worth a process of their own
_RECORDS = "records/"


def is_bundle(path: Path) -> bool:
    """By its name, or by what lies in it. A damaged one without the name is none."""
    if not path.is_file():
        return False
    if path.suffix == SUFFIX:
        return True
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False
    return "manifest.json" in names and all(n.startswith((_RECORDS, "manifest.")) for n in names)


def export_store(store: Path, bundle: Path, key: Ed25519PrivateKey | None) -> Contents:
    """Every unit that was imported; shipped facts stay, as every site has them.

    Raises InputError, OutputError; ConfigError for a bundle in the store's place.
    """
    if bundle.resolve() in (store.resolve(), store.with_name(store.name + build.PREVIOUS).resolve()):
        raise ConfigError("that is the store itself", where=str(bundle), remedy="name another file, as vedette.vkb")
    units = [unit for unit in build.units(store).values() if not unit.facts_only]
    if not units:
        remedy = "`vedette knowledge import` or `sync` something first"
        raise InputError("nothing was imported into the store", where=str(store), remedy=remedy)
    connection = schema.open_to_read(store)

    def bodies(unit: Unit) -> Iterator[bytes]:
        sql = "SELECT r.body FROM record r JOIN unit u ON r.unit = u.number WHERE u.name = ? ORDER BY r.id"
        return (body for (body,) in connection.execute(sql, (unit.name,)))

    try:
        return write_bundle(bundle, sorted(units, key=lambda unit: unit.name), bodies, key)
    finally:
        connection.close()


def import_bundle(
    store: Path,
    bundle: Path,
    keys: signing.Trusted,
    *,
    allow_unsigned: bool = False,
    allow_older: bool = False,
    encode_with: str = "",
) -> build.Report:
    """All of it or nothing. Raises ArtefactError, also for a bundle that is older than what the store holds.

    `encode_with`: as for `import_sources`.
    """
    with open_bundle(bundle, keys, allow_unsigned=allow_unsigned) as opened:
        if not allow_older and (older := _older(opened.units, build.units(store))):
            raise ArtefactError(
                f"older than what the store holds: {'; '.join(older)}", where=str(bundle),
                remedy="import a newer bundle, or pass --allow-older to go back",
            )  # fmt: skip
        batches = [
            build.Batch(unit, lambda unit=unit: opened.records(unit), bundle)  # type: ignore[misc]
            for unit in opened.units
        ]
        few = sum(unit.records for unit in opened.units) < FEW
        return build.import_batches(store, batches, inline=few, base=facts.base(), encode_with=encode_with)


def _older(units: tuple[Unit, ...], installed: dict[str, Unit]) -> list[str]:
    """By the publisher's date where both have one, else by the time of the import."""
    found = []
    for unit in units:
        held = installed.get(unit.name)
        if held is None or held.facts_only or held.content == unit.content:
            continue
        theirs, ours = (unit.on, held.on) if unit.on and held.on else (unit.imported, held.imported)
        if theirs < ours:
            found.append(f"{unit.name} of {theirs[:10]}, installed of {ours[:10]}")
    return found
