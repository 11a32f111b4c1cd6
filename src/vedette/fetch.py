"""The only module of Vedette that opens connections to the outside: publishers' files and models, over https.

A download is resumed where the server allows it, checked, and only then takes its name. Bytes are kept as they were
sent: nothing is unpacked here. Redirects are followed from https to https only; http is for this machine's own tests.

Proxies come from the options or else from HTTPS_PROXY, ALL_PROXY and NO_PROXY; SOCKS is not supported. Certificates
are checked against the option's CA file, or else against SSL_CERT_FILE or SSL_CERT_DIR, or else against what the
system and certifi trust. There is no way to switch the check off.
"""

from __future__ import annotations

import ipaddress
import random
import re
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from os import environ
from pathlib import Path
from typing import TypeVar

import httpx
from pydantic import Field

from vedette import __version__
from vedette.config import Settings
from vedette.errors import ConfigError, FetchError, InputError, OutputError
from vedette.manifest import output_error
from vedette.partial import Address, Partial, Seen, locked, stated_sha256

MAX_REDIRECTS = 5
MAX_CHECKSUMS = 1_000_000  # bytes of a publisher's list of checksums
REDIRECTS = {301, 302, 303, 307, 308}
LINKED = "x-linked-etag"  # a hub's word about the file that it redirects to: its sha256, in quotes
PASSING = {408, 425, 429, 500, 502, 503, 504}  # worth another try
BY_HAND = "download it yourself and import the file"

T = TypeVar("T")
Progress = Callable[[int, int | None], None]  # bytes so far, bytes in all where the server says so


class FetchOptions(Settings):
    proxy: str = Field(default="", description="http://host:port for every address; empty: as the environment says")
    ca_file: str = Field(default="", description="PEM file of the only authorities to trust; empty: see above")
    connect_s: float = Field(default=20, gt=0, description="longest wait for a connection, s")
    stall_s: float = Field(default=60, gt=0, description="longest silence of the server, s")
    total_s: float = Field(default=3600, gt=0, description="for one file, looked at between pieces and before tries, s")
    tries: int = Field(default=5, ge=1, description="in a row without a new byte before it is given up")
    first_wait_s: float = Field(default=1, ge=0, description="after the first failure; doubled each time, s")
    longest_wait_s: float = Field(default=120, ge=0, description="also where the server asks for a longer one, s")


@dataclass(frozen=True, slots=True)
class Time:
    """Replaced in tests."""

    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random  # 0..1


@dataclass(frozen=True, slots=True)
class Fetched:
    path: Path
    changed: bool  # False where the content is what it was
    etag: str
    last_modified: str
    sha256: str
    bytes: int
    stated: str = ""  # the sha256 that the publisher stated, and that was checked; "" where it stated none


def fetch(
    address: Address,
    into: Path,
    options: FetchOptions | None = None,
    *,
    progress: Progress | None = None,
    clock: Time | None = None,
) -> Fetched:
    """The file, whole and checked, in the folder `into`. Raises FetchError, OutputError, ConfigError.

    What an interrupted or failed call got is kept and taken up by the next one, where the server can prove that the
    file is still the same.
    """
    options, clock = options or FetchOptions(), clock or Time()
    _allowed(address.url, address)
    with _client(options) as client, _disk(into / address.name), locked(address, into) as partial:
        job = _Job(partial, client, options, clock, progress or (lambda done, total: None))
        changed = job.run()
        state = partial.state
        seen = state.file
        return Fetched(partial.path, changed, seen.etag, seen.last_modified, state.sha256, state.bytes, job.stated)


class _Again(Exception):
    """This try failed, and another one may not."""

    def __init__(self, what: str, *, after: float | None = None, remedy: str = "try again later") -> None:
        super().__init__(what)
        self.after, self.remedy = after, remedy


