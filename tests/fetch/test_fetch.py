"""Against a server of our own on loopback. The clock is a fake one, so that nobody waits."""

from __future__ import annotations

import gzip
import os
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette import __version__
from vedette import fetch as module
from vedette.errors import ConfigError, FetchError, OutputError
from vedette.fetch import Fetched, FetchOptions, fetch
from vedette.partial import Address, Partial, stated_sha256

from .publisher import (
    BODY,
    NOW,
    OPTIONS,
    Answer,
    FakeTime,
    Handler,
    Server,
    chunked,
    cut_off,
    got,
    ranged,
    redirect,
    running,
    sha256,
    stalling,
    status,
    unchanged_if,
    whole,
)


@pytest.fixture
def server() -> Iterator[Server]:
    yield from running(Server())


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("SSL_CERT_"):
            monkeypatch.delenv(name)


@pytest.fixture
def fake() -> FakeTime:
    return FakeTime()


# What goes well


def test_a_file_is_fetched_whole(server: Server, tmp_path: Path, fake: FakeTime) -> None:
    server.answers["/feed.json"] = [whole(ETag='"1"', Last_Modified="Fri, 02 Jan 2026 00:00:00 GMT")]
    seen: list[tuple[int, int | None]] = []
    done = fetch(
        server.address(), tmp_path / "new" / "folder", OPTIONS, progress=lambda *p: seen.append(p), clock=fake.clock()
    )
    path = tmp_path / "new" / "folder" / "feed.json"
    assert done == Fetched(path, True, '"1"', "Fri, 02 Jan 2026 00:00:00 GMT", sha256(BODY), len(BODY))
    assert path.read_bytes() == BODY
    assert seen[-1] == (len(BODY), len(BODY))
    assert [bytes for bytes, _ in seen] == sorted(bytes for bytes, _ in seen)
    assert got(path.parent) == ["feed.json"]
    headers = server.asked[0][1]
    assert headers["user-agent"] == f"vedette/{__version__}"
    assert headers["accept-encoding"] == "identity"
    assert not {"range", "if-none-match", "if-modified-since", "cookie"} & set(headers)


@pytest.mark.parametrize(("etag", "modified"), [('"1"', ""), ('W/"1"', ""), ("", "Fri, 02 Jan 2026 00:00:00 GMT")])
def test_what_has_not_changed_is_not_fetched_again(
    server: Server, tmp_path: Path, fake: FakeTime, etag: str, modified: str
) -> None:
    server.answers["/feed.json"] = [unchanged_if(etag, modified)]
    first = fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock())
    again = fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock())
    assert (first.changed, again.changed) == (True, False)
    assert again.sha256 == first.sha256 == sha256(BODY)
    headers = server.asked[1][1]
    assert (headers.get("if-none-match", ""), headers.get("if-modified-since", "")) == (etag, modified)


def test_the_same_content_without_a_validator_is_unchanged(server: Server, tmp_path: Path, fake: FakeTime) -> None:
    server.answers["/feed.json"] = [whole(), whole(), whole(b"other")]
    changed = [fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock()).changed for _ in range(3)]
    assert changed == [True, False, True]
    assert (tmp_path / "feed.json").read_bytes() == b"other"


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"x" * len(BODY))])
def test_a_file_that_somebody_changed_is_fetched_anew(
    server: Server, tmp_path: Path, fake: FakeTime, damage: Callable[[Path], object]
) -> None:
    server.answers["/feed.json"] = [unchanged_if()]
    fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock())
    damage(tmp_path / "feed.json")
    assert fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock()).changed
    assert (tmp_path / "feed.json").read_bytes() == BODY


def test_another_address_for_the_same_name_asks_without_conditions(
    server: Server, tmp_path: Path, fake: FakeTime
) -> None:
    server.answers["/feed.json"] = server.answers["/new"] = [unchanged_if()]
    fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock())
    fetch(server.address("/new", file="feed.json"), tmp_path, OPTIONS, clock=fake.clock())
    assert "if-none-match" not in server.asked[1][1]


