"""Packets and capture files from the standard library: Ethernet, IPv4, TCP sessions, UDP, DNS, TLS hellos, SMB2.

Layouts follow RFC 791, 793, 768, 1035, 5246, 6066 and MS-SMB2; pcap is the classic microsecond format.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from random import Random
from typing import NamedTuple

SYN, RST, FIN, PSH, ACK = 0x02, 0x04, 0x01, 0x08, 0x10
CIPHER_CHANGE = b"\x14\x03\x03\0\x01\x01"
_SESSION = b"\x20" + bytes(range(32))  # id of the TLS session that both sides resume
SEGMENT = 1_400  # bytes of payload in one TCP segment


class End(NamedTuple):
    """One end of a conversation."""

    address: str
    port: int


class Turn(NamedTuple):
    """Bytes that one side sends, `delay` seconds after the turn before."""

    from_client: bool
    data: bytes
    delay: float = 0.02


def checksum(data: bytes) -> int:
    """RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _mac(address: str) -> bytes:
    return b"\x02\x00" + IPv4Address(address).packed


def _frame(src: str, dst: str, protocol: int, body: bytes, ident: int) -> bytes:
    packed = IPv4Address(src).packed + IPv4Address(dst).packed
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), ident & 0xFFFF, 0x4000, 64, protocol, 0)
    head = head[:10] + struct.pack("!H", checksum(head + packed)) + packed
    return _mac(dst) + _mac(src) + b"\x08\x00" + head + body


def _pseudo(src: str, dst: str, protocol: int, length: int) -> bytes:
    return IPv4Address(src).packed + IPv4Address(dst).packed + struct.pack("!BBH", 0, protocol, length)


class Capture:
    """Packets of one day, written in the order of their times."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._packets: list[tuple[float, int, bytes]] = []
        self._ports: dict[str, int] = {}

    def port(self, address: str) -> int:
        """The next ephemeral port of that address; none is given out twice before 16,000 are used."""
        used = self._ports.get(address, self._random.randrange(16_000))
        self._ports[address] = used + 1
        return 49_152 + used % 16_000

    def udp(self, time: float, src: End, dst: End, data: bytes) -> None:
        head = struct.pack("!HHHH", src.port, dst.port, 8 + len(data), 0)
        value = checksum(_pseudo(src.address, dst.address, 17, 8 + len(data)) + head + data) or 0xFFFF
        self._add(time, src.address, dst.address, 17, head[:6] + struct.pack("!H", value) + data)

    def tcp(self, time: float, src: End, dst: End, flags: int, seq: int, ack: int, data: bytes = b"") -> None:
        head = struct.pack("!HHIIBBHHH", src.port, dst.port, seq, ack, 0x50, flags, 64_240, 0, 0)
        value = checksum(_pseudo(src.address, dst.address, 6, 20 + len(data)) + head + data)
        self._add(time, src.address, dst.address, 6, head[:16] + struct.pack("!H", value) + head[18:] + data)

    def session(self, time: float, client: End, server: End, turns: Iterable[Turn]) -> float:
        """A whole TCP conversation with handshake, acknowledgements and orderly end; returns when it ended."""
        seq = {True: self._random.getrandbits(31), False: self._random.getrandbits(31)}
        ends = {True: client, False: server}
        self.tcp(time, client, server, SYN, seq[True], 0)
        self.tcp(time + 0.004, server, client, SYN | ACK, seq[False], seq[True] + 1)
        seq = {side: value + 1 for side, value in seq.items()}
        time += 0.008
        self.tcp(time, client, server, ACK, seq[True], seq[False])
        for side, data, delay in turns:
            time += delay
            for start in range(0, len(data), SEGMENT):
                part = data[start : start + SEGMENT]
                self.tcp(time, ends[side], ends[not side], PSH | ACK, seq[side], seq[not side], part)
                seq[side] += len(part)
                time += 0.0004
            self.tcp(time + 0.001, ends[not side], ends[side], ACK, seq[not side], seq[side])
            time += 0.002
        for side in (True, False):
            time += 0.003
            self.tcp(time, ends[side], ends[not side], FIN | ACK, seq[side], seq[not side])
            seq[side] += 1
        self.tcp(time + 0.003, client, server, ACK, seq[True], seq[False])
        return time

    def refused(self, time: float, client: End, server: End) -> None:
        """A SYN that is answered by a reset."""
        seq = self._random.getrandbits(31)
        self.tcp(time, client, server, SYN, seq, 0)
        self.tcp(time + 0.002, server, client, RST | ACK, 0, seq + 1)

    def write(self, path: Path) -> int:
        """Write the capture; returns the number of packets."""
        self._packets.sort()
        with path.open("wb") as out:
            out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1))
            for time, _, data in self._packets:
                micros = round(time * 1_000_000)
                out.write(struct.pack("<IIII", micros // 1_000_000, micros % 1_000_000, len(data), len(data)))
                out.write(data)
        return len(self._packets)

    def _add(self, time: float, src: str, dst: str, protocol: int, body: bytes) -> None:
        number = len(self._packets)
        self._packets.append((time, number, _frame(src, dst, protocol, body, number)))


def http_request(method: str, host: str, path: str, agent: str, *, body: bytes = b"", extra: str = "") -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if body or method == "POST" else ""
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\nAccept: */*\r\n{extra}{length}\r\n"
    return head.encode() + body


def http_response(status: str, body: bytes = b"", kind: str = "text/html") -> bytes:
    head = f"HTTP/1.1 {status}\r\nServer: nginx\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _labels(name: str) -> bytes:
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


def dns_query(ident: int, name: str, kind: int = 1) -> bytes:
    return struct.pack("!HHHHHH", ident, 0x0100, 1, 0, 0, 0) + _labels(name) + struct.pack("!HH", kind, 1)


def dns_answer(ident: int, name: str, address: str | None, kind: int = 1) -> bytes:
    """The answer with one A (or TXT) record, or NXDOMAIN where `address` is None."""
    flags, count = (0x8180, 1) if address else (0x8183, 0)
    packet = struct.pack("!HHHHHH", ident, flags, 1, count, 0, 0) + _labels(name) + struct.pack("!HH", kind, 1)
    if address is None:
        return packet
    data = IPv4Address(address).packed if kind == 1 else bytes([len(address)]) + address.encode()
    return packet + struct.pack("!HHHIH", 0xC00C, kind, 1, 300, len(data)) + data


def client_hello(name: str, random: Random) -> bytes:
    """A TLS 1.2 ClientHello with the server's name in it (RFC 6066)."""
    host = name.encode()
    entry = b"\0" + struct.pack("!H", len(host)) + host
    listed = struct.pack("!H", len(entry)) + entry
    extensions = struct.pack("!HH", 0, len(listed)) + listed + bytes.fromhex("000a00040002001d") + b"\0\x17\0\0"
    ciphers: Sequence[int] = (0xC02F, 0xC030, 0xC02B, 0x009C)
    body = b"\x03\x03" + random.randbytes(32) + _SESSION + struct.pack("!H", 2 * len(ciphers))
    body += b"".join(struct.pack("!H", cipher) for cipher in ciphers) + b"\x01\0"
    body += struct.pack("!H", len(extensions)) + extensions
    return _record(b"\x01" + len(body).to_bytes(3, "big") + body)


