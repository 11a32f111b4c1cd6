"""Queues to look at: empty, one case, a busy two days, hostile text, and ten thousand cases."""

from __future__ import annotations

from vedette.types import (
    Background,
    Case,
    Counts,
    Evidence,
    Helps,
    InferredTechnique,
    Kind,
    KnownGroup,
    KnownMitigation,
    KnownTactic,
    KnownTechnique,
    Observable,
    Queue,
    Reason,
    Rejected,
    Role,
    Severity,
    TextKind,
    UntrustedText,
    Verdict,
)

MIDNIGHT = 1_763_596_800_000  # 2025-11-20 00:00 UTC
MINUTE = 60_000
MODEL = "vedette-triage 1 sha256 3f9c0a4be7d1"
KNOWLEDGE = "ATT&CK 18.1, 2025-11-12, content 0123456789ab"
EXPERTS = "experts 0123456789ab"

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><script>alert(2)</script>",
    "</title></svg><script>alert(3)</script>",
    "javascript:alert(4)",
    "[click](javascript:alert(5)) ![x](http://evil.example/x.png)",
    "`` ` | <b>bold</b> | https://evil.example www.evil.example a@evil.example @admin #1",
    "\x1b[2J\x1b]0;owned\x07\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "invoice\u202egnp.exe \u200b\ufeff\u2066\u2069 \x85\x9b31m",
    "=cmd|' /C calc'!A0",
    "x;=cmd|' /C calc'!A0",
    "\t=1+1",
    "+1\r\n-1",
    "unpaired \ud800 surrogate",
    "[bold red]rich[/] [link=http://evil.example]markup[/link] :skull:",
    "&lt;script&gt; &#x3c;",
    "a" * 5_000,
)


def evidence(n: int = 1, minute: int = 540, **changes: object) -> Evidence:
    fields: dict[str, object] = {
        "ref": f"alerts.json:{n}",
        "time": MIDNIGHT + minute * MINUTE,
        "product": "Wazuh",
        "rule_uid": "5712",
        "rule_name": "sshd: brute force trying to get access to the system",
        "severity": Severity.HIGH,
        "host": "web01",
        "observables": (
            Observable(Role.HOST, Kind.HOSTNAME, "web01"),
            Observable(Role.SRC, Kind.IP, "203.0.113.7"),
        ),
        "texts": (UntrustedText(TextKind.USER_NAME, "admin"),),
        "techniques": ("T1110.001",),
        "tactic": "credential-access",
        "count": 214,
        "first": MIDNIGHT + minute * MINUTE,
        "last": MIDNIGHT + (minute + 40) * MINUTE,
        "points": 2.4,
    }
    return Evidence(**{**fields, **changes})  # type: ignore[arg-type]


def background(**changes: object) -> Background:
    """Made up: a newer release that calls T1110.001 and the tactic of execution otherwise."""
    techniques = (
        ("T1110.001", "active", "Brute Force: Guessing of Passwords", ""),
        ("T1086", "revoked", "Command and Scripting Interpreter: PowerShell", "T1059.001"),
        ("T1071.004", "active", "Application Layer Protocol: DNS", ""),
        ("T9999", "unverified", "", ""),
    )
    stated, inferred = Helps(technique="T1086"), Helps(technique="T1110.001", by="T1110")
    fields: dict[str, object] = {
        "knowledge": KNOWLEDGE,
        "tactics": (KnownTactic(short_name="execution", id="TA0002", name="Execution of Code"),),
        "techniques": tuple(
            KnownTechnique(id=uid, status=status, name=name, replaced_by=now) for uid, status, name, now in techniques
        ),
        "mitigations": (
            KnownMitigation(id="M1026", name="Privileged Account Management", helps=(inferred, stated)),
            KnownMitigation(id="M1032", name="Multi-factor Authentication", helps=(inferred,)),
            KnownMitigation(id="M1036", name="Account Use Policies", helps=(Helps(technique="T1110.001"),)),
            KnownMitigation(id="M1038", name="Execution Prevention", helps=(stated,)),
        ),
        "other_mitigations": 11,
        "groups": (
            KnownGroup(
                id="G0007",
                name="APT28",
                aliases=("IRON TWILIGHT", "SNAKEMACKEREL", "Swallowtail"),
                uses=("T1110.001", "T1086"),
            ),
            KnownGroup(id="G9998", name="Group without another name", aliases=(), uses=("T1110.001", "T1071.004")),
        ),
        "other_groups": 32,
        "inferred": (
            inferred_technique(
                "T1568.002", "Dynamic Resolution: Domain Generation Algorithms", 0.83, "ET INFO DNS Query to .cloud"
            ),
            inferred_technique("T1132", "Data Encoding", 0.51, "Powershell started with a long command"),
        ),
        "inferred_by": EXPERTS,
    }
    return Background(**{**fields, **changes})  # type: ignore[arg-type]


