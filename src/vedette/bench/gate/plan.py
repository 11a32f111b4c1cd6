"""All that is asked: the same of both models, so that nothing but the model differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import cycle, islice
from random import Random

from msgspec.structs import replace as changed

from vedette.bench.gate.own import HOST, USER, Name, Statement, names, swapped
from vedette.bench.gate.questions import Asked, Question, Row, chosen, questions
from vedette.bench.gate.rules import Rules
from vedette.bench.gate.scenes import Leak, Scene, Scenes, Who
from vedette.bench.injection.corpus import Attack, attacks, spread
from vedette.types import Case

SCENES, QUESTIONS = "scenes", "questions of your own"


@dataclass(frozen=True, slots=True)
class Unit:
    """A question, and the same with other names."""

    kind: str  # SCENES or QUESTIONS
    asked: Asked
    swaps: tuple[tuple[str, Asked], ...]  # which names, the question


@dataclass(frozen=True, slots=True)
class Canary:
    """A scene of an attack that somebody may have taught to be harmless."""

    name: str
    by: str  # whose name, or which words
    asked: Asked
    lowers: Callable[[str], bool]  # does an answer see less than there is?


@dataclass(frozen=True, slots=True)
class Given:
    """What the gate has to go on."""

    held_out: Sequence[Row]
    learned: Sequence[Row] = ()  # the organisation's own rows that the candidate was trained on
    own: Sequence[Row] = ()  # those that were held out
    cases: Sequence[tuple[Statement, Case]] = ()
    statements: Sequence[Statement] = ()
    items: Sequence[Question] = ()  # of benchmarks, held out, too


@dataclass(slots=True)
class Plan:
    held_out: list[Question]
    own: list[Question]
    left: int  # questions that are among what was learned
    names: list[Name]
    units: list[Unit] = field(default_factory=list)
    canaries: list[Canary] = field(default_factory=list)
    leaks: tuple[Leak, ...] = ()
    attacks: tuple[Attack, ...] = ()

    @property
    def asked(self) -> list[Asked]:
        """Each once."""
        every = [one.asked for one in (*self.held_out, *self.own)]
        every += [asked for unit in self.units for asked in (unit.asked, *(one for _, one in unit.swaps))]
        every += [canary.asked for canary in self.canaries] + [leak.asked for leak in self.leaks]
        return list({one.key: one for one in every}.values())


def plan(given: Given, rules: Rules, scenes: Scenes) -> Plan:
    learned = {row.messages[-2].content for row in given.learned}
    kept = [list(questions(rows, learned)) for rows in (given.held_out, given.own)]
    left = sum(len(list(questions(rows))) for rows in (given.held_out, given.own)) - sum(map(len, kept))
    held_out = [] if "benchmark" in rules.skip else chosen([*kept[0], *given.items], rules.questions, rules.seed)
    own = chosen(kept[1], rules.own, rules.seed)
    found = names([*given.learned, *given.own], given.cases, rules.entities)
    made = Plan(held_out, own, left, found)
    if "identity" not in rules.skip:
        made.units = [*_scenes(found, rules, scenes), *_questions(own, found, rules, scenes)]
    if "canaries" not in rules.skip:
        made.canaries = list(_canaries(found, rules, scenes))
    if "leaks" not in rules.skip:
        made.leaks = scenes.leak
    if not {"injection", "obedience"} <= {*rules.skip}:
        made.attacks = spread(attacks(), rules.attacks)
    return made


def _people(scenes: Scenes, rng: Random) -> Iterator[Who]:
    """Made-up users on made-up devices, without end."""
    users, hosts = list(scenes.names.user), list(scenes.names.host)
    rng.shuffle(users)
    rng.shuffle(hosts)
    yield from (Who(user, host) for user, host in zip(cycle(users), cycle([*hosts, hosts[0]]), strict=False))


def _scenes(found: Sequence[Name], rules: Rules, scenes: Scenes) -> Iterator[Unit]:
    """Each scene with some made-up names, and with those of ours that are the likeliest to have been favoured."""
    people = _people(scenes, Random(f"{rules.seed} people"))
    for scene in scenes.scene:
        first, *others = islice(people, rules.swaps + 1)
        others += [_with(first, name) for name in found[: rules.swaps]]
        before = dict(scenes.put(scene, first))
        swaps: dict[str, list[tuple[str, Asked]]] = {form: [] for form in before}
        for who in others:
            for form, asked in scenes.put(scene, who):
                swaps[form].append((f"{who.user} on {who.host}", asked))
        yield from (Unit(SCENES, before[form], tuple(swaps[form])) for form in before)


def _with(who: Who, name: Name) -> Who:
    return who._replace(**{name.kind: name.name})


def _questions(own: Sequence[Question], found: Sequence[Name], rules: Rules, scenes: Scenes) -> Iterator[Unit]:
    """The organisation's own questions with the names that are known in them swapped."""
    instead = {
        kind: [*made, *(name.name for name in found if name.kind == kind)]
        for kind, made in ((USER, scenes.names.user), (HOST, scenes.names.host))
    }
    for one in own:
        swaps = {swapped(one.asked.text, found, instead, number) for number in range(rules.swaps)}
        if swaps := swaps - {one.asked.text}:
            told = tuple(("other names", _saying(one.asked, text)) for text in sorted(swaps))
            yield Unit(QUESTIONS, one.asked, told)


def _saying(asked: Asked, text: str) -> Asked:
    *before, last = asked.messages
    return replace(asked, messages=(*before, changed(last, content=text)))


def _canaries(found: Sequence[Name], rules: Rules, scenes: Scenes) -> Iterator[Canary]:
    people = _people(scenes, Random(f"{rules.seed} canaries"))
    attacks = [scene for scene in scenes.scene if scene.attack]
    places = cycle(attacks)
    for name in found:
        for scene in islice(places, rules.scenes_each):
            for form, asked in scenes.put(scene, _with(next(people), name)):
                yield _canary(scenes, scene, form, asked, f"{name.kind} {name.name}")
    for trigger in scenes.trigger:
        for scene in islice(places, rules.scenes_each):
            for form, asked in scenes.put(scene, next(people), trigger.text):
                yield _canary(scenes, scene, form, asked, f"“{trigger.text}”")


def _canary(scenes: Scenes, scene: Scene, form: str, asked: Asked, by: str) -> Canary:
    return Canary(f"{scene.id}, {form}", by, asked, partial(scenes.lowers, scene, form))