@pytest.mark.parametrize("state", [b"", b"{", b"[]", b'{"url": 3}', b"\xff\xfe", b'{"file": {"etag": "a\\r\\nb"}}'])
def test_a_damaged_state_file_means_a_full_download(
    server: Server, tmp_path: Path, fake: FakeTime, state: bytes
) -> None:
    server.answers["/feed.json"] = [unchanged_if()]
    fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock())
    (tmp_path / ".feed.json.state.json").write_bytes(state)
    assert fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock()).path.read_bytes() == BODY
    assert "if-none-match" not in server.asked[1][1]


def test_an_odd_validator_is_not_kept(server: Server, tmp_path: Path, fake: FakeTime) -> None:
    server.answers["/feed.json"] = [whole(ETag=f'"{"x" * 300}"', Last_Modified="é")]
    for _ in range(2):
        done = fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock())
        assert (done.etag, done.last_modified) == ("", "")
    assert not {"if-none-match", "if-modified-since"} & set(server.asked[1][1])


# Redirects


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_followed(server: Server, tmp_path: Path, fake: FakeTime, code: int) -> None:
    server.answers |= {"/feed.json": [redirect("/b?x=1", code)], "/b": [redirect(f"{server.url}/c")], "/c": [whole()]}
    assert fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock()).path.name == "feed.json"


@pytest.mark.parametrize(
    "to",
    [
        "http://192.0.2.1/x",  # the test's guard of sockets would fail, if it were tried
        "http://127.0.0.1.example.com/x",
        "http://localhost.example.com/x",
        "//example.com/x",
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
        "https://user:secret@127.0.0.1/x",
        "https://",
    ],
)
def test_a_redirect_to_anything_but_https_is_refused(server: Server, tmp_path: Path, fake: FakeTime, to: str) -> None:
    server.answers["/feed.json"] = [redirect(to)]
    with pytest.raises(FetchError, match="redirected to") as caught:
        fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock())
    assert caught.value.where == server.address().url
    assert len(server.asked) == 1
    assert got(tmp_path) == []


@pytest.mark.parametrize("to", ["http://[::1/x", "\x01", "http://a:b/"])
def test_a_redirect_to_no_address_is_an_error(server: Server, tmp_path: Path, fake: FakeTime, to: str) -> None:
    server.answers["/feed.json"] = [redirect(to)]
    with pytest.raises(FetchError, match=r"Invalid URL in location header"):
        fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock())


def test_a_loop_of_redirects_ends(server: Server, tmp_path: Path, fake: FakeTime) -> None:
    server.answers |= {"/feed.json": [redirect("/b")], "/b": [redirect("/feed.json")]}
    with pytest.raises(FetchError, match="more than 5 redirects"):
        fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock())
    assert len(server.asked) == 6


@pytest.mark.parametrize("url", ["http://example.com/x", "ftp://127.0.0.1/x", "https://u:p@127.0.0.1/x", "nothing"])
def test_only_https_is_asked(tmp_path: Path, url: str) -> None:
    with pytest.raises(FetchError, match="only https"):
        fetch(Address(url=url, file="x"), tmp_path, OPTIONS)


# Failures that pass


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_a_passing_failure_is_tried_again(server: Server, tmp_path: Path, fake: FakeTime, code: int) -> None:
    server.answers["/feed.json"] = [status(code), status(code), whole()]
    assert fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock()).changed
    assert fake.slept == [1, 2]


@pytest.mark.parametrize(
    ("asked", "slept"),
    [
        ("7", 7),
        ("0", 1),
        ("86400", 60),
        (format_datetime(NOW + timedelta(seconds=20), usegmt=True), 20),
        (format_datetime(NOW - timedelta(days=2), usegmt=True), 1),
        ("Fri, 02 Jan 2026 12:00:20 -0000", 20),
        ("soon", 1),
        ("-5", 1),
        ("9" * 5000, 1),
    ],
)
def test_retry_after_is_honoured_up_to_a_limit(
    server: Server, tmp_path: Path, fake: FakeTime, asked: str, slept: float
) -> None:
    server.answers["/feed.json"] = [status(429, Retry_After=asked), whole()]
    fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock())
    assert fake.slept == [slept]


def test_it_gives_up_after_some_tries_and_says_so(server: Server, tmp_path: Path, fake: FakeTime) -> None:
    server.answers["/feed.json"] = [status(503)]
    with pytest.raises(FetchError, match=r"503 Service Unavailable, 4 times in a row") as caught:
        fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock())
    assert caught.value.exit_code == 7
    assert fake.slept == [1, 2, 4]


