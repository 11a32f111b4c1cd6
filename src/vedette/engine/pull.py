"""Models from a hub or an address: resumed, and checked by sha256 before they take their name."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vedette.engine import models
from vedette.engine.catalog import Published, named, recommended
from vedette.errors import ArtefactError, ConfigError, FetchError, InputError
from vedette.registry import near

if TYPE_CHECKING:
    from vedette.fetch import FetchOptions, Progress

VARIABLE = "VEDETTE_HUB"  # environment: the address of the hub that models are pulled from
MAX_BYTES = 400_000_000_000  # of a model whose size is not known
TOTAL_S = 48 * 3600.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be fetched. Made by `wanted`."""

    name: str  # under which it is kept
    url: str
    sha256: str = ""
    verified: str = ""  # who states that sha256
    licence: str = ""
    bytes: int = 0


def wanted(name: str, *, quantisation: str = "", source: str = "", sha256: str = "") -> Wanted:
    """`source`: a hub's address, or that of a .gguf file; `sha256`: what the file has to have.

    Raises ConfigError for what is in no catalog, and where no address is known.
    """
    sha256 = sha256.lower()
    if sha256 and not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise ConfigError(f"'{sha256}' is no sha256", remedy="64 hexadecimal digits are needed")
    known = named(name)
    if source.split("?")[0].endswith(".gguf"):
        licence = known[1].licence if known else ""
        return Wanted(name, source, sha256, "given" * bool(sha256), licence)
    if known is None:
        remedy = f"{near(name, recommended())}; for another model: --from https://…/MODEL.gguf"
        raise ConfigError(f"'{name}' is none of the recommended models", remedy=remedy)
    file = known[1].published(quantisation)
    if not source:
        remedy = f"--from https://HUB or ${VARIABLE}; the file is {file.repository}/{file.file}"
        raise ConfigError("no hub is known to pull from", remedy=remedy)
    stated, who = (sha256, "given") if sha256 else (file.sha256, "Vedette" * bool(file.sha256))
    url = f"{source.rstrip('/')}/{file.repository}/resolve/main/{file.file}"
    return Wanted(_name(known[0], file), url, stated, who, known[1].licence, file.bytes)


def pull(
    what: Wanted, options: FetchOptions, *, place: Path | None = None, progress: Progress | None = None
) -> models.Stored:
    """Raises FetchError, InputError where it is no model, OutputError. The same call goes on where it was stopped."""
    from pydantic import ValidationError

    from vedette.fetch import fetch
    from vedette.partial import Address

    folder = models.folder_of(what.name, place)
    limit = -(-(what.bytes or MAX_BYTES) // 1_000_000)
    try:
        address = Address(url=what.url, file=f"{what.name}.gguf", max_mb=limit, sha256=what.sha256)
    except ValidationError as exc:
        raise ConfigError(exc.errors()[0]["msg"], remedy="give another --name") from exc
    _free(folder, what.url.split("?")[0])
    try:
        done = fetch(address, folder, options.model_copy(update={"total_s": TOTAL_S}), progress=progress)
    except FetchError:
        if not any(path.stat().st_size for path in folder.glob("*.part")) and not any(folder.glob("[!.]*")):
            shutil.rmtree(folder, ignore_errors=True)  # nothing came that could be gone on with
        raise
    verified = what.verified or ("its hub" if done.stated else "")
    try:
        return models.keep(folder, done.path, models.Origin(what.url.split("?")[0], what.licence, verified))
    except InputError:
        done.path.unlink(missing_ok=True)
        raise


def _free(folder: Path, source: str) -> None:
    try:
        known = models.read(folder)
    except ArtefactError:
        return
    if known.manifest.source != source:
        what = f"there is a model '{folder.name}' from {known.manifest.source}"
        raise ConfigError(what, remedy="give another --name, or remove that one first")


def _name(model: str, file: Published) -> str:
    return f"{model}-{file.quantisation}"
