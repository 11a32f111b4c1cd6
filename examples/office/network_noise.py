"""The harmless part of the network: browsing, updates, polls, strangers at the door, the nightly scan."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

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
    server_hello,
    smb_tree_connect,
    tls_data,
)
from .site import (
    HOST,
    LINUX,
    SERVERS,
    SPAMMERS,
    STORAGE_CLOUD,
    STRANGERS,
    UPDATE_MIRROR,
    VENDOR_CLOUD,
    VISITORS,
    WINDOWS,
    WORKSTATIONS,
    at,
)

RESOLVER = HOST["dns01"].address
WEB = HOST["web01"].address
BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:135.0) Gecko/20100101 Firefox/135.0"
EXECUTABLE = b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00\xb8" + bytes(43) + b"\x80\x00\x00\x00"
PROBES = [
    "/wp-login.php",
    "/.env",
    "/phpmyadmin/index.php",
    "/xmlrpc.php",
    "/.git/config",
    "/admin/login.php",
    "/cgi-bin/test.cgi",
]
CLOUD_NAMES = ("files.storage.example.com", "share.storage.example.com")


def resolve(cap: Capture, rng: Random, time: float, client: str, name: str, address: str | None, kind: int = 1) -> None:
    """A question to the resolver and its answer."""
    ident, port = rng.randrange(65_536), cap.port(client)
    cap.udp(time, End(client, port), End(RESOLVER, 53), dns_query(ident, name, kind))
    cap.udp(time + 0.012, End(RESOLVER, 53), End(client, port), dns_answer(ident, name, address, kind))


def browse(cap: Capture, time: float, client: str, server: str, exchanges: list[tuple[bytes, bytes]]) -> None:
    """Requests and responses over one HTTP connection."""
    turns = [turn for ask, answer in exchanges for turn in (Turn(True, ask, 0.05), Turn(False, answer, 0.04))]
    cap.session(time, End(client, cap.port(client)), End(server, 80), turns)


def secure(cap: Capture, rng: Random, time: float, client: str, server: str, name: str, upload: int = 300) -> End:
    """A TLS session; returns the client's end."""
    end = End(client, cap.port(client))
    turns = [
        Turn(True, client_hello(name, rng)),
        Turn(False, server_hello(rng)),
        Turn(True, CIPHER_CHANGE + tls_data(upload, rng)),
        Turn(False, tls_data(700, rng)),
    ]
    cap.session(time, end, End(server, 443), turns)
    return end


def office_hours(rng: Random) -> float:
    """A moment between 07:30 and 18:30, thicker in mid-morning and mid-afternoon."""
    centre, width = ((at("10:15"), 4_500), (at("14:45"), 5_400))[rng.random() < 0.5]
    return min(max(rng.gauss(centre, width), at("07:30")), at("18:30"))


def any_time(rng: Random) -> float:
    return at("00:00:20") + rng.random() * 86_200


def _packages(cap: Capture, rng: Random) -> None:
    agent = "Debian APT-HTTP/1.3 (2.6.1)"
    for host in LINUX:
        for hour in rng.sample(range(24), 6):
            exchanges = []
            for part in rng.sample(("InRelease", "main/binary-amd64/Packages.xz", "main/i18n/Translation-en"), 3):
                path = f"/debian/dists/stable/{part}"
                exchanges.append((http_request("GET", "deb.mirror.example.org", path, agent), http_response("200 OK")))
            browse(cap, at(f"{hour}:{rng.randrange(60)}"), host.address, UPDATE_MIRROR, exchanges)


def _installers(cap: Capture, rng: Random) -> None:
    for _ in range(46):
        host, time = rng.choice(WORKSTATIONS), office_hours(rng)
        product = rng.choice(("viewer", "meeting", "codec", "printer-driver"))
        resolve(cap, rng, time - 0.4, host.address, "updates.vendor.example.com", VENDOR_CLOUD)
        ask = http_request("GET", "updates.vendor.example.com", f"/{product}/{product}-setup.exe", BROWSER)
        answer = http_response("200 OK", EXECUTABLE + rng.randbytes(9_000), "application/octet-stream")
        browse(cap, time, host.address, VENDOR_CLOUD, [(ask, answer)])