def test_waiting_past_the_deadline_is_not_begun(server: Server, tmp_path: Path, fake: FakeTime) -> None:
    server.answers["/feed.json"] = [status(429, Retry_After="50")]
    with pytest.raises(FetchError, match="429 Too Many Requests, and the time for this file is over"):
        fetch(server.address(), tmp_path, OPTIONS.model_copy(update={"total_s": 40}), clock=fake.clock())
    assert fake.slept == []


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 416, 206, 204, 304])
def test_a_lasting_failure_is_not_tried_again(server: Server, tmp_path: Path, fake: FakeTime, code: int) -> None:
    server.answers["/feed.json"] = [
        lambda handler: handler.send(code, {} if code in (204, 304) else {"Content-Length": "0"})
    ]
    with pytest.raises(FetchError, match=f"the server answers {code} .*import the file"):
        fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock())
    assert len(server.asked) == 1


def test_a_refused_connection_is_tried_again(tmp_path: Path, fake: FakeTime) -> None:
    closed = Server()
    closed.server_close()
    with pytest.raises(FetchError, match=r"no connection: .*4 times in a row.*check the network"):
        fetch(closed.address(), tmp_path, OPTIONS, clock=fake.clock())
    assert len(fake.slept) == 3


def test_nonsense_instead_of_http_is_an_error(server: Server, tmp_path: Path, fake: FakeTime) -> None:
    server.answers["/feed.json"] = [lambda handler: handler.send_raw(b"\x00\x01 nonsense\r\n\r\n")]
    with pytest.raises(FetchError, match="the connection broke"):
        fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock())


# Cut off, stalled, resumed


@pytest.mark.parametrize("failing", [cut_off, stalling])
def test_a_broken_download_is_resumed(
    server: Server, tmp_path: Path, fake: FakeTime, failing: Callable[..., Answer]
) -> None:
    server.answers["/feed.json"] = [failing(ETag='"1"'), ranged()]
    done = fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock())
    assert done.path.read_bytes() == BODY
    assert server.asked[1][1]["range"] == "bytes=40000-"
    assert server.asked[1][1]["if-range"] == '"1"'


def test_the_next_call_resumes_what_the_last_one_left(server: Server, tmp_path: Path, fake: FakeTime) -> None:
    server.answers["/feed.json"] = [cut_off(ETag='"1"')]
    with pytest.raises(FetchError):
        fetch(server.address(), tmp_path, OPTIONS.model_copy(update={"tries": 1}), clock=fake.clock())
    assert got(tmp_path) == []
    server.answers["/feed.json"] = [ranged()]
    assert fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock()).path.read_bytes() == BODY
    assert server.asked[-1][1]["range"] == "bytes=40000-"


def test_progress_keeps_it_going_past_the_number_of_tries(server: Server, tmp_path: Path, fake: FakeTime) -> None:
    def dribble(handler: Handler) -> None:
        first = int((handler.headers.get("Range") or "bytes=0-")[6:-1])
        content = f"bytes {first}-{len(BODY) - 1}/{len(BODY)}"
        headers = {"ETag": '"1"', "Content-Length": str(len(BODY) - first), "Content-Range": content}
        handler.send(206 if first else 200, headers, BODY[first : first + 10_000])
        handler.close_connection = True

    server.answers["/feed.json"] = [dribble]
    assert fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock()).path.read_bytes() == BODY
    assert len(server.asked) == 11
    assert set(fake.slept) == {1}


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"1"'}])
def test_without_a_proof_that_the_file_is_the_same_it_starts_again(
    server: Server, tmp_path: Path, fake: FakeTime, headers: dict[str, str]
) -> None:
    server.answers["/feed.json"] = [cut_off(b"old" * 40_000, **headers), whole()]
    with pytest.raises(FetchError):
        fetch(server.address(), tmp_path, OPTIONS.model_copy(update={"tries": 1}), clock=fake.clock())
    assert fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock()).path.read_bytes() == BODY
    assert all("range" not in headers for _, headers in server.asked)


def test_a_server_without_ranges_starts_again(server: Server, tmp_path: Path, fake: FakeTime) -> None:
    server.answers["/feed.json"] = [cut_off(ETag='"1"'), whole(ETag='"1"')]
    assert fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock()).path.read_bytes() == BODY
    assert "range" in server.asked[1][1]