def inferred_technique(uid: str, name: str, probability: float, rule: str) -> InferredTechnique:
    known = KnownTechnique(id=uid, status="active", name=name)
    return InferredTechnique(known=known, probability=probability, rule=rule)


def case(**changes: object) -> Case:
    lines = (
        evidence(1),
        evidence(
            7,
            602,
            product="Suricata",
            rule_uid="2027865",
            rule_name="ET INFO Observed DNS Query to .cloud TLD",
            severity=Severity.MEDIUM,
            texts=(UntrustedText(TextKind.DNS_NAME, "cdn-4.update-service.cloud"),),
            techniques=("T1071.004",),
            tactic="command-and-control",
            count=31,
            points=1.1,
            context=("tls: version 1.3, 4,120 bytes to server, 88,310 to client",),
        ),
        evidence(
            9,
            611,
            rule_uid="100201",
            rule_name="Powershell started with an encoded command",
            severity=Severity.CRITICAL,
            texts=(UntrustedText(TextKind.COMMAND_LINE, "powershell.exe -nop -w hidden -enc SQBFAFgAIAAoAE4AZQB3"),),
            techniques=("T1086", "T9999"),
            tactic="execution",
            count=2,
            points=1.9,
        ),
    )
    fields: dict[str, object] = {
        "id": "2025-11-20-9f2c41aa",
        "day": "2025-11-20",
        "rank": 1,
        "verdict": Verdict.ESCALATE,
        "probability": 0.972,
        "masked_probability": 0.941,
        "severity": Severity.CRITICAL,
        "title": "Password guessing, then an encoded PowerShell command on web01",
        "summary": "214 failed logins from 203.0.113.7 were followed within 31 minutes by an encoded PowerShell "
        "command and by DNS queries for a name that no other host asked for.",
        "hosts": ("web01", "dc01"),
        "observables": (Observable(Role.SRC, Kind.IP, "203.0.113.7"), Observable(Role.ACTOR, Kind.USER, "svc-web")),
        "first": MIDNIGHT + 540 * MINUTE,
        "last": MIDNIGHT + 692 * MINUTE,
        "alerts": 247,
        "duplicates": 12,
        "tactics": ("execution", "credential-access", "command-and-control"),
        "techniques": ("T1110.001", "T1086", "T1071.004", "T9999"),
        "reasons": (
            Reason(
                feature="tactics",
                text="Three tactics follow one another on one host within three hours.",
                points=2.9,
                share=0.48,
                refs=("alerts.json:1", "alerts.json:9"),
            ),
            Reason(
                feature="rare_rule",
                text="Rule 100201 fired on this host for the first time in 30 days.",
                points=1.9,
                share=0.32,
                refs=("alerts.json:9",),
            ),
            Reason(
                feature="volume",
                text="214 alerts of one rule from one source.",
                points=1.2,
                share=0.2,
                refs=("alerts.json:1", "alerts.json:214"),
            ),
        ),
        "evidence": lines,
        "timeline": tuple(
            (MIDNIGHT + (540 + 5 * slot) * MINUTE, number, tactic)
            for slot, number, tactic in (
                (0, 90, "credential-access"),
                (1, 60, "credential-access"),
                (2, 44, "credential-access"),
                (7, 20, "credential-access"),
                (12, 6, "command-and-control"),
                (14, 2, "execution"),
                (15, 9, "command-and-control"),
                (22, 7, "command-and-control"),
                (30, 9, ""),
            )
        ),
        "next_steps": (
            "Isolate web01 from the network, but leave it running: memory may hold the decoded command.",
            "Decode the command line of alerts.json:9 and search all hosts for it.",
            "Reset the password of svc-web and end its sessions.",
        ),
        "background": background(),
    }
    return Case(**{**fields, **changes})  # type: ignore[arg-type]


