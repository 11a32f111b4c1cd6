"""Questions made from the names and links of a store.

They follow our templates. A name loses a word, changes its order or gets a typing error, so that looking it up is not
enough; the answers are what the store's sources link. No benchmark's items are used.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

from vedette.bench.questions import ABOUT, Question
from vedette.knowledge.ids import fold
from vedette.knowledge.record import (
    AnalyticFacts,
    CountermeasureFacts,
    Kev,
    Kind,
    Rel,
    SoftwareFacts,
    Status,
    TechniqueFacts,
    VulnerabilityFacts,
)
from vedette.knowledge.store import Entry, Knowledge

SEED = 31
DEV = 3  # every third one of a form is for tuning
FEW = 8  # more right answers than this make a question too easy


def make(knowledge: Knowledge, seed: int = SEED) -> list[Question]:
    """The same store and seed give the same questions."""
    store, questions = Store(knowledge), []
    for form in FORMS:
        rng = Random(f"{seed} {form.name}")
        texts: dict[str, set[str]] = {}
        for text, answers in form.make(store, rng):
            if text not in texts and 0 < len(answers) <= FEW:
                texts[text] = answers
            if len(texts) == form.count:
                break
        for place, (text, answers) in enumerate(texts.items()):
            uid, split = f"{form.name}-{place + 1:02}", "test" if place % DEV else "dev"
            questions.append(Question(uid, split, text, tuple(sorted(answers)), form.about, form.name))
    return questions


# -- what the store says ------------------------------------------------------------------------------


class Store:
    """What the forms ask of an open store; read once."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self.entries = cache(self._entries)
        self.by_name = cache(self._by_name)
        self.linking = cache(self._linking)

    def _entries(self, kind: Kind) -> tuple[Entry, ...]:
        """In force, with a name, in the order of their ids."""
        source = "AND unit = (SELECT number FROM unit WHERE name = 'kev')" if kind is Kind.VULNERABILITY else ""
        sql = f"SELECT DISTINCT id FROM record WHERE kind = ? {source} ORDER BY id"  # noqa: S608
        found = (self.knowledge.get(uid) for (uid,) in self.knowledge.db.execute(sql, (kind,)).fetchall())
        return tuple(e for e in found if e and e.kind is kind and e.name and e.status is Status.ACTIVE)

    def shuffled(self, kind: Kind, rng: Random) -> list[Entry]:
        entries = list(self.entries(kind))
        rng.shuffle(entries)
        return entries

    def named(self, kind: Kind) -> dict[str, str]:
        return {entry.id: entry.name for entry in self.entries(kind)}

    def same(self, entry: Entry) -> set[str]:
        """Those of its kind that bear its name: one technique in several domains."""
        return self.by_name(entry.kind)[fold(entry.name)]

    def _by_name(self, kind: Kind) -> dict[str, set[str]]:
        found = defaultdict(set)
        for entry in self.entries(kind):
            found[fold(entry.name)].add(entry.id)
        return found

    def _linking(self, kind: Kind, rel: Rel) -> dict[str, set[str]]:
        """Target → entries of this kind that link to it so."""
        found = defaultdict(set)
        for entry in self.entries(kind):
            for uid in targets(entry, rel):
                found[uid].add(entry.id)
        return found

    def bearers(self, alias: str, kinds: Sequence[Kind]) -> set[str]:
        return {name.id for name in self.knowledge.resolve(alias) if name.kind in kinds}


def targets(entry: Entry, rel: Rel) -> list[str]:
    """Where its links of this sort lead to, each once."""
    return list(dict.fromkeys(link.to for s in entry.statements for link in s.record.links if link.rel is rel))


def aliases(entry: Entry) -> list[str]:
    """Other names of one word or more that are no ids, sorted."""
    names = {name for s in entry.statements for name in s.record.aliases}
    return sorted(n for n in names if len(n) > 4 and n.isascii() and fold(n) != fold(entry.name))


# -- wording ------------------------------------------------------------------------------------------

LITTLE_WORDS = "a an and as at by for from in into of on or other the through to use via with"
LITTLE = frozenset(LITTLE_WORDS.split())
_words = re.compile(r"[A-Za-z0-9][A-Za-z0-9./'-]*").findall