@dataclass(slots=True)
class _Job:
    partial: Partial
    client: httpx.Client
    options: FetchOptions
    clock: Time
    progress: Progress
    deadline: float = field(init=False)
    mismatches: int = 0
    linked: str = ""  # what LINKED says in this try
    stated: str = ""

    def __post_init__(self) -> None:
        self.deadline = self.clock.monotonic() + self.options.total_s

    def run(self) -> bool:
        """Whether the content changed."""
        if not self._retried(self._body):
            self.partial.drop()
            return False
        return self.partial.place()

    def _retried(self, action: Callable[[], T]) -> T:
        failures, best = 0, self.partial.size
        while True:
            try:
                self._left()
                return action()
            except _Again as exc:
                again = exc
            except httpx.HTTPError as exc:
                again = self._explain(exc)
            if self.partial.size > best:
                failures, best = 0, self.partial.size
            failures += 1
            if failures >= self.options.tries:
                raise self._error(f"{again}, {failures} times in a row", again.remedy) from again
            self._wait(failures, again)

    def _wait(self, failures: int, again: _Again) -> None:
        backoff = self.options.first_wait_s * 2.0 ** min(failures - 1, 30) * (0.5 + 0.5 * self.clock.jitter())
        seconds = min(max(backoff, again.after or 0), self.options.longest_wait_s)
        if self.clock.monotonic() + seconds >= self.deadline:
            raise self._error(f"{again}, and the time for this file is over", again.remedy) from again
        self.clock.sleep(seconds)

    def _body(self) -> bool:
        """One try. True once the part is whole and verified, False where the file on the disk is the newest."""
        self.linked = ""
        with self._response(self.partial.address.url, self.partial.conditions()) as response:
            if response.status_code == 304 and self.partial.state.sha256:
                return False
            total = self._start(response)
            self._receive(response, total)
        size = self.partial.size
        if total is not None and size != total:
            raise _Again(f"cut off after {size:,} of {total:,} bytes")
        self._verify()
        return True

    def _start(self, response: httpx.Response) -> int | None:
        """Make the part ready for what comes. The bytes of the whole file, where the server says so."""
        size, seen = self.partial.size, _seen(response)
        if response.status_code == 206 and size:
            start, total = _content_range(response)
            if start == size and (not seen.etag or seen.etag == self.partial.state.part.etag):
                return self._room(self._limited(total))
            self.partial.drop()
            raise _Again("sent another range than was asked for")
        if response.status_code == 416 and size:
            self.partial.drop()
            raise _Again("the file has become shorter")
        if response.status_code != 200:
            raise self._refused(response)
        self.partial.begin(seen)
        return self._room(self._limited(_length(response)))

    def _room(self, total: int | None) -> int | None:
        needed, free = (total or 0) - self.partial.size, self.partial.free
        if needed > free:
            what = f"{needed:,} bytes are needed, and {free:,} are free"
            raise OutputError(what, where=str(self.partial.path), remedy="free some space, or choose another folder")
        return total

    def _receive(self, response: httpx.Response, total: int | None) -> None:
        size = self.partial.size
        with self.partial.append() as file:
            for piece in response.iter_raw():
                size += len(piece)
                self._limited(size)
                file.write(piece)
                self.progress(size, total)
                self._left()

    def _limited(self, size: int | None) -> int | None:
        limit = self.partial.address.max_mb * 1_000_000
        if size is not None and size > limit:
            self.partial.drop()
            raise self._error(f"larger than {limit:,} bytes", f"raise `max_mb` if it is meant to be, or {BY_HAND}")
        return size

    def _verify(self) -> None:
        stated = self._stated()
        try:
            wrong = self.partial.mismatch(stated)
        except InputError as exc:
            wrong = exc.what
        if not wrong:
            self.stated = stated
            return
        self.partial.drop()
        self.mismatches += 1
        if self.mismatches > 1:
            raise self._error(f"not what the publisher states: {wrong}", "try again later: it may be changing now")
        raise _Again(f"not what the publisher states: {wrong}")

    def _stated(self) -> str:
        if not self.partial.address.sha256_url:
            return self.linked
        text = bytearray()
        with self._response(self.partial.address.sha256_url, {}) as response:
            if response.status_code != 200:
                raise self._refused(response)
            for piece in response.iter_raw():
                text += piece
                self._left()
                if len(text) > MAX_CHECKSUMS:
                    raise self._error("the list of checksums is too large", BY_HAND)
        return stated_sha256(text.decode("utf-8", "replace"), self.partial.address)

    @contextmanager
    def _response(self, url: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
        """The answer after redirects, each of which is checked."""
        here = _allowed(url, self.partial.address)
        for _ in range(MAX_REDIRECTS + 1):
            left = self._left()
            stall = min(self.options.stall_s, left)
            timeout = httpx.Timeout(stall, connect=min(self.options.connect_s, left))
            with self.client.stream("GET", here, headers=headers, timeout=timeout) as response:
                self.linked = self.linked or _linked(response)
                if response.status_code not in REDIRECTS:
                    yield response
                    return
                here = _allowed(response.headers.get("location", ""), self.partial.address, came_from=here)
        raise self._error(f"more than {MAX_REDIRECTS} redirects", "the address may have changed: report it")

    def _refused(self, response: httpx.Response) -> _Again | FetchError:
        code = response.status_code
        what = f"the server answers {code} {httpx.codes.get_reason_phrase(code)}".rstrip()
        if code in PASSING:
            return _Again(what, after=self._retry_after(response))
        if code == 407:
            return self._error(what, "the proxy wants a name and a password")
        return self._error(what, f"the address may have changed: report it, or {BY_HAND}")

    def _retry_after(self, response: httpx.Response) -> float | None:
        text = response.headers.get("retry-after", "").strip()
        if re.fullmatch(r"\d{1,9}", text):
            return float(text)
        try:
            moment = parsedate_to_datetime(text)
        except (TypeError, ValueError, OverflowError):
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (moment - self.clock.now()).total_seconds())

    def _left(self) -> float:
        """Seconds until the file's time is over."""
        left = self.deadline - self.clock.monotonic()
        if left <= 0:
            raise self._error(f"not done in {self.options.total_s:,.0f} s", "run it again: it goes on where it stopped")
        return left

    def _error(self, what: str, remedy: str) -> FetchError:
        return FetchError(what, where=self.partial.address.url, remedy=remedy)

    def _explain(self, exc: httpx.HTTPError) -> _Again:
        """Raises FetchError at once for what no other try can mend."""
        cause: BaseException | None = exc
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                what = f"the server's certificate is not trusted: {cause.verify_message}"
                remedy = "behind an inspecting proxy, name its authority's PEM file as the CA file or in SSL_CERT_FILE"
                raise self._error(what, remedy) from exc
            cause = cause.__cause__ or cause.__context__
        if isinstance(exc, httpx.ConnectTimeout):
            return _Again(f"no connection in {self.options.connect_s:g} s", remedy="check the network and the proxy")
        if isinstance(exc, httpx.TimeoutException):
            return _Again(f"silent for {self.options.stall_s:g} s")
        if isinstance(exc, httpx.ConnectError | httpx.ProxyError):
            return _Again(f"no connection: {exc}", remedy="check the network and the proxy")
        return _Again(f"the connection broke: {exc}")


