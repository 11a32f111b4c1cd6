"""The typed records that travel through Vedette. Names follow OCSF where it has one.

Two kinds of text are kept apart by type. `Observable` holds what a sensor vouches for (addresses,
host names of agents, users, hashes). `UntrustedText` holds what an attacker can write (URLs, user
agents, command lines, names in DNS, mail subjects): it may raise a verdict, it never lowers one,
and nothing is grouped, excused or closed because of it.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from hashlib import blake2b

import msgspec


class Severity(IntEnum):
    """OCSF `severity_id`."""

    UNKNOWN = 0
    INFORMATIONAL = 1
    LOW = 2
    MEDIUM = 3
    HIGH = 4
    CRITICAL = 5


class Role(StrEnum):
    """How an observable took part in the event."""

    HOST = "host"  # the device that the alert is about or was seen on
    SRC = "src"  # where the activity came from
    DST = "dst"  # where it went
    ACTOR = "actor"  # the user or process that acted
    TARGET = "target"  # the user, file or process acted upon


class Kind(StrEnum):
    """OCSF observable types that sensors vouch for."""

    HOSTNAME = "hostname"
    IP = "ip"
    USER = "user"
    HASH = "hash"
    PROCESS = "process"  # the image path as the sensor saw it run
    MAC = "mac"


class TextKind(StrEnum):
    """Fields whose content an attacker can write."""

    URL = "url"
    USER_AGENT = "user_agent"
    COMMAND_LINE = "command_line"
    DNS_NAME = "dns_name"
    TLS_NAME = "tls_name"
    HTTP_HOST = "http_host"
    MAIL_SUBJECT = "mail_subject"
    MAIL_ADDRESS = "mail_address"
    FILE_NAME = "file_name"
    USER_NAME = "user_name"  # a name somebody tried to log in with
    LOG_LINE = "log_line"
    OTHER = "other"


class Observable(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Something a sensor vouches for, and the part that it played."""

    role: Role
    kind: Kind
    value: str