def rough(name: str, rng: Random) -> str:
    """As somebody recalls it: lower case, no little words, one word less, or two words turned round."""
    words = [w.lower() for w in _words(re.sub(r"\([^)]*\)", " ", name)) if w.lower() not in LITTLE]
    if len(words) > 2:
        del words[rng.randrange(len(words))]
    elif len(words) == 2:
        words.reverse()
    return " ".join(words)


def mistyped(name: str, rng: Random) -> str:
    """Two letters inside its longest word are exchanged."""
    longest = max(_words(name) or [name], key=len)
    places = [i for i in range(1, len(longest) - 2) if longest[i] != longest[i + 1]]
    if not places:
        return name
    at = rng.choice(places)
    return name.replace(longest, longest[:at] + longest[at + 1] + longest[at] + longest[at + 2 :], 1)


def nickname(name: str) -> str:
    """CWE puts the usual words in brackets: "… ('SQL Injection')"."""
    inside = re.search(r"\('([^']+)'\)", name)
    return inside[1] if inside else name


def phrase(entry: Entry, store: Store, rng: Random) -> str:
    """A technique in words; a sub-technique's name says little without its technique's."""
    parent = next((store.named(Kind.TECHNIQUE).get(uid, "") for uid in targets(entry, Rel.CHILD_OF)), "")
    return f"{rough(parent, rng)} {rough(entry.name, rng)}".strip()


# -- forms --------------------------------------------------------------------------------------------

Draft = Iterator[tuple[str, set[str]]]


def sub_technique(store: Store, rng: Random) -> Draft:
    names = store.named(Kind.TECHNIQUE)
    for entry in store.shuffled(Kind.TECHNIQUE, rng):
        facts = entry.statements[0].record.facts
        parents = [names[uid] for uid in targets(entry, Rel.CHILD_OF) if uid in names]
        if parents and isinstance(facts, TechniqueFacts) and facts.platforms:
            where = rng.choice(facts.platforms)
            start = rng.choice((f"on {where}:", f"seen on {where},", f"{where} box,"))
            yield f"{start} {rough(parents[0], rng)}, the one with {rough(entry.name, rng)}", store.same(entry)


def technique_of_tactic(store: Store, rng: Random) -> Draft:
    tactics = store.named(Kind.TACTIC)
    for entry in store.shuffled(Kind.TECHNIQUE, rng):
        goals = [tactics[uid] for uid in targets(entry, Rel.MEMBER_OF) if uid in tactics]
        if goals and not targets(entry, Rel.CHILD_OF) and len(_words(entry.name)) > 1:
            template = rng.choice(("for {goal} they did some {what}", "{what} to get {goal}", "{what}, step: {goal}"))
            yield template.format(goal=goals[0].lower(), what=rough(entry.name, rng)), store.same(entry)


def technique_of_vulnerability(store: Store, rng: Random) -> Draft:
    known = store.named(Kind.TECHNIQUE)
    for entry in store.shuffled(Kind.VULNERABILITY, rng):
        start = rng.choice(("exploited with", "what comes after", "attack technique behind"))
        yield f"{start} {rough(kev_name(entry), rng)}", {uid for uid in targets(entry, Rel.ENABLES) if uid in known}


def narrower_weakness(store: Store, rng: Random) -> Draft:
    names = store.named(Kind.WEAKNESS)
    for entry in store.shuffled(Kind.WEAKNESS, rng):
        broader = [names[uid] for uid in targets(entry, Rel.CHILD_OF) if uid in names]
        if broader and len(_words(entry.name)) > 1:
            template = rng.choice(("{a}, more exactly {b}", "{b} (kind of {a})", "review finding: {b}; {a}"))
            yield template.format(a=rough(broader[0], rng), b=rough(entry.name, rng)), store.same(entry)


def weakness_alias(store: Store, rng: Random) -> Draft:
    for entry in store.shuffled(Kind.WEAKNESS, rng):
        for alias in aliases(entry)[:1]:
            name = mistyped(alias, rng) if rng.random() < 0.5 else alias
            start = rng.choice(("pentest report says", "code has", "which cwe is"))
            yield f"{start} {name.lower()}", store.bearers(alias, ABOUT["weakness"]) | {entry.id}


def weakness_of_pattern(store: Store, rng: Random) -> Draft:
    known = store.named(Kind.WEAKNESS)
    for entry in store.shuffled(Kind.PATTERN, rng):
        start = rng.choice(("what flaw lets somebody do", "root cause that allows", "weakness behind"))
        yield f"{start} {rough(entry.name, rng)}", {uid for uid in targets(entry, Rel.TARGETS) if uid in known}


