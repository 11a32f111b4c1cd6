"""The review page: who may reach it, what it keeps, what it shows of hostile text; and all of it in a real browser."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from threading import Thread
from urllib.parse import urlencode

import pytest
from tests.cli.mounted import FORMAT
from tests.serve.browser import CHROMIUM, browsing

from vedette.errors import ConfigError
from vedette.forge.format import Format, Line, Section, Status, checked
from vedette.forge.review import Opinion, Reviews, Verdict
from vedette.forge.samples import Sample
from vedette.forge.shelf import Shelf
from vedette.forge.trial import Trial
from vedette.serve.format_review import ReviewSite
from vedette.serve.format_trial import trial_page
from vedette.serve.local import BYTES, LocalServer

HOSTILE = """</textarea></p><script>document.title='owned'</script><img src=x onerror="document.title='owned'"> '"&"""
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def made() -> Format:
    lines = (
        Line(Section.INTRODUCTION, "What it is."),
        Line(Section.STEPS, "Look."),
        Line(Section.STEPS, HOSTILE),
        Line(Section.RULES, "Guess nothing."),
        Line(Section.OUTPUT, "`Answer: …`"),
    )
    return checked(Format("demo", 1, ("demo",), Status.DRAFT, "", lines), "test")


@dataclass
class Running:
    server: LocalServer
    reviews: Reviews
    thread: Thread

    def ask(self, method: str, path: str | None = None, body: str = "", **headers: str) -> HTTPResponse:
        connection = HTTPConnection("127.0.0.1", self.server.server_port, timeout=20)
        own = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path or f"/{self.server.token}/", body or None, own)
        answer = connection.getresponse()
        answer.text = answer.read().decode()  # type: ignore[attr-defined]
        connection.close()
        return answer

    def post(self, **fields: str) -> HTTPResponse:
        return self.ask("POST", None, urlencode(fields), Origin=self.server.origin, **FORM)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    reviews = Reviews(tmp_path, made())
    with LocalServer(ReviewSite(reviews, "Ann")) as server:
        thread = Thread(target=server.run)
        thread.start()
        yield Running(server, reviews, thread)
        server.shutdown()
        thread.join(20)


def key(place: int) -> str:
    return made().lines[place].sha256[:16]


# -- who may reach it ------------------------------------------------------------------------------


def test_the_page_is_there_with_its_policy(running: Running) -> None:
    answer = running.ask("GET")
    assert answer.status == 200
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert "http://" not in answer.text  # type: ignore[attr-defined]
    assert running.server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize("path", ["/", "/x/", "/../", "//", "/%00/", "/?x=1", "*", "http://127.0.0.1/"])
def test_without_the_token_there_is_nothing(running: Running, path: str) -> None:
    for method in ("GET", "POST"):
        answer = running.ask(method, path, "a=b", Origin=running.server.origin, **FORM)
        assert answer.status == 404
        assert "demo" not in answer.text  # type: ignore[attr-defined]


LINES = [
    b"GET /\xe9\xff/ HTTP/1.1",
    b"GET",
    b"\x00\xff",
    b"GET / HTTP/9.9",
    b"GET /" + b"x" * 70_000,
    b"GET http://[ HTTP/1.1",
]


@pytest.mark.parametrize("line", LINES)
def test_no_request_line_stops_the_server(running: Running, line: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection(("127.0.0.1", running.server.server_port), timeout=20) as client:
        client.sendall(line + b"\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        assert b"demo" not in client.makefile("rb").read()
    assert running.ask("GET").status == 200
    assert "Traceback" not in capfd.readouterr().err


def test_a_path_below_the_token_is_nothing(running: Running) -> None:
    assert running.ask("GET", f"/{running.server.token}/x").status == 404
    assert running.ask("GET", f"/{running.server.token}").status == 404


def test_another_host_name_is_refused(running: Running) -> None:
    assert running.ask("GET", Host="evil.example").status == 404
    assert running.ask("GET", Host=f"localhost:{running.server.server_port}").status == 404


@pytest.mark.parametrize("origin", ["", "null", "http://evil.example", "http://127.0.0.1:1"])
def test_a_form_of_another_page_is_refused(running: Running, origin: str) -> None:
    headers = {"Origin": origin} if origin else {}
    answer = running.ask("POST", None, urlencode({f"verdict-{key(0)}": "accept"}), **headers, **FORM)
    assert answer.status == 403
    assert not running.reviews.path.exists()


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
def test_other_methods_are_refused(running: Running, method: str) -> None:
    assert running.ask(method).status in {501, 405}


def test_reading_changes_nothing(running: Running) -> None:
    assert running.ask("GET", f"/{running.server.token}/?verdict-{key(0)}=accept&save=1").status == 200
    assert not running.reviews.path.exists()


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ("a=b", {"Content-Type": "application/json"}, 415),
        ("a=b", {**FORM, "Content-Length": "-1"}, 413),
        ("a=b", {**FORM, "Content-Length": str(BYTES + 1)}, 413),
        ("a=b", {**FORM, "Content-Length": "9" * 30}, 413),
        ("a=%ff", FORM, 400),
        ("&".join(f"a{n}=1" for n in range(2_000)), FORM, 400),
    ],
)
def test_a_form_that_is_none_is_refused(running: Running, body: str, headers: dict[str, str], status: int) -> None:
    assert running.ask("POST", None, body, Origin=running.server.origin, **headers).status == status
    assert running.ask("GET").status == 200