class UntrustedText(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Text that an attacker may have written. Data, never an instruction, never a reason to relax."""

    kind: TextKind
    value: str


class Alert(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One alert of one sensor, whatever its format was."""

    time: int  # milliseconds since 1970-01-01 UTC
    product: str  # "Wazuh", "Suricata", …
    rule_uid: str  # the product's id of the rule; its name where it has none
    rule_name: str  # written by the rule's author, with any interpolated event text removed or kept as text
    ref: str  # file:line, or the document's id: the way back to the raw record
    severity: Severity = Severity.UNKNOWN
    observables: tuple[Observable, ...] = ()
    texts: tuple[UntrustedText, ...] = ()
    techniques: tuple[str, ...] = ()  # ATT&CK ids as the rule states them, not yet verified
    tactics: tuple[str, ...] = ()  # ATT&CK tactic short names as the rule states them
    uid: str = ""  # the sensor's own id of this alert, "" where it has none
    flow: str = ""  # id of the network flow, joins `Context` records

    def fingerprint(self) -> bytes:
        """16 bytes that are equal for two copies of one alert, wherever they were read."""
        if self.uid:  # with the rule: two rules that fire on one event may both carry that event's id
            name = f"{self.product}\0{self.rule_uid}\0{self.uid}"
            return blake2b(name.encode("utf-8", "replace"), digest_size=16).digest()
        content = (self.time, self.product, self.rule_uid, self.rule_name, self.observables, self.texts, self.flow)
        return blake2b(_encode(content), digest_size=16).digest()


class Context(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A record that is no alert but explains some: what else the sensor saw in the same flow."""

    time: int  # milliseconds since 1970-01-01 UTC
    flow: str
    kind: str  # "http", "dns", "tls", "flow", …
    ref: str
    facts: tuple[tuple[str, str], ...] = ()  # vouched for by the sensor: byte counts, status, versions
    texts: tuple[UntrustedText, ...] = ()


class Rejected(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A record that could not be used. It is counted, kept in the side file and shown."""

    ref: str
    reason: str
    remedy: str
    excerpt: str = ""  # the beginning of the raw record, at most `EXCERPT` characters
    size: int = 0  # bytes of the whole raw record
    sha256: str = ""  # of the whole raw record


EXCERPT = 2_000

_encode = msgspec.msgpack.Encoder().encode


class Position(msgspec.Struct, frozen=True):
    """How far a stream was read: everything before `offset` is accounted for."""

    stream: str  # key that names the stream by its content, not by its place (see `connect.read`)
    offset: int = 0  # bytes of the decompressed stream
    line: int = 0  # lines or records before `offset`


class Chunk(msgspec.Struct):
    """Some consecutive records of one stream. A reader yields them, a state commits each whole."""

    end: Position
    name: str  # the stream's name as printed in refs
    alerts: list[Alert] = []
    contexts: list[Context] = []
    rejected: list[Rejected] = []
    ignored: int = 0  # well-formed records that are neither alert nor context (statistics, heartbeats)


class Verdict(StrEnum):
    """What triage advises. Advice only: nothing is closed unless the owner set a miss bound."""

    ESCALATE = "escalate"
    INVESTIGATE = "investigate"
    UNDECIDED = "undecided"
    LIKELY_BENIGN = "likely_benign"


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One line of evidence: an alert, and how many like it stand behind it."""

    ref: str  # the alert shown; `file:line` or document id
    time: int  # of that alert, milliseconds UTC
    product: str
    rule_uid: str
    rule_name: str
    severity: Severity
    host: str  # the device concerned
    observables: tuple[Observable, ...] = ()
    texts: tuple[UntrustedText, ...] = ()
    techniques: tuple[str, ...] = ()  # ids; "unverified" is added by the view where the id is unknown
    tactic: str = ""  # ATT&CK tactic short name, "" where none is known
    count: int = 1  # alerts of this rule on this host in this case
    first: int = 0  # milliseconds UTC of the earliest and latest of them
    last: int = 0
    points: float = 0.0  # log-odds that this line brings to the case
    context: tuple[str, ...] = ()  # what else the sensor saw in the same flow


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One term of the score."""

    feature: str  # name of the term in the model
    text: str  # one sentence for the analyst
    points: float  # log-odds, its weight × value
    share: float  # of the sum of all positive points, 0–1
    refs: tuple[str, ...]  # evidence that the term rests on, at least one


NO_ATTRIBUTION = "this is no attribution"


class KnownTactic(msgspec.Struct, frozen=True, kw_only=True):
    short_name: str
    id: str
    name: str


class KnownTechnique(msgspec.Struct, frozen=True, kw_only=True):
    """A technique that the rules state, as the knowledge store describes it."""

    id: str  # as stated
    status: str  # "active", "deprecated", "revoked", or "unverified": nothing that is known has this id
    name: str = ""  # with its parent's, as "OS Credential Dumping: LSASS Memory"; that of `replaced_by` where it is set
    replaced_by: str = ""  # the id in force today, where this one was revoked
    tactics: tuple[str, ...] = ()  # short names


class Helps(msgspec.Struct, frozen=True, kw_only=True):
    """That a mitigation helps against a technique of the case."""

    technique: str
    by: str = ""  # the parent that it is stated for, where it is not stated for the sub-technique itself


class KnownMitigation(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    helps: tuple[Helps, ...]


class KnownGroup(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    aliases: tuple[str, ...]  # at most three
    uses: tuple[str, ...]  # techniques of the case; a sub-technique counts for its parent


class InferredTechnique(msgspec.Struct, frozen=True, kw_only=True):
    """A technique that no rule of the case states: the experts read it in the text of a rule that states none."""

    known: KnownTechnique
    probability: float  # 0–1, to two places
    rule: str  # the rule's text


class Background(msgspec.Struct, frozen=True, kw_only=True):
    """What is publicly known about a case's techniques. Nothing of it bears on verdict or probability."""

    knowledge: str  # release, date and content of what it was looked up in
    tactics: tuple[KnownTactic, ...]
    techniques: tuple[KnownTechnique, ...]  # those of the case, in its order
    mitigations: tuple[KnownMitigation, ...]  # at most five, those that help against most of the techniques first
    other_mitigations: int  # that are not listed
    groups: tuple[KnownGroup, ...]  # at most three, those that share most and the most unusual techniques first
    other_groups: int  # that use as many of the techniques as a listed one has to, and are not listed
    caution: str = f"groups are known to use these techniques, too; {NO_ATTRIBUTION}"
    inferred: tuple[InferredTechnique, ...] = ()  # at most five, the surest first; nothing else here follows from them
    inferred_by: str = ""  # name and sha256 of the experts' weights


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What a language model adds, after every check that `guard.verify` has."""

    text: str  # plain words, one line
    refs: tuple[str, ...]  # evidence that it rests on, at least one
    quote: str = ""  # word for word from one of them
    untrusted: bool = False  # an attacker may have written the quote


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """All that is needed to ask the same again. What a server does not say is empty."""

    spec: str  # how the model was named: "gguf/…", an address
    model: str
    backend: str
    sha256: str  # of the weights
    quantisation: str
    template: str  # sha256 of the chat template
    adapter: str
    prompt: str  # sha256 of the prompt files
    shown: str  # sha256 of what was shown to the model, apart from the mark
    mark: str  # of the fences of this call
    seed: int
    redacted: bool
    tokens_in: int
    tokens_out: int


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Words of a language model about a finding. They change nothing of it."""

    claims: tuple[Claim, ...] = ()
    raise_to: str = ""  # a higher verdict that verified evidence beyond the decision's speaks for; "" where none does
    dropped: tuple[tuple[str, int], ...] = ()  # why, how many sentences
    unread: tuple[str, ...] = ()  # refs of evidence that did not fit the context, whole or in part
    note: str = ""  # why there is nothing, or less
    by: Provenance | None = None


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts of one day that belong together: the finding of the triage skill."""

    id: str  # stable while the first alert of the case stays the same
    day: str  # YYYY-MM-DD, UTC
    rank: int  # 1 = first in its day's queue
    verdict: Verdict
    probability: float  # calibrated, that this is an attack
    masked_probability: float  # the same with attacker-written text masked; the higher one is `probability`
    severity: Severity  # harm if it is one; apart from how sure we are
    title: str
    summary: str
    hosts: tuple[str, ...]
    observables: tuple[Observable, ...]
    first: int  # milliseconds UTC
    last: int
    alerts: int  # alerts that it holds
    duplicates: int  # copies of them that were read and not counted again
    tactics: tuple[str, ...]  # short names, in the order of the attack
    techniques: tuple[str, ...]
    reasons: tuple[Reason, ...]
    evidence: tuple[Evidence, ...]  # at most 12, strongest first
    timeline: tuple[tuple[int, int, str], ...]  # (milliseconds UTC, alerts in that slot, tactic or "")
    next_steps: tuple[str, ...]
    excused: tuple[str, ...] = ()  # owner's exceptions that apply, with reason and expiry
    continues: str = ""  # id of the case of the day before that it carries on
    closed: str = ""  # why the owner's miss bound closed it, "" where it stays open
    background: Background | None = None  # added when the queue is shown, None where nothing could be looked up
    explanation: Explanation | None = None  # by a language model, where one was asked; no part of the decision


class Counts(msgspec.Struct, kw_only=True):
    """The balance of a run: read = alerts in cases + duplicates + rejected + context + ignored."""

    read: int = 0
    in_cases: int = 0
    duplicates: int = 0
    rejected: int = 0
    context: int = 0
    ignored: int = 0


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """What triage returns."""

    cases: tuple[Case, ...]  # ranked over all days
    counts: Counts
    days: tuple[tuple[str, int, int], ...]  # (day, cases, of these escalated)
    rejects: tuple[Rejected, ...]  # the first ones; all of them are in the side file
    reject_file: str
    model: str  # name and sha256 of the weights
    notes: tuple[str, ...] = ()  # what the analyst has to know about this run
    knowledge: str = ""  # release, date and content of what the cases' background was looked up in
    experts: str = ""  # name and sha256 of the weights that read rules which state no technique; "" where none did
