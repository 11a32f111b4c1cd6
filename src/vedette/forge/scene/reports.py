"""Invented paragraphs of threat reports: indicators with their dots hidden, names of actors, victims and dates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from vedette.forge.scene import cast

SECTORS = {
    "Northwind Mills": "food",
    "Kestrel Foods": "food",
    "Harbor Bank": "finance",
    "Cedar Clinic": "health",
    "Lumen Energy": "energy",
    "Orbit Freight": "transport",
    "Maple University": "education",
    "Quartz Insurance": "finance",
    "River City Council": "government",
    "Timber Retail": "retail",
    "Willow Pharma": "health",
    "Zephyr Airlines": "transport",
    "Flint Steel": "industry",
    "Jasper Telecom": "telecommunications",
    "Grove Logistics": "transport",
    "Ivory Hotels": "hospitality",
}


@dataclass(frozen=True, slots=True)
class Indicators:
    ipv4: tuple[str, ...]
    domains: tuple[str, ...]
    urls: tuple[str, ...]
    emails: tuple[str, ...]
    sha256: tuple[str, ...]

    def lists(self) -> dict[str, list[str]]:
        return {
            "ipv4": list(self.ipv4),
            "domains": list(self.domains),
            "urls": list(self.urls),
            "emails": list(self.emails),
            "sha256": list(self.sha256),
        }


def indicators(rng: Random) -> Indicators:
    """Two kinds at least; each value once, and no domain that stands in an address or mail."""
    counts = [rng.randint(0, 3), rng.randint(0, 2), rng.randint(0, 2), rng.randint(0, 1), rng.randint(0, 2)]
    if sum(count > 0 for count in counts) < 2:
        counts[0], counts[4] = 2, 1
    names = iter(dict.fromkeys(cast.domain(rng) for _ in range(30)))
    return Indicators(
        tuple(cast.different(rng, counts[0])),
        tuple(next(names) for _ in range(counts[1])),
        tuple(_address(rng, next(names)) for _ in range(counts[2])),
        tuple(f"{rng.choice(cast.WORDS)}@{next(names)}" for _ in range(counts[3])),
        tuple(cast.digest(rng) for _ in range(counts[4])),
    )


def _address(rng: Random, name: str) -> str:
    return (
        f"{rng.choice(['http', 'https'])}://{name}/{rng.choice(cast.WORDS)}{rng.choice(['.php', '/login', '.zip', ''])}"
    )


def defanged(rng: Random, value: str) -> str:
    dot = rng.choice(["[.]", "[.]", "(.)", "[dot]"])
    at = rng.choice(["[@]", "[at]"])
    told = value.replace("https://", "hxxps://").replace("http://", "hxxp://").replace("@", at)
    if "://" in told:  # dots of the path stay
        start, _, rest = told.partition("://")
        host, slash, path = rest.partition("/")
        return f"{start}://{host.replace('.', dot)}{slash}{path}"
    return told.replace(".", dot)


def told(rng: Random, found: Indicators, own: str) -> str:
    """Sentences with the indicators, defanged, and addresses of the victim and the author, which are none."""
    sentences = []
    if found.ipv4:
        sentences.append(f"Traffic went to {_list(rng, found.ipv4)}.")
    if found.domains:
        sentences.append(
            f"{'The domain' if len(found.domains) == 1 else 'The domains'} {_list(rng, found.domains)} "
            f"{'was' if len(found.domains) == 1 else 'were'} registered shortly before."
        )
    if found.urls:
        sentences.append(f"The payload was fetched from {_list(rng, found.urls)}.")
    if found.emails:
        sentences.append(f"Lures were sent from {_list(rng, found.emails)}.")
    if found.sha256:
        sentences.append(
            f"The {'file has' if len(found.sha256) == 1 else 'files have'} the SHA-256 {cast.listed(found.sha256)}."
        )
    sentences.append(
        rng.choice(
            [
                f"The first machine concerned was {own} in the office network.",
                f"At {own}, the victim's own proxy, the traffic was noticed first.",
            ]
        )
    )
    rng.shuffle(sentences)
    sentences.append(rng.choice(["Questions go to soc@corp.example.", "Contact: cert@corp.example.", ""]))
    return " ".join(sentence for sentence in sentences if sentence)


def _list(rng: Random, values: tuple[str, ...]) -> str:
    return cast.listed(defanged(rng, value) for value in values)


def cluster(rng: Random) -> str:
    """An invented name of an actor: "Copper Kestrel"."""
    first, second = rng.sample(cast.WORDS, 2)
    return f"{first.capitalize()} {second.capitalize()}"


def uuid(rng: Random) -> str:
    number = cast.digest(rng, 32)
    return f"{number[:8]}-{number[8:12]}-4{number[13:16]}-{rng.choice('89ab')}{number[17:20]}-{number[20:]}"


EVENTS = (
    "a phishing mail reached the accounting department",
    "an employee opened the attachment",
    "the first beacon left the network",
    "a second administrator account was created",
    "the domain controller was reached",
    "files were packed into archives",
    "the archives were sent out over HTTPS",
    "the backup server was wiped",
    "file servers were encrypted",
    "the ransom note was found",
    "the incident response team was called",
    "all passwords were reset",
    "the VPN was patched",
    "the servers were restored from backups",
    "the regulator was told",
    "customers were informed",
)


def dated_events(rng: Random) -> list[tuple[date, str]]:
    """In the order of time; each on its own day."""
    chosen = sorted(rng.sample(range(len(EVENTS)), rng.randint(3, 6)))
    day = cast.moment(rng).date()
    found = []
    for number in chosen:
        found.append((day, EVENTS[number]))
        day += timedelta(days=rng.randint(1, 12))
    return found


def spelt(rng: Random, day: date) -> str:
    return rng.choice([day.isoformat(), f"{day.day} {day:%B %Y}", f"{day:%B} {day.day}, {day.year}"])