def pattern_of_weakness(store: Store, rng: Random) -> Draft:
    exploiting = store.linking(Kind.PATTERN, Rel.TARGETS)
    for entry in store.shuffled(Kind.WEAKNESS, rng):
        start = rng.choice(("how would one attack", "attack pattern against", "ways to exploit"))
        yield f"{start} {rough(entry.name, rng)}", exploiting.get(entry.id, set())


def mitigation_of_technique(store: Store, rng: Random) -> Draft:
    helping = store.linking(Kind.MITIGATION, Rel.MITIGATES)
    for entry in store.shuffled(Kind.TECHNIQUE, rng):
        start = rng.choice(("how do we stop", "what helps against", "harden us against", "which mitigation for"))
        yield f"{start} {phrase(entry, store, rng)}", helping.get(entry.id, set())


def detection_of_technique(store: Store, rng: Random) -> Draft:
    seeing = store.linking(Kind.DETECTION, Rel.DETECTS)
    for entry in store.shuffled(Kind.TECHNIQUE, rng):
        start = rng.choice(("how would we see", "spot", "detection strategy for", "catch somebody doing"))
        yield f"{start} {phrase(entry, store, rng)}", seeing.get(entry.id, set())


def component_of_log(store: Store, rng: Random) -> Draft:
    components = defaultdict(set)
    for entry in store.entries(Kind.ANALYTIC):
        facts = entry.statements[0].record.facts
        for log in facts.log_sources if isinstance(facts, AnalyticFacts) else ():
            components[log.name, log.channel].add(log.component)
    logs = sorted(key for key in components if all(key) and len(key[1]) < 80)
    rng.shuffle(logs)
    for name, channel in logs:
        start = rng.choice(("which data component do we cover with", "we collect", "data component of"))
        yield f"{start} {name} {channel}", components[name, channel]


def mistyped_actor(store: Store, rng: Random) -> Draft:
    for entry in store.shuffled(Kind.GROUP, rng):
        if names := aliases(entry):
            alias = rng.choice(names)
            start = rng.choice(("anything on", "who are", "customer asks about"))
            yield f"{start} {mistyped(alias, rng).lower()}", store.bearers(alias, ABOUT["actor"]) | {entry.id}


def actor_with_tool(store: Store, rng: Random) -> Draft:
    """The alias is written in another way, and its software's name stands beside it."""
    names = store.named(Kind.SOFTWARE)
    for entry in store.shuffled(Kind.GROUP, rng):
        tools = [names[uid] for uid in targets(entry, Rel.USES) if uid in names]
        if tools and (others := aliases(entry)):
            alias, tool = rng.choice(others), rng.choice(tools)
            text = rng.choice(("{alias} crew seen with {tool}", "{tool} again, they say it is {alias}"))
            right = store.bearers(alias, ABOUT["actor"]) | {entry.id}
            yield text.format(alias=mistyped(alias, rng).lower(), tool=tool.lower()), right


def actor_of_software(store: Store, rng: Random) -> Draft:
    using = store.linking(Kind.GROUP, Rel.USES)
    for entry in store.shuffled(Kind.SOFTWARE, rng):
        name = rng.choice([entry.name, *aliases(entry)])
        text = rng.choice(("who is behind {name}", "{name} on a server, whose is it", "groups known for {name}"))
        yield text.format(name=name.lower()), using.get(entry.id, set())


def mistyped_software(store: Store, rng: Random) -> Draft:
    for entry in store.shuffled(Kind.SOFTWARE, rng):
        if names := aliases(entry):
            alias, facts = rng.choice(names), entry.statements[0].record.facts
            sort = facts.type if isinstance(facts, SoftwareFacts) and facts.type else "malware"
            right = store.bearers(alias, ABOUT["software"]) | {entry.id}
            yield rng.choice((f"{sort} called", "AV says")) + f" {mistyped(alias, rng).lower()}", right


def software_of_actor(store: Store, rng: Random) -> Draft:
    known = store.named(Kind.SOFTWARE)
    for entry in store.shuffled(Kind.GROUP, rng):
        alias = rng.choice(aliases(entry) or [entry.name])
        text = rng.choice(("what malware does {name} bring along", "{name} uses which tools", "implants of {name}"))
        yield text.format(name=alias.lower()), {uid for uid in targets(entry, Rel.USES) if uid in known}


