"""`vedette weakness | severity | techniques`: ask the embedded experts about texts, CVEs, files or standard input."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vedette.errors import ConfigError, InputError

if TYPE_CHECKING:
    from vedette.connect.texts import Item, Texts
    from vedette.experts import Experts
    from vedette.knowledge.store import Knowledge

Asked = Annotated[
    list[str] | None, typer.Argument(metavar="[TEXT|CVE]…", help="Texts, or ids whose descriptions the store has.")
]
File = Annotated[
    Path | None,
    typer.Option(
        help="One text a line, .csv, .jsonl, CVE records, NVD feeds, a folder or zip of them; - is standard input."
    ),
]
Column = Annotated[str, typer.Option(help="Of a CSV or JSON Lines: where the text is, unless it is 'description'.")]
Format = Annotated[str, typer.Option("--format", help="table, jsonl or csv.")]
Json = Annotated[bool, typer.Option("--json", help="The same as --format jsonl.")]
Threads = Annotated[int, typer.Option(min=1, help="Texts that are read at the same time.")]
Weights = Annotated[Path | None, typer.Option(help="Folder of other weights than those that ship.")]
Store = Annotated[Path | None, typer.Option(help="The knowledge store; else $VEDETTE_KNOWLEDGE, else yours.")]
Explain = Annotated[
    bool | None, typer.Option("--explain/--no-explain", help="Words, like CVEs, links; usual for one text.")
]
Convention = Annotated[str, typer.Option(help="Whose habits: any, nvd, cna, redhat, mitre, nvd-2018.")]
FORMATS = ("table", "jsonl", "csv")


def weakness(
    asked: Asked = None,
    file: File = None,
    column: Column = "",
    convention: Convention = "any",
    threshold: Annotated[float | None, typer.Option(min=0, max=1, help="Least probability of a decision.")] = None,
    top: Annotated[int, typer.Option(min=1, max=50, help="Candidates that are shown.")] = 5,
    explain: Explain = None,
    form: Format = "table",
    as_json: Json = False,
    threads: Threads = 1,
    weights: Weights = None,
    store: Store = None,
) -> None:
    """Which CWE a vulnerability is, with a calibrated probability for each candidate, or "undecided"."""
    from vedette.cli import experts_views as views
    from vedette.skills.weakness import skill

    form = _form(form, as_json)
    with _ready(asked, file, column, weights, threads, store) as ready:
        catalogue = skill.Catalogue(ready.store)
        full = ready.single if explain is None else explain

        def find(item: Item, answer: object) -> skill.WeaknessFinding:
            from vedette.experts.answers import Weakness

            assert isinstance(answer, Weakness)  # noqa: S101
            known = ready.experts.weakness_probabilities(item.text, convention=convention) if full else None
            finding = skill.find(item.id, answer, catalogue, ready.experts.name, known)
            if not full or not answer.candidates:
                return finding
            words = ready.experts.words(item.text, answer.candidates[0].id, convention=convention)
            return skill.explain(finding, item.text, words, catalogue)

        def ask(texts: Iterable[str]) -> Iterator[object]:
            return ready.experts.weakness(texts, convention=convention, top=top, threshold=threshold)

        _answer(ready, ask, find, views.WEAKNESS, form)


def severity(
    asked: Asked = None,
    file: File = None,
    column: Column = "",
    convention: Convention = "nvd",
    form: Format = "table",
    as_json: Json = False,
    threads: Threads = 1,
    weights: Weights = None,
    store: Store = None,
) -> None:
    """The CVSS v3.1 base vector and score that a description speaks for, and CISA's SSVC points."""
    from vedette.cli import experts_views as views
    from vedette.skills.severity import skill

    form = _form(form, as_json)
    with _ready(asked, file, column, weights, threads, store) as ready:

        def ask(texts: Iterable[str]) -> Iterator[object]:
            left, right = tee(texts)
            return zip(ready.experts.severity(left, convention=convention), ready.experts.ssvc(right), strict=True)

        def find(item: Item, answer: object) -> skill.SeverityFinding:
            assert isinstance(answer, tuple)  # noqa: S101
            return skill.find(item.id, answer[0], answer[1], ready.experts.name)

        _answer(ready, ask, find, views.SEVERITY, form)