def server_hello(random: Random) -> bytes:
    """The server resumes a session, so no certificate follows."""
    body = b"\x03\x03" + random.randbytes(32) + _SESSION + b"\xc0\x2f\0"
    return _record(b"\x02" + len(body).to_bytes(3, "big") + body) + CIPHER_CHANGE + b"\x16\x03\x03\0\x28" + bytes(40)


def tls_data(size: int, random: Random) -> bytes:
    """`size` bytes of application data in records of at most 16,000 bytes."""
    parts = [min(16_000, size - start) for start in range(0, size, 16_000)]
    return b"".join(b"\x17\x03\x03" + struct.pack("!H", part) + random.randbytes(part) for part in parts)


def smb_tree_connect(server: str, share: str) -> bytes:
    """An SMB2 TREE_CONNECT request for `\\\\server\\share`."""
    path = f"\\\\{server}\\{share}".encode("utf-16-le")
    header = b"\xfeSMB" + struct.pack("<HHIHHIIQIIQ", 64, 1, 0, 3, 31, 0, 0, 3, 0xFEFF, 0, 0x400000000001) + bytes(16)
    packet = header + struct.pack("<HHHH", 9, 0, 72, len(path)) + path
    return struct.pack("!I", len(packet)) + packet


def rpc_bind(interface: bytes) -> bytes:
    """A DCE/RPC bind to one interface (16 bytes, little-endian UUID), NDR transfer syntax."""
    ndr = bytes.fromhex("045d888aeb1cc9119fe808002b104860") + struct.pack("<I", 2)
    items = struct.pack("<HHIB3xHBx", 5840, 5840, 0, 1, 0, 1) + interface + struct.pack("<I", 0) + ndr
    return struct.pack("<BBBBIHHI", 5, 0, 11, 3, 0x10, 16 + len(items), 0, 1) + items


def _record(handshake: bytes) -> bytes:
    return b"\x16\x03\x01" + struct.pack("!H", len(handshake)) + handshake