def queue(cases: tuple[Case, ...], **changes: object) -> Queue:
    days = sorted({c.day for c in cases})
    alerts, copies = sum(c.alerts for c in cases), sum(c.duplicates for c in cases)
    fields: dict[str, object] = {
        "cases": cases,
        "counts": Counts(
            read=alerts + copies + 5_003, in_cases=alerts, duplicates=copies, rejected=3, context=4_000, ignored=1_000
        ),
        "days": tuple(
            (day, sum(c.day == day for c in cases), sum(c.day == day and c.verdict == "escalate" for c in cases))
            for day in days
        ),
        "rejects": (
            Rejected(
                ref="alerts.json:4711",
                reason="not valid JSON: unexpected end of data",
                remedy="the file was cut: copy it again",
                excerpt='{"timestamp":"2025-11-20T09:1',
                size=30,
            ),
        ),
        "reject_file": "vedette-out/rejected.jsonl",
        "model": MODEL,
        "knowledge": KNOWLEDGE,
        "experts": EXPERTS,
    }
    return Queue(**{**fields, **changes})  # type: ignore[arg-type]


def empty() -> Queue:
    return Queue(cases=(), counts=Counts(), days=(), rejects=(), reject_file="", model=MODEL)


def one() -> Queue:
    return queue((case(),))


_BUSY = (
    # verdict, probability, severity, title, hosts, alerts, tactics
    ("escalate", 0.972, 5, "", ("web01", "dc01"), 247, ()),
    ("escalate", 0.913, 4, "Kerberos tickets requested for 41 service accounts", ("dc01",), 63, ("credential-access",)),
    ("investigate", 0.64, 4, "Outbound SMB from a workstation", ("ws-114",), 18, ("lateral-movement", "exfiltration")),
    ("investigate", 0.51, 3, "Web shell signature on an upload folder", ("web02", "web03"), 9, ("persistence",)),
    ("undecided", 0.34, 3, "New local administrator", ("ws-031",), 2, ("persistence", "privilege-escalation")),
    ("undecided", 0.22, 2, "Scan of 1,022 ports from the guest network", ("fw01",), 1_022, ("discovery",)),
    ("likely_benign", 0.04, 2, "Vulnerability scanner's weekly run", ("scan01", "web01", "web02", "db01"), 18_404, ()),
    ("likely_benign", 0.003, 1, "Agent restarted after an update", ("ws-002",), 1, ()),
)


def busy() -> Queue:
    """Two days, every verdict, a continued, an excused and a closed case, notes."""
    first = tuple(_variant(n, row) for n, row in enumerate(_BUSY, 1))
    carried = case(
        id="2025-11-21-1b00c2d4",
        day="2025-11-21",
        continues="2025-11-20-9f2c41aa",
        title="Large upload from web01 to an address that is new",
        hosts=("web01",),
        first=MIDNIGHT + 1_500 * MINUTE,
        last=MIDNIGHT + 1_500 * MINUTE,
        alerts=1,
        duplicates=0,
        tactics=("exfiltration", "inhibit-response-function"),
        timeline=((MIDNIGHT + 1_500 * MINUTE, 1, "exfiltration"),),
    )
    notes = (
        "The clock of ws-114 is 41 minutes ahead: its alerts are shown at the time that it wrote.",
        "No owner's assets file was given: every host counts the same.",
    )
    return queue((first[0], carried, *first[1:]), notes=notes)