def techniques(
    asked: Asked = None,
    file: File = None,
    column: Column = "",
    whole: Annotated[
        bool | None, typer.Option("--whole/--lines", help="A file is one report; usual for .txt and .md.")
    ] = None,
    threshold: Annotated[float | None, typer.Option(min=0, max=1, help="Least probability of a technique.")] = None,
    domain: Annotated[str, typer.Option(help="Of ATT&CK: enterprise, mobile, ics; auto: as the text speaks.")] = "auto",
    form: Format = "table",
    as_json: Json = False,
    threads: Threads = 1,
    weights: Weights = None,
    store: Store = None,
) -> None:
    """The ATT&CK techniques that a sentence or a whole report tells of, each with the words that say so."""
    from vedette.cli import experts_views as views
    from vedette.experts.answers import Techniques
    from vedette.skills.techniques import skill

    form = _form(form, as_json)
    one = whole if whole is not None else bool(file and file.suffix.lower() in (".txt", ".md"))
    with _ready(asked, file, column, weights, threads, store, whole=one) as ready:
        catalogue = skill.Catalogue(ready.store)

        def find(item: Item, answer: object) -> skill.TechniquesFinding:
            assert isinstance(answer, Techniques)  # noqa: S101
            return skill.find(item.id, item.text, answer, catalogue, ready.experts.name)

        def ask(texts: Iterable[str]) -> Iterator[object]:
            return ready.experts.techniques(texts, threshold=threshold, domain=domain)

        _answer(ready, ask, find, views.TECHNIQUES, form)


class Ready:
    """What a command needs: the experts, the store, and the texts."""

    def __init__(self, experts: Experts, store: Knowledge, texts: Texts, items: Iterable[Item], single: bool) -> None:
        self.experts, self.store, self.texts, self.items, self.single = experts, store, texts, items, single


@contextmanager
def _ready(
    asked: list[str] | None,
    file: Path | None,
    column: str,
    weights: Path | None,
    threads: int,
    store: Path | None,
    *,
    whole: bool = False,
) -> Iterator[Ready]:
    from vedette.connect.texts import Texts
    from vedette.experts import Experts
    from vedette.knowledge.store import Knowledge

    if bool(asked) and file is not None:
        raise ConfigError("texts and --file were given", remedy="give one of them")
    if not asked and file is None:
        if sys.stdin.isatty():
            raise ConfigError("nothing to ask about", remedy="give a text, a CVE id, --file, or pipe texts in")
        file = Path("-")
    texts = Texts()
    with Knowledge.open(store) as knowledge:
        items = _given(asked, knowledge, texts) if asked else texts.of(file or Path("-"), column=column, whole=whole)
        yield Ready(Experts.load(weights, threads=threads), knowledge, texts, items, bool(asked) or whole)


def _given(asked: list[str], store: Knowledge, texts: Texts) -> Iterator[Item]:
    from vedette.connect.texts import Item
    from vedette.knowledge.ids import canonical

    for number, text in enumerate(asked, 1):
        uid = canonical(text)
        if uid is None or not uid.startswith("CVE-"):
            texts.read, texts.given = texts.read + 1, texts.given + 1
            yield Item(f"text {number}" if len(asked) > 1 else "text", text)
            continue
        entry = store.get(uid)
        if entry is None or not entry.description:
            remedy = "`vedette knowledge import` its record, or give its description"
            raise InputError(f"the knowledge store has no description of {uid}", remedy=remedy)
        texts.read, texts.given = texts.read + 1, texts.given + 1
        yield Item(uid, entry.description)


def _form(form: str, as_json: bool) -> str:
    if form not in FORMATS:
        raise ConfigError(f"unknown format '{form}'", remedy=f"known: {', '.join(FORMATS)}")
    return "jsonl" if as_json else form


def _answer(
    ready: Ready,
    ask: Callable[[Iterable[str]], Iterator[object]],
    find: Callable[[Item, object], object],
    view: object,
    form: str,
) -> None:
    """Print each finding as it comes; counts go to standard error."""
    from vedette.cli.experts_views import View

    assert isinstance(view, View)  # noqa: S101
    left, right = tee(ready.items)
    findings = (find(item, answer) for item, answer in zip(left, ask(item.text for item in right), strict=True))
    undecided = view.write(findings, form, single=ready.single)
    texts = ready.texts
    for place, why in texts.examples:
        from vedette.guard.neutralise import printable

        print(f"vedette: {printable(place, 80)}: {printable(why, 300)}", file=sys.stderr)
    if texts.rejected or not ready.single:
        decided = texts.given - undecided
        counts = f"{texts.read:,} read, {decided:,} decided, {undecided:,} undecided, {texts.rejected:,} rejected"
        print(f"vedette: {counts}", file=sys.stderr)
    if texts.read and texts.rejected == texts.read:
        raise InputError("nothing readable", remedy="see the lines above")
