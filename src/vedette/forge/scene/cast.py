"""Invented people, machines, addresses and times. Outside addresses are of the ranges that are set aside for examples.

RFC 5737 and RFC 3849 for addresses, RFC 2606 and RFC 6761 for names; inside addresses are of RFC 1918.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random

OUTSIDE = ("192.0.2", "198.51.100", "203.0.113")
ENDINGS = ("example", "test", "invalid")
PEOPLE = (
    "alice", "amir", "anna", "bela", "boris", "carla", "chen", "daniel", "dina", "elif", "emil", "fatima", "felix",
    "grace", "hana", "hugo", "ines", "ivan", "jana", "jonas", "karim", "kofi", "lena", "luca", "maria", "mehmet",
    "mira", "nadia", "nils", "olga", "omar", "paul", "petra", "priya", "rafael", "rosa", "samir", "sofia", "tariq",
    "tomas", "uma", "viktor", "wei", "yara", "yusuf", "zoe",
)  # fmt: skip
FAMILIES = (
    "adler", "bauer", "costa", "diaz", "eriksen", "fischer", "gupta", "haddad", "ito", "jansen", "keller", "lopez",
    "meyer", "novak", "okafor", "petrov", "quist", "rossi", "silva", "tanaka", "ueda", "varga", "weiss", "yilmaz",
)  # fmt: skip
ROLES = ("web", "db", "mail", "app", "file", "build", "proxy", "print", "backup", "vpn", "dns", "git", "erp", "hr")
DESKS = ("WS", "LT", "PC", "FIN", "HR", "OPS", "DEV")
WORDS = (
    "amber", "bridge", "cedar", "delta", "ember", "falcon", "garnet", "harbor", "indigo", "juniper", "kestrel",
    "lumen", "maple", "nimbus", "orbit", "pepper", "quartz", "river", "saffron", "timber", "umber", "velvet",
    "willow", "zephyr", "acorn", "basil", "copper", "dune", "elm", "flint", "grove", "hazel", "ivory", "jasper",
)  # fmt: skip
SERVICES = ("backup", "deploy", "jenkins", "monitor", "nagios", "postgres", "www-data", "ansible", "ci", "reports")
TRIED = ("admin", "scanner", "test", "oracle", "postgres", "guest", "ubuntu", "user", "ftp", "pi", "support", "git")
FIRMS = (
    "Northwind Mills",
    "Kestrel Foods",
    "Harbor Bank",
    "Cedar Clinic",
    "Lumen Energy",
    "Orbit Freight",
    "Maple University",
    "Quartz Insurance",
    "River City Council",
    "Timber Retail",
    "Willow Pharma",
    "Zephyr Airlines",
    "Flint Steel",
    "Jasper Telecom",
    "Grove Logistics",
    "Ivory Hotels",
)


def person(rng: Random) -> str:
    """A login: "mira.novak"."""
    return f"{rng.choice(PEOPLE)}.{rng.choice(FAMILIES)}"


def server(rng: Random) -> str:
    return f"{rng.choice(ROLES)}-{rng.randint(1, 24):02}"


def desk(rng: Random) -> str:
    """A Windows machine: "FIN-0417"."""
    return f"{rng.choice(DESKS)}-{rng.randint(1, 9999):04}"


def outside(rng: Random) -> str:
    return f"{rng.choice(OUTSIDE)}.{rng.randint(1, 254)}"


def inside(rng: Random) -> str:
    return f"10.{rng.randint(0, 60)}.{rng.randint(0, 255)}.{rng.randint(2, 254)}"


def domain(rng: Random) -> str:
    return f"{rng.choice(WORDS)}-{rng.choice(WORDS)}.{rng.choice(ENDINGS)}"


def random_label(rng: Random, length: int) -> str:
    return "".join(rng.choices("abcdefghijklmnopqrstuvwxyz234567", k=length))


def digest(rng: Random, digits: int = 64) -> str:
    """So many hexadecimal digits: 64 of SHA-256, 40 of SHA-1, 32 of MD5."""
    return f"{rng.getrandbits(digits * 4):0{digits}x}"


def port(rng: Random) -> int:
    """One that a client takes."""
    return rng.randint(32768, 60999)


def moment(rng: Random) -> datetime:
    return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(3 * 365 * 86_400))


def clock(rng: Random, start: datetime, least: int, most: int) -> Iterator[datetime]:
    """Times that go up by so many seconds."""
    now = start
    while True:
        yield now
        now += timedelta(seconds=rng.randint(least, most))


def iso(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def syslog(when: datetime) -> str:
    return f"{when:%b} {when.day:2} {when:%H:%M:%S}"


def different(rng: Random, count: int, besides: Iterable[str] = ()) -> list[str]:
    """So many outside addresses, each once."""
    found: dict[str, None] = {}
    refused = set(besides)
    while len(found) < count:
        if (address := outside(rng)) not in refused:
            found[address] = None
    return list(found)


def listed(values: Iterable[str]) -> str:
    """ "a, b and c"."""
    *head, last = values
    return f"{', '.join(head)} and {last}" if head else last


def counted(number: int, noun: str) -> str:
    """ "1 line", "3 lines"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