def _client(options: FetchOptions) -> httpx.Client:
    environment = environ.get("SSL_CERT_FILE", ""), environ.get("SSL_CERT_DIR", "")
    try:
        trust = _trust(options.ca_file, *environment)
    except OSError as exc:  # ssl.SSLError, too
        where = next(filter(None, (options.ca_file, *environment)), "")
        raise ConfigError(f"no certificates can be read: {exc}", where=where, remedy="a PEM file is needed") from exc
    headers = {"User-Agent": f"vedette/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}
    try:
        return httpx.Client(verify=trust, proxy=options.proxy or None, headers=headers, follow_redirects=False)
    except (ValueError, ImportError, httpx.InvalidURL) as exc:
        raise ConfigError("the proxy's address cannot be used", remedy="http://host:port is needed") from exc


@cache
def _trust(ca_file: str, environment_file: str, environment_folder: str) -> ssl.SSLContext:
    """Kept, because reading all authorities takes longer than fetching a small file."""
    if ca_file or environment_file or environment_folder:
        folder = "" if ca_file or environment_file else environment_folder
        return ssl.create_default_context(cafile=ca_file or environment_file or None, capath=folder or None)
    trust = httpx.create_ssl_context()
    trust.load_default_certs()
    return trust


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise output_error(path, exc) from exc


def _allowed(place: str, address: Address, came_from: httpx.URL | None = None) -> httpx.URL:
    """Https, or http on this machine's loopback that was not reached from https."""
    shown = f"{'redirected to ' if came_from else ''}{place.split('?')[0]!r:.120}"
    try:
        url = came_from.join(place) if came_from else httpx.URL(place)
    except (httpx.InvalidURL, ValueError):
        raise FetchError(f"{shown}: no address", where=address.url, remedy="report it") from None
    local = url.scheme == "http" and _is_loopback(url.host) and (came_from is None or came_from.scheme == "http")
    if not url.host or url.userinfo or not (url.scheme == "https" or local):
        what = f"{shown}: only https is fetched, without a name and a password"
        raise FetchError(what, where=address.url, remedy=f"if the address is right, {BY_HAND}")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _seen(response: httpx.Response) -> Seen:
    return Seen(response.headers.get("etag", ""), response.headers.get("last-modified", ""))


def _linked(response: httpx.Response) -> str:
    text = response.headers.get(LINKED, "").strip().strip('"')
    return text if re.fullmatch(r"[0-9a-f]{64}", text) else ""


def _length(response: httpx.Response) -> int | None:
    text = response.headers.get("content-length", "")
    return int(text) if re.fullmatch(r"\d{1,15}", text) else None


def _content_range(response: httpx.Response) -> tuple[int | None, int | None]:
    """(first byte, bytes of the whole file)."""
    found = re.fullmatch(r"bytes (\d{1,15})-\d{1,15}/(?:(\d{1,15})|\*)", response.headers.get("content-range", ""))
    return (int(found[1]), int(found[2]) if found[2] else None) if found else (None, None)