def test_a_file_that_changed_meanwhile_starts_again(server: Server, tmp_path: Path, fake: FakeTime) -> None:
    server.answers["/feed.json"] = [cut_off(b"old" * 40_000, ETag='"1"'), ranged(BODY, '"2"')]
    assert fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock()).path.read_bytes() == BODY


@pytest.mark.parametrize("shift", [-1, 1, 5000])
def test_a_wrong_range_is_not_taken(server: Server, tmp_path: Path, fake: FakeTime, shift: int) -> None:
    server.answers["/feed.json"] = [cut_off(ETag='"1"'), ranged(shift=shift), ranged()]
    assert fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock()).path.read_bytes() == BODY
    assert "range" not in server.asked[2][1]


def test_a_range_of_another_version_is_not_taken(server: Server, tmp_path: Path, fake: FakeTime) -> None:
    def careless(handler: Handler) -> None:  # ignores If-Range
        content = f"bytes 40000-{len(BODY) - 1}/{len(BODY)}"
        rest = BODY[40_000:]
        handler.send(206, {"ETag": '"2"', "Content-Range": content, "Content-Length": str(len(rest))}, rest)

    server.answers["/feed.json"] = [cut_off(b"old" * 40_000, ETag='"1"'), careless, ranged(BODY, '"2"')]
    assert fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock()).path.read_bytes() == BODY


def test_a_part_that_is_longer_than_the_file_is_dropped(server: Server, tmp_path: Path, fake: FakeTime) -> None:
    server.answers["/feed.json"] = [cut_off(ETag='"1"'), status(416), whole(b"short")]
    assert fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock()).path.read_bytes() == b"short"


def test_a_part_is_dropped_where_the_old_file_is_the_newest_again(
    server: Server, tmp_path: Path, fake: FakeTime
) -> None:
    server.answers["/feed.json"] = [whole(b"old", ETag='"1"'), cut_off(ETag='"2"'), unchanged_if('"1"')]
    fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock())
    assert not fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock()).changed
    assert (tmp_path / "feed.json").read_bytes() == b"old"
    assert not (tmp_path / ".feed.json.part").exists()


@pytest.mark.parametrize("answer", [chunked(BODY[:5000], end=False), cut_off(), stalling()])
def test_what_stays_broken_leaves_the_last_good_file(
    server: Server, tmp_path: Path, fake: FakeTime, answer: Answer
) -> None:
    server.answers["/feed.json"] = [whole(b"good"), answer]
    fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock())
    options = OPTIONS.model_copy(update={"tries": 2})
    with pytest.raises(FetchError, match=r"the connection broke|silent for 0.1 s"):
        fetch(server.address(), tmp_path, options, clock=fake.clock())
    assert (tmp_path / "feed.json").read_bytes() == b"good"
    assert got(tmp_path) == ["feed.json"]


def test_the_time_for_a_file_ends_it_between_pieces(server: Server, tmp_path: Path, fake: FakeTime) -> None:
    server.answers["/feed.json"] = [whole(ETag='"1"'), ranged()]

    def slow(done: int, total: int | None) -> None:
        fake.seconds += 600

    with pytest.raises(FetchError, match=r"not done in 1,000 s \(run it again: it goes on"):
        fetch(server.address(), tmp_path, OPTIONS, progress=slow, clock=fake.clock())
    assert got(tmp_path) == []
    fake.seconds = 0
    assert fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock()).path.read_bytes() == BODY


def test_an_interrupt_keeps_the_part(server: Server, tmp_path: Path, fake: FakeTime) -> None:
    def interrupt(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    server.answers["/feed.json"] = [whole(ETag='"1"'), ranged()]
    with pytest.raises(KeyboardInterrupt):
        fetch(server.address(), tmp_path, OPTIONS, progress=interrupt, clock=fake.clock())
    assert (tmp_path / ".feed.json.part").stat().st_size > 0
    assert fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock()).path.read_bytes() == BODY


# Size


MB = 1_000_000


