"""The intrusion as a sensor on the wire saw it. Every flow is written down with its stage, as ground truth."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from . import story
from .network_noise import EXECUTABLE, RESOLVER
from .packets import (
    CIPHER_CHANGE,
    Capture,
    End,
    Turn,
    client_hello,
    dns_answer,
    dns_query,
    http_request,
    http_response,
    rpc_bind,
    server_hello,
    smb_tree_connect,
    tls_data,
)
from .site import HOST, SERVERS, WORKSTATIONS, at

VICTIM = HOST[story.VICTIM].address
FILES = HOST[story.FILE_SERVER].address
CONTROLLER = HOST[story.DOMAIN_CONTROLLER].address
_ACTIVATION = bytes.fromhex("a001000000000000c000000000000046")  # IRemoteSCMActivator, how WMI starts
_SERVICES = bytes.fromhex("81bb7a364498f135ad3298f038001003")  # svcctl


class IntrusionFlow(NamedTuple):
    """A flow of the intruder's: the key that joins it to Suricata's alerts."""

    stage: str
    protocol: str
    client: str
    client_port: int
    server: str
    server_port: int


class Intruder:
    """Adds the intruder's conversations to a capture and remembers each."""

    def __init__(self, cap: Capture, rng: Random) -> None:
        self.cap, self.rng = cap, rng
        self.flows: list[IntrusionFlow] = []

    def tcp(self, stage: str, time: float, client: str, server: str, port: int, turns: list[Turn]) -> None:
        end = self._remember(stage, "TCP", client, server, port)
        self.cap.session(time, end, End(server, port), turns)

    def probe(self, stage: str, time: float, client: str, server: str, port: int) -> None:
        self.cap.refused(time, self._remember(stage, "TCP", client, server, port), End(server, port))

    def ask(self, stage: str, time: float, client: str, name: str, answer: str, kind: int = 1) -> None:
        end, ident = self._remember(stage, "UDP", client, RESOLVER, 53), self.rng.randrange(65_536)
        self.cap.udp(time, end, End(RESOLVER, 53), dns_query(ident, name, kind))
        self.cap.udp(time + 0.03, End(RESOLVER, 53), end, dns_answer(ident, name, answer, kind))

    def _remember(self, stage: str, protocol: str, client: str, server: str, port: int) -> End:
        end = End(client, self.cap.port(client))
        self.flows.append(IntrusionFlow(stage, protocol, *end, server, port))
        return end


def _mail(intruder: Intruder) -> None:
    """The letter that brings the document; one more client that calls itself localhost."""
    turns = [
        Turn(False, b"220 mail01.office.test ESMTP Postfix\r\n"),
        Turn(True, b"EHLO localhost\r\n"),
        Turn(False, b"250 mail01.office.test\r\n"),
        Turn(True, f"MAIL FROM:<{story.MAIL_SENDER}>\r\n".encode()),
        Turn(False, b"250 2.1.0 Ok\r\n"),
        Turn(True, f"RCPT TO:<{story.VICTIM_USER}@office.test>\r\n".encode()),
        Turn(False, b"250 2.1.5 Ok\r\n"),
        Turn(True, b"QUIT\r\n"),
    ]
    intruder.tcp("phishing", at("09:38:04"), story.MAIL_RELAY, HOST["mail01"].address, 25, turns)


def _execution(intruder: Intruder) -> None:
    intruder.ask("execution", at("09:41:18"), VICTIM, story.C2_NAME, story.C2_ADDRESS)
    agent = "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.22621.4391"
    program = EXECUTABLE + intruder.rng.randbytes(48_000)
    turns = [
        Turn(True, http_request("GET", story.C2_NAME, "/assets/p.ps1", agent)),
        Turn(False, http_response("200 OK", b"$u='/assets/hpprint.bin'", "text/plain")),
        Turn(True, http_request("GET", story.C2_NAME, "/assets/hpprint.bin", agent), 1.5),
        Turn(False, http_response("200 OK", program, "application/octet-stream")),
    ]
    intruder.tcp("execution", at("09:41:19"), VICTIM, story.C2_ADDRESS, 80, turns)


def _beacon(intruder: Intruder) -> None:
    time, count = at("09:43:07"), 0
    while time < at("16:20"):
        path = f"/api/v2/telemetry/{intruder.rng.randbytes(8).hex()}" if count else story.HTML_PATH
        ask = http_request("POST", story.C2_NAME, path, story.INJECTION_AGENT, body=intruder.rng.randbytes(64))
        turns = [Turn(True, ask), Turn(False, http_response("200 OK", intruder.rng.randbytes(24), "image/gif"))]
        intruder.tcp("beacon", time, VICTIM, story.C2_ADDRESS, 80, turns)
        time, count = time + 300 + intruder.rng.uniform(-25, 25), count + 1


def _discovery(intruder: Intruder) -> None:
    time = at("10:22:10")
    for host in (*SERVERS, *WORKSTATIONS[:8]):
        for port in (135, 445, 3389, 5985):
            time += intruder.rng.uniform(0.3, 0.7)
            intruder.probe("discovery", time, VICTIM, host.address, port)


def _lateral(intruder: Intruder) -> None:
    answer = Turn(False, b"\0\0\0\x10" + bytes(16))
    share = [Turn(True, smb_tree_connect(story.FILE_SERVER, "ADMIN$")), answer]
    intruder.tcp("lateral", at("12:31:08"), VICTIM, FILES, 445, share)
    intruder.tcp("lateral", at("12:31:40"), VICTIM, FILES, 135, [Turn(True, rpc_bind(_ACTIVATION)), answer])
    share = [Turn(True, smb_tree_connect(story.DOMAIN_CONTROLLER, "ADMIN$")), answer]
    intruder.tcp("lateral", at("13:44:51"), FILES, CONTROLLER, 445, share)
    intruder.tcp("lateral", at("13:45:02"), FILES, CONTROLLER, 135, [Turn(True, rpc_bind(_SERVICES)), answer])
    intruder.tcp("lateral", at("13:45:19"), FILES, CONTROLLER, 135, [Turn(True, rpc_bind(_ACTIVATION)), answer])


def _exfiltration(intruder: Intruder) -> None:
    time, rng = at("15:28:30"), intruder.rng
    for number in range(190):
        name = f"{number:04x}{rng.randbytes(27).hex()}.{rng.randbytes(20).hex()}.{story.TUNNEL_DOMAIN}"
        intruder.ask("exfiltration", time, FILES, name, "ok", kind=16)
        time += rng.uniform(2, 7)
    intruder.ask("exfiltration", at("15:52:59"), FILES, story.EXFIL_NAME, story.EXFIL_ADDRESS)
    for clock, size in (("15:53:00", 900_000), ("16:07:30", 1_400_000)):
        turns = [
            Turn(True, client_hello(story.EXFIL_NAME, rng)),
            Turn(False, server_hello(rng)),
            Turn(True, CIPHER_CHANGE + tls_data(size, rng)),
            Turn(False, tls_data(60, rng)),
        ]
        intruder.tcp("exfiltration", at(clock), FILES, story.EXFIL_ADDRESS, 443, turns)


STEPS: tuple[Callable[[Intruder], None], ...] = (
    _mail,
    _execution,
    _beacon,
    _discovery,
    _lateral,
    _exfiltration,
)