def test_a_query_that_is_none_is_refused(running: Running) -> None:
    for query in ("a=%ff", "&".join(f"a{n}=1" for n in range(2_000))):
        assert running.ask("GET", f"/{running.server.token}/?{query}").status == 400


def test_a_port_that_is_taken_is_told(running: Running) -> None:
    with pytest.raises(ConfigError, match="give another --port"):
        LocalServer(ReviewSite(running.reviews, "Ann"), running.server.server_port)


# -- what it keeps ---------------------------------------------------------------------------------


def test_what_is_sent_is_kept_and_told(running: Running) -> None:
    fields = {f"verdict-{key(0)}": "accept", f"rating-{key(0)}": "5", f"comment-{key(0)}": HOSTILE}
    answer = running.post(**fields, **{f"verdict-{key(1)}": "edit", f"text-{key(1)}": "Look\r\ntwice."}, save="1")
    assert answer.status == 303
    assert answer.headers["Location"] == f"/{running.server.token}/?saved=2#{key(2)}"
    said = running.reviews.of("Ann")
    assert said[made().lines[0]] == Opinion(Verdict.ACCEPT, "", 5, HOSTILE)
    assert said[made().lines[1]] == Opinion(Verdict.EDIT, "Look twice.")
    assert "2 saved." in running.ask("GET", f"/{running.server.token}/?saved=2").text  # type: ignore[attr-defined]


def test_sending_the_same_again_keeps_nothing_twice(running: Running) -> None:
    for _ in range(2):
        running.post(**{f"verdict-{key(0)}": "reject"})
    assert len(running.reviews.path.read_bytes().splitlines()) == 1


def test_a_fault_keeps_the_rest_and_what_was_typed(running: Running) -> None:
    fields = {f"verdict-{key(0)}": "accept", f"verdict-{key(1)}": "edit", f"text-{key(1)}": "x" * 601 + HOSTILE}
    answer = running.post(**fields, **{f"comment-{key(3)}": "why"})
    text: str = answer.text  # type: ignore[attr-defined]
    assert answer.status == 422
    assert "longer than 600" in text
    assert "no verdict" in text
    assert "x" * 601 in text
    assert 'value="why"' in text
    assert "<script" not in text
    assert list(running.reviews.of("Ann")) == [made().lines[0]]


def test_a_forged_verdict_is_a_fault(running: Running) -> None:
    assert running.post(**{f"verdict-{key(0)}": "<b>", f"rating-{key(0)}": "9"}).status == 422
    assert running.post(**{"verdict-0000": "accept"}).status == 303
    assert not running.reviews.path.exists()


def test_what_others_decided_is_not_shown(running: Running) -> None:
    running.reviews.add("Bob", made().lines[0], Opinion(Verdict.REJECT, comment="Bob says no"))
    assert "Bob" not in running.ask("GET").text  # type: ignore[attr-defined]


def test_finishing_stops_the_server(running: Running) -> None:
    answer = running.post(**{f"verdict-{key(0)}": "accept"}, finish="1")
    assert "4 of 5 items are undecided" in answer.text  # type: ignore[attr-defined]
    running.thread.join(20)
    assert not running.thread.is_alive()


def test_a_full_disk_is_told_on_the_page(running: Running) -> None:
    (running.reviews.path.parent).write_text("a file where the folder should be")
    answer = running.post(**{f"verdict-{key(0)}": "accept", f"comment-{key(0)}": "typed"})
    assert answer.status == 507
    assert 'value="typed"' in answer.text  # type: ignore[attr-defined]


def test_no_text_becomes_markup(running: Running) -> None:
    text: str = running.ask("GET").text  # type: ignore[attr-defined]
    assert "<script" not in text
    assert "<img" not in text
    assert text.count("</textarea>") == 5


def test_the_page_of_trials_escapes_everything() -> None:
    trial = Trial(Sample(HOSTILE, HOSTILE + "\x1b[2J", HOSTILE), HOSTILE, (HOSTILE,))
    text = trial_page(made(), [trial], HOSTILE)
    assert "<script" not in text
    assert "<img" not in text
    assert "\x1b" not in text
    assert not re.search(r"(src|href)=", text.replace("src=x", ""))
    assert "0 of 1" in text


# -- in a real browser -----------------------------------------------------------------------------