@pytest.mark.parametrize(
    "answer",
    [
        lambda handler: handler.send(200, {"Content-Length": str(10**12)}),
        whole(bytes(MB + 1)),
        chunked(*[bytes(100_000)] * 11),
    ],
    ids=["stated", "sent", "without a length"],
)
def test_a_body_that_is_too_large_is_refused(server: Server, tmp_path: Path, fake: FakeTime, answer: Answer) -> None:
    server.answers["/feed.json"] = [answer]
    with pytest.raises(FetchError, match="larger than 1,000,000 bytes"):
        fetch(server.address(max_mb=1), tmp_path, OPTIONS, clock=fake.clock())
    assert len(server.asked) == 1
    assert not (tmp_path / ".feed.json.part").exists()


@pytest.mark.parametrize("answer", [whole(bytes(MB)), chunked(*[bytes(100_000)] * 10)])
def test_a_body_of_the_largest_size_is_taken(server: Server, tmp_path: Path, fake: FakeTime, answer: Answer) -> None:
    server.answers["/feed.json"] = [answer]
    assert fetch(server.address(max_mb=1), tmp_path, OPTIONS, clock=fake.clock()).bytes == MB


# Checksums


def test_a_stated_checksum_is_checked(server: Server, tmp_path: Path, fake: FakeTime) -> None:
    server.answers |= {"/feed.json": [whole()], "/sums": [whole(f"{sha256(BODY)}  feed.json\n".encode())]}
    assert fetch(server.address(sha256_url=f"{server.url}/sums"), tmp_path, OPTIONS, clock=fake.clock()).changed


def test_a_checksum_of_the_content_is_checked(server: Server, tmp_path: Path, fake: FakeTime) -> None:
    meta = f"lastModifiedDate:2026-01-01\r\nsize:5\r\nsha256:{sha256(BODY).upper()}\r\n".encode()
    server.answers |= {"/feed.json.gz": [whole(gzip.compress(BODY))], "/meta": [whole(meta)]}
    address = server.address("/feed.json.gz", sha256_url=f"{server.url}/meta", sha256_of="content")
    assert fetch(address, tmp_path, OPTIONS, clock=fake.clock()).changed
    server.answers["/feed.json.gz"] = [whole(gzip.compress(b"other"))]
    with pytest.raises(FetchError, match="not what the publisher states: sha256"):
        fetch(address, tmp_path, OPTIONS, clock=fake.clock())
    server.answers["/feed.json.gz"] = [whole(gzip.compress(BODY)[:-20])]
    with pytest.raises(FetchError, match="not what the publisher states: damaged gzip"):
        fetch(address, tmp_path, OPTIONS, clock=fake.clock())


@pytest.mark.parametrize("pinned", [True, False])
def test_a_wrong_checksum_is_refused(server: Server, tmp_path: Path, fake: FakeTime, pinned: bool) -> None:
    server.answers |= {"/feed.json": [whole(ETag='"1"')], "/sums": [whole(b"0" * 64)]}
    changes = {"sha256": "0" * 64} if pinned else {"sha256_url": f"{server.url}/sums"}
    with pytest.raises(FetchError, match=f"not what the publisher states: sha256 {sha256(BODY)[:12]}…, expected 0000"):
        fetch(server.address(**changes), tmp_path, OPTIONS, clock=fake.clock())
    assert got(tmp_path) == []
    assert len([path for path, _ in server.asked if path == "/feed.json"]) == 2
    assert not (tmp_path / ".feed.json.part").exists()


def test_a_part_of_an_older_version_that_no_etag_betrays_is_caught(
    server: Server, tmp_path: Path, fake: FakeTime
) -> None:
    server.answers |= {"/feed.json": [cut_off(b"old" * 40_000, ETag='"1"'), ranged()]}
    done = fetch(server.address(sha256=sha256(BODY)), tmp_path, OPTIONS, clock=fake.clock())
    assert done.path.read_bytes() == BODY
    assert len(server.asked) == 3


@pytest.mark.parametrize("text", [b"", b"none", b"0" * 64 + b" a\n" + b"1" * 64 + b" b\n", b"0" * 63, bytes(2 * MB)])
def test_an_unclear_list_of_checksums_is_an_error(server: Server, tmp_path: Path, fake: FakeTime, text: bytes) -> None:
    server.answers |= {"/feed.json": [whole()], "/sums": [whole(text)]}
    with pytest.raises(FetchError, match=r"no sha256 of 'feed.json' is stated|list of checksums is too large"):
        fetch(server.address(sha256_url=f"{server.url}/sums"), tmp_path, OPTIONS, clock=fake.clock())
    assert got(tmp_path) == []


