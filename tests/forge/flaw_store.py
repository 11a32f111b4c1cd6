"""A small store of weaknesses, vulnerabilities, patterns, techniques and defences; all of it is made up."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path

from tests.knowledge.samples import put, record, unit

from vedette.knowledge.record import (
    Affected,
    CountermeasureFacts,
    Cvss,
    Epss,
    Kev,
    Kind,
    Link,
    PatternFacts,
    Record,
    Rel,
    Ssvc,
    TechniqueFacts,
    Text,
    VulnerabilityFacts,
    WeaknessFacts,
)

IN_RESEARCH = "view CWE-1000"
THINGS = ("query", "page", "path", "header", "script", "buffer", "token", "cookie", "lock", "signal", "folder", "mail")
VECTORS = (
    "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
    "CVSS:3.1/AV:L/AC:H/PR:L/UI:R/S:C/C:L/I:L/A:N",
    "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:N",
    "CVSS:3.1/AV:P/AC:L/PR:N/UI:R/S:U/C:N/I:N/A:L",
    "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N",
    "AV:N/AC:L/Au:N/C:P/I:P/A:P",
)


def texts(**fields: str) -> tuple[Text, ...]:
    return tuple(Text(name.replace("_", " "), body) for name, body in fields.items())


def weaknesses() -> list[Record]:
    """A Pillar 1, two Classes 10 and 20, six Bases below each; 101 leads to 102; 201 leads to 202."""
    tops = [
        record("CWE-1", Kind.WEAKNESS, "Bad Care", WeaknessFacts("Pillar", views=("CWE-1000",)),
               texts=texts(description="The product takes no care of what it is given by somebody else.")),
        record("CWE-2", Kind.WEAKNESS, "Bad Time", WeaknessFacts("Pillar", views=("CWE-1000",)),
               texts=texts(description="The product takes no care of when things happen to it.")),
        *(record(f"CWE-{n}", Kind.WEAKNESS, f"Careless Class {n}", WeaknessFacts("Class", views=("CWE-1000",)),
                 texts=texts(description=f"The product of class {n} does not look at what it is given by others."),
                 links=(Link(Rel.CHILD_OF, f"CWE-{n // 10}", IN_RESEARCH),)) for n in (10, 20)),
    ]  # fmt: skip
    return [*tops, *(_base(number, thing) for number, thing in enumerate(THINGS))]


def _base(number: int, thing: str) -> Record:
    group = 10 if number < 6 else 20
    uid = group * 10 + number % 6 + 1
    links = [Link(Rel.CHILD_OF, f"CWE-{group}", IN_RESEARCH),
             *(Link(Rel.RELATED_TO, f"CVE-2020-{5000 + uid * 10 + n}", "an example") for n in (0, 1))]  # fmt: skip
    if number % 6 == 0:
        links.append(Link(Rel.CAN_PRECEDE, f"CWE-{uid + 1}", IN_RESEARCH))
    views = ("CWE-1000", "CWE-1003") if number % 2 else ("CWE-1000",)
    return record(
        f"CWE-{uid}", Kind.WEAKNESS, f"Careless {thing.title()} Handling",
        WeaknessFacts("Base", "Simple", "High", "Allowed", ("Java", "PHP") if number % 2 else ("C",), views),
        texts=texts(
            description=f"The product builds a {thing} from what a stranger sends and never looks at its {thing}.",
            extended_description=f"A stranger may then choose the {thing}.",
            consequences=f"Confidentiality, Integrity: Read {thing.title()} Data. All of it may be read.\n"
                         f"Availability: DoS: Crash, Exit, or Restart, Lose {thing.title()}",
            detection=f"Fuzzing: Send every kind of {thing} and look what happens. (effectiveness: High)\n"
                      f"Manual Review: Read the code that makes a {thing}.",
            mitigations=f"Implementation: Check every {thing} against a list of those that the product expects.\n"
                        f"Operation: Keep the {thing} away from strangers.",
            examples=f"CVE-2020-{5000 + uid * 10}: a web shop builds its {thing} from an unchecked parameter",
        ),
        links=tuple(links),
    )  # fmt: skip


def bases() -> list[str]:
    return [f"CWE-{group}{n}" for group in (10, 20) for n in range(1, 7)]


def patterns() -> list[Record]:
    """CAPEC-1001 … 1012, each for one Base, and three more for CWE-101; the first eight are mapped to techniques."""
    made = []
    for n, (weakness, thing) in enumerate(zip(bases(), THINGS, strict=True), 1):
        links = [Link(Rel.TARGETS, weakness), Link(Rel.CHILD_OF, "CAPEC-2000" if n < 7 else "CAPEC-3000")]
        links += [Link(Rel.MAPS_TO, f"T900{n}")] if n < 9 else []
        made.append(_pattern(1000 + n, f"{thing.title()} Forging", thing, n, links))
    more = [_pattern(1100 + n, f"Odd {THINGS[n].title()} Abuse", THINGS[n], n,
                     [Link(Rel.TARGETS, "CWE-101"), Link(Rel.TARGETS, "CWE-102"),
                      *([] if n else [Link(Rel.MAPS_TO, "T9001")])]) for n in range(3)]  # fmt: skip
    tops = [record(f"CAPEC-{n}", Kind.PATTERN, name, PatternFacts("Meta"),
                   texts=texts(description=f"Somebody does what {name.lower()} means, in a way that nobody foresaw."))
            for n, name in ((2000, "Forge Things"), (3000, "Abuse Things"))]  # fmt: skip
    return [*made, *more, *tops]


def _pattern(uid: int, name: str, thing: str, n: int, links: list[Link]) -> Record:
    flow = (f"Explore\n\n- Look for the {thing}: The attacker looks at every {thing} that the product has.\n\n"
            f"Experiment\n\n- Try a {thing}: The attacker sends a {thing} of their own and sees what comes back.\n\n"
            f"- Try another {thing}: The attacker sends one {thing} after the other until one is taken\n\n"
            f"Exploit\n\n- Use the {thing}: The attacker uses the {thing} to read what is hidden.")  # fmt: skip
    return record(
        f"CAPEC-{uid}", Kind.PATTERN, name, PatternFacts("Standard", "High" if n % 2 else "", "Medium"),
        texts=texts(
            description=f"An attacker makes a {thing} that looks right, and the product {n} believes it at once.",
            execution_flow=flow,
            prerequisites=f"The product takes a {thing} from strangers who have not shown who they are.\n"
                          f"Nobody looks at the {thing} before number {n} is used.",
            skills=f"Low: To send a {thing}.\nHigh: To make a {thing} that looks right.",
            consequences="Confidentiality: Read Data\nIntegrity: Modify Data",
            mitigations=f"Look at every {thing} before it is used.\nSign every {thing} that is given away.",
        ),
        links=tuple(links),
    )  # fmt: skip


def attack() -> list[Record]:
    """T9001 … T9012; mitigation, detection and D3FEND artifact by number: M900n, DET900n, artifact n % 4."""
    made = []
    for n, thing in enumerate(THINGS, 1):
        made.append(
            record(
                f"T90{n:02}" if n > 9 else f"T900{n}",
                Kind.TECHNIQUE,
                f"{thing.title()} Theft",
                TechniqueFacts(("execution",), ("Linux",)),
                domain="enterprise",
                texts=texts(description=f"Adversaries may take a {thing} that belongs to somebody else."),
            )
        )
    for n, thing in enumerate(THINGS[:8], 1):
        made.append(
            record(
                f"M900{n}",
                Kind.MITIGATION,
                f"{thing.title()} Guard",
                domain="enterprise",
                texts=texts(description=f"Guard each {thing}."),
                links=(Link(Rel.MITIGATES, f"T900{n}"),),
            )
        )
        made.append(
            record(
                f"DET900{n}",
                Kind.DETECTION,
                f"{thing.title()} Watch",
                domain="enterprise",
                texts=texts(description=f"Watch each {thing}."),
                links=(Link(Rel.DETECTS, f"T900{n}"),),
            )
        )
    return made  # fmt: skip


def controls() -> list[Record]:
    """AC-n mitigates techniques n to n+3: neighbours have controls in common."""
    return [
        record(f"AC-{n}", Kind.CONTROL, f"{THINGS[n].title()} Control",
               links=tuple(Link(Rel.MITIGATES, f"T900{t}") for t in range(n, min(n + 4, 10))))
        for n in range(1, 10)
    ]  # fmt: skip


def defend() -> list[Record]:
    """Four artifacts; D3-Xn analyzes or isolates artifact n % 4; technique n touches artifact n % 4."""
    tops = [record("d3f:Thing", Kind.ARTIFACT, "Thing", texts=texts(description="Anything that one can point at."))]
    tops += [
        record(
            f"d3f:Thing{n}",
            Kind.ARTIFACT,
            f"Thing {n}",
            links=(Link(Rel.CHILD_OF, "d3f:Thing"),),
            texts=texts(description=f"A thing of the sort {n}, as it is found in any office."),
        )
        for n in range(4)
    ]
    tops.append(
        record(
            "D3-TOP",
            Kind.COUNTERMEASURE,
            "Thing Care",
            CountermeasureFacts("Detect"),
            texts=texts(description="Taking care of things, whatever they are."),
        )
    )
    measures = [
        record(
            f"D3-X{n}",
            Kind.COUNTERMEASURE,
            f"{THINGS[n].title()} Care",
            CountermeasureFacts("Detect" if n % 2 else "Isolate"),
            texts=texts(
                description=f"Taking care of each {THINGS[n]} that is found on a machine.",
                article=f"## How it works\nEach {THINGS[n]} is looked at, one after the other, and written down "
                "together with the time of day.\n\n## Considerations\nNone.",
            ),
            links=(Link(Rel.CHILD_OF, "D3-TOP"), Link(Rel.TOUCHES, f"d3f:Thing{n % 4}", "analyzes")),
        )
        for n in range(10)
    ]
    touching = [
        record(f"T900{n}", Kind.TECHNIQUE, "", links=(Link(Rel.TOUCHES, f"d3f:Thing{n % 4}", "may-modify"),))
        for n in range(1, 9)
    ]
    mapped = [
        record(f"M900{n}", Kind.MITIGATION, "", links=(Link(Rel.MAPS_TO, f"D3-X{n}", "related"),)) for n in range(1, 9)
    ]
    return [*tops, *measures, *touching, *mapped]  # fmt: skip


def vulnerabilities() -> dict[str, list[Record]]:
    """CVE-2020-5000 … 5239, twenty of each Base in turn; some in KEV, with SSVC, EPSS or no cause at all."""
    found: list[Record] = []
    exploited: list[Record] = []
    states = cycle(
        (("none", "no", "partial"), ("poc", "yes", "total"), ("active", "yes", "total"), ("none", "yes", "total"))
    )
    for n in range(240):
        uid, thing, weakness = f"CVE-2020-{5000 + n}", THINGS[n % 12], bases()[n % 12]
        vector = VECTORS[n // 12 % 6]
        state = next(states)
        exploit = {"poc": " The exploit has been disclosed to the public.", "active": " It is actively exploited."}
        facts = VulnerabilityFacts(
            cvss=(Cvss(vector, None, "maker"),),
            ssvc=Ssvc(*state, "CISA-ADP", "2025-02-04"),
            epss=Epss(round(n / 300, 4), 0.5, "2026-03-09"),
            affected=(Affected(f"Maker{n % 7} Shop{n}", f"1.{n % 5}.0 < 2.{n % 9}.1" if n % 3 else ""),),
        )
        links = [Link(Rel.HAS_WEAKNESS, weakness, "maker")]
        links += [Link(Rel.HAS_WEAKNESS, bases()[(n + 1) % 12], "maker")] if n % 10 == 9 else []
        body = (
            f"The Shop{n} component number {n} of the maker builds a {thing} from what a stranger sends, "
            f"so that a remote attacker can choose the {thing}: careless handling.{exploit.get(state[0], '')}"
        )
        found.append(
            record(
                uid,
                Kind.VULNERABILITY,
                f"Shop{n} builds a careless {thing}",
                facts,
                published="2020-05-01",
                texts=texts(description=body),
                links=tuple(links),
            )
        )
        if state[0] == "active":
            kev = VulnerabilityFacts(kev=Kev("2021-12-10", "2021-12-24", n % 8 == 2, "Maker", f"Shop{n}"))
            exploited.append(
                record(
                    uid,
                    Kind.VULNERABILITY,
                    f"Maker Shop{n} {thing.title()} Vulnerability",
                    kev,
                    texts=texts(
                        shortDescription=f"Shop{n} builds a careless {thing}.",
                        requiredAction="Apply updates per vendor instructions.",
                    ),
                    links=(Link(Rel.HAS_WEAKNESS, weakness, "CISA KEV"),),
                )
            )
    vague = [
        record(
            f"CVE-2012-{6000 + n}",
            Kind.VULNERABILITY,
            texts=texts(
                description=f"Unspecified vulnerability in the Shop{n} component in Maker Suite lets remote attackers "
                "affect secrecy by unknown vectors."
            ),
        )
        for n in range(8)
    ]
    enabling = [
        record(
            f"CVE-2020-{5000 + n}",
            Kind.VULNERABILITY,
            f"Shop{n}",
            links=(
                Link(Rel.ENABLES, f"T900{n + 1}", "exploitation_technique", "So it goes."),
                Link(Rel.ENABLES, f"T900{n + 2}", "primary_impact", "So it goes."),
            ),
        )
        for n in range(6)
    ]
    return {"cvelist": [*found, *vague], "kev": exploited, "ctid": [*controls(), *enabling]}  # fmt: skip


def fill(store: Path) -> Path:
    parts = {"cwe/1000": weaknesses(), "capec": patterns(), "attack/enterprise": attack(), "d3fend": defend(),
             **vulnerabilities()}  # fmt: skip
    put(store, *(unit(name, records) for name, records in parts.items()))
    return store
