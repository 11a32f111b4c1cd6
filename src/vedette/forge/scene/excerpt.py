"""Several log lines that belong together, with the truth about them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from random import Random

from vedette.forge.scene import cast, hosts, lines
from vedette.forge.scene.line import Line


@dataclass(frozen=True, slots=True)
class Guessing:
    """SSH logins at one server: failures from several addresses, some logins that worked."""

    host: str
    lines: tuple[Line, ...]
    attacker: str  # the address with most failures
    failures: Counter[str]  # by address
    entered: str  # the user whose password the attacker found; "" where none

    @property
    def text(self) -> str:
        return "\n".join(line.text for line in self.lines)


def guessing(rng: Random, entered: bool | None = None) -> Guessing:
    entered = rng.random() < 0.5 if entered is None else entered
    host = cast.server(rng)
    attacker, *others = cast.different(rng, rng.randint(2, 4))
    counts = _uneven(rng, attacker, others)
    order = [address for address, count in counts.items() for _ in range(count)] + [""] * rng.randint(1, 3)
    rng.shuffle(order)  # "" is somebody's login that works
    times = cast.clock(rng, _early(rng), 1, 40)
    found = [_attempt(rng, next(times), host, address) for address in order]
    victim = cast.person(rng) if entered else ""
    if entered:
        found.append(_login(rng, next(times), host, victim, attacker))
    return Guessing(host, tuple(found), attacker, counts, victim)


def _uneven(rng: Random, first: str, others: list[str]) -> Counter[str]:
    most = rng.randint(4, 9)
    return Counter({first: most, **{address: rng.randint(1, most - 2) for address in others}})


def _early(rng: Random) -> datetime:
    """Early enough that an excerpt stays within the day."""
    return cast.moment(rng).replace(hour=rng.randint(0, 21))


def _attempt(rng: Random, when: datetime, host: str, address: str) -> Line:
    if address:
        return hosts.sshd_failed(rng, when, host=host, address=address)
    return hosts.sshd_accepted(rng, when, host=host)


def _login(rng: Random, when: datetime, host: str, user: str, address: str) -> Line:
    return hosts.sshd_accepted(rng, when, host=host, user=user, address=address)


@dataclass(frozen=True, slots=True)
class Odd:
    lines: tuple[Line, ...]
    place: int  # of the odd one, from 1

    @property
    def text(self) -> str:
        return numbered([line.text for line in self.lines])

    @property
    def line(self) -> Line:
        return self.lines[self.place - 1]


def odd(rng: Random) -> Odd:
    """Harmless lines of one source, one sign of a technique among them."""
    maker = rng.choice(lines.TONED)
    times = cast.clock(rng, cast.moment(rng), 5, 900)
    count = rng.randint(4, 8)
    place = rng.randint(1, count)
    found = tuple(maker(rng, next(times), bad=number == place) for number in range(1, count + 1))
    return Odd(found, place)


@dataclass(frozen=True, slots=True)
class Sequence:
    """Signs of one intrusion on one machine, told in a wrong order."""

    shown: tuple[Line, ...]
    order: tuple[int, ...]  # numbers of the shown lines, earliest first


def sequence(rng: Random) -> Sequence:
    host, times = cast.desk(rng), cast.clock(rng, cast.moment(rng), 20, 4000)
    makers = [hosts.windows_change, hosts.sysmon, hosts.windows_logon]
    told = [rng.choice(makers)(rng, next(times), host=host) for _ in range(rng.randint(3, 6))]
    places = list(range(len(told)))
    rng.shuffle(places)
    return Sequence(tuple(told[p] for p in places), tuple(places.index(n) + 1 for n in range(len(told))))


def numbered(texts: list[str]) -> str:
    return "\n".join(f"{number}. {text}" for number, text in enumerate(texts, 1))