def test_a_missing_list_of_checksums_is_an_error(server: Server, tmp_path: Path, fake: FakeTime) -> None:
    server.answers |= {"/feed.json": [whole()], "/sums": [status(404)]}
    with pytest.raises(FetchError, match="404"):
        fetch(server.address(sha256_url=f"{server.url}/sums"), tmp_path, OPTIONS, clock=fake.clock())


@pytest.mark.parametrize("form", ["{1}  x.zip\n{0}  feed.json\n", "SHA256 (feed.json) = {0}\nSHA256 (x) = {1}", "{0}"])
def test_the_usual_forms_of_checksums_are_read(form: str) -> None:
    address = Address(url="https://example.com/feed.json", sha256_url="https://example.com/sums")
    assert stated_sha256(form.format("a" * 64, "b" * 64), address) == "a" * 64


@given(st.text())
def test_no_list_of_checksums_raises_anything_else(text: str) -> None:
    address = Address(url="https://example.com/feed.json", sha256_url="https://example.com/sums")
    with pytest.raises(FetchError):
        stated_sha256(text, address)


# Disk, settings, TLS


def test_two_at_once_do_not_mix(server: Server, tmp_path: Path, fake: FakeTime) -> None:
    pytest.importorskip("fcntl")
    server.answers["/feed.json"] = [whole()]

    def another(done: int, total: int | None) -> None:
        with pytest.raises(FetchError, match="another process is fetching it"):
            fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock())

    assert fetch(server.address(), tmp_path, OPTIONS, progress=another, clock=fake.clock()).changed
    assert len(server.asked) == 1