def _names(cap: Capture, rng: Random) -> None:
    words = ["win", "prize", "lucky", "deal", "stream", "promo", "track", "pixel", "ads", "news"]
    for _ in range(380):
        host = rng.choice(WORKSTATIONS)
        name = f"{rng.choice(words)}-{rng.choice(words)}{rng.randrange(90)}.xyz.test"
        resolve(cap, rng, office_hours(rng), host.address, name, rng.choice((None, STORAGE_CLOUD)))
    for _ in range(36):  # cloud look-ups of the antivirus: long labels that carry a hash
        label = rng.randbytes(29).hex()
        name = f"{label}.{label[:20]}.avlookup.example.com"
        resolve(cap, rng, office_hours(rng), rng.choice(WORKSTATIONS).address, name, "198.51.100.121")
    for _ in range(420):
        name = rng.choice(("www.example.com", "mail.example.org", "intranet.office.test", "cdn.example.net"))
        resolve(cap, rng, office_hours(rng), rng.choice(WORKSTATIONS).address, name, STORAGE_CLOUD)


def _polls(cap: Capture, rng: Random) -> None:
    monitor = HOST["mon01"].address
    snmp = (
        bytes.fromhex("302902010104067075626c6963a01c0204")
        + b"\0\0\0\1"
        + bytes.fromhex("020100020100300e300c06082b060102010101000500")
    )
    for minute in range(0, 1_440, 4):
        target = ("10.20.0.2", "10.20.0.3", HOST["print01"].address)[minute % 3]
        cap.udp(at("00:00:11") + minute * 60 + rng.random(), End(monitor, cap.port(monitor)), End(target, 161), snmp)
    basic = "Authorization: Basic bW9uaXRvcjptb25pdG9y\r\n"
    for minute in range(0, 1_440, 10):
        ask = http_request("GET", "intra01.office.test", "/server-status?auto", "check_http/v2.4", extra=basic)
        browse(cap, at("00:00:40") + minute * 60, monitor, HOST["intra01"].address, [(ask, http_response("200 OK"))])


def _cloud(cap: Capture, rng: Random) -> None:
    for _ in range(270):
        name = rng.choice(CLOUD_NAMES)
        secure(
            cap,
            rng,
            office_hours(rng),
            rng.choice(WORKSTATIONS).address,
            STORAGE_CLOUD,
            name,
            rng.randrange(200, 9_000),
        )
    for _ in range(110):
        name = f"cam{rng.randrange(9)}.dyndns.example.org"
        secure(cap, rng, any_time(rng), rng.choice(WORKSTATIONS[18:]).address, "203.0.113.80", name)
    for _ in range(54):
        secure(cap, rng, office_hours(rng), rng.choice(WORKSTATIONS).address, VENDOR_CLOUD, "remote-help.example.com")
    for _ in range(9):  # a person who puts a film into the company's cloud
        secure(cap, rng, office_hours(rng), rng.choice(WORKSTATIONS).address, STORAGE_CLOUD, CLOUD_NAMES[0], 260_000)
    for minute in (30, 75, 120, 165, 210):
        backup = HOST["backup01"].address
        secure(cap, rng, at("00:30") + minute * 60, backup, STORAGE_CLOUD, "vault.storage.example.com", 300_000)


def _telemetry(cap: Capture, rng: Random) -> None:
    """A label printer's tray program that reports home with a path much like a beacon's."""
    for host in (HOST["ws-104"], HOST["ws-118"], HOST["lt-02"]):
        for hour in range(8, 18):
            path = f"/api/v2/telemetry/{rng.randbytes(8).hex()}"
            ask = http_request("POST", "labels.vendor.example.com", path, "LabelTray/3.2", body=rng.randbytes(48))
            browse(cap, at(f"{hour}:{rng.randrange(60)}"), host.address, VENDOR_CLOUD, [(ask, http_response("204 No"))])


def _probes(cap: Capture, rng: Random) -> None:
    for _ in range(130):
        source, time = rng.choice(STRANGERS), any_time(rng)
        paths = rng.sample(PROBES, rng.randrange(2, 6))
        exchanges = [
            (http_request("GET", "www.office.test", path, "Mozilla/5.0 zgrab/0.x"), http_response("404 Not Found"))
            for path in paths
        ]
        browse(cap, time, source, WEB, exchanges)
    for _ in range(42):
        path = f"/products?id={rng.randrange(90)}%27%20UNION%20SELECT%20{rng.randrange(9)},user,3--"
        ask = http_request("GET", "www.office.test", path, "sqlmap/1.8.4#stable")
        browse(cap, any_time(rng), rng.choice(STRANGERS), WEB, [(ask, http_response("403 Forbidden"))])
    for _ in range(190):
        agent = rng.choice(("python-requests/2.32.3", "curl/8.5.0", "Go-http-client/1.1"))
        ask = http_request("GET", "www.office.test", rng.choice(("/", "/feed.xml", "/robots.txt")), agent)
        browse(cap, any_time(rng), rng.choice(VISITORS), WEB, [(ask, http_response("200 OK", b"<html></html>"))])
    for _ in range(240):
        ask = http_request("GET", "www.office.test", rng.choice(("/", "/about", "/contact")), BROWSER)
        browse(cap, any_time(rng), rng.choice(VISITORS), WEB, [(ask, http_response("200 OK", b"<html></html>"))])