def exploited_product(store: Store, rng: Random) -> Draft:
    """By what KEV calls it, without the vendor."""
    bearing = defaultdict(set)
    for entry in store.entries(Kind.VULNERABILITY):
        bearing[kev(entry).product, flaw(entry)].add(entry.id)
    for entry in store.shuffled(Kind.VULNERABILITY, rng):
        product, what = kev(entry).product, flaw(entry)
        if what and len(bearing[product, what]) <= 2 and "Multiple" not in product:
            text = rng.choice(("{what} in {product}", "{product}: {what}, used in the wild", "{product} {what}"))
            yield text.format(what=rough(what, rng), product=product.lower()), bearing[product, what]


def vulnerability_of_weakness(store: Store, rng: Random) -> Draft:
    """By product and the weakness's name, which KEV's text seldom uses."""
    names, bearing = store.named(Kind.WEAKNESS), defaultdict(set)
    for entry in store.entries(Kind.VULNERABILITY):
        for uid in targets(entry, Rel.HAS_WEAKNESS):
            bearing[kev(entry).product, uid].add(entry.id)
    for entry in store.shuffled(Kind.VULNERABILITY, rng):
        product = kev(entry).product
        for uid in targets(entry, Rel.HAS_WEAKNESS)[:1]:
            if uid in names and len(bearing[product, uid]) <= 2 and "Multiple" not in product:
                yield f"{kev(entry).vendor} {product} {rough(nickname(names[uid]), rng)}".lower(), bearing[product, uid]


def countermeasure_by_tactic(store: Store, rng: Random) -> Draft:
    for entry in store.shuffled(Kind.COUNTERMEASURE, rng):
        facts = entry.statements[0].record.facts
        if isinstance(facts, CountermeasureFacts) and facts.tactic and len(_words(entry.name)) > 1:
            template = rng.choice(("{goal} by {what}", "d3fend, {goal}: {what}", "{what} as a way to {goal}"))
            yield template.format(goal=facts.tactic.lower(), what=rough(entry.name, rng)), store.same(entry)


def control_by_words(store: Store, rng: Random) -> Draft:
    for entry in store.shuffled(Kind.CONTROL, rng):
        if len(_words(entry.name)) > 1:
            start = rng.choice(("800-53 control on", "auditor asks for", "nist:"))
            yield f"{start} {rough(entry.name, rng)}", store.same(entry)


def kev(entry: Entry) -> Kev:
    facts = (s.record.facts for s in entry.statements)
    return next((f.kev for f in facts if isinstance(f, VulnerabilityFacts) and f.kev), Kev(added=""))


def kev_name(entry: Entry) -> str:
    return next((s.record.name for s in entry.statements if s.unit.source == "kev"), entry.name)


def flaw(entry: Entry) -> str:
    """What KEV's name says after the product: "OS Command Injection"; "" where it does not name the product."""
    product = kev(entry).product
    return kev_name(entry).rpartition(product)[2].removesuffix("Vulnerability").strip() if product else ""


@dataclass(frozen=True, slots=True)
class Form:
    about: str
    count: int  # questions, where the store has enough
    make: Callable[[Store, Random], Draft]

    @property
    def name(self) -> str:
        return self.make.__name__.replace("_", "-")


FORMS: tuple[Form, ...] = (
    Form("technique", 45, sub_technique),
    Form("technique", 24, technique_of_tactic),
    Form("technique", 24, technique_of_vulnerability),
    Form("weakness", 45, narrower_weakness),
    Form("weakness", 24, weakness_alias),
    Form("weakness", 24, weakness_of_pattern),
    Form("pattern", 24, pattern_of_weakness),
    Form("mitigation", 60, mitigation_of_technique),
    Form("detection", 24, detection_of_technique),
    Form("detection", 18, component_of_log),
    Form("actor", 24, mistyped_actor),
    Form("actor", 18, actor_with_tool),
    Form("actor", 18, actor_of_software),
    Form("software", 24, mistyped_software),
    Form("software", 24, software_of_actor),
    Form("vulnerability", 39, exploited_product),
    Form("vulnerability", 24, vulnerability_of_weakness),
    Form("countermeasure", 21, countermeasure_by_tactic),
    Form("control", 12, control_by_words),
)