PROPOSED = {
    "introduction": ["The task asks for the root cause."],
    "steps": ["Say what is wrong.", HOSTILE, "Choose."],
    "rules": ["Effects are no causes."],
    "output": ["The last line is `Answer: …`."],
    "questions": ["Which weakness is it?"],
}


def command(*args: str) -> list[str]:
    return [sys.executable, "-W", "error", "-c", FORMAT, *args]


def vedette(folder: Path, *args: str, code: int = 0) -> str:
    done = subprocess.run(command(*args), cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def script(folder: Path, name: str, *replies: object) -> str:
    (folder / name).write_text("".join(json.dumps(reply) + "\n" for reply in replies), "utf-8")
    return f"fake/{name}"


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium here: the page cannot be looked at in a real browser")
def test_from_proposal_to_build_in_a_real_browser(tmp_path: Path) -> None:
    sample = {"question": "A value stands unescaped in a page. Which one?", "answer": "So.\n\nAnswer: CWE-79"}
    (tmp_path / "s.jsonl").write_text(json.dumps(sample) + "\n", "utf-8")
    own = Shelf(tmp_path / "formats")
    before = own.for_task("cve-weakness/root-cause")
    assert before is not None

    told = vedette(
        tmp_path, "new", "cve-weakness", "--samples", "s.jsonl", "--model", script(tmp_path, "t.jsonl", "no", PROPOSED)
    )
    assert "cve-weakness.v2.md: a draft of 7 items" in told
    reply = script(tmp_path, "a.jsonl", "1. So.\n\nAnswer: CWE-79")
    assert "1 of 1 answer" in vedette(tmp_path, "try", "cve-weakness", "--samples", "s.jsonl", "--model", reply)
    assert own.for_task("cve-weakness/root-cause") == before
    assert "7 of 7 items are undecided" in vedette(tmp_path, "approve", "cve-weakness", "--by", "Ann", code=2)

    review_in_the_browser(tmp_path)
    assert "Ann decided 7" in vedette(tmp_path, "agreement", "cve-weakness")
    assert "1 of 7 items dropped, 1 edited" in vedette(tmp_path, "approve", "cve-weakness", "--by", "Ann")

    after = own.for_task("cve-weakness/root-cause")
    assert after is not None
    assert after.version == 3
    assert after.of(Section.STEPS) == ("Say what is wrong, and nothing else.", "Choose.")
    assert "and nothing else" in after.render(sample["question"])
    path = tmp_path / "formats/cve-weakness.v3.md"
    path.write_text(path.read_text("utf-8").replace("Choose.", "Choose!"), "utf-8")
    assert "was edited after Ann approved it" in vedette(tmp_path, "list", code=6)


def review_in_the_browser(folder: Path) -> None:
    serving = subprocess.Popen(
        command("review", "cve-weakness", "--web", "--by", "Ann"), cwd=folder, stdout=subprocess.PIPE, text=True
    )
    try:
        assert serving.stdout
        address = serving.stdout.readline().split()[1]
        with browsing(folder / "profile") as tab:
            tab.open(address)
            tab.shot(folder / "fresh.png")
            assert tab.run("document.querySelectorAll('article').length") == 7
            assert tab.run("document.querySelectorAll('script, img').length") == 0
            assert tab.run("getComputedStyle(document.querySelector('textarea')).display") == "none"
            for place, verdict in enumerate(["accept", "edit", "reject", "accept"]):
                tab.run(f"document.querySelectorAll('article')[{place}].querySelector('[value={verdict}]').click()")
            tab.run("document.querySelectorAll('textarea')[1].value = 'Say what is wrong, and\\nnothing else.'")
            assert tab.run("getComputedStyle(document.querySelectorAll('textarea')[1]).display") == "block"
            tab.run("document.querySelectorAll('article')[6].querySelector('select').value = '2'")
            tab.press("save")
            assert "1 could not be saved" in tab.run("document.querySelector('[role=alert]').textContent")
            assert "4 of 7 items decided" in tab.run("document.body.textContent")
            for place in range(4, 7):
                tab.run(f"document.querySelectorAll('article')[{place}].querySelector('[value=accept]').click()")
            tab.press("save")
            assert "3 saved" in tab.run("document.querySelector('[role=status]').textContent")
            tab.shot(folder / "saved.png")
            tab.press("finish")
            assert "All items are decided" in tab.run("document.body.textContent")
            assert tab.run("document.title") == "cve-weakness.v2"
            refused = [event for event in tab.events if event.get("method") == "Log.entryAdded"]
            assert not [e for e in refused if "Content Security" in e["params"]["entry"]["text"]], refused
            asked = [
                e["params"]["request"]["url"] for e in tab.events if e.get("method") == "Network.requestWillBeSent"
            ]
            assert len(asked) >= 4
            assert all(url.startswith(address.rpartition("/")[0]) for url in asked if "favicon" not in url), asked
        out, _ = serving.communicate(timeout=60)
        assert "7 of 7 items decided by Ann" in out
        assert serving.returncode == 0
    finally:
        serving.kill()
        serving.wait()
