"""A model's folder becomes files that serve: GGUF in the quantisations that are asked for, an adapter beside them, how
to serve them, a comparison with transformers, a manifest, and who vouches for it. Whole, or not at all.
"""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from vedette import manifest, signing
from vedette.engine import gguf
from vedette.engine.models import NAME
from vedette.errors import ArtefactError, ConfigError, InputError
from vedette.train.slm import adapter as adapters
from vedette.train.slm import dense, fresh, gguf_file, gguf_lora, gguf_words, hf, parity, quantise, serving
from vedette.train.slm.merge import CARRIED, TERMS

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from vedette.train.slm.adapter import Adapter

RECIPE, PARITY = "recipe.toml", "parity.json"
_LICENCE = re.compile(r"^license:\s*['\"]?([\w.+ -]{1,60}?)['\"]?\s*$", re.MULTILINE)

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    folder: Path  # of the model, or of the adapter's base
    out: Path
    quants: Sequence[str]
    adapter: Path | None = None
    assume_base: bool = False
    name: str = ""
    licence: str = ""
    key: Ed25519PrivateKey | None = None
    check: int = 0  # prompts that are compared; 0: none
    threads: int = 0  # of llama.cpp while they are; 0: all cores
    llama_quantize: Path | None = None
    llama_cpp: Path | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """What is exported, looked at from all sides before anything is written."""

    folder: Path
    name: str
    licence: str
    tokenizer: Any
    model: gguf_file.Model | None  # None: llama.cpp's converter has to know it
    adapter: Adapter | None


def export(wanted: Wanted, told: Told = lambda _: None) -> serving.Files:
    """Raises InputError, ConfigError, ArtefactError where a file does not say what transformers says, OutputError."""
    kinds = quantise.kinds(wanted.quants)
    source = _source(wanted)
    by = quantise.tool(wanted.llama_quantize) if _needs_tool(kinds, source) else None
    with fresh.folder(wanted.out) as filling:
        models = {}
        for kind in kinds:
            models[kind] = f"{source.name}-{kind}.gguf"
            _model(filling, models, kind, source, (by, wanted.llama_cpp))
            told(f"{models[kind]}: {(filling / models[kind]).stat().st_size:,} bytes")
        files = _files(filling, source, models, told)
        measured = _compared(filling, files, source, wanted, told)
        _words(filling, files, measured, wanted)
        _sealed(filling, source, measured, wanted.key)
    return files


def _source(wanted: Wanted) -> Source:
    folder = wanted.folder
    if (folder / adapters.CONFIG).is_file():
        remedy = "vedette train merge ADAPTER --base BASE, or vedette train export BASE --adapter ADAPTER"
        raise InputError("an adapter, which is no model by itself", where=str(folder), remedy=remedy)
    _whole(folder)
    added = adapters.read(wanted.adapter) if wanted.adapter else None
    trained = wanted.adapter if wanted.adapter and (wanted.adapter / hf.TOKENIZER).is_file() else folder
    decoder = dense.opened(folder) if wanted.llama_cpp is None or dense.known(folder) else None
    tokenizer = hf.tokenizer(trained)
    name, licence = _name(wanted), wanted.licence or _licence(wanted.adapter or folder)
    model = None
    if decoder is not None:
        words = gguf_words.words(tokenizer, decoder.config.vocab_size, hf.ends(folder), str(trained))
        model = gguf_file.Model(name, licence, decoder, words)
    if added is not None:
        _fits(added, model, wanted)
    return Source(folder, name, licence, tokenizer, model, added)


def _whole(folder: Path) -> None:
    """A folder that training wrote has a manifest; one as a publisher has it need not."""
    if (folder / manifest.FILE_NAME).is_file():
        manifest.verify(folder)
    elif (folder / RECIPE).is_file():
        raise ArtefactError("unfinished: a recipe, and no manifest", where=str(folder), remedy="end the training first")


def _fits(added: Adapter, model: gguf_file.Model | None, wanted: Wanted) -> None:
    if model is None:
        remedy = "merge it, and export the result"
        raise InputError("an adapter of an architecture that is not known here", where=str(added.folder), remedy=remedy)
    adapters.fits(added, wanted.folder, model.decoder.weights, model.decoder.config.tie_word_embeddings)
    adapters.same_base(added, wanted.folder, wanted.assume_base)


def _name(wanted: Wanted) -> str:
    found = wanted.name or _recipe(wanted.adapter or wanted.folder).get("name") or wanted.folder.absolute().name
    if not isinstance(found, str) or not NAME.fullmatch(found):
        raise ConfigError(f"'{found}' is no name for a model", remedy="give one with --name: letters, digits, . _ + -")
    return found


def _licence(folder: Path) -> str:
    """As the recipe's card has it, or the card of a publisher; "" where nobody says."""
    said = _recipe(folder).get("card", {}).get("licence", "")
    card = folder / "README.md"
    if said or not card.is_file():
        return str(said)
    front = card.read_text("utf-8", "replace")[:4_000].split("---")
    found = _LICENCE.search(front[1]) if len(front) > 2 else None
    return found[1] if found else ""


