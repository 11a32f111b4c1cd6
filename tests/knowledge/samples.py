"""A small store of every kind: made-up descriptions, in the shape that readers give."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vedette.knowledge.build import Batch, Report, import_batches
from vedette.knowledge.record import (
    ActorFacts,
    Affected,
    AnalyticFacts,
    CountermeasureFacts,
    Cvss,
    Epss,
    Facts,
    Kev,
    Kind,
    Link,
    ListFacts,
    LogSource,
    PatternFacts,
    Record,
    Rel,
    RuleFacts,
    SoftwareFacts,
    Ssvc,
    Status,
    TacticFacts,
    TechniqueFacts,
    Text,
    VulnerabilityFacts,
    WeaknessFacts,
    digest,
    encode,
)
from vedette.knowledge.unit import Unit, content_hash

RULE = "sigma:11111111-2222-4333-8444-555555555555"
BEAR = "misp:99999999-8888-4777-8666-555555555555"
HOSTILE = "Evil \x1b[31mred\x1b[0m \x1b]8;;http://x\x07link\u202egnp.exe [bold]rich[/]\x9b2J"
LONG = "A shell runs what it is given, and it leaves few traces of what it was given to run. " * 14


def unit(name: str, records: Iterable[Record], **changes: object) -> tuple[Unit, list[bytes]]:
    bodies = [encode(record) for record in records]
    source, _, part = name.partition("/")
    made: dict[str, object] = {
        "source": source,
        "part": part,
        "release": "18.1",
        "on": "2025-11-04",
        "imported": "2026-03-10T09:00:00+00:00",
        "inputs": {"sample.json": "0" * 64},
        "read": len(bodies),
        "records": len(bodies),
        "skipped": {},
        "refused": {},
        "content": content_hash(map(digest, bodies)),
        **changes,
    }
    return Unit(**made), bodies  # type: ignore[arg-type]


def put(store: Path, *units: tuple[Unit, list[bytes]]) -> Report:
    batches = [Batch(one, lambda bodies=bodies: iter(bodies), Path("sample.json")) for one, bodies in units]
    return import_batches(store, batches, inline=True)


def record(uid: str, kind: Kind, name: str = "", facts: Facts | None = None, **changes: object) -> Record:
    return Record(uid, kind, name, facts=facts, **changes)  # type: ignore[arg-type]


def description(body: str, **others: str) -> tuple[Text, ...]:
    return (Text("description", body), *(Text(field, text) for field, text in others.items()))


def attack() -> list[Record]:
    groups = [
        record(f"G{n:04}", Kind.GROUP, f"Group {n}", domain="enterprise", links=(Link(Rel.USES, "T1059.001"),))
        for n in range(100, 114)
    ]
    return [
        record("TA0002", Kind.TACTIC, "Execution", TacticFacts("execution", 3), domain="enterprise",
               texts=description("Getting code to run.")),
        record("T1059", Kind.TECHNIQUE, "Command and Scripting Interpreter",
               TechniqueFacts(("execution",), ("Linux", "Windows", "macOS")), domain="enterprise",
               links=(Link(Rel.MEMBER_OF, "TA0002"),)),
        record("T1059.001", Kind.TECHNIQUE, "PowerShell", TechniqueFacts(("execution",), ("Windows",)),
               domain="enterprise", published="2020-03-09", modified="2025-04-15",
               texts=description(LONG, detection="Look at script block logs."),
               links=(Link(Rel.CHILD_OF, "T1059"), Link(Rel.MEMBER_OF, "TA0002"))),
        record("T1086", Kind.TECHNIQUE, "PowerShell", domain="enterprise", status=Status.REVOKED,
               replaced_by="T1059.001"),
        record("T1175", Kind.TECHNIQUE, "Component Object Model", domain="enterprise", status=Status.DEPRECATED),
        record("G0016", Kind.GROUP, "APT29", domain="enterprise", aliases=("Cozy Bear", "Midnight Blizzard"),
               texts=description("A group.\n\nIt is patient."),
               links=(Link(Rel.USES, "T1059.001", text="Has run encoded scripts from the registry."),
                      Link(Rel.USES, "S0154", text="Has used it for lateral movement."),
                      Link(Rel.USES, "T1175"))),
        *groups,
        record("C0024", Kind.CAMPAIGN, "Quiet Bridge", ActorFacts(first_seen="2019-08-01", last_seen="2021-01-01"),
               domain="enterprise", links=(Link(Rel.ATTRIBUTED_TO, "G0016"),)),
        record("S0154", Kind.SOFTWARE, "Cobalt Strike", SoftwareFacts("malware", ("Windows",)), domain="enterprise",
               links=(Link(Rel.USES, "T1059.001", text="Starts a hidden shell."),)),
        record("M1049", Kind.MITIGATION, "Antivirus/Antimalware", domain="enterprise",
               texts=description("Keep it running, and look at what it says."),
               links=(Link(Rel.MITIGATES, "T1059.001", text="It may quarantine scripts."),)),
        record("DS0017", Kind.DATA_SOURCE, "Command", domain="enterprise"),
        record("DC0064", Kind.DATA_COMPONENT, "Command Execution", domain="enterprise",
               links=(Link(Rel.MEMBER_OF, "DS0017"),)),
        record("DET0001", Kind.DETECTION, "Encoded commands", domain="enterprise",
               links=(Link(Rel.DETECTS, "T1059.001"),)),
        record("AN0001", Kind.ANALYTIC, "Analytic 1",
               AnalyticFacts(("Windows",), (LogSource("DC0064", "WinEventLog:PowerShell", "EventCode=4104"),)),
               domain="enterprise", links=(Link(Rel.MEMBER_OF, "DET0001"), Link(Rel.OBSERVES, "DC0064"))),
    ]  # fmt: skip


def others() -> dict[str, list[Record]]:
    vulnerable = VulnerabilityFacts(
        cvss=(Cvss("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0, "nvd@nist.gov"),),
        affected=tuple(Affected(f"Example Corp Logger {n}", "2.0 < 2.15.0") for n in range(9)),
        references=tuple(f"https://example.com/advisory/{n}" for n in range(9)),
    )
    return {
        "cwe/1000": [
            record("CWE-20", Kind.WEAKNESS, "Improper Input Validation", WeaknessFacts("Class"),
                   links=(Link(Rel.CAN_PRECEDE, "CWE-79"),)),
            record("CWE-79", Kind.WEAKNESS, "Cross-site Scripting",
                   WeaknessFacts("Base", "Simple", "High", "Allowed", ("Web Based",), ("CWE-1000", "CWE-1003")),
                   aliases=("XSS", "HTML Injection"),
                   texts=description("Input reaches a page unescaped.", consequences="Scripts run as the reader.")),
            record("CWE-502", Kind.WEAKNESS, "Deserialization of Untrusted Data", WeaknessFacts("Base")),
            record("CWE-1003", Kind.CATEGORY, "Simplified Mapping"),
        ],
        "capec": [record("CAPEC-66", Kind.PATTERN, "SQL Injection", PatternFacts("Standard", "High", "High"),
                         links=(Link(Rel.TARGETS, "CWE-20"), Link(Rel.TARGETS, "CWE-99999"),
                                Link(Rel.MAPS_TO, "T1190")))],
        "d3fend": [record("D3-SEA", Kind.COUNTERMEASURE, "Script Execution Analysis", CountermeasureFacts("Detect"),
                          links=(Link(Rel.COUNTERS, "T1059.001"), Link(Rel.TOUCHES, "d3f:Script", "analyzes"))),
                   record("d3f:Script", Kind.ARTIFACT, "Script")],
        "ctid/nist": [record("AC-2", Kind.CONTROL, "Account Management", links=(Link(Rel.MITIGATES, "T1059.001"),))],
        "nvd/2021": [
            record("CVE-2021-44228", Kind.VULNERABILITY, "", vulnerable, published="2021-12-10", modified="2025-10-27",
                   texts=description("Lookups in log messages reach out to servers that an attacker names."),
                   links=(Link(Rel.HAS_WEAKNESS, "CWE-502", "nvd@nist.gov"),
                          Link(Rel.HAS_WEAKNESS, "CWE-20", "apache"))),
            *(record(f"CVE-2021-{n}", Kind.VULNERABILITY, links=(Link(Rel.HAS_WEAKNESS, "CWE-79"),))
              for n in range(5000, 5030)),
        ],
        "kev": [record("CVE-2021-44228", Kind.VULNERABILITY, "Example Logger Remote Code Execution",
                       VulnerabilityFacts(kev=Kev("2021-12-10", "2021-12-24", True, "Example", "Logger")),
                       links=(Link(Rel.HAS_WEAKNESS, "CWE-20", "CISA KEV"),))],
        "epss": [record("CVE-2021-44228", Kind.VULNERABILITY, "", VulnerabilityFacts(
            epss=Epss(0.94358, 0.99967, "2026-03-09")))],
        "ssvc": [record("CVE-2021-44228", Kind.VULNERABILITY, "", VulnerabilityFacts(
            ssvc=Ssvc("active", "yes", "total", "CISA-ADP", "2025-02-04")))],
        "sigma": [record(RULE, Kind.RULE, HOSTILE, RuleFacts("high", "test", "windows", "ps_script"),
                         texts=description(f"Finds {HOSTILE}\nsecond line"), links=(Link(Rel.DETECTS, "T1059.001"),))],
        "misp-galaxy/threat-actor": [record(
            BEAR, Kind.ACTOR, "APT29", ActorFacts("RU", sectors=("Government", "Health")),
            aliases=("Cozy Bear", "The Dukes"), links=(Link(Rel.SAME_AS, "G0016"),))],
        "misp-warninglists": [record("warninglist:sample", Kind.WARNINGLIST, "Public resolvers", ListFacts(
            "cidr", ("ip-src", "ip-dst"), tuple(f"192.0.2.{n}/32" for n in range(40))))],
    }  # fmt: skip


def full(store: Path) -> Path:
    dated = {
        "kev": ("2026.03.09", "2026-03-09"),
        "epss": ("", "2026-03-09"),
        "ssvc": ("", ""),
        "cwe/1000": ("4.14", ""),
    }
    rest = [
        unit(name, records, release=dated.get(name, ("2026.1", ""))[0], on=dated.get(name, ("", "2026-01-15"))[1])
        for name, records in others().items()
    ]
    made = unit("attack/enterprise", attack(), read=50, skipped={"relationship": 14, "asset": 2}, refused={"no id": 1})
    put(store, made, *rest)
    return store


def facts_only(store: Path) -> Path:
    slim = [Record(r.id, r.kind, r.name, domain=r.domain, facts=r.facts, links=r.links) for r in attack()]
    put(store, unit("attack/enterprise", slim, facts_only=True))
    return store
