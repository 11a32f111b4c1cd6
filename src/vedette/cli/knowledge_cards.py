"""A card as a person reads it: who says what, how old it is, and where every link leads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from vedette.cli.terminal import indented, paragraphs, plural, safe
from vedette.connect.sinks.table import NARROW
from vedette.knowledge.card import Card, Group, Source, StatedFacts, StatedText, Target, noun
from vedette.knowledge.record import (
    ActorFacts,
    AnalyticFacts,
    CountermeasureFacts,
    Facts,
    Kev,
    ListFacts,
    PatternFacts,
    RuleFacts,
    SoftwareFacts,
    Ssvc,
    Status,
    TacticFacts,
    TechniqueFacts,
    VulnerabilityFacts,
    WeaknessFacts,
)
from vedette.knowledge.store import Name

PROSE = 600  # characters of the description, unless all is asked for
SLACK = 120  # more that are not worth a cut
LONG_ID = 24  # characters; past it, names come first
MOST = 10  # targets of a group, likewise
FEW = 6  # products, addresses, values
ALSO = 12  # other names
UNVERIFIED = "(unverified)"

Line = tuple[str, str]  # label, value


def card_parts(card: Card, full: bool = False) -> Iterator[RenderableType]:
    yield from _header(card)
    yield from _aliases(card, full)
    yield from _facts(card.facts, full)
    yield from _texts(card.texts, full)
    for group in card.links:
        yield from _group(group, full)
    yield from _sources(card.sources)


def bearers_parts(asked: str, bearers: Sequence[Name], names: dict[str, str]) -> Iterator[RenderableType]:
    """Several bear one name: who calls whom so."""
    ids = list(dict.fromkeys(bearer.id for bearer in bearers))
    yield Text(f"'{safe(asked)}' is the name of {len(ids)} entries; show one of them by its id", style="bold")
    yield ""
    grid = _grid(2)
    for uid in ids:
        spelled: dict[str, list[str]] = {}
        for bearer in (bearer for bearer in bearers if bearer.id == uid):
            spelled.setdefault(bearer.name, []).append(bearer.source)
        by = "; ".join(f"called '{name}' by {', '.join(dict.fromkeys(who))}" for name, who in spelled.items())
        kind = next(bearer.kind for bearer in bearers if bearer.id == uid)
        about = Text(noun(kind), style="dim").append(f" {safe(names.get(uid, ''), 200)}", style="not dim")
        grid.add_row(Text(safe(uid), style="cyan"), about.append(f"\n{safe(by)}"))
    yield indented(grid)


def _header(card: Card) -> Iterator[RenderableType]:
    if card.asked != card.id:
        yield Text(f"{safe(card.asked)} was replaced; this stands for it today:", style="yellow")
    yield Text.assemble((safe(card.id), "bold cyan"), "  ", (safe(card.name, 300), "bold"))
    words = [noun(card.kind), safe(card.domain), str(card.status)]
    if card.replaced_by:
        words.append(f"replaced by {safe(card.replaced_by)}, which is not in the store")
    words += [f"published {card.published}"] if card.published else []
    words += [f"changed {card.modified}"] if card.modified else []
    style = "dim" if card.status is Status.ACTIVE else "yellow"
    yield Text(" · ".join(filter(None, map(safe, words))), style=style)


def _aliases(card: Card, full: bool) -> Iterator[RenderableType]:
    """Names with who gives them, those of the same sources together."""
    shown = card.aliases if full else card.aliases[:ALSO]
    given: dict[tuple[str, ...], list[str]] = {}
    for alias in shown:
        given.setdefault(alias.sources, []).append(safe(alias.name, 120))
    if not given:
        return
    line = Text("also called ", style="dim")
    for place, (by, names) in enumerate(given.items()):
        line.append("; " if place else "").append(", ".join(names), style="not dim").append(f" {_by(by)}")
    yield line.append(_more(len(card.aliases) - len(shown)))


def _facts(stated: Iterable[StatedFacts], full: bool) -> Iterator[RenderableType]:
    by: dict[Line, list[str]] = {}
    for one in stated:
        for line in _lines(one.facts, full):
            by.setdefault(line, []).append(one.source)
    if by:
        grid = _grid(3)
        for (label, value), sources in by.items():
            grid.add_row(Text(label, style="dim"), Text(safe(value, 2_000)), Text(_by(sources), style="dim"))
        yield ""
        yield grid


def _by(sources: Iterable[str]) -> str:
    """ "[attack/enterprise, kev]"; several parts of a source under its name alone."""
    parts: dict[str, list[str]] = {}
    for source in dict.fromkeys(sources):
        parts.setdefault(source.partition("/")[0], []).append(source)
    return f"[{safe(', '.join(units[0] if len(units) == 1 else name for name, units in parts.items()))}]"


def _lines(facts: Facts, full: bool) -> Iterator[Line]:
    """What is stated, label by label; nothing for what is not."""
    pairs = _vulnerability(facts, full) if isinstance(facts, VulnerabilityFacts) else _plain(facts, full)
    return ((label, value) for label, value in pairs if value)


def _plain(facts: Facts, full: bool) -> Iterator[Line]:
    match facts:
        case TacticFacts():
            yield "short name", f"{facts.short_name}, column {facts.order + 1} of its matrix"
        case TechniqueFacts():
            yield "tactics", ", ".join(facts.tactics)
            yield "platforms", ", ".join(facts.platforms)
        case SoftwareFacts():
            yield "type", facts.type
            yield "platforms", ", ".join(facts.platforms)
        case ActorFacts():
            yield "country", facts.country
            yield "seen", " – ".join(filter(None, (facts.first_seen, facts.last_seen)))
            yield "sectors", ", ".join(facts.sectors)
        case AnalyticFacts():
            yield "platforms", ", ".join(facts.platforms)
            yield "log sources", _few([f"{log.name} ({log.channel})" if log.channel else log.name
                                       for log in facts.log_sources], full)  # fmt: skip
        case WeaknessFacts():
            yield "abstraction", ", ".join(filter(None, (facts.abstraction, facts.structure)))
            yield "likelihood", facts.likelihood
            yield "mapping", facts.usage
            yield "platforms", ", ".join(facts.platforms)
            yield "views", ", ".join(facts.views)
        case PatternFacts():
            yield "abstraction", facts.abstraction
            yield "likelihood", facts.likelihood
            yield "severity", facts.severity
        case CountermeasureFacts():
            yield "tactic", facts.tactic
        case RuleFacts():
            yield "level", ", ".join(filter(None, (facts.level, facts.maturity)))
            yield "log source", " / ".join(filter(None, (facts.product, facts.category, facts.service)))
        case ListFacts():
            yield "type", facts.type
            yield "matches", ", ".join(facts.matches)
            yield f"{len(facts.values):,} values", _few(facts.values, full)


def _vulnerability(facts: VulnerabilityFacts, full: bool) -> Iterator[Line]:
    if facts.kev:
        yield "exploited", _kev(facts.kev)
    for cvss in facts.cvss:
        score = f"{cvss.score:.1f} " if cvss.score is not None else ""
        yield "CVSS", f"{score}{cvss.vector}" + (f" by {cvss.by}" if cvss.by else "")
    yield "severity", facts.severity
    if facts.epss:
        shares = f"{_share(facts.epss.probability)} in 30 days, percentile {_share(facts.epss.percentile)}"
        yield "EPSS", shares + (f", {facts.epss.on}" if facts.epss.on else "")
    if facts.ssvc:
        yield "SSVC", _ssvc(facts.ssvc)
    products = [" ".join(filter(None, (a.ecosystem, a.product, a.versions))) for a in facts.affected]
    yield "affected", _few(products, full, "; ")
    yield "references", _few(facts.references, full, " ")


def _share(value: float) -> str:
    """Rounded down: 100 % is said of nothing less."""
    return f"{int(value * 10_000) / 100:.2f} %"


def _kev(kev: Kev) -> str:
    words = [f"known since {kev.added}", f"due {kev.due}" if kev.due else ""]
    words += ["used in ransomware campaigns" if kev.ransomware else "", f"{kev.vendor} {kev.product}".strip()]
    return ", ".join(filter(None, words))


def _ssvc(ssvc: Ssvc) -> str:
    labelled = (("exploitation", ssvc.exploitation), ("automatable", ssvc.automatable), ("impact", ssvc.impact))
    words = [f"{label} {value}" for label, value in labelled if value]
    words += [f"by {ssvc.by}" if ssvc.by else "", ssvc.on]
    return ", ".join(filter(None, words))


def _texts(texts: Sequence[StatedText], full: bool) -> Iterator[RenderableType]:
    shown = texts if full else [t for t in texts if t.field == "description"][:1] or texts[:1]
    for text in shown:
        yield ""
        yield Text(f"{safe(text.field)} {_by(text.sources)}", style="dim")
        body = paragraphs(text.text)
        short = body if full or len(body) <= PROSE + SLACK else f"{body[: body.rfind(' ', 0, PROSE)].rstrip()} …"
        yield Text(short)
        if len(short) < len(body):
            yield Text(f"({len(body) - len(short):,} more characters: --full)", style="dim")
    if left := [t for t in texts if t not in shown]:
        fields = dict.fromkeys(f"{safe(t.field)} {_by(t.sources)}" for t in left)
        yield Text(f"more text with --full: {', '.join(fields)}", style="dim")


def _group(group: Group, full: bool) -> Iterator[RenderableType]:
    targets = group.targets if full else group.targets[:MOST]
    spoken = {_by(said.source for said in target.said) for target in targets}
    same = spoken.pop() if len(spoken) == 1 else ""
    yield ""
    head = Text(f"{group.title} ({group.count:,})", style="bold")
    yield head.append(f" {same}" if same else "", style="not bold dim")
    lines = [(Text(safe(target.id), style="cyan"), _target(target, named=not same, full=full)) for target in targets]
    if all(not line for _, line in lines):
        yield indented(Text(", ".join(uid.plain for uid, _ in lines), style="cyan"))
    else:
        yield indented(_columns(lines))
    if len(targets) < group.count:
        yield indented(Text(_more(group.count - len(targets)).strip(), style="dim"))


def _notes(target: Target) -> list[str]:
    return list(dict.fromkeys(safe(said.note, 120) for said in target.said if said.note))


def _columns(lines: Sequence[tuple[Text, Text]]) -> Table:
    """Ids and what is said of them, ids that are long at the end."""
    grid = _grid(2)
    longest = max(len(uid) for uid, _ in lines)
    if longest > LONG_ID:
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(overflow="fold")
        grid.add_column(overflow="fold", no_wrap=longest <= NARROW - LONG_ID // 2)
        lines = [(line, uid) for uid, line in lines]
    for left, right in lines:
        grid.add_row(left, right)
    return grid


def _target(target: Target, named: bool, full: bool) -> Text:
    parts = [Text(safe(target.name, 200))]
    if target.status is not Status.ACTIVE:
        parts.append(Text(f"({target.status})" if target.status else UNVERIFIED, style="yellow"))
    if notes := _notes(target):
        parts.append(Text(f"– {'; '.join(notes)}" if target.name else "; ".join(notes), style="dim"))
    if named:
        parts.append(Text(_by(said.source for said in target.said), style="dim"))
    line = Text(" ").join(part for part in parts if part)
    for text in (said.text for said in target.said if said.text and full):
        line.append(f"\n{paragraphs(text)}", style="italic")
    return line


def _sources(sources: Sequence[Source]) -> Iterator[RenderableType]:
    yield ""
    yield Text("sources", style="bold")
    grid = _grid(3)
    for source in sources:
        dated = " of ".join(filter(None, (safe(source.release), source.on))) or "release unknown"
        words = [safe(source.licence), "shipped facts only" if source.facts_only else ""]
        words += [f"says {source.status}" if source.status not in (None, Status.ACTIVE) else ""]
        words += [plural(source.links, "link")] if source.links else []
        grid.add_row(Text(safe(source.source)), Text(dated), Text(", ".join(filter(None, words)), style="dim"))
    yield indented(grid)


def _few(values: Sequence[str], full: bool, between: str = ", ") -> str:
    shown = values if full else values[:FEW]
    return between.join(shown) + _more(len(values) - len(shown))


def _more(left: int) -> str:
    return f" … and {left:,} more, --full or --json" if left else ""


def _grid(columns: int) -> Table:
    """The first column is as wide as its content."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    for place in range(columns):
        grid.add_column(overflow="fold", no_wrap=place == 0 and columns > 1)
    return grid