def _recipe(folder: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((folder / RECIPE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def _needs_tool(kinds: Sequence[str], source: Source) -> bool:
    return bool(set(kinds) - set(gguf_file.KINDS if source.model else quantise.CONVERTED))


def _model(
    filling: Path, models: dict[str, str], kind: str, source: Source, tools: tuple[Path | None, Path | None]
) -> None:
    """One file. What llama.cpp's tool quantises is made from the most exact file that is there, or made for it."""
    target, (by, llama_cpp) = filling / models[kind], tools
    if source.model and kind in gguf_file.KINDS:
        gguf_file.write(target, source.model, kind)
    elif llama_cpp and kind in quantise.CONVERTED:
        quantise.convert(llama_cpp, source.folder, target, kind)
    elif by:
        exact = next((one for one in serving.LARGE if one in models), "")
        begin = models.get(exact, f".{source.name}-BF16.gguf")
        if not exact:
            _model(filling, {"BF16": begin}, "BF16", source, tools)
        quantise.quantise(by, filling / begin, target, kind)
        if not exact:
            (filling / begin).unlink()


def _files(filling: Path, source: Source, models: dict[str, str], told: Told) -> serving.Files:
    adapter, rank = "", 0
    if source.adapter and source.model:
        adapter = f"{source.name}-lora.gguf"
        about = (source.name, source.licence)
        gguf_lora.write(filling / adapter, source.adapter, source.model.decoder, about)
        rank = max(pair.rank for pair in source.adapter.pairs.values())
        told(f"{adapter}: {(filling / adapter).stat().st_size:,} bytes")
    ends = source.model.words.ends if source.model else [source.tokenizer.eos_token]
    context = hf.about(source.folder).max_position_embeddings or serving.CONTEXT
    return serving.Files(source.name, source.licence, context, models, adapter, rank, ends, _is_chatml(source))


def _is_chatml(source: Source) -> bool:
    from vedette.train.slm.template import chatml

    for prompt in parity.prompts():
        given = (prompt.messages,)
        ways = [
            source.tokenizer.apply_chat_template(*given, tokenize=False, add_generation_prompt=True, **one)
            for one in ({}, {"chat_template": chatml()})
        ]
        if ways[0] != ways[1]:
            return False
    return True


def _compared(filling: Path, files: serving.Files, source: Source, wanted: Wanted, told: Told) -> list[parity.Measured]:
    """Raises ArtefactError for a file that falls short."""
    if not wanted.check or not files.models:
        return []
    words = source.model.words if source.model else None
    given = (source.folder, source.tokenizer, words, parity.prompts()[: wanted.check])
    reference = parity.reference(*given)
    measured = []
    for kind, file in files.models.items():
        measured.append(_held(parity.measured(filling / file, kind, reference, wanted.threads), told))
    if files.adapter and source.adapter:
        kind = next((kind for kind in serving.LARGE if kind in files.models), next(iter(files.models)))
        reference = parity.reference(*given, source.adapter.folder)
        both = (filling / files.models[kind], kind, reference, wanted.threads, filling / files.adapter)
        measured.append(_held(parity.measured(*both), told))
    return measured


def _held(found: parity.Measured, told: Told) -> parity.Measured:
    if wrong := parity.short(found):
        what = f"not what transformers says: {'; '.join(wrong)}"
        raise ArtefactError(what, where=found.file, remedy=parity.REMEDY)
    same = f"{found.text} of {found.n} answers the same, {found.first} first tokens"
    told(f"{found.file}: {same}, log-probabilities within {found.largest:.2g}, {found.mean:.2g} on average")
    return found


def _words(filling: Path, files: serving.Files, measured: Sequence[parity.Measured], wanted: Wanted) -> None:
    """Everything that is text."""
    trained = wanted.adapter or wanted.folder
    texts = {serving.SERVE: serving.serve(files, filling, measured)}
    if files.models:
        texts[serving.MODELFILE] = serving.modelfile(files)
    if measured:
        texts[PARITY] = msgspec.json.format(msgspec.json.encode(measured), indent=1).decode()
    for name, text in texts.items():
        (filling / name).write_text(text, "utf-8")
    for path in [*(trained / name for name in CARRIED), *(wanted.folder / name for name in TERMS)]:
        if path.is_file():
            shutil.copyfile(path, filling / path.name)
    fresh.placeless(filling, (trained, wanted.folder, wanted.out, filling))


def _sealed(filling: Path, source: Source, measured: Sequence[parity.Measured], key: Ed25519PrivateKey | None) -> None:
    from importlib.metadata import version

    for path in filling.glob("*.gguf"):
        gguf.read(path)
    manifest.write(
        filling / manifest.FILE_NAME,
        inputs={**hf.inputs(source.folder), **_inputs(source)},
        outputs=[path for path in filling.iterdir() if path.is_file()],
        versions={name: version(name) for name in ("gguf", "torch", "transformers")},
        counts={"prompts": measured[0].n if measured else 0},
    )
    if key is not None:
        signing.seal(filling / manifest.FILE_NAME, key)


def _inputs(source: Source) -> dict[str, Path]:
    found = {manifest.FILE_NAME: source.folder / manifest.FILE_NAME}
    if source.adapter:
        named = [adapters.CONFIG, adapters.WEIGHTS, hf.TOKENIZER, manifest.FILE_NAME]
        found |= {f"adapter/{name}": source.adapter.folder / name for name in named}
    return {name: path for name, path in found.items() if path.is_file()}