def _variant(rank: int, row: tuple[str, float, int, str, tuple[str, ...], int, tuple[str, ...]]) -> Case:
    verdict, probability, severity, title, hosts, alerts, tactics = row
    base = {
        "id": f"2025-11-20-{rank:08x}" if title else "2025-11-20-9f2c41aa",
        "rank": rank,
        "verdict": Verdict(verdict),
        "probability": probability,
        "masked_probability": round(probability * 0.9, 3),
        "severity": Severity(severity),
        "hosts": hosts,
        "alerts": alerts,
        "closed": "miss bound 0.5 % allows closing below 1 %" if probability < 0.01 else "",
        "excused": ("scan01 is the scanner: security team, until 2026-01-31",) if "scan01" in hosts else (),
    }
    return case(**base, **({"title": title, "tactics": tactics} if title else {}))


def hostile() -> Queue:
    """Attacker's text in every field that can carry some, at once."""
    cases = tuple(_hostile_case(n, text) for n, text in enumerate(HOSTILE, 1))
    rejects = tuple(Rejected(ref=text, reason=text, remedy=text, excerpt=text) for text in HOSTILE)
    return queue(cases, rejects=rejects, notes=HOSTILE, reject_file=HOSTILE[1], model=HOSTILE[0], knowledge=HOSTILE[2])


def _hostile_case(rank: int, text: str) -> Case:
    seen = (Observable(Role.SRC, Kind.HOSTNAME, text),)
    item = evidence(
        rank,
        ref=text,
        product=text,
        rule_uid=text,
        rule_name=text,
        host=text,
        observables=seen,
        texts=tuple(UntrustedText(kind, text) for kind in (TextKind.URL, TextKind.COMMAND_LINE)),
        techniques=(text,),
        tactic=text,
        context=(text,),
    )
    return case(
        id=text,
        rank=rank,
        title=text,
        summary=text,
        hosts=(text,),
        observables=seen,
        tactics=(text, "impact"),
        techniques=(text,),
        reasons=(Reason(feature=text, text=text, points=1, share=1, refs=(text, "elsewhere")),),
        evidence=(item,),
        timeline=((MIDNIGHT, 3, text), (MIDNIGHT + MINUTE, 1, "")),
        next_steps=(text,),
        excused=(text,),
        continues=text,
        closed=text,
        background=Background(
            knowledge=text,
            tactics=(KnownTactic(short_name="impact", id=text, name=text),),
            techniques=(KnownTechnique(id=text, status=text, name=text),),
            mitigations=(KnownMitigation(id=text, name=text, helps=(Helps(technique=text, by=text),)),),
            other_mitigations=0,
            groups=(KnownGroup(id=text, name=text, aliases=(text, text), uses=(text,)),),
            other_groups=1,
            inferred=(inferred_technique(text, text, 0.5, text),),
            inferred_by=text,
        ),
    )


def many(number: int = 10_000) -> Queue:
    """Ten days of a thousand cases each."""
    verdicts = [verdict for verdict, share in zip(Verdict, (1, 4, 15, 80), strict=True) for _ in range(share)]
    ladder = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)
    cases = []
    for n in range(number):
        verdict = verdicts[n * 100 // number]
        day = n % 10
        cases.append(
            case(
                id=f"2025-11-{20 + day}-{n:08x}",
                day=f"2025-11-{20 + day}",
                rank=n // 10 + 1,
                verdict=verdict,
                probability=round(0.99 * (1 - n / number), 4),
                masked_probability=round(0.98 * (1 - n / number), 4),
                severity=ladder[n * 4 // number],
                title=f"Case number {n:,} on ws-{n % 500:03d}",
                hosts=(f"ws-{n % 500:03d}",),
                alerts=1 + n * 7_919 % 977,
                first=MIDNIGHT + day * 1_440 * MINUTE,
                last=MIDNIGHT + (day * 1_440 + n % 1_400) * MINUTE,
            )
        )
    return queue(tuple(cases))


QUEUES = {"empty": empty, "one": one, "busy": busy, "hostile": hostile}