def test_a_full_disk_is_an_output_error(
    server: Server, tmp_path: Path, fake: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    server.answers["/feed.json"] = [whole()]
    full = Path("/dev/full").open("ab")  # noqa: SIM115 - fetch closes it
    monkeypatch.setattr(Partial, "append", lambda self: full)
    with pytest.raises(OutputError, match=r"No space left.*free some space"):
        fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock())
    assert got(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        fetch(Address(url="https://127.0.0.1/x"), tmp_path / "file" / "folder", OPTIONS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ca_file": "absent.pem"}, r"absent\.pem: no certificates can be read"),
        ({"proxy": "gopher://secret@x"}, "the proxy's address cannot be used"),
        ({"proxy": "socks5://127.0.0.1:1"}, "the proxy's address cannot be used"),
    ],
)
def test_unusable_settings_are_config_errors(tmp_path: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        fetch(Address(url="https://127.0.0.1/x"), tmp_path, FetchOptions.model_validate(options))
    assert "secret" not in str(caught.value)


def test_a_proxy_is_taken_from_the_options_or_the_environment(
    server: Server, tmp_path: Path, fake: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers["http://127.0.0.1:9/feed.json"] = [whole()]
    address = Address(url="http://127.0.0.1:9/feed.json")
    fetch(address, tmp_path / "option", OPTIONS.model_copy(update={"proxy": server.url}), clock=fake.clock())
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.delenv("REQUEST_METHOD", raising=False)
    fetch(address, tmp_path / "environment", OPTIONS, clock=fake.clock())
    assert len(server.asked) == 2
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(FetchError, match="no connection"):
        fetch(address, tmp_path / "none", OPTIONS, clock=fake.clock())


@dataclass(frozen=True)
class Authority:
    certificate: Path
    context: ssl.SSLContext


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate for 127.0.0.1 that vouches for itself."""
    folder, key = tmp_path_factory.mktemp("tls"), generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 7, now - timedelta(1), now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    certificate, private = folder / "ca.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, private)
    return Authority(certificate, context)


@pytest.fixture
def secure(authority: Authority) -> Iterator[Server]:
    server = Server()
    server.scheme = "https"
    server.socket = authority.context.wrap_socket(server.socket, server_side=True)
    yield from running(server)


def test_an_unknown_certificate_is_refused_at_once(secure: Server, tmp_path: Path, fake: FakeTime) -> None:
    with pytest.raises(FetchError, match=r"certificate is not trusted: self.signed.*SSL_CERT_FILE"):
        fetch(secure.address(), tmp_path, OPTIONS, clock=fake.clock())
    assert fake.slept == []


@pytest.mark.parametrize("by_environment", [False, True])
def test_a_named_authority_is_trusted(
    secure: Server,
    authority: Authority,
    tmp_path: Path,
    fake: FakeTime,
    monkeypatch: pytest.MonkeyPatch,
    by_environment: bool,
) -> None:
    secure.answers |= {"/feed.json": [redirect("/b")], "/b": [whole()]}
    options = OPTIONS if by_environment else OPTIONS.model_copy(update={"ca_file": str(authority.certificate)})
    if by_environment:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    assert fetch(secure.address(), tmp_path, options, clock=fake.clock()).changed


def test_https_never_leads_to_http_not_even_here(
    secure: Server, server: Server, authority: Authority, tmp_path: Path, fake: FakeTime
) -> None:
    secure.answers["/feed.json"] = [redirect(f"{server.url}/b")]
    options = OPTIONS.model_copy(update={"ca_file": str(authority.certificate)})
    with pytest.raises(FetchError, match="redirected to 'http://127"):
        fetch(secure.address(), tmp_path, options, clock=fake.clock())
    assert server.asked == []


@given(head=st.binary(max_size=200), tail=st.binary(max_size=50))
@settings(max_examples=25, deadline=None)
def test_no_answer_of_a_server_raises_anything_else(
    tmp_path_factory: pytest.TempPathFactory, head: bytes, tail: bytes
) -> None:
    def answer(handler: Handler) -> None:
        handler.send_raw(b"HTTP/1.1 " + head + b"\r\n\r\n" + tail)

    server, folder = Server(), tmp_path_factory.mktemp("fuzz")
    server.answers["/feed.json"] = [answer]
    for each in running(server):
        with pytest.raises(FetchError):
            fetch(each.address(), folder, OPTIONS.model_copy(update={"tries": 1}), clock=FakeTime().clock())
    assert got(folder) == []


def test_fetching_is_the_only_module_with_a_network_library() -> None:
    assert module.__doc__
    assert module.__doc__.startswith("The only module of Vedette that opens connections")


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "a b", "x" * 200])
def test_a_file_name_has_to_be_plain(name: str) -> None:
    with pytest.raises(ValueError, match="no plain file name"):
        Address(url=f"https://example.com/x/{name if '/' not in name else ''}", file=name if "/" in name else "")


# What a hub says about a file that it redirects to


@pytest.mark.parametrize("code", [302, 307])
def test_a_hubs_word_about_the_file_is_checked(server: Server, tmp_path: Path, fake: FakeTime, code: int) -> None:
    linked = f'"{sha256(BODY)}"'
    server.answers["/feed.json"] = [status(code, Location="/cdn", X_Linked_Etag=linked)]
    server.answers["/cdn"] = [whole()]
    assert fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock()).stated == sha256(BODY)
    server.answers["/cdn"] = [whole(b"other")]
    with pytest.raises(FetchError, match="not what the publisher states"):
        fetch(server.address("/feed.json", file="b"), tmp_path, OPTIONS, clock=fake.clock())
    assert got(tmp_path) == ["feed.json"]


@pytest.mark.parametrize("linked", ["", '"abc"', '"' + "g" * 64 + '"', '"' + "0" * 65 + '"'])
def test_a_hubs_word_that_is_no_sha256_states_nothing(
    server: Server, tmp_path: Path, fake: FakeTime, linked: str
) -> None:
    server.answers["/feed.json"] = [whole(X_Linked_Etag=linked)]
    assert fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock()).stated == ""


def test_the_disks_room_is_looked_at_before_anything_is_written(
    server: Server, tmp_path: Path, fake: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers["/feed.json"] = [whole(ETag='"1"')]
    monkeypatch.setattr(Partial, "free", property(lambda self: len(BODY) - 1))
    with pytest.raises(OutputError, match=r"102,400 bytes are needed, and 102,399 are free.*free some space"):
        fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock())
    assert not Partial(server.address(), tmp_path).size
    monkeypatch.setattr(Partial, "free", property(lambda self: len(BODY)))
    assert fetch(server.address(), tmp_path, OPTIONS, clock=fake.clock()).changed