def _logins(cap: Capture, rng: Random) -> None:
    for _ in range(48):
        source, time = rng.choice(STRANGERS), any_time(rng)
        for _ in range(rng.randrange(5, 9)):
            turns = [Turn(True, b"SSH-2.0-libssh_0.9.6\r\n"), Turn(False, b"SSH-2.0-OpenSSH_9.2p1\r\n")]
            time = cap.session(time + rng.uniform(2, 6), End(source, cap.port(source)), End(WEB, 22), turns)
    for _ in range(250):
        source = rng.choice(SPAMMERS)
        turns = [
            Turn(False, b"220 mail01.office.test ESMTP Postfix\r\n"),
            Turn(True, rng.choice((b"HELO localhost\r\n", b"EHLO localhost\r\n"))),
            Turn(False, b"250 mail01.office.test\r\n"),
            Turn(True, f"MAIL FROM:<promo{rng.randrange(999)}@deals.example.org>\r\n".encode()),
            Turn(False, b"554 5.7.1 Client host rejected\r\n"),
            Turn(True, b"QUIT\r\n"),
        ]
        cap.session(any_time(rng), End(source, cap.port(source)), End(HOST["mail01"].address, 25), turns)


def _vulnerability_scan(cap: Capture, rng: Random) -> None:
    """02:05 to 03:35, covered by an exception of the owner."""
    scanner, time = HOST["scan01"].address, at("02:05")
    for host in (*SERVERS, *WORKSTATIONS[:14]):
        for port in (21, 22, 23, 80, 111, 135, 139, 443, 445, 1433, 3306, 3389, 5900, 5985, 8080, 8443):
            time += rng.uniform(0.2, 0.5)
            cap.refused(time, End(scanner, cap.port(scanner)), End(host.address, port))
    checks = [
        "/cgi-bin/../../etc/passwd",
        "/manager/html",
        "/server-status",
        "/?id=1'%20OR%20'1'='1",
        "/.env",
        "/owa/",
        "/phpinfo.php",
    ]
    agent = "Mozilla/5.0 [en] (X11, U; OpenVAS-VT 22.7)"
    for target in ("web01", "intra01", "proxy01", "mon01"):
        for _ in range(22):
            time += rng.uniform(8, 30)
            paths = [rng.choice(checks) for _ in range(6)]
            name = f"{target}.office.test"
            pairs = [(http_request("GET", name, path, agent), http_response("404 Not Found")) for path in paths]
            browse(cap, time, scanner, HOST[target].address, pairs)


def _shares(cap: Capture, rng: Random) -> None:
    jobs = [(HOST["backup01"].address, host, at("22:00") + i * 47, "C$") for i, host in enumerate(WINDOWS)]
    jobs += [(HOST["backup01"].address, host, at("12:00") + i * 13, "C$") for i, host in enumerate(WINDOWS[:4])]
    jobs.append((HOST["ws-101"].address, HOST["print01"], at("01:20:30"), "ADMIN$"))  # PsExec in the maintenance window
    jobs += [(h.address, HOST["files01"], office_hours(rng), "projects") for h in WORKSTATIONS for _ in range(3)]
    for client, host, time, share in jobs:
        turns = [Turn(True, smb_tree_connect(host.name, share)), Turn(False, b"\0\0\0\x10" + bytes(16))]
        cap.session(time, End(client, cap.port(client)), End(host.address, 445), turns)


def _blocked_download(cap: Capture, rng: Random) -> None:
    """A laptop's browser fetches a poisoned tool; the endpoint's antivirus stops it (see the ECS file)."""
    laptop, time = HOST["lt-03"].address, at("11:17:02")
    resolve(cap, rng, time - 0.3, laptop, "free-pdf-tools.xyz.test", "203.0.113.92")
    ask = http_request("GET", "free-pdf-tools.xyz.test", "/get/pdf-merge.exe", BROWSER)
    browse(cap, time, laptop, "203.0.113.92", [(ask, http_response("200 OK", EXECUTABLE + rng.randbytes(5_000)))])


MAKERS: tuple[Callable[[Capture, Random], None], ...] = (
    _packages,
    _installers,
    _names,
    _polls,
    _cloud,
    _telemetry,
    _probes,
    _logins,
    _vulnerability_scan,
    _shares,
    _blocked_download,
)
